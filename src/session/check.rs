//! Looking at a session without changing it: what it holds, and everything in it that is not as it should be.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::{JOURNALS, MANIFEST};
use super::object::{CRITIQUES, EXAMPLES};
use super::reader::{Scanned, journals, scan};
use super::{Book, Digest, Entry, EventId, Folder, Problem, Progress, WriterId};
use crate::{Error, Result};

/// What a session holds.
#[derive(Debug, Default)]
pub struct Report {
    /// Numbers.
    pub counts: Counts,
    /// What cannot be read or does not fit.
    pub problems: Vec<Problem>,
    /// Last lines that end before their end.
    pub torn: Vec<Problem>,
    /// Why nothing may be written, if that is so.
    pub read_only: Option<String>,
    /// All events.
    pub book: Book,
}

/// Numbers of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Events, each once.
    pub events: usize,
    /// Events by kind.
    pub kinds: BTreeMap<String, usize>,
    /// Journals.
    pub journals: usize,
    /// Examples, takes and critiques that stand.
    pub examples: usize,
    /// See `examples`.
    pub takes: usize,
    /// See `examples`.
    pub critiques: usize,
    /// What each annotator did.
    pub annotators: BTreeMap<String, Annotator>,
    /// Models that were kept, and runs and models that were dropped: name and lineage.
    pub models: BTreeMap<String, String>,
    /// Files of data it was opened on last.
    pub data: Vec<PathBuf>,
    /// Time of the first and the last event, by their writers' clocks.
    pub first: Option<String>,
    /// See `first`.
    pub last: Option<String>,
}

/// What an annotator did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Annotator {
    /// Events.
    pub events: usize,
    /// Labels that stand.
    pub submitted: usize,
    /// Drafts.
    pub drafts: usize,
    /// Skipped examples.
    pub skipped: usize,
    /// Reviews of critiques that stand.
    pub reviews: usize,
}

/// Reads a whole session; `contents` also checks the bytes of each content, and every reference.
///
/// # Errors
/// When it cannot be read at all.
pub fn check(folder: &Folder, contents: bool) -> Result<Report> {
    let mut report = Report { read_only: folder.read_only().map(str::to_owned), ..Report::default() };
    let mut places: HashMap<EventId, (PathBuf, u64)> = HashMap::new();
    let files = journals(folder)?;
    report.counts.journals = files.len();
    let mut entries: Vec<Entry> = Vec::new();
    for path in files {
        let file = Path::new(JOURNALS).join(path.file_name().unwrap_or_default());
        scan(&path, 0, 0, &mut |scanned| match scanned {
            Scanned::Event(entry, line, _) => {
                places.entry(entry.id.clone()).or_insert_with(|| (file.clone(), line));
                entries.push(entry);
            }
            Scanned::Bad(problem, _) => report.problems.push(problem),
            Scanned::Torn(problem) => report.torn.push(problem),
        })?;
    }
    report.book.insert(entries);
    let (found, others) = folder.store().list();
    if contents {
        manifest(folder, &mut report.problems);
        gaps(&report.book, &mut report.problems);
        references(&report.book, &found, &places, &mut report.problems);
        for (kind, digest) in &found {
            if let Err(error) = folder.store().bytes(kind, digest) {
                report.problems.push(Problem {
                    file: Path::new(kind).join(format!("{digest}.json")),
                    line: None,
                    found: said(&error),
                    fix: "Restore it from a backup, or merge a copy of the session that has it whole.".into(),
                });
            }
        }
        report.problems.extend(others.into_iter().map(|path| Problem {
            file: path.strip_prefix(folder.path()).unwrap_or(&path).to_path_buf(),
            line: None,
            found: "a file that is no content".into(),
            fix: "A process that was killed may have left it; it is not read, and can be removed.".into(),
        }));
    }
    report.problems.sort();
    count(&mut report, &found);
    Ok(report)
}

fn said(error: &Error) -> String {
    match error {
        Error::Invalid { found, .. } => found.clone(),
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn manifest(folder: &Folder, problems: &mut Vec<Problem>) {
    let path = folder.path().join(MANIFEST);
    let text = std::fs::read(&path).map_err(|e| e.to_string());
    let whole = text.and_then(|t| serde_json::from_slice::<serde_json::Value>(&t).map_err(|e| e.to_string()));
    if let Err(found) = whole {
        let fix = "It should say {\"format\":1}; the session is read all the same.".into();
        problems.push(Problem { file: MANIFEST.into(), line: None, found, fix });
    }
}

/// Numbers that a writer gave and that are nowhere.
fn gaps(book: &Book, problems: &mut Vec<Problem>) {
    let mut numbers: BTreeMap<&WriterId, BTreeSet<u64>> = BTreeMap::new();
    for entry in book.entries() {
        numbers.entry(&entry.id.writer).or_default().insert(entry.id.seq);
    }
    for (writer, numbers) in numbers {
        let mut next = 1;
        for number in numbers {
            if number > next {
                problems.push(Problem {
                    file: Path::new(JOURNALS).join(format!("{writer}.jsonl")),
                    line: None,
                    found: format!("no events {next} to {} of this writer", number - 1),
                    fix: "Merge a copy of the session that has them.".into(),
                });
            }
            next = number + 1;
        }
    }
    for entry in book.conflicts() {
        problems.push(Problem {
            file: Path::new(JOURNALS).join(format!("{}.jsonl", entry.id.writer)),
            line: None,
            found: format!("two different events under the name {}", entry.id),
            fix: "A journal was edited by hand; one of the two counts, the same everywhere.".into(),
        });
    }
}

fn references(
    book: &Book,
    found: &[(&'static str, Digest)],
    places: &HashMap<EventId, (PathBuf, u64)>,
    problems: &mut Vec<Problem>,
) {
    let found: HashSet<(&str, &Digest)> = found.iter().map(|(kind, digest)| (*kind, digest)).collect();
    for entry in book.entries() {
        let mut tell = |found: String| {
            let (file, line) = match places.get(&entry.id) {
                Some((file, line)) => (file.clone(), Some(*line)),
                None => (JOURNALS.into(), None),
            };
            let fix = "Merge a copy of the session that has it.".into();
            problems.push(Problem { file, line, found, fix });
        };
        for (kind, digest) in entry.event.contents() {
            if !found.contains(&(kind, digest)) {
                tell(format!("an event that needs {kind}/{digest}.json, which is not there"));
            }
        }
        for id in entry.event.references() {
            if book.get(id).is_none() {
                tell(format!("an event about {id}, which is not there"));
            }
        }
    }
}

fn count(report: &mut Report, found: &[(&'static str, Digest)]) {
    let (counts, book) = (&mut report.counts, &report.book);
    counts.events = book.len();
    counts.takes = book.takes().len();
    counts.examples = found.iter().filter(|(kind, _)| *kind == EXAMPLES).count();
    counts.critiques = found.iter().filter(|(kind, _)| *kind == CRITIQUES).count();
    counts.models = book.models().iter().map(|(name, m)| (name.clone(), m.value.describe())).collect();
    counts.data = book.opened().map(|o| o.data.clone()).unwrap_or_default();
    counts.first = book.entries().map(|e| &e.time).min().cloned();
    counts.last = book.entries().map(|e| &e.time).max().cloned();
    for entry in book.entries() {
        *counts.kinds.entry(entry.event.kind().to_owned()).or_default() += 1;
        counts.annotators.entry(entry.by.clone()).or_default().events += 1;
    }
    for (_, by, label) in book.labels() {
        let annotator = counts.annotators.entry(by.to_owned()).or_default();
        match label.value.state {
            Progress::Draft => annotator.drafts += 1,
            Progress::Skipped => annotator.skipped += 1,
            Progress::Submitted => annotator.submitted += 1,
        }
    }
    for (by, _) in book.reviews() {
        counts.annotators.entry(by.to_owned()).or_default().reviews += 1;
    }
}

/// The sessions in a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(dir, error)),
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(MANIFEST).is_file() || path.join(JOURNALS).is_dir())
        .collect();
    found.sort();
    Ok(found)
}
