//! Training rows: a preference that counts, for CLoud, TRL and RewardBench. What is no preference is left out, and counted.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::case::{Case, Spoken};
use super::{Options, Part, To, split, texts};
use crate::checkpoint::Prompt;
use crate::label::Rule;
use crate::session::Choice;

/// Where a row's feedback comes from.
pub const CORRECTED: &str = "corrected";
/// See [`CORRECTED`].
pub const MODEL: &str = "model";
/// See [`CORRECTED`].
pub const NOBODY: &str = "none";

/// Why examples were left out, and how many.
pub type Left = BTreeMap<&'static str, usize>;

/// A critique to train on.
struct Feedback<'a> {
    text: &'a str,
    from: &'static str,
    spoken: Option<&'a Spoken>,
}

/// A reward as a number of as many digits as it has.
pub fn reward(reward: f32) -> Value {
    reward.to_string().parse::<f64>().map_or(Value::Null, |number| json!(number))
}

/// A pair that counts.
struct Pair<'a> {
    case: &'a Case,
    chosen: usize,
    rejected: usize,
    much: bool,
}

/// Rows of cases, what was left out, and whether prompts are written as messages.
pub fn rows(cases: &[Case], to: To, options: &Options) -> (Vec<Map<String, Value>>, Left, bool) {
    let mut left = Left::new();
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for case in cases {
        match pair(case, options) {
            Err(why) => *left.entry(why).or_default() += 1,
            Ok(pair) => {
                let answer = |index| case.example.answers.get(index).cloned().unwrap_or_default();
                let key = (texts::key(&case.example.prompt), answer(pair.chosen), answer(pair.rejected));
                if seen.insert(key) {
                    pairs.push(pair);
                } else {
                    *left.entry("the same pair as another").or_default() += 1;
                }
            }
        }
    }
    // One way for all, parts of a split included: a column has one type.
    let chat = pairs.iter().any(|pair| matches!(pair.case.example.prompt, Prompt::Messages(_)));
    let mut rows = Vec::new();
    for pair in pairs {
        let other = options.split.is_some_and(|(share, part)| {
            split::is_test(&pair.case.example.prompt, share) != (part == Part::Test)
        });
        if other {
            *left.entry("in the other part of the split").or_default() += 1;
            continue;
        }
        rows.push(match to {
            To::Trl => pair.trl(chat),
            To::RewardBench => pair.rewardbench(chat, &options.subset),
            _ => pair.cloud(chat, &options.rule),
        });
    }
    (rows, left, chat)
}

fn pair<'a>(case: &'a Case, options: &Options) -> Result<Pair<'a>, &'static str> {
    let outcome = &case.outcome;
    if case.example.answers.len() != 2 {
        return Err("not two answers");
    }
    if outcome.labels.is_empty() {
        return Err("a review and no label");
    }
    if outcome.labels.len() < options.min_labels {
        return Err("fewer labels than asked for");
    }
    if options.no_conflicts && outcome.conflict {
        return Err("annotators in conflict");
    }
    let Some(choice) = outcome.choice else {
        return Err(match options.rule {
            Rule::Annotator(_) => "no label of this annotator",
            Rule::Majority => "no majority",
            Rule::Latest => "a label without a choice",
        });
    };
    if outcome.all_bad && !options.all_bad {
        return Err("no answer is good");
    }
    let (chosen, much) = match choice {
        Choice::Tie => return Err("a tie"),
        Choice::Better(index) => (index, false),
        Choice::MuchBetter(index) => (index, true),
    };
    if chosen > 1 {
        return Err("not two answers");
    }
    Ok(Pair { case, chosen, rejected: 1 - chosen, much })
}

impl Pair<'_> {
    fn answer(&self, index: usize) -> &str {
        self.case.example.answers.get(index).map_or("", String::as_str)
    }

    fn strength(&self) -> &'static str {
        if self.much { "much" } else { "slightly" }
    }

    fn cloud(&self, chat: bool, rule: &Rule) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("id".into(), self.case.id.clone().into());
        row.insert("prompt".into(), texts::prompt(&self.case.example.prompt, chat));
        let sides = [("chosen", self.chosen), ("rejected", self.rejected)];
        for (side, index) in sides {
            row.insert(side.into(), self.answer(index).into());
        }
        let feedback = sides.map(|(side, index)| (side, self.feedback(index, rule)));
        for (side, Feedback { text, from, .. }) in &feedback {
            row.insert(format!("{side}_feedback"), (*text).into());
            row.insert(format!("{side}_feedback_from"), (*from).into());
        }
        // The reward belongs to the words it was read after.
        for (side, Feedback { spoken, .. }) in &feedback {
            row.insert(format!("{side}_reward"), spoken.map_or(Value::Null, |s| reward(s.reward)));
            let critic = spoken.map(|s| format!("{} {}", s.model, s.fingerprint));
            row.insert(format!("{side}_critic"), critic.map_or(Value::Null, Value::from));
        }
        row.insert("strength".into(), self.strength().into());
        row.insert("revealed".into(), self.case.outcome.revealed.into());
        row
    }

    /// The corrected critique, else the model's, else nothing.
    fn feedback<'b>(&'b self, answer: usize, rule: &Rule) -> Feedback<'b> {
        let corrected = self.case.outcome.correction(answer, rule);
        if let Some(text) = corrected.and_then(|critic| critic.review.correction.as_deref()) {
            return Feedback { text, from: CORRECTED, spoken: None };
        }
        match self.case.critiques.get(answer).and_then(Option::as_ref) {
            Some(spoken) => Feedback { text: &spoken.text, from: MODEL, spoken: Some(spoken) },
            None => Feedback { text: "", from: NOBODY, spoken: None },
        }
    }

    fn trl(&self, chat: bool) -> Map<String, Value> {
        let answer = |index| match chat {
            true => json!([texts::turn("assistant", self.answer(index))]),
            false => self.answer(index).into(),
        };
        let mut row = Map::new();
        row.insert("prompt".into(), texts::prompt(&self.case.example.prompt, chat));
        row.insert("chosen".into(), answer(self.chosen));
        row.insert("rejected".into(), answer(self.rejected));
        row.insert("id".into(), self.case.id.clone().into());
        row.insert("strength".into(), self.strength().into());
        row.insert("revealed".into(), self.case.outcome.revealed.into());
        row
    }

    fn rewardbench(&self, chat: bool, subset: &str) -> Map<String, Value> {
        let mut row = Map::new();
        let answer = |index| match chat {
            true => {
                let mut turns = texts::turns(&self.case.example.prompt);
                turns.push(texts::turn("assistant", self.answer(index)));
                Value::from(turns)
            }
            false => self.answer(index).into(),
        };
        row.insert("prompt".into(), texts::prompt(&self.case.example.prompt, chat));
        row.insert("chosen".into(), answer(self.chosen));
        row.insert("chosen_model".into(), "unknown".into());
        row.insert("rejected".into(), answer(self.rejected));
        row.insert("rejected_model".into(), "unknown".into());
        row.insert("subset".into(), subset.into());
        row.insert("id".into(), self.case.id.clone().into());
        row.insert("strength".into(), self.strength().into());
        row.insert("revealed".into(), self.case.outcome.revealed.into());
        row
    }
}
