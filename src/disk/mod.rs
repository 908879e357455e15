//! Writes that are whole or not there: written aside, synced, renamed, the folder synced. What a killed process left aside is
//! removed by the next one that writes in the folder.
//!
//! What `train` and `session` share about files; knows nothing of either.

pub mod points;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};
use points::point;

/// What stands before the names of things being written.
pub const ASIDE: &str = ".writing-";

/// An I/O error with its path, and what to do when the disk is full.
pub fn failed(path: &Path, error: std::io::Error) -> Error {
    let full =
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    if full {
        return Error::invalid(
            path.display().to_string(),
            error.to_string(),
            "room for it",
            "Free some space and give the same command again; what was complete before is kept.",
        );
    }
    Error::io(path, error)
}

/// The folder that a path lies in; the one at hand for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or_else(|| Path::new("."))
}

/// Copies a folder and the folders in it, with those of their files that are `wanted`. Nothing is synced: for use within
/// [`publish`].
///
/// # Errors
/// [`Error::Io`] or [`Error::Invalid`] with the path.
pub fn copy_dir(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    create_dir(to)?;
    for entry in fs::read_dir(from).map_err(|e| failed(from, e))? {
        let path = entry.map_err(|e| failed(from, e))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_dir(&path, &to.join(name), wanted)?;
        } else if wanted(&path) {
            fs::copy(&path, to.join(name)).map_err(|e| failed(&to.join(name), e))?;
        }
    }
    Ok(())
}

/// Creates a folder and what is above it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| failed(path, e))
}

/// Creates a folder and what is above it, and makes each new entry durable.
pub fn create_dir_synced(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    create_dir_synced(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => {
            return Err(failed(path, error));
        }
        _ => {}
    }
    sync_dir(parent)
}

/// Makes a folder's entries durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| failed(path, e))
}

/// Writes a file and makes its bytes durable.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| failed(path, e))
}

/// Replaces a file as a whole; several processes may do so at once.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    place(path, bytes)?;
    sync_dir(&aside(path).0)
}

/// [`replace`] without syncing the folder: for many files, after which [`sync_dir`] is due.
pub fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut left = 3;
    loop {
        let aside = Aside::name(path);
        let written = write_synced(&aside, bytes).and_then(|()| {
            point("place:synced");
            rename(&aside, path)
        });
        let Err(error) = written else { return Ok(()) };
        let _ = fs::remove_file(&aside);
        left -= 1;
        // Another machine may have taken the name of a process here for that of a dead one there.
        if left == 0 || !matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound) {
            return Err(error);
        }
    }
}

/// A new file that gets its name when it is whole; nothing is ever written over.
pub struct Aside {
    path: PathBuf,
    aside: PathBuf,
    file: BufWriter<File>,
}

impl Aside {
    /// Begins a file that is to be `path`.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn create(path: &Path) -> Result<Self> {
        let aside = Self::name(path);
        let file = File::create_new(&aside).map_err(|e| failed(path, e))?;
        Ok(Self { path: path.into(), aside, file: BufWriter::new(file) })
    }

    /// A name beside `path` for this process; first what killed processes left in the folder is removed, once.
    fn name(path: &Path) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (dir, aside) = aside(path);
        sweep_killed(&dir);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut name = aside.into_os_string();
        name.push(format!(".{}-{number}", std::process::id()));
        name.into()
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`] with the path, also when there is such a file by now.
    pub fn publish(mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(|e| failed(&self.path, e))?;
        // A link to a name that is taken fails; where a file system has no links, the name is looked at before.
        match fs::hard_link(&self.aside, &self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists && !self.path.exists() => {
                rename(&self.aside, &self.path)?;
            }
            linked => linked.map_err(|e| failed(&self.path, e))?,
        }
        sync_dir(folder_of(&self.path))
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // After a rename it is gone.
        let _ = fs::remove_file(&self.aside);
    }
}

/// Removes the files that processes of this machine were writing in a folder when they were killed; once a folder.
fn sweep_killed(dir: &Path) {
    static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if !swept.get_or_insert_default().insert(dir.to_path_buf()) {
        return;
    }
    let dead = |name: &str| {
        let writer =
            name.strip_prefix(ASIDE).and_then(|name| name.rsplit_once('.')).and_then(|(_, writer)| {
                let (pid, number) = writer.split_once('-')?;
                let _: u64 = number.parse().ok()?;
                rustix::process::Pid::from_raw(pid.parse().ok()?)
            });
        let gone = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        writer.is_some_and(gone)
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if dead(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Fills a folder with `fill` and gives it its name only when all of it is durable. `name` marks the moments for tests.
pub fn publish(path: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (dir, aside) = aside(path);
    let _ = fs::remove_dir_all(&aside);
    let write = || {
        create_dir(&aside)?;
        point(&format!("{name}:begin"));
        fill(&aside)?;
        sync_all(&aside)?;
        point(&format!("{name}:synced"));
        rename(&aside, path)?;
        point(&format!("{name}:renamed"));
        sync_dir(&dir)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_dir_all(&aside);
    }
    written
}

fn aside(path: &Path) -> (PathBuf, PathBuf) {
    let dir = folder_of(path).to_path_buf();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = dir.join(format!("{ASIDE}{name}"));
    (dir, aside)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| failed(to, e))
}

/// Syncs every file and folder in a folder, itself last.
fn sync_all(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let path = entry.map_err(|e| failed(dir, e))?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path).and_then(|f| f.sync_all()).map_err(|e| failed(&path, e))?;
        }
    }
    sync_dir(dir)
}

/// Removes what a killed run left half-written.
pub fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}
