//! The Inspect screen's layout: side by side from 120 columns on, stacked below, where the focus decides who gets room.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{critique, examples, reward, text, token, trace};
use crate::app::{Focus, Limits, State};
use crate::widgets::panel::Frame;
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Columns from which panes stand side by side.
pub const WIDE: u16 = 120;

/// Draws the screen.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let area = hint(state, theme, area, buffer);
    if area.width >= WIDE {
        wide(state, theme, area, buffer, limits)
    } else {
        stacked(state, theme, area, buffer, limits)
    }
}

/// What to try with the example, on the last line; returns what is left.
fn hint(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    let Some(hint) = state.example().and_then(|example| example.hint.as_deref()) else { return area };
    let [rest, line] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let text = format!(" Try: {}", one_line(hint));
    buffer.set_stringn(line.x, line.y, text, usize::from(line.width), theme.style(Meaning::Accent));
    rest
}

fn wide(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let list = if area.width >= 150 { 30 } else { 25 };
    let columns = [Constraint::Length(list), Constraint::Fill(9), Constraint::Fill(12)];
    let [left, middle, right] = Layout::horizontal(columns).areas(area);
    limits.panes = [pane(Focus::Examples, left), pane(Focus::Text, middle), pane(Focus::Critique, right)];
    examples::draw(state, theme, left, Frame::Box, buffer);
    text::draw(state, theme, middle, Frame::Box, buffer, limits);
    let (top, bottom, inspector) = match right.height {
        40.. => (11, 10, 9),
        30.. => (10, 8, 8),
        _ => (6, 6, 0),
    };
    let rows = [
        Constraint::Length(top),
        Constraint::Fill(1),
        Constraint::Length(bottom),
        Constraint::Length(inspector),
    ];
    let [meter, words, chart, one] = Layout::vertical(rows).areas(right);
    reward::draw(state, theme, meter, Frame::Box, buffer);
    critique::draw(state, theme, words, Frame::Box, buffer, limits);
    trace::draw(state, theme, chart, Frame::Box, buffer);
    token::draw(state, theme, one, Frame::Box, buffer);
}

fn stacked(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let tall = area.height >= 36;
    let (strip, chart) = if tall { (9, 8) } else { (4, if area.height >= 20 { 5 } else { 4 }) };
    let one = if tall { 7 } else { u16::from(state.cursor.is_some()) };
    let rest = area.height.saturating_sub(strip + chart + one);
    let upper = match state.focus {
        Focus::Examples | Focus::Text => rest * 3 / 5,
        Focus::Critique => rest / 2,
    };
    let rows = [
        Constraint::Length(upper),
        Constraint::Length(strip),
        Constraint::Fill(1),
        Constraint::Length(one),
        Constraint::Length(chart),
    ];
    let [upper, meter, words, one, chart] = Layout::vertical(rows).areas(area);
    let first = if state.focus == Focus::Examples { Focus::Examples } else { Focus::Text };
    limits.panes = [pane(first, upper), pane(Focus::Critique, words), pane(Focus::Critique, chart)];
    match state.focus {
        Focus::Examples => examples::draw(state, theme, upper, Frame::Line, buffer),
        Focus::Text | Focus::Critique => text::draw(state, theme, upper, Frame::Line, buffer, limits),
    }
    reward::draw(state, theme, meter, Frame::Line, buffer);
    critique::draw(state, theme, words, Frame::Line, buffer, limits);
    token::draw(state, theme, one, Frame::Line, buffer);
    trace::draw(state, theme, chart, Frame::Line, buffer);
}

fn pane(focus: Focus, area: Rect) -> Option<(Focus, [u16; 4])> {
    Some((focus, [area.x, area.y, area.right(), area.bottom()]))
}
