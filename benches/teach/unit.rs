//! A rule of taste: the unit must be named. Pairs of one right answer with and without it, from the seed.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use outloud::eval::lines;
use outloud::stories::{Options, Rows, Split};
use serde_json::{Value, json};

/// An answer without its last words: `Answer: 64 dollars.` becomes `Answer: 64.`
fn bare(answer: &str) -> String {
    let end = answer.rfind(|c: char| c.is_ascii_digit()).unwrap();
    format!("{}.", answer.get(..=end).unwrap())
}

/// Pairs that differ in the unit alone.
pub fn pairs(split: Split, seed: u64, count: usize) -> Vec<Value> {
    let rows = Rows::new(Options::new(split, seed)).unwrap().take(count).map(Result::unwrap);
    let pair = |row: outloud::stories::Row| {
        let rejected = bare(&row.chosen);
        assert_ne!(rejected, row.chosen);
        json!({ "id": row.id, "prompt": row.prompt, "chosen": row.chosen, "rejected": rejected })
    };
    rows.map(pair).collect()
}

/// Stories as they are.
pub fn stories(split: Split, seed: u64, count: usize) -> Vec<Value> {
    let rows = Rows::new(Options::new(split, seed)).unwrap().take(count).map(Result::unwrap);
    rows.map(|row| serde_json::to_value(row).unwrap()).collect()
}

/// Pairs as labels give them: each with the model's own critiques of both answers (`judged`: what `outloud critique` wrote).
/// With `correct`, that of the rejected answer says what is wrong, as its annotator would write it.
pub fn labelled(pairs: &[Value], judged: &Path, correct: bool) -> Vec<Value> {
    let judged: Vec<Value> = lines::read(judged).unwrap();
    assert_eq!(judged.len(), pairs.len());
    let row = |(pair, judged): (&Value, &Value)| {
        assert_eq!(pair["id"], judged["id"]);
        let critique = |side: &str| judged[side]["critique"].as_str().unwrap().trim_end().to_owned();
        let mut row = pair.clone();
        row["chosen_feedback"] = critique("chosen").into();
        row["rejected_feedback"] = match correct {
            true => corrected(&critique("rejected")).into(),
            false => critique("rejected").into(),
        };
        row
    };
    pairs.iter().zip(&judged).map(row).collect()
}

/// A critique with one more line, and a verdict that follows from it.
fn corrected(critique: &str) -> String {
    let (steps, verdict) = critique.rsplit_once('\n').unwrap_or(("", critique));
    let verdict = verdict.replace("incorrect", "correct").replace("correct", "incorrect");
    format!("{steps}\nAnswer has only the number: wrong.\n{verdict}")
}

/// Whether no prompt of one is in the other.
pub fn disjoint(a: &[Value], b: &[Value]) -> bool {
    let prompts: HashSet<&str> = a.iter().filter_map(|row| row["prompt"].as_str()).collect();
    b.iter().filter_map(|row| row["prompt"].as_str()).all(|prompt| !prompts.contains(prompt))
}

/// Writes rows as JSON lines.
pub fn write(path: &Path, rows: &[Value]) {
    let mut text = String::new();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    std::fs::write(path, text).unwrap();
}
