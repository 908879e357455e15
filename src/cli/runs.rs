//! `outloud runs`: training runs as jobs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Exit;
use super::interrupt::Interrupt;
use crate::runs::{Known, Launch, Registry, Started, all, changed, run_folder};
use crate::train::run::metrics::{Record, Tail};
use crate::train::run::status::{self, Asked, State};
use crate::{Error, Result};

/// How often a watched run is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RunsCommand,
}

/// How a run is started.
#[derive(Clone, Debug, Args)]
pub struct How {
    /// local, command, ssh, slurm, ray, or NAME.toml of yours in the configuration folder's `launchers`
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub launcher: String,
    /// A value for the launcher: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Start a run that outlives this terminal: outloud runs start -- train --recipe cloud ...
    Start {
        /// Where and how.
        #[command(flatten)]
        how: How,
        /// Words of `outloud train`
        #[arg(last = true, required = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// The runs there are, those heard of last first
    List {
        /// Folders of runs; default: those started or watched by you
        #[arg(value_name = "DIR")]
        runs: Vec<PathBuf>,
        /// One JSON object a run
        #[arg(long)]
        json: bool,
    },
    /// Watch a run until it ends; Ctrl-C leaves it alone
    Attach {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// Save and end after the step in hand; `resume` goes on
    Pause {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// Go on with a run that is paused or dead
    Resume {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// End for good after the step in hand, with result/ from the weights there are
    Stop {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// The same run in another folder, with other flags: outloud runs clone DIR --out NEW -- --lr 1e-5
    Clone {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
        /// The new run's folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Flags that win over those of the run
        #[arg(last = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Bring the folder of a run on another machine here
    Fetch {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// Take a run off the list; its folder stays
    Forget {
        /// The run's folder
        #[arg(value_name = "DIR")]
        run: PathBuf,
    },
    /// The launchers there are
    Launchers,
}

impl RunsArgs {
    /// Does it.
    ///
    /// # Errors
    /// `Usage` for a run in a state that does not allow it; what the launcher says.
    pub fn run(self) -> Result<Exit> {
        let folder = etcetera::choose_base_strategy().ok();
        let folder = folder.map(|s| etcetera::BaseStrategy::config_dir(&s).join("outloud").join("launchers"));
        let launchers = folder.as_deref();
        match self.command {
            RunsCommand::Start { how, words } => begin(words, how, launchers),
            RunsCommand::List { runs, json } => list(&runs, json),
            RunsCommand::Attach { run } => attach(&run),
            RunsCommand::Pause { run } => ask(&run, Asked::Pause, launchers),
            RunsCommand::Stop { run } => ask(&run, Asked::Stop, launchers),
            RunsCommand::Resume { run } => resume(&run, launchers),
            RunsCommand::Clone { run, out, words } => {
                let launch = launch_of(&run)?;
                let out = std::path::absolute(&out).map_err(|e| Error::io(&out, e))?;
                if out.exists() {
                    return Err(Error::Usage(format!("{}: there already; give a new folder", out.display())));
                }
                start(Launch { args: changed(&launch.args, &out, &words), job: None, ..launch }, launchers)
            }
            RunsCommand::Fetch { run } => {
                let here = !launch_of(&run)?.fetch(&run, launchers)?;
                say(if here { "its folder is here" } else { "fetched" })
            }
            RunsCommand::Forget { run } => Registry::of_user()?.forget(&run).map(|()| Exit::Ok),
            RunsCommand::Launchers => {
                for (name, launcher) in all(launchers) {
                    let missing = launcher.missing();
                    let lacks = if missing.is_empty() {
                        String::new()
                    } else {
                        format!(" (not here: {})", missing.join(", "))
                    };
                    say(&format!("{name:8} {}{lacks}", launcher.about))?;
                }
                Ok(Exit::Ok)
            }
        }
    }
}

fn say(text: &str) -> Result<Exit> {
    writeln!(std::io::stdout(), "{text}").map(|()| Exit::Ok).map_err(|e| Error::io("<standard output>", e))
}

fn begin(mut words: Vec<String>, how: How, launchers: Option<&Path>) -> Result<Exit> {
    if words.first().is_some_and(|w| w != "train") {
        words.insert(0, "train".into());
    }
    let mut set = BTreeMap::new();
    for pair in &how.set {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::Usage(format!("--set {pair}: expected NAME=VALUE")));
        };
        set.insert(name.to_owned(), value.to_owned());
    }
    // What is wrong with the words is said here rather than in a log.
    let parsed = <super::Cli as clap::Parser>::try_parse_from(
        std::iter::once("outloud").chain(words.iter().map(String::as_str)),
    );
    if let Err(error) = parsed {
        return Err(Error::Usage(error.to_string().trim().to_owned()));
    }
    let cwd = std::env::current_dir().map_err(|e| Error::io(".", e))?;
    start(Launch { args: words, cwd, launcher: how.launcher, set, job: None }, launchers)
}

fn start(launch: Launch, launchers: Option<&Path>) -> Result<Exit> {
    let run = run_folder(&launch.args, &launch.cwd)?;
    if matches!(status::state(&run), State::Running | State::Slow | State::Queued) {
        return Err(Error::Usage(format!(
            "{}: this run is at work; `outloud runs attach` watches it",
            run.display()
        )));
    }
    // What is in the folder is of an earlier process.
    let _ = std::fs::remove_file(run.join(status::STATUS));
    let started = launch.start(launchers)?;
    Registry::of_user()?.add(&run)?;
    let what = match started {
        Started::Process(pid) => format!("process {pid}"),
        Started::Job(job) if job.is_empty() => "started".to_owned(),
        Started::Job(job) => format!("job {job}"),
    };
    say(&format!("{}: {what}", run.display()))
}

fn launch_of(run: &Path) -> Result<Launch> {
    Launch::read(run)?.ok_or_else(|| {
        Error::invalid(
            run.display().to_string(),
            "no launch.json",
            "a run that `outloud runs start` began",
            "Give the command of `outloud train` again: it goes on where the run stands.",
        )
    })
}

fn resume(run: &Path, launchers: Option<&Path>) -> Result<Exit> {
    match status::state(run) {
        State::Finished => Err(Error::Usage(format!("{}: this run is finished", run.display()))),
        State::Running | State::Slow | State::Queued => {
            Err(Error::Usage(format!("{}: this run is at work", run.display())))
        }
        _ => start(launch_of(run)?, launchers),
    }
}

fn ask(run: &Path, what: Asked, launchers: Option<&Path>) -> Result<Exit> {
    match status::state(run) {
        State::Running | State::Slow | State::Queued => {
            crate::runs::ask(run, Launch::read(run)?.as_ref(), what, launchers)?;
            say("asked; it ends after the step in hand")
        }
        State::Silent | State::New if run.is_dir() => {
            let told = crate::runs::ask(run, Some(&launch_of(run)?), what, launchers)?;
            say(if told { "asked, and the launcher was told" } else { "asked" })
        }
        State::Paused | State::Dead if what == Asked::Stop => {
            Err(Error::Usage(format!("{}: not at work; resume it first, then stop it", run.display())))
        }
        other => {
            Err(Error::Usage(format!("{}: nothing to ask of a run that is {}", run.display(), name(other))))
        }
    }
}

fn name(state: State) -> String {
    serde_json::to_value(state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list(runs: &[PathBuf], json: bool) -> Result<Exit> {
    let known = if runs.is_empty() {
        Registry::of_user()?.list()
    } else {
        runs.iter().map(|run| Known::look(run)).collect()
    };
    for one in known {
        if json {
            say(&serde_json::to_string(&one).map_err(|e| Error::Usage(e.to_string()))?)?;
            continue;
        }
        let (steps, more) = one.report.as_ref().map_or_else(Default::default, |r| {
            let eta = r.eta_s.filter(|_| one.state == State::Running).map(|s| format!("{s:.0} s to go"));
            (format!("{}/{}", r.step, r.steps), eta.unwrap_or_else(|| r.message.clone()))
        });
        say(&format!("{:9} {steps:>11} {} {more}", name(one.state), one.run.display()))?;
    }
    Ok(Exit::Ok)
}

/// Prints what is new until the run ends: status from its folder alone.
fn attach(run: &Path) -> Result<Exit> {
    if !run.is_dir() {
        return Err(Error::io(run, std::io::ErrorKind::NotFound.into()));
    }
    Registry::of_user()?.add(run)?;
    let interrupt = Interrupt::listen()?;
    let (mut tail, mut seen) = (Tail::default(), 0);
    loop {
        let state = status::state(run);
        let (_, records) = tail.read(&run.join("metrics.jsonl")).unwrap_or_default();
        for record in records.iter().filter(|r| r.step > seen) {
            say(&line(record))?;
        }
        seen = seen.max(tail.step());
        match state {
            State::Running | State::Slow | State::Queued | State::New | State::Silent
                if !interrupt.asked() => {}
            State::Finished => return say("finished"),
            State::Running | State::Slow | State::Queued | State::New | State::Silent => {
                return say(&format!("left alone, {}", name(state)));
            }
            State::Paused | State::Dead | State::Failed | State::Stopped => {
                let message = status::read(run).map(|r| r.message).unwrap_or_default();
                say(&format!("{}: {message}", name(state)))?;
                return Ok(Exit::Failed);
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn line(r: &Record) -> String {
    let number =
        |name: &str, value: Option<f64>| value.map(|v| format!(" {name} {v:.4}")).unwrap_or_default();
    let eval = r.eval.as_ref();
    format!(
        "step {} loss {:.4}{}{}{}{}",
        r.step,
        r.loss,
        number("accuracy", r.accuracy),
        number("margin", r.margin),
        number("eval_loss", eval.map(|e| e.eval_loss)),
        number("eval_accuracy", eval.and_then(|e| e.eval_accuracy)),
    )
}
