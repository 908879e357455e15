//! One optimiser step: micro-batches cut into parts that run side by side, gradients added in a fixed order.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::collate::PairRows;
use super::config::{Config, Loss};
use super::loss::{Measured, Weights, forward};
use super::optimizer::{AdamW, AddInto, squared_norm};
use super::params::Params;
use crate::checkpoint::{Backbone, Head};
use crate::model::Model;
use crate::{Error, Result};

/// Weights above which a micro-batch is not cut into parts by default: each part has gradients of its own.
const SMALL: usize = 30_000_000;

/// What a step measured, before its update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The loss that was followed.
    pub loss: f64,
    /// Mean of the reward losses; `None` for `csft`.
    pub reward_loss: Option<f64>,
    /// Cross-entropy as the reference reduces it; `None` for `classic`.
    pub lm_loss: Option<f64>,
    /// Global norm of the gradients before clipping.
    pub grad_norm: f64,
    /// Share of pairs whose chosen answer has the higher reward.
    pub accuracy: Option<f64>,
    /// Mean of `r_chosen - r_rejected`.
    pub margin: Option<f64>,
    /// Rewards of chosen and rejected, in the order of the batch.
    pub rewards: Vec<(f64, f64)>,
    /// Tokens computed.
    pub tokens: usize,
    /// Targets of the cross-entropy.
    pub targets: usize,
}

/// Gradients in the order of the trainable weights.
pub type Gradients = Vec<Option<Tensor>>;

/// A model that learns.
#[derive(Debug)]
pub struct Trainer {
    /// Its weights.
    pub params: Params,
    /// Its optimiser.
    pub optimizer: AdamW,
    model: Model,
    loss: Loss,
    lm_weight: f64,
    micro_batch: usize,
    /// One pool of one thread for each part; empty: one part, all threads.
    pools: Vec<Arc<ThreadPool>>,
}

impl Trainer {
    /// Builds the model on these weights.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn new(
        backbone: &Backbone,
        head: &Head,
        params: Params,
        config: &Config,
        device: &Device,
    ) -> Result<Self> {
        let model = Model::new(backbone, head, &params, device)?;
        let learning = params.trainable().count();
        let shards = config.shards.unwrap_or_else(|| default_shards(&params, device));
        let pool = |i: usize| {
            let builder = ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("train-{i}"));
            builder.build().map(Arc::new).map_err(|e| Error::Usage(format!("cannot start a thread: {e}")))
        };
        let pools = if shards > 1 { (0..shards).map(pool).collect::<Result<_>>()? } else { Vec::new() };
        Ok(Self {
            optimizer: AdamW::new(config.optimizer.clone(), learning),
            model,
            params,
            loss: config.method,
            lm_weight: if config.method == Loss::Cloud { config.lm_weight } else { 1.0 },
            micro_batch: config.micro_batch,
            pools,
        })
    }

    /// Parts into which a micro-batch is cut.
    pub fn shards(&self) -> usize {
        self.pools.len().max(1)
    }

    /// The model, which sees every update.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Losses and gradients of a batch, without an update.
    ///
    /// # Errors
    /// From the model; [`Error::Invalid`] when a weight that should learn got no gradient.
    pub fn gradients(&self, batch: &[&PairRows]) -> Result<(StepReport, Gradients)> {
        let mut gradients: Gradients = vec![None; self.params.trainable().count()];
        let mut report = StepReport::default();
        let (mut reward_loss, mut lm_loss) = (0.0, 0.0);
        for micro in batch.chunks(self.micro_batch) {
            let share = micro.len() as f64 / batch.len() as f64;
            let targets: usize = micro.iter().map(|p| p.targets()).sum();
            let weights = Weights {
                reward: share / micro.len() as f64,
                target: self.lm_weight * share / targets.max(1) as f64,
            };
            let measured = self.micro_batch(micro, weights, &mut gradients)?;
            reward_loss += measured.reward_losses().sum::<f64>() * weights.reward;
            lm_loss += measured.entropy / targets.max(1) as f64 * share;
            report.targets += measured.targets;
            report.rewards.extend(measured.rewards);
            report.tokens += micro.iter().map(|p| p.tokens()).sum::<usize>();
        }
        report.loss = match self.loss {
            Loss::Csft => lm_loss,
            Loss::Cloud => reward_loss + self.lm_weight * lm_loss,
            Loss::Classic => reward_loss,
        };
        report.lm_loss = self.loss.has_critique().then_some(lm_loss);
        if self.loss.has_reward() {
            let pairs = report.rewards.len().max(1) as f64;
            report.reward_loss = Some(reward_loss);
            report.accuracy = Some(report.rewards.iter().filter(|(c, r)| c > r).count() as f64 / pairs);
            report.margin = Some(report.rewards.iter().map(|(c, r)| c - r).sum::<f64>() / pairs);
        }
        report.grad_norm = gradients.iter().flatten().map(squared_norm).sum::<Result<f64>>()?.sqrt();
        if report.targets > 0 || !self.loss.has_critique() {
            self.check_gradients(&gradients)?;
        }
        Ok((report, gradients))
    }

    /// One update with these gradients at `factor` times the peak learning rate.
    ///
    /// # Errors
    /// From the device.
    pub fn update(&mut self, report: &StepReport, gradients: &Gradients, factor: f64) -> Result<()> {
        let vars: Vec<&Var> = self.params.trainable().map(|(_, var)| var).collect();
        self.optimizer.step(&vars, gradients, factor, report.grad_norm)
    }

    /// Runs the parts of a micro-batch and adds their gradients to `into`, in order.
    fn micro_batch(&self, micro: &[&PairRows], weights: Weights, into: &mut Gradients) -> Result<Measured> {
        let shards = self.shards().min(micro.len());
        if shards <= 1 {
            let (measured, gradients) = self.part(micro, weights)?;
            add(into, gradients)?;
            return Ok(measured);
        }
        let parts = split(micro, shards);
        let results: Vec<Result<(Measured, Gradients)>> = std::thread::scope(|scope| {
            let handles: Vec<_> = parts
                .iter()
                .zip(&self.pools)
                .map(|(part, pool)| {
                    let pairs: Vec<&PairRows> = part.iter().filter_map(|&i| micro.get(i).copied()).collect();
                    scope.spawn(move || pool.install(|| self.part(&pairs, weights)))
                })
                .collect();
            let lost = || Err(Error::Usage("a training thread ended early".into()));
            handles.into_iter().map(|h| h.join().unwrap_or_else(|_| lost())).collect()
        });
        let mut rewards: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut total = Measured::default();
        for (part, result) in parts.iter().zip(results) {
            let (measured, gradients) = result?;
            add(into, gradients)?;
            rewards.extend(part.iter().copied().zip(measured.rewards.iter().copied()));
            total.extend(measured);
        }
        total.rewards = rewards.into_values().collect();
        Ok(total)
    }

    fn part(&self, pairs: &[&PairRows], weights: Weights) -> Result<(Measured, Gradients)> {
        let (measured, loss) = forward(&self.model, self.loss, pairs, weights)?;
        let Some(loss) = loss else { return Ok((measured, Vec::new())) };
        let mut store = loss.backward()?;
        Ok((measured, self.params.trainable().map(|(_, var)| store.remove(var)).collect()))
    }

    /// A detached operation would leave weights without a gradient, silently; this makes it an error.
    fn check_gradients(&self, gradients: &Gradients) -> Result<()> {
        let tied = self.model.backbone().tied;
        let used = |name: &str| match self.loss {
            Loss::Csft => name.contains("model.") || name.ends_with("lm_head.weight"),
            Loss::Classic => tied || !name.ends_with("lm_head.weight"),
            Loss::Cloud => true,
        };
        for ((name, _), gradient) in self.params.trainable().zip(gradients) {
            if gradient.is_none() && used(name) {
                return Err(Error::invalid(
                    format!("weight {name}"),
                    "no gradient",
                    "a gradient in every step",
                    "This is a defect of outloud; freeze the weight to go on without it.",
                ));
            }
        }
        Ok(())
    }
}

/// One part for each physical core if the model is small; the parts of a large one would cost too much memory.
fn default_shards(params: &Params, device: &Device) -> usize {
    if !device.is_cpu() || params.counts().0 > SMALL {
        return 1;
    }
    num_cpus::get_physical().clamp(1, 8)
}

/// Cuts pairs into parts of nearly equal numbers of tokens: the longest first, each to the lightest part.
fn split(micro: &[&PairRows], shards: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, usize)> = micro.iter().map(|p| p.tokens()).enumerate().collect();
    order.sort_by_key(|&(i, tokens)| (std::cmp::Reverse(tokens), i));
    let mut parts: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); shards];
    for (i, tokens) in order {
        if let Some(part) = parts.iter_mut().min_by_key(|(load, _)| *load) {
            part.0 += tokens;
            part.1.push(i);
        }
    }
    parts
        .into_iter()
        .map(|(_, mut part)| {
            part.sort_unstable();
            part
        })
        .filter(|part| !part.is_empty())
        .collect()
}

fn add(into: &mut Gradients, from: Gradients) -> Result<()> {
    for (into, from) in into.iter_mut().zip(from) {
        let Some(from) = from else { continue };
        match into {
            None => *into = Some(from.contiguous()?),
            Some(sum) if sum.device().is_cpu() && sum.dtype() == DType::F32 => {
                sum.inplace_op2(&from.contiguous()?, &AddInto)?;
            }
            Some(sum) => *sum = (&*sum + from)?,
        }
    }
    Ok(())
}
