//! The reward on its scale: a bar from zero to the value, zero and bounds marked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::{Meaning, Theme};

/// A value on the scale from `-bound` to `bound`, with an optional second mark. Two rows: bar, then scale.
pub fn draw(
    value: Option<f32>,
    mark: Option<f32>,
    bound: f32,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    if area.width < 5 || area.height == 0 {
        return;
    }
    let track = theme.style(Meaning::Track);
    let middle = area.x + area.width / 2;
    let half = f32::from(area.width / 2);
    let at = |v: f32| {
        let share = (v / bound).clamp(-1.0, 1.0) * half;
        (f32::from(middle) + share).round().clamp(f32::from(area.x), f32::from(area.right() - 1)) as u16
    };
    if let Some(value) = value.filter(|v| v.is_finite()) {
        let end = at(value);
        let (from, to) = if end < middle { (end, middle) } else { (middle, end) };
        // The side of zero tells the sign, whatever the colours. A reversed space is one byte, a block three.
        for x in from..=to {
            set(buffer, x, area.y, " ", theme.sign(value).add_modifier(Modifier::REVERSED));
        }
    }
    set(buffer, middle, area.y, "│", theme.style(Meaning::Text));
    if let Some(mark) = mark.filter(|v| v.is_finite()) {
        set(buffer, at(mark), area.y, "◆", theme.style(Meaning::Text));
    }
    if area.height > 1 {
        let dim = theme.style(Meaning::Dim);
        buffer.set_string(area.x, area.y + 1, "─".repeat(usize::from(area.width)), track);
        let (low, high) = (format!("{} ", -bound), format!(" +{bound}"));
        buffer.set_string(area.x, area.y + 1, &low, dim);
        buffer.set_string(middle - 1, area.y + 1, " 0 ", dim);
        let right = area.right().saturating_sub(u16::try_from(high.len()).unwrap_or(0));
        buffer.set_string(right, area.y + 1, &high, dim);
    }
}

fn set(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: ratatui::style::Style) {
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(symbol).set_style(style);
    }
}
