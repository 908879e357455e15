//! The losses on packed rows, their sums weighted so that parts of a micro-batch add up to its mean.

use candle_core::Tensor;

use super::collate::PairRows;
use super::config::Loss;
use crate::Result;
use crate::model::{Model, ops};

/// What one pair's reward loss and one target's cross-entropy weigh in the step's loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weights {
    /// Of `-logsigmoid(r_chosen - r_rejected - margin)` of one pair.
    pub reward: f64,
    /// Of `(r_chosen + r_rejected)^2` of one pair.
    pub center: f64,
    /// Of the cross-entropy of one target.
    pub target: f64,
    /// Of the divergence from the start at one target.
    pub kl: f64,
}

/// The numbers of some pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Rewards of chosen and rejected, pair by pair; empty for `csft`.
    pub rewards: Vec<(f64, f64)>,
    /// Sum of `-logsigmoid(r_chosen - r_rejected - margin)`.
    pub reward_loss: f64,
    /// Sum of `(r_chosen + r_rejected)^2`.
    pub center: f64,
    /// Sum of the cross-entropies of all targets.
    pub entropy: f64,
    /// Sum of the divergences from the start at all targets.
    pub kl: f64,
    /// Number of targets.
    pub targets: usize,
}

impl Measured {
    /// Adds the numbers of further pairs.
    pub fn extend(&mut self, other: Self) {
        self.rewards.extend(other.rewards);
        self.reward_loss += other.reward_loss;
        self.center += other.center;
        self.entropy += other.entropy;
        self.kl += other.kl;
        self.targets += other.targets;
    }
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Rows one after the other: their ids, and the number of tokens of each.
pub fn pack(pairs: &[&PairRows]) -> (Vec<u32>, Vec<usize>) {
    let rows = || pairs.iter().flat_map(|p| [&p.chosen, &p.rejected]);
    (rows().flat_map(|r| r.ids.iter().copied()).collect(), rows().map(|r| r.ids.len()).collect())
}

/// The numbers of pairs from their hidden states (after the final norm), and a scalar whose gradient is that of the weighted
/// loss (its value is not the loss). `start`: the model training began with, and its hidden states, if the divergence counts.
///
/// # Errors
/// From the model.
pub fn losses(
    model: &Model,
    loss: Loss,
    pairs: &[&PairRows],
    weights: Weights,
    hidden: &Tensor,
    start: Option<(&Model, &Tensor)>,
) -> Result<(Measured, Option<Tensor>)> {
    let rows = || pairs.iter().flat_map(|p| [&p.chosen, &p.rejected]);
    let mut measured = Measured::default();
    let mut parts: Vec<Tensor> = Vec::new();
    if loss.has_reward() {
        let mut end = 0;
        let ends: Vec<u32> = rows()
            .map(|row| {
                end += row.ids.len();
                end as u32 - 1
            })
            .collect();
        let rewards = model.rewards(&ops::select_rows(hidden, &ends)?)?;
        let values: Vec<f32> = rewards.to_vec1()?;
        measured.rewards =
            values.as_chunks::<2>().0.iter().map(|[c, r]| (f64::from(*c), f64::from(*r))).collect();
        let mut slopes = Vec::with_capacity(values.len());
        for ((c, r), pair) in measured.rewards.iter().zip(pairs) {
            let ahead = c - r - pair.margin;
            measured.reward_loss += softplus(-ahead);
            measured.center += (c + r) * (c + r);
            // d softplus(-ahead) / dc = -sigmoid(-ahead), and the opposite for r.
            let slope = weights.reward / (1.0 + ahead.exp());
            let center = 2.0 * weights.center * (c + r);
            slopes.extend([(center - slope) as f32, (center + slope) as f32]);
        }
        let slopes = Tensor::from_vec(slopes, values.len(), rewards.device())?;
        parts.push((rewards * slopes)?.sum_all()?);
    }
    if loss.has_critique() {
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        let mut at = 0;
        for row in rows() {
            for (position, target) in row.targets() {
                positions.push((at + position) as u32);
                targets.push(target);
            }
            at += row.ids.len();
        }
        measured.targets = targets.len();
        if !targets.is_empty() {
            let hidden = ops::select_rows(hidden, &positions)?;
            let softcap = model.backbone().logit_softcap;
            let entropy = ops::cross_entropy(&hidden, model.lm_head()?, &targets, softcap)?;
            measured.entropy = total(&entropy)?;
            parts.push((entropy.sum_all()? * weights.target)?);
            if let Some((first, states)) = start {
                let states = ops::select_rows(&states.detach(), &positions)?;
                let (ours, theirs) = ((&hidden, model.lm_head()?), (&states, first.lm_head()?));
                let kl = ops::divergence(ours, theirs, softcap)?;
                measured.kl = total(&kl)?;
                parts.push((kl.sum_all()? * weights.kl)?);
            }
        }
    }
    let total = parts.into_iter().map(Ok).reduce(|a, b| a? + b?).transpose()?;
    Ok((measured, total))
}

fn total(each: &Tensor) -> Result<f64> {
    let values: Vec<f32> = each.to_vec1()?;
    Ok(values.iter().map(|&x| f64::from(x)).sum())
}
