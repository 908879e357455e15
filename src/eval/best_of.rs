//! Best-of-N: of N answers to a problem, is the one with the highest reward right?

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lines;
use super::statistics::{Estimate, share};
use crate::Result;

/// A row of the best-of-N set: one answer to a problem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// `PROBLEM/ANSWER`.
    pub id: String,
    /// Which problem, from 0.
    pub problem: usize,
    /// The problem.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// Whether it is right.
    pub right: bool,
    /// Steps of the right solution.
    pub steps: usize,
}

/// Answers to one problem with their rewards, in the order drawn.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Steps of the right solution.
    pub steps: usize,
    answers: Vec<(f64, bool)>,
}

impl Problem {
    /// Whether the answer with the highest reward among the first `n` is right; the first of equals counts.
    pub fn best_is_right(&self, n: usize) -> bool {
        let best = self.answers.iter().take(n).fold(None, |best: Option<(f64, bool)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(*next),
        });
        best.is_some_and(|(_, right)| right)
    }

    /// Whether any of the first `n` is right: what a perfect judge reaches.
    pub fn any_is_right(&self, n: usize) -> bool {
        self.answers.iter().take(n).any(|(_, right)| *right)
    }
}

#[derive(Deserialize)]
struct Line {
    id: String,
    reward: Option<f64>,
}

/// Joins candidates to the rewards of `outloud critique` or `score`; problems with a failed row are absent.
///
/// # Errors
/// When a file cannot be read.
pub fn read(candidates: &[Candidate], results: &Path) -> Result<Vec<Problem>> {
    let rewards: HashMap<String, f64> = lines::read::<Line>(results)?
        .into_iter()
        .filter_map(|line| line.reward.map(|reward| (line.id, reward)))
        .collect();
    let mut problems: Vec<(usize, Option<Problem>)> = Vec::new();
    for candidate in candidates {
        if problems.last().is_none_or(|(number, _)| *number != candidate.problem) {
            let problem = Problem { steps: candidate.steps, answers: Vec::new() };
            problems.push((candidate.problem, Some(problem)));
        }
        let Some((_, slot)) = problems.last_mut() else { continue };
        match (slot.as_mut(), rewards.get(&candidate.id)) {
            (Some(problem), Some(reward)) => problem.answers.push((*reward, candidate.right)),
            _ => *slot = None,
        }
    }
    Ok(problems.into_iter().filter_map(|(_, problem)| problem).collect())
}

/// Accuracy of best-of-N and of a perfect judge, for N in powers of two.
pub fn curve(problems: &[&Problem]) -> Vec<(usize, Estimate, Estimate)> {
    let most = problems.iter().map(|p| p.answers.len()).min().unwrap_or(0);
    let count = |yes: bool| f64::from(u8::from(yes));
    std::iter::successors(Some(1_usize), |n| Some(n * 2))
        .take_while(|n| *n <= most)
        .map(|n| {
            let best = share(problems.iter().map(|p| count(p.best_is_right(n))));
            (n, best, share(problems.iter().map(|p| count(p.any_is_right(n)))))
        })
        .collect()
}
