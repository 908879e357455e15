//! The tree of takes: back and forth, the list, names.

use crate::app::{Layer, Line, LineFor, Screen, State, TakeId, TakeList, Versus};

/// Back to the take that the shown one was made from.
pub(super) fn undo(state: &mut State) {
    let Some((id, parent)) = state.take().map(|t| (t.id, t.parent)) else {
        state.note = Some("no take yet: space makes one".into());
        return;
    };
    match parent {
        Some(parent) => {
            state.redo.push(id);
            to(state, parent);
        }
        None => state.note = Some("this is the first take".into()),
    }
}

/// Forth to the take that undo came from, or to the newest one made from the shown one.
pub(super) fn redo(state: &mut State) {
    let Some(shown) = state.take().map(|t| t.id) else { return };
    let below = |id: &TakeId| state.takes.get(*id).is_some_and(|t| t.parent == Some(shown));
    let came_from = state.redo.last().copied().filter(below);
    let newest = state.takes.children(shown).last().map(|t| t.id);
    match came_from.or(newest) {
        Some(id) => {
            if came_from.is_some() {
                state.redo.pop();
            }
            to(state, id);
        }
        None => state.note = Some("no take was made from this one".into()),
    }
}

/// Shows a take, and says which it is.
pub(super) fn to(state: &mut State, id: TakeId) {
    let Some(take) = state.takes.get(id) else { return };
    let (side, title) = (take.side, state.title(take));
    state.side = side;
    state.show(id);
    (state.cursor, state.critique_top) = (None, None);
    state.note = Some(title);
}

/// Opens the list, the shown take picked.
pub(super) fn list(state: &mut State) {
    let shown = state.take().map(|t| t.id);
    let rows = state.takes.tree(state.selected);
    if rows.is_empty() {
        state.note = Some("no take yet: space makes one".into());
        return;
    }
    let picked = rows.iter().position(|(_, t)| Some(t.id) == shown).unwrap_or(0);
    state.layers.push(Layer::Takes(TakeList { picked, held: None }));
}

/// The picked take of the list.
pub(super) fn picked(state: &State) -> Option<TakeId> {
    let Some(Layer::Takes(list)) = state.layers.last() else { return None };
    let rows = state.takes.tree(state.selected);
    rows.get(list.picked.min(rows.len().saturating_sub(1))).map(|(_, take)| take.id)
}

/// Types a name for the picked take, or for the shown one.
pub(super) fn name(state: &mut State) {
    let Some(id) = picked(state).or_else(|| state.take().map(|t| t.id)) else {
        state.note = Some("no take yet: space makes one".into());
        return;
    };
    let text = state.takes.get(id).and_then(|t| t.name.clone()).unwrap_or_default();
    state.layers.push(Layer::Line(Line { purpose: LineFor::Name(id), text }));
}

/// Holds the picked take, or compares it with the held one (else with the shown one).
pub(super) fn compare(state: &mut State, hold: bool) {
    let Some(id) = picked(state) else { return };
    let shown = state.take().map(|t| t.id);
    let Some(Layer::Takes(list)) = state.layers.last_mut() else { return };
    if hold {
        list.held = if list.held == Some(id) { None } else { Some(id) };
        return;
    }
    match list.held.or(shown).filter(|other| *other != id) {
        Some(other) => {
            state.compare.versus = Versus::Takes(other, id);
            state.compare.top = 0;
            state.layers.pop();
            state.screen = Screen::Compare;
        }
        None => state.note = Some("hold one take with space, then pick another".into()),
    }
}
