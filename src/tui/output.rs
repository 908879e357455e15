//! The bytes of a frame: only the cells that changed, with the shortest cursor moves and only the attributes that differ.

use std::io::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Begin and end of a synchronized update (DEC 2026): the terminal shows a frame whole or not at all.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Colours and attributes as the terminal has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Pen = Pen { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

/// Knows what the terminal shows; turns the next frame into bytes.
pub struct Painter {
    shown: Buffer,
    /// Every cell has to be sent.
    stale: bool,
    pen: Pen,
    /// Where the cursor is; `None` when not sure.
    cursor: Option<(u16, u16)>,
    bytes: Vec<u8>,
}

impl Painter {
    /// A terminal of which nothing is known.
    pub fn new(area: Rect) -> Self {
        Self { shown: Buffer::empty(area), stale: true, pen: PLAIN, cursor: None, bytes: Vec::new() }
    }

    /// Forgets what the terminal shows: the next frame sends every cell.
    pub fn forget(&mut self, area: Rect) {
        self.shown = Buffer::empty(area);
        self.stale = true;
    }

    /// The bytes that turn what is shown into `next`; none if nothing differs.
    pub fn frame(&mut self, next: Buffer) -> &[u8] {
        self.bytes.clear();
        self.bytes.extend_from_slice(BEGIN);
        if self.stale {
            self.bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
            (self.pen, self.cursor) = (PLAIN, None);
        }
        let begun = self.bytes.len();
        for (x, y, cell) in self.shown.diff_iter(&next) {
            put(&mut self.bytes, &mut self.pen, &mut self.cursor, next.area, (x, y), cell);
        }
        let changed = self.bytes.len() > begun || self.stale;
        self.shown = next;
        self.stale = false;
        if !changed {
            return &[];
        }
        self.bytes.extend_from_slice(END);
        &self.bytes
    }
}

fn put(
    out: &mut Vec<u8>,
    pen: &mut Pen,
    cursor: &mut Option<(u16, u16)>,
    area: Rect,
    (x, y): (u16, u16),
    cell: &Cell,
) {
    go(out, *cursor, (x, y), area);
    paint(out, pen, Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier });
    let symbol = cell.symbol();
    out.extend_from_slice(symbol.as_bytes());
    let width = u16::try_from(symbol.width()).unwrap_or(1);
    // Terminals differ about wide and joined characters, and about the last column.
    let sure = symbol.chars().count() == 1 && width == 1 && x + 1 < area.right();
    *cursor = sure.then_some((x + 1, y));
}

/// The shortest move from `from` to `to`.
fn go(out: &mut Vec<u8>, from: Option<(u16, u16)>, to: (u16, u16), area: Rect) {
    if from == Some(to) {
        return;
    }
    let mut best = Vec::new();
    let _ = write!(best, "\x1b[{};{}H", to.1 + 1, to.0 + 1);
    if let Some((x, y)) = from {
        let mut near = Vec::new();
        let (right, down) = (i32::from(to.0) - i32::from(x), i32::from(to.1) - i32::from(y));
        match right {
            0 => {}
            1.. => step(&mut near, right, 'C'),
            -4..=-1 => near.resize(right.unsigned_abs() as usize, 0x08),
            _ => step(&mut near, -right, 'D'),
        }
        match down {
            0 => {}
            // In raw mode a line feed only goes down; it must not scroll.
            1..=3 if to.1 < area.bottom() => near.resize(near.len() + down.unsigned_abs() as usize, b'\n'),
            1.. => step(&mut near, down, 'B'),
            _ => step(&mut near, -down, 'A'),
        }
        if near.len() < best.len() {
            best = near;
        }
    }
    out.extend_from_slice(&best);
}

fn step(out: &mut Vec<u8>, by: i32, letter: char) {
    let _ = if by == 1 { write!(out, "\x1b[{letter}") } else { write!(out, "\x1b[{by}{letter}") };
}

const MODIFIERS: [(Modifier, u8, u8); 5] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::REVERSED, 7, 27),
];

fn paint(out: &mut Vec<u8>, pen: &mut Pen, to: Pen) {
    if *pen == to {
        return;
    }
    let mut codes: Vec<String> = Vec::new();
    let mut has = pen.modifier;
    if to == PLAIN {
        codes.push("0".into());
    } else {
        for (modifier, _, off) in MODIFIERS {
            if has.contains(modifier) && !to.modifier.contains(modifier) {
                codes.push(off.to_string());
                has.remove(modifier);
                if off == 22 {
                    has.remove(Modifier::BOLD | Modifier::DIM);
                }
            }
        }
        for (modifier, on, _) in MODIFIERS {
            if to.modifier.contains(modifier) && !has.contains(modifier) {
                codes.push(on.to_string());
            }
        }
        if pen.fg != to.fg {
            codes.push(colour(to.fg, 30));
        }
        if pen.bg != to.bg {
            codes.push(colour(to.bg, 40));
        }
    }
    let _ = write!(out, "\x1b[{}m", codes.join(";"));
    *pen = to;
}

/// SGR of a colour; `base` is 30 for text, 40 for backgrounds.
fn colour(colour: Color, base: u8) -> String {
    let named = |n: u8| (base + n).to_string();
    match colour {
        Color::Reset => (base + 9).to_string(),
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(60),
        Color::LightRed => named(61),
        Color::LightGreen => named(62),
        Color::LightYellow => named(63),
        Color::LightBlue => named(64),
        Color::LightMagenta => named(65),
        Color::LightCyan => named(66),
        Color::White => named(67),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        // A colour of the 6 x 6 x 6 cube is shorter by its number.
        Color::Rgb(r, g, b) => match (level(r), level(g), level(b)) {
            (Some(r), Some(g), Some(b)) => format!("{};5;{}", base + 8, 16 + 36 * r + 6 * g + b),
            _ => format!("{};2;{r};{g};{b}", base + 8),
        },
    }
}

/// The step of the cube that is exactly this value.
fn level(value: u8) -> Option<u8> {
    (0u8..).zip([0, 95, 135, 175, 215, 255]).find(|(_, step)| *step == value).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    /// Draws frames through the painter into a terminal; every cell must arrive as it was drawn.
    fn arrive(frames: Vec<Buffer>) {
        let area = frames[0].area;
        let mut painter = Painter::new(area);
        let size = |n: u16| std::num::NonZeroU16::new(n).unwrap();
        let mut terminal = vt100::Parser::new(size(area.height), size(area.width), 0);
        for frame in frames {
            // Raw mode: a line feed goes straight down, as the terminal itself does it.
            terminal.process(painter.frame(frame.clone()));
            for y in 0..area.height {
                for x in 0..area.width {
                    let (drawn, got) = (&frame[(x, y)], terminal.screen().cell(y, x).unwrap());
                    if got.is_wide_continuation() {
                        continue;
                    }
                    assert_eq!(drawn.symbol().trim_end(), got.contents().trim_end(), "at {x},{y}");
                    let bold = drawn.modifier.contains(Modifier::BOLD);
                    assert_eq!(
                        (bold, drawn.modifier.contains(Modifier::REVERSED)),
                        (got.bold(), got.inverse())
                    );
                }
            }
        }
        assert!(painter.frame(painter.shown.clone()).is_empty(), "nothing changed, nothing is sent");
    }

    #[test]
    fn cells_arrive_as_drawn() {
        let area = Rect::new(0, 0, 20, 6);
        let mut one = Buffer::empty(area);
        one.set_string(0, 0, "hello 世界 wide", Style::new().fg(Color::Rgb(1, 2, 3)));
        one.set_string(18, 5, "zz", Style::new().add_modifier(Modifier::BOLD));
        let mut two = one.clone();
        for y in 0..6 {
            two.set_string(10, y, "█", Style::new().add_modifier(Modifier::REVERSED));
        }
        two.set_string(19, 2, "r", Style::new());
        two.set_string(0, 3, "after", Style::new().bg(Color::Blue));
        let three = Buffer::empty(area);
        arrive(vec![one, two, three]);
    }
}
