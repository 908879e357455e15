//! Files with an index: row i of them without holding them.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::example::{Bad, Example, Fault, Place};
use super::format::Format;
use super::ids::{Ids, Repeat};
use super::records::{self, About, Record, Records};
use super::shape::Shape;
use super::source::{self, Source};
use super::stream::{self, Options, Reading};
use super::table::Table;
use super::{csv, json};
use crate::{Error, Result};

type Row = serde_json::Map<String, Value>;

/// Rows with the id of an earlier row that are kept; the rest are counted.
const REPEATS: usize = 1000;

/// One file of a data set, as far as it is indexed.
#[derive(Debug, Default)]
pub struct File {
    /// Its name in messages.
    pub name: String,
    /// Its format, once it is open.
    pub format: Option<Format>,
    /// What its columns mean, once it is known.
    pub shape: Option<Shape>,
    /// Every column that occurs, in order.
    pub columns: Vec<String>,
    /// Good rows.
    pub rows: usize,
    /// Rows without a preference: neither answer is better, or both are the same.
    pub ties: usize,
    /// Rows, good and bad, with the id of an earlier row.
    pub repeated: usize,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// Why it could not be read, or not to its end.
    pub error: Option<String>,
    /// It is read to its end, or as far as it goes.
    pub done: bool,
}

/// Where the index stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// All files are read.
    pub done: bool,
    /// Rows seen, good and bad.
    pub seen: usize,
    /// Share of the bytes of the file in hand that are read, where its size is known.
    pub share: Option<f64>,
}

/// Where a good row's bytes are.
#[derive(Clone, Copy)]
struct Entry {
    offset: u64,
    len: u32,
    line: u32,
    number: u32,
}

/// Where a file can be read again.
struct Store {
    content: Mutex<Again>,
    format: Format,
    header: Vec<String>,
    /// The header as it stands.
    head: Vec<u8>,
    entries: Vec<Entry>,
    /// Number of the file's first row, less 1.
    before: usize,
    size: Option<u64>,
}

enum Again {
    /// Bytes by offset.
    Text(fs::File),
    /// Rows by number.
    Columns(Box<Table>),
}

/// Rows of some files, by number.
///
/// Nothing is read by [`open`](Self::open); [`index`](Self::index) reads on, rows are there as soon as they are indexed.
pub struct Dataset {
    options: Options,
    sources: Vec<Source>,
    files: Vec<File>,
    stores: Vec<Option<Store>>,
    reading: Option<Reading>,
    /// Of the file in hand, or the next one.
    at: usize,
    bad: Vec<Bad>,
    ids: Ids,
    repeats: Vec<Repeat>,
    seen: usize,
}

impl Dataset {
    /// A data set of some sources, not read yet.
    pub fn open(sources: Vec<Source>, options: Options) -> Self {
        let files = sources.iter().map(|s| File { name: s.name(), ..File::default() }).collect();
        let stores = sources.iter().map(|_| None).collect();
        Self {
            options,
            sources,
            files,
            stores,
            reading: None,
            at: 0,
            bad: Vec::new(),
            ids: Ids::default(),
            repeats: Vec::new(),
            seen: 0,
        }
    }

    /// Reads up to `rows` more rows.
    pub fn index(&mut self, rows: usize) -> Progress {
        self.index_with(rows, &mut |_| ())
    }

    /// [`index`](Self::index) that shows each good row, in order, as it is read.
    pub fn index_with(&mut self, rows: usize, seen: &mut dyn FnMut(&Example)) -> Progress {
        for _ in 0..rows {
            if !self.step(seen) {
                break;
            }
        }
        self.progress()
    }

    /// Reads all rows, or until `cancelled`, which is asked now and then.
    pub fn index_all(&mut self, mut cancelled: impl FnMut(Progress) -> bool) -> Progress {
        loop {
            let progress = self.index(4096);
            if progress.done || cancelled(progress) {
                return progress;
            }
        }
    }

    /// Where the index stands.
    pub fn progress(&self) -> Progress {
        let size = self.stores.get(self.at).and_then(Option::as_ref).and_then(|store| store.size);
        let share = self.reading.as_ref().and_then(|reading| match reading.records.rows() {
            Some(rows) => Some(reading.count as f64 / rows.max(1) as f64),
            None => Some(reading.records.read() as f64 / size?.max(1) as f64),
        });
        Progress { done: self.at == self.sources.len(), seen: self.seen, share }
    }

    /// Rows indexed so far: good ones, and ties that have a prompt and answers.
    pub fn len(&self) -> usize {
        self.stores.iter().flatten().map(|store| store.entries.len()).sum()
    }

    /// True without good rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files, in order.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Rows that are no examples, in order; ties are not among them.
    pub fn bad(&self) -> &[Bad] {
        &self.bad
    }

    /// Rows with the id of an earlier row, in order: the first thousand of them.
    pub fn repeats(&self) -> &[Repeat] {
        &self.repeats
    }

    /// Every column that occurs, in the order of the files.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for name in self.files.iter().flat_map(|file| &file.columns) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        columns
    }

    /// File and place of good row `i`.
    pub fn place(&self, i: usize) -> Option<(&File, Place)> {
        let (at, store, entry) = self.find(i)?;
        let row = u64::from(entry.number).saturating_sub(store.before as u64);
        let place = match store.format {
            Format::JsonLines | Format::Table(_) if entry.line > 0 => Place::Line(entry.line.into()),
            Format::Json if entry.line > 0 => Place::Element(row, entry.line.into()),
            _ => Place::Row(row),
        };
        Some((self.files.get(at)?, place))
    }

    /// Good row `i` as it stands: columns and values.
    ///
    /// # Errors
    /// A file that can no longer be read, or has changed since.
    pub fn row(&self, i: usize) -> Result<Row> {
        let Some((at, store, entry)) = self.find(i) else {
            return Err(Error::Usage(format!("row {i}: there are {}", self.len())));
        };
        let name = self.files.get(at).map_or("", |file| file.name.as_str());
        store.row(name, entry.offset, entry.len.into())
    }

    /// Good row `i`.
    ///
    /// # Errors
    /// A file that can no longer be read, or has changed since.
    pub fn example(&self, i: usize) -> Result<Example> {
        let mut row = self.row(i)?;
        let Some((at, _, entry)) = self.find(i) else { return Err(Error::Usage(format!("no row {i}"))) };
        let file = self.files.get(at);
        let shape = file.and_then(|file| file.shape.as_ref());
        let (example, _) = stream::read(shape, &self.options, entry.number as usize, &mut row);
        example.map_err(|fault| changed(file.map_or("", |file| &file.name), &fault))
    }

    /// Writes the bad rows as they stand, in order, a line break after each; those of a table after its header. What is no
    /// text (Parquet, Arrow) is written as JSON lines.
    ///
    /// # Errors
    /// What reading and writing say.
    pub fn write_bad(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut headed = None;
        for bad in &self.bad {
            let Some(Some(store)) = self.stores.get(bad.file) else { continue };
            if store.format.is_table() && headed.replace(bad.file) != Some(bad.file) {
                out.write_all(store.head.trim_ascii_end())?;
                out.write_all(b"\n")?;
            }
            store.write(bad.span, out)?;
        }
        Ok(())
    }

    fn find(&self, i: usize) -> Option<(usize, &Store, Entry)> {
        let mut i = i;
        for (at, store) in self.stores.iter().enumerate() {
            let Some(store) = store else { continue };
            match store.entries.get(i) {
                Some(entry) => return Some((at, store, *entry)),
                None => i -= store.entries.len(),
            }
        }
        None
    }

    /// Reads one row, or ends or begins a file; false at the end.
    fn step(&mut self, seen: &mut dyn FnMut(&Example)) -> bool {
        let Some(reading) = &mut self.reading else {
            return self.begin();
        };
        let number = self.seen + 1;
        let (Some(file), Some(Some(store))) = (self.files.get_mut(self.at), self.stores.get_mut(self.at))
        else {
            return false;
        };
        match reading.next(number) {
            Ok(Some((record, example, tie))) => {
                self.seen = number;
                if let Some(repeat) = self.ids.see(self.at, number, record.place, &record.row) {
                    file.repeated += 1;
                    if self.repeats.len() < REPEATS {
                        self.repeats.push(repeat);
                    }
                }
                let span = match store.keep(&record) {
                    Ok(span) => span,
                    Err(error) => {
                        file.error = Some(Error::io("the temporary folder", error).to_string());
                        self.end();
                        return true;
                    }
                };
                match example {
                    Ok(example) => {
                        let count = if example.tie { &mut file.ties } else { &mut file.rows };
                        *count += 1;
                        store.entries.push(Entry::new(span, record.place, number));
                        seen(&example);
                    }
                    Err(_) if tie => file.ties += 1,
                    Err(fault) => self.bad.push(Bad { file: self.at, place: record.place, span, fault }),
                }
                if file.shape.is_none() {
                    file.shape = reading.shape.clone();
                }
                file.format = Some(reading.records.about().format);
                if file.columns.len() < reading.columns.len() {
                    file.columns.clone_from(&reading.columns);
                }
            }
            Ok(None) => {
                file.error = reading.verdict().err().map(|error| error.to_string());
                if file.shape.is_none() {
                    file.shape = reading.shape.clone();
                }
                file.columns.clone_from(&reading.columns);
                self.end();
            }
            Err(error) => {
                file.error = Some(error.to_string());
                self.end();
            }
        }
        true
    }

    fn end(&mut self) {
        self.reading = None;
        if let Some(file) = self.files.get_mut(self.at) {
            file.done = true;
        }
        if let Some(Some(store)) = self.stores.get_mut(self.at) {
            store.entries.shrink_to_fit();
        }
        self.at += 1;
    }

    /// Opens the next file; false after the last.
    fn begin(&mut self) -> bool {
        let Some(source) = self.sources.get(self.at) else { return false };
        match open(source, self.seen) {
            Ok((records, store)) => {
                let About { format, notes, .. } = records.about();
                if let Some(file) = self.files.get_mut(self.at) {
                    file.format = Some(*format);
                    file.notes.clone_from(notes);
                }
                if let Some(slot) = self.stores.get_mut(self.at) {
                    *slot = Some(store);
                }
                self.reading = Some(Reading::new(records, &self.options));
            }
            Err(error) => {
                if let Some(file) = self.files.get_mut(self.at) {
                    file.error = Some(error.to_string());
                }
                self.end();
            }
        }
        true
    }
}

/// Opens a source; what cannot be read again from its own file goes into a temporary one while it is read.
fn open(source: &Source, before: usize) -> Result<(Records, Store)> {
    let failed = |e| Error::io("the temporary folder", e);
    let mut unpacked = source::open(source)?;
    let name = source.name();
    let content = unpacked.content;
    let columns = records::columns_file(source, &mut unpacked)?;
    let mut size = None;
    let again = match (&columns, source.path(), unpacked.skipped) {
        (Some(file), ..) => {
            Again::Columns(Box::new(Table::open(&name, file.try_clone().map_err(failed)?, content)?))
        }
        (None, Some(path), Some(_)) => {
            let file = fs::File::open(path).map_err(|e| Error::io(path, e))?;
            size = file.metadata().ok().map(|m| m.len());
            Again::Text(file)
        }
        _ if let (Source::Spool(spool), Some(_)) = (source, unpacked.skipped) => {
            Again::Text(spool.file().map_err(failed)?)
        }
        _ => {
            let spool = tempfile::tempfile().map_err(failed)?;
            let copy = spool.try_clone().map_err(failed)?;
            unpacked.input = Box::new(Tee { input: unpacked.input, copy, at: 0 });
            Again::Text(spool)
        }
    };
    let records = Records::over(&name, unpacked, columns)?;
    let (header, head) = (records.header_names().to_vec(), records.header_text().to_vec());
    let format = records.about().format;
    let content = Mutex::new(again);
    Ok((records, Store { content, format, header, head, entries: Vec::new(), before, size }))
}

fn changed(name: &str, fault: &Fault) -> Error {
    Error::invalid(
        name,
        format!("another row than before ({fault})"),
        "the file as it was opened",
        "Open it again.",
    )
}

impl Store {
    fn content(&self) -> MutexGuard<'_, Again> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row of a span.
    fn row(&self, name: &str, offset: u64, len: u64) -> Result<Row> {
        let bytes = match &mut *self.content() {
            Again::Columns(table) => {
                let gone = || Fault::whole("no row", "a row");
                return table.row(offset)?.ok_or_else(|| changed(name, &gone()));
            }
            Again::Text(text) => bytes(text, offset, len).map_err(|e| Error::io(name, e))?,
        };
        let row = match self.format {
            Format::Table(delimiter) => csv::row(&self.header, &bytes, delimiter),
            _ => records::object(json::parse(records::value_text(&bytes))),
        };
        row.map_err(|fault| changed(name, &fault))
    }

    /// Writes the row of a span as it stands, and a line break.
    fn write(&self, (offset, len): (u64, u64), out: &mut dyn Write) -> std::io::Result<()> {
        let mut content = self.content();
        match &mut *content {
            Again::Columns(table) => {
                let row = table.row(offset).map_err(std::io::Error::other)?.unwrap_or_default();
                serde_json::to_writer(&mut *out, &row)?;
            }
            // A row may be larger than what is worth holding.
            Again::Text(text) => {
                text.seek(SeekFrom::Start(offset))?;
                let mut rest = text.take(len);
                let (mut held, mut begun): (Vec<u8>, bool) = (Vec::new(), false);
                loop {
                    let mut block = vec![0; 1 << 16];
                    let n = rest.read(&mut block)?;
                    if n == 0 {
                        break;
                    }
                    out.write_all(&held)?;
                    block.truncate(n);
                    held = if begun { block } else { block.trim_ascii_start().to_vec() };
                    begun = true;
                }
                out.write_all(held.trim_ascii_end())?;
            }
        }
        out.write_all(b"\n")
    }

    /// Where the row can be read again; rows of a document that is one object are written to a temporary file.
    fn keep(&mut self, record: &Record) -> std::io::Result<(u64, u64)> {
        let (Record { place: Place::Row(number), row: Ok(row), .. }, false) = (record, self.is_columns())
        else {
            return Ok(record.span);
        };
        let line = serde_json::to_vec(row)?;
        let content = self.content.get_mut().unwrap_or_else(PoisonError::into_inner);
        if *number == 1 {
            *content = Again::Text(tempfile::tempfile()?);
        }
        let Again::Text(text) = content else { return Ok(record.span) };
        let offset = text.seek(SeekFrom::End(0))?;
        text.write_all(&line)?;
        Ok((offset, line.len() as u64))
    }

    fn is_columns(&self) -> bool {
        matches!(self.format, Format::Parquet | Format::Arrow)
    }
}

impl Entry {
    fn new((offset, len): (u64, u64), place: Place, number: usize) -> Self {
        let line = match place {
            Place::Line(line) | Place::Element(_, line) => line,
            Place::Row(_) => 0,
        };
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self { offset, len: small(len), line: small(line), number: small(number as u64) }
    }
}

fn bytes(text: &mut fs::File, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
    text.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    text.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Keeps a copy of what is read.
struct Tee {
    input: Box<dyn Read + Send>,
    copy: fs::File,
    /// Where the copy ends; whoever reads it moves the file's own place.
    at: u64,
}

impl Read for Tee {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(out)?;
        self.copy.seek(SeekFrom::Start(self.at))?;
        self.copy.write_all(out.get(..n).unwrap_or_default())?;
        self.at += n as u64;
        Ok(n)
    }
}
