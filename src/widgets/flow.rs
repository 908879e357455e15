//! Runs of styled text -> wrapped rows of cells, keeping which run each cell came from.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::untrusted::{Kind, glyphs_at};
use super::{Meaning, Theme};
use crate::app::Pattern;

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
    /// Visible characters before it, white space not counted: the same however the rows are wrapped.
    at: usize,
    /// Characters of all runs before it, as they came.
    source: usize,
}

/// Cells of a row that stand for one place of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// The row.
    pub y: u16,
    /// The first cell.
    pub left: u16,
    /// The cell after the last one.
    pub right: u16,
    /// What the run there stands for.
    pub tag: usize,
    /// Characters of all runs before this place.
    pub source: usize,
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
        let (mut at, mut before) = (0, 0);
        for run in runs {
            for (chars, glyph) in glyphs_at(&run.text) {
                let source = before + chars;
                match glyph.kind {
                    Kind::Newline => {
                        flow.put(&mut word, used, width);
                        flow.last(Piece {
                            text: String::new(),
                            width: 0,
                            style: run.style,
                            tag: run.tag,
                            space: true,
                            at,
                            source,
                        });
                        flow.rows.push(Vec::new());
                        used = 0;
                    }
                    kind => {
                        let style = if kind == Kind::Symbol { run.style.patch(control) } else { run.style };
                        let space = kind == Kind::Space;
                        if space {
                            used = flow.put(&mut word, used, width);
                        }
                        word.push(Piece {
                            text: glyph.text,
                            width: glyph.width,
                            style,
                            tag: run.tag,
                            space,
                            at,
                            source,
                        });
                        at += usize::from(!space);
                        if space {
                            used = flow.put(&mut word, used, width);
                        }
                    }
                }
            }
            before += run.text.chars().count();
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

    /// The row in which the visible character number `at` stands.
    pub fn row_at(&self, at: usize) -> usize {
        let begins = |row: &Vec<Piece>| row.first().is_some_and(|piece| piece.at <= at);
        // A newline before it has its number as well: the last row that begins with it or before.
        self.rows.partition_point(begins).saturating_sub(1)
    }

    /// The number of the visible character with which a row begins.
    pub fn at_row(&self, row: usize) -> usize {
        self.rows.iter().skip(row).find_map(|row| row.first()).map_or(0, |piece| piece.at)
    }

    /// Gives each match of a pattern a style; where they begin: the visible character's number and its tag.
    pub fn mark_all(&mut self, pattern: &Pattern, style: Style) -> Vec<(usize, usize)> {
        let mut text: Vec<char> = Vec::new();
        let mut pieces: Vec<(usize, usize)> = Vec::new();
        for (row, all) in self.rows.iter().enumerate() {
            for (index, piece) in all.iter().enumerate() {
                let before = text.len();
                if piece.space {
                    text.push(' ');
                } else {
                    text.extend(piece.text.chars());
                }
                pieces.resize(pieces.len() + text.len() - before, (row, index));
            }
        }
        let mut starts = Vec::new();
        for found in pattern.find(&text) {
            let mut first = true;
            for (row, index) in pieces.iter().skip(found.start).take(found.len()) {
                let Some(piece) = self.rows.get_mut(*row).and_then(|row| row.get_mut(*index)) else {
                    continue;
                };
                piece.style = piece.style.patch(style);
                if std::mem::take(&mut first) {
                    starts.push((piece.at, piece.tag));
                }
            }
        }
        starts
    }

    /// The tag with which a row begins.
    pub fn tag_of(&self, row: usize) -> Option<usize> {
        self.rows.get(row)?.first().map(|piece| piece.tag)
    }

    /// Where the pieces of the rows from `first` on stand in `area`; a row's end counts to its last piece.
    pub fn cells(&self, first: usize, area: Rect) -> Vec<Cells> {
        let mut out = Vec::new();
        for (row, y) in self.rows.iter().skip(first).zip(area.y..area.bottom()) {
            let mut left = area.x;
            for piece in row {
                let right = left.saturating_add(u16::try_from(piece.width).unwrap_or(u16::MAX));
                out.push(Cells { y, left, right, tag: piece.tag, source: piece.source });
                left = right;
            }
            if let Some(piece) = row.last() {
                out.push(Cells { y, left, right: area.right(), tag: piece.tag, source: piece.source });
            }
        }
        out.retain(|cells| cells.left < cells.right && cells.right <= area.right());
        out
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

    fn flow(text: &str, width: usize) -> Flow {
        let theme = Theme::built_in("dark", Depth::None).unwrap();
        Flow::wrap(&[Run::new(text, Style::new(), 0)], width, &theme)
    }

    #[test]
    fn a_place_in_the_text_is_found_however_it_is_wrapped() {
        let text = "one two three four\n\nfive six seven eight nine ten";
        for width in 4..40 {
            let flow = flow(text, width);
            for row in 0..flow.len() {
                let at = flow.at_row(row);
                let there = flow.row_at(at);
                assert_eq!(flow.at_row(there), at, "width {width}, row {row}");
            }
        }
        // The s of six is visible character number 19.
        assert_eq!(flow(text, 40).row_at(19), 2);
        assert_eq!(flow(text, 9).row_at(19), flow(text, 9).row_at(15));
    }

    #[test]
    fn matches_are_found_over_rows_and_tokens() {
        let mut flow = flow("the answer says\n22 and the   answer is wrong", 10);
        let pattern = Pattern::new("the answer").unwrap();
        let found = flow.mark_all(&pattern, Style::new().bold());
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [0, 18]);
        let bold: String =
            flow.rows.iter().flatten().filter(|p| p.style != Style::new()).map(|p| p.text.as_str()).collect();
        assert_eq!(bold.replace(' ', ""), "theanswertheanswer");
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
