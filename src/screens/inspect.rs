//! The Inspect screen's layout: side by side from 120 columns on, stacked below, where the focus decides who gets room.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{critique, examples, reward, text, token, trace};
use crate::app::{Focus, Limits, Side, State};
use crate::widgets::panel::{self, Frame};
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
    if state.is_pair() {
        return pair(state, theme, area, buffer, limits);
    }
    let list = if area.width >= 150 { 30 } else { 25 };
    let columns = [Constraint::Length(list), Constraint::Fill(9), Constraint::Fill(12)];
    let [left, middle, right] = Layout::horizontal(columns).areas(area);
    limits.panes = vec![pane(Focus::Examples, left), pane(Focus::Text, middle), pane(Focus::Critique, right)];
    examples::draw(state, theme, left, Frame::Box, buffer, limits);
    text::draw(state, &[state.side], theme, middle, Frame::Box, buffer, limits);
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
    critique::draw(state, state.side, theme, words, Frame::Box, buffer, limits);
    trace::draw(state, state.side, theme, chart, Frame::Box, buffer, limits);
    token::draw(state, theme, one, Frame::Box, buffer);
}

/// Both answers of a pair with their critiques beside each other. The list gives way where there are few columns.
fn pair(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let list = match (area.width, state.focus) {
        (140.., _) => 24,
        (_, Focus::Examples) => 40,
        _ => 0,
    };
    limits.both_sides = true;
    let texts = if area.width < 140 && list > 0 { 0 } else { 10 };
    let columns = [Constraint::Length(list), Constraint::Fill(texts), Constraint::Fill(20)];
    let [left, middle, right] = Layout::horizontal(columns).areas(area);
    limits.panes = vec![pane(Focus::Examples, left), pane(Focus::Text, middle), pane(Focus::Critique, right)];
    if left.width > 0 {
        examples::draw(state, theme, left, Frame::Box, buffer, limits);
    }
    if middle.width > 0 {
        text::draw(state, &SIDES, theme, middle, Frame::Box, buffer, limits);
    }
    let (chart, inspector) = match right.height {
        40.. => (8, 9),
        34.. => (7, 8),
        30.. => (7, 0),
        _ => (0, 0),
    };
    let rows = [
        Constraint::Length(7),
        Constraint::Fill(1),
        Constraint::Length(3),
        Constraint::Length(chart),
        Constraint::Length(inspector),
    ];
    let [meters, words, margin, charts, one] = Layout::vertical(rows).areas(right);
    let half = |area: Rect| Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(area);
    for (side, at) in SIDES.into_iter().zip(half(meters)) {
        reward::draw_side(state, side, theme, at, buffer);
    }
    for (side, at) in SIDES.into_iter().zip(half(words)) {
        critique::draw(state, side, theme, at, Frame::Box, buffer, limits);
    }
    reward::draw_margin(state, theme, margin, buffer);
    for (side, at) in SIDES.into_iter().zip(half(charts)) {
        trace::draw(state, side, theme, at, Frame::Box, buffer, limits);
    }
    token::draw(state, theme, one, Frame::Box, buffer);
}

const SIDES: [Side; 2] = [Side::Chosen, Side::Rejected];

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
    limits.panes = vec![pane(first, upper), pane(Focus::Critique, words), pane(Focus::Critique, chart)];
    match state.focus {
        Focus::Examples => examples::draw(state, theme, upper, Frame::Line, buffer, limits),
        Focus::Text | Focus::Critique => {
            text::draw(state, &[state.side], theme, upper, Frame::Line, buffer, limits);
        }
    }
    reward::draw(state, theme, meter, Frame::Line, buffer);
    critique::draw(state, state.side, theme, words, Frame::Line, buffer, limits);
    token::draw(state, theme, one, Frame::Line, buffer);
    trace::draw(state, state.side, theme, chart, Frame::Line, buffer, limits);
}

fn pane(focus: Focus, area: Rect) -> (Focus, [u16; 4]) {
    (focus, panel::edges(area))
}
