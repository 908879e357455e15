//! A line of choices for `label`: strict JSON, every mistake named.

use serde::Deserialize;
use serde_json::Value;

use crate::label::choices;
use crate::session::{Choice, Label, Progress};

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Goes back over the last step.
    Undo,
    /// Says something of a pair.
    Say,
}

/// A line, checked.
#[derive(Debug)]
pub(super) struct Line {
    pub what: What,
    pub id: Option<String>,
    pub row: Option<usize>,
    pub example: Option<String>,
    pub correction: Option<(usize, String)>,
    choice: Option<Choice>,
    fields: Fields,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    id: Option<Value>,
    row: Option<usize>,
    example: Option<String>,
    choice: Option<Value>,
    state: Option<Progress>,
    all_bad: Option<bool>,
    reasons: Option<Vec<String>>,
    note: Option<String>,
    flag: Option<bool>,
    seconds: Option<f64>,
    shown: Option<Vec<usize>>,
    seed: Option<u64>,
    revealed: Option<bool>,
    adjudicates: Option<bool>,
    correction: Option<Correction>,
    undo: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Correction {
    answer: usize,
    text: String,
}

/// Reads a line; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Line, super::label::Wrong> {
    let mut fields: Fields = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let choice = match fields.choice.take() {
        None | Some(Value::Null) => None,
        Some(value) => {
            let found = match &value {
                Value::String(text) => choices::from_words(text),
                other => other.as_i64().and_then(choices::from_ordinal),
            };
            Some(found.ok_or_else(|| {
                format!(
                    "choice {value}: expected chosen-much, chosen, tie, rejected, rejected-much, or 2 to -2"
                )
            })?)
        }
    };
    let id = fields.id.take().map(|id| match id {
        Value::String(text) => text,
        other => other.to_string(),
    });
    Ok(Line {
        what: if fields.undo { What::Undo } else { What::Say },
        id,
        row: fields.row,
        example: fields.example.take(),
        correction: fields.correction.take().map(|c| (c.answer, c.text)),
        choice,
        fields,
    })
}

impl Line {
    /// The label after this line; what the line does not name stays.
    pub fn apply(&self, mut label: Label) -> Label {
        let Fields {
            state, all_bad, reasons, note, flag, seconds, shown, seed, revealed, adjudicates, ..
        } = &self.fields;
        label.choice = self.choice.or(label.choice);
        label.state = match (state, self.choice) {
            (Some(state), _) => *state,
            (None, Some(_)) => Progress::Submitted,
            (None, None) => label.state,
        };
        if label.state == Progress::Skipped {
            label.choice = None;
        }
        label.all_bad = all_bad.unwrap_or(label.all_bad);
        label.reasons = reasons.clone().unwrap_or(label.reasons);
        label.note = note.clone().unwrap_or(label.note);
        label.flag = flag.unwrap_or(label.flag);
        label.seconds = seconds.or(label.seconds);
        label.shown = shown.clone().unwrap_or(label.shown);
        label.seed = seed.or(label.seed);
        label.revealed = revealed.unwrap_or(label.revealed);
        label.adjudicates = adjudicates.unwrap_or(label.adjudicates);
        label
    }
}
