//! The only mutator of the state: what happened in, what is to be done out.

mod act;
mod batch;
mod compare;
mod copy;
mod data;
mod data_news;
mod edit;
mod engine;
mod entry;
mod find;
mod jobs;
mod kept;
mod label;
mod models;
mod mouse;
mod moves;
mod takes;
mod teach;
mod tokens;
mod train;

use super::keymap::Lookup;
use super::{Anchor, Change, Effect, Key, Layer, ModelState, Msg, Page, Screen, State};

pub use data::check as check_filter;
pub use jobs::start;
pub use kept::{Kept, KeptTake};
pub use label::figure;

/// Changes the state by what happened; returns what is to be done.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = happened(state, msg);
    effects.extend(label::ahead(state));
    data_news::look(state);
    for (id, change) in state.takes.changes() {
        if change == Change::Ended {
            label::scored(state, id);
            effects.extend(batch::marked(state, id));
        }
        effects.push(Effect::Keep(id, change));
    }
    effects.extend(label::see(state));
    label::look(state);
    effects.extend(data::want(state));
    effects
}

fn happened(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => press(state, key),
        Msg::Paste(text) => entry::paste(state, &text),
        Msg::Scroll(pane, lines) => moves::scroll(state, pane, lines),
        Msg::Runs(news) => teach::news(state, *news),
        Msg::Click(pane, target) => mouse::click(state, pane, target),
        Msg::Drag(target) => mouse::drag(state, target),
        Msg::Press(x, y) => {
            data::click(state, x, y);
            Vec::new()
        }
        Msg::Data(news) => data_news::news(state, *news),
        Msg::Examples(examples) => {
            let from = state.examples.len();
            state.examples.extend(examples);
            kept::fit(state, from);
            label::examples(state);
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
            hold(state);
            Vec::new()
        }
        Msg::Limits(limits) => {
            // An anchored view stands where its words were drawn.
            if state.text_anchor.is_some() {
                state.text_scroll = limits.text_top;
            }
            if let (Some(_), Some(top)) = (state.critique_anchor, &mut state.critique_top) {
                *top = limits.critique_top;
            }
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
        Msg::Session(pen) => {
            label::session(state, pen);
            models::session(state)
        }
        Msg::Journal(entries, all) => label::journal(state, entries, all),
        Msg::Adopted(take, name) => label::adopted(state, take, name),
        Msg::Page(title, text) => {
            state.layers.push(Layer::Detail(Page { scroll: usize::MAX, ..Page::new(title, text) }));
            Vec::new()
        }
        Msg::Waiting(tokens) => {
            state.waiting = tokens;
            Vec::new()
        }
        Msg::Edited(text) => edit::edited(state, &text),
    }
}

/// The rows are about to change: what stands at the top of each text is held there.
fn hold(state: &mut State) {
    let limits = &state.limits;
    if limits.text_top > 0 && state.text_anchor.is_none() {
        state.text_anchor = Some(Anchor { at: limits.text_at, above: 0 });
    }
    if state.critique_top.is_none() {
        state.critique_anchor = None;
    } else if state.critique_anchor.is_none() {
        state.critique_anchor = Some(Anchor { at: limits.critique_at, above: 0 });
    }
}

fn press(state: &mut State, key: Key) -> Vec<Effect> {
    state.note = None;
    state.pending.push(key);
    let contexts = state.contexts();
    match state.keymap.look_up(contexts, &state.pending) {
        Lookup::Action(action) => {
            state.pending.clear();
            match state.count.take() {
                Some(count) => act::counted(state, action, count),
                None => act::act(state, action),
            }
        }
        Lookup::Prefix => Vec::new(),
        Lookup::Nothing => {
            let first = state.pending.len() == 1;
            state.pending.clear();
            let typing = matches!(
                state.layers.last(),
                Some(
                    Layer::Entry(_)
                        | Layer::Train(_)
                        | Layer::Edit(_)
                        | Layer::Writing(_)
                        | Layer::Line(_)
                        | Layer::Palette(_)
                        | Layer::Search(_)
                        | Layer::Pairs(_)
                        | Layer::Tags(..)
                        | Layer::Review(_)
                )
            );
            if let (Some(Layer::Tags(..)), super::Code::Char(c @ '1'..='9')) = (state.layers.last(), key.code)
            {
                return label::toggle_tag(state, c.to_digit(10).map(|n| n as usize - 1));
            }
            let typing = typing || (state.layers.is_empty() && state.screen == Screen::Label);
            if first && !typing && digit(state, key) {
                return Vec::new();
            }
            match state.layers.last() {
                Some(Layer::Train(_)) => train::type_key(state, key),
                Some(Layer::Entry(_) | Layer::Edit(_) | Layer::Writing(_)) => entry::type_key(state, key),
                Some(Layer::Line(_)) => entry::type_line(state, key),
                Some(Layer::Palette(_)) => entry::type_palette(state, key),
                Some(Layer::Search(_)) => {
                    find::type_key(state, key);
                    Vec::new()
                }
                _ if first || key.code == super::Code::Esc => {
                    state.count = None;
                    Vec::new()
                }
                // The second key of no sequence: on its own.
                _ => press(state, key),
            }
        }
    }
}

/// Digits bound to nothing are the number before a motion; true if this was one.
fn digit(state: &mut State, key: Key) -> bool {
    let digit = match key.code {
        super::Code::Char(c) if !key.ctrl && !key.alt => c.to_digit(10),
        _ => None,
    };
    match (digit, state.count) {
        (None, _) | (Some(0), None) => false,
        (Some(digit), count) => {
            state.count = Some((count.unwrap_or(0) * 10 + digit as usize).min(9_999_999));
            true
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
