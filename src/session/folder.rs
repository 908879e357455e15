//! The folder: where sessions are, what version one has, its contents by name.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use super::object::{CRITIQUES, EXAMPLES, Object};
use super::{Digest, FORMAT};
use crate::disk::{self, points::point};
use crate::{Error, Result};

/// Names the folder a session.
pub const MANIFEST: &str = "session.json";
/// Folder of journals.
pub const JOURNALS: &str = "journals";
/// Folder of training runs.
pub const RUNS: &str = "runs";
/// Folder of what could not be read when sessions were merged.
pub const UNREADABLE: &str = "aside";

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
}

/// A session's folder; it need not exist before something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
    read_only: Option<String>,
}

impl Folder {
    /// A folder that is a session, or is not there yet, or is empty.
    ///
    /// # Errors
    /// When it is something else, or its manifest cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let mut folder = Self { path: path.to_path_buf(), read_only: None };
        let manifest = path.join(MANIFEST);
        match fs::read(&manifest) {
            Ok(bytes) => match serde_json::from_slice::<Manifest>(&bytes) {
                Ok(Manifest { format }) if format > FORMAT => {
                    folder.read_only = Some(format!(
                        "{}: written by a newer outloud (format {format}, this one writes {FORMAT}); it is opened for \
                         reading only. Install the newer version to go on with it",
                        manifest.display()
                    ));
                }
                Ok(_) => {}
                // What it says is the same for every session of this format: the journals are read all the same.
                Err(_) if path.join(JOURNALS).is_dir() => {}
                Err(error) => {
                    return Err(Error::invalid(
                        manifest.display().to_string(),
                        error.to_string(),
                        "{\"format\":1}",
                        "Give the folder of a session, or one that does not exist yet.",
                    ));
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => folder.check_new()?,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(Error::invalid(
                    path.display().to_string(),
                    "a file",
                    "the folder of a session",
                    "Give the folder of a session, or one that does not exist yet.",
                ));
            }
            Err(error) => return Err(Error::io(manifest, error)),
        }
        if folder.read_only.is_none() {
            folder.read_only = folder.not_writable();
        }
        Ok(folder)
    }

    /// [`Folder::open`] of a session that must be there.
    ///
    /// # Errors
    /// As [`Folder::open`]; also when there is no session.
    pub fn existing(path: &Path) -> Result<Self> {
        let folder = Self::open(path)?;
        if folder.path.join(MANIFEST).exists() || folder.journals().is_dir() {
            return Ok(folder);
        }
        Err(Error::invalid(
            path.display().to_string(),
            if path.exists() { "a folder without a session" } else { "nothing" },
            "the folder of a session",
            "`outloud session list` shows the sessions there are; any other is given by its path.",
        ))
    }

    fn check_new(&self) -> Result<()> {
        if self.journals().is_dir() {
            return Ok(());
        }
        // What a killed process had begun may lie there.
        let other =
            |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with(disk::ASIDE) && name != EXAMPLES;
        let foreign = match fs::read_dir(&self.path) {
            Ok(entries) => entries.flatten().map(|e| e.file_name()).find(|name| other(name)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io(&self.path, error)),
        };
        match foreign {
            None => Ok(()),
            Some(name) => Err(Error::invalid(
                self.path.display().to_string(),
                format!("a folder with {} and no {MANIFEST}", name.to_string_lossy()),
                "the folder of a session",
                "Give the folder of a session, or one that does not exist yet.",
            )),
        }
    }

    #[cfg(unix)]
    fn not_writable(&self) -> Option<String> {
        use rustix::fs::{Access, access};
        let nearest = self.path.ancestors().find(|p| p.as_os_str().is_empty() || p.exists())?;
        let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
        let journals = self.journals();
        let folder = if journals.exists() { journals.as_path() } else { nearest };
        let error = access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
        Some(format!(
            "{}: {}; the session is opened for reading only",
            folder.display(),
            std::io::Error::from(error)
        ))
    }

    #[cfg(not(unix))]
    fn not_writable(&self) -> Option<String> {
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why nothing may be written, if that is so.
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// Folder of journals.
    pub fn journals(&self) -> PathBuf {
        self.path.join(JOURNALS)
    }

    /// Creates what is missing of it, durably.
    ///
    /// # Errors
    /// When it may not be written, or the disk is full.
    pub fn create(&self) -> Result<()> {
        if let Some(why) = &self.read_only {
            return Err(Error::Usage(why.clone()));
        }
        disk::create_dir_synced(&self.path)?;
        let manifest = self.path.join(MANIFEST);
        if !manifest.exists() {
            disk::replace(&manifest, format!("{{\"format\":{FORMAT}}}\n").as_bytes())?;
        }
        disk::create_dir_synced(&self.journals())
    }

    /// Its contents.
    pub fn store(&self) -> Store {
        Store { path: self.path.clone() }
    }
}

/// Contents by name.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    fn file(&self, folder: &str, digest: &Digest) -> PathBuf {
        self.path.join(folder).join(format!("{digest}.json"))
    }

    /// Writes contents, durably; those that are there whole are left alone.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn put<'a>(&self, objects: impl IntoIterator<Item = &'a Object>) -> Result<()> {
        let mut folders = BTreeSet::new();
        for object in objects {
            if folders.insert(object.folder) {
                disk::create_dir_synced(&self.path.join(object.folder))?;
            }
            let file = self.file(object.folder, &object.digest);
            if !fs::read(&file).is_ok_and(|bytes| bytes == object.bytes) {
                point("object:begin");
                disk::place(&file, &object.bytes)?;
                point("object:end");
            }
        }
        // Also for those that were there: another process may have written one and not yet made its name durable.
        folders.into_iter().try_for_each(|folder| disk::sync_dir(&self.path.join(folder)))
    }

    /// Reads a content.
    ///
    /// # Errors
    /// When it is not there, damaged, or not what is expected.
    pub fn get<T: for<'de> Deserialize<'de>>(&self, folder: &str, digest: &Digest) -> Result<T> {
        let file = self.file(folder, digest);
        let bytes = self.bytes(folder, digest)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let fix = "It was written by another version of outloud; install the newer one.";
            Error::invalid(file.display().to_string(), error.to_string(), "the fields of this version", fix)
        })
    }

    /// The bytes of a content, checked against its name.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn bytes(&self, folder: &str, digest: &Digest) -> Result<Vec<u8>> {
        let file = self.file(folder, digest);
        let bytes = fs::read(&file).map_err(|e| Error::io(&file, e))?;
        if Digest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        Err(Error::invalid(
            file.display().to_string(),
            "bytes that do not match their name",
            format!("bytes whose SHA-256 begins with {digest}"),
            "The file is damaged: restore it from a backup, or merge a copy of the session that has it whole.",
        ))
    }

    /// An example.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn example(&self, digest: &Digest) -> Result<super::Example> {
        self.get(EXAMPLES, digest)
    }

    /// A critique.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn critique(&self, digest: &Digest) -> Result<super::Critique> {
        self.get(CRITIQUES, digest)
    }

    /// Every content there is, by folder; and files that are none.
    pub fn list(&self) -> (Vec<(&'static str, Digest)>, Vec<PathBuf>) {
        let (mut contents, mut others) = (Vec::new(), Vec::new());
        for folder in [EXAMPLES, CRITIQUES] {
            let Ok(entries) = fs::read_dir(self.path.join(folder)) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let digest = name.to_str().and_then(|n| n.strip_suffix(".json")).and_then(|n| n.parse().ok());
                match digest {
                    Some(digest) => contents.push((folder, digest)),
                    None => others.push(entry.path()),
                }
            }
        }
        contents.sort();
        others.sort();
        (contents, others)
    }
}

/// `$XDG_DATA_HOME/outloud/sessions`.
///
/// # Errors
/// When there is no home folder.
pub fn default_path() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(|_no_home| {
        Error::Usage("no home folder: set HOME or XDG_DATA_HOME, or give --session PATH".into())
    })?;
    Ok(base.data_dir().join("outloud").join("sessions"))
}

/// The session that a word on the command line means: a path if it looks like one or is there, else a name in the default place.
///
/// # Errors
/// When there is no home folder.
pub fn named_path(word: &Path) -> Result<PathBuf> {
    if word.components().count() == 1 && word.is_relative() && !word.exists() && word != Path::new(".") {
        return Ok(default_path()?.join(word));
    }
    Ok(word.to_path_buf())
}
