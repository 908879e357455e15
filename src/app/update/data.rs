//! The Data screen: moving, choosing, filter and order, what the rows' thread tells.

use std::path::PathBuf;

use super::batch;
use crate::app::{Action, DataPane, Effect, Layer, Line as Typed, LineFor, Page, Screen, State, Typing};
use crate::browse::{Ask, BINS, Column, Export, Filter, For, Index, Query};

/// Lines of a page step.
const PAGE: usize = 10;
/// Lines asked for around the cursor, on each side.
const AROUND: usize = 96;
/// The cursor may move so far before lines are asked for again.
const BLOCK: usize = 32;

fn ask(ask: Ask) -> Effect {
    Effect::Browse(Box::new(ask))
}

/// Opens the screen.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    let Some(index) = &state.data.index else {
        state.note = Some("no rows to browse yet: open files, `outloud FILE...`".into());
        return Vec::new();
    };
    let stopped = index.stopped;
    state.layers.clear();
    state.screen = Screen::Data;
    let mut effects = labels(state);
    effects.extend(marks(state));
    let told = &state.data.query;
    let sorted = told.sort.as_ref().is_some_and(|(column, _)| is_figure(column));
    let filtered = told.filter.as_ref().is_some_and(|filter| filter.columns().into_iter().any(is_figure));
    if (sorted || filtered) && state.desk.hides_some() {
        state.note = Some("all rows, as they come: ".to_owned() + HIDDEN);
        effects.extend(query(state, Query::default()));
    }
    if stopped {
        effects.push(ask(Ask::Resume));
    }
    effects
}

/// Why rewards are not shown.
pub(super) const HIDDEN: &str =
    "rewards are hidden while pairs wait for your label; R shows them, and labels after it say so";

fn is_figure(column: &Column) -> bool {
    matches!(column, Column::Reward | Column::Margin)
}

/// Shows the rewards of pairs that wait for a label; what is seen of them is recorded.
fn reveal(state: &mut State) {
    state.note = Some(match state.desk.hides_some() {
        true => "rewards are shown: labels of pairs seen here say that you knew them".into(),
        false => "nothing is hidden".into(),
    });
    state.desk.unmasked = true;
}

/// Rewards of takes that came from elsewhere than the engine.
fn marks(state: &mut State) -> Vec<Effect> {
    let numbers: Vec<u32> = state.data.examples.keys().copied().collect();
    numbers.into_iter().filter_map(|number| mark(state, number)).collect()
}

/// Tells the rows' thread the rewards of a row, if that is news.
pub(super) fn mark(state: &mut State, number: u32) -> Option<Effect> {
    let rewards = state.found_rewards(number);
    let told = state.data.marks.get(&number).copied().unwrap_or_default();
    if rewards == told {
        return None;
    }
    state.data.marks.insert(number, rewards);
    Some(ask(Ask::Mark(number, rewards.map(|reward| reward.unwrap_or(f32::NAN)))))
}

/// Labels given since the rows' thread was told of them.
fn labels(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (number, at) in &state.data.examples {
        // Of a row of many answers there is no one label.
        let pairs = state.desk.pairs_of(*at);
        let at = pairs.first().copied().filter(|_| pairs.len() == 1).unwrap_or(*at);
        let choice = state.desk.mine(at).and_then(|label| label.choice);
        let word = choice.and_then(|choice| Some(state.examples.get(at)?.choice_words(choice)));
        if state.data.labels.get(number).copied() != word {
            match word {
                Some(word) => state.data.labels.insert(*number, word),
                None => state.data.labels.remove(number),
            };
            effects.push(ask(Ask::Label(*number, word)));
        }
    }
    if !effects.is_empty() {
        // What is on the screen is asked for again.
        columns_changed(state);
    }
    effects
}

/// An action on the screen itself; `None` where it means what it means elsewhere.
pub(super) fn act(state: &mut State, action: Action, count: Option<usize>) -> Option<Vec<Effect>> {
    if state.screen != Screen::Data || !state.layers.is_empty() {
        return None;
    }
    let times = count.unwrap_or(1).max(1);
    let data = &mut state.data;
    match action {
        Action::Up => step(state, -(times as isize)),
        Action::Down => step(state, times as isize),
        Action::PageUp => step(state, -((times * PAGE) as isize)),
        Action::PageDown => step(state, (times * PAGE) as isize),
        Action::First | Action::Last => match (count, action) {
            (Some(place), _) => to(state, place.saturating_sub(1)),
            (None, Action::First) => to(state, 0),
            _ => to(state, usize::MAX),
        },
        Action::Left => sideways(state, -(times as isize)),
        Action::Right => sideways(state, times as isize),
        Action::FocusNext => turn(state, 1),
        Action::FocusPrevious => turn(state, DataPane::ALL.len() - 1),
        Action::BadRows => {
            data.pane = if data.pane == DataPane::Bad { DataPane::Table } else { DataPane::Bad };
        }
        Action::OpenRow => return Some(open(state)),
        Action::SelectRow => {
            if let Some(row) = data.row(data.at) {
                data.chosen.set(row, !data.chosen.has(row));
                step(state, 1);
            }
        }
        Action::SelectRange => match data.range.take() {
            None => data.range = Some(data.at),
            Some(from) => {
                for place in from.min(data.at)..=from.max(data.at) {
                    if let Some(row) = data.row(place) {
                        data.chosen.set(row, true);
                    }
                }
            }
        },
        Action::SelectShown => {
            for place in 0..data.len() {
                if let Some(row) = data.row(place) {
                    data.chosen.set(row, true);
                }
            }
            state.note = Some(format!("{} rows are chosen", state.data.chosen.len()));
        }
        Action::InvertSelection => {
            for place in 0..data.len() {
                if let Some(row) = data.row(place) {
                    data.chosen.set(row, !data.chosen.has(row));
                }
            }
        }
        Action::ClearSelection => data.chosen = Default::default(),
        Action::Filter => {
            let text = data.query.filter.as_ref().map(ToString::to_string).unwrap_or_default();
            state.layers.push(Layer::Line(Typed { purpose: LineFor::Filter, text }));
        }
        Action::ClearFilter => {
            let query = Query { filter: None, ..data.query.clone() };
            return Some(self::query(state, query));
        }
        Action::SortColumn => return Some(sort(state)),
        Action::AddColumn => {
            if data.hidden().is_empty() {
                state.note = Some("every column is there".into());
            } else {
                state.layers.push(Layer::Columns(0));
            }
        }
        Action::HideColumn => {
            if data.columns.len() > 1 && data.column < data.columns.len() {
                data.columns.remove(data.column);
                data.column = data.column.min(data.columns.len() - 1);
                columns_changed(state);
            }
        }
        Action::MoveColumnLeft => move_column(state, -1),
        Action::MoveColumnRight => move_column(state, 1),
        Action::ScoreRows => return Some(batch::start(state)),
        Action::ExportRows => {
            let text = if data.path.is_empty() { "rows.jsonl".to_owned() } else { data.path.clone() };
            let text = if data.pane == DataPane::Bad { "bad-rows.jsonl".into() } else { text };
            state.layers.push(Layer::Line(Typed { purpose: LineFor::Export, text }));
        }
        Action::Biggest | Action::PreviousBiggest => outlier(state, action == Action::Biggest),
        Action::NextMatch => return Some(find(state, false)),
        Action::PreviousMatch => return Some(find(state, true)),
        Action::Search => {
            let before = None;
            state.layers.push(Layer::Search(Typing { query: String::new(), before }));
        }
        Action::Reveal => reveal(state),
        Action::Cancel => return Some(cancel(state)),
        _ => return None,
    }
    Some(Vec::new())
}

fn step(state: &mut State, by: isize) {
    let data = &mut state.data;
    match data.pane {
        DataPane::Table => to(state, state.data.at.saturating_add_signed(by)),
        DataPane::Bad => to(state, state.data.bad_at.saturating_add_signed(by)),
        // To the next reward among points, to the next bin.
        DataPane::Rewards | DataPane::Margins => sideways(state, by),
        DataPane::Scatter => {
            let mut order: Vec<usize> = (0..data.summary.points.len()).collect();
            let reward = |at: &usize| data.summary.points.get(*at).map_or(0.0, |p| p.reward);
            order.sort_by(|a, b| reward(b).total_cmp(&reward(a)));
            let at = order.iter().position(|point| *point == data.point).unwrap_or(0);
            let to = at.saturating_add_signed(by).min(order.len().saturating_sub(1));
            data.point = order.get(to).copied().unwrap_or(0);
        }
    }
}

/// To a place: of the view, of the bad rows.
fn to(state: &mut State, place: usize) {
    let data = &mut state.data;
    match data.pane {
        DataPane::Table => data.at = place.min(data.len().saturating_sub(1)),
        DataPane::Bad => {
            let count = data.index.as_ref().map_or(0, Index::notes);
            data.bad_at = place.min(count.saturating_sub(1));
        }
        DataPane::Rewards | DataPane::Margins => data.bin = place.min(BINS - 1),
        DataPane::Scatter => data.point = place.min(data.summary.points.len().saturating_sub(1)),
    }
}

/// To another column, bin or point.
fn sideways(state: &mut State, by: isize) {
    let data = &mut state.data;
    let moved = |at: usize, count: usize| at.saturating_add_signed(by).min(count.saturating_sub(1));
    match data.pane {
        DataPane::Table => data.column = moved(data.column, data.columns.len()),
        DataPane::Rewards | DataPane::Margins => {
            // Over bins with nothing in them.
            let bins =
                if data.pane == DataPane::Rewards { &data.summary.rewards } else { &data.summary.margins };
            let full: Vec<usize> =
                bins.bins.iter().enumerate().filter(|(_, (n, _))| *n > 0).map(|(at, _)| at).collect();
            let at =
                full.iter().position(|at| *at >= data.bin).unwrap_or_else(|| full.len().saturating_sub(1));
            data.bin = full.get(moved(at, full.len())).copied().unwrap_or(BINS / 2);
        }
        DataPane::Scatter => data.point = moved(data.point, data.summary.points.len()),
        DataPane::Bad => {}
    }
}

fn turn(state: &mut State, by: usize) {
    let at = DataPane::ALL.iter().position(|pane| *pane == state.data.pane).unwrap_or(0);
    if let Some(pane) = DataPane::ALL.get((at + by) % DataPane::ALL.len()) {
        state.data.pane = *pane;
    }
}

/// The row under the cursor: of the table, of a bin its most extreme one, of the scatter the point's.
pub(super) fn under_cursor(state: &State) -> Option<u32> {
    let data = &state.data;
    let of =
        |bins: &crate::browse::Bins| bins.bins.get(data.bin).filter(|(n, _)| *n > 0).map(|(_, row)| *row);
    match data.pane {
        DataPane::Table => data.row(data.at),
        DataPane::Rewards => of(&data.summary.rewards),
        DataPane::Margins => of(&data.summary.margins),
        DataPane::Scatter => data.summary.points.get(data.point).map(|point| point.row),
        DataPane::Bad => None,
    }
}

/// Opens the row under the cursor in Inspect; a bad row in full.
fn open(state: &mut State) -> Vec<Effect> {
    let data = &state.data;
    if data.pane == DataPane::Bad {
        let line = data.bad_at.checked_sub(data.bad.0).and_then(|at| data.bad.1.get(at));
        if let Some((place, reason)) = line {
            let bad = data.index.as_ref().map_or(0, |index| index.bad);
            let title = if data.bad_at < bad { "Bad row" } else { "Repeated id" };
            state.layers.push(Layer::Detail(Page::new(title, format!("{place}\n\n{reason}"))));
        }
        return Vec::new();
    }
    if data.pane != DataPane::Table && state.desk.hides_some() {
        state.note = Some(HIDDEN.into());
        return Vec::new();
    }
    match under_cursor(state) {
        Some(row) => vec![ask(Ask::Rows(vec![row], For::Open))],
        None => {
            state.note = Some("nothing to open here".into());
            Vec::new()
        }
    }
}

/// To the answer farthest from the line, or the next one in rank.
fn outlier(state: &mut State, next: bool) {
    if state.desk.hides_some() {
        state.note = Some(HIDDEN.into());
        return;
    }
    let data = &mut state.data;
    let points = &data.summary.points;
    if points.is_empty() {
        state.note = Some("no answer has a reward: r critiques rows".into());
        return;
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    let far = |at: &usize| points.get(*at).map_or(0.0, |p| p.residual.abs());
    order.sort_by(|a, b| far(b).total_cmp(&far(a)));
    let here = data.pane == DataPane::Scatter && order.get(data.rank) == Some(&data.point);
    data.rank = match (here, next) {
        (false, _) => 0,
        (true, true) => (data.rank + 1) % order.len(),
        (true, false) => data.rank.checked_sub(1).unwrap_or(order.len() - 1),
    };
    data.point = order.get(data.rank).copied().unwrap_or(0);
    data.pane = DataPane::Scatter;
    state.note = Some(format!("outlier {} of {}: enter opens it", data.rank + 1, order.len()));
}

fn move_column(state: &mut State, by: isize) {
    let data = &mut state.data;
    let other = data.column.saturating_add_signed(by);
    if other < data.columns.len() && other != data.column {
        data.columns.swap(data.column, other);
        data.column = other;
    }
}

fn columns_changed(state: &mut State) {
    state.data.generation += 1;
    state.data.lines.clear();
}

/// Adds a hidden column after the one under the cursor.
pub(super) fn add_column(state: &mut State, picked: usize) {
    let data = &mut state.data;
    if let Some(column) = data.hidden().into_iter().nth(picked) {
        data.column = (data.column + 1).min(data.columns.len());
        data.columns.insert(data.column, column);
        columns_changed(state);
    }
}

/// By the column under the cursor: up, down, as the rows come.
fn sort(state: &mut State) -> Vec<Effect> {
    let data = &state.data;
    let Some(column) = data.columns.get(data.column).cloned() else { return Vec::new() };
    if is_figure(&column) && state.desk.hides_some() {
        state.note = Some(HIDDEN.into());
        return Vec::new();
    }
    let sort = match &data.query.sort {
        Some((by, false)) if *by == column => Some((column, true)),
        Some((by, true)) if *by == column => None,
        _ => Some((column, false)),
    };
    let query = Query { sort, ..data.query.clone() };
    self::query(state, query)
}

/// A filter was typed; a wrong one is said to be so, and stays to be mended.
pub(super) fn filter(state: &mut State, text: &str) -> Vec<Effect> {
    let filter = match check(state, text) {
        Ok(filter) => filter,
        Err(wrong) => {
            state.note = Some(wrong);
            state.layers.push(Layer::Line(Typed { purpose: LineFor::Filter, text: text.into() }));
            return Vec::new();
        }
    };
    if filter.as_ref().is_some_and(|filter| filter.columns().into_iter().any(is_figure))
        && state.desk.hides_some()
    {
        state.note = Some(HIDDEN.into());
        return Vec::new();
    }
    let query = Query { filter, ..state.data.query.clone() };
    query_from_start(state, query)
}

/// What is wrong with a filter, as far as it is typed: its grammar, and columns that are not there.
pub fn check(state: &State, text: &str) -> Result<Option<Filter>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let filter = Filter::parse(text).map_err(|wrong| wrong.to_string())?;
    let there = state.data.index.as_ref().map(|index| index.columns.as_slice()).unwrap_or_default();
    for column in filter.columns() {
        let Column::File(name) = column else { continue };
        if !there.contains(name) {
            let mut known: Vec<&str> = Column::FIRST.iter().map(Column::name).collect();
            known.extend(there.iter().map(String::as_str));
            let near = crate::app::keymap::nearest(name, &known).unwrap_or_default();
            return Err(format!("there is no column `{name}`; did you mean `{near}`?"));
        }
    }
    Ok(Some(filter))
}

fn query_from_start(state: &mut State, query: Query) -> Vec<Effect> {
    state.data.at = 0;
    self::query(state, query)
}

fn query(state: &mut State, query: Query) -> Vec<Effect> {
    let data = &mut state.data;
    if query == data.query && !data.querying {
        return Vec::new();
    }
    data.asked += 1;
    data.querying = true;
    data.share = Some(0.0);
    data.range = None;
    data.query = query.clone();
    vec![ask(Ask::Query(data.asked, query))]
}

/// The words typed after `/`; none: those before.
pub(super) fn find_words(state: &mut State, words: &str) -> Vec<Effect> {
    if !words.trim().is_empty() {
        state.data.words = words.trim().to_owned();
    }
    state.data.pane = DataPane::Table;
    find(state, false)
}

fn find(state: &mut State, back: bool) -> Vec<Effect> {
    let data = &mut state.data;
    let count = data.len();
    if data.words.is_empty() || count == 0 {
        state.note = Some("nothing is looked for: / types the words".into());
        return Vec::new();
    }
    data.finding = (data.finding.0 + 1, true);
    let from = if back { data.at.checked_sub(1).unwrap_or(count - 1) } else { (data.at + 1) % count };
    let (id, words, view) = (data.finding.0, data.words.clone(), data.view.clone());
    vec![ask(Ask::Find { id, words, view, from, back })]
}

/// Writes the chosen rows, or those of the view; on the list of bad rows, those.
pub(super) fn export(state: &mut State, path: &str) -> Vec<Effect> {
    let path = path.trim();
    if path.is_empty() {
        return Vec::new();
    }
    let data = &mut state.data;
    let what = if data.pane == DataPane::Bad {
        Export::Bad
    } else {
        data.path = path.to_owned();
        let rows: Vec<u32> = match data.chosen.is_empty() {
            true => (0..data.len()).filter_map(|place| data.row(place)).collect(),
            false => data.chosen.iter().collect(),
        };
        if path.ends_with(".txt") { Export::Numbers(rows) } else { Export::Rows(rows) }
    };
    (data.exporting, data.share) = (true, Some(0.0));
    vec![ask(Ask::Export(what, PathBuf::from(path)))]
}

/// Esc: the range, what is looked for, the export, the critiques, the query, the reading.
fn cancel(state: &mut State) -> Vec<Effect> {
    let data = &mut state.data;
    if data.range.take().is_some() {
        return Vec::new();
    }
    if data.finding.1 || data.exporting {
        data.finding.1 = false;
        return vec![ask(Ask::Stop)];
    }
    if data.batch.is_some() {
        return batch::stop(state);
    }
    if data.querying {
        state.note = Some("stopped: all rows, as they come".into());
        return query(state, Query::default());
    }
    if data.index.as_ref().is_some_and(|index| !index.done && !index.stopped) {
        state.note = Some("reading is stopped: g d reads on".into());
        return vec![ask(Ask::Stop)];
    }
    Vec::new()
}

/// The mouse: the wheel over a pane, a click on a place.
pub(super) fn scroll(state: &mut State, lines: isize) {
    step(state, lines);
}

/// A click on a cell of the terminal.
pub(super) fn click(state: &mut State, x: u16, y: u16) {
    if !state.layers.is_empty() {
        return;
    }
    let panes = state.limits.data;
    let inside =
        |[left, top, right, bottom]: [u16; 4]| (left..right).contains(&x) && (top..bottom).contains(&y);
    let Some((pane, [_, top, ..], first)) = panes.into_iter().flatten().find(|(_, area, _)| inside(*area))
    else {
        return;
    };
    state.data.pane = pane;
    if matches!(pane, DataPane::Table | DataPane::Bad) {
        to(state, first + usize::from(y - top));
    }
}

/// Asks for what the screen needs and does not have.
pub(super) fn want(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.screen != Screen::Data {
        return effects;
    }
    let data = &mut state.data;
    let block = data.at / BLOCK * BLOCK;
    let (from, to) = (block.saturating_sub(AROUND), (block + BLOCK + AROUND).min(data.len()));
    let window = (from, to, data.generation);
    if window != data.window {
        data.window = window;
        let wanted: Vec<u32> = (from..to).filter_map(|place| data.row(place)).collect();
        data.lines.retain(|row, _| wanted.contains(row));
        let missing: Vec<u32> = wanted.into_iter().filter(|row| !data.lines.contains_key(row)).collect();
        if !missing.is_empty() {
            let files = data.columns.iter().filter_map(|column| match column {
                Column::File(name) => Some(name.clone()),
                _ => None,
            });
            effects.push(ask(Ask::Lines(missing, files.collect())));
        }
    }
    let bad = data.index.as_ref().map_or(0, Index::notes);
    if data.pane == DataPane::Bad && bad > 0 {
        let from = (data.bad_at / BLOCK * BLOCK).saturating_sub(AROUND);
        let count = (data.bad_at / BLOCK * BLOCK + BLOCK + AROUND).min(bad) - from;
        if data.bad.0 != from || data.bad.1.len() != count {
            data.bad = (from, vec![(String::new(), String::new()); count]);
            effects.push(ask(Ask::Bad(from, count)));
        }
    }
    effects
}
