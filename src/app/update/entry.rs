//! Typing: a prompt and an answer, an action's name. A paste is one edit; keys are never read out of it.

use std::sync::Arc;

use ratatui_textarea::{Input, Key as AreaKey};

use super::{edit, jobs, label};
use crate::app::{Answers, Code, Effect, Entry, Example, Field, Key, Layer, ModelState, Origin, State};
use crate::checkpoint::Prompt;

/// Longest paste taken in one go, bytes.
const PASTE: usize = 16 << 20;

/// Opens the entry for a new example, with the draft that was left.
pub(super) fn open_new(state: &mut State) {
    let (prompt, answer) = state.draft.take().unwrap_or_default();
    state.layers.push(Layer::Entry(Box::new(Entry::new(&prompt, &answer))));
}

/// A key that is bound to nothing, where text is typed.
pub(super) fn type_key(state: &mut State, key: Key) -> Vec<Effect> {
    let area = match state.layers.last_mut() {
        Some(Layer::Entry(entry)) => Some(entry.area_mut()),
        Some(Layer::Edit(edit)) => Some(&mut edit.area),
        Some(Layer::Writing(writing)) => Some(&mut writing.area),
        _ => None,
    };
    if let Some(area) = area {
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
        let input = Input { key: area_key, ctrl: key.ctrl, alt: key.alt, shift: key.shift };
        match key.code {
            // The area does not know how much of it is seen.
            Code::PageUp | Code::PageDown => {
                let step = if key.code == Code::PageUp { AreaKey::Up } else { AreaKey::Down };
                for _ in 0..edit::PAGE {
                    area.input(Input { key: step, ..input.clone() });
                }
            }
            _ => area.input(input),
        }
    }
    label::changed(state);
    edit::changed(state)
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
            entry.area_mut().insert(&text);
        }
        Some(Layer::Edit(edit)) => {
            edit.area.insert(&text);
            return edit::changed(state);
        }
        Some(Layer::Writing(writing)) => {
            writing.area.insert(&text);
            label::changed(state);
        }
        Some(Layer::Line(line)) => line.text.push_str(text.lines().next().unwrap_or_default()),
        Some(Layer::Palette(palette)) => {
            palette.query.push_str(text.lines().next().unwrap_or_default());
            palette.picked = 0;
        }
        Some(Layer::Search(_)) => super::find::paste(state, &text),
        Some(Layer::Train(_)) => super::train::paste(state, &text),
        Some(_) => {}
        None => state.note = Some("n opens a new example to paste into, a the answer, e the critique".into()),
    }
    Vec::new()
}

/// A key of a line that is bound to nothing.
pub(super) fn type_line(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(Layer::Line(line)) = state.layers.last_mut() {
        match key.code {
            Code::Char(c) if !key.ctrl && !key.alt => line.text.push(c),
            Code::Backspace => drop(line.text.pop()),
            _ => {}
        }
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

/// Takes the entry's texts as a new example and runs it.
pub(super) fn submit(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Entry(entry)) = state.layers.last_mut() else { return Vec::new() };
    let (prompt, answer) = entry.texts();
    if prompt.trim().is_empty() {
        entry.field = Field::Prompt;
        state.note = Some("the prompt is empty: type what was asked".into());
        return Vec::new();
    }
    let number = state.examples.iter().filter(|e| e.origin == Origin::Typed).count() + 1;
    state.examples.push(Example {
        number: None,
        id: format!("typed-{number}"),
        prompt: Prompt::Text(prompt),
        answers: Answers::One(Arc::from(answer)),
        origin: Origin::Typed,
        hint: None,
        extra: Arc::default(),
        fault: None,
        open: false,
    });
    super::act::select(state, state.examples.len() - 1);
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

/// Closes the entry; what was typed is kept for the next one.
pub(super) fn close(state: &mut State) {
    if let Some(Layer::Entry(entry)) = state.layers.pop() {
        let texts = entry.texts();
        let empty = texts.0.is_empty() && texts.1.is_empty();
        state.draft = (!empty).then_some(texts);
    }
}
