//! What each action does.

use std::fmt::Write as _;

use super::{copy, entry, find, jobs, ready};
use crate::app::{Action, Effect, Field, Focus, Help, Layer, Paint, Palette, Series, State};

/// Lines of a page step.
const PAGE: i32 = 10;

/// Most times a motion is repeated.
const MOST: usize = 10_000;

/// An action with the number typed before it: motions are repeated, `G` and `g g` go to that place.
pub(super) fn counted(state: &mut State, action: Action, count: usize) -> Vec<Effect> {
    match action {
        Action::First | Action::Last => to_place(state, count.saturating_sub(1)),
        Action::Up => step(state, -(count.min(MOST) as i32)),
        Action::Down => step(state, count.min(MOST) as i32),
        Action::PageUp
        | Action::PageDown
        | Action::Left
        | Action::Right
        | Action::PreviousWord
        | Action::NextWord
        | Action::NextExample
        | Action::PreviousExample
        | Action::NextTake
        | Action::PreviousTake
        | Action::NextMatch
        | Action::PreviousMatch
        | Action::Biggest => return (0..count.clamp(1, MOST)).flat_map(|_| act(state, action)).collect(),
        _ => return act(state, action),
    }
    Vec::new()
}

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::RunOrStop => {
            let (effects, stopped) = jobs::stop(state);
            if stopped || !ready(state) {
                return effects;
            }
            return jobs::run(state, None);
        }
        Action::RunAgain => {
            if ready(state) {
                let (mut effects, _) = jobs::stop(state);
                let seed = jobs::fresh_seed(state);
                effects.extend(jobs::run(state, Some(seed)));
                return effects;
            }
        }
        Action::NextExample => step_example(state, 1),
        Action::PreviousExample => step_example(state, -1),
        Action::EditAnswer => entry::open_answer(state),
        Action::NewExample => entry::open_new(state),
        Action::OtherSide => other_side(state),
        Action::NextTake => step_take(state, 1),
        Action::PreviousTake => step_take(state, -1),
        Action::Biggest => biggest(state),
        Action::Paint => {
            state.paint = match state.paint {
                Paint::StopHere => Paint::Reward,
                Paint::Reward => Paint::Change,
                Paint::Change => Paint::Plain,
                Paint::Plain => Paint::StopHere,
            };
        }
        Action::Series => {
            state.series = match state.series {
                Series::Live => Series::StopHere,
                Series::StopHere => Series::Live,
            };
        }
        Action::ErrorDetail => match state.error().map(str::to_owned) {
            Some(error) => state.layers.push(Layer::Detail("Error".into(), error, 0)),
            None => state.note = Some("no error".into()),
        },
        Action::ModelDetail => model_detail(state),
        Action::Help => match state.layers.last() {
            Some(Layer::Help(_)) => drop(state.layers.pop()),
            _ => state.layers.push(Layer::Help(Help::default())),
        },
        Action::Palette => state.layers.push(Layer::Palette(Palette::default())),
        Action::FocusNext => turn_focus(state, 1),
        Action::FocusPrevious => turn_focus(state, 2),
        Action::ShowInspect => state.layers.clear(),
        Action::Cancel => return cancel(state),
        Action::Close => match state.layers.last() {
            Some(Layer::Entry(_)) => entry::close(state),
            Some(Layer::Search(_)) => find::close(state),
            _ => drop(state.layers.pop()),
        },
        Action::Quit => return quit(state),
        Action::Yes => return vec![Effect::Quit],
        Action::No => drop(state.layers.pop()),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Up => step(state, -1),
        Action::Down => step(state, 1),
        Action::PageUp => step(state, -PAGE),
        Action::PageDown => step(state, PAGE),
        Action::First => to_end(state, false),
        Action::Last => to_end(state, true),
        Action::Left => step_cursor(state, -1),
        Action::Right => step_cursor(state, 1),
        Action::PreviousWord => step_word(state, -1),
        Action::NextWord => step_word(state, 1),
        Action::Submit => return entry::submit(state),
        Action::OtherField => other_field(state),
        Action::Undo => with_area(state, |area| area.undo()),
        Action::Redo => with_area(state, |area| area.redo()),
        Action::Accept => return accept(state),
        Action::Search => find::open(state),
        Action::NextMatch => find::go(state, 1),
        Action::PreviousMatch => find::go(state, -1),
        Action::Copy => return copy::pane(state),
        Action::CopyRow => return copy::row(state),
        Action::ShowAll => return vec![Effect::ShowAll],
        Action::NextTheme => return vec![Effect::NextTheme],
        Action::ShowLog => return vec![Effect::ShowLog],
    }
    Vec::new()
}

/// Shows another example.
pub(super) fn select(state: &mut State, index: usize) {
    state.selected = index;
    state.side = crate::app::Side::Chosen;
    view_changed(state);
    state.text_scroll = 0;
    state.text_anchor = None;
}

fn view_changed(state: &mut State) {
    state.cursor = None;
    state.critique_top = None;
    state.rank = 0;
    if let Some(search) = &mut state.search {
        search.at = None;
    }
}

fn step_example(state: &mut State, by: i32) {
    let last = state.examples.len().saturating_sub(1);
    let index = state.selected.saturating_add_signed(by as isize).min(last);
    if index != state.selected {
        select(state, index);
    }
}

fn other_side(state: &mut State) {
    if state.example().is_some_and(crate::app::Example::is_pair) {
        state.side = state.side.other();
        view_changed(state);
    } else {
        state.note = Some("this example has one answer".into());
    }
}

fn step_take(state: &mut State, by: i32) {
    let key = (state.selected, state.side);
    let ids: Vec<_> = state.takes.of(key.0, key.1).map(|t| t.id).collect();
    let Some(at) = state.shown.get(&key).and_then(|id| ids.iter().position(|i| i == id)) else {
        state.note = Some("no take yet: space makes one".into());
        return;
    };
    let to = at.saturating_add_signed(by as isize).min(ids.len() - 1);
    if let Some(id) = ids.get(to) {
        state.shown.insert(key, *id);
        view_changed(state);
    }
}

/// To the token that moved the reward most; pressed again, to the next in rank.
fn biggest(state: &mut State) {
    let ranked = state.critique_take().map(|(take, _)| take.by_change()).unwrap_or_default();
    if state.cursor.is_none() {
        state.rank = 0;
    }
    match ranked.get(state.rank).or_else(|| ranked.first()) {
        Some(index) => {
            state.cursor = Some(*index);
            state.note = Some(format!("move {} of {}", (state.rank % ranked.len()) + 1, ranked.len()));
            state.rank = (state.rank + 1) % ranked.len();
            state.focus = Focus::Critique;
            state.critique_top = None;
        }
        None => state.note = Some("no critique yet".into()),
    }
}

fn model_detail(state: &mut State) {
    let Some(info) = state.info() else {
        state.note = Some("no model yet".into());
        return;
    };
    let mut text = format!(
        "{}\n{} weights, {} on {}, {:.1} MB, loaded in {:.2} s\nfingerprint {}\n",
        info.name,
        info.parameters,
        info.dtype,
        info.device,
        info.bytes as f64 / 1e6,
        info.load_s,
        info.fingerprint
    );
    for reason in &info.spec.reasons {
        let _ = write!(text, "\n{}: {}\n    {}", reason.what, reason.value, reason.why);
    }
    state.layers.push(Layer::Detail("Model".into(), text, 0));
}

fn turn_focus(state: &mut State, by: usize) {
    const ORDER: [Focus; 3] = [Focus::Examples, Focus::Text, Focus::Critique];
    let at = ORDER.iter().position(|f| *f == state.focus).unwrap_or(0);
    if let Some(focus) = ORDER.get((at + by) % ORDER.len()) {
        state.focus = *focus;
    }
}

fn cancel(state: &mut State) -> Vec<Effect> {
    if state.layers.pop().is_some() {
        return Vec::new();
    }
    let (effects, stopped) = jobs::stop(state);
    if !stopped {
        state.search = None;
        state.cursor = None;
        state.critique_top = None;
    }
    effects
}

fn quit(state: &mut State) -> Vec<Effect> {
    if state.layers.pop().is_some() {
        return Vec::new();
    }
    match state.at_stake() {
        Some(what) => {
            state.layers.push(Layer::Quit(what));
            Vec::new()
        }
        None => vec![Effect::Quit],
    }
}

/// The mouse wheel.
pub(super) fn scroll(state: &mut State, pane: Option<Focus>, lines: i32) -> Vec<Effect> {
    let focus = state.focus;
    state.focus = pane.unwrap_or(focus);
    match (state.layers.last(), state.focus) {
        (None, Focus::Examples) => step_example(state, lines.signum()),
        _ => step(state, lines),
    }
    state.focus = focus;
    Vec::new()
}

fn step(state: &mut State, by: i32) {
    let moved = |at: usize| at.saturating_add_signed(by as isize);
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(_, _, scroll)), _) => {
            *scroll = moved((*scroll).min(state.limits.layer)).min(state.limits.layer);
        }
        (Some(Layer::Palette(palette)), _) => palette.picked = moved(palette.picked),
        (Some(_), _) => {}
        (None, Focus::Examples) => step_example(state, by),
        (None, Focus::Text) => {
            state.text_scroll = moved(state.text_scroll).min(state.limits.text);
            state.text_anchor = None;
        }
        (None, Focus::Critique) => {
            let top = moved(state.limits.critique_top);
            state.critique_anchor = None;
            // At its end the view follows again.
            state.critique_top = (top < state.limits.critique).then_some(top);
            state.limits.critique_top = top.min(state.limits.critique);
        }
    }
}

fn to_end(state: &mut State, last: bool) {
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(_, _, scroll)), _) => {
            *scroll = if last { state.limits.layer } else { 0 };
        }
        (Some(_), _) => {}
        (None, Focus::Examples) => {
            let index = if last { state.examples.len().saturating_sub(1) } else { 0 };
            select(state, index);
        }
        (None, Focus::Text) => {
            state.text_scroll = if last { state.limits.text } else { 0 };
            state.text_anchor = None;
        }
        (None, Focus::Critique) => {
            state.critique_top = None;
            state.cursor = if last { None } else { Some(0) };
        }
    }
}

/// To a row, counted from 0: of the list, of a text; of the critique, to a token.
fn to_place(state: &mut State, place: usize) {
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(_, _, scroll)), _) => {
            *scroll = place.min(state.limits.layer);
        }
        (Some(_), _) => {}
        (None, Focus::Examples) => select(state, place.min(state.examples.len().saturating_sub(1))),
        (None, Focus::Text) => {
            state.text_scroll = place.min(state.limits.text);
            state.text_anchor = None;
        }
        (None, Focus::Critique) => {
            (state.cursor, state.critique_top) = (Some(place), None);
        }
    }
}

fn step_cursor(state: &mut State, by: isize) {
    let Some((take, _)) = state.critique_take() else { return };
    let Some(last) = take.tokens.len().checked_sub(1) else { return };
    let at = state.cursor.unwrap_or(last).min(last);
    state.cursor = Some(at.saturating_add_signed(by).min(last));
    state.critique_top = None;
}

/// To the next token that begins a word.
fn step_word(state: &mut State, by: isize) {
    let Some((take, _)) = state.critique_take() else { return };
    let starts =
        |i: usize| i == 0 || take.tokens.get(i).is_some_and(|t| t.text.starts_with(char::is_whitespace));
    let Some(last) = take.tokens.len().checked_sub(1) else { return };
    let mut at = state.cursor.unwrap_or(last).min(last);
    loop {
        let next = at.saturating_add_signed(by).min(last);
        if next == at {
            break;
        }
        at = next;
        if starts(at) {
            break;
        }
    }
    state.cursor = Some(at);
    state.critique_top = None;
}

fn other_field(state: &mut State) {
    match state.layers.last_mut() {
        Some(Layer::Entry(entry)) if entry.purpose == crate::app::EntryFor::New => {
            entry.field = match entry.field {
                Field::Prompt => Field::Answer,
                Field::Answer => Field::Prompt,
            };
        }
        _ => state.note = Some("only the answer is edited here; n types a new prompt".into()),
    }
}

fn with_area(state: &mut State, change: impl Fn(&mut ratatui_textarea::TextArea<'static>) -> bool) {
    if let Some(Layer::Entry(entry)) = state.layers.last_mut()
        && !change(entry.area_mut())
    {
        state.note = Some("nothing more".into());
    }
}

fn accept(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Palette(palette)) = state.layers.last() else {
        find::accept(state);
        return Vec::new();
    };
    let matches = state.palette(&palette.query);
    let picked = matches.get(palette.picked.min(matches.len().saturating_sub(1))).map(|b| b.action);
    match picked {
        Some(action) => {
            state.layers.pop();
            act(state, action)
        }
        None => Vec::new(),
    }
}
