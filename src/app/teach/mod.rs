//! Training runs as the Teach screen sees them: what their folders say, what was asked of them, what is being set up.

mod command;
mod curves;
mod field;
mod form;
mod judged;

use std::path::{Path, PathBuf};

pub use curves::{CURVES, Curve, Line, Tint, smoothed};
pub use field::{FIELDS, Field};
pub use form::{CHOSEN, Form, Picked, Place, Plan};
pub use judged::{Judged, Set, Show};

pub use crate::eval::before_after::{Change, Comparison, Pair};
pub use crate::eval::statistics::Estimate;
pub use crate::train::run::Record;
pub use crate::train::run::samples::Sample;
pub use crate::train::run::status::State as RunState;

/// A run, as its folder tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its folder.
    pub path: PathBuf,
    /// Its name in the list.
    pub name: String,
    /// What it is.
    pub state: RunState,
    /// What it said last: why it waits or ended.
    pub message: String,
    /// Name of the recipe; empty where nobody wrote it down.
    pub recipe: String,
    /// The starting model.
    pub base: String,
    /// Files of rows.
    pub data: Vec<PathBuf>,
    /// Share of the rows that are held out.
    pub held_out: f64,
    /// Steps made, and in all.
    pub step: usize,
    /// See `step`.
    pub steps: usize,
    /// Seconds to go, by the last steps.
    pub eta_s: Option<f64>,
    /// The machine.
    pub host: String,
    /// Words it was started with; empty where it was not started as a job.
    pub words: Vec<String>,
    /// The launcher it was started by, and the values for it.
    pub launcher: (String, Vec<(String, String)>),
    /// Memory and time as estimated before, and as the first steps corrected them.
    pub estimate: Option<String>,
    /// See `estimate`.
    pub corrected: Option<String>,
    /// Name under which its result was kept.
    pub kept: Option<String>,
    /// What its steps measured.
    pub records: Vec<Record>,
    /// Critiques of rows held out, as the model wrote them at its evaluations.
    pub samples: Vec<Sample>,
}

impl Run {
    /// A run of which only its folder is known.
    pub fn new(path: PathBuf, name: String) -> Self {
        Self {
            path,
            name,
            state: RunState::New,
            message: String::new(),
            recipe: String::new(),
            base: String::new(),
            data: Vec::new(),
            held_out: 0.0,
            step: 0,
            steps: 0,
            eta_s: None,
            host: String::new(),
            words: Vec::new(),
            launcher: ("local".into(), Vec::new()),
            estimate: None,
            corrected: None,
            kept: None,
            records: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Whether a process is at it, as far as is known.
    pub fn is_at_work(&self) -> bool {
        matches!(self.state, RunState::Running | RunState::Slow | RunState::Queued)
    }

    /// Whether it can go on when told.
    pub fn can_resume(&self) -> bool {
        matches!(
            self.state,
            RunState::Paused
                | RunState::Dead
                | RunState::Failed
                | RunState::Silent
                | RunState::New
                | RunState::Stopped
        )
    }

    /// The state in a word, with what it ended for.
    pub fn word(&self) -> &'static str {
        let has = |text: &str| self.message.contains(text);
        match self.state {
            RunState::New => "new",
            RunState::Queued => "queued",
            RunState::Running if self.step == 0 => "starting",
            RunState::Running => "running",
            RunState::Slow => "slow",
            RunState::Paused => "paused",
            RunState::Dead => "dead",
            RunState::Silent => "silent",
            RunState::Stopped => "stopped",
            RunState::Finished if has("overfitting") => "overfit",
            RunState::Finished if has("stopped at") => "stopped",
            RunState::Finished => "done",
            RunState::Failed if has("exploding") => "exploded",
            RunState::Failed if has("finite numbers") => "NaN",
            RunState::Failed => "failed",
        }
    }

    /// What the state means, in a sentence.
    pub fn meaning(&self) -> String {
        let why = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        match self.state {
            RunState::New => "nothing was heard of it yet".to_owned(),
            RunState::Queued => format!("waits for its device{why}"),
            RunState::Running => match self.eta_s {
                Some(eta) => format!("about {} to go", clock(eta)),
                None => "begins".to_owned(),
            },
            RunState::Slow => {
                "its process lives, but has not said anything for long: slow, not dead".to_owned()
            }
            RunState::Paused => format!("paused{why}; r goes on"),
            RunState::Dead => {
                "its process is gone without a word; r goes on from its last checkpoint".to_owned()
            }
            RunState::Silent => format!("on {}, not heard of for long: dead, or cut off", self.host),
            RunState::Finished => format!("finished{why}"),
            RunState::Failed => format!("failed{why}"),
            RunState::Stopped => format!("{}; r puts it back", self.message),
        }
    }

    /// The folder of the trained model.
    pub fn result(&self) -> PathBuf {
        self.path.join("result")
    }

    /// The newest evaluation.
    pub fn evaluated(&self) -> Option<&Record> {
        self.records.iter().rev().find(|r| r.eval.is_some())
    }
}

/// `1 h 02 min`, `3 min`, `12 s`.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=90 => format!("{whole} s"),
        91..=5399 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A pane of the Teach screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TeachPane {
    /// The list of runs.
    #[default]
    Runs,
    /// Charts.
    Charts,
    /// Critiques of rows held out.
    Critiques,
}

/// The Teach screen.
#[derive(Clone, Debug, Default)]
pub struct Teach {
    /// The runs there are, those heard of last first.
    pub runs: Vec<Run>,
    /// Whether the folders were looked at.
    pub looked: bool,
    /// The picked run.
    pub picked: Option<PathBuf>,
    /// Runs drawn over it, in the order they were marked.
    pub over: Vec<PathBuf>,
    /// The pane with the focus.
    pub pane: TeachPane,
    /// The first chart that is shown, or the one that fills the screen.
    pub chart: usize,
    /// One chart fills the screen.
    pub zoom: bool,
    /// Index into [`SMOOTH`].
    pub smooth: usize,
    /// Losses and norms on a logarithmic scale.
    pub log: bool,
    /// The held-out row whose critiques are shown, and the evaluation (counted back from the newest).
    pub sample: (usize, usize),
    /// What was set up last, for the next dialog.
    pub form: Option<Form>,
    /// What the dialog's settings would take.
    pub plan: Plan,
    /// Both models over the same rows.
    pub judged: Option<Judged>,
    /// The run that goes if it is asked for once more.
    pub doomed: Option<PathBuf>,
    /// Folder of the session's runs; `None` until it is known.
    pub folder: Option<PathBuf>,
    /// Rows of the opened files.
    pub files: Vec<PathBuf>,
    /// The launchers there are.
    pub places: Vec<Place>,
    /// The session's models: those that were kept.
    pub models: Vec<KeptModel>,
    /// What is still to be written into the session, which is being opened.
    pub unsaid: Vec<crate::session::Model>,
}

/// Weights of what was before, for smoothing.
pub const SMOOTH: [f64; 4] = [0.0, 0.6, 0.9, 0.97];

impl Teach {
    /// The picked run's place.
    pub fn place(&self) -> Option<usize> {
        if self.runs.is_empty() {
            return None;
        }
        let place = self.picked.as_ref().and_then(|path| self.runs.iter().position(|run| run.path == *path));
        Some(place.unwrap_or(0))
    }

    /// The picked run.
    pub fn run(&self) -> Option<&Run> {
        self.runs.get(self.place()?)
    }

    /// The run of a folder.
    pub fn run_at(&self, path: &Path) -> Option<&Run> {
        self.runs.iter().find(|run| run.path == *path)
    }

    /// The picked run and those drawn over it.
    pub fn shown(&self) -> Vec<&Run> {
        let first = self.run();
        let others = self.over.iter().filter_map(|path| self.run_at(path));
        first.into_iter().chain(others.filter(|run| first.is_none_or(|f| f.path != run.path))).collect()
    }

    /// How far the runs at work are together, from 0 to 1; `None` when none is.
    pub fn progress(&self) -> Option<f64> {
        let at_work: Vec<&Run> = self.runs.iter().filter(|run| run.is_at_work()).collect();
        let (step, steps) = at_work.iter().fold((0, 0), |(a, b), run| (a + run.step, b + run.steps));
        (!at_work.is_empty()).then(|| step as f64 / steps.max(1) as f64)
    }
}

/// A model of the session's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptModel {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it came from, in a line.
    pub about: String,
}

/// What is asked of the thread that looks after runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Look at the runs, now and from then on while the screen is shown.
    Watch(bool),
    /// A folder of a run, or of runs, to be looked at too.
    Add(PathBuf),
    /// What this would take.
    Plan(Box<Form>),
    /// Begin it.
    Start(Box<Form>),
    /// Save and end after the step in hand.
    Pause(PathBuf),
    /// End for good, with a result.
    Stop(PathBuf),
    /// Go on.
    Resume(PathBuf),
    /// Judge the same rows with the model a run began with and with the one it made.
    Judge(PathBuf),
    /// Keep a run's result under a name.
    Keep(PathBuf, String),
    /// Remove a run's folder.
    Drop(PathBuf),
    /// Which models were kept.
    Models,
    /// Remove a kept model.
    DropModel(PathBuf),
    /// Give up what is being judged or estimated.
    Cancel,
}

/// What the thread that looks after runs tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Where runs of this session are, the files of the opened rows, the launchers there are.
    Here(PathBuf, Vec<PathBuf>, Vec<Place>),
    /// The runs there are now, in order; what they measured and wrote comes on its own.
    Runs(Vec<Run>),
    /// Records of a run from this place on; what was there from it is gone.
    Records(PathBuf, usize, Vec<Record>),
    /// Critiques a run's model wrote, all of them.
    Samples(PathBuf, Vec<Sample>),
    /// What a form would take, or why not.
    Planned(std::result::Result<String, String>),
    /// A run began.
    Started(PathBuf),
    /// What comes of judging: a few words on the way.
    Judging(String),
    /// Both models over the same rows.
    Judged(std::result::Result<Vec<Set>, String>),
    /// The session's models.
    Models(Vec<KeptModel>),
    /// A model was kept, or dropped: for the session's journal.
    Model(Box<crate::session::Model>),
    /// Something to be said.
    Note(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_ended_for_is_said_in_a_word() {
        let mut run = Run::new("a".into(), "a".into());
        for (state, message, word) in [
            (RunState::Failed, "step 5: exploding gradients: a norm of 1e9", "exploded"),
            (RunState::Failed, "step 5: loss NaN; expected finite numbers", "NaN"),
            (RunState::Failed, "the disk is full", "failed"),
            (RunState::Finished, "overfitting: the loss has not fallen", "overfit"),
            (RunState::Finished, "stopped at step 7 as asked", "stopped"),
            (RunState::Finished, "", "done"),
            (RunState::Slow, "", "slow"),
            (RunState::Dead, "", "dead"),
        ] {
            (run.state, run.message) = (state, message.into());
            assert_eq!(run.word(), word);
        }
    }
}
