//! The run folder: `run.toml`, `metrics.jsonl`, `log`, `lock`, `checkpoints/`, `result/`. The same job on the same folder
//! goes on from its newest whole checkpoint, with the numbers it would have had.

mod identity;
mod log;
pub mod metrics;
mod result;
pub mod state;
mod tensors;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;

pub use identity::{DataId, Identity, ModelId};
pub use metrics::Record;

use self::log::Log;
use self::metrics::Metrics;
use self::state::Position;
use super::batches::Batches;
use super::collate::{Collator, PairRows};
use super::config::Config;
use super::data::Data;
use super::params::Params;
use super::schedule;
use super::start::{Origin, Start};
use super::step::{StepReport, Trainer};
use crate::{Error, Result, disk};

/// What is to be trained, and where.
#[derive(Clone, Debug)]
pub struct Job {
    /// Name of the recipe.
    pub recipe: String,
    /// Every key.
    pub config: Config,
    /// The starting weights.
    pub origin: Origin,
    /// Files of rows.
    pub data: Vec<PathBuf>,
    /// The run folder.
    pub out: PathBuf,
    /// Where to compute.
    pub device: Device,
}

/// What happens during a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something worth saying; also in `log`.
    Note(String),
    /// Steps begin.
    Started {
        /// Steps made by earlier processes.
        step: usize,
        /// Steps in all.
        steps: usize,
    },
    /// A step was made.
    Step(Record),
    /// The run stands on disk up to this step.
    Saved(usize),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All steps were made; `result/` is there.
    Finished(Summary),
    /// It was finished before.
    AlreadyFinished(PathBuf),
    /// Stopped after this step, which is saved.
    Interrupted(usize),
}

/// What a finished run amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Steps in all.
    pub steps: usize,
    /// Pairs in the data.
    pub pairs: usize,
    /// Tokens computed, in all processes.
    pub tokens: u64,
    /// Seconds spent in steps, in all processes.
    pub seconds: f64,
    /// Means over the first tenth of the steps: loss, accuracy, margin.
    pub first: (f64, Option<f64>, Option<f64>),
    /// The same over the last tenth.
    pub last: (f64, Option<f64>, Option<f64>),
    /// The trained model.
    pub result: PathBuf,
}

/// Trains, or goes on training. Once `stop` is true the run ends after the step in hand, saved.
///
/// # Errors
/// [`Error::Invalid`] for bad data, a folder of another run, a loss that is not finite, a full disk; in each case the last
/// good checkpoint stays.
pub fn train(job: &Job, observe: &mut dyn FnMut(&Event), stop: &dyn Fn() -> bool) -> Result<Outcome> {
    let data = Data::read(&job.data, job.config.method)?;
    let start = Start::open(&job.origin, &job.config, &job.device)?;
    let (rows, notes) = collate(&job.config, &start, &data)?;
    disk::create_dir(&job.out)?;
    let _lock = lock(&job.out)?;
    let log = Log { path: job.out.join("log") };
    let mut say = |event: Event| {
        if let Event::Note(text) = &event {
            log.line(text);
        }
        observe(&event);
    };
    let outcome = run(job, &data, &start, &rows, notes, &mut say, stop);
    match &outcome {
        Ok(Outcome::Finished(summary)) => log.line(&format!(
            "finished: {} steps, {} tokens, loss {:.4} -> {:.4}, model in {}",
            summary.steps,
            summary.tokens,
            summary.first.0,
            summary.last.0,
            summary.result.display()
        )),
        Ok(Outcome::Interrupted(step)) => log.line(&format!("stopped after step {step}, saved")),
        Ok(Outcome::AlreadyFinished(_)) => {}
        Err(error) => log.line(&format!("failed: {error}")),
    }
    outcome
}

/// Rows of all pairs, and what is to be said about them.
fn collate(config: &Config, start: &Start, data: &Data) -> Result<(Vec<PairRows>, Vec<String>)> {
    let mut notes = Vec::new();
    let context = start.backbone().max_position_embeddings;
    if config.max_len > context {
        notes.push(format!(
            "rows are cut at {context} tokens, the model's context, not at {}",
            config.max_len
        ));
    }
    let max_len = config.max_len.min(context);
    let collator = Collator {
        text: &start.checkpoint.text,
        loss: config.method,
        critique_prompt: &start.critique_prompt,
        max_len,
        raw_special: config.raw_special,
    };
    let rows = data.pairs.iter().map(|p| collator.pair(p)).collect::<Result<Vec<_>>>()?;
    let all = || rows.iter().flat_map(|p| [&p.chosen, &p.rejected]);
    let count = |keep: &dyn Fn(usize) -> bool| all().filter(|r| keep(r.full_len)).count();
    let (over, exact, rows_in_all) = (count(&|n| n > max_len), count(&|n| n == max_len), count(&|_| true));
    let longest = all().map(|r| r.full_len).max().unwrap_or_default();
    if over > 0 {
        notes.push(format!(
            "{over} of {rows_in_all} rows are longer than {max_len} tokens and are cut (the longest has {longest})"
        ));
    }
    if exact > 0 {
        notes.push(format!(
            "{exact} of {rows_in_all} rows have exactly {max_len} tokens: as in the reference, EOS takes the place of their end-of-turn"
        ));
    }
    if data.ties > 0 {
        notes.push(format!(
            "{} of {} pairs have the same text twice: they teach no preference",
            data.ties,
            rows.len()
        ));
    }
    if data.undecided > 0 {
        notes.push(format!("{} rows are left out: neither answer is better", data.undecided));
    }
    if config.method.has_critique() && all().all(|r| r.target_count() == 0) {
        return Err(Error::invalid(
            data.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
            format!("no critique within {max_len} tokens in any row"),
            "rows whose critique begins before the limit",
            "Raise max-len, or shorten prompts and answers.",
        ));
    }
    Ok((rows, notes))
}

/// Takes the folder for this process.
fn lock(out: &Path) -> Result<File> {
    let path = out.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = open.map_err(|e| disk::failed(&path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::invalid(
                out.display().to_string(),
                format!("a run that is going on ({})", holder.trim()),
                "a folder no other process trains in",
                "Wait for it or stop it, or give another folder.",
            ));
        }
        // A file system without locks: go on without.
        Err(TryLockError::Error(_)) => return Ok(file),
    }
    let holder = format!("process {} since {}\n", std::process::id(), log::now());
    let write = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
    write.map_err(|e| disk::failed(&path, e))?;
    Ok(file)
}

fn run(
    job: &Job,
    data: &Data,
    start: &Start,
    rows: &[PairRows],
    notes: Vec<String>,
    say: &mut dyn FnMut(Event),
    stop: &dyn Fn() -> bool,
) -> Result<Outcome> {
    let (out, config) = (&job.out, &job.config);
    let lens = rows.iter().map(PairRows::tokens).collect();
    let mut batches = Batches::new(lens, config.batch, config.seed, config.group_by_length);
    let by_epochs = (config.epochs * batches.per_epoch() as f64).ceil().max(1.0) as usize;
    let steps = config.steps.unwrap_or(by_epochs);
    let known = Identity::read(&out.join("run.toml"))?;
    let mut config = config.clone();
    // The parts decide the exact sums: a run goes on with as many as it began with.
    config.shards = config.shards.or_else(|| known.as_ref().map(|k| k.shards));
    let params = Params::new(start.tensors.clone(), &config.freeze)?;
    let mut trainer = Trainer::new(start.backbone(), start.head(), params, &config, &job.device)?;
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: job.recipe.clone(),
        steps,
        shards: trainer.shards(),
        model: ModelId { source: job.origin.name(), fingerprint: start.checkpoint.fingerprint.clone() },
        data: DataId {
            files: data.files.iter().map(|f| f.display().to_string()).collect(),
            sha256: data.sha256.clone(),
            pairs: rows.len(),
        },
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
    notes.into_iter().for_each(|note| say(Event::Note(note)));
    let restored = state::restore(&checkpoints, &mut trainer, &mut |note| say(Event::Note(note)))?;
    let mut position = restored.unwrap_or_else(|| Position { seed: config.seed, ..Position::default() });
    let (mut metrics, lost) = Metrics::open(&out.join("metrics.jsonl"), position.metrics_bytes)?;
    if lost {
        say(Event::Note(
            "metrics.jsonl was shorter than at the checkpoint: lines of earlier steps are lost".into(),
        ));
    }
    let (learn, all) = trainer.params.counts();
    say(Event::Note(format!(
        "{} {} of {all} weights on {} pairs, step {} of {steps}, {} part(s) a micro-batch",
        if position.step > 0 { "goes on training" } else { "trains" },
        learn,
        rows.len(),
        position.step,
        trainer.shards(),
    )));
    say(Event::Started { step: position.step, steps });
    while position.step < steps {
        let before = Instant::now();
        let (epoch, batch) = batches.of_step(position.step);
        let batch: Vec<&PairRows> = batch.into_iter().filter_map(|i| rows.get(i)).collect();
        let (report, gradients) = trainer.gradients(&batch)?;
        if !(report.loss.is_finite() && report.grad_norm.is_finite()) {
            return Err(diverged(position.step + 1, &report, &batch, &checkpoints));
        }
        let factor = schedule::factor(&config.schedule, position.step, steps);
        trainer.update(&report, &gradients, factor)?;
        drop(gradients);
        let seconds = before.elapsed().as_secs_f64();
        position.step += 1;
        position.updates = trainer.optimizer.updates;
        position.tokens += report.tokens as u64;
        position.seconds += seconds;
        let record =
            record(position.step, epoch, &report, batch.len(), config.optimizer.lr * factor, seconds);
        metrics.append(&record)?;
        say(Event::Step(record));
        let stopping = stop();
        if stopping || position.step % config.save_every == 0 || position.step == steps {
            position.metrics_bytes = metrics.sync()?;
            state::save(&checkpoints, &trainer, &position, config.keep)?;
            say(Event::Saved(position.step));
        }
        if stopping && position.step < steps {
            return Ok(Outcome::Interrupted(position.step));
        }
    }
    result::write(&result, &start.checkpoint, &trainer.params, config.method)?;
    let summary = summarise(&metrics::read(&out.join("metrics.jsonl"))?, &position, rows.len(), result);
    Ok(Outcome::Finished(summary))
}

fn record(step: usize, epoch: usize, report: &StepReport, pairs: usize, lr: f64, seconds: f64) -> Record {
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        (!report.rewards.is_empty()).then(|| values.sum::<f64>() / report.rewards.len() as f64)
    };
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
        pairs,
        tokens: report.tokens,
        tokens_per_second: report.tokens as f64 / seconds.max(1e-9),
        seconds,
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
    }
}
