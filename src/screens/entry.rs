//! Typing a prompt and an answer: two fields.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::editor;
use crate::app::{Entry, Field, Limits, Spot, Target};
use crate::widgets::{Theme, panel};

/// Draws both fields over the body.
pub fn draw(entry: &Entry, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let inner = panel::popup("New example", 110, area.height, theme, area, buffer);
    let prompt_height = inner.height * 2 / 5;
    let upper = Rect { height: prompt_height, ..inner };
    let lower = Rect { y: inner.y + prompt_height, height: inner.height - prompt_height, ..inner };
    let fields =
        [("Prompt", &entry.prompt, Field::Prompt, upper), ("Answer", &entry.answer, Field::Answer, lower)];
    for (title, text, field, place) in fields {
        let focused = entry.field == field;
        let count = format!("{} lines", text.area().lines().len());
        let inner = panel::draw(title, &count, focused, panel::Frame::Line, theme, place, buffer);
        let letters = editor::draw(text.area(), focused, &|_| None, theme, inner, buffer);
        limits.spots.extend(letters.into_iter().map(|spot| match spot.target {
            Target::Letter(_, row, column) => {
                Spot { target: Target::Letter(Some(field), row, column), ..spot }
            }
            _ => spot,
        }));
    }
}
