//! Two models over the same pairs: preferences fixed, broken and unchanged, each model's accuracy, and how sure that is.
//!
//! Raw rewards of two models do not compare, so margins are given in units of their own model's spread, and ranks within
//! each model's margins.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lines;
use super::statistics::{Estimate, difference, mcnemar, preferred, share};
use crate::{Error, Result};

/// A pair as one model judged it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Judged {
    reward: f64,
    #[serde(default)]
    critique: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    chosen: Option<Judged>,
    rejected: Option<Judged>,
    #[serde(default)]
    error: Option<String>,
}

/// What became of a pair's preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Wrong or a tie before, right after.
    Fixed,
    /// Right before, wrong or a tie after.
    Broken,
    /// Right both times.
    StillRight,
    /// Wrong or a tie both times.
    StillWrong,
}

/// One side of a pair under one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Reward of the chosen answer.
    pub chosen: f64,
    /// Reward of the rejected answer.
    pub rejected: f64,
    /// Their difference.
    pub margin: f64,
    /// The margin over the standard deviation of this model's rewards of all these answers; 0 where they are all the same.
    pub scaled: f64,
    /// Place among this model's margins: 0 the smallest, 1 the largest.
    pub rank: f64,
    /// The critiques, where the model writes them.
    pub critiques: Option<[String; 2]>,
}

/// One pair under both models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// As in the rows.
    pub id: serde_json::Value,
    /// What became of it.
    pub change: Change,
    /// Under the old model.
    pub old: Verdict,
    /// Under the new one.
    pub new: Verdict,
}

/// One set of pairs under both models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The set's name.
    pub set: String,
    /// Pairs both models judged.
    pub pairs: usize,
    /// Pairs one of them failed on.
    pub left_out: usize,
    /// Wrong before, right after.
    pub fixed: usize,
    /// Right before, wrong after.
    pub broken: usize,
    /// The same.
    pub unchanged: usize,
    /// Accuracy of the old model, Wilson interval.
    pub old_accuracy: Estimate,
    /// Accuracy of the new model, Wilson interval.
    pub new_accuracy: Estimate,
    /// Difference of the accuracies, bootstrap over pairs.
    pub accuracy_change: Estimate,
    /// Difference of the scaled margins, bootstrap over pairs.
    pub margin_change: Estimate,
    /// Exact two-sided McNemar test of fixed against broken.
    pub mcnemar_p: f64,
    /// How much length alone explains.
    pub length: Length,
    /// Pair by pair.
    pub rows: Vec<Pair>,
}

/// Length as a confound: what preferring the longer answer gets right, and how often each model prefers it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// Accuracy of "the longer answer is better" (characters).
    pub longer_is_right: Estimate,
    /// Share of pairs in which the old model prefers the longer answer.
    pub old_prefers_longer: Estimate,
    /// The same of the new model.
    pub new_prefers_longer: Estimate,
    /// Accuracy of the new model where the longer answer is the worse one.
    pub new_against_length: Estimate,
    /// Accuracy of the old model there.
    pub old_against_length: Estimate,
}

/// An id, and which of the rows with it, from 0: two rows may have one id.
pub type Name = (String, usize);
/// Characters of chosen and rejected.
pub type Lengths = HashMap<Name, (usize, usize)>;

/// Names rows by their ids, in order.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    /// The name of the next row.
    pub fn next(&mut self, id: &serde_json::Value) -> Name {
        let id = id.to_string();
        let count = self.0.entry(id.clone()).or_insert(0);
        *count += 1;
        (id, *count - 1)
    }
}

/// Compares the results of two models (rows of `outloud critique` or `score` over the same pairs).
///
/// # Errors
/// When a file cannot be read, or holds no pair both models judged.
pub fn compare(set: &str, lengths: &Lengths, old: &Path, new: &Path) -> Result<Comparison> {
    let ((old_rows, old_error), (new_rows, new_error)) = (read(old)?, read(new)?);
    let total = old_rows.len().max(new_rows.len());
    let mut names = Names::default();
    let new_rows = new_rows.into_iter().map(|(id, sides)| (names.next(&id), sides));
    let mut after: HashMap<Name, (Judged, Judged)> =
        new_rows.filter_map(|(name, sides)| Some((name, sides?))).collect();
    let mut names = Names::default();
    let mut both = Vec::new();
    for (id, sides) in old_rows {
        let name = names.next(&id);
        if let (Some(before), Some(after)) = (sides, after.remove(&name)) {
            both.push((id, before, after, lengths.get(&name).copied()));
        }
    }
    if both.is_empty() {
        return Err(Error::invalid(
            set,
            format!(
                "no pair that both models judged{}",
                old_error.or(new_error).map(|e| format!("; {e}")).unwrap_or_default()
            ),
            "results of both models on the same pairs",
            "Look at the rows and at both models.",
        ));
    }
    let lens: Vec<_> = both.iter().map(|row| row.3.map(|(c, r)| (c as f64, r as f64))).collect();
    let before = verdicts(both.iter().map(|row| row.1.clone()).collect());
    let after = verdicts(both.iter().map(|row| row.2.clone()).collect());
    let rows: Vec<Pair> = both
        .iter()
        .zip(before.into_iter().zip(after))
        .map(|((id, ..), (old, new))| Pair { id: id.clone(), change: change(&old, &new), old, new })
        .collect();
    let count = |change: Change| rows.iter().filter(|row| row.change == change).count();
    let (fixed, broken) = (count(Change::Fixed), count(Change::Broken));
    let right = |verdict: &Verdict| preferred(verdict.chosen, verdict.rejected);
    let both_right: Vec<(f64, f64)> = rows.iter().map(|r| (right(&r.new), right(&r.old))).collect();
    let margins: Vec<(f64, f64)> = rows.iter().map(|r| (r.new.scaled, r.old.scaled)).collect();
    Ok(Comparison {
        set: set.to_owned(),
        pairs: rows.len(),
        left_out: total - rows.len(),
        fixed,
        broken,
        unchanged: rows.len() - fixed - broken,
        old_accuracy: share(both_right.iter().map(|r| r.1)),
        new_accuracy: share(both_right.iter().map(|r| r.0)),
        accuracy_change: difference(&both_right, 0),
        margin_change: difference(&margins, 0),
        mcnemar_p: mcnemar(fixed, broken),
        length: length(&rows, &lens),
        rows,
    })
}

type Sides = Option<(Judged, Judged)>;
type Results = Vec<(serde_json::Value, Sides)>;

/// The rows of results, and the first error among them.
fn read(path: &Path) -> Result<(Results, Option<String>)> {
    let rows = lines::read::<Line>(path)?;
    let error = rows.iter().find_map(|line| line.error.clone());
    Ok((rows.into_iter().map(|line| (line.id, line.chosen.zip(line.rejected))).collect(), error))
}

fn verdicts(judged: Vec<(Judged, Judged)>) -> Vec<Verdict> {
    let margins: Vec<f64> = judged.iter().map(|(c, r)| c.reward - r.reward).collect();
    // Not of the margins: those of a model that tells all pairs apart alike hardly differ.
    let rewards: Vec<f64> = judged.iter().flat_map(|(c, r)| [c.reward, r.reward]).collect();
    let n = rewards.len().max(1) as f64;
    let mean = rewards.iter().sum::<f64>() / n;
    let spread = (rewards.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n).sqrt();
    let mut sorted = margins.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = (sorted.len().max(2) - 1) as f64;
    let verdict = |((chosen, rejected), margin): ((Judged, Judged), f64)| {
        let below = sorted.partition_point(|m| m.total_cmp(&margin).is_lt());
        let critiques = chosen.critique.zip(rejected.critique).map(|(c, r)| [c, r]);
        Verdict {
            chosen: chosen.reward,
            rejected: rejected.reward,
            margin,
            scaled: if spread > 0.0 { margin / spread } else { 0.0 },
            rank: below as f64 / last,
            critiques,
        }
    };
    judged.into_iter().zip(margins.iter().copied()).map(verdict).collect()
}

fn change(old: &Verdict, new: &Verdict) -> Change {
    match (old.margin > 0.0, new.margin > 0.0) {
        (false, true) => Change::Fixed,
        (true, false) => Change::Broken,
        (true, true) => Change::StillRight,
        (false, false) => Change::StillWrong,
    }
}

fn length(rows: &[Pair], lens: &[Option<(f64, f64)>]) -> Length {
    let all: Vec<(&Pair, (f64, f64))> =
        rows.iter().zip(lens).filter_map(|(row, lens)| Some((row, (*lens)?))).collect();
    let uneven: Vec<(&Pair, (f64, f64))> = all.iter().filter(|(_, (c, r))| c != r).copied().collect();
    let longer = |verdict: &Verdict, (c, r): (f64, f64)| {
        let right = preferred(verdict.chosen, verdict.rejected);
        if c > r { right } else { 1.0 - right }
    };
    let against = |which: &dyn Fn(&Pair) -> f64| {
        share(uneven.iter().filter(|(_, (c, r))| c < r).map(|(row, _)| which(row)))
    };
    Length {
        longer_is_right: share(all.iter().map(|(_, (c, r))| preferred(*c, *r))),
        old_prefers_longer: share(uneven.iter().map(|(row, lens)| longer(&row.old, *lens))),
        new_prefers_longer: share(uneven.iter().map(|(row, lens)| longer(&row.new, *lens))),
        old_against_length: against(&|row| preferred(row.old.chosen, row.old.rejected)),
        new_against_length: against(&|row| preferred(row.new.chosen, row.new.rejected)),
    }
}

impl Comparison {
    /// The numbers as lines of text.
    pub fn table(&self) -> String {
        let percent = |e: &Estimate| {
            if e.n == 0 {
                return "-".to_owned();
            }
            format!("{:.1} % [{:.1}, {:.1}] of {}", 100.0 * e.value, 100.0 * e.low, 100.0 * e.high, e.n)
        };
        let signed = |e: &Estimate, scale: f64, unit: &str| {
            format!("{:+.2}{unit} [{:+.2}, {:+.2}]", scale * e.value, scale * e.low, scale * e.high)
        };
        let l = &self.length;
        let rows = [
            ("pairs", format!("{} ({} left out)", self.pairs, self.left_out)),
            ("fixed, broken, unchanged", format!("{}, {}, {}", self.fixed, self.broken, self.unchanged)),
            ("accuracy before", percent(&self.old_accuracy)),
            ("accuracy after", percent(&self.new_accuracy)),
            ("accuracy changes by", signed(&self.accuracy_change, 100.0, " points")),
            ("margin changes by (sd of rewards)", signed(&self.margin_change, 1.0, "")),
            ("McNemar, exact, two-sided", format!("p = {:.4}", self.mcnemar_p)),
            ("the longer answer is right", percent(&l.longer_is_right)),
            ("prefers the longer: before", percent(&l.old_prefers_longer)),
            ("prefers the longer: after", percent(&l.new_prefers_longer)),
            ("right where shorter is: before", percent(&l.old_against_length)),
            ("right where shorter is: after", percent(&l.new_against_length)),
        ];
        let lines: String = rows.iter().map(|(name, value)| format!("  {name:31} {value}\n")).collect();
        format!("{}\n{lines}", self.set)
    }
}
