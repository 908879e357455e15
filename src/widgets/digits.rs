//! A number in large digits: 3 x 5 dots each, in half blocks (3 rows) or whole cells (5 rows).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Five rows of dots from the top, three bits each.
fn dots(c: char) -> [u8; 5] {
    match c {
        '0' => [0b111, 0b101, 0b101, 0b101, 0b111],
        '1' => [0b010, 0b110, 0b010, 0b010, 0b111],
        '2' => [0b111, 0b001, 0b111, 0b100, 0b111],
        '3' => [0b111, 0b001, 0b111, 0b001, 0b111],
        '4' => [0b101, 0b101, 0b111, 0b001, 0b001],
        '5' => [0b111, 0b100, 0b111, 0b001, 0b111],
        '6' => [0b111, 0b100, 0b111, 0b101, 0b111],
        '7' => [0b111, 0b001, 0b001, 0b010, 0b010],
        '8' => [0b111, 0b101, 0b111, 0b101, 0b111],
        '9' => [0b111, 0b101, 0b111, 0b001, 0b111],
        '+' => [0b000, 0b010, 0b111, 0b010, 0b000],
        '-' | '−' => [0b000, 0b000, 0b111, 0b000, 0b000],
        '.' => [0b000, 0b000, 0b000, 0b000, 0b100],
        'e' => [0b000, 0b111, 0b111, 0b100, 0b111],
        'N' => [0b111, 0b101, 0b101, 0b101, 0b101],
        'a' => [0b111, 0b001, 0b111, 0b101, 0b111],
        'i' => [0b010, 0b000, 0b010, 0b010, 0b010],
        'n' => [0b000, 0b000, 0b111, 0b101, 0b101],
        'f' => [0b011, 0b010, 0b111, 0b010, 0b010],
        _ => [0; 5],
    }
}

fn columns(c: char) -> u16 {
    if c == '.' { 1 } else { 3 }
}

/// Cells a text takes in width; rows are 3, or 5 when `tall`.
pub fn width(text: &str, tall: bool) -> u16 {
    let dots: u16 = text.chars().map(|c| columns(c) + 1).sum::<u16>().saturating_sub(1);
    if tall { dots * 2 } else { dots }
}

/// Draws a text of digits, signs and points at the area's top left; returns the cells used.
pub fn draw(text: &str, tall: bool, area: Rect, style: Style, buffer: &mut Buffer) -> u16 {
    let mut x = area.x;
    for c in text.chars() {
        let rows = dots(c);
        let on = |row: usize, column: u16| rows.get(row).is_some_and(|bits| bits >> (2 - column) & 1 == 1);
        for column in 0..columns(c) {
            if tall {
                for (row, y) in (0..5).zip(area.y..area.bottom()) {
                    if on(row, column) {
                        for half in 0..2 {
                            put(
                                buffer,
                                area,
                                x + column * 2 + half,
                                y,
                                " ",
                                style.add_modifier(Modifier::REVERSED),
                            );
                        }
                    }
                }
            } else {
                for (row, y) in (0..3).zip(area.y..area.bottom()) {
                    // A whole cell is a reversed space: one byte where a block takes three.
                    let (symbol, style) = match (on(row * 2, column), on(row * 2 + 1, column)) {
                        (true, true) => (" ", style.add_modifier(Modifier::REVERSED)),
                        (true, false) => ("▀", style),
                        (false, true) => ("▄", style),
                        (false, false) => continue,
                    };
                    put(buffer, area, x + column, y, symbol, style);
                }
            }
        }
        x += (columns(c) + 1) * if tall { 2 } else { 1 };
    }
    x.saturating_sub(area.x)
}

fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, symbol: &str, style: Style) {
    if x < area.right()
        && let Some(cell) = buffer.cell_mut((x, y))
    {
        cell.set_symbol(symbol).set_style(style);
    }
}
