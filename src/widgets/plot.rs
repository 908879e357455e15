//! Curves over steps: lines of dots, told apart by colour and, without colours, by the letter at their ends.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Meaning, Theme};

/// A line.
pub struct Curve {
    /// Step and value, steps rising.
    pub points: Vec<(f64, f64)>,
    /// Its colour.
    pub style: Style,
    /// At its last point.
    pub mark: Option<char>,
    /// Points are joined.
    pub joined: bool,
}

/// Curves on common axes.
pub struct Plot<'a> {
    /// The curves, the most important last.
    pub curves: &'a [Curve],
    /// Values on a logarithmic scale.
    pub log: bool,
}

/// Dots of a cell: Braille, two columns of four.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Plot<'_> {
    /// Draws axes with the extreme values and the last step, and the curves.
    pub fn draw(&self, theme: &Theme, area: Rect, buffer: &mut Buffer) {
        if area.width < 12 || area.height < 3 {
            return;
        }
        let dim = theme.style(Meaning::Dim);
        let scaled = |value: f64| if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let wanted = |&(_, y): &&(f64, f64)| y.is_finite() && (!self.log || *y > 0.0);
        let all = || self.curves.iter().flat_map(|c| c.points.iter().filter(wanted));
        let (mut low, mut high) =
            all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (_, y)| (l.min(*y), h.max(*y)));
        let last = all().fold(1.0_f64, |m, (x, _)| m.max(*x));
        let first = all().fold(last, |m, (x, _)| m.min(*x));
        if !low.is_finite() {
            buffer.set_stringn(area.x, area.y, "nothing yet", usize::from(area.width), dim);
            return;
        }
        if low == high {
            let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low, high) = (if self.log { low - around / 2.0 } else { low - around }, high + around);
        }
        let names = [number(high), number(low)];
        let gutter = names.iter().map(|n| n.width()).max().unwrap_or(0) as u16 + 1;
        let field = Rect { x: area.x + gutter, width: area.width - gutter, height: area.height - 1, ..area };
        for (name, y) in names.iter().zip([field.y, field.bottom() - 1]) {
            let x = field.x - 1 - name.width() as u16;
            buffer.set_string(x, y, name, dim);
        }
        let steps = [number(first), number(last)];
        buffer.set_string(field.x, field.bottom(), &steps[0], dim);
        let end = steps[1].width() as u16;
        buffer.set_string(field.right().saturating_sub(end), field.bottom(), &steps[1], dim);
        let (wide, tall) = (f64::from(field.width) * 2.0 - 1.0, f64::from(field.height) * 4.0 - 1.0);
        let (bottom, top) = (scaled(low), scaled(high));
        let place = |&(x, y): &(f64, f64)| {
            let across = if last > first { (x - first) / (last - first) } else { 1.0 };
            let up = (scaled(y) - bottom) / (top - bottom);
            ((across * wide).round() as i64, ((1.0 - up) * tall).round() as i64)
        };
        for curve in self.curves {
            let dots: Vec<(i64, i64)> = curve.points.iter().filter(wanted).map(place).collect();
            for (at, &(x, y)) in dots.iter().enumerate() {
                let before = at.checked_sub(1).filter(|_| curve.joined).and_then(|b| dots.get(b)).copied();
                line(before.unwrap_or((x, y)), (x, y), |x, y| dot(buffer, field, x, y, curve.style));
            }
            if let (Some((x, y)), Some(mark)) = (dots.last(), curve.mark)
                && let Some(cell) = buffer.cell_mut((field.x + (x / 2) as u16, field.y + (y / 4) as u16))
            {
                cell.set_char(mark).set_style(curve.style);
            }
        }
    }
}

/// The dots between two of them (Bresenham).
fn line((mut x, mut y): (i64, i64), to: (i64, i64), mut put: impl FnMut(i64, i64)) {
    let (dx, dy) = ((to.0 - x).abs(), -(to.1 - y).abs());
    let (sx, sy) = ((to.0 - x).signum(), (to.1 - y).signum());
    let mut error = dx + dy;
    loop {
        put(x, y);
        if (x, y) == to {
            return;
        }
        let twice = 2 * error;
        if twice >= dy {
            error += dy;
            x += sx;
        }
        if twice <= dx {
            error += dx;
            y += sy;
        }
    }
}

fn dot(buffer: &mut Buffer, field: Rect, x: i64, y: i64, style: Style) {
    let (column, row) = (field.x + (x / 2) as u16, field.y + (y / 4) as u16);
    let bit = DOTS.get((x % 2) as usize).and_then(|c| c.get((y % 4) as usize)).copied().unwrap_or(0);
    if let Some(cell) = buffer.cell_mut((column, row)) {
        let there = cell
            .symbol()
            .chars()
            .next()
            .map(u32::from)
            .filter(|c| (0x2800..0x2900).contains(c))
            .unwrap_or(0x2800);
        if let Some(c) = char::from_u32(there | bit) {
            cell.set_char(c).set_style(style);
        }
    }
}

/// A number in few characters.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value == 0.0 => "0".into(),
        1e6.. => format!("{value:.1e}"),
        1e4.. => format!("{:.0}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.01.. => trimmed(format!("{value:.2}")),
        _ => format!("{value:.0e}"),
    }
}

fn trimmed(text: String) -> String {
    match text.strip_suffix(".00") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::Depth;

    fn drawn(points: &[(f64, f64)], log: bool) -> Vec<String> {
        let area = Rect::new(0, 0, 24, 6);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::built_in("dark", Depth::None).unwrap();
        let curve = Curve { points: points.to_vec(), style: Style::new(), mark: Some('a'), joined: true };
        Plot { curves: &[curve], log }.draw(&theme, area, &mut buffer);
        let row =
            |y| (0..24).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
        (0..6).map(row).collect()
    }

    #[test]
    fn extremes_are_at_the_edges_and_the_letter_at_the_end() {
        let rows = drawn(&[(1.0, 8.0), (50.0, 1.0), (100.0, 2.0)], false);
        assert!(
            rows[0].starts_with("8 ⠁") || rows[0].starts_with("8 ⢇") || rows[0].starts_with("8 "),
            "{rows:?}"
        );
        assert!(rows[4].starts_with('1') && rows[5].ends_with("100"), "{rows:?}");
        assert!(rows.iter().any(|row| row.ends_with('a')), "{rows:?}");
    }

    #[test]
    fn nothing_one_value_and_no_number_are_drawn() {
        assert!(drawn(&[], false)[0].starts_with("nothing yet"));
        assert!(drawn(&[(1.0, f64::NAN)], false)[0].starts_with("nothing yet"));
        assert!(drawn(&[(1.0, 0.5)], false).iter().any(|row| row.contains('a')));
        assert!(
            drawn(&[(1.0, 0.0), (2.0, 0.5)], true).iter().any(|row| row.contains('a')),
            "zero has no logarithm"
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1e-5, "1e-5"),
            (0.5, "0.50"),
            (1.0, "1"),
            (12.34, "12.3"),
            (345.6, "346"),
            (12_345.0, "12k"),
            (-2.5, "-2.50"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
