//! Runs stages of a recipe: those that are not done, in order, each shown as it begins.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Exit;
use crate::recipe::{Stage, Work};
use crate::{Error, Result};

/// A folder made with other settings is refused: `kept` holds those of the folder, `text` those of this call.
///
/// # Errors
/// When they differ, or the file cannot be read.
pub fn same_settings(kept: &Path, text: &str) -> Result<()> {
    if !kept.exists() {
        return Ok(());
    }
    let found = std::fs::read_to_string(kept).map_err(|e| Error::io(kept, e))?;
    if found == text {
        return Ok(());
    }
    Err(Error::invalid(
        kept.display().to_string(),
        "other settings",
        "the settings of this call",
        "Give another --out folder, or the settings this one was begun with.",
    ))
}

/// Does what is not done; with `dry_run` only says what that is.
///
/// # Errors
/// A stage that failed, with the command to look at.
pub fn run(stages: &[Stage], dry_run: bool) -> Result<Exit> {
    let program = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
    let count = stages.len();
    for (index, stage) in stages.iter().enumerate() {
        let state = if stage.done() { "done" } else { "to do" };
        eprintln!("[{}/{count}] {}: {state}", index + 1, stage.name);
        match &stage.work {
            Work::Command(command) if dry_run => eprintln!("    outloud {}", command.join(" ")),
            Work::Write(_) if dry_run => eprintln!("    {}", stage.makes.display()),
            _ if stage.done() => {}
            Work::Write(work) => stage.write(work)?,
            Work::Command(command) => {
                eprintln!("    outloud {}", command.join(" "));
                let name = command.first().map_or("", String::as_str);
                let mut child = Command::new(&program);
                child.args(command);
                if name == "train" {
                    // The trainer's parts have a thread each; candle's own pool beside them only spins.
                    child.env("RAYON_NUM_THREADS", "1");
                }
                let status = child.stdin(Stdio::null()).status().map_err(|e| Error::io(&program, e))?;
                match status.code() {
                    Some(0) => stage.mark()?,
                    // Rows that failed are left out of what follows, and counted there.
                    Some(1) if name != "train" => stage.mark()?,
                    Some(130) | None => return Ok(Exit::Interrupted),
                    Some(code) => {
                        return Err(Error::Usage(format!(
                            "stage `{}` ended with status {code}; the same command goes on from there: outloud {}",
                            stage.name,
                            command.join(" ")
                        )));
                    }
                }
            }
        }
    }
    Ok(Exit::Ok)
}
