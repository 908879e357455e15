//! How values spread: bars over the reward's scale, zero in the middle.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Meaning, Theme};

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws bars and, in the last row, the scale `-bound..bound`.
pub fn draw(values: &[f32], bound: f32, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let bins = usize::from(area.width / 2).min(41) | 1;
    let mut counts = vec![0usize; bins];
    for value in values.iter().filter(|v| v.is_finite()) {
        let place = (value / bound + 1.0) / 2.0 * bins as f32;
        if let Some(count) = counts.get_mut((place.max(0.0) as usize).min(bins - 1)) {
            *count += 1;
        }
    }
    bars(&counts, bound, None, theme, area, buffer);
}

/// Draws bars of counted values, as wide as there is room for; the bin under the cursor is marked on the scale.
pub fn bars(
    counts: &[usize],
    bound: f32,
    cursor: Option<usize>,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let bins = counts.len();
    if area.height < 2 || area.width < 10 || bins == 0 {
        return;
    }
    let step = if usize::from(area.width) + 2 >= 2 * bins { 2 } else { 1 };
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let rows = usize::from(area.height - 1);
    for (bin, (count, x)) in counts.iter().zip((area.x..area.right()).step_by(step)).enumerate() {
        let eighths = (count * rows * 8).div_ceil(most);
        let centre = bin as f32 - (bins / 2) as f32;
        for row in 0..rows {
            let fill = eighths.saturating_sub(row * 8).min(8);
            let y = area.bottom() - 2 - row as u16;
            if let (Some(symbol), true) = (EIGHTHS.get(fill), fill > 0) {
                buffer.set_string(x, y, symbol, theme.sign(centre));
            }
        }
    }
    let width = bins * step - (step - 1);
    let scale: String = (0..width).map(|at| if at / step == bins / 2 { '┼' } else { '─' }).collect();
    let y = area.bottom() - 1;
    buffer.set_stringn(area.x, y, scale, usize::from(area.width), theme.style(Meaning::Track));
    buffer.set_stringn(area.x, y, format!("{} ", -bound), 6, theme.style(Meaning::Dim));
    let right = format!(" +{bound}");
    let at = (area.x + width as u16).saturating_sub(right.len() as u16);
    buffer.set_stringn(at, y, right, 6, theme.style(Meaning::Dim));
    if let Some(cell) = cursor.and_then(|bin| buffer.cell_mut((area.x + (bin * step) as u16, y))) {
        cell.set_symbol("▲").set_style(theme.style(Meaning::Focus));
    }
}
