//! A text being typed: wrapped, its cursor and selection, what would act on the terminal shown as symbols.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui_textarea::TextArea;

use crate::app::{Spot, Target, Token};
use crate::widgets::flow::{Cells, Flow, Run};
use crate::widgets::{Meaning, Theme};

/// Tags of the runs.
const TEXT: usize = 0;
const CURSOR: usize = 1;
/// Characters of one line laid out on each side of the cursor.
const WINDOW: usize = 8_000;
/// Longest text whose characters are coloured by tokens.
const PAINTED: usize = 20_000;

/// Draws around the cursor only: a field of a megabyte draws as fast as an empty one. `paint` colours single characters,
/// counted from the beginning of the text, a newline as one. Returns where its letters stand.
pub fn draw(
    area: &TextArea<'static>,
    focused: bool,
    paint: &dyn Fn(usize) -> Option<Style>,
    theme: &Theme,
    rect: Rect,
    buffer: &mut Buffer,
) -> Vec<Spot> {
    let lines = area.lines();
    let at = area.cursor();
    let (row, column) = (at.0, at.1);
    let height = usize::from(rect.height);
    let first = row.saturating_sub(height * 2);
    let last = (row + height * 2).min(lines.len().saturating_sub(1));
    let base = theme.style(if focused { Meaning::Text } else { Meaning::Dim });
    let selected = area.selection_range();
    let selection = |place: (usize, usize)| selected.is_some_and(|(a, b)| a <= place && place < b);
    let mut offset: usize = lines.iter().take(first).map(|line| line.chars().count() + 1).sum();
    let mut runs: Vec<Run<'_>> = Vec::new();
    // Of each line: characters of all runs before it, its number, its first character that is laid out.
    let mut begins: Vec<(usize, usize, usize)> = Vec::new();
    let mut laid = 0;
    let mut put = |text: String, style: Style, tag: usize, laid: &mut usize| {
        *laid += text.chars().count();
        match runs.last_mut() {
            Some(run) if run.style == style && run.tag == tag && tag == TEXT => {
                run.text.to_mut().push_str(&text);
            }
            _ => runs.push(Run::new(text, style, tag)),
        }
    };
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        let start = if index == row { column.saturating_sub(WINDOW) } else { 0 };
        let newline = if index < last { "\n" } else { "" };
        let length = line.chars().count();
        begins.push((laid, index, start));
        for (place, c) in line.chars().chain([' ']).enumerate().skip(start).take(2 * WINDOW) {
            let end = place == length;
            let cursor = focused && (index, place) == (row, column);
            let mut style = paint(offset + place).map_or(base, |painted| base.patch(painted));
            if selection((index, place)) {
                style = style.patch(theme.style(Meaning::Selected)).add_modifier(Modifier::REVERSED);
            }
            match (cursor, end) {
                (true, _) => {
                    let style =
                        style.patch(theme.style(Meaning::Cursor)).remove_modifier(Modifier::UNDERLINED);
                    put(c.into(), style, CURSOR, &mut laid);
                }
                (false, true) => {}
                (false, false) => put(c.into(), style, TEXT, &mut laid),
            }
        }
        put(newline.to_owned(), base, TEXT, &mut laid);
        offset += length + 1;
    }
    let flow = Flow::wrap(&runs, usize::from(rect.width), theme);
    let cursor = flow.row_of(CURSOR).unwrap_or(0);
    let top = (cursor + 1 + height / 3).saturating_sub(height).min(flow.len().saturating_sub(height));
    flow.draw(top, rect, buffer);
    let letter = |cells: Cells| {
        let line = begins.partition_point(|(before, ..)| *before <= cells.source).checked_sub(1)?;
        let (before, row, start) = begins.get(line)?;
        let target = Target::Letter(None, *row, start + cells.source - before);
        Some(Spot::row(cells.y, cells.left, cells.right, target))
    };
    flow.cells(top, rect).into_iter().filter_map(letter).collect()
}

/// Which token of a critique each character of its edited text belongs to: as far as the text begins and ends as the
/// tokens do.
pub struct Painted {
    /// The token of each character of the text that the tokens spell.
    tokens: Vec<usize>,
    text: usize,
    prefix: usize,
    suffix: usize,
}

impl Painted {
    /// Compares the tokens (without the closing one) with the text as it stands.
    pub fn new(tokens: &[Token], text: &str) -> Self {
        let spelled: Vec<(char, usize)> = tokens
            .iter()
            .enumerate()
            .flat_map(|(index, token)| token.text.chars().map(move |c| (c, index)))
            .skip(usize::from(!text.starts_with(char::is_whitespace) && spells_space(tokens)))
            .take(PAINTED)
            .collect();
        let typed: Vec<char> = text.chars().take(PAINTED + 1).collect();
        if typed.len() > PAINTED {
            return Self { tokens: Vec::new(), text: 0, prefix: 0, suffix: 0 };
        }
        let same = |(a, b): &(&(char, usize), &char)| a.0 == **b;
        let prefix = spelled.iter().zip(&typed).take_while(same).count();
        let rest = spelled.len().min(typed.len()) - prefix;
        let suffix = spelled.iter().rev().zip(typed.iter().rev()).take(rest).take_while(same).count();
        Self {
            tokens: spelled.into_iter().map(|(_, token)| token).collect(),
            text: typed.len(),
            prefix,
            suffix,
        }
    }

    /// The token of a character.
    pub fn token(&self, at: usize) -> Option<usize> {
        let end = self.text.checked_sub(at)?;
        let place = if at < self.prefix {
            at
        } else if end <= self.suffix {
            self.tokens.len().checked_sub(end)?
        } else {
            return None;
        };
        self.tokens.get(place).copied()
    }
}

fn spells_space(tokens: &[Token]) -> bool {
    tokens.first().is_some_and(|t| t.text.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token {
            id: 0,
            text: text.into(),
            reward: 0.0,
            stop_here: None,
            probability: None,
            alternatives: Vec::new(),
        }
    }

    #[test]
    fn characters_around_a_change_keep_their_tokens() {
        let tokens = [token(" so"), token(" 22"), token(" is"), token(" bad")];
        let painted = Painted::new(&tokens, "so 217 is bad");
        let all: Vec<Option<usize>> = (0..13).map(|at| painted.token(at)).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(Some);
        assert_eq!(all, [a, a, b, b, None, None, c, c, c, d, d, d, d]);
        assert_eq!(painted.token(13), None);
    }
}
