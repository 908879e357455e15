//! status.json: what a run is doing, and which process does it; `request`: what is asked of it. Written often, read by others.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Event, Outcome};
use crate::{Result, disk};

/// The file.
pub const STATUS: &str = "status.json";
const REQUEST: &str = "request";
/// How often the file is written while steps are made.
const EVERY: Duration = Duration::from_secs(2);
/// A run on another machine that was silent for so long is not heard of any more.
const SILENT: f64 = 60.0;

/// What a run says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting for a device.
    Queued,
    /// Reading, loading.
    Starting,
    /// Making steps.
    Running,
    /// Ended after a step that is saved; the same command goes on.
    Paused,
    /// Done: `result/` is there.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended for good before it began: no step was made.
    Stopped,
}

/// Which process, so that no other is taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The machine.
    pub host: String,
    /// Of the machine's last start; empty where the system does not tell.
    pub boot: String,
    /// The number.
    pub pid: u32,
    /// When it was started, in ticks since the machine's start; 0 where the system does not tell.
    pub started: u64,
}

/// What status.json holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it does.
    pub phase: Phase,
    /// Why it ended, for phases that are ends.
    #[serde(default)]
    pub message: String,
    /// Who does it.
    pub process: ProcessId,
    /// Steps made.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Seconds to go, by the last steps.
    pub eta_s: Option<f64>,
    /// Seconds a step takes.
    pub step_s: Option<f64>,
    /// When this was written, seconds since 1970.
    pub updated: f64,
    /// What the run said before this process, which has made no step yet: it stands if this one comes to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Self>>,
}

/// What a run is, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing was heard of it yet.
    New,
    /// Waiting for a device.
    Queued,
    /// At work.
    Running,
    /// Its process is there, but it has not said anything for long.
    Slow,
    /// Saved; goes on when told.
    Paused,
    /// Its process is gone without a word: it can be resumed.
    Dead,
    /// On another machine, and not heard of for long: dead, or cut off.
    Silent,
    /// Done.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended for good before its first step.
    Stopped,
}

/// What is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Save and end; it goes on when told.
    Pause,
    /// End for good: `result/` from the weights there are.
    Stop,
}

impl ProcessId {
    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { host: host(), boot: boot(), pid, started: started(pid).unwrap_or_default() }
    }

    /// Whether the process is alive; `None`: on another machine, so nobody here knows.
    pub fn alive(&self) -> Option<bool> {
        if self.host != host() {
            return None;
        }
        if self.boot != boot() {
            return Some(false);
        }
        match started(self.pid) {
            Some(started) => Some(started == self.started),
            None if Path::new("/proc/self/stat").exists() => Some(false),
            None => None,
        }
    }
}

/// The machine's name.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().filter(|n| !n.trim().is_empty());
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "localhost".into());
    name.trim().to_owned()
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|t| t.trim().to_owned())
        .unwrap_or_default()
}

/// Field 22 of /proc/PID/stat; the name before it may hold anything, so counting begins behind its last bracket. A zombie
/// is no process at work.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// The writer of status.json. It is a report, not a record: what cannot be written is left out.
#[derive(Debug)]
pub struct Status {
    path: PathBuf,
    report: Report,
    written: Option<Instant>,
}

impl Status {
    /// Says that this process begins, and forgets what was asked of the one before.
    pub fn begin(out: &Path) -> Self {
        let _ = std::fs::remove_file(out.join(REQUEST));
        let before =
            read(out).and_then(|last| if last.steps > 0 { Some(Box::new(last)) } else { last.before });
        let report = Report {
            before,
            phase: Phase::Starting,
            message: String::new(),
            process: ProcessId::own(),
            step: 0,
            steps: 0,
            eta_s: None,
            step_s: None,
            updated: 0.0,
        };
        let mut status = Self { path: out.join(STATUS), report, written: None };
        status.write();
        status
    }

    /// Says that this process waits.
    pub fn queued(out: &Path, message: &str) {
        let mut status = Self::begin(out);
        status.report.phase = Phase::Queued;
        status.report.message = message.to_owned();
        status.write();
    }

    /// Takes what happens.
    pub fn saw(&mut self, event: &Event) {
        let r = &mut self.report;
        match event {
            Event::Started { step, steps } => {
                (r.phase, r.step, r.steps, r.before) = (Phase::Running, *step, *steps, None);
            }
            Event::Step(record) => {
                r.step = record.step;
                let mean = r.step_s.map_or(record.seconds, |s| 0.9 * s + 0.1 * record.seconds);
                (r.step_s, r.eta_s) = (Some(mean), Some(mean * r.steps.saturating_sub(r.step) as f64));
                if self.written.is_some_and(|at| at.elapsed() < EVERY) {
                    return;
                }
            }
            Event::Note(_) | Event::Saved(_) => return,
        }
        self.write();
    }

    /// Says how it ended.
    pub fn end(&mut self, outcome: &Result<Outcome>) {
        if !matches!(outcome, Ok(Outcome::Finished(_) | Outcome::Interrupted(_))) && self.back() {
            return;
        }
        let r = &mut self.report;
        (r.phase, r.message) = match outcome {
            Ok(Outcome::Finished(summary)) => (Phase::Finished, summary.ended.clone().unwrap_or_default()),
            Ok(Outcome::AlreadyFinished(_)) => (Phase::Finished, String::new()),
            Ok(Outcome::Interrupted(step)) => (Phase::Paused, format!("saved at step {step}")),
            Err(error) => (Phase::Failed, error.to_string()),
        };
        r.eta_s = None;
        self.write();
    }

    /// Says that this process waited and was told to end; `stop`: for good.
    pub fn left_queue(out: &Path, stop: bool) {
        let mut status = Self::begin(out);
        if status.back() {
            return;
        }
        (status.report.phase, status.report.message) = if stop {
            (Phase::Stopped, "stopped while it waited, before its first step".into())
        } else {
            (Phase::Paused, "it waited; no step is made yet".into())
        };
        status.write();
    }

    /// Says that a start failed before the run could say anything. A folder that is not there, or that another process
    /// speaks for, is left as it is.
    pub fn failed(out: &Path, why: &str) {
        // Who made steps has said how it ended.
        let free = read(out).is_none_or(|report| {
            report.steps == 0 && (report.process == ProcessId::own() || report.process.alive() == Some(false))
        });
        if free && out.is_dir() {
            let mut status = Self::begin(out);
            if !status.back() {
                (status.report.phase, status.report.message) = (Phase::Failed, why.trim().to_owned());
                status.write();
            }
        }
    }

    /// What stood before this process stands again, if there was something.
    fn back(&mut self) -> bool {
        let Some(before) = self.report.before.take() else { return false };
        self.report = *before;
        if let Ok(text) = serde_json::to_vec_pretty(&self.report) {
            let _ = disk::place(&self.path, &text);
        }
        true
    }

    fn write(&mut self) {
        self.report.updated = now();
        self.written = Some(Instant::now());
        if let Ok(text) = serde_json::to_vec_pretty(&self.report) {
            let _ = disk::place(&self.path, &text);
        }
    }
}

/// What a run said last; `None`: nothing, or nothing that can be read.
pub fn read(out: &Path) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(out.join(STATUS)).ok()?).ok()
}

/// What a run is, by what it said and by its process.
pub fn state(out: &Path) -> State {
    let Some(report) = read(out) else { return State::New };
    let quiet = now() - report.updated;
    let patient = SILENT + 10.0 * report.step_s.unwrap_or_default();
    match (report.phase, report.process.alive()) {
        (Phase::Finished, _) => State::Finished,
        (Phase::Failed, _) => State::Failed,
        (Phase::Stopped, _) => State::Stopped,
        (Phase::Paused, _) => State::Paused,
        (_, Some(false)) => State::Dead,
        (Phase::Queued, Some(true)) => State::Queued,
        (_, Some(true)) if quiet > patient => State::Slow,
        (_, None) if quiet > patient => State::Silent,
        (Phase::Queued, None) => State::Queued,
        (Phase::Starting | Phase::Running, _) => State::Running,
    }
}

/// Asks something of a run; it looks after each step.
///
/// # Errors
/// When the folder cannot be written.
pub fn ask(out: &Path, what: Asked) -> Result<()> {
    disk::place(&out.join(REQUEST), word(what).as_bytes())
}

/// As it is written.
pub fn word(what: Asked) -> &'static str {
    match what {
        Asked::Pause => "pause",
        Asked::Stop => "stop",
    }
}

/// What is asked of the run in this folder.
pub fn asked(out: &Path) -> Option<Asked> {
    match std::fs::read_to_string(out.join(REQUEST)).ok()?.trim() {
        "pause" => Some(Asked::Pause),
        "stop" => Some(Asked::Stop),
        _ => None,
    }
}
