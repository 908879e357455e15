//! `outloud train`: a run in a folder, from which the same command goes on after any kind of end.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use toml::{Table, Value};

use super::Exit;
use super::interrupt::Interrupt;
use super::model::ModelArgs;
use super::options::MapArgs;
use crate::engine::{ModelSource, device, device_name};
use crate::recipe::on_policy_run;
use crate::runs::{Turn, state_home, wait_for_device};
use crate::train::config::Config;
use crate::train::estimate;
use crate::train::run::{Event, Job, Outcome, Record, Status, Summary, plan, status, train};
use crate::train::start::Origin;
use crate::{Error, Result, disk};

/// Seconds between two lines when standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
The folder of --out holds run.toml (every key), metrics.jsonl (a line a step), log, checkpoints/ and, at the end, result/,
a checkpoint in the reference's layout. The same command goes on from the newest whole checkpoint, with the same losses
(same CPU, same number of parts); on a finished run it says so. Ctrl-C saves before it ends.

Rows: {\"prompt\", \"chosen\", \"rejected\", \"chosen_feedback\", \"rejected_feedback\"}; a feedback is text or a list whose first item
counts; classic needs none.

Keys of --config (TOML), with the recipe's values where a file gives none: see src/train/recipes/ or a run.toml; among them
freeze = [\"reward_base_model.*\"], init = \"random\", init-head = \"random\", batch, micro-batch, max-len, group-by-length,
gradient-checkpointing, center-rewards-coefficient, kl, held-out, eval-every, patience, explosion,
replay = { file = \"rows.jsonl\", share = 0.25 },
[lora] rank, alpha, dropout, targets = \"all-linear\" | [\"q_proj\", ...], rslora (its learning rate is 1e-4 where none is given),
[optimizer] kind = \"decoupled-adamw\" | \"adamw\", lr, betas, eps, weight-decay, clip,
[schedule] kind = \"cosine\" | \"linear\" | \"constant\", warmup, floor.")]
pub struct TrainArgs {
    /// What to train: csft (critiques only), cloud (critiques and rewards), classic (rewards without critiques), or cloud-onpolicy
    /// (csft on the given critiques, then cloud on the model's own)
    #[arg(long, value_name = "RECIPE")]
    pub recipe: String,
    /// Starting weights, and where to compute.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Rows: any file that `outloud data` reads; may be given more than once
    #[arg(long, value_name = "FILE", required = true)]
    pub data: Vec<PathBuf>,
    /// What columns mean.
    #[command(flatten)]
    pub map: MapArgs,
    /// Rows held out, looked at as the run goes; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub valid: Vec<PathBuf>,
    /// Share of the rows to hold out, chosen by their prompts
    #[arg(long, value_name = "SHARE")]
    pub held_out: Option<f64>,
    /// Rows of other data, mixed into every batch so that what they show is not forgotten: half of it, unless --config says
    /// another share
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Steps between two looks at the rows held out
    #[arg(long, value_name = "N")]
    pub eval_every: Option<u32>,
    /// The run's folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Optimiser steps; wins over epochs
    #[arg(long, value_name = "N")]
    pub steps: Option<u32>,
    /// Passes over the rows
    #[arg(long, value_name = "E")]
    pub epochs: Option<f64>,
    /// Order of the rows, and random weights
    #[arg(long, value_name = "S")]
    pub seed: Option<u32>,
    /// Steps between checkpoints
    #[arg(long, value_name = "K")]
    pub save_every: Option<u32>,
    /// Peak learning rate
    #[arg(long, value_name = "X")]
    pub lr: Option<f64>,
    /// Learn low-rank products beside the weights, of this rank, and the reward head: result/ is an adapter in PEFT's format
    #[arg(long, value_name = "RANK", num_args = 0..=1, default_missing_value = "16")]
    pub lora: Option<u32>,
    /// Steps over which the learning rate rises from 0, or a share of all steps if below 1; with any, the first step is made at 0
    #[arg(long, value_name = "W")]
    pub warmup: Option<f64>,
    /// A file of keys; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only say what memory and time it would take, and whether it fits
    #[arg(long)]
    pub dry_run: bool,
    /// Begin even if it does not seem to fit into memory
    #[arg(long)]
    pub ignore_memory: bool,
    /// Wait until no other run that waits so is at work on this device
    #[arg(long)]
    pub wait_for_device: bool,
    /// As a session of its own: it outlives the terminal (`outloud runs start` does this)
    #[arg(long, hide = true)]
    pub detached: bool,
}

impl TrainArgs {
    /// Trains.
    ///
    /// # Errors
    /// `Usage` for an unknown recipe or device; otherwise as [`train`].
    pub fn run(self) -> Result<Exit> {
        if self.detached {
            detach()?;
        }
        let (out, dry) = (self.out.clone(), self.dry_run);
        self.carry_out().inspect_err(|error| {
            // Whoever looks at the folder is to know why nothing comes.
            if !dry {
                Status::failed(&out, &error.to_string());
            }
        })
    }

    fn carry_out(self) -> Result<Exit> {
        if self.recipe == on_policy_run::NAME {
            return super::on_policy::run(&self);
        }
        super::threads::for_training();
        let job = self.job()?;
        let interrupt = Interrupt::listen()?;
        let mut out = std::io::stdout().lock();
        let mut print =
            |text: String| out.write_all(text.as_bytes()).map_err(|e| Error::io("<standard output>", e));
        if self.dry_run {
            let (plan, notes) = plan(&job)?;
            print(format!("{}\n", plan.describe(estimate::rate(&job.device)?)))?;
            notes.into_iter().try_for_each(|note| print(format!("{note}\n")))?;
            return match plan.too_large(estimate::available_mib()) {
                Some(why) => print(format!("does not fit: {why}\n")).map(|()| Exit::Failed),
                None => Ok(Exit::Ok),
            };
        }
        let turn = self.turn(&job, &interrupt)?;
        if self.wait_for_device && turn.is_none() {
            eprintln!("stopped while it waited");
            Status::left_queue(&job.out, status::asked(&job.out) == Some(status::Asked::Stop));
            return Ok(Exit::Interrupted);
        }
        let mut progress = Progress::new(std::io::stderr().is_terminal());
        let outcome = train(&job, &mut |event| progress.show(event), &|| interrupt.asked());
        progress.end();
        match outcome? {
            Outcome::Finished(summary) => print(describe(&summary)).map(|()| Exit::Ok),
            Outcome::AlreadyFinished(result) => {
                print(format!("this run is finished; the model is in {}\n", result.display()))
                    .map(|()| Exit::Ok)
            }
            Outcome::Interrupted(step) => {
                eprintln!("stopped after step {step}, saved; the same command goes on");
                Ok(Exit::Interrupted)
            }
        }
    }

    /// Waits for the device, if asked to; `None`: not asked, or stopped first.
    fn turn(&self, job: &Job, interrupt: &Interrupt) -> Result<Option<Turn>> {
        if !self.wait_for_device {
            return Ok(None);
        }
        disk::create_dir(&job.out)?;
        let queues = state_home()?.join("devices");
        let mut waiting = |before: usize| {
            let text = format!("waits for {}: {before} before it", device_name(&job.device));
            eprintln!("{text}");
            Status::queued(&job.out, &text);
        };
        let stop = || interrupt.asked() || status::asked(&job.out).is_some();
        wait_for_device(&queues, &device_name(&job.device), &mut waiting, &stop)
    }

    /// The same flags as words.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut put = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|v| [name.to_owned(), v]))
        };
        let text = |n: Option<u32>| n.map(|n| n.to_string());
        put("--steps", text(self.steps));
        put("--seed", text(self.seed));
        put("--save-every", text(self.save_every));
        put("--eval-every", text(self.eval_every));
        put("--lora", text(self.lora));
        put("--replay", self.replay.as_ref().map(|file| file.display().to_string()));
        put("--held-out", self.held_out.map(|x| x.to_string()));
        put("--epochs", self.epochs.map(|x| x.to_string()));
        put("--lr", self.lr.map(|x| x.to_string()));
        put("--warmup", self.warmup.map(|x| x.to_string()));
        words
    }

    /// Keys that flags set.
    pub(super) fn flags(&self) -> Table {
        let mut flags = Table::new();
        let mut flag =
            |key: &str, value: Option<Value>| value.and_then(|value| flags.insert(key.to_owned(), value));
        let integer = |n: Option<u32>| n.map(|n| Value::Integer(n.into()));
        flag("steps", integer(self.steps));
        flag("seed", integer(self.seed));
        flag("save-every", integer(self.save_every));
        flag("eval-every", integer(self.eval_every));
        flag("lora.rank", integer(self.lora));
        flag("replay.file", self.replay.as_ref().map(|file| Value::String(file.display().to_string())));
        flag("held-out", self.held_out.map(Value::Float));
        flag("epochs", self.epochs.map(Value::Float));
        flag("map", self.map.map.as_ref().map(|map| Value::String(map.text())));
        flag("optimizer.lr", self.lr.map(Value::Float));
        flag("schedule.warmup", self.warmup.map(Value::Float));
        flags
    }

    fn job(&self) -> Result<Job> {
        let text = match &self.config {
            Some(path) => Some((
                path.display().to_string(),
                std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?,
            )),
            None => None,
        };
        let file = text.as_ref().map(|(place, text)| (place.as_str(), text.as_str()));
        let origin = match self.model.source()? {
            ModelSource::Bundled(which) => Origin::Bundled(which),
            ModelSource::Folder(dir) => Origin::Folder(dir),
        };
        Ok(Job {
            recipe: self.recipe.clone(),
            config: Config::layered(&self.recipe, file, self.flags())
                .map_err(|error| Error::Usage(error.to_string()))?,
            origin,
            data: self.data.clone(),
            valid: self.valid.clone(),
            out: self.out.clone(),
            device: device(self.model.device()?)?,
            check_memory: !self.ignore_memory,
        })
    }
}

/// How much a run of its own session yields to others.
const YIELDS: i32 = 5;

/// Leaves the terminal's session, so that closing it ends nothing here.
fn detach() -> Result<()> {
    // The leader of a group cannot leave its session; then hanging up is ignored all the same.
    let own = rustix::process::setsid().is_ok();
    // What one looks at comes first: a critique beside it keeps most of its speed (`cargo bench --bench teach`).
    let _ = rustix::process::nice(YIELDS);
    if own {
        // Where Linux shares the processors among sessions, the session's own number counts.
        let _ = std::fs::write("/proc/self/autogroup", YIELDS.to_string());
    }
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default())
        .map(|_| ())
        .map_err(|e| Error::io("<signal handler>", e))
}

/// A bar on a terminal, now and then a line elsewhere; on standard error.
struct Progress {
    bar: Option<ProgressBar>,
    steps: usize,
    last: Option<Instant>,
}

impl Progress {
    fn new(terminal: bool) -> Self {
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = "{bar:30} {pos}/{len} {msg} {eta}";
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar, steps: 0, last: None }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Note(text) => self.say(text),
            Event::Started { step, steps } => {
                self.steps = *steps;
                if let Some(bar) = &self.bar {
                    bar.set_length(*steps as u64);
                    bar.set_position(*step as u64);
                    bar.reset_eta();
                }
            }
            Event::Step(record) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(record.step as u64);
                    bar.set_message(numbers(record));
                } else if record.step == self.steps || self.last.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
                    self.last = Some(Instant::now());
                    self.say(&format!("step {}/{} {}", record.step, self.steps, numbers(record)));
                }
            }
            Event::Saved(step) => {
                if self.bar.is_none() {
                    self.say(&format!("saved step {step}"));
                }
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `loss 1.234 accuracy 0.75 margin 0.31 lr 1.0e-5 16k tok/s`.
fn numbers(r: &Record) -> String {
    let mut text = format!("loss {:.4}", r.loss);
    // Writing to a String does not fail.
    if let Some(accuracy) = r.accuracy {
        let _ = write!(text, " accuracy {accuracy:.2}");
    }
    if let Some(margin) = r.margin {
        let _ = write!(text, " margin {margin:.3}");
    }
    if let Some(eval) = &r.eval {
        let _ = write!(text, " eval_loss {:.4}", eval.eval_loss);
    }
    let _ = write!(text, " lr {:.2e} {:.0} tok/s", r.lr, r.tokens_per_second);
    text
}

fn describe(s: &Summary) -> String {
    let arrow = |name: &str, first: Option<f64>, last: Option<f64>| match (first, last) {
        (Some(first), Some(last)) => format!("{name} {first:.4} -> {last:.4}\n"),
        _ => String::new(),
    };
    format!(
        "{} steps on {} pairs, {} tokens in {:.0} s ({:.0} tok/s)\n{}{}{}{}model: {}\n",
        s.steps,
        s.pairs,
        s.tokens,
        s.seconds,
        s.tokens as f64 / s.seconds.max(1e-9),
        arrow("loss", Some(s.first.0), Some(s.last.0)),
        arrow("accuracy", s.first.1, s.last.1),
        arrow("margin", s.first.2, s.last.2),
        s.ended.as_ref().map(|why| format!("{why}\n")).unwrap_or_default(),
        s.result.display(),
    )
}
