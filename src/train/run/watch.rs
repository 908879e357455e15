//! Watching a run: rows held out, the best weights so far, when to end for overfitting or exploding gradients.

use std::collections::VecDeque;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::metrics::{Evaluated, spread};
use super::state;
use crate::train::collate::PairRows;
use crate::train::config::Config;
use crate::train::step::Trainer;
use crate::{Error, Result};

/// Gradient norms whose median is held against the next.
const NORMS: usize = 50;
/// So many are needed before one is judged.
const ENOUGH: usize = 10;
/// So many too large ones in a row end the run.
const IN_A_ROW: usize = 3;
/// A loss that is no better than chance (ln 2, rounded down).
const CHANCE: f64 = 0.693;

/// What is known so far; it goes on with the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Step and loss of the best evaluation.
    best: Option<(usize, f64)>,
    /// Evaluations since.
    since: usize,
    /// The last gradient norms.
    norms: VecDeque<f64>,
    /// Norms in a row that were far too large.
    large: usize,
    /// Steps in a row without any gradient, at a loss of chance or worse.
    #[serde(default)]
    still: usize,
}

impl Watched {
    /// Whether nothing was seen yet.
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// Step and loss of the best evaluation.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best
    }

    /// Takes the loss and the gradient norm of a step.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the gradients explode, or when there are none and nothing is learned.
    pub fn step(&mut self, step: usize, loss: f64, norm: f64, config: &Config) -> Result<()> {
        // Saturated activations pass no gradient; then every answer has the same reward, and a pair a loss of ln 2.
        self.still = if norm == 0.0 && loss >= CHANCE { self.still + 1 } else { 0 };
        if self.still >= IN_A_ROW {
            return Err(Error::invalid(
                format!("step {step}"),
                format!(
                    "a collapsed model: a loss of {loss:.4} and no gradient at all, {IN_A_ROW} steps in a row"
                ),
                "gradients to learn from",
                "Its checkpoints are of no use. Lower the learning rate and raise the warm-up, in a new folder.",
            ));
        }
        let mut sorted: Vec<f64> = self.norms.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let judged = config.explosion > 0.0 && sorted.len() >= ENOUGH && median > 0.0;
        if judged && norm > config.explosion * median {
            self.large += 1;
        } else {
            self.large = 0;
            self.norms.push_back(norm);
            if self.norms.len() > NORMS {
                self.norms.pop_front();
            }
        }
        if self.large < IN_A_ROW {
            return Ok(());
        }
        Err(Error::invalid(
            format!("step {step}"),
            format!(
                "exploding gradients: a norm of {norm:.3e}, {IN_A_ROW} steps in a row above {} times {median:.3e}, the median of the last {}",
                config.explosion,
                sorted.len()
            ),
            "gradients of about the size they had",
            "The last checkpoint is kept. Lower the learning rate, raise the warm-up, or look at the rows of these steps \
             (`explosion = 0` switches this off).",
        ))
    }

    /// Takes an evaluation: whether it is the best so far.
    pub fn evaluated(&mut self, step: usize, loss: f64) -> bool {
        let better = self.best.is_none_or(|(_, best)| loss < best);
        if better {
            (self.best, self.since) = (Some((step, loss)), 0);
        } else {
            self.since += 1;
        }
        better
    }

    /// Why the run is to end now, if it is.
    pub fn overfits(&self, config: &Config) -> Option<String> {
        let (step, loss) = self.best.filter(|_| config.patience > 0 && self.since >= config.patience)?;
        Some(format!(
            "overfitting: the loss on the rows held out has not fallen for {} evaluations; result/ has the weights of step {step} (eval_loss {loss:.4})",
            self.since
        ))
    }
}

/// Looks at the rows held out, and keeps the weights if they are the best so far.
///
/// # Errors
/// From the model or the disk.
pub fn evaluate(
    trainer: &Trainer,
    rows: &[&PairRows],
    step: usize,
    watched: &mut Watched,
    best: Option<&Path>,
) -> Result<Evaluated> {
    let report = trainer.evaluate(rows)?;
    let rewards = spread(&report.rewards);
    if watched.evaluated(step, report.loss)
        && let Some(best) = best
    {
        state::save_best(best, trainer, step)?;
    }
    Ok(Evaluated {
        eval_loss: report.loss,
        eval_reward_loss: report.reward_loss,
        eval_lm_loss: report.lm_loss,
        eval_accuracy: report.accuracy,
        eval_margin: report.margin,
        eval_min_reward: rewards.map(|r| r.0),
        eval_mean_reward: rewards.map(|r| r.1),
        eval_max_reward: rewards.map(|r| r.2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_large_norm_is_let_pass_and_three_are_not() {
        let config = Config::recipe("cloud").unwrap();
        let mut watched = Watched::default();
        for step in 0..20 {
            watched.step(step, 0.5, 1.0 + step as f64 * 0.01, &config).unwrap();
        }
        watched.step(20, 0.5, 1e4, &config).unwrap();
        watched.step(21, 0.5, 1.0, &config).unwrap();
        watched.step(22, 0.5, 1e4, &config).unwrap();
        watched.step(23, 0.5, 1e4, &config).unwrap();
        let error = watched.step(24, 0.5, 1e4, &config).unwrap_err().to_string();
        assert!(error.contains("exploding gradients") && error.contains("step 24"), "{error}");
    }

    #[test]
    fn three_steps_without_gradient_at_chance_are_a_collapse() {
        let config = Config::recipe("cloud").unwrap();
        let mut watched = Watched::default();
        for step in 0..10 {
            // All pairs are told apart: nothing is left to learn.
            watched.step(step, 0.0, 0.0, &config).unwrap();
        }
        watched.step(10, std::f64::consts::LN_2, 0.0, &config).unwrap();
        watched.step(11, std::f64::consts::LN_2, 0.0, &config).unwrap();
        let error = watched.step(12, std::f64::consts::LN_2, 0.0, &config).unwrap_err().to_string();
        assert!(error.contains("collapsed") && error.contains("step 12"), "{error}");
    }

    #[test]
    fn patience_ends_and_names_the_best() {
        let config = Config { patience: 2, ..Config::recipe("cloud").unwrap() };
        let mut watched = Watched::default();
        assert!(watched.evaluated(10, 2.0) && watched.evaluated(20, 1.0));
        assert!(!watched.evaluated(30, 1.5) && watched.overfits(&config).is_none());
        assert!(!watched.evaluated(40, 1.0));
        let why = watched.overfits(&config).unwrap();
        assert!(why.contains("weights of step 20"), "{why}");
        assert!(watched.overfits(&Config { patience: 0, ..config }).is_none());
    }
}
