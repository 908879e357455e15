//! One optimiser step: micro-batches cut into parts that run side by side, gradients added in a fixed order.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::collate::PairRows;
use super::config::{Config, Loss};
use super::loss::{Measured, Weights};
use super::optimizer::{AdamW, AddInto, squared_norm};
use super::params::{Constant, Params};
use super::pass::{Learner, Pass};
use crate::checkpoint::{Backbone, Head};
use crate::model::{Model, Noise};
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
    /// Mean of `(r_chosen + r_rejected)^2`, if it counts.
    pub center_loss: Option<f64>,
    /// Mean divergence from the start over the critiques' tokens, if it counts.
    pub kl: Option<f64>,
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

/// Means over a batch, micro-batch by micro-batch.
#[derive(Default)]
struct Totals {
    reward: f64,
    center: f64,
    entropy: f64,
    kl: f64,
    targets: usize,
    tokens: usize,
    rewards: Vec<(f64, f64)>,
}

impl Totals {
    fn add(&mut self, measured: Measured, share: f64, pairs: &[&PairRows]) {
        let (count, targets) = (pairs.len().max(1) as f64, measured.targets.max(1) as f64);
        self.reward += measured.reward_loss * share / count;
        self.center += measured.center * share / count;
        self.entropy += measured.entropy / targets * share;
        self.kl += measured.kl / targets * share;
        self.targets += measured.targets;
        self.tokens += pairs.iter().map(|p| p.tokens()).sum::<usize>();
        self.rewards.extend(measured.rewards);
    }
}

/// A model that learns.
#[derive(Debug)]
pub struct Trainer {
    /// Its weights.
    pub params: Params,
    /// Its optimiser.
    pub optimizer: AdamW,
    model: Model,
    /// The same weights as constants: for evaluation, and where activations are not kept.
    constant: Model,
    /// The weights as they were, if the divergence from them counts.
    start: Option<Model>,
    gradient_checkpointing: bool,
    loss: Loss,
    lm_weight: f64,
    center: f64,
    kl: f64,
    seed: u64,
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
        let constant = Model::new(backbone, head, &Constant { params: &params, adapted: true }, device)?;
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
            constant,
            start: None,
            gradient_checkpointing: config.gradient_checkpointing,
            params,
            loss: config.method,
            lm_weight: if config.method == Loss::Cloud { config.lm_weight } else { 1.0 },
            center: config.center_rewards_coefficient,
            kl: config.kl,
            seed: config.seed,
            micro_batch: config.micro_batch,
            pools,
        })
    }

    /// The model from which the divergence counts; without one it does not.
    pub fn with_start(mut self, start: Model) -> Self {
        self.start = Some(start);
        self
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
        let mut totals = Totals::default();
        for (index, micro) in batch.chunks(self.micro_batch).enumerate() {
            let share = micro.len() as f64 / batch.len() as f64;
            let targets: usize = micro.iter().map(|p| p.targets()).sum();
            let weights = Weights {
                reward: share / micro.len() as f64,
                center: self.center * share / micro.len() as f64,
                target: self.lm_weight * share / targets.max(1) as f64,
                kl: self.kl * share / targets.max(1) as f64,
            };
            let noise = [self.seed, self.optimizer.updates as u64, index as u64];
            let pass = Pass { weights, noise: Some(Noise::new(&noise)), learn: true };
            totals.add(self.micro_batch(micro, pass, &mut gradients)?, share, micro);
        }
        let mut report = self.report(totals);
        report.grad_norm = gradients.iter().flatten().map(squared_norm).sum::<Result<f64>>()?.sqrt();
        if report.targets > 0 || !self.loss.has_critique() {
            self.check_gradients(&gradients)?;
        }
        Ok((report, gradients))
    }

    /// The model as it is now, without gradients.
    pub fn constant(&self) -> &Model {
        &self.constant
    }

    /// The same numbers without gradients, over rows that are held out: means over all pairs and over all targets.
    ///
    /// # Errors
    /// From the model.
    pub fn evaluate(&self, rows: &[&PairRows]) -> Result<StepReport> {
        let pass = Pass { weights: Weights::default(), noise: None, learn: false };
        let mut measured = Measured::default();
        for micro in rows.chunks(self.micro_batch) {
            measured.extend(self.micro_batch(micro, pass, &mut Vec::new())?);
        }
        let mut totals = Totals::default();
        totals.add(measured, 1.0, rows);
        Ok(self.report(totals))
    }

    fn report(&self, t: Totals) -> StepReport {
        let mut report = StepReport { tokens: t.tokens, targets: t.targets, ..StepReport::default() };
        report.loss = match self.loss {
            Loss::Csft => t.entropy,
            Loss::Cloud => t.reward + self.lm_weight * t.entropy,
            Loss::Classic => t.reward,
        };
        report.lm_loss = self.loss.has_critique().then_some(t.entropy);
        if self.loss.has_reward() {
            let pairs = t.rewards.len().max(1) as f64;
            report.reward_loss = Some(t.reward);
            report.accuracy = Some(t.rewards.iter().filter(|(c, r)| c > r).count() as f64 / pairs);
            report.margin = Some(t.rewards.iter().map(|(c, r)| c - r).sum::<f64>() / pairs);
            if self.center > 0.0 {
                report.loss += self.center * t.center;
                report.center_loss = Some(t.center);
            }
        }
        if self.start.is_some() && self.loss.has_critique() {
            report.loss += self.kl * t.kl;
            report.kl = Some(t.kl);
        }
        report.rewards = t.rewards;
        report
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
    fn micro_batch(&self, micro: &[&PairRows], pass: Pass, into: &mut Gradients) -> Result<Measured> {
        let shards = self.shards().min(micro.len());
        if shards <= 1 {
            let (measured, gradients) = self.learner().run(micro, pass)?;
            add(into, gradients)?;
            return Ok(measured);
        }
        let parts = split(micro, shards);
        let results: Vec<Result<(Measured, Gradients)>> = std::thread::scope(|scope| {
            let handles: Vec<_> = parts
                .iter()
                .zip(&self.pools)
                .enumerate()
                .map(|(number, (part, pool))| {
                    let pairs: Vec<&PairRows> = part.iter().filter_map(|&i| micro.get(i).copied()).collect();
                    let noise = pass.noise.map(|noise| noise.part(number as u64));
                    let pass = Pass { noise, ..pass };
                    scope.spawn(move || pool.install(|| self.learner().run(&pairs, pass)))
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

    fn learner(&self) -> Learner<'_> {
        Learner {
            model: &self.model,
            constant: &self.constant,
            start: self.start.as_ref(),
            loss: self.loss,
            params: &self.params,
            gradient_checkpointing: self.gradient_checkpointing,
        }
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
pub fn default_shards(params: &Params, device: &Device) -> usize {
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
