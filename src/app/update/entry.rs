//! Typing: a prompt and an answer, an action's name. A paste is one edit; keys are never read out of it.

use std::sync::Arc;

use ratatui_textarea::{Input, Key as AreaKey};

use super::jobs;
use crate::app::{
    Answers, Code, Effect, Entry, EntryFor, Example, Field, How, Key, Layer, ModelState, Origin, Phase, State,
};
use crate::checkpoint::Prompt;

/// Longest paste taken in one go, bytes.
const PASTE: usize = 16 << 20;

/// Opens the entry for a new example, with the draft that was left.
pub(super) fn open_new(state: &mut State) {
    let (prompt, answer) = state.draft.take().unwrap_or_default();
    state.layers.push(Layer::Entry(Box::new(Entry::new(EntryFor::New, &prompt, &answer))));
}

/// Opens the entry for the shown answer.
pub(super) fn open_answer(state: &mut State) {
    let Some(input) = state.input() else { return };
    let prompt = prompt_text(&input.prompt);
    state.layers.push(Layer::Entry(Box::new(Entry::new(EntryFor::Answer, &prompt, &input.answer))));
}

/// A prompt as one text; of a chat, each turn with its role.
pub fn prompt_text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Messages(turns) => {
            turns.iter().map(|m| format!("{}: {}", m.role, m.content)).collect::<Vec<_>>().join("\n\n")
        }
    }
}

/// A key of the entry that is bound to nothing.
pub(super) fn type_key(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(Layer::Entry(entry)) = state.layers.last_mut() {
        let area_key = match key.code {
            Code::Char(c) => AreaKey::Char(c),
            Code::Enter => AreaKey::Enter,
            Code::Esc => AreaKey::Esc,
            Code::Tab => AreaKey::Tab,
            Code::Backspace => AreaKey::Backspace,
            Code::Delete => AreaKey::Delete,
            Code::Left => AreaKey::Left,
            Code::Right => AreaKey::Right,
            Code::Up => AreaKey::Up,
            Code::Down => AreaKey::Down,
            Code::Home => AreaKey::Home,
            Code::End => AreaKey::End,
            Code::PageUp => AreaKey::PageUp,
            Code::PageDown => AreaKey::PageDown,
            Code::F(n) => AreaKey::F(n),
        };
        entry.area_mut().input(Input { key: area_key, ctrl: key.ctrl, alt: key.alt, shift: key.shift });
    }
    Vec::new()
}

/// Text that was pasted: one edit where text is typed; elsewhere it opens the entry of a new example.
pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.len() > PASTE {
        state.note = Some(format!("a paste of {} MB is too much: 16 MB at most", text.len() >> 20));
        return Vec::new();
    }
    match state.layers.last_mut() {
        Some(Layer::Entry(entry)) => {
            entry.area_mut().insert_str(text);
        }
        Some(Layer::Palette(palette)) => {
            palette.query.push_str(text.lines().next().unwrap_or_default());
            palette.picked = 0;
        }
        Some(Layer::Search(_)) => super::find::paste(state, &text),
        Some(_) => {}
        None => state.note = Some("n opens a new example to paste into, e the answer".into()),
    }
    Vec::new()
}

/// A key of the palette that is bound to nothing.
pub(super) fn type_palette(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(Layer::Palette(palette)) = state.layers.last_mut() {
        match key.code {
            Code::Char(c) if !key.ctrl && !key.alt => palette.query.push(c),
            Code::Backspace => drop(palette.query.pop()),
            _ => {}
        }
        palette.picked = 0;
    }
    Vec::new()
}

/// Takes the entry's texts: a new example, or a new take of the answer, and runs it.
pub(super) fn submit(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Entry(entry)) = state.layers.last() else { return Vec::new() };
    let (prompt, answer) = entry.texts();
    match entry.purpose {
        EntryFor::New => {
            if prompt.trim().is_empty() {
                state.note = Some("the prompt is empty: type what was asked".into());
                if let Some(Layer::Entry(entry)) = state.layers.last_mut() {
                    entry.field = Field::Prompt;
                }
                return Vec::new();
            }
            let number = state.examples.iter().filter(|e| e.origin == Origin::Typed).count() + 1;
            state.examples.push(Example {
                id: format!("typed-{number}"),
                prompt: Prompt::Text(prompt),
                answers: Answers::One(Arc::from(answer)),
                origin: Origin::Typed,
                fault: None,
            });
            super::act::select(state, state.examples.len() - 1);
        }
        EntryFor::Answer => {
            draft_answer(state, answer);
        }
    }
    state.layers.pop();
    match state.model {
        ModelState::Ready(_) => {
            let (mut effects, _) = jobs::stop(state);
            effects.extend(jobs::run_shown(state));
            effects
        }
        _ => Vec::new(),
    }
}

/// Closes the entry; what was typed for a new example is kept for the next one.
pub(super) fn close(state: &mut State) {
    if let Some(Layer::Entry(entry)) = state.layers.pop() {
        let texts = entry.texts();
        let empty = texts.0.is_empty() && texts.1.is_empty();
        match entry.purpose {
            EntryFor::New => state.draft = (!empty).then_some(texts),
            EntryFor::Answer => {
                if draft_answer(state, texts.1) {
                    state.note = Some("kept as a take; space runs it, { goes back".into());
                }
            }
        }
    }
}

/// A take with another answer, not run; false if the answer is the same.
fn draft_answer(state: &mut State, answer: String) -> bool {
    let Some(mut input) = state.input().filter(|i| i.answer != answer) else { return false };
    input.answer = answer;
    let key = (state.selected, state.side);
    let parent = state.shown.get(&key).copied();
    let id = state.takes.add(parent, key.0, key.1, input, How::Edited, Phase::Draft);
    state.shown.insert(key, id);
    true
}
