//! A start: the words of `outloud train`, kept in the run's folder so that it can be started again, and the job they became.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::launcher::{Launcher, quote};
use crate::train::run::status::{self, Asked, State};
use crate::{Error, Result, disk};

const FILE: &str = "launch.json";
/// What a started process prints.
pub const CONSOLE: &str = "console.log";
/// A process that lives so long has begun well.
const SETTLED: Duration = Duration::from_millis(1500);

/// How a run was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Words after the program's name, `train` the first.
    pub args: Vec<String>,
    /// Where they were given.
    pub cwd: PathBuf,
    /// Name of the launcher.
    pub launcher: String,
    /// Values for it.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// What the launcher said the job is called.
    #[serde(default)]
    pub job: Option<String>,
}

/// What a start came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// A process of this machine.
    Process(u32),
    /// A job of the launcher.
    Job(String),
}

/// The folder that `--out` names among some words.
///
/// # Errors
/// [`Error::Usage`] when there is none.
pub fn run_folder(args: &[String], cwd: &Path) -> Result<PathBuf> {
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value =
            if word == "--out" { words.next().map(String::as_str) } else { word.strip_prefix("--out=") };
        if let Some(value) = value {
            return Ok(cwd.join(value));
        }
    }
    Err(Error::Usage("the words of `outloud train` name no folder: --out DIR".into()))
}

/// The words of a run for another folder, with further ones, which win over those there are.
pub fn changed(args: &[String], out: &Path, more: &[String]) -> Vec<String> {
    let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    let replaced: Vec<String> = more.iter().filter(|w| w.starts_with("--")).map(|w| name(w)).collect();
    let mut words = Vec::new();
    let mut skip = false;
    for word in args {
        if word.starts_with("--") {
            skip = name(word) == "--out" || replaced.contains(&name(word));
        }
        if !skip {
            words.push(word.clone());
        }
    }
    words.extend(["--out".to_owned(), out.display().to_string()]);
    words.extend(more.iter().cloned());
    words
}

impl Launch {
    /// How the run in a folder was started; `None` if nobody wrote it down.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a file that is none.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let path = run.join(FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| {
                Error::invalid(
                    path.display().to_string(),
                    e.to_string(),
                    "how the run was started",
                    "Start it anew.",
                )
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, e)),
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::Usage(e.to_string()))?;
        disk::replace(&run.join(FILE), &text)
    }

    fn values(&self, launcher: &Launcher, run: &Path) -> Result<BTreeMap<String, String>> {
        let exe = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
        let exe = exe.display().to_string();
        let words = self.args.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
        let name = run.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned());
        let mut values = launcher.set.clone();
        for (key, value) in &self.set {
            if !launcher.set.contains_key(key) {
                let known = launcher.set.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(Error::Usage(format!(
                    "launcher {} has no value `{key}`; it has {}",
                    self.launcher,
                    if known.is_empty() { "none" } else { &known }
                )));
            }
            values.insert(key.clone(), value.clone());
        }
        values.extend([
            ("command".to_owned(), format!("{} {words}", quote(&exe))),
            ("words".to_owned(), words),
            ("exe".to_owned(), exe),
            ("run".to_owned(), run.display().to_string()),
            ("name".to_owned(), name),
            ("cwd".to_owned(), self.cwd.display().to_string()),
            ("quoted_run".to_owned(), quote(&run.display().to_string())),
            ("quoted_cwd".to_owned(), quote(&self.cwd.display().to_string())),
            ("stamp".to_owned(), stamp().to_string()),
            ("job".to_owned(), self.job.clone().unwrap_or_default()),
        ]);
        Ok(values)
    }

    /// Starts it, and writes down how.
    ///
    /// # Errors
    /// [`Error::Usage`] when a program or value is missing; [`Error::Invalid`] when the start failed, with what was printed.
    pub fn start(mut self, launchers: Option<&Path>) -> Result<Started> {
        let run = run_folder(&self.args, &self.cwd)?;
        let launcher = Launcher::named(&self.launcher, launchers)?;
        let missing = launcher.missing();
        if !missing.is_empty() {
            return Err(Error::Usage(format!(
                "launcher {} needs what is not on this machine: {}",
                self.launcher,
                missing.join(", ")
            )));
        }
        let mut args = self.args.clone();
        if launcher.detach {
            args.push("--detached".into());
        }
        let words = launcher.words(&launcher.start, &self.values(&launcher, &run)?, &args)?;
        disk::create_dir(&run)?;
        self.job = None;
        self.write(&run)?;
        let console = run.join(CONSOLE);
        let (program, rest) =
            words.split_first().ok_or_else(|| Error::Usage("a launcher without words".into()))?;
        let mut command = Command::new(program);
        command.args(rest).current_dir(&self.cwd).stdin(Stdio::null());
        if launcher.detach {
            let open = || OpenOptions::new().create(true).append(true).open(&console);
            let (out, err) = (open(), open());
            let before = std::fs::metadata(&console).map_or(0, |m| m.len());
            command.stdout(out.map_err(|e| disk::failed(&console, e))?);
            command.stderr(err.map_err(|e| disk::failed(&console, e))?);
            let spawned = command.spawn().map_err(|e| Error::io(program, e));
            let mut child = spawned.inspect_err(|e| status::Status::failed(&run, &e.to_string()))?;
            let begun = Instant::now();
            while begun.elapsed() < SETTLED && status::read(&run).is_none_or(|r| r.process.pid != child.id())
            {
                if let Ok(Some(ended)) = child.try_wait() {
                    if ended.success() {
                        break;
                    }
                    return Err(failed_start(&run, &format!("{ended}: {}", tail(&console, before))));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(Started::Process(child.id()));
        }
        let output = command.output().map_err(|e| Error::io(program, e))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let err = String::from_utf8_lossy(&output.stderr);
            return Err(failed_start(
                &run,
                &format!("{program}, {}: {}", output.status, last(&format!("{said}\n{err}"))),
            ));
        }
        let job = said.split_whitespace().next_back().unwrap_or_default().to_owned();
        self.job = Some(job.clone());
        self.write(&run)?;
        Ok(Started::Job(job))
    }

    /// Runs the launcher's command that brings the folder here; `false`: it has none, the folder is here already.
    ///
    /// # Errors
    /// When the command fails.
    pub fn fetch(&self, run: &Path, launchers: Option<&Path>) -> Result<bool> {
        self.other(run, launchers, "", |launcher| &launcher.fetch)
    }

    /// Whether the run's folder is elsewhere, so that what is written here is not seen there.
    fn is_elsewhere(&self, launchers: Option<&Path>) -> Result<bool> {
        Ok(!Launcher::named(&self.launcher, launchers)?.fetch.is_empty())
    }

    fn other(
        &self,
        run: &Path,
        launchers: Option<&Path>,
        asked: &str,
        which: impl Fn(&Launcher) -> &Vec<String>,
    ) -> Result<bool> {
        let launcher = Launcher::named(&self.launcher, launchers)?;
        let run = &std::path::absolute(run).map_err(|e| Error::io(run, e))?;
        let mut values = self.values(&launcher, run)?;
        values.insert("asked".into(), asked.to_owned());
        let words = launcher.words(which(&launcher), &values, &[])?;
        let Some((program, rest)) = words.split_first() else { return Ok(false) };
        let output = Command::new(program).args(rest).stdin(Stdio::null()).output();
        let output = output.map_err(|e| Error::io(program, e))?;
        if output.status.success() {
            return Ok(true);
        }
        let err = String::from_utf8_lossy(&output.stderr);
        let what = format!("launcher {}: {}, {}: {}", self.launcher, program, output.status, last(&err));
        Err(Error::invalid(run.display().to_string(), what, "a command that succeeds", ""))
    }
}

/// Asks something of a run, by its folder; where that is elsewhere, or the run is not heard of, by its launcher too. Returns
/// whether the launcher was told.
///
/// # Errors
/// When the folder cannot be written, or the launcher's command fails.
pub fn ask(run: &Path, launch: Option<&Launch>, what: Asked, launchers: Option<&Path>) -> Result<bool> {
    status::ask(run, what)?;
    let Some(launch) = launch else { return Ok(false) };
    let unheard = matches!(status::state(run), State::Silent | State::New);
    if !unheard && !launch.is_elsewhere(launchers)? {
        return Ok(false);
    }
    launch.other(run, launchers, status::word(what), |launcher| &launcher.cancel)
}

/// Says so in the run's folder too, unless the run did.
fn failed_start(run: &Path, said: &str) -> Error {
    if status::read(run).is_none() {
        status::Status::failed(run, &format!("the start failed: {said}"));
    }
    failed(run, said)
}

fn failed(run: &Path, said: &str) -> Error {
    Error::invalid(run.display().to_string(), format!("a start that failed: {said}"), "a run that begins", "")
}

/// Milliseconds since 1970: names what is started so that no other start has the name.
fn stamp() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis())
}

/// The last lines of a file from a place on.
fn tail(path: &Path, from: u64) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let new = usize::try_from(from).ok().and_then(|from| text.get(from..)).unwrap_or_default();
    last(&String::from_utf8_lossy(new))
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_changes() {
        let words: Vec<String> =
            ["train", "--recipe", "cloud", "--data", "a", "--data", "b", "--lr=1", "--out", "x"]
                .map(str::to_owned)
                .into();
        assert_eq!(run_folder(&words, Path::new("/c")).unwrap(), Path::new("/c/x"));
        assert!(run_folder(&words[..4], Path::new("/c")).is_err());
        let more = ["--lr".to_owned(), "2".to_owned()];
        let clone = changed(&words, Path::new("/y"), &more);
        assert_eq!(clone.join(" "), "train --recipe cloud --data a --data b --out /y --lr 2");
    }
}
