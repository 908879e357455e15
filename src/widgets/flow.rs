//! Runs of styled text -> wrapped rows of cells, keeping which run each cell came from.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::untrusted::{Kind, glyphs};
use super::{Meaning, Theme};

/// A run of text in one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<'a> {
    /// Untrusted text.
    pub text: std::borrow::Cow<'a, str>,
    /// Its style.
    pub style: Style,
    /// What it stands for (a token's index); handed through.
    pub tag: usize,
}

impl<'a> Run<'a> {
    /// A run.
    pub fn new(text: impl Into<std::borrow::Cow<'a, str>>, style: Style, tag: usize) -> Self {
        Self { text: text.into(), style, tag }
    }
}

/// One laid-out piece of a row.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    text: String,
    width: usize,
    style: Style,
    tag: usize,
    space: bool,
}

/// Wrapped rows.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    rows: Vec<Vec<Piece>>,
}

impl Flow {
    /// Wraps runs at words into rows of `width` cells.
    pub fn wrap(runs: &[Run<'_>], width: usize, theme: &Theme) -> Self {
        let width = width.max(4);
        let control = theme.style(Meaning::Control);
        let mut flow = Self { rows: vec![Vec::new()] };
        let (mut used, mut word): (usize, Vec<Piece>) = (0, Vec::new());
        for run in runs {
            for glyph in glyphs(&run.text) {
                match glyph.kind {
                    Kind::Newline => {
                        flow.put(&mut word, used, width);
                        flow.mark(run.tag, run.style);
                        flow.rows.push(Vec::new());
                        used = 0;
                    }
                    kind => {
                        let style = if kind == Kind::Symbol { run.style.patch(control) } else { run.style };
                        let space = kind == Kind::Space;
                        if space {
                            used = flow.put(&mut word, used, width);
                        }
                        word.push(Piece { text: glyph.text, width: glyph.width, style, tag: run.tag, space });
                        if space {
                            used = flow.put(&mut word, used, width);
                        }
                    }
                }
            }
        }
        flow.put(&mut word, used, width);
        flow
    }

    /// Puts a word on the last row, or on a new one; returns the cells used there.
    fn put(&mut self, word: &mut Vec<Piece>, mut used: usize, width: usize) -> usize {
        let length: usize = word.iter().map(|p| p.width).sum();
        let space = word.first().is_some_and(|p| p.space);
        if used + length > width && used > 0 && !space {
            self.rows.push(Vec::new());
            used = 0;
        }
        for piece in word.drain(..) {
            if used + piece.width > width {
                if piece.space {
                    // A space at the edge is swallowed, but stays findable.
                    self.last(Piece { text: String::new(), width: 0, ..piece });
                    continue;
                }
                self.rows.push(Vec::new());
                used = 0;
            }
            used += piece.width;
            self.last(piece);
        }
        used
    }

    fn last(&mut self, piece: Piece) {
        if let Some(row) = self.rows.last_mut() {
            row.push(piece);
        }
    }

    /// A newline leaves a findable piece without width.
    fn mark(&mut self, tag: usize, style: Style) {
        self.last(Piece { text: String::new(), width: 0, style, tag, space: true });
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when nothing was laid out.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(Vec::is_empty)
    }

    /// The first row with a piece of a tag.
    pub fn row_of(&self, tag: usize) -> Option<usize> {
        self.rows.iter().position(|row| row.iter().any(|p| p.tag == tag))
    }

    /// Draws rows from `first` on into `area`.
    pub fn draw(&self, first: usize, area: Rect, buffer: &mut Buffer) {
        for (row, y) in self.rows.iter().skip(first).zip(area.y..area.bottom()) {
            let mut x = area.x;
            for piece in row {
                let width = u16::try_from(piece.width).unwrap_or(u16::MAX);
                if width == 0 || x.saturating_add(width) > area.right() {
                    continue;
                }
                if piece.space {
                    buffer.set_string(x, y, &piece.text, piece.style);
                } else {
                    put_cell(buffer, x, y, &piece.text, width, piece.style);
                }
                x += width;
            }
        }
    }
}

/// One grapheme into its cells.
fn put_cell(buffer: &mut Buffer, x: u16, y: u16, text: &str, width: u16, style: Style) {
    let single = text.chars().count() == 1 || width <= 2;
    if !single {
        // A symbol such as ‹RLO›: one cell for each character.
        buffer.set_string(x, y, text, style);
        return;
    }
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(text).set_style(style);
    }
    for beside in 1..width {
        if let Some(cell) = buffer.cell_mut((x + beside, y)) {
            cell.reset();
            cell.set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::Depth;

    fn rows(text: &str, width: usize) -> Vec<String> {
        let theme = Theme::built_in("dark", Depth::None).unwrap();
        let flow = Flow::wrap(&[Run::new(text, Style::new(), 0)], width, &theme);
        flow.rows.iter().map(|r| r.iter().map(|p| p.text.as_str()).collect()).collect()
    }

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(rows("one two three", 8), ["one two ", "three"]);
        assert_eq!(rows("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(rows("a\n\nb", 4), ["a", "", "b"]);
        assert_eq!(rows("世界世界世", 5), ["世界", "世界", "世"]);
    }

    #[test]
    fn a_word_of_several_tokens_stays_together() {
        let theme = Theme::built_in("dark", Depth::None).unwrap();
        let runs =
            [("see", 0), (" won", 1), ("der", 2), ("ful", 3)].map(|(t, i)| Run::new(t, Style::new(), i));
        let flow = Flow::wrap(&runs, 10, &theme);
        assert_eq!((flow.row_of(0), flow.row_of(3)), (Some(0), Some(1)));
    }
}
