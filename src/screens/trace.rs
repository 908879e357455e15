//! The trace: the reward at every token of the critique, as bars around zero.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{Series, State};
use crate::widgets::chart::Chart;
use crate::widgets::panel::{self, Frame};
use crate::widgets::{Meaning, Theme};

/// Cells for the axis.
const AXIS: u16 = 5;

/// Draws the chart.
pub fn draw(state: &State, theme: &Theme, area: Rect, frame: Frame, buffer: &mut Buffer) {
    let tokens = state.critique_take().map(|(take, _)| take.tokens.as_slice()).unwrap_or_default();
    let values: Vec<Option<f32>> = match state.series {
        Series::Live => tokens.iter().map(|t| Some(t.reward)).collect(),
        Series::StopHere => tokens.iter().map(|t| t.stop_here).collect(),
    };
    // While tokens stream a column is one token: an arriving one costs few bytes.
    let roomy = state.critique_take().is_some_and(|(take, _)| !take.phase.is_running());
    let chart = Chart { values: &values, bound: state.bound, cursor: state.cursor, roomy };
    let per = chart.per_column(area.width.saturating_sub(AXIS + 4));
    let right = if per > 1 { format!("1 column = {per} tokens") } else { String::new() };
    let title = match state.series {
        Series::Live => "Trace · live reward at each token",
        Series::StopHere => "Trace · stop-here reward at each token",
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
    chart.draw(theme, bars, buffer);
}
