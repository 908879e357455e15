//! Shapes: what the columns of a file mean, recognised from their names and a few rows; and rows read accordingly.

use serde_json::{Map, Value};

use super::example::{Example, Fault};

mod find;
mod join;
pub(super) mod names;
mod read;
mod verdict;

use names::Names;
use verdict::Verdict;

/// What the columns of a row mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    name: &'static str,
    asked: Asked,
    kind: Kind,
    /// Values are cells of a table: lists and messages are text.
    cells: bool,
}

/// Where the prompt stands.
#[derive(Clone, Debug, Default, PartialEq)]
struct Asked {
    /// The prompt; none where the answers are whole chats.
    column: Option<String>,
    /// Alpaca's `input`, which follows the instruction.
    input: Option<String>,
    /// A system message.
    system: Option<String>,
}

/// One answer's columns.
#[derive(Clone, Debug, Default, PartialEq)]
struct Side {
    answer: String,
    /// The critique of our own rows: text or an error.
    critique: Option<String>,
    /// Feedback: text, a list, or something else that is left alone.
    feedback: Option<String>,
    ids: Option<String>,
    scores: Vec<String>,
    label: Option<String>,
    model: Option<String>,
}

/// What the answers are.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// One answer; `whole` if it is a chat with the prompt in it.
    Single(Side),
    /// The better and the worse one.
    Pair { better: Side, worse: Side, transcript: bool },
    /// Lists of better and worse ones (RewardBench 2).
    Lists { better: String, worse: String },
    /// Two, and perhaps a verdict; `turns` if prompts and answers are lists of turns (the arena's 55k file).
    Versus { a: Side, b: Side, verdict: Verdict, turns: bool },
    /// A list of them, with scores in the list or beside it, or the place of the best.
    Many { answers: String, scores: Option<(String, bool)>, choice: Option<String>, models: Option<String> },
}

impl Shape {
    /// `cloud`, `trl-preference`, ...
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The shape of rows of which nothing is known: a prompt and an answer.
    pub fn native() -> Self {
        let asked = Asked { column: Some("prompt".into()), ..Asked::default() };
        let names = Names::new(["critique", "critique_token_ids"].into_iter());
        Self {
            name: "prompt-answer",
            asked,
            kind: Kind::Single(find::single_side(&names, "answer")),
            cells: false,
        }
    }

    /// Reads a row. `strict` if an answer without text is none.
    ///
    /// # Errors
    /// The column that is missing or not what it should be.
    pub fn example(&self, number: usize, row: &Map<String, Value>, strict: bool) -> Result<Example, Fault> {
        read::example(self, number, row, strict)
    }

    /// Whether a row has none of the columns that hold the answers: it is of another shape.
    pub fn is_foreign(&self, row: &Map<String, Value>) -> bool {
        let has = |column: &String| row.contains_key(column);
        !match &self.kind {
            Kind::Single(side) => has(&side.answer),
            Kind::Pair { better, worse, .. } => has(&better.answer) || has(&worse.answer),
            Kind::Lists { better, worse } => has(better) || has(worse),
            Kind::Versus { a, b, .. } => has(&a.answer) || has(&b.answer),
            Kind::Many { answers, .. } => has(answers),
        }
    }

    /// Whether a preference row without answers says that neither is better.
    pub fn is_tie(&self, row: &Map<String, Value>) -> bool {
        let Kind::Pair { better, worse, .. } = &self.kind else { return false };
        let null = |column: &String| row.get(column).is_none_or(Value::is_null);
        let names = Names::new(row.keys().map(String::as_str));
        let says = |name: &&str| {
            let value = names.get(name).and_then(|column| row.get(column));
            value.and_then(Value::as_str).is_some_and(|text| verdict::is_tie(&names::plain(text)))
        };
        null(&better.answer) && null(&worse.answer) && names::VERDICTS.iter().any(says)
    }
}

/// Finds the shape of rows by their columns and some of the rows themselves; `cells` for rows of a table as text.
pub fn recognise(columns: &[String], samples: &[&Map<String, Value>], cells: bool) -> Option<Shape> {
    let names = Names::new(columns.iter().map(String::as_str));
    find::shape(&names, samples, cells)
}

/// [`recognise`] of one row.
pub fn recognise_row(row: &Map<String, Value>) -> Option<Shape> {
    find::shape(&Names::new(row.keys().map(String::as_str)), &[row], false)
}

/// Whether a column of this name means something.
pub fn is_known(name: &str) -> bool {
    let plain = names::plain(name);
    let plain = plain.as_str();
    names::PROMPTS.contains(&plain)
        || names::CHATS.contains(&plain)
        || names::ANSWERS.contains(&plain)
        || names::MANY.contains(&plain)
        || names::PAIRS.iter().any(|(better, worse)| plain == *better || plain == *worse)
        || names::SIDES.iter().any(|side| {
            plain
                .strip_prefix(side)
                .is_some_and(|end| names::ENDS.iter().any(|(a, b)| end == *a || end == *b))
        })
}

/// Whether a name says what a column is, for `--map`.
pub fn means(name: &str) -> bool {
    let plain = names::plain(name);
    let plain = plain.as_str();
    let parts = ["critique", "feedback", "score", "model", "critique_token_ids"];
    let beside = |word: &str| parts.iter().any(|part| plain == format!("{word}_{part}"));
    plain == "id"
        || is_known(name)
        || ["chosen", "rejected"].into_iter().any(beside)
        || [
            &names::VERDICTS[..],
            &names::SCORES,
            &names::RANKS,
            &names::CRITIQUES,
            &names::LABELS,
            &names::SYSTEMS,
        ]
        .iter()
        .any(|list| list.contains(&plain))
}
