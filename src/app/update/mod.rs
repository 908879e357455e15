//! The only mutator of the state: what happened in, what is to be done out.

mod act;
mod compare;
mod edit;
mod engine;
mod entry;
mod jobs;
mod kept;
mod takes;
mod tokens;

use super::keymap::Lookup;
use super::{Effect, Key, Layer, ModelState, Msg, State};

pub use jobs::start;
pub use kept::{Kept, KeptTake};

/// Changes the state by what happened; returns what is to be done.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = happened(state, msg);
    effects.extend(state.takes.changes().into_iter().map(|(id, change)| Effect::Keep(id, change)));
    effects
}

fn happened(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => press(state, key),
        Msg::Paste(text) => entry::paste(state, &text),
        Msg::Scroll(pane, lines) => act::scroll(state, pane, lines),
        Msg::Click(focus) => {
            if state.layers.is_empty() {
                state.focus = focus;
            }
            Vec::new()
        }
        Msg::Examples(examples) => {
            let from = state.examples.len();
            state.examples.extend(examples);
            kept::fit(state, from);
            engine::run_first(state)
        }
        Msg::Engine(event) => engine::event(state, event),
        Msg::Refused(ticket, error) => engine::failed(state, ticket, error),
        Msg::Clock(now) => {
            state.now = now;
            edit::due(state)
        }
        Msg::Size(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Msg::Limits(limits) => {
            state.limits = limits;
            Vec::new()
        }
        Msg::Note(text) => {
            state.note = Some(text);
            Vec::new()
        }
        Msg::Kept(kept) => kept::arrived(state, *kept),
        Msg::Saving(waiting, error) => {
            if let Some(error) = error.as_ref().filter(|_| state.unsaved.1.is_none()) {
                state.note = Some(format!("NOT SAVED: {error}"));
            }
            state.unsaved = (waiting, error);
            Vec::new()
        }
        Msg::Edited(text) => edit::edited(state, &text),
    }
}

fn press(state: &mut State, key: Key) -> Vec<Effect> {
    state.note = None;
    state.pending.push(key);
    let contexts = state.contexts();
    match state.keymap.look_up(contexts, &state.pending) {
        Lookup::Action(action) => {
            state.pending.clear();
            act::act(state, action)
        }
        Lookup::Prefix => Vec::new(),
        Lookup::Nothing => {
            let first = state.pending.len() == 1;
            state.pending.clear();
            match state.layers.last() {
                Some(Layer::Entry(_) | Layer::Edit(_)) => entry::type_key(state, key),
                Some(Layer::Line(_)) => entry::type_line(state, key),
                Some(Layer::Palette(_)) => entry::type_palette(state, key),
                _ if first || key.code == super::Code::Esc => Vec::new(),
                // The second key of no sequence: on its own.
                _ => press(state, key),
            }
        }
    }
}

/// True when the model can be asked.
fn ready(state: &mut State) -> bool {
    let why = match &state.model {
        ModelState::Ready(_) => return true,
        ModelState::Loading => "the model is still loading",
        ModelState::Failed(_) => "there is no model: x shows why",
        ModelState::Down(_) => "the engine has stopped: x shows why; takes stay, quit and start again",
    };
    state.note = Some(why.to_owned());
    false
}
