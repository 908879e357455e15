//! The loop of a run: batches, steps, evaluations, checkpoints, until the last step or a reason to end before it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::metrics::{self, Metrics, Record, spread};
use super::rows::{Rows, Sources};
use super::samples::Samples;
use super::state::{self, Position};
use super::status::{self, Asked};
use super::tensorboard::Events;
use super::watch::evaluate;
use super::{Event, Identity, Job, ModelId, Outcome, Summary, result};
use crate::checkpoint::Method;
use crate::train::batches::Batches;
use crate::train::collate::PairRows;
use crate::train::config::Config;
use crate::train::estimate;
use crate::train::params::Params;
use crate::train::schedule;
use crate::train::start::Start;
use crate::train::step::{StepReport, Trainer, default_shards};
use crate::{Error, Result, disk};

/// Unless --eval-every says, so many looks at the rows held out, at least.
const LOOKS: usize = 10;
/// A run that dies loses no more than this and a step.
const SAVED_WITHIN: Duration = Duration::from_secs(60);

/// Trains to the end. `stop`: to be asked after each step.
pub fn run(
    job: &Job,
    sources: &Sources,
    start: &mut Start,
    rows: Rows,
    say: &mut dyn FnMut(Event),
    stop: &dyn Fn() -> bool,
) -> Result<Outcome> {
    let (out, config) = (&job.out, &job.config);
    let mut batches = Mixed::new(&rows, config);
    let steps = steps_of(config, &batches);
    let known = Identity::read(&out.join("run.toml"))?;
    let mut config = config.clone();
    // The parts decide the exact sums: a run goes on with as many as it began with.
    config.shards = config.shards.or_else(|| known.as_ref().map(|k| k.shards));
    let params = start.params(&config)?;
    let expected = plan(job, start, &params, &rows);
    if job.check_memory
        && let Some(why) = expected.too_large(estimate::available_mib())
    {
        return Err(Error::Usage(format!(
            "this run does not fit into memory: {why}. --ignore-memory begins it anyway"
        )));
    }
    let mut trainer = Trainer::new(start.backbone(), start.head(), params, &config, &job.device)?;
    if config.kl > 0.0 {
        trainer = trainer.with_start(start.model(&job.device)?);
    }
    start.tensors.clear();
    let (data, valid, replay) = sources.ids();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: job.recipe.clone(),
        steps,
        shards: trainer.shards(),
        model: ModelId { source: job.origin.name(), fingerprint: start.checkpoint.fingerprint.clone() },
        data,
        valid,
        replay,
        config: job.config.clone(),
    };
    match &known {
        Some(known) => identity.check(known, out)?,
        None => identity.write(&out.join("run.toml"))?,
    }
    let result = out.join("result");
    if result.exists() {
        return Ok(Outcome::AlreadyFinished(result));
    }
    let checkpoints = out.join("checkpoints");
    disk::create_dir(&checkpoints)?;
    disk::sweep(out);
    disk::sweep(&checkpoints);
    rows.notes.iter().for_each(|note| say(Event::Note(note.clone())));
    let restored = state::restore(&checkpoints, &mut trainer, &mut |note| say(Event::Note(note)))?;
    let mut position = restored.unwrap_or_else(|| Position { seed: config.seed, ..Position::default() });
    let (mut metrics, lost) = Metrics::open(&out.join("metrics.jsonl"), position.metrics_bytes)?;
    if lost {
        say(Event::Note(
            "metrics.jsonl was shorter than at the checkpoint: lines of earlier steps are lost".into(),
        ));
    }
    let mut events = Events::create(&out.join("tensorboard"), &status::host())?;
    let (learn, all) = trainer.params.counts();
    say(Event::Note(format!(
        "{} {} of {all} weights on {} pairs, step {} of {steps}, {} part(s) a micro-batch",
        if position.step > 0 { "goes on training" } else { "trains" },
        learn,
        rows.train.len(),
        position.step,
        trainer.shards(),
    )));
    say(Event::Note(expected.describe(estimate::rate(&job.device)?)));
    say(Event::Started { step: position.step, steps });
    let held: Vec<&PairRows> = rows.held.iter().collect();
    let best = out.join("best");
    let writes = config.method.has_critique() && start.checkpoint.spec.method == Method::Cloud;
    let sampled = if writes { config.samples } else { 0 };
    let samples = Samples::open(out, position.step, sampled, config.method.has_reward())?;
    let (first, mut ended, mut saved) = (position.step, None, Instant::now());
    while position.step < steps && ended.is_none() {
        let before = Instant::now();
        let (epoch, batch) = batches.of_step(position.step, &rows);
        let (report, gradients) = trainer.gradients(&batch)?;
        if !(report.loss.is_finite() && report.grad_norm.is_finite()) {
            return Err(diverged(position.step + 1, &report, &batch, &checkpoints));
        }
        position.watched.step(position.step + 1, report.loss, report.grad_norm, &config)?;
        let factor = schedule::factor(&config.schedule, position.step, steps);
        trainer.update(&report, &gradients, factor)?;
        drop(gradients);
        let seconds = before.elapsed().as_secs_f64();
        position.step += 1;
        position.updates = trainer.optimizer.updates;
        position.tokens += report.tokens as u64;
        position.seconds += seconds;
        let lr = config.optimizer.lr * factor;
        let mut record = record(position.step, epoch, &report, batch.len(), lr, seconds);
        let every = config.eval_every.unwrap_or_else(|| config.save_every.min(steps.div_ceil(LOOKS)));
        if !held.is_empty() && (position.step % every == 0 || position.step == steps) {
            let best = (config.patience > 0).then_some(best.as_path());
            record.eval = Some(evaluate(&trainer, &held, position.step, &mut position.watched, best)?);
            ended = position.watched.overfits(&config);
            samples.write(position.step, trainer.constant(), start, sources.held(), config.raw_special)?;
        }
        metrics.append(&record)?;
        events.append(&record)?;
        if position.step == first + 2 {
            say(Event::Note(expected.corrected(&record, steps - position.step)));
        }
        say(Event::Step(Box::new(record)));
        let asked = status::asked(out);
        if asked == Some(Asked::Stop) && ended.is_none() {
            ended = Some(format!("stopped at step {} as asked", position.step));
        }
        let stopping = ended.is_none() && (stop() || asked == Some(Asked::Pause));
        let due = position.step % config.save_every == 0 || saved.elapsed() >= SAVED_WITHIN;
        if stopping || ended.is_some() || due || position.step == steps {
            saved = Instant::now();
            position.metrics_bytes = metrics.sync()?;
            state::save(&checkpoints, &trainer, &position, config.keep)?;
            say(Event::Saved(position.step));
        }
        if stopping && position.step < steps {
            return Ok(Outcome::Interrupted(position.step));
        }
    }
    let records = metrics::read(&out.join("metrics.jsonl"))?;
    // A run killed after its end came goes the same way again.
    let ended = ended.or_else(|| position.watched.overfits(&config).filter(|_| position.step < steps));
    if let Some((step, _)) =
        position.watched.best().filter(|(step, _)| config.patience > 0 && *step != position.step)
    {
        state::load_best(&best, &trainer, step)?;
        say(Event::Note(format!("result/ takes the weights of step {step}, the best on the rows held out")));
    }
    if let Some(why) = &ended {
        say(Event::Note(why.clone()));
    }
    result::write(&result, start, &trainer.params, &identity, out)?;
    let mut summary = summarise(&records, &position, rows.train.len(), result);
    summary.ended = ended;
    Ok(Outcome::Finished(summary))
}

/// Batches of the rows that are learned from, with those that are mixed in.
struct Mixed {
    main: Batches,
    replay: Option<Batches>,
}

impl Mixed {
    fn new(rows: &Rows, config: &Config) -> Self {
        let lens = |pairs: &[PairRows]| pairs.iter().map(PairRows::tokens).collect();
        let share = config.replay.as_ref().map_or(0.0, |r| r.share);
        let others = if rows.replay.is_empty() {
            0
        } else {
            let most = config.batch.saturating_sub(1).max(1);
            ((share * config.batch as f64).round() as usize).clamp(1, most)
        };
        let (seed, grouped) = (config.seed, config.group_by_length);
        Self {
            main: Batches::new(lens(&rows.train), config.batch.saturating_sub(others).max(1), seed, grouped),
            replay: (others > 0).then(|| Batches::new(lens(&rows.replay), others, seed ^ 0x5eed, grouped)),
        }
    }

    fn of_step<'a>(&mut self, step: usize, rows: &'a Rows) -> (usize, Vec<&'a PairRows>) {
        let (epoch, batch) = self.main.of_step(step);
        let mut pairs: Vec<&PairRows> = batch.into_iter().filter_map(|i| rows.train.get(i)).collect();
        if let Some(replay) = &mut self.replay {
            pairs.extend(replay.of_step(step).1.into_iter().filter_map(|i| rows.replay.get(i)));
        }
        (epoch, pairs)
    }
}

fn record(step: usize, epoch: usize, report: &StepReport, pairs: usize, lr: f64, seconds: f64) -> Record {
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        (!report.rewards.is_empty()).then(|| values.sum::<f64>() / report.rewards.len() as f64)
    };
    let rewards = spread(&report.rewards);
    Record {
        step,
        epoch: epoch + 1,
        loss: report.loss,
        reward_loss: report.reward_loss,
        lm_loss: report.lm_loss,
        grad_norm: report.grad_norm,
        lr,
        accuracy: report.accuracy,
        margin: report.margin,
        reward_chosen: mean(&mut report.rewards.iter().map(|r| r.0)),
        reward_rejected: mean(&mut report.rewards.iter().map(|r| r.1)),
        min_reward: rewards.map(|r| r.0),
        mean_reward: rewards.map(|r| r.1),
        max_reward: rewards.map(|r| r.2),
        center_loss: report.center_loss,
        kl: report.kl,
        pairs,
        tokens: report.tokens,
        tokens_per_second: report.tokens as f64 / seconds.max(1e-9),
        seconds,
        peak_mib: estimate::peak_mib(),
        eval: None,
    }
}

fn diverged(step: usize, report: &StepReport, batch: &[&PairRows], checkpoints: &Path) -> Error {
    let rows = batch.iter().map(|p| p.place.as_str()).collect::<Vec<_>>().join(", ");
    let kept = state::list(checkpoints).first().map_or_else(
        || "There is no checkpoint yet.".to_owned(),
        |kept| format!("The checkpoint of step {kept} is kept."),
    );
    Error::invalid(
        format!("step {step}, batch {rows}"),
        format!("loss {}, gradient norm {}", report.loss, report.grad_norm),
        "finite numbers",
        format!("Look at these rows, or lower the learning rate. {kept}"),
    )
}

fn summarise(records: &[Record], position: &Position, pairs: usize, result: PathBuf) -> Summary {
    let tenth = records.len().div_ceil(10);
    let means = |part: &[Record]| {
        let n = part.len().max(1) as f64;
        let mean = |f: fn(&Record) -> Option<f64>| {
            let values: Vec<f64> = part.iter().filter_map(f).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        (part.iter().map(|r| r.loss).sum::<f64>() / n, mean(|r| r.accuracy), mean(|r| r.margin))
    };
    Summary {
        steps: position.step,
        pairs,
        tokens: position.tokens,
        seconds: position.seconds,
        first: means(records.get(..tenth).unwrap_or_default()),
        last: means(records.get(records.len() - tenth..).unwrap_or_default()),
        result,
        ended: None,
    }
}

/// Steps a run makes in all.
fn steps_of(config: &Config, batches: &Mixed) -> usize {
    let by_epochs = (config.epochs * batches.main.per_epoch() as f64).ceil().max(1.0) as usize;
    config.steps.unwrap_or(by_epochs)
}

/// See [`super::plan`].
pub fn plan(job: &Job, start: &Start, params: &Params, rows: &Rows) -> estimate::Estimate {
    let steps = steps_of(&job.config, &Mixed::new(rows, &job.config));
    let shards = job.config.shards.unwrap_or_else(|| default_shards(params, &job.device));
    estimate::of_run(start.backbone(), params, &job.config, &rows.lens(), steps, shards)
}
