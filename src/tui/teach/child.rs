//! A command of `outloud` beside the screen: what it prints goes to files that have no name, and it ends with its owner.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};

use crate::{Error, Result};

/// A process and what it printed.
pub(super) struct Child {
    process: Process,
    out: File,
    err: File,
}

/// What a process left.
pub(super) struct Left {
    /// Its exit status; `None`: a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// The last lines of standard error.
    pub err: String,
}

impl Child {
    /// Starts a command.
    pub fn start(words: &[String], cwd: &Path) -> Result<Self> {
        let exe = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
        let file = || tempfile::tempfile().map_err(|e| Error::io("a temporary file", e));
        let (out, err) = (file()?, file()?);
        let copy = |file: &File| file.try_clone().map_err(|e| Error::io("a temporary file", e));
        let process = Command::new(&exe)
            .args(words)
            .current_dir(cwd)
            .stdin(Stdio::null())
            .stdout(copy(&out)?)
            .stderr(copy(&err)?)
            .spawn()
            .map_err(|e| Error::io(exe, e))?;
        Ok(Self { process, out, err })
    }

    /// What it left, once it has ended.
    pub fn ended(&mut self) -> Option<Left> {
        let status = self.process.try_wait().ok()??;
        Some(self.left(status.code()))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Left> {
        let status = self.process.wait().map_err(|e| Error::io("a process", e))?;
        Ok(self.left(status.code()))
    }

    fn left(&mut self, code: Option<i32>) -> Left {
        let text = |file: &mut File| {
            let mut bytes = Vec::new();
            let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let err = text(&mut self.err);
        let lines: Vec<&str> = err.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" ");
        Left { code, out: text(&mut self.out), err: last.trim_start_matches("error: ").to_owned() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
