//! Files and standard input, line by line: only one line is held at a time, and a bad file does not end the work.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use serde_json::Value;

use super::{Row, parse, python};
use crate::{Error, Result};

/// Longest line in bytes; a longer one is a bad row.
const LINE_LIMIT: u64 = 256 << 20;

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input (`-`).
    Stdin,
    /// A file of JSON lines.
    File(PathBuf),
}

impl Source {
    /// `-` is standard input.
    pub fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }

    fn name(&self) -> String {
        match self {
            Self::Stdin => "<standard input>".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Stdin => Ok(Box::new(io::stdin())),
            Self::File(path) if path.is_dir() => Err(Error::invalid(
                self.name(),
                "a folder",
                "a file of JSON lines",
                "Give the files in it one by one.",
            )),
            Self::File(path) => Ok(Box::new(File::open(path).map_err(|e| Error::io(path, e))?)),
        }
    }
}

/// Yields rows in order; an `Err` is a file that could not be read (to its end), the next files go on.
pub struct Reader {
    sources: VecDeque<Source>,
    open: Option<Open>,
    number: usize,
}

struct Open {
    name: String,
    input: BufReader<Box<dyn Read + Send>>,
    line: usize,
    rows: usize,
}

impl Reader {
    /// Reads the sources one after the other.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Self {
        Self { sources: sources.into_iter().collect(), open: None, number: 0 }
    }

    /// Reads one stream, called `name` in messages.
    pub fn over(name: &str, input: impl Read + Send + 'static) -> Self {
        let input: Box<dyn Read + Send> = Box::new(input);
        let open = Open { name: name.into(), input: BufReader::new(input), line: 0, rows: 0 };
        Self { sources: VecDeque::new(), open: Some(open), number: 0 }
    }
}

impl Iterator for Reader {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                let source = self.sources.pop_front()?;
                match source.open() {
                    Ok(input) => {
                        let input = BufReader::with_capacity(1 << 16, input);
                        self.open = Some(Open { name: source.name(), input, line: 0, rows: 0 });
                    }
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match open.next(self.number + 1) {
                Ok(Some(row)) => {
                    self.number += 1;
                    return Some(Ok(row));
                }
                Ok(None) => {
                    self.open = None;
                }
                Err(error) => {
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Open {
    /// The next row, `None` at the end.
    fn next(&mut self, number: usize) -> Result<Option<Row>> {
        if self.line == 0 {
            self.check_start()?;
        }
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.input).take(LINE_LIMIT);
            limited.read_until(b'\n', &mut bytes).map_err(|e| Error::io(&self.name, e))?;
            if bytes.is_empty() {
                if self.rows == 0 {
                    return Err(self.not_rows("no rows", "JSON lines"));
                }
                return Ok(None);
            }
            self.line += 1;
            if bytes.len() as u64 == LINE_LIMIT && bytes.last() != Some(&b'\n') {
                drop(bytes);
                self.skip_line()?;
                self.rows += 1;
                let found = format!("a line of more than {} MiB", LINE_LIMIT >> 20);
                return Ok(Some(parse::bad(number, None, self.error(None, &found))));
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            if self.rows == 0 {
                self.check_first(&bytes)?;
            }
            self.rows += 1;
            return Ok(Some(self.row(number, &bytes)));
        }
    }

    fn row(&self, number: usize, bytes: &[u8]) -> Row {
        match python::parse(bytes.trim_ascii()) {
            Ok(Value::Object(object)) => parse::row(number, &self.place(), object),
            Ok(other) => parse::bad(number, None, self.error(None, super::chat::kind(&other))),
            Err(fault) => {
                let error = self.error(fault.field.as_deref(), &fault.found);
                parse::bad(number, fault.id, error)
            }
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }

    fn error(&self, field: Option<&str>, found: &str) -> String {
        let expected = "a JSON object {\"prompt\", \"answer\"} or {\"prompt\", \"chosen\", \"rejected\"}";
        let expected = if field.is_some() { "Unicode text" } else { expected };
        parse::error(&self.place(), field, found, expected, "Correct or remove the line.")
    }

    fn not_rows(&self, found: &str, fix_from: &str) -> Error {
        Error::invalid(
            self.name.clone(),
            found,
            "JSON lines, one object a line",
            format!("Give a file of {fix_from}."),
        )
    }

    /// Looks at the first bytes: a byte order mark is skipped, other kinds of file are named.
    fn check_start(&mut self) -> Result<()> {
        let name = self.name.clone();
        let start = self.input.fill_buf().map_err(|e| Error::io(name, e))?;
        let found = match start {
            [0xEF, 0xBB, 0xBF, ..] => {
                self.input.consume(3);
                return Ok(());
            }
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16 text",
            [0x1F, 0x8B, ..] => "a gzip archive",
            [0x28, 0xB5, 0x2F, 0xFD, ..] => "a zstd archive",
            [b'P', b'K', 3, 4, ..] => "a zip archive",
            [b'P', b'A', b'R', b'1', ..] => "a parquet file",
            _ => return Ok(()),
        };
        Err(self.not_rows(found, "JSON lines in UTF-8, unpacked"))
    }

    /// Looks at the first line: what is no row in a way that concerns the whole file is said once.
    fn check_first(&self, line: &[u8]) -> Result<()> {
        let line = line.trim_ascii();
        if line.starts_with(b"version https://git-lfs") {
            return Err(Error::invalid(
                self.name.clone(),
                "a Git LFS pointer",
                "JSON lines",
                "Fetch the file itself with `git lfs pull`.",
            ));
        }
        if line.starts_with(b"[") || line == b"{" {
            return Err(Error::invalid(
                self.name.clone(),
                "one JSON document over many lines or a list",
                "JSON lines, one object a line",
                "Convert it: `jq -c '.[]' FILE` for a list, `jq -c . FILE` for objects.",
            ));
        }
        Ok(())
    }

    fn skip_line(&mut self) -> Result<()> {
        loop {
            let buffer = self.input.fill_buf().map_err(|e| Error::io(&self.name, e))?;
            let end = buffer.iter().position(|b| *b == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.input.consume(used);
            if end.is_some() || used == 0 {
                return Ok(());
            }
        }
    }
}
