//! The trace: the reward at every token of the critique, as bars around zero.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{Limits, Series, Side, Spot, State, Target};
use crate::widgets::chart::Chart;
use crate::widgets::panel::{self, Frame};
use crate::widgets::{Meaning, Theme};

/// Cells for the axis.
const AXIS: u16 = 5;

/// Draws the chart of an answer's critique.
pub fn draw(
    state: &State,
    side: Side,
    theme: &Theme,
    area: Rect,
    frame: Frame,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let shown = state.critique_take_of(side).map(|(take, _)| take);
    let tokens = shown.map(|take| take.tokens.as_slice()).unwrap_or_default();
    let values: Vec<Option<f32>> = match state.series {
        Series::Live => tokens.iter().map(|t| Some(t.reward)).collect(),
        Series::StopHere => tokens.iter().map(|t| t.stop_here).collect(),
    };
    // While tokens stream a column is one token: an arriving one costs few bytes.
    let roomy = shown.is_some_and(|take| !take.phase.is_running());
    let cursor = state.cursor.filter(|_| side == state.side);
    let chart = Chart { values: &values, bound: state.bound, cursor, roomy };
    let sides = if frame == Frame::Box { 4 } else { 2 };
    let per = chart.per_column(area.width.saturating_sub(AXIS + sides));
    let right = if per > 1 { format!("1 column = {per} tokens") } else { String::new() };
    let title = match (state.series, area.width >= 50) {
        (Series::Live, true) => "Trace · live reward at each token",
        (Series::Live, false) => "Trace · live",
        (Series::StopHere, true) => "Trace · stop-here reward at each token",
        (Series::StopHere, false) => "Trace · stop-here",
    };
    let inner = panel::draw(title, &right, false, frame, theme, area, buffer);
    if inner.height < 2 || inner.width <= AXIS {
        return;
    }
    let dim = theme.style(Meaning::Dim);
    let zero = inner.y + inner.height.div_ceil(2) - 1;
    buffer.set_string(inner.x, inner.y, format!("{:>4}", format!("+{}", state.bound)), dim);
    if zero > inner.y {
        buffer.set_string(inner.x, zero, "   0", dim);
    }
    if inner.bottom() - 1 > zero {
        buffer.set_string(inner.x, inner.bottom() - 1, format!("{:>4}", format!("{}", -state.bound)), dim);
    }
    let bars = Rect { x: inner.x + AXIS, width: inner.width - AXIS, ..inner };
    for (token, cells) in chart.draw(theme, bars, buffer) {
        let area = [cells, inner.y, cells + 1, inner.bottom()];
        limits.spots.push(Spot { area, target: Target::Token(side, token) });
    }
}
