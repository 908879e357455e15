//! A trace as bars around a zero line: up is positive, down is negative, whatever the colours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{Meaning, Theme};

const EIGHTHS: [&str; 8] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇"];

/// Values (one for each token, where known) within `-bound..bound`; `cursor` is marked.
pub struct Chart<'a> {
    /// One value for each token.
    pub values: &'a [Option<f32>],
    /// The scale.
    pub bound: f32,
    /// A token to mark.
    pub cursor: Option<usize>,
    /// Two cells for each token where there is room.
    pub roomy: bool,
}

impl Chart<'_> {
    /// Tokens that share a column at this width. While they still come it grows in doublings, so that bars seldom move.
    pub fn per_column(&self, width: u16) -> usize {
        let width = usize::from(width.max(1));
        if self.roomy {
            return self.values.len().div_ceil(width).max(1);
        }
        let mut per = 1;
        while self.values.len() > per * width {
            per *= 2;
        }
        per
    }

    /// Draws the bars; the middle row boundary is zero. Returns the strongest token of each column that has any, and the
    /// column.
    pub fn draw(&self, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Vec<(usize, u16)> {
        let mut columns = Vec::new();
        if area.height < 2 || area.width == 0 {
            return columns;
        }
        let above = area.height.div_ceil(2);
        let below = area.height - above;
        let per = self.per_column(area.width);
        let cells = if self.roomy && self.values.len() * 2 <= usize::from(area.width) { 2 } else { 1 };
        let marked = self.cursor.map(|c| c / per);
        for (cell, x) in (area.x..area.right()).enumerate() {
            let column = cell / cells;
            let here = self.values.iter().enumerate().skip(column * per).take(per);
            let known = here.filter_map(|(token, value)| Some((token, value.filter(|v| v.is_finite())?)));
            // The strongest of the tokens in this column: a spike is never averaged away.
            let strongest = known.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            columns.extend(strongest.map(|(token, _)| (token, x)));
            let value = strongest.map(|(_, value)| value);
            let cursor = marked == Some(column);
            if let Some(value) = value {
                let style = theme.sign(value);
                let rows = if value < 0.0 { below } else { above };
                let eighths = ((value.abs() / self.bound).min(1.0) * f32::from(rows) * 8.0).round() as u16;
                for row in 0..rows {
                    let fill = eighths.saturating_sub(row * 8).min(8);
                    if fill > 0 || row == 0 {
                        let y = if value < 0.0 { area.y + above + row } else { area.y + above - 1 - row };
                        bar(buffer, x, y, fill.max(u16::from(row == 0)), value < 0.0, style);
                    }
                }
            } else {
                set(buffer, x, area.y + above - 1, "▁", theme.style(Meaning::Track));
            }
            if cursor {
                for y in area.y..area.bottom() {
                    if let Some(cell) = buffer.cell_mut((x, y)) {
                        if cell.symbol() == " " && !cell.modifier.contains(Modifier::REVERSED) {
                            cell.set_symbol("┊").set_style(theme.style(Meaning::Accent));
                        } else {
                            cell.set_style(theme.style(Meaning::Accent));
                        }
                    }
                }
            }
        }
        columns
    }
}

/// A cell filled by `eighths`: from its bottom, or (below zero) from its top, by reversing the rest.
fn bar(buffer: &mut Buffer, x: u16, y: u16, eighths: u16, down: bool, style: Style) {
    let full = eighths >= 8;
    let index = usize::from(if full {
        0
    } else if down {
        8 - eighths
    } else {
        eighths
    });
    let style = if down || full { style.add_modifier(Modifier::REVERSED) } else { style };
    set(buffer, x, y, EIGHTHS.get(index).copied().unwrap_or(" "), style);
}

fn set(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: Style) {
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(symbol).set_style(style);
    }
}
