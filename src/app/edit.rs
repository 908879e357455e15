//! A text being edited in place: the answer, the critique or the critique prompt.

use ratatui_textarea::{CursorMove, TextArea};

use super::TakeId;

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The answer: its critique becomes stale.
    Answer,
    /// The critique: its reward follows.
    Critique,
    /// The critique prompt, for all critiques from then on.
    Rubric,
}

/// A text being edited; the whole session is one edit, one take.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What is edited.
    pub part: Part,
    /// The text, with its cursor, selection and history.
    pub area: TextArea<'static>,
    /// The text as it was.
    pub was: String,
    /// The take it was made from.
    pub base: Option<TakeId>,
    /// The take this edit makes, from the first change on.
    pub take: Option<TakeId>,
}

impl Edit {
    /// An edit of `text` with the cursor before its `at`th character (or at its end).
    pub fn new(part: Part, text: String, at: Option<usize>, base: Option<TakeId>) -> Self {
        let mut area = area(&text);
        if let Some(at) = at {
            let before: String = text.chars().take(at).collect();
            let row = before.matches('\n').count();
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            area.move_cursor(CursorMove::Jump(short(row), short(column)));
        }
        Self { part, area, was: text, base, take: None }
    }

    /// The text as it stands.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The text before the cursor.
    pub fn before(&self) -> String {
        let at = self.area.cursor();
        let (row, column) = (at.0, at.1);
        let mut text: String =
            self.area.lines().iter().take(row).flat_map(|line| [line.as_str(), "\n"]).collect();
        text.extend(self.area.lines().get(row).into_iter().flat_map(|line| line.chars().take(column)));
        text
    }

    /// Puts another text in place of this one; the history knows the one before.
    pub fn replace(&mut self, text: &str) {
        self.area.cancel_selection();
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::Head);
        self.area.delete_str(self.text().chars().count());
        self.area.insert_str(text);
    }
}

/// A field that begins with a text, the cursor at its end.
pub(super) fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_max_histories(10_000);
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}
