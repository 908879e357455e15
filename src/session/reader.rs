//! Reading journals: what is new in any of them, line by line; what is no event is told with file and line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::folder::JOURNALS;
use super::line::{decode, salvage};
use super::{Bad, Entry, Folder, WriterId};
use crate::{Error, Result};

/// Something in a session that cannot be read or does not fit; it is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the session's folder.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// What stands there.
    pub found: String,
    /// What it means and what can be done, a full sentence.
    pub fix: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}. {}", self.found, self.fix)
    }
}

/// What a poll found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// Events, in the order of their files; one that stands in two files comes twice.
    pub entries: Vec<Entry>,
    /// Whole lines that are no events.
    pub problems: Vec<Problem>,
}

/// A line as it stands in a journal.
#[derive(Debug)]
pub(super) enum Scanned<'a> {
    /// An event, its line number and its bytes, without line break.
    Event(Entry, u64, &'a [u8]),
    /// A line that is none.
    Bad(Problem, &'a [u8]),
    /// A last line without its end, which a writer may yet complete.
    Torn(Problem),
}

/// Reads all journals of a session, again and again.
#[derive(Debug)]
pub struct Reader {
    folder: Folder,
    skip: Option<WriterId>,
    files: BTreeMap<PathBuf, Tail>,
}

/// How far a file is read.
#[derive(Clone, Debug, Default)]
struct Tail {
    bytes: u64,
    lines: u64,
    /// Its length when it was looked at last.
    seen: u64,
    torn: Option<Problem>,
}

impl Reader {
    /// A reader that has read nothing; the journal of `skip` is left out.
    pub fn new(folder: &Folder, skip: Option<WriterId>) -> Self {
        Self { folder: folder.clone(), skip, files: BTreeMap::new() }
    }

    /// What is new since the last poll.
    ///
    /// # Errors
    /// When the folder or a journal cannot be read; what was read before is kept, and comes with the next poll.
    pub fn poll(&mut self) -> Result<News> {
        let mut news = News::default();
        for path in journals(&self.folder)? {
            if self.skip.as_ref().is_some_and(|writer| is_of(&path, writer)) {
                continue;
            }
            let length = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                // Taken back by its writer before anything in it was confirmed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(&path, error)),
            };
            let tail = self.files.entry(path.clone()).or_default();
            if length == tail.seen {
                continue;
            }
            if length < tail.bytes {
                // Taken back by its writer before it was confirmed.
                *tail = Tail::default();
            }
            tail.torn = None;
            let mut torn = None;
            let (bytes, lines) = scan(&path, tail.bytes, tail.lines, &mut |scanned| match scanned {
                Scanned::Event(entry, ..) => news.entries.push(entry),
                Scanned::Bad(problem, _) => news.problems.push(problem),
                Scanned::Torn(problem) => torn = Some(problem),
            })?;
            *tail = Tail { bytes, lines, seen: length, torn };
        }
        Ok(news)
    }

    /// Last lines that end before their end: of a writer that was killed, or is writing just now.
    pub fn torn(&self) -> Vec<Problem> {
        self.files.values().filter_map(|tail| tail.torn.clone()).collect()
    }
}

/// The journals there are, in order; hidden files are being written.
pub(super) fn journals(folder: &Folder) -> Result<Vec<PathBuf>> {
    let dir = folder.journals();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(dir, error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io(&dir, e))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|e| e == "jsonl") && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_of(path: &Path, writer: &WriterId) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(writer.as_str()).is_some_and(|rest| rest.starts_with('.'))
}

/// Reads lines from `from` on; returns how many bytes and lines are whole.
pub(super) fn scan(
    path: &Path,
    from: u64,
    lines: u64,
    each: &mut dyn FnMut(Scanned<'_>),
) -> Result<(u64, u64)> {
    let failed = |e| Error::io(path, e);
    let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    input.seek(SeekFrom::Start(from)).map_err(failed)?;
    let (mut bytes, mut number) = (from, lines);
    let mut line = Vec::new();
    let file = Path::new(JOURNALS).join(path.file_name().unwrap_or_default());
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line).map_err(failed)? as u64;
        if read == 0 {
            return Ok((bytes, number));
        }
        let problem = |found: String, fix: &str| Problem {
            file: file.clone(),
            line: Some(number + 1),
            found,
            fix: fix.to_owned(),
        };
        let Some(text) = line.strip_suffix(b"\n") else {
            // Only the line break is missing: the event is whole. It comes again with the line break.
            match decode(&line) {
                Ok(entry) => each(Scanned::Event(entry, number + 1, &line)),
                Err(_) => {
                    let whole = salvage(&line);
                    let found = format!("a last line that ends after {read} bytes");
                    let fix = match whole.len() {
                        0 => "Its writer was stopped in the middle of it; it had not been shown as saved and does not count."
                            .to_owned(),
                        n => format!("{n} whole events were found in it and count."),
                    };
                    for (entry, piece) in whole {
                        each(Scanned::Event(entry, number + 1, &piece));
                    }
                    each(Scanned::Torn(problem(found, &fix)));
                }
            }
            return Ok((bytes, number));
        };
        match decode(text) {
            Ok(entry) => each(Scanned::Event(entry, number + 1, text)),
            Err(Bad::Newer(format)) => {
                let found = format!("an event of format {format}, written by a newer outloud");
                each(Scanned::Bad(
                    problem(found, "It is kept and not shown; install the newer version to see it."),
                    text,
                ));
            }
            Err(Bad::Damaged(found)) => {
                let whole = salvage(text);
                let fix = match whole.len() {
                    0 => "The line does not count; a copy of the session that has it whole can be merged."
                        .to_owned(),
                    n => format!("{n} whole events were found in it and count."),
                };
                for (entry, piece) in whole {
                    each(Scanned::Event(entry, number + 1, &piece));
                }
                each(Scanned::Bad(problem(found, &fix), text));
            }
        }
        bytes += read;
        number += 1;
    }
}
