//! What a person says about an answer or a critique. Each event holds the whole of what stands after it, so that the
//! newest one counts and undoing it brings back the one before.

use serde::{Deserialize, Serialize};

use super::{Digest, EventId};

/// A label of one example by one annotator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Of which example.
    pub example: Digest,
    /// How far it is; an example without a label is pending.
    pub state: Progress,
    /// Which answer is better; of a single answer `Better` with its index says good, `Tie` neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// No answer is good, whichever is better.
    #[serde(default, skip_serializing_if = "is_default")]
    pub all_bad: bool,
    /// Reason tags, of the user's own list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// To be looked at again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flag: bool,
    /// Indices of the answers as they stood on the screen, A first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<usize>,
    /// Seed that the order was drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Rewards and critiques had been revealed before the choice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revealed: bool,
    /// Seconds that the example was on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// A take of Inspect that is taken over as this annotator's critique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<EventId>,
    /// Settles a conflict between annotators.
    #[serde(default, skip_serializing_if = "is_default")]
    pub adjudicates: bool,
}

impl Label {
    /// A draft that says nothing yet.
    pub fn draft(example: Digest) -> Self {
        Self {
            example,
            state: Progress::Draft,
            choice: None,
            all_bad: false,
            reasons: Vec::new(),
            note: String::new(),
            flag: false,
            shown: Vec::new(),
            seed: None,
            revealed: false,
            seconds: None,
            adopted: None,
            adjudicates: false,
        }
    }
}

/// How far a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Begun.
    Draft,
    /// Passed over.
    Skipped,
    /// Given.
    Submitted,
}

/// A comparison, in terms of the example's answers (0 is the chosen one of a preference file), never of the screen's A and B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Equally good.
    Tie,
    /// An answer is slightly better.
    Better(usize),
    /// An answer is much better.
    MuchBetter(usize),
}

impl Choice {
    /// On the ordinal scale of agreement figures: 2, 1 the first answer is much, slightly better; 0 a tie; -1, -2 another is.
    pub fn ordinal(self) -> i8 {
        match self {
            Self::Tie => 0,
            Self::Better(0) => 1,
            Self::Better(_) => -1,
            Self::MuchBetter(0) => 2,
            Self::MuchBetter(_) => -2,
        }
    }
}

/// What one annotator says about one critique, or writes in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Of which example.
    pub example: Digest,
    /// Index of the answer.
    pub answer: usize,
    /// The critique; `None` for one written from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique: Option<Digest>,
    /// Agrees with the whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agrees: Option<bool>,
    /// Single sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<Sentence>,
    /// The critique as it should be; training feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
}

/// A sentence of a critique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// First code point.
    pub start: usize,
    /// Code point after the last.
    pub end: usize,
    /// Agrees with it.
    pub agrees: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
