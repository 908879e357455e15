//! Ctrl-Z: give the terminal back, stop the whole process group (a `cargo run` in front of us too), come back on SIGCONT.

use super::terminal::Guard;
use crate::{Error, Result};

/// Stops this process and its group; returns when the shell has sent SIGCONT. The caller takes the terminal again.
///
/// # Errors
/// What the operating system said.
#[cfg(unix)]
pub fn suspend(guard: &Guard) -> Result<()> {
    guard.leave();
    rustix::process::kill_current_process_group(rustix::process::Signal::STOP)
        .map_err(|e| Error::io("suspending", e.into()))
}

/// There is nothing to suspend to here.
#[cfg(not(unix))]
pub fn suspend(_: &Guard) -> Result<()> {
    Ok(())
}
