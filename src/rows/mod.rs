//! Rows of work, one at a time: whatever a file holds becomes a [`Row`], good or bad, in order.
//!
//! Owns: what the engine is asked for a row, and errors that name file, place and field. Files, formats and the meaning of
//! columns are `data`'s. A row without an `id` gets its number (from 1, over all inputs, blank lines not counted). Uses
//! `data`, `checkpoint` and `engine` types only; knows no model and no terminal.

use serde_json::{Map, Value};

use crate::checkpoint::Reading;
use crate::data::Shape;
pub use crate::data::Source;
use crate::engine::{CritiqueText, Input};

mod read;

pub use read::{Reader, rows as of_example};

/// One line of input, good or bad.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// From 1, over all inputs.
    pub number: usize,
    /// `id` as it was written, else the number.
    pub id: Value,
    /// What to do, or why not (file, line, field, what was found and expected).
    pub content: Result<Content, String>,
    /// Fields that mean nothing here, as they were.
    pub extra: Map<String, Value>,
    /// Its place and that of the first row with its id, where it is not the first.
    pub repeats: Option<String>,
}

/// What a row asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One answer.
    One(Item),
    /// Two answers to one prompt.
    Pair {
        /// The preferred one.
        chosen: Item,
        /// The other.
        rejected: Item,
    },
}

/// A prompt, an answer and perhaps a critique of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is judged.
    pub input: Input,
    /// The critique's text.
    pub critique: Option<String>,
    /// The critique's token ids; they count before the text.
    pub critique_token_ids: Option<Vec<u32>>,
    /// The reading a result row was made with, where the row is one.
    pub reading: Option<Reading>,
}

impl Item {
    /// The critique as the engine takes it: ids if there are any, else the text.
    pub fn critique(&self) -> CritiqueText {
        match (&self.critique_token_ids, &self.critique) {
            (Some(ids), _) => CritiqueText::Ids(ids.clone()),
            (None, Some(text)) => CritiqueText::Text(text.clone()),
            (None, None) => CritiqueText::None,
        }
    }
}

impl Row {
    /// One row given by hand.
    pub fn by_hand(prompt: &str, answer: &str, critique: Option<&str>) -> Self {
        let mut object = Map::new();
        object.insert("prompt".into(), prompt.into());
        object.insert("answer".into(), answer.into());
        if let Some(critique) = critique {
            object.insert("critique".into(), critique.into());
        }
        match Shape::native().example(1, &object, false) {
            Ok(example) => read::rows(example).remove(0),
            Err(fault) => read::bad(1, "--prompt, --answer", None, fault, None),
        }
    }
}
