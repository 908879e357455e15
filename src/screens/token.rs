//! One token of the critique: reward, change, stop-here, probability, what else could have stood there.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{State, Take};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Draws the inspector; on a single row, a line.
pub fn draw(state: &State, theme: &Theme, area: Rect, frame: Frame, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let shown = state.critique_take().map(|(take, _)| take);
    let at = state.token_index();
    if area.height == 1 {
        if let (Some(take), Some(index)) = (shown, at) {
            line(take, index, theme, area, buffer);
        }
        return;
    }
    let title = match (at, state.cursor) {
        (Some(index), Some(_)) => format!("Token {}", index + 1),
        (Some(_), None) => "Token, the newest".to_owned(),
        (None, _) => "Token".to_owned(),
    };
    let inner =
        panel::draw(&title, "h l: move  m M: biggest  ↵: steer  o: go on", false, frame, theme, area, buffer);
    let (Some(take), Some(index)) = (shown, at) else { return };
    let Some(token) = take.tokens.get(index) else { return };
    // While tokens stream and no cursor is set, this pane stays still.
    if state.cursor.is_none() && take.phase.is_running() {
        let text = "← moves the cursor over the tokens";
        buffer.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.style(Meaning::Dim));
        return;
    }
    let number = |v: Option<f32>| v.map_or_else(|| "–".to_owned(), |v| format!("{v:+.4}"));
    let left = [
        ("token", quoted(&token.text)),
        ("id", token.id.to_string()),
        ("reward", format!("{:+.4}", token.reward)),
        ("change", number(take.change(index))),
        ("stop-here", number(token.stop_here)),
        ("  change", number(take.stop_here_change(index))),
        ("probability", token.probability.map_or_else(|| "–".to_owned(), |p| format!("{p:.4}"))),
    ];
    let half = inner.width / 2;
    for ((name, value), y) in left.iter().zip(inner.y..inner.bottom()) {
        buffer.set_string(inner.x, y, name, theme.style(Meaning::Dim));
        let room = usize::from(half.saturating_sub(13));
        buffer.set_stringn(inner.x + 12, y, value, room, theme.style(Meaning::Text));
    }
    let right = Rect { x: inner.x + half, width: inner.width - half, ..inner };
    if token.alternatives.is_empty() {
        return;
    }
    buffer.set_string(right.x, right.y, "what could stand here", theme.style(Meaning::Dim));
    for (alternative, y) in token.alternatives.iter().zip(right.y + 1..right.bottom()) {
        let chosen = alternative.id == token.id;
        let style = theme.style(if chosen { Meaning::Focus } else { Meaning::Text });
        let mark = if chosen { "▸" } else { " " };
        let room = usize::from(right.width.saturating_sub(8));
        buffer.set_stringn(right.x, y, format!("{mark}{}", quoted(&alternative.text)), room, style);
        let row = Rect { y, height: 1, ..right };
        panel::right(&format!("{:.4}", alternative.probability), style, row, y, buffer);
    }
}

fn line(take: &Take, index: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(token) = take.tokens.get(index) else { return };
    let mut text =
        format!(" {}/{} {} {:+.3}", index + 1, take.tokens.len(), quoted(&token.text), token.reward);
    if let Some(change) = take.change(index) {
        let _ = write!(text, " ({change:+.3})");
    }
    if let Some(reward) = token.stop_here {
        let _ = write!(text, "  stop {reward:+.3}");
    }
    if let Some(probability) = token.probability {
        let _ = write!(text, "  p {probability:.3}");
    }
    let others = token.alternatives.iter().filter(|a| a.id != token.id);
    for other in others {
        let _ = write!(text, "  {} {:.3}", quoted(&other.text), other.probability);
    }
    buffer.set_stringn(area.x, area.y, text, usize::from(area.width), theme.style(Meaning::Accent));
}

/// A token's text with its spaces visible.
pub fn quoted(text: &str) -> String {
    format!("‘{}’", one_line(&text.replace('\n', "↵").replace(' ', "·")))
}
