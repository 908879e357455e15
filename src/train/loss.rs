//! The three losses on packed rows, their sums weighted so that parts of a micro-batch add up to its mean.

use candle_core::Tensor;

use super::collate::PairRows;
use super::config::Loss;
use crate::Result;
use crate::model::{Model, ops};

/// What one pair's reward loss and one target's cross-entropy weigh in the step's loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weights {
    /// Of `-logsigmoid(r_chosen - r_rejected)` of one pair.
    pub reward: f64,
    /// Of the cross-entropy of one target.
    pub target: f64,
}

/// The numbers of some pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Rewards of chosen and rejected, pair by pair; empty for `csft`.
    pub rewards: Vec<(f64, f64)>,
    /// Sum of the cross-entropies of all targets.
    pub entropy: f64,
    /// Number of targets.
    pub targets: usize,
}

impl Measured {
    /// `-logsigmoid(r_chosen - r_rejected)` of each pair.
    pub fn reward_losses(&self) -> impl Iterator<Item = f64> + '_ {
        self.rewards.iter().map(|(chosen, rejected)| softplus(rejected - chosen))
    }

    /// Adds the numbers of further pairs.
    pub fn extend(&mut self, other: Self) {
        self.rewards.extend(other.rewards);
        self.entropy += other.entropy;
        self.targets += other.targets;
    }
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Runs the model on pairs: their numbers, and a scalar whose gradient is that of the weighted loss (its value is
/// not the loss).
///
/// # Errors
/// From the model.
pub fn forward(
    model: &Model,
    loss: Loss,
    pairs: &[&PairRows],
    weights: Weights,
) -> Result<(Measured, Option<Tensor>)> {
    let rows = || pairs.iter().flat_map(|p| [&p.chosen, &p.rejected]);
    let lens: Vec<usize> = rows().map(|r| r.ids.len()).collect();
    let ids: Vec<u32> = rows().flat_map(|r| r.ids.iter().copied()).collect();
    let hidden = model.forward_packed(&ids, &lens)?;
    let mut measured = Measured::default();
    let mut parts: Vec<Tensor> = Vec::new();
    if loss.has_reward() {
        let mut end = 0;
        let ends: Vec<u32> = lens
            .iter()
            .map(|len| {
                end += len;
                end as u32 - 1
            })
            .collect();
        let rewards = model.rewards(&ops::select_rows(&hidden, &ends)?)?;
        let values: Vec<f32> = rewards.to_vec1()?;
        measured.rewards =
            values.as_chunks::<2>().0.iter().map(|[c, r]| (f64::from(*c), f64::from(*r))).collect();
        // d softplus(r - c) / dc = -sigmoid(r - c), and the opposite for r.
        let slopes = measured.rewards.iter().flat_map(|(c, r)| {
            let slope = (weights.reward / (1.0 + (c - r).exp())) as f32;
            [-slope, slope]
        });
        let slopes = Tensor::from_iter(slopes, rewards.device())?;
        parts.push((rewards * slopes)?.sum_all()?);
    }
    if loss.has_critique() {
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        let mut start = 0;
        for row in rows() {
            for (position, target) in row.targets() {
                positions.push((start + position) as u32);
                targets.push(target);
            }
            start += row.ids.len();
        }
        measured.targets = targets.len();
        if !targets.is_empty() {
            let hidden = ops::select_rows(&hidden, &positions)?;
            let softcap = model.backbone().logit_softcap;
            let entropy = ops::cross_entropy(&hidden, model.lm_head()?, &targets, softcap)?;
            let values: Vec<f32> = entropy.to_vec1()?;
            measured.entropy = values.iter().map(|&x| f64::from(x)).sum();
            parts.push((entropy.sum_all()? * weights.target)?);
        }
    }
    let total = parts.into_iter().map(Ok).reduce(|a, b| a? + b?).transpose()?;
    Ok((measured, total))
}
