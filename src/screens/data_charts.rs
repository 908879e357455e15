//! The charts of the Data screen: rewards, margins, length against reward; what is under the cursor in words.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::data::thousands;
use crate::app::{DataPane, State};
use crate::browse::{BINS, Bins};
use crate::widgets::scatter::Scatter;
use crate::widgets::{Meaning, Theme, histogram};

/// What stands at the right of a chart's title.
pub fn right(state: &State, which: DataPane) -> String {
    let summary = &state.data.summary;
    if state.desk.hides_some() {
        return String::new();
    }
    match which {
        DataPane::Rewards => spread(&summary.rewards),
        DataPane::Margins => spread(&summary.margins),
        _ => format!("n {}", thousands(summary.answers)),
    }
}

fn spread(bins: &Bins) -> String {
    match bins.count {
        0 => String::new(),
        n => format!("n {} · mean {:+.3} · sd {:.3}", thousands(n), bins.mean, bins.sd),
    }
}

/// Draws a chart.
pub fn draw(state: &State, which: DataPane, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let data = &state.data;
    let focused = data.pane == which;
    let room = usize::from(area.width);
    if area.height < 3 {
        return;
    }
    if state.desk.hides_some() {
        let text = "hidden while pairs wait for your label: R shows it";
        buffer.set_stringn(area.x, area.y, text, room, theme.style(Meaning::Dim));
        return;
    }
    let below = Rect { height: area.height - 1, y: area.y + 1, ..area };
    let bins = match which {
        DataPane::Rewards => &data.summary.rewards,
        DataPane::Margins => &data.summary.margins,
        _ => return scatter(state, focused, theme, area, buffer),
    };
    if bins.count == 0 {
        let text = match which {
            DataPane::Margins => "no pair has both rewards: r critiques rows",
            _ => "no rewards yet: r critiques rows",
        };
        buffer.set_stringn(area.x, area.y, text, room, theme.style(Meaning::Dim));
        return;
    }
    let step = 2.0 * bins.bound / BINS as f32;
    let low = data.bin as f32 * step - bins.bound;
    let here = match bins.bins.get(data.bin) {
        Some((0, _)) => format!("{low:+.2} to {:+.2}: none", low + step),
        Some((n, row)) => {
            format!(
                "{low:+.2} to {:+.2}: {} · enter: the most extreme, row {}",
                low + step,
                thousands(*n as usize),
                thousands(*row as usize + 1)
            )
        }
        None => String::new(),
    };
    let text = if focused { here } else { String::new() };
    buffer.set_stringn(area.x, area.y, text, room, theme.style(Meaning::Text));
    let counts: Vec<usize> = bins.bins.iter().map(|(n, _)| *n as usize).collect();
    histogram::bars(&counts, bins.bound, focused.then_some(data.bin), theme, below, buffer);
}

fn scatter(state: &State, focused: bool, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let summary = &state.data.summary;
    let room = usize::from(area.width);
    if summary.points.is_empty() {
        let text = "no rewards yet: r critiques rows";
        buffer.set_stringn(area.x, area.y, text, room, theme.style(Meaning::Dim));
        return;
    }
    let r = |r: Option<f64>| r.map_or_else(|| "–".to_owned(), |r| format!("{r:+.3}"));
    let text = format!(
        "Pearson {} · Spearman {} · n {}",
        r(summary.pearson),
        r(summary.spearman),
        thousands(summary.answers)
    );
    buffer.set_stringn(area.x, area.y, text, room, theme.style(Meaning::Text));
    let mut top = 1;
    if let (true, Some(point)) = (focused, summary.points.get(state.data.point)) {
        let more = if point.count > 1 { format!(" ({} together)", point.count) } else { String::new() };
        let text = format!(
            "row {}{more}: length {:.0}, reward {:+.3}, {:+.3} off the line",
            thousands(point.row as usize + 1),
            point.length,
            point.reward,
            point.residual
        );
        buffer.set_stringn(area.x, area.y + 1, text, room, theme.style(Meaning::Accent));
        top = 2;
    }
    let points: Vec<(f32, f32)> = summary.points.iter().map(|p| (p.length, p.reward)).collect();
    let cursor = focused.then_some(state.data.point);
    let plot = Rect { y: area.y + top, height: area.height.saturating_sub(top), ..area };
    Scatter { points: &points, line: summary.line, cursor }.draw(theme, plot, buffer);
}
