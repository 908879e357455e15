//! Merging: events and contents that are missing are added, nothing that is there is touched.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use super::folder::UNREADABLE;
use super::reader::{Scanned, journals, scan};
use super::{Digest, EventId, Folder, Object, Problem, WriterId};
use crate::disk;
use crate::{Error, Result};

/// Contents in memory at once.
const TOGETHER: usize = 256;

/// What merging did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Events added.
    pub events: usize,
    /// Examples and critiques added.
    pub contents: usize,
    /// What could not be read, and now lies in `aside/`; lines that were never finished are only told.
    pub problems: Vec<Problem>,
}

/// What a session holds that another may lack.
#[derive(Default)]
pub(super) struct Found {
    /// Lines by writer, number and content.
    pub lines: BTreeMap<WriterId, BTreeMap<(u64, Digest), Vec<u8>>>,
    unreadable: Vec<Vec<u8>>,
    pub problems: Vec<Problem>,
}

pub(super) fn read(folder: &Folder, except: &HashSet<(EventId, Digest)>, found: &mut Found) -> Result<()> {
    let mut newer = None;
    for path in journals(folder)? {
        scan(&path, 0, 0, &mut |scanned| match scanned {
            Scanned::Event(entry, _, line) => {
                let key = (entry.id, Digest::of(line));
                if !except.contains(&key) {
                    let (id, digest) = key;
                    found.lines.entry(id.writer).or_default().insert((id.seq, digest), line.to_vec());
                }
            }
            Scanned::Bad(problem, line) => {
                if super::line::is_newer(line) {
                    newer.get_or_insert(problem);
                } else {
                    found.unreadable.push(line.to_vec());
                    found.problems.push(problem);
                }
            }
            Scanned::Torn(problem) => found.problems.push(problem),
        })?;
    }
    match newer {
        None => Ok(()),
        Some(problem) => Err(Error::invalid(
            folder.path().join(&problem.file).display().to_string(),
            problem.found,
            "events that this version can carry over",
            "Nothing was changed. Merge with the newer outloud.",
        )),
    }
}

/// Adds to a session every event and content of others that it lacks. Any order gives the same events, each once. Journals
/// that are there are not touched, so writers may be at work in all of them.
///
/// # Errors
/// When a session cannot be read or written; merging again completes what was begun.
pub fn merge(into: &Folder, from: &[Folder]) -> Result<Merged> {
    let mut there = Found::default();
    read(into, &HashSet::new(), &mut there)?;
    let known: HashSet<(EventId, Digest)> = there
        .lines
        .into_iter()
        .flat_map(|(writer, lines)| {
            lines.into_keys().map(move |(seq, digest)| (EventId { writer: writer.clone(), seq }, digest))
        })
        .collect();
    let mut found = Found::default();
    let mut merged = Merged::default();
    into.create()?;
    for other in from {
        read(other, &known, &mut found)?;
        // Contents are written before the events that name them: those of all events read are there.
        contents(into, other, &mut merged)?;
    }
    merged.problems.append(&mut found.problems);
    merged.problems.sort();
    merged.problems.dedup();
    let aside = into.path().join(UNREADABLE);
    for line in found.unreadable {
        keep_aside(&aside, &format!("line-{}", Digest::of(&line)), &line)?;
    }
    for (writer, lines) in found.lines {
        merged.events += lines.len();
        let mut bytes = Vec::new();
        for line in lines.into_values() {
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        add_journal(&into.journals(), &writer, &bytes)?;
    }
    Ok(merged)
}

fn contents(into: &Folder, other: &Folder, merged: &mut Merged) -> Result<()> {
    let (mine, theirs) = (into.store(), other.store());
    let (mut all, _) = theirs.list();
    all.retain(|(folder, digest)| mine.bytes(folder, digest).is_err());
    for some in all.chunks(TOGETHER) {
        let mut objects = Vec::new();
        for (folder, digest) in some {
            match theirs.bytes(folder, digest) {
                Ok(bytes) => objects.push(Object { folder, digest: digest.clone(), bytes }),
                Err(error) => merged.problems.push(Problem {
                    file: Path::new(folder).join(format!("{digest}.json")),
                    line: None,
                    found: error.to_string(),
                    fix: "It was not taken over.".into(),
                }),
            }
        }
        mine.put(&objects)?;
        merged.contents += objects.len();
    }
    let unreadable = other.path().join(UNREADABLE);
    for entry in fs::read_dir(&unreadable).into_iter().flatten().flatten() {
        let bytes = fs::read(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
        keep_aside(&into.path().join(UNREADABLE), &entry.file_name().to_string_lossy(), &bytes)?;
    }
    Ok(())
}

fn keep_aside(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = dir.join(name);
    if path.exists() {
        return Ok(());
    }
    disk::create_dir_synced(dir)?;
    disk::replace(&path, bytes)
}

/// A new journal with a writer's events, under a name that no other file has or gets.
pub(super) fn add_journal(dir: &Path, writer: &WriterId, bytes: &[u8]) -> Result<()> {
    let plain = dir.join(format!("{writer}.jsonl"));
    let named = dir.join(format!("{writer}.merged-{}.jsonl", Digest::of(bytes)));
    disk::replace(&named, bytes)?;
    // The plain name only if it is free, which a link finds out without a gap.
    if fs::hard_link(&named, &plain).is_ok() {
        disk::sync_dir(dir)?;
        fs::remove_file(&named).map_err(|e| Error::io(&named, e))?;
    }
    disk::sync_dir(dir)
}
