//! Points in braille: 2 x 4 dots a cell, a line through them, one point under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Meaning, Theme};

/// Bits of a braille cell's dots, by column and row.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Columns for the scale of y.
const LEFT: u16 = 7;

/// What is drawn.
pub struct Scatter<'a> {
    /// (x, y), finite.
    pub points: &'a [(f32, f32)],
    /// y = slope * x + offset.
    pub line: Option<(f64, f64)>,
    /// The marked point.
    pub cursor: Option<usize>,
}

impl Scatter<'_> {
    /// Draws the points and, in the last row, the scale of x; that of y stands at the left.
    pub fn draw(&self, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        if area.height < 3 || area.width < 24 || self.points.is_empty() {
            return;
        }
        let span = |of: fn(&(f32, f32)) -> f32| {
            let all = self.points.iter().map(of);
            let low = all.clone().fold(f32::INFINITY, f32::min);
            let high = all.fold(f32::NEG_INFINITY, f32::max);
            if high > low { (low, high) } else { (low - 0.5, high + 0.5) }
        };
        let ((x0, x1), (y0, y1)) = (span(|p| p.0), span(|p| p.1));
        let plot = Rect { x: area.x + LEFT, width: area.width - LEFT, y: area.y, height: area.height - 1 };
        let (width, height) = (usize::from(plot.width), usize::from(plot.height));
        // The dot of a value, from the left or from the top.
        let dot = |v: f32, low: f32, high: f32, dots: usize| {
            (((v - low) / (high - low) * (dots - 1) as f32).round().max(0.0) as usize).min(dots - 1)
        };
        let place =
            |(x, y): (f32, f32)| (dot(x, x0, x1, width * 2), height * 4 - 1 - dot(y, y0, y1, height * 4));
        let mut cells = vec![0u32; width * height];
        let mut set = |(x, y): (usize, usize)| {
            let bit = DOTS.get(x % 2).and_then(|column| column.get(y % 4)).copied().unwrap_or(0);
            if let Some(cell) = cells.get_mut(y / 4 * width + x / 2) {
                *cell |= bit;
            }
        };
        self.points.iter().for_each(|point| set(place(*point)));
        let at = |x: usize, y: usize| (plot.x + x as u16, plot.y + y as u16);
        if (y0..y1).contains(&0.0) {
            let (_, y) = place((x0, 0.0));
            for x in 0..width {
                put(buffer, at(x, y / 4), "┈", theme.style(Meaning::Track));
            }
        }
        if let Some((slope, offset)) = self.line {
            for x in 0..width {
                let value = x0 + (x1 - x0) * x as f32 / (width - 1).max(1) as f32;
                let y = (slope * f64::from(value) + offset) as f32;
                if (y0..=y1).contains(&y) {
                    put(buffer, at(x, place((value, y)).1 / 4), "·", theme.style(Meaning::Accent));
                }
            }
        }
        for (index, bits) in cells.iter().enumerate().filter(|(_, bits)| **bits > 0) {
            let symbol = char::from_u32(0x2800 + bits).unwrap_or(' ').to_string();
            put(buffer, at(index % width, index / width), &symbol, theme.style(Meaning::Text));
        }
        let dim = theme.style(Meaning::Dim);
        let left = usize::from(LEFT);
        buffer.set_stringn(area.x, plot.y, format!("{y1:+.2}"), left, dim);
        buffer.set_stringn(area.x, plot.bottom() - 1, format!("{y0:+.2}"), left, dim);
        let y = area.bottom() - 1;
        buffer.set_string(plot.x, y, "─".repeat(width), theme.style(Meaning::Track));
        buffer.set_stringn(plot.x, y, format!("{x0:.0} "), width, dim);
        let right = format!(" {x1:.0}");
        buffer.set_stringn(area.right().saturating_sub(right.len() as u16), y, &right, width, dim);
        if let Some(point) = self.cursor.and_then(|at| self.points.get(at)) {
            let (x, y) = place(*point);
            put(buffer, at(x / 2, y / 4), "◆", theme.style(Meaning::Focus));
        }
    }
}

fn put(buffer: &mut Buffer, at: (u16, u16), symbol: &str, style: ratatui::style::Style) {
    if let Some(cell) = buffer.cell_mut(at) {
        cell.set_symbol(symbol).set_style(style);
    }
}
