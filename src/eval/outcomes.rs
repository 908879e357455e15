//! What a model made of a test set: rewards of right and wrong answers, and which verdicts of its critiques are right.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::lines;
use super::statistics::preferred;
use crate::Result;
use crate::stories::{Fault, Judgement, Key, Row, judge};

/// One answer as the model judged it.
#[derive(Clone, Debug)]
pub struct Side {
    /// The reward.
    pub reward: f64,
    /// What its critique got right; `None` without a critique.
    pub judgement: Option<Judgement>,
    /// Tokens of the critique.
    pub tokens: usize,
}

/// A pair as the model judged it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps of the right solution.
    pub steps: usize,
    /// What is wrong with the rejected answer.
    pub fault: Option<Fault>,
    /// The right answer.
    pub chosen: Side,
    /// The wrong one.
    pub rejected: Side,
}

impl Outcome {
    /// 1 where the right answer has the higher reward, 0 where it has the lower one, one half for a tie.
    pub fn preferred(&self) -> f64 {
        preferred(self.chosen.reward, self.rejected.reward)
    }

    /// The judgements of both critiques.
    pub fn judgements(&self) -> impl Iterator<Item = &Judgement> {
        [&self.chosen, &self.rejected].into_iter().filter_map(|side| side.judgement.as_ref())
    }
}

#[derive(Deserialize)]
struct Judged {
    reward: f64,
    critique: Option<String>,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    critique: usize,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    chosen: Option<Judged>,
    rejected: Option<Judged>,
}

/// The set's rows with what the model made of them, in the set's order. Rows that failed are absent.
///
/// # Errors
/// When a file cannot be read.
pub fn read(set: &[Row], results: &Path) -> Result<Vec<Outcome>> {
    let mut judged: HashMap<String, (Judged, Judged)> = HashMap::new();
    for line in lines::read::<Line>(results)? {
        if let (Some(chosen), Some(rejected)) = (line.chosen, line.rejected) {
            judged.insert(line.id, (chosen, rejected));
        }
    }
    let side = |judged: Judged, key: Option<&Key>| Side {
        reward: judged.reward,
        judgement: judged.critique.as_ref().zip(key).map(|(critique, key)| judge(critique, key)),
        tokens: judged.tokens.critique,
    };
    Ok(set
        .iter()
        .filter_map(|row| {
            let (chosen, rejected) = judged.remove(&row.id)?;
            Some(Outcome {
                steps: row.steps,
                fault: row.error,
                chosen: side(chosen, row.chosen_key.as_ref()),
                rejected: side(rejected, row.rejected_key.as_ref()),
            })
        })
        .collect())
}
