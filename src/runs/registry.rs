//! The runs this user started or looked at: a small file each, so that they are found again. The folders hold all else.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::train::run::status::{self, Report, State};
use crate::{Error, Result, disk};

/// Where the list is.
#[derive(Clone, Debug)]
pub struct Registry(PathBuf);

/// A run as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Known {
    /// Its folder.
    pub run: PathBuf,
    /// What it is.
    pub state: State,
    /// What it said last.
    pub report: Option<Report>,
}

impl Known {
    /// Looks at a folder.
    pub fn look(run: &Path) -> Self {
        Self { run: run.to_path_buf(), state: status::state(run), report: status::read(run) }
    }
}

impl Registry {
    /// In this folder of the user's.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// In `$XDG_STATE_HOME/outloud/runs`.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no home.
    pub fn of_user() -> Result<Self> {
        state_home().map(|home| Self(home.join("runs")))
    }

    /// Remembers a run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&self, run: &Path) -> Result<()> {
        let run = std::path::absolute(run).map_err(|e| Error::io(run, e))?;
        disk::create_dir(&self.0)?;
        let text = run.display().to_string();
        disk::place(&self.0.join(key(&text)), text.as_bytes())
    }

    /// Forgets a run; its folder stays.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, run: &Path) -> Result<()> {
        let run = std::path::absolute(run).map_err(|e| Error::io(run, e))?;
        let path = self.0.join(key(&run.display().to_string()));
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
            _ => Ok(()),
        }
    }

    /// All runs whose folders are there, those heard of last first.
    pub fn list(&self) -> Vec<Known> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let folders = entries.filter_map(|e| std::fs::read_to_string(e.path()).ok()).map(PathBuf::from);
        let mut runs: Vec<Known> = folders.filter(|run| run.is_dir()).map(|run| Known::look(&run)).collect();
        let heard = |known: &Known| known.report.as_ref().map_or(0.0, |r| r.updated);
        runs.sort_by(|a, b| heard(b).total_cmp(&heard(a)).then_with(|| a.run.cmp(&b.run)));
        runs
    }
}

fn key(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// `$XDG_STATE_HOME/outloud`.
///
/// # Errors
/// [`Error::Usage`] when there is no home.
pub fn state_home() -> Result<PathBuf> {
    let set = std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || etcetera::home_dir().ok().map(|home| home.join(".local").join("state"));
    let base = set.or_else(home).ok_or_else(|| Error::Usage("no home folder: set XDG_STATE_HOME".into()))?;
    Ok(base.join("outloud"))
}
