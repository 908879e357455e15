//! The log file: `$XDG_STATE_HOME/outloud/outloud.log`, what goes in by `OUTLOUD_LOG` (default `info`).

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
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
    // Libraries that note things by the other crate come into the same file. A second screen in one process (tests) keeps
    // the first one's log.
    if log::set_logger(&FromLog).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    let _ = tracing_subscriber::fmt()
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .with_env_filter(filter)
        .try_init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the screen opens");
    Some(path)
}

/// Hands the records of the `log` crate on.
struct FromLog;

impl log::Log for FromLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (from, text) = (record.target(), record.args());
        match record.level() {
            log::Level::Error => tracing::error!(from, "{text}"),
            log::Level::Warn => tracing::warn!(from, "{text}"),
            log::Level::Info => tracing::info!(from, "{text}"),
            log::Level::Debug | log::Level::Trace => tracing::debug!(from, "{text}"),
        }
    }

    fn flush(&self) {}
}

/// Bytes of the log's end that are shown.
const SHOWN: u64 = 64 << 10;

/// The end of a log, whole lines, or why it cannot be read.
pub fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let cut = length > SHOWN;
        if cut {
            file.seek(SeekFrom::Start(length - SHOWN))?;
        }
        let mut bytes = Vec::new();
        file.take(SHOWN).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // What stands before the first line's end may be half a line.
        let text = if cut { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        Ok(text.trim_end().to_owned())
    };
    match read() {
        Ok(text) if text.is_empty() => "nothing yet".into(),
        Ok(text) => text,
        Err(error) => format!("it cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        assert!(tail(&path).contains("cannot be read"));
        let lines: Vec<String> = (0..10_000).map(|n| format!("line {n} of the log")).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let end = tail(&path);
        assert!(end.starts_with("line ") && end.ends_with("line 9999 of the log"));
        assert!(end.len() as u64 <= SHOWN);
    }
}
