//! Self-consistency (paper section 5): the mean reward over N sampled critiques in place of one.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::lines;
use super::statistics::{Estimate, difference, preferred, share};
use crate::Result;
use crate::stories::Row;

/// Numbers of critiques that are reported.
pub const SIZES: [usize; 5] = [1, 2, 4, 8, 16];

/// Rewards of the samples of one pair.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Steps of the right solution.
    pub steps: usize,
    chosen: Vec<f64>,
    rejected: Vec<f64>,
}

impl Sampled {
    /// Whether the mean over the first `n` samples prefers the right answer (1, 0, or one half for a tie).
    pub fn preferred(&self, n: usize) -> f64 {
        let mean = |rewards: &[f64]| rewards.iter().take(n).sum::<f64>() / n as f64;
        preferred(mean(&self.chosen), mean(&self.rejected))
    }
}

#[derive(Deserialize)]
struct Sample {
    reward: f64,
}

#[derive(Deserialize)]
struct Samples {
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    chosen: Option<Samples>,
    rejected: Option<Samples>,
}

/// Reads results of `outloud critique -n N` on pairs.
///
/// # Errors
/// When a file cannot be read.
pub fn read(set: &[Row], results: &Path) -> Result<Vec<Sampled>> {
    let steps: HashMap<&str, usize> = set.iter().map(|row| (row.id.as_str(), row.steps)).collect();
    let rewards = |samples: Samples| samples.samples.into_iter().map(|s| s.reward).collect();
    Ok(lines::read::<Line>(results)?
        .into_iter()
        .filter_map(|line| {
            Some(Sampled {
                steps: *steps.get(line.id.as_str())?,
                chosen: rewards(line.chosen?),
                rejected: rewards(line.rejected?),
            })
        })
        .collect())
}

/// Preference accuracy with the first N critiques, for each N of [`SIZES`].
pub fn curve(sampled: &[&Sampled]) -> Vec<(usize, Estimate)> {
    let sizes = SIZES.into_iter().filter(|n| sampled.iter().all(|s| s.chosen.len() >= *n));
    sizes.map(|n| (n, share(sampled.iter().map(|s| s.preferred(n))))).collect()
}

/// Accuracy with the largest N minus accuracy with one critique.
pub fn gain(sampled: &[&Sampled], seed: u64) -> Estimate {
    let most = curve(sampled).last().map_or(1, |(n, _)| *n);
    let pairs: Vec<(f64, f64)> = sampled.iter().map(|s| (s.preferred(most), s.preferred(1))).collect();
    difference(&pairs, seed)
}
