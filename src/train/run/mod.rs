//! The run folder: `run.toml`, `metrics.jsonl`, `log`, `lock`, `checkpoints/`, `result/`. The same job on the same folder
//! goes on from its newest whole checkpoint, with the numbers it would have had.

mod drive;
mod identity;
mod log;
pub mod metrics;
mod result;
mod rows;
pub mod samples;
pub mod state;
pub mod status;
mod tensorboard;
mod tensors;
mod watch;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use candle_core::Device;

pub use identity::{DataId, Identity, ModelId};
pub use metrics::{Evaluated, Record};
pub use rows::is_held_out;
pub use status::Status;

use self::log::Log;
use self::rows::Sources;
use super::config::Config;
use super::estimate::Estimate;
use super::start::{Origin, Start};
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
    /// Files of rows that are held out.
    pub valid: Vec<PathBuf>,
    /// The run folder.
    pub out: PathBuf,
    /// Where to compute.
    pub device: Device,
    /// Whether a run that does not seem to fit into memory is refused.
    pub check_memory: bool,
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
    Step(Box<Record>),
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
    /// Why it ended before its last step, if it did.
    pub ended: Option<String>,
}

/// Trains, or goes on training. Once `stop` is true the run ends after the step in hand, saved.
///
/// # Errors
/// [`Error::Invalid`] for bad data, a folder of another run, a loss that is not finite, a full disk; in each case the last
/// good checkpoint stays.
pub fn train(job: &Job, observe: &mut dyn FnMut(&Event), stop: &dyn Fn() -> bool) -> Result<Outcome> {
    let sources = Sources::read(job)?;
    let mut start = Start::open(&job.origin, &job.config, &job.device)?;
    let rows = sources.collate(&job.config, &start)?;
    disk::create_dir(&job.out)?;
    let _lock = lock(&job.out)?;
    let log = Log { path: job.out.join("log") };
    let mut status = Status::begin(&job.out);
    let mut say = |event: Event| {
        if let Event::Note(text) = &event {
            log.line(text);
        }
        status.saw(&event);
        observe(&event);
    };
    let outcome = drive::run(job, &sources, &mut start, rows, &mut say, stop);
    match &outcome {
        Ok(Outcome::Finished(summary)) => log.line(&format!(
            "finished: {} steps, {} tokens, loss {:.4} -> {:.4}, model in {}{}",
            summary.steps,
            summary.tokens,
            summary.first.0,
            summary.last.0,
            summary.result.display(),
            summary.ended.as_ref().map(|why| format!("; {why}")).unwrap_or_default()
        )),
        Ok(Outcome::Interrupted(step)) => log.line(&format!("stopped after step {step}, saved")),
        Ok(Outcome::AlreadyFinished(_)) => {}
        Err(error) => log.line(&format!("failed: {error}")),
    }
    status.end(&outcome);
    outcome
}

/// What a run would need, from its shapes, and what is to be said about its rows, before anything is made.
///
/// # Errors
/// As [`train`], for what is wrong before the first step.
pub fn plan(job: &Job) -> Result<(Estimate, Vec<String>)> {
    let sources = Sources::read(job)?;
    let start = Start::open(&job.origin, &job.config, &job.device)?;
    let rows = sources.collate(&job.config, &start)?;
    let params = start.params(&job.config)?;
    let estimate = drive::plan(job, &start, &params, &rows);
    Ok((estimate, rows.notes))
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
