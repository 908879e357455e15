//! The pairs of any file, as rows of `prompt`, `chosen` and `rejected` with their critiques, each with its place.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Answer, Options, Source, Stream};
use crate::Result;

/// Column of a row that was copied from another file: the place there.
pub const PLACE: &str = "outloud_place";

/// A pair as a row of `id`, `prompt`, `chosen`, `rejected`, and, where there are any, `chosen_feedback`,
/// `rejected_feedback` and `margin`.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRow {
    /// `FILE:LINE`, or as the format counts.
    pub place: String,
    /// The row.
    pub row: Map<String, Value>,
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairRows {
    /// Its pairs, in order; of a row with several, each with an id of its own.
    pub rows: Vec<PairRow>,
    /// Rows that are none: places and reasons.
    pub bad: Vec<(String, String)>,
    /// Places of rows in which no answer is better.
    pub ties: Vec<String>,
}

/// Reads the pairs of a file in any format.
///
/// # Errors
/// A file that cannot be read as data.
pub fn pairs(file: &Path, options: Options) -> Result<PairRows> {
    let mut found = PairRows::default();
    for row in Stream::new([Source::File(file.to_path_buf())], options) {
        let row = row?;
        let mut place = format!("{}{}", file.display(), row.place);
        if let Ok(Some(Value::String(there))) = row.example.as_ref().map(|e| e.rest.get(PLACE)) {
            place.clone_from(there);
        }
        let example = match row.example {
            Ok(example) if !example.pairs.is_empty() => example,
            Ok(example) if example.tie => {
                found.ties.push(place);
                continue;
            }
            Ok(_) => {
                found.bad.push((place, "no pair: of no answer it is said to be better".into()));
                continue;
            }
            Err(_) if row.tie => {
                found.ties.push(place);
                continue;
            }
            Err(fault) => {
                let column = fault.column.as_ref().map(|c| format!("{c}: ")).unwrap_or_default();
                found.bad.push((place, format!("{column}{fault}")));
                continue;
            }
        };
        let many = example.pairs.len() > 1;
        for (at, (better, worse)) in example.pairs.iter().enumerate() {
            let (Some(chosen), Some(rejected)) = (example.answers.get(*better), example.answers.get(*worse))
            else {
                continue;
            };
            let own = || example.id.as_str().map_or_else(|| example.id.to_string(), str::to_owned);
            let id = if many { Value::String(format!("{}/{}", own(), at + 1)) } else { example.id.clone() };
            let fields = [
                ("id", id),
                ("prompt", json!(example.prompt)),
                ("chosen", said(chosen)),
                ("rejected", said(rejected)),
            ];
            let mut row: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            for (key, answer) in [("chosen_feedback", chosen), ("rejected_feedback", rejected)] {
                if !answer.critiques.is_empty() {
                    row.insert(key.into(), json!(answer.critiques));
                }
            }
            if let Some(margin) = example.rest.get("margin").filter(|margin| !margin.is_null()) {
                row.insert("margin".into(), margin.clone());
            }
            found.rows.push(PairRow { place: place.clone(), row });
        }
    }
    Ok(found)
}

/// The answer's text; with turns before it that are its own, those and it.
fn said(answer: &Answer) -> Value {
    if answer.before.is_empty() {
        return Value::String(answer.text.clone());
    }
    let mut turns: Vec<Value> = answer.before.iter().map(|turn| json!(turn)).collect();
    turns.push(json!({"role": "assistant", "content": answer.text}));
    Value::Array(turns)
}
