//! For screen readers: no screen, only what is new, as lines that are appended and never change.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{compare, label, layers, teach};
use crate::app::{Focus, Layer, Limits, ModelState, Phase, ReEncoded, Screen, Side, State, TakeId};
use crate::checkpoint::Prompt;
use crate::engine::Input;
use crate::widgets::Theme;
use crate::widgets::untrusted::{Kind, glyphs, one_line};

/// Where layers are laid out: high enough that nothing has to be scrolled.
const PAGE: Rect = Rect { x: 0, y: 0, width: 100, height: 150 };

/// Before the selected row.
const SELECTED: &str = "selected: ";

/// What was told so far.
#[derive(Debug, Default)]
pub struct Lines {
    model: String,
    example: Option<(usize, Side, Input)>,
    fault: Option<String>,
    critique: Option<TakeId>,
    /// Tokens of it.
    tokens: usize,
    rewards: Vec<String>,
    cursor: Option<usize>,
    focus: Option<Focus>,
    note: Option<String>,
    error: Option<String>,
    layer: Vec<String>,
    /// The last line has no end yet.
    open: bool,
}

impl Lines {
    /// What is new in a state, to be appended.
    pub fn append(&mut self, state: &State, theme: &Theme) -> String {
        let mut out = String::new();
        self.model(state, &mut out);
        // Nothing is told of a blind pair that its screen does not show.
        if state.screen != Screen::Label {
            self.example(state, &mut out);
            self.critique(state, &mut out);
            self.cursor(state, &mut out);
        }
        if self.focus.replace(state.focus).is_some_and(|before| before != state.focus) {
            let pane = match state.focus {
                Focus::Examples => "examples",
                Focus::Text => "prompt and answer",
                Focus::Critique => "critique",
            };
            self.line(&mut out, &format!("Pane: {pane}."));
        }
        let error = state.error().map(str::to_owned);
        if error != self.error {
            if let Some(error) = &error {
                self.line(&mut out, &format!("Error: {error}"));
            }
            self.error = error;
        }
        self.layers(state, theme, &mut out);
        if state.note != self.note {
            if let Some(note) = &state.note {
                self.line(&mut out, &one_line(note));
            }
            self.note.clone_from(&state.note);
        }
        out
    }

    /// The end of the last line, for the shell that follows.
    pub fn end(&mut self) -> &'static str {
        if std::mem::take(&mut self.open) { "\r\n" } else { "" }
    }

    /// Text on lines of its own, what would act on the terminal as symbols.
    fn line(&mut self, out: &mut String, text: &str) {
        out.push_str(self.end());
        safe(text, out);
        out.push_str("\r\n");
    }

    /// Text that goes on where the last one ended.
    fn words(&mut self, out: &mut String, text: &str) {
        safe(text, out);
        self.open = true;
    }

    fn model(&mut self, state: &State, out: &mut String) {
        let model = match &state.model {
            ModelState::Loading => "The model is loading.".to_owned(),
            ModelState::Ready(info) => format!("Model {}, {} on {}.", info.name, info.dtype, info.device),
            ModelState::Failed(_) => "There is no model.".to_owned(),
            ModelState::Down(_) => "The engine has stopped.".to_owned(),
        };
        if model != self.model {
            let keys = if self.model.is_empty() { " Question mark lists the keys." } else { "" };
            self.line(out, &format!("{model}{keys}"));
            self.model = model;
        }
    }

    fn example(&mut self, state: &State, out: &mut String) {
        let (Some(example), Some(input)) = (state.example(), state.input()) else { return };
        let now = (state.selected, state.side, input);
        if self.example.as_ref() == Some(&now) && self.fault == example.fault {
            return;
        }
        let side = if example.is_pair() { format!(", {} answer", state.side.name()) } else { String::new() };
        let (at, of) = (state.selected + 1, state.examples.len());
        self.line(out, &format!("Example {at} of {of}: {}{side}.", one_line(&example.id)));
        if example.fault.is_none() {
            match &now.2.prompt {
                Prompt::Text(text) => self.line(out, &format!("Prompt: {text}")),
                Prompt::Messages(turns) => {
                    for turn in turns {
                        self.line(out, &format!("{}: {}", turn.role, turn.content));
                    }
                }
            }
            self.line(out, &format!("Answer: {}", now.2.answer));
        }
        (self.example, self.fault) = (Some(now), example.fault.clone());
    }

    fn critique(&mut self, state: &State, out: &mut String) {
        let Some((take, stale)) = state.critique_take() else {
            self.critique = None;
            return;
        };
        if self.critique != Some(take.id) {
            (self.critique, self.tokens) = (Some(take.id), 0);
            self.rewards.clear();
            self.line(out, if stale { "Critique of the take before:" } else { "Critique:" });
        }
        let end = state.info().map(|info| info.spec.prompt.end_of_turn.id);
        for token in take.tokens.iter().skip(self.tokens).filter(|t| Some(t.id) != end) {
            // A critique begins with its first word, not with the space before it.
            let first = take.tokens.first().is_some_and(|first| std::ptr::eq(first, token));
            self.words(out, if first { token.text.trim_start() } else { &token.text });
        }
        self.tokens = self.tokens.max(take.tokens.len());
        let mut rewards = Vec::new();
        match (take.settled(), &take.phase) {
            (Some(verdict), _) => rewards.push(format!("Reward {:+.4}, in-place.", verdict.reward)),
            (None, Phase::Stopped) => rewards.push("Stopped.".into()),
            _ => {}
        }
        if let ReEncoded::Read(verdict) = &take.re_encoded {
            rewards.push(format!("Reward {:+.4}, re-encoded.", verdict.reward));
        }
        let pair = state.example().is_some_and(crate::app::Example::is_pair);
        if let Some((margin, probability)) = state.margin(state.selected).filter(|_| pair) {
            rewards.push(format!("Margin {margin:+.2}, probability of chosen {probability:.3}."));
        }
        for reward in &rewards {
            if !self.rewards.contains(reward) {
                self.line(out, reward);
            }
        }
        self.rewards = rewards;
    }

    fn cursor(&mut self, state: &State, out: &mut String) {
        if self.cursor == state.cursor {
            return;
        }
        self.cursor = state.cursor;
        let (Some(index), Some((take, _))) =
            (state.cursor.and_then(|_| state.token_index()), state.critique_take())
        else {
            return;
        };
        let Some(token) = take.tokens.get(index) else { return };
        let mut text = format!("Token {}, {}: reward {:+.3}", index + 1, token.text.trim(), token.reward);
        if let Some(reward) = token.stop_here {
            // Writing to a string cannot fail.
            let _ = write!(text, ", stop-here {reward:+.3}");
        }
        if let Some(probability) = token.probability {
            let _ = write!(text, ", probability {probability:.3}");
        }
        self.line(out, &text);
    }

    /// The layers as text: rows that were not there before; of a row that grew, its end.
    fn layers(&mut self, state: &State, theme: &Theme, out: &mut String) {
        let mut now = Vec::new();
        if let Some(Layer::Search(typing)) = state.layers.last() {
            now.push(format!("/{}", typing.query));
        } else if let Some(Layer::Edit(edit)) = state.layers.last() {
            now.extend(edit.text().lines().map(str::to_owned));
        } else if state.layers.is_empty() && state.screen == Screen::Label {
            let mut page = Buffer::empty(PAGE);
            label::draw(state, theme, PAGE, &mut page, &mut Limits::default());
            now = rows(&page);
        } else if state.layers.is_empty() && state.screen == Screen::Teach {
            let mut page = Buffer::empty(PAGE);
            teach::lines(state, theme, PAGE, &mut page);
            now = rows(&page);
        } else if state.layers.is_empty() && state.screen == Screen::Compare {
            // Once what is compared is there.
            if !state.running.is_empty() {
                return;
            }
            let mut page = Buffer::empty(PAGE);
            compare::draw(state, theme, PAGE, &mut page, &mut Limits::default());
            now = rows(&page);
        } else if !state.layers.is_empty() || !state.pending.is_empty() {
            let mut page = Buffer::empty(PAGE);
            layers::draw(state, theme, PAGE, &mut page, &mut Limits::default());
            now = rows(&page);
        }
        if now == self.layer {
            return;
        }
        let changed: Vec<usize> =
            (0..now.len().max(self.layer.len())).filter(|at| now.get(*at) != self.layer.get(*at)).collect();
        if let [at] = changed.as_slice()
            && let (Some(row), Some(before)) = (now.get(*at), self.layer.get(*at))
            && let Some(more) = row.strip_prefix(before.as_str())
        {
            self.words(out, more);
        } else {
            let before = std::mem::take(&mut self.layer);
            let new: Vec<&String> = now.iter().filter(|row| !before.contains(row)).collect();
            // Where the selection has moved, it alone is told.
            let moved = before.len() == now.len() && new.iter().any(|row| row.starts_with(SELECTED));
            for row in new.into_iter().filter(|row| !moved || row.starts_with(SELECTED)) {
                self.line(out, row);
            }
            if now.is_empty() {
                self.line(out, "Closed.");
            }
        }
        self.layer = now;
    }
}

/// A text with its line ends, everything that would act on the terminal as symbols.
fn safe(text: &str, out: &mut String) {
    for glyph in glyphs(text) {
        if glyph.kind == Kind::Newline { out.push_str("\r\n") } else { out.push_str(&glyph.text) }
    }
}

/// The rows of a page that say something, without frames.
fn rows(page: &Buffer) -> Vec<String> {
    let width = usize::from(page.area.width).max(1);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let (mut text, mut skip) = (String::new(), 0);
        for cell in cells {
            if skip == 0 {
                text.push_str(cell.symbol());
                skip = cell.symbol().width();
            }
            skip = skip.saturating_sub(1);
        }
        // A mark on the frame is the title's; elsewhere it is at the selected row.
        let title = text.contains('╭') || text.starts_with('─');
        let parts = text.split(|c| "╭╮╰╯│─▏".contains(c)).map(str::trim).filter(|part| !part.is_empty());
        let text = parts.collect::<Vec<_>>().join(", ");
        match text.strip_prefix('▸') {
            Some(rest) if title => rest.trim().to_owned(),
            Some(rest) => format!("{SELECTED}{}", rest.trim()),
            None => text,
        }
    };
    page.content().chunks(width).map(row).filter(|text| !text.is_empty()).collect()
}
