//! Typing a prompt and an answer: two wrapped fields, what would act on the terminal shown as symbols.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui_textarea::TextArea;

use crate::app::{Entry, EntryFor, Field};
use crate::widgets::flow::{Flow, Run};
use crate::widgets::{Meaning, Theme, panel};

/// Tags of the runs.
const BEFORE: usize = 0;
const CURSOR: usize = 1;

/// Draws both fields over the body.
pub fn draw(entry: &Entry, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let title = match entry.purpose {
        EntryFor::New => "New example",
        EntryFor::Answer => "Edit the answer: a new take",
    };
    let inner = panel::popup(title, 110, area.height, theme, area, buffer);
    let prompt_height = match (entry.purpose, entry.field) {
        (EntryFor::Answer, _) => (inner.height / 4).max(2),
        (EntryFor::New, _) => inner.height * 2 / 5,
    };
    let upper = Rect { height: prompt_height, ..inner };
    let lower = Rect { y: inner.y + prompt_height, height: inner.height - prompt_height, ..inner };
    field("Prompt", &entry.prompt, entry.field == Field::Prompt, theme, upper, buffer);
    field("Answer", &entry.answer, entry.field == Field::Answer, theme, lower, buffer);
}

fn field(
    title: &str,
    area: &TextArea<'static>,
    focused: bool,
    theme: &Theme,
    rect: Rect,
    buffer: &mut Buffer,
) {
    let lines = area.lines();
    let count = format!("{} lines", lines.len());
    let inner = panel::draw(title, &count, focused, panel::Frame::Line, theme, rect, buffer);
    let at = area.cursor();
    let (row, column) = (at.0, at.1);
    // Around the cursor only: a field of a megabyte draws as fast as an empty one.
    let first = row.saturating_sub(usize::from(inner.height) * 2);
    let last = (row + usize::from(inner.height) * 2).min(lines.len().saturating_sub(1));
    let text = theme.style(if focused { Meaning::Text } else { Meaning::Dim });
    let mut runs = Vec::new();
    let selected = area.selection_range();
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        let end = if index < last { "\n" } else { "" };
        if index != row || !focused {
            let inside = selected.is_some_and(|((a, _), (b, _))| a < index && index < b);
            let style = if inside { text.patch(theme.style(Meaning::Selected)) } else { text };
            runs.push(Run::new(format!("{}{end}", window(line, 0)), style, BEFORE));
            continue;
        }
        let start = column.saturating_sub(WINDOW);
        let before: String = line.chars().skip(start).take(column - start).collect();
        let mut rest = line.chars().skip(column);
        let under = rest.next().map_or_else(|| " ".to_owned(), String::from);
        let after: String = rest.take(WINDOW).collect();
        runs.push(Run::new(before, text, BEFORE));
        runs.push(Run::new(under, text.patch(theme.style(Meaning::Cursor)), CURSOR));
        runs.push(Run::new(format!("{after}{end}"), text, BEFORE));
    }
    let flow = Flow::wrap(&runs, usize::from(inner.width), theme);
    let height = usize::from(inner.height);
    let cursor = flow.row_of(CURSOR).unwrap_or(0);
    let top = (cursor + 1 + height / 3).saturating_sub(height).min(flow.len().saturating_sub(height));
    flow.draw(top, inner, buffer);
}

/// Characters of one line laid out on each side of the cursor.
const WINDOW: usize = 8_000;

fn window(line: &str, from: usize) -> String {
    line.chars().skip(from).take(WINDOW).collect()
}
