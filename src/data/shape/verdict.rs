//! Which of two answers is better, in the ways files say it.

use serde_json::{Map, Value};

use super::names::{self, Names, number};
use crate::data::example::Fault;

/// Where the verdict stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// In a column: a name, or a number.
    Column {
        /// The column.
        column: String,
        /// What the numbers mean.
        numbers: Numbers,
    },
    /// One column of zeros and ones for each outcome.
    OneHot([Option<String>; 3]),
    /// In the two scores.
    Scores(String, String),
    /// Nowhere.
    None,
}

/// What numbers of a verdict mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// 0 is the first, 1 the second; 2 and -1 neither.
    FromZero,
    /// 1 is the first, 2 the second; 0 and 3 neither.
    FromOne,
    /// Below 0 the first, above 0 the second.
    Signed,
    /// 1 is the first, 0 the second (SHP).
    First,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first answer.
    A,
    /// The second.
    B,
    /// Neither.
    Tie,
}

impl Verdict {
    /// Finds the verdict of two answers whose columns end so (`_a`, `2`, ...).
    pub fn find(
        names: &Names,
        samples: &[&Map<String, Value>],
        answers: [&str; 2],
        scores: [Option<&str>; 2],
    ) -> Self {
        let hot = ["a", "b"].map(|side| names.get(&format!("winner_model_{side}")).map(str::to_owned));
        if let [Some(a), Some(b)] = hot {
            let tie = names.get("winner_tie").map(str::to_owned);
            return Self::OneHot([Some(a), Some(b), tie]);
        }
        for name in names::VERDICTS {
            let Some(column) = names.get(name).filter(|column| !answers.contains(column)) else { continue };
            let values = names::values(samples, column);
            let numbers = numbers(name, &values, answers);
            if values.iter().any(|value| outcome(value, numbers, answers).is_some()) {
                return Self::Column { column: column.to_owned(), numbers };
            }
        }
        match scores {
            [Some(a), Some(b)] => Self::Scores(a.to_owned(), b.to_owned()),
            _ => Self::None,
        }
    }

    /// The columns it stands in.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column { column, .. } => vec![column],
            Self::OneHot(columns) => columns.iter().flatten().map(String::as_str).collect(),
            Self::Scores(..) | Self::None => Vec::new(),
        }
    }

    /// A row's outcome; none where it holds no verdict.
    ///
    /// # Errors
    /// A verdict that is none of the outcomes.
    pub fn read(&self, row: &Map<String, Value>, answers: [&str; 2]) -> Result<Option<Outcome>, Fault> {
        let get = |column: &String| row.get(column).filter(|value| !value.is_null());
        match self {
            Self::Column { column, numbers } => {
                let Some(value) = get(column).filter(|v| v.as_str().is_none_or(|t| !t.trim().is_empty()))
                else {
                    return Ok(None);
                };
                let outcome = outcome(value, *numbers, answers);
                outcome.map(Some).ok_or_else(|| {
                    let found: String = value.to_string().chars().take(60).collect();
                    Fault::new(column.clone(), found, "which answer is better, or a tie")
                })
            }
            Self::OneHot(columns) => {
                let hot = |column: &Option<String>| {
                    column.as_ref().and_then(get).and_then(names::yes).unwrap_or(false)
                };
                let [a, b, tie] = columns;
                Ok(match (hot(a), hot(b), hot(tie)) {
                    (true, false, _) => Some(Outcome::A),
                    (false, true, _) => Some(Outcome::B),
                    (_, _, true) | (true, true, _) => Some(Outcome::Tie),
                    _ => None,
                })
            }
            Self::Scores(a, b) => {
                Ok(get(a).and_then(number).zip(get(b).and_then(number)).map(|(a, b)| {
                    match a.partial_cmp(&b) {
                        Some(std::cmp::Ordering::Greater) => Outcome::A,
                        Some(std::cmp::Ordering::Less) => Outcome::B,
                        _ => Outcome::Tie,
                    }
                }))
            }
            Self::None => Ok(None),
        }
    }
}

/// What a column's numbers mean, by its name, the answers' names and the numbers that occur.
fn numbers(name: &str, values: &[&Value], answers: [&str; 2]) -> Numbers {
    let found: Vec<f64> = values.iter().filter_map(|value| number(value)).collect();
    let has = |n: f64| found.contains(&n);
    let plain = answers.map(names::plain);
    match () {
        () if matches!(name, "overall_preference" | "preference_strength") => Numbers::Signed,
        () if plain.iter().all(|n| n.contains("human_ref")) => Numbers::First,
        () if found.iter().any(|n| *n < -1.0) || (has(-1.0) && has(1.0) && !has(2.0)) => Numbers::Signed,
        () if plain[1].ends_with('2') => Numbers::FromOne,
        () if plain[0].ends_with('0') || has(0.0) || !has(2.0) => Numbers::FromZero,
        () => Numbers::FromOne,
    }
}

/// Reads one verdict.
pub fn outcome(value: &Value, numbers: Numbers, answers: [&str; 2]) -> Option<Outcome> {
    if let Value::Bool(second) = value {
        return Some(if *second { Outcome::B } else { Outcome::A });
    }
    if let Some(n) = number(value) {
        return match (numbers, n) {
            (Numbers::Signed, n) if n < 0.0 => Some(Outcome::A),
            (Numbers::Signed, n) if n > 0.0 => Some(Outcome::B),
            (Numbers::FromZero, 0.0) | (Numbers::FromOne | Numbers::First, 1.0) => Some(Outcome::A),
            (Numbers::FromZero, 1.0) | (Numbers::FromOne, 2.0) | (Numbers::First, 0.0) => Some(Outcome::B),
            (Numbers::Signed | Numbers::FromOne, 0.0) | (Numbers::FromOne, 3.0) => Some(Outcome::Tie),
            (Numbers::FromZero, 2.0 | -1.0) | (Numbers::FromOne, -1.0) => Some(Outcome::Tie),
            _ => None,
        };
    }
    let text = names::plain(value.as_str()?);
    if is_tie(&text) {
        return Some(Outcome::Tie);
    }
    let plain = answers.map(names::plain);
    let end = |name: &str| name.trim_start_matches(|c: char| c != '_').trim_matches('_').to_owned();
    let is = |side: usize, words: [&str; 3]| {
        let name = plain.get(side).map_or("", String::as_str);
        let last = text.rsplit('_').next().unwrap_or_default();
        text == name
            || words.contains(&text.as_str())
            || (text.contains('_') && (words.contains(&last) || last == end(name)))
    };
    match (is(0, ["a", "left", "first"]), is(1, ["b", "right", "second"])) {
        (true, false) => Some(Outcome::A),
        (false, true) => Some(Outcome::B),
        _ => None,
    }
}

/// Words for neither.
pub fn is_tie(plain: &str) -> bool {
    plain.starts_with("tie")
        || [
            "draw",
            "equal",
            "both",
            "neither",
            "same",
            "both_bad",
            "both_good",
            "bothbad",
            "none",
            "no_preference",
        ]
        .contains(&plain)
}
