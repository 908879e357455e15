//! What one record of a file says: which example it is about, who said what of it, what a model said.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::case::Spoken;
use crate::checkpoint::Prompt;
use crate::label::choices;
use crate::session::{Choice, Digest, Label, Progress};

/// One record, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Where it stands: `file:line`.
    pub place: String,
    /// `id` of the example.
    pub id: Option<String>,
    /// Row of the example in its data, from 0.
    pub row: Option<usize>,
    /// Name of the example's content.
    pub digest: Option<Digest>,
    /// What was asked, where the record holds it.
    pub prompt: Option<Prompt>,
    /// What was answered, where the record holds it; choices are of these.
    pub answers: Vec<String>,
    /// Who said what.
    pub said: Vec<Said>,
    /// A model's critiques, by answer.
    pub critiques: Vec<(usize, Spoken)>,
}

/// What one annotator said. `None`: the format does not tell, and what was said before stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The annotator, where the record names one.
    pub by: Option<String>,
    /// How far the label is; `None`: there is no label, only critiques.
    pub state: Option<Progress>,
    /// Which answer is better.
    pub choice: Option<Choice>,
    /// No answer is good.
    pub all_bad: Option<bool>,
    /// Reason tags.
    pub reasons: Option<Vec<String>>,
    /// Free text.
    pub note: Option<String>,
    /// To be looked at again.
    pub flag: Option<bool>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// Settles a conflict.
    pub adjudicates: Option<bool>,
    /// Critiques as they should be, by answer.
    pub corrections: Vec<(usize, String)>,
}

impl Said {
    /// What an annotator's label of an example is after this; `None` without a label. `swap`: the record's two answers stand
    /// the other way round in the example.
    pub fn label(&self, before: Label, swap: bool) -> Option<Label> {
        let side = |index: usize| if swap && index < 2 { 1 - index } else { index };
        let choice = self.choice.map(|choice| match choice {
            Choice::Tie => Choice::Tie,
            Choice::Better(index) => Choice::Better(side(index)),
            Choice::MuchBetter(index) => Choice::MuchBetter(side(index)),
        });
        Some(Label {
            state: self.state?,
            choice,
            all_bad: self.all_bad.unwrap_or(before.all_bad),
            reasons: self.reasons.clone().unwrap_or(before.reasons),
            note: self.note.clone().unwrap_or(before.note),
            flag: self.flag.unwrap_or(before.flag),
            seconds: self.seconds.or(before.seconds),
            adjudicates: self.adjudicates.unwrap_or(before.adjudicates),
            ..before
        })
    }
}

/// Names of columns: ours -> the file's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(pub BTreeMap<String, String>);

/// What values of the choice mean: the file's -> our words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meanings(pub BTreeMap<String, String>);

impl Columns {
    /// A row under our names.
    pub fn apply(&self, row: &mut Map<String, Value>) {
        for (ours, theirs) in &self.0 {
            if let Some(value) = row.get(theirs).cloned() {
                row.insert(ours.clone(), value);
            }
        }
    }
}

impl Meanings {
    /// Reads a choice.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub fn choice(&self, value: &Value) -> Result<Choice, String> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => match number.as_f64().filter(|n| n.fract() == 0.0) {
                Some(whole) => format!("{whole:.0}"),
                None => number.to_string(),
            },
            other => other.to_string(),
        };
        if !self.0.is_empty() {
            let words = self.0.get(&text).ok_or_else(|| {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                format!("found choice {value}, expected one of those in --meaning: {}", known.join(", "))
            })?;
            return word(words).ok_or_else(|| format!("--meaning {text}={words}: expected {WORDS}"));
        }
        let expected = || {
            format!(
                "found choice {value}, expected {WORDS}, left, right, a, b, model_a, model_b or an ordinal with a sign (+2, \
                 +1, -1, -2); --meaning VALUE=chosen,... says what others mean"
            )
        };
        word(&text).ok_or_else(expected)
    }
}

const WORDS: &str = "chosen-much, chosen, tie, rejected, rejected-much";

/// Words for choices, in small letters with one kind of dash.
fn word(text: &str) -> Option<Choice> {
    let plain: String =
        text.to_lowercase().chars().map(|c| if c == '_' || c == ' ' { '-' } else { c }).collect();
    if let Some(choice) = choices::from_words(&plain) {
        return Some(choice);
    }
    let sided = ["answer-", "response-", "model-", "assistant-", "completion-"];
    let bare = sided.iter().find_map(|side| plain.strip_prefix(side)).unwrap_or(&plain);
    let (bare, much) = match bare.strip_suffix("-much").or_else(|| bare.strip_suffix("-much-better")) {
        Some(bare) => (bare, true),
        None => (bare.strip_suffix("-better").unwrap_or(bare), false),
    };
    let index = match bare {
        "a" | "left" | "first" | "one" | "good" => 0,
        "b" | "right" | "second" | "two" | "bad" => 1,
        "1" if plain != "1" => 0,
        "2" if plain != "2" => 1,
        "tie" | "equal" | "same" | "draw" | "neither" => return Some(Choice::Tie),
        "+1" => 0,
        "-1" => 1,
        "+2" => return Some(Choice::MuchBetter(0)),
        "-2" => return Some(Choice::MuchBetter(1)),
        _ => return None,
    };
    Some(if much { Choice::MuchBetter(index) } else { Choice::Better(index) })
}

/// What annotation tools call a choice between answers that stand in order: `first-much`, `first`, `tie`, `second`, ...
pub fn ordinal_word(choice: Choice) -> &'static str {
    match choice.ordinal() {
        2 => "first-much",
        1 => "first",
        0 => "tie",
        -1 => "second",
        _ => "second-much",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn choices_are_read_as_people_write_them() {
        let meanings = Meanings::default();
        let all = [
            ("A", Choice::Better(0)),
            ("model_b", Choice::Better(1)),
            ("left", Choice::Better(0)),
            ("second-much", Choice::MuchBetter(1)),
            ("Tie", Choice::Tie),
            ("answer_1", Choice::Better(0)),
            ("A much better", Choice::MuchBetter(0)),
            ("rejected-much", Choice::MuchBetter(1)),
            ("-2", Choice::MuchBetter(1)),
        ];
        for (text, choice) in all {
            assert_eq!(meanings.choice(&json!(text)), Ok(choice), "{text}");
        }
        // 1 may be the first of two, or slightly better: nobody guesses.
        for unclear in [json!("1"), json!(2), json!(0), json!("perhaps"), json!(null)] {
            assert!(meanings.choice(&unclear).is_err(), "{unclear}");
        }
        let pandalm = [("0", "tie"), ("1", "chosen"), ("2", "rejected")];
        let pandalm = Meanings(pandalm.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect());
        assert_eq!(pandalm.choice(&json!(2)), Ok(Choice::Better(1)));
        assert_eq!(pandalm.choice(&json!(2.0)), Ok(Choice::Better(1)));
        assert!(pandalm.choice(&json!("3")).unwrap_err().contains("0, 1, 2"));
    }

    #[test]
    fn what_a_format_does_not_tell_stays() {
        let example = Digest::of(b"x");
        let before = Label { note: "mine".into(), seconds: Some(3.0), ..Label::draft(example) };
        let said =
            Said { state: Some(Progress::Submitted), choice: Some(Choice::Better(0)), ..Said::default() };
        let after = said.label(before.clone(), true).unwrap();
        assert_eq!(
            (after.choice, after.note.as_str(), after.seconds),
            (Some(Choice::Better(1)), "mine", Some(3.0))
        );
        assert_eq!(Said::default().label(before, false), None);
    }
}
