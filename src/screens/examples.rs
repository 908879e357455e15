//! The list of examples with the rewards found so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::app::{Example, Focus, Limits, Phase, Spot, State, Take, Target};
use crate::checkpoint::Prompt;
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Draws the list, the selected row in sight.
pub fn draw(
    state: &State,
    theme: &Theme,
    area: Rect,
    frame: Frame,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let rows = state.data.index.as_ref().map_or(0, |index| index.rows);
    let count = match rows > state.examples.len() {
        true => format!("g d: all {} · {}", super::data::thousands(rows), state.examples.len()),
        false => state.examples.len().to_string(),
    };
    let focused = state.focus == Focus::Examples;
    let inner = panel::draw("Examples", &count, focused, frame, theme, area, buffer);
    if state.examples.is_empty() {
        buffer.set_stringn(
            inner.x,
            inner.y,
            "none: n types one",
            usize::from(inner.width),
            theme.style(Meaning::Dim),
        );
        return;
    }
    let height = usize::from(inner.height);
    let first = (state.selected + 1 + height / 4)
        .saturating_sub(height)
        .min(state.examples.len().saturating_sub(height));
    let rows = state.examples.iter().enumerate().skip(first);
    for ((index, example), y) in rows.zip(inner.y..inner.bottom()) {
        let selected = index == state.selected;
        let row = Rect { y, height: 1, ..inner };
        limits.spots.push(Spot::row(y, row.x, row.right(), Target::Example(index)));
        let (value, style) = status(state, theme, index, example);
        let mark = if selected { "▸" } else { " " };
        let room = usize::from(inner.width).saturating_sub(value.width() + 1);
        let name = format!("{mark}{}", one_line(&example.id));
        let (x, _) = buffer.set_stringn(row.x, y, name, room, theme.style(Meaning::Text));
        // Beside the name, where there is room: the reason of a bad row, or how the prompt begins.
        let left = room.saturating_sub(usize::from(x - row.x) + 2);
        if left >= 20 {
            let (about, meaning) = match &example.fault {
                Some(fault) => (one_line(reason(fault)), Meaning::Error),
                None => (beginning(&example.prompt), Meaning::Dim),
            };
            buffer.set_stringn(x + 2, y, about, left, theme.style(meaning));
        }
        panel::right(&value, style, row, y, buffer);
        if selected {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
}

/// A fault without the place, which the name tells already.
fn reason(fault: &str) -> &str {
    fault.split_once(": ").map_or(fault, |(_, reason)| reason)
}

/// How a prompt begins: of a chat, its last turn.
fn beginning(prompt: &Prompt) -> String {
    let text = match prompt {
        Prompt::Text(text) => text.as_str(),
        Prompt::Messages(turns) => turns.last().map_or("", |turn| turn.content.as_str()),
    };
    one_line(text.chars().take(200).collect::<String>().trim())
}

/// The reward of an answer, the margin of a pair, or how far it is.
fn status(state: &State, theme: &Theme, index: usize, example: &Example) -> (String, ratatui::style::Style) {
    if example.fault.is_some() {
        return ("✗".into(), theme.style(Meaning::Error));
    }
    let takes: Vec<&Take> = example.sides().iter().filter_map(|side| state.take_of(index, *side)).collect();
    if takes.iter().any(|t| matches!(t.phase, Phase::Failed(_))) {
        return ("✗".into(), theme.style(Meaning::Error));
    }
    if takes.iter().any(|t| t.phase.is_running()) {
        return ("…".into(), theme.style(Meaning::Accent));
    }
    if takes.iter().any(|t| t.phase == Phase::Draft) {
        return ("draft".into(), theme.style(Meaning::Stale));
    }
    if index != state.selected && state.desk.hides(index) && takes.iter().any(|t| t.reward().is_some()) {
        return ("hidden".into(), theme.style(Meaning::Dim));
    }
    if let Some((margin, _)) = state.margin(index).filter(|_| example.is_pair()) {
        return (format!("Δ{margin:+.2}"), theme.sign(margin));
    }
    match takes.first().and_then(|t| t.reward()) {
        Some(reward) => (format!("{reward:+.2}"), theme.sign(reward)),
        None if example.is_pair() => ("pair".into(), theme.style(Meaning::Dim)),
        None => (String::new(), theme.style(Meaning::Dim)),
    }
}
