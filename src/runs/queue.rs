//! One run after the other on a device: each waits until it is the oldest there and the device is free.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::train::run::status::ProcessId;
use crate::{Error, Result, disk};

/// How often it is looked.
const POLL: Duration = Duration::from_millis(250);

/// A place at the device; given up when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Turn {
    ticket: PathBuf,
    _lock: Option<File>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ticket);
    }
}

/// Waits until it is this process's turn on a device. `waiting` is told how many are before it whenever that changes.
/// `None`: `stop` became true first. `folder`: of all devices' queues.
///
/// # Errors
/// [`Error::Io`] when the queue cannot be written.
pub fn wait_for_device(
    folder: &Path,
    device: &str,
    waiting: &mut dyn FnMut(usize),
    stop: &dyn Fn() -> bool,
) -> Result<Option<Turn>> {
    let own = ProcessId::own();
    let dir = folder.join(format!("{}-{}", own.host, device.replace([':', '/'], "-")));
    disk::create_dir(&dir)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let ticket = dir.join(format!("{now:032}-{}.json", own.pid));
    let text = serde_json::to_vec(&own).map_err(|e| Error::Usage(e.to_string()))?;
    disk::place(&ticket, &text)?;
    let mut turn = Turn { ticket, _lock: None };
    let path = dir.join("lock");
    let mut told = None;
    loop {
        let before = before(&dir, &turn.ticket);
        if before == 0 {
            let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = open.map_err(|e| disk::failed(&path, e))?;
            match file.try_lock() {
                Ok(()) => {
                    turn._lock = Some(file);
                    return Ok(Some(turn));
                }
                // A file system without locks: the tickets alone decide.
                Err(std::fs::TryLockError::Error(_)) => return Ok(Some(turn)),
                Err(std::fs::TryLockError::WouldBlock) => {}
            }
        }
        if told != Some(before) {
            told = Some(before);
            waiting(before);
        }
        if stop() {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Older tickets of processes that live; those of dead ones are removed.
fn before(dir: &Path, own: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "json") || path.file_name() >= own.file_name() {
            continue;
        }
        let process =
            std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<ProcessId>(&text).ok());
        match process.map(|p| p.alive()) {
            Some(Some(false)) => {
                let _ = std::fs::remove_file(&path);
            }
            _ => count += 1,
        }
    }
    count
}
