//! Backups: a copy of a session as it is now, as a folder or as one file, read back before it gets its name; and restoring.
//!
//! The file is a tar, zstd or gzip. Its last member, `backup.json`, names every other one with its length and SHA-256, so that a
//! file that was cut off is told from a whole one.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folder::RUNS;
use super::merge::{Merged, merge};
use super::{FORMAT, Folder};
use crate::disk::{self, ASIDE, failed};
use crate::{Error, Result};

/// The last member of an archive.
const LIST: &str = "backup.json";

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Events and contents, and what could not be read of them.
    pub merged: Merged,
    /// Files of training runs.
    pub runs: usize,
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
}

impl Packing {
    /// What a name says: `.tar.zst`, `.tzst`, `.tar.gz`, `.tgz`; none for a folder.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let ends = |all: [&str; 2]| all.iter().any(|end| name.ends_with(end));
        match () {
            () if ends([".tar.zst", ".tzst"]) => Some(Self::Zstd),
            () if ends([".tar.gz", ".tgz"]) => Some(Self::Gzip),
            () => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct List {
    format: u32,
    files: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Copies a session, complete or not at all; writers may go on meanwhile. A name that says so gives one file.
///
/// # Errors
/// When there is something at `to`, the session cannot be read, the copy not written, or not read back as it was written.
pub fn backup(session: &Folder, to: &Path, runs: bool) -> Result<Backup> {
    free(to)?;
    let parent =
        to.parent().filter(|p| *p != Path::new("")).map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    disk::create_dir_synced(&parent)?;
    let mut done = Backup::default();
    let Some(packing) = Packing::of(to) else {
        disk::publish(to, "backup", |aside| {
            done = copy(session, aside, runs)?;
            Ok(())
        })?;
        return Ok(done);
    };
    let work = tempfile::Builder::new().prefix(ASIDE).tempdir_in(&parent).map_err(|e| failed(&parent, e))?;
    let (folder, file) = (work.path().join("session"), work.path().join("archive"));
    done = copy(session, &folder, runs)?;
    write(&folder, &file, packing)?;
    read(&file, to, None)?;
    free(to)?;
    fs::rename(&file, to).map_err(|e| failed(to, e))?;
    disk::sync_dir(&parent)?;
    Ok(done)
}

/// Unpacks an archive into a new folder, whole and checked or not at all; how many files.
///
/// # Errors
/// When there is something at `to`, or the archive is damaged or none.
pub fn restore(archive: &Path, to: &Path) -> Result<usize> {
    free(to)?;
    let mut files = 0;
    disk::publish(to, "restore", |aside| {
        files = read(archive, archive, Some(aside))?;
        Ok(())
    })?;
    Ok(files)
}

/// Reads every byte of an archive; how many files.
///
/// # Errors
/// When it is damaged or none.
pub fn verify(archive: &Path) -> Result<usize> {
    read(archive, archive, None)
}

fn free(to: &Path) -> Result<()> {
    if to.exists() {
        return Err(Error::Usage(format!("{}: is there already; give a name that is free", to.display())));
    }
    Ok(())
}

fn copy(session: &Folder, to: &Path, runs: bool) -> Result<Backup> {
    let merged = merge(&Folder::open(to)?, std::slice::from_ref(session))?;
    let from = session.path().join(RUNS);
    let runs = if runs && from.is_dir() { copy_files(&from, &to.join(RUNS))? } else { 0 };
    Ok(Backup { merged, runs })
}

/// Copies files as long as they are now; what is being written aside is left out, and so is everything that is no file.
fn copy_files(from: &Path, to: &Path) -> Result<usize> {
    disk::create_dir(to)?;
    let mut count = 0;
    for entry in fs::read_dir(from).map_err(|e| failed(from, e))? {
        let entry = entry.map_err(|e| failed(from, e))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|e| failed(&path, e))?;
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            continue;
        }
        if kind.is_dir() {
            count += copy_files(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).map_err(|e| failed(&path, e))?;
            count += 1;
        }
    }
    Ok(count)
}

/// The files in a folder, sorted, by their names from it.
fn files(dir: &Path, from: &Path, all: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let path = entry.map_err(|e| failed(dir, e))?.path();
        if path.is_dir() {
            files(&path, from, all)?;
        } else if let Ok(name) = path.strip_prefix(from) {
            all.push(name.to_path_buf());
        }
    }
    all.sort();
    Ok(())
}

fn write(folder: &Path, to: &Path, packing: Packing) -> Result<()> {
    let file = File::create(to).map_err(|e| failed(to, e))?;
    let out = BufWriter::new(file);
    let file = match packing {
        Packing::Zstd => {
            let mut encoder = zstd::Encoder::new(out, 6).map_err(|e| failed(to, e))?;
            members(folder, to, &mut encoder)?;
            encoder.finish()
        }
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            members(folder, to, &mut encoder)?;
            encoder.finish()
        }
    };
    let synced =
        file.and_then(|out| out.into_inner().map_err(|e| e.into_error())).and_then(|file| file.sync_all());
    synced.map_err(|e| failed(to, e))
}

fn members(folder: &Path, to: &Path, out: &mut impl Write) -> Result<()> {
    let mut names = Vec::new();
    files(folder, folder, &mut names)?;
    let mut tar = tar::Builder::new(out);
    let mut list = List { format: FORMAT, files: Vec::new() };
    for name in names {
        let path = folder.join(&name);
        let mut file = File::open(&path).map_err(|e| failed(&path, e))?;
        let bytes = file.metadata().map_err(|e| failed(&path, e))?.len();
        let mut hashed = Hashed { inner: &mut file, hash: Sha256::new(), bytes: 0 };
        let text = name.to_string_lossy().into_owned();
        tar.append_data(&mut header(bytes), &name, &mut hashed).map_err(|e| failed(to, e))?;
        list.files.push(hashed.member(text));
    }
    let list = serde_json::to_vec_pretty(&list).unwrap_or_default();
    tar.append_data(&mut header(list.len() as u64), LIST, list.as_slice()).map_err(|e| failed(to, e))?;
    tar.finish().map_err(|e| failed(to, e))
}

/// The same files give the same bytes.
fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// Reads an archive (called `name` in messages), checks every member against the list, writes them into a folder if there is one.
fn read(archive: &Path, name: &Path, into: Option<&Path>) -> Result<usize> {
    let wrong = |found: String| {
        let fix = "Use another backup; nothing was written.";
        Error::invalid(name.display().to_string(), found, "a backup of a session (.tar.zst, .tar.gz)", fix)
    };
    let broken = |e: std::io::Error| wrong(format!("data that is cut off or damaged ({e})"));
    let mut file = BufReader::new(File::open(archive).map_err(|e| Error::io(name, e))?);
    let magic = std::io::BufRead::fill_buf(&mut file).map_err(|e| Error::io(name, e))?;
    let input: Box<dyn Read> = match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::GzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(file).map_err(broken)?),
        _ => return Err(wrong("neither zstd nor gzip".into())),
    };
    let mut tar = tar::Archive::new(input);
    let (mut found, mut list): (Vec<Member>, Option<List>) = (Vec::new(), None);
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || !entry.header().entry_type().is_file() {
            return Err(wrong(format!("a member `{}` that is no file inside it", path.display())));
        }
        if path == Path::new(LIST) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(broken)?;
            list = Some(
                serde_json::from_slice(&text)
                    .map_err(|e| wrong(format!("a {LIST} that cannot be read ({e})")))?,
            );
            continue;
        }
        let mut hashed = Hashed { inner: &mut entry, hash: Sha256::new(), bytes: 0 };
        match into.map(|into| into.join(&path)) {
            None => drop(std::io::copy(&mut hashed, &mut std::io::sink()).map_err(broken)?),
            Some(target) => {
                disk::create_dir(target.parent().unwrap_or(&target))?;
                let mut out = File::create(&target).map_err(|e| failed(&target, e))?;
                std::io::copy(&mut hashed, &mut out).map_err(|e| failed(&target, e))?;
            }
        }
        found.push(hashed.member(path.to_string_lossy().into_owned()));
    }
    let list = list.ok_or_else(|| wrong(format!("no {LIST} at its end")))?;
    if list.format > FORMAT {
        return Err(wrong(format!("format {}, written by a newer outloud", list.format)));
    }
    let missing = list.files.iter().find(|member| !found.contains(member));
    if let Some(member) = missing.or_else(|| found.iter().find(|member| !list.files.contains(member))) {
        return Err(wrong(format!("`{}`, which is not as it was written", member.path)));
    }
    Ok(found.len())
}

/// Counts and hashes what is read.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R> Hashed<R> {
    fn member(self, path: String) -> Member {
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Member { path, bytes: self.bytes, sha256 }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }
}
