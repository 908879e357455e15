//! Typing a prompt and an answer: two fields.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui_textarea::TextArea;

use super::editor;
use crate::app::{Entry, Field};
use crate::widgets::{Theme, panel};

/// Draws both fields over the body.
pub fn draw(entry: &Entry, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inner = panel::popup("New example", 110, area.height, theme, area, buffer);
    let prompt_height = inner.height * 2 / 5;
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
    editor::draw(area, focused, &|_| None, theme, inner, buffer);
}
