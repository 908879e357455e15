//! Moving: through lists and texts, along the tokens, by the wheel.

use super::act::{select, step_example};
use super::{compare, data, label};
use crate::app::{Effect, Focus, Help, Layer, Page, Screen, State, Steer, TakeList};

/// The mouse wheel.
pub(super) fn scroll(state: &mut State, pane: Option<Focus>, lines: i32) -> Vec<Effect> {
    if state.screen == Screen::Data && state.layers.is_empty() {
        data::scroll(state, lines as isize);
        return Vec::new();
    }
    let focus = state.focus;
    state.focus = pane.unwrap_or(focus);
    match (state.layers.last(), state.focus) {
        (None, Focus::Examples) if state.screen == Screen::Inspect => step_example(state, lines.signum()),
        _ => step(state, lines),
    }
    state.focus = focus;
    Vec::new()
}

pub(super) fn step(state: &mut State, by: i32) {
    if label::step(state, by) {
        return;
    }
    let moved = |at: usize| at.saturating_add_signed(by as isize);
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(Page { scroll, .. })), _) => {
            *scroll = moved((*scroll).min(state.limits.layer)).min(state.limits.layer);
        }
        (Some(Layer::Palette(palette)), _) => palette.picked = moved(palette.picked),
        (
            Some(
                Layer::Takes(TakeList { picked, .. })
                | Layer::Samples(picked)
                | Layer::Columns(picked)
                | Layer::Steer(Steer { picked, .. }),
            ),
            _,
        ) => *picked = moved(*picked).min(state.limits.list),
        (Some(_), _) => {}
        (None, _) if state.screen == Screen::Compare => compare::scroll(state, by as isize),
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

pub(super) fn to_end(state: &mut State, last: bool) {
    if label::step(state, if last { i32::MAX } else { i32::MIN }) {
        return;
    }
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(Page { scroll, .. })), _) => {
            *scroll = if last { state.limits.layer } else { 0 };
        }
        (
            Some(
                Layer::Takes(TakeList { picked, .. })
                | Layer::Samples(picked)
                | Layer::Columns(picked)
                | Layer::Steer(Steer { picked, .. }),
            ),
            _,
        ) => *picked = if last { state.limits.list } else { 0 },
        (Some(_), _) => {}
        (None, _) if state.screen == Screen::Compare => {
            state.compare.top = if last { state.limits.compare } else { 0 };
        }
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
pub(super) fn to_place(state: &mut State, place: usize) {
    if label::step(state, i32::MIN) {
        label::step(state, i32::try_from(place).unwrap_or(i32::MAX));
        return;
    }
    match (state.layers.last_mut(), state.focus) {
        (Some(Layer::Help(Help { scroll, .. }) | Layer::Detail(Page { scroll, .. })), _) => {
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

pub(super) fn step_cursor(state: &mut State, by: isize) {
    let Some((take, _)) = state.critique_take() else { return };
    let Some(last) = take.tokens.len().checked_sub(1) else { return };
    let at = state.cursor.unwrap_or(last).min(last);
    state.cursor = Some(at.saturating_add_signed(by).min(last));
    state.critique_top = None;
}

/// To the next token that begins a word.
pub(super) fn step_word(state: &mut State, by: isize) {
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
