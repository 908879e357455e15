//! What a row means: a prompt, its answers, and which of them is preferred.

use serde_json::{Map, Value};

use crate::checkpoint::{Message, Prompt};

/// One row, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The row's number, from 1 over all files, bad rows counted and blank lines not.
    pub number: usize,
    /// `id` as it was written, else the number.
    pub id: Value,
    /// What was asked: what all answers have in common.
    pub prompt: Prompt,
    /// What was answered, in the order of the file; a pair of `chosen` and `rejected` stands in this order.
    pub answers: Vec<Answer>,
    /// (better, worse), as places in `answers`. Of n answers: every one that is best against every one that is not, no
    /// pairs among the others. Empty without a preference.
    pub pairs: Vec<(usize, usize)>,
    /// The file says that no answer is better, or the answers of the pair are the same text.
    pub tie: bool,
    /// The columns that mean nothing here, as they were.
    pub rest: Map<String, Value>,
}

/// One answer and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Turns between the prompt and this answer where the answers' chats part before the last turn; mostly none.
    pub before: Vec<Message>,
    /// The answer.
    pub text: String,
    /// Critiques of it, in order; where one is wanted, it is the first.
    pub critiques: Vec<String>,
    /// The critique's token ids; they count before the text.
    pub critique_token_ids: Option<Vec<u32>>,
    /// Its score (of several their mean), higher is better; a rank is a negative score.
    pub score: Option<f64>,
    /// Whether it is a good answer, where that is all that is said.
    pub label: Option<bool>,
    /// Who wrote it.
    pub model: Option<String>,
}

impl Example {
    /// The prompt of an answer: the common one and the turns that are its own.
    pub fn prompt_of(&self, answer: &Answer) -> Prompt {
        if answer.before.is_empty() {
            return self.prompt.clone();
        }
        let mut messages = match &self.prompt {
            Prompt::Text(text) => vec![Message { role: "user".into(), content: text.clone() }],
            Prompt::Messages(messages) => messages.clone(),
        };
        messages.extend(answer.before.iter().cloned());
        Prompt::Messages(messages)
    }

    /// The first pair, better and worse.
    pub fn pair(&self) -> Option<(&Answer, &Answer)> {
        let (better, worse) = *self.pairs.first()?;
        Some((self.answers.get(better)?, self.answers.get(worse)?))
    }
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The line it begins on, from 1.
    Line(u64),
    /// Its number, from 1, where a file has no lines (Parquet, Arrow).
    Row(u64),
    /// Number and line of an element of a JSON document.
    Element(u64, u64),
}

impl std::fmt::Display for Place {
    /// What follows the file's name: `:3`, ` row 3`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, ":{line}"),
            Self::Row(row) => write!(f, " row {row}"),
            Self::Element(row, line) => write!(f, ":{line} (row {row})"),
        }
    }
}

/// What is wrong with a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `prompt[2].content`, ...; none where the row as a whole cannot be read.
    pub column: Option<String>,
    /// What stands there.
    pub found: String,
    /// What should stand there.
    pub expected: String,
    /// The row's `id`, where it can still be read.
    pub id: Option<Box<Value>>,
}

impl Fault {
    /// A fault of `column`.
    pub fn new(column: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column: Some(column.into()), found: found.into(), expected: expected.into(), id: None }
    }

    /// A row that cannot be read at all.
    pub fn whole(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column: None, found: found.into(), expected: expected.into(), id: None }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

/// A row that is no example.
#[derive(Clone, Debug, PartialEq)]
pub struct Bad {
    /// Which of the files.
    pub file: usize,
    /// Where in it.
    pub place: Place,
    /// Its bytes in the unpacked file: offset and length.
    pub span: (u64, u64),
    /// What is wrong.
    pub fault: Fault,
}
