//! What can be judged: a prompt with one answer, or with a pair of them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::State;
use crate::checkpoint::Prompt;
use crate::engine::Input;
use crate::label::choices;
use crate::rows::{Content, Row};
use crate::session::Choice;

/// Which answer of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Side {
    /// The answer; of a pair, the chosen one.
    #[default]
    Chosen,
    /// The rejected one of a pair.
    Rejected,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Chosen => Self::Rejected,
            Self::Rejected => Self::Chosen,
        }
    }

    /// `chosen` or `rejected`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Rejected => "rejected",
        }
    }
}

/// The answer or answers of an example.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// One.
    One(Arc<str>),
    /// A preference pair.
    Pair {
        /// The preferred one.
        chosen: Arc<str>,
        /// The other one.
        rejected: Arc<str>,
    },
}

/// Where an example comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Demo,
    /// A file.
    File,
    /// Typed by hand.
    Typed,
}

/// A prompt and what was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its row's number in the data, from 1; none if it was typed.
    pub number: Option<usize>,
    /// Its name in lists.
    pub id: String,
    /// What was asked.
    pub prompt: Prompt,
    /// What was answered.
    pub answers: Answers,
    /// Where it comes from.
    pub origin: Origin,
    /// What to try with it: the row's `try`.
    pub hint: Option<Arc<str>>,
    /// The row's other columns.
    pub extra: Arc<Map<String, Value>>,
    /// Why it cannot be judged: a row that was read but is none.
    pub fault: Option<String>,
    /// Two answers of which the file does not say which is better: the chosen one is only the first.
    pub open: bool,
}

impl State {
    /// What a side of the example on the screen is called.
    pub fn side_name(&self, side: Side) -> &'static str {
        self.example().map_or_else(|| side.name(), |example| example.side_name(side))
    }
}

impl Example {
    /// A prompt and one answer as plain text.
    pub fn text(id: impl Into<String>, prompt: impl Into<String>, answer: impl AsRef<str>) -> Self {
        Self {
            number: None,
            id: id.into(),
            prompt: Prompt::Text(prompt.into()),
            answers: Answers::One(answer.as_ref().into()),
            origin: Origin::Typed,
            hint: None,
            extra: Arc::default(),
            fault: None,
            open: false,
        }
    }

    /// A row of a file; a bad one keeps its place and says what is wrong.
    pub fn from_row(row: Row, origin: Origin) -> Self {
        let id = match row.id {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let (prompt, answers, fault) = match row.content {
            Ok(Content::One(item)) => (item.input.prompt, Answers::One(item.input.answer.into()), None),
            Ok(Content::Pair { chosen, rejected }) => {
                let (a, b) = (chosen.input.answer.into(), rejected.input.answer.into());
                (chosen.input.prompt, Answers::Pair { chosen: a, rejected: b }, None)
            }
            Err(fault) => (Prompt::Text(String::new()), Answers::One("".into()), Some(fault)),
        };
        let hint = row.extra.get("try").and_then(Value::as_str).map(Into::into);
        Self {
            number: Some(row.number),
            id,
            prompt,
            answers,
            origin,
            hint,
            extra: Arc::new(row.extra),
            fault,
            open: false,
        }
    }

    /// The value of a column, as text.
    pub fn column(&self, name: &str) -> Option<String> {
        Some(match self.extra.get(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// True for a preference pair.
    pub fn is_pair(&self) -> bool {
        matches!(self.answers, Answers::Pair { .. })
    }

    /// What a side is called.
    pub fn side_name(&self, side: Side) -> &'static str {
        match (self.open, side) {
            (false, side) => side.name(),
            (true, Side::Chosen) => "first",
            (true, Side::Rejected) => "second",
        }
    }

    /// A choice in words.
    pub fn choice_words(&self, choice: Choice) -> &'static str {
        let word = choices::words(choice);
        match (self.is_pair(), self.open, word) {
            (_, _, "tie") | (true, false, _) => word,
            (true, true, "chosen") => "first",
            (true, true, "chosen-much") => "first-much",
            (true, true, "rejected") => "second",
            (true, true, _) => "second-much",
            (false, _, "chosen" | "chosen-much") => "good",
            (false, ..) => "bad",
        }
    }

    /// The sides it has.
    pub fn sides(&self) -> &'static [Side] {
        if self.is_pair() { &[Side::Chosen, Side::Rejected] } else { &[Side::Chosen] }
    }

    /// The answer of a side.
    pub fn answer(&self, side: Side) -> &Arc<str> {
        match (&self.answers, side) {
            (Answers::One(answer), _) => answer,
            (Answers::Pair { chosen, .. }, Side::Chosen) => chosen,
            (Answers::Pair { rejected, .. }, Side::Rejected) => rejected,
        }
    }

    /// What the engine is asked to judge.
    pub fn input(&self, side: Side) -> Input {
        Input { prompt: self.prompt.clone(), answer: self.answer(side).to_string() }
    }
}
