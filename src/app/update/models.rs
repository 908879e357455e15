//! The session's models: those that were kept. One is picked to be compared with, or to be the model on the screen.

use super::{compare, label, teach};
use crate::app::teach::Ask;
use crate::app::{Action, Effect, Layer, State};
use crate::session::{Event, Model};

/// Opens the list.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    state.layers.push(Layer::Models(0));
    teach::ask(Ask::Models)
}

/// What an action means in the list.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let Some(Layer::Models(picked)) = state.layers.last().cloned() else { return None };
    let before = state.teach.doomed.take();
    let last = state.teach.models.len().saturating_sub(1);
    let to = |state: &mut State, place: usize| {
        if let Some(Layer::Models(picked)) = state.layers.last_mut() {
            *picked = place.min(last);
        }
        Some(Vec::new())
    };
    let model = state.teach.models.get(picked.min(last)).cloned();
    match action {
        Action::Up => return to(state, picked.saturating_sub(1)),
        Action::Down => return to(state, picked + 1),
        Action::First => return to(state, 0),
        Action::Last => return to(state, last),
        Action::Accept | Action::OpenModel | Action::DropModel if model.is_none() => {
            state.note = Some("no model was kept yet: K on the Teach screen keeps a run's result".into());
        }
        Action::Accept => {
            // What it was opened over would lie over the comparison.
            state.layers.clear();
            return model.map(|model| compare::load(state, &model.path.display().to_string()));
        }
        Action::OpenModel => {
            state.layers.pop();
            return model.map(|model| vec![Effect::Reopen(model.path)]);
        }
        Action::DropModel => {
            let model = model?;
            if before.as_ref() == Some(&model.path) {
                return Some(teach::ask(Ask::DropModel(model.path)));
            }
            state.note = Some(format!("X again removes {} for good", model.name));
            state.teach.doomed = Some(model.path);
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// A model was kept or dropped: the session is to know it. Without one it is opened first.
pub(super) fn said(state: &mut State, model: Model) -> Vec<Effect> {
    state.teach.unsaid.push(model);
    if state.desk.pen.is_some() {
        return session(state);
    }
    let opening = std::mem::replace(&mut state.desk.opening, true);
    if opening { Vec::new() } else { vec![Effect::OpenSession] }
}

/// There is a session: what waits for it is written.
pub(super) fn session(state: &mut State) -> Vec<Effect> {
    let models = std::mem::take(&mut state.teach.unsaid);
    models
        .into_iter()
        .flat_map(|model| label::write(state, Event::Model(Box::new(model)), Vec::new()))
        .collect()
}
