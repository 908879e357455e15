//! What each action does.

use std::fmt::Write as _;

use super::{
    compare, copy, data, edit, entry, find, jobs, label, models, moves, ready, takes, teach, tokens, train,
};
use crate::app::{
    Action, Effect, Field, Focus, Help, Layer, LineFor, Page, Paint, Palette, Part, Screen, Series, State,
    TextBox,
};

/// Lines of a page step.
const PAGE: i32 = 10;
/// Critiques sampled at once.
const SAMPLES: usize = 8;

/// Most times a motion is repeated.
const MOST: usize = 10_000;

/// An action with the number typed before it: motions are repeated, `G` and `g g` go to that place.
pub(super) fn counted(state: &mut State, action: Action, count: usize) -> Vec<Effect> {
    if let Some(effects) = data::act(state, action, Some(count)) {
        return effects;
    }
    match action {
        Action::First | Action::Last => moves::to_place(state, count.saturating_sub(1)),
        Action::Up => moves::step(state, -(count.min(MOST) as i32)),
        Action::Down => moves::step(state, count.min(MOST) as i32),
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
        | Action::Biggest
        | Action::PreviousBiggest => {
            return (0..count.clamp(1, MOST)).flat_map(|_| act(state, action)).collect();
        }
        _ => return act(state, action),
    }
    Vec::new()
}

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if let Some(effects) = teach::act(state, action) {
        return effects;
    }
    let before = state.screen;
    let mut effects = everywhere(state, action);
    effects.extend(teach::left(state, before));
    effects
}

fn everywhere(state: &mut State, action: Action) -> Vec<Effect> {
    if let Some(effects) = data::act(state, action, None) {
        return effects;
    }
    if let Some(effects) = label::act(state, action) {
        return effects;
    }
    match action {
        Action::RunOrStop if state.screen == Screen::Compare => return compare::run(state),
        Action::RunOrStop => {
            let (effects, stopped) = jobs::stop(state);
            if stopped || !ready(state) {
                return effects;
            }
            return jobs::run(state, None);
        }
        Action::RunAgain if ready(state) => {
            let (mut effects, _) = jobs::stop(state);
            let seed = jobs::fresh_seed(state);
            effects.extend(jobs::run(state, Some(seed)));
            return effects;
        }
        Action::NextExample => step_example(state, 1),
        Action::PreviousExample => step_example(state, -1),
        Action::EditCritique => edit::open(state, Part::Critique),
        Action::EditAnswer => edit::open(state, Part::Answer),
        Action::EditRubric => edit::open(state, Part::Rubric),
        Action::CritiqueOutside | Action::Outside => return edit::outside(state, Part::Critique),
        Action::AnswerOutside => return edit::outside(state, Part::Answer),
        Action::GoOn => {
            return match state.layers.last() {
                Some(Layer::Edit(_)) => edit::go_on(state),
                Some(Layer::Writing(_)) => Vec::new(),
                _ => edit::go_on_here(state),
            };
        }
        Action::Steer => return edit::choose(state),
        Action::UndoTake => takes::undo(state),
        Action::RedoTake => takes::redo(state),
        Action::ShowTakes => takes::list(state),
        Action::NameTake => takes::name(state),
        Action::Hold => takes::compare(state, true),
        Action::CompareTakes => takes::compare(state, false),
        Action::Sample => {
            if !ready(state) {
                return Vec::new();
            }
            if state.is_classic() {
                state.note = Some("a classic reward model: it writes no critiques".into());
                return Vec::new();
            }
            let effects = jobs::sample(state, SAMPLES);
            if !matches!(state.layers.last(), Some(Layer::Samples(_))) {
                state.layers.push(Layer::Samples(0));
            }
            return effects;
        }
        Action::ShowSamples => {
            if state.samples().is_empty() {
                state.note = Some("no critique yet: N samples eight".into());
            } else {
                state.layers.push(Layer::Samples(0));
            }
        }
        Action::ExactTokens => return tokens::show(state),
        Action::ShowCompare => compare::show(state),
        Action::Versus => compare::versus(state),
        Action::LoadOther => compare::ask_model(state),
        Action::Swap => return compare::swap(state),
        Action::Diff => state.compare.plain = !state.compare.plain,
        Action::NewExample => entry::open_new(state),
        Action::OtherSide => other_side(state),
        Action::NextTake => step_take(state, 1),
        Action::PreviousTake => step_take(state, -1),
        Action::Biggest => biggest(state, true),
        Action::PreviousBiggest => biggest(state, false),
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
            Some(error) => state.layers.push(Layer::Detail(Page::new("Error", error))),
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
        Action::ShowInspect => {
            state.layers.clear();
            state.screen = Screen::Inspect;
        }
        Action::Cancel => return cancel(state),
        Action::Close => match state.layers.last() {
            Some(Layer::Entry(_)) => entry::close(state),
            Some(Layer::Search(_)) => find::close(state),
            Some(Layer::Edit(_)) => return edit::close(state, false),
            _ => drop(state.layers.pop()),
        },
        Action::Quit => return quit(state),
        Action::Yes => return vec![Effect::Quit],
        Action::No => drop(state.layers.pop()),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Up => moves::step(state, -1),
        Action::Down => moves::step(state, 1),
        Action::PageUp => moves::step(state, -PAGE),
        Action::PageDown => moves::step(state, PAGE),
        Action::First => moves::to_end(state, false),
        Action::Last => moves::to_end(state, true),
        Action::Left => moves::step_cursor(state, -1),
        Action::Right => moves::step_cursor(state, 1),
        Action::PreviousWord => moves::step_word(state, -1),
        Action::NextWord => moves::step_word(state, 1),
        Action::Submit => {
            return match state.layers.last() {
                Some(Layer::Edit(_)) => edit::close(state, true),
                _ => entry::submit(state),
            };
        }
        Action::OtherField => other_field(state),
        Action::Undo => return with_area(state, |area| area.undo()),
        Action::Redo => return with_area(state, |area| area.redo()),
        Action::Cut => return with_area(state, |area| area.cut()),
        Action::PasteText => return with_area(state, |area| area.paste()),
        Action::CopyText => {
            let area = match state.layers.last_mut() {
                Some(Layer::Edit(edit)) => &mut edit.area,
                Some(Layer::Writing(writing)) => &mut writing.area,
                Some(Layer::Entry(entry)) => entry.area_mut(),
                _ => return Vec::new(),
            };
            if let Some(text) = area.copy() {
                return vec![Effect::Copy("selection".into(), text)];
            }
            state.note = Some("nothing is selected: shift and the arrows select".into());
        }
        Action::SelectAll => {
            return with_area(state, |area| {
                area.select_all();
                true
            });
        }
        Action::Accept => return accept(state),
        Action::Search => find::open(state),
        Action::NextMatch => find::go(state, 1),
        Action::PreviousMatch => find::go(state, -1),
        Action::Copy => return copy::pane(state),
        Action::CopyRow => return copy::row(state),
        Action::ShowTeach => return teach::show(state),
        Action::NewRun => return train::open(state),
        Action::TrainRows => return train::open_chosen(state),
        Action::ShowModels => return models::show(state),
        Action::ShowData => return data::show(state),
        Action::ShowAll => return vec![Effect::ShowAll],
        Action::NextTheme => return vec![Effect::NextTheme],
        Action::ShowLog => return vec![Effect::ShowLog],
        // The rest belongs to labels, and was done.
        _ => {}
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
    if let Some(search) = &mut state.search {
        search.at = None;
    }
}

pub(super) fn step_example(state: &mut State, by: i32) {
    let last = state.examples.len().saturating_sub(1);
    let index = state.selected.saturating_add_signed(by as isize).min(last);
    if index != state.selected {
        select(state, index);
    }
}

pub(super) fn other_side(state: &mut State) {
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

/// To the token that moved the reward most; from there, to the next in rank, or back to the one before.
fn biggest(state: &mut State, next: bool) {
    let ranked = state.critique_take().map(|(take, _)| take.by_change()).unwrap_or_default();
    let last = ranked.len().saturating_sub(1);
    let at = state.cursor.filter(|cursor| ranked.get(state.rank) == Some(cursor)).map(|_| state.rank);
    let rank = match (at, next) {
        (None, _) => 0,
        (Some(at), true) => {
            if at == last {
                0
            } else {
                at + 1
            }
        }
        (Some(at), false) => at.checked_sub(1).unwrap_or(last),
    };
    match ranked.get(rank) {
        Some(index) => {
            (state.cursor, state.rank) = (Some(*index), rank);
            state.note = Some(format!("move {} of {}", rank + 1, ranked.len()));
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
    state.layers.push(Layer::Detail(Page::new("Model", text)));
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

fn other_field(state: &mut State) {
    if let Some(Layer::Entry(entry)) = state.layers.last_mut() {
        entry.field = match entry.field {
            Field::Prompt => Field::Answer,
            Field::Answer => Field::Prompt,
        };
    }
}

fn with_area(state: &mut State, change: impl Fn(&mut TextBox) -> bool) -> Vec<Effect> {
    let done = match state.layers.last_mut() {
        Some(Layer::Entry(entry)) => change(entry.area_mut()),
        Some(Layer::Edit(edit)) => change(&mut edit.area),
        Some(Layer::Writing(writing)) => change(&mut writing.area),
        _ => return Vec::new(),
    };
    if !done {
        state.note = Some("nothing to do".into());
    }
    label::changed(state);
    edit::changed(state)
}

/// What is picked or typed in the topmost layer.
fn accept(state: &mut State) -> Vec<Effect> {
    match state.layers.last().cloned() {
        Some(Layer::Palette(palette)) => {
            let matches = state.palette(&palette.query);
            let picked = matches.get(palette.picked.min(matches.len().saturating_sub(1))).map(|b| b.action);
            if let Some(action) = picked {
                state.layers.pop();
                return act(state, action);
            }
        }
        Some(Layer::Takes(_)) => {
            if let Some(id) = takes::picked(state) {
                state.layers.pop();
                takes::to(state, id);
            }
        }
        Some(Layer::Samples(picked)) => {
            let id = ranked(state).get(picked).copied();
            if let Some(id) = id {
                state.layers.pop();
                takes::to(state, id);
            }
        }
        Some(Layer::Columns(picked)) => {
            state.layers.pop();
            data::add_column(state, picked);
        }
        Some(Layer::Search(typing)) if state.screen == Screen::Data && state.layers.len() == 1 => {
            state.layers.pop();
            return data::find_words(state, &typing.query);
        }
        Some(Layer::Search(_)) => find::accept(state),
        Some(Layer::Steer(_)) => return edit::steer(state),
        Some(Layer::Line(line)) => {
            state.layers.pop();
            match line.purpose {
                LineFor::Name(id) => state.takes.name(id, &line.text),
                LineFor::Model => return compare::load(state, &line.text),
                LineFor::Keep => return teach::kept(state, &line.text),
                LineFor::Runs => return teach::folder(&line.text),
                LineFor::Filter => return data::filter(state, &line.text),
                LineFor::Export => return data::export(state, &line.text),
                LineFor::Order => label::set_order(state, &line.text),
            }
        }
        _ => {}
    }
    Vec::new()
}

/// The sampled critiques as they are listed.
fn ranked(state: &State) -> Vec<crate::app::TakeId> {
    state.samples().iter().map(|take| take.id).collect()
}
