//! A whole session as one list: every line of every journal in order, and every content; and such a list taken in.

use std::collections::{BTreeMap, HashSet};

use super::line::decode;
use super::merge::{Found, Merged, add_journal, merge, read};
use super::{Digest, Folder, Object, Problem, WriterId};
use crate::{Error, Result};

/// What a session holds, as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Examples and critiques, by name.
    pub contents: Vec<Object>,
    /// Lines of journals without their breaks, in the order of the events.
    pub lines: Vec<Vec<u8>>,
    /// What could not be read and is left out.
    pub problems: Vec<Problem>,
}

/// Reads a session as a list.
///
/// # Errors
/// When it cannot be read, or holds events of a newer version.
pub fn log(folder: &Folder) -> Result<Log> {
    let mut found = Found::default();
    read(folder, &HashSet::new(), &mut found)?;
    let mut ordered = BTreeMap::new();
    for line in found.lines.into_values().flat_map(BTreeMap::into_values) {
        if let Ok(entry) = decode(&line) {
            ordered.insert((entry.clock, entry.id, Digest::of(&line)), line);
        }
    }
    let mut log = Log { lines: ordered.into_values().collect(), problems: found.problems, ..Log::default() };
    let store = folder.store();
    for (kind, digest) in store.list().0 {
        match store.bytes(kind, &digest) {
            Ok(bytes) => log.contents.push(Object { folder: kind, digest, bytes }),
            Err(error) => log.problems.push(Problem {
                file: format!("{kind}/{digest}.json").into(),
                line: None,
                found: error.to_string(),
                fix: "It was left out.".into(),
            }),
        }
    }
    log.problems.sort();
    log.problems.dedup();
    Ok(log)
}

/// Adds to a session what a list holds and it lacks.
///
/// # Errors
/// A line that is no event or a content whose name is not its own; then nothing was changed. When the session cannot be read
/// or written.
pub fn take_in(into: &Folder, log: &Log) -> Result<Merged> {
    let failed = |e| Error::io("the temporary folder", e);
    let dir = tempfile::tempdir().map_err(failed)?;
    let from = Folder::open(&dir.path().join("session"))?;
    from.create()?;
    if let Some(object) = log.contents.iter().find(|object| Digest::of(&object.bytes) != object.digest) {
        return Err(Error::invalid(
            format!("{}/{}", object.folder, object.digest),
            "bytes that do not match their name",
            "a content as it was exported",
            "Export it again.",
        ));
    }
    let mut journals: BTreeMap<WriterId, Vec<u8>> = BTreeMap::new();
    for (number, line) in log.lines.iter().enumerate() {
        let entry = decode(line).map_err(|bad| {
            let what = match bad {
                super::Bad::Newer(format) => format!("format {format}, of a newer outloud"),
                super::Bad::Damaged(why) => why,
            };
            Error::invalid(
                format!("event {}", number + 1),
                what,
                "an event as it was exported",
                "Export it again.",
            )
        })?;
        let journal = journals.entry(entry.id.writer).or_default();
        journal.extend_from_slice(line);
        journal.push(b'\n');
    }
    from.store().put(&log.contents)?;
    for (writer, bytes) in journals {
        add_journal(&from.journals(), &writer, &bytes)?;
    }
    merge(into, &[from])
}
