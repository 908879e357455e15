//! The log file: `$XDG_STATE_HOME/outloud/outloud.log`, what goes in by `OUTLOUD_LOG` (default `info`).

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Mutex;

use etcetera::BaseStrategy as _;
use tracing_subscriber::EnvFilter;

/// A log above this many bytes is begun anew.
const LONGEST: u64 = 4 << 20;

/// `$XDG_STATE_HOME/outloud/outloud.log`.
pub fn path() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.cache_dir()).join("outloud").join("outloud.log"))
}

/// Sends the program's messages to the log file; `None` when there is none (the program goes on).
pub fn start() -> Option<PathBuf> {
    let path = path()?;
    std::fs::create_dir_all(path.parent()?).ok()?;
    let long = std::fs::metadata(&path).is_ok_and(|m| m.len() > LONGEST);
    let file: File =
        OpenOptions::new().create(true).append(!long).write(true).truncate(long).open(&path).ok()?;
    let filter = EnvFilter::try_from_env("OUTLOUD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second screen in one process (tests) keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .with_env_filter(filter)
        .try_init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the screen opens");
    Some(path)
}
