//! What a click and a drawn mouse do.

use super::act;
use crate::app::{
    Action, Effect, Focus, Layer, Palette, Screen, Side, State, Steer, TakeList, Target, TextBox,
};

/// A click: it focuses; a row is picked, and a picked one taken; a token or a letter gets the cursor.
pub(super) fn click(state: &mut State, pane: Option<Focus>, target: Option<Target>) -> Vec<Effect> {
    state.note = None;
    if let (Some(focus), []) = (pane, state.layers.as_slice()) {
        state.focus = focus;
    }
    match target {
        Some(Target::Row(row)) => match picked(state) {
            Some(at) if *at == row => return act::act(state, Action::Accept),
            Some(at) => *at = row,
            None => {}
        },
        Some(Target::Letter(..)) => letter(state, target, false),
        Some(other) => go(state, other),
        None => {}
    }
    Vec::new()
}

/// The mouse was drawn over something with its button down.
pub(super) fn drag(state: &mut State, target: Target) -> Vec<Effect> {
    match target {
        Target::Row(row) => {
            if let Some(at) = picked(state) {
                *at = row;
            }
        }
        Target::Letter(..) => letter(state, Some(target), true),
        other => go(state, other),
    }
    Vec::new()
}

/// To an example, an answer or a token of the screen below all layers.
fn go(state: &mut State, target: Target) {
    if !state.layers.is_empty() || state.screen != Screen::Inspect {
        return;
    }
    match target {
        Target::Example(index) if index != state.selected => act::select(state, index),
        Target::Side(side) => turn(state, side),
        Target::Token(side, index) => {
            turn(state, side);
            state.focus = Focus::Critique;
            // The rows stay where they are: what was clicked must not move away.
            state.critique_top = Some(state.limits.critique_top);
            state.critique_anchor = None;
            state.cursor = Some(index);
        }
        _ => {}
    }
}

fn turn(state: &mut State, side: Side) {
    if state.side != side {
        act::other_side(state);
    }
}

/// The picked row of the topmost list.
fn picked(state: &mut State) -> Option<&mut usize> {
    match state.layers.last_mut()? {
        Layer::Takes(TakeList { picked, .. })
        | Layer::Samples(picked)
        | Layer::Steer(Steer { picked, .. })
        | Layer::Palette(Palette { picked, .. }) => Some(picked),
        _ => None,
    }
}

fn letter(state: &mut State, target: Option<Target>, select: bool) {
    let Some(Target::Letter(field, row, column)) = target else { return };
    let area: &mut TextBox = match (state.layers.last_mut(), field) {
        (Some(Layer::Edit(edit)), _) => &mut edit.area,
        (Some(Layer::Writing(writing)), _) => &mut writing.area,
        (Some(Layer::Entry(entry)), Some(field)) if !select || entry.field == field => {
            entry.field = field;
            entry.area_mut()
        }
        _ => return,
    };
    area.go_to(row, column, select);
}
