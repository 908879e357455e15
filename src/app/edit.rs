//! A text being edited in place: the answer, the critique or the critique prompt.

use super::{TakeId, TextBox};

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
    pub area: TextBox,
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
        let mut area = TextBox::new(&text);
        if let Some(at) = at {
            let before: String = text.chars().take(at).collect();
            let row = before.matches('\n').count();
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            area.go_to(row, column, false);
        }
        Self { part, area, was: text, base, take: None }
    }

    /// The text as it stands.
    pub fn text(&self) -> String {
        self.area.text()
    }
}
