//! The rows of one source, one after the other, as they stand: whatever its format, a row is columns and values.

use std::collections::VecDeque;
use std::fs::File;

use serde_json::{Map, Value};

use super::example::{Fault, Place};
use super::feed::{End, Feed, Piece};
use super::format::{self, Format};
use super::source::{self, Content, Packing, Source, Unpacked};
use super::split::{CsvRecords, Lines, Values};
use super::table::Table;
use super::{csv, json, shape, unfold};
use crate::{Error, Result};

/// Longest row in bytes; a longer one is a bad row.
pub const ROW_LIMIT: usize = 64 << 20;

/// A row as it stands.
#[derive(Debug)]
pub struct Record {
    /// Where.
    pub place: Place,
    /// Its bytes in the text: offset and length.
    pub span: (u64, u64),
    /// Columns and values, or why there are none.
    pub row: Result<Map<String, Value>, Fault>,
}

/// What is known of a source once it is open.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name in messages.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// How it was packed.
    pub packing: Option<Packing>,
    /// A file: reading ahead waits for nobody.
    pub whole: bool,
    /// What is worth knowing: an extension that says something else.
    pub notes: Vec<String>,
}

/// Yields the rows of one source.
pub struct Records {
    about: About,
    feed: Feed,
    table: Option<Table>,
    csv: Option<(Vec<String>, CsvRecords)>,
    head: Vec<u8>,
    number: u64,
    body: Vec<u8>,
    /// Rows of a document that is one object.
    unfolded: VecDeque<Value>,
    began: bool,
    /// A document that is one object is one row.
    folded: bool,
}

impl Records {
    /// Opens a source.
    ///
    /// # Errors
    /// What [`source::open`] says, and what the content says of itself.
    pub fn open(source: &Source) -> Result<Self> {
        let mut unpacked = source::open(source)?;
        let file = columns_file(source, &mut unpacked)?;
        Self::over(&source.name(), unpacked, file)
    }

    /// Reads an open source called `name`; `file` is its content where that is Parquet or Arrow.
    ///
    /// # Errors
    /// What the stream says.
    pub fn over(name: &str, unpacked: Unpacked, file: Option<File>) -> Result<Self> {
        let Unpacked { input, packing, content, skipped, whole } = unpacked;
        let mut feed = Feed::at(input, skipped.unwrap_or(0), 1);
        let extension = format::extension(std::path::Path::new(name));
        let format = match content {
            Content::Text => format::of_text(&mut feed, &extension, whole)
                .map_err(|e| source::broken(name, packing, 0, e))?,
            Content::Parquet => Format::Parquet,
            Content::ArrowFile | Content::ArrowStream => Format::Arrow,
        };
        let mut notes = Vec::new();
        if !extension.is_empty()
            && KNOWN_EXTENSIONS.contains(&extension.as_str())
            && !format.suits(&extension)
        {
            notes.push(format!("the name says {extension}, the content is {}", format.name()));
        }
        let table = file.map(|file| Table::open(name, file, content)).transpose()?;
        let about = About { name: name.to_owned(), format, packing, whole, notes };
        let (body, unfolded) = (Vec::new(), VecDeque::new());
        let mut records = Self {
            about,
            feed,
            table,
            csv: None,
            head: Vec::new(),
            number: 0,
            body,
            unfolded,
            began: false,
            folded: false,
        };
        if let Format::Table(delimiter) = format {
            records.header(delimiter)?;
        }
        Ok(records)
    }

    /// A document that is one object stays one row.
    #[must_use]
    pub fn as_they_stand(self) -> Self {
        Self { folded: true, ..self }
    }

    /// The text of the row in hand; none of a file of columns.
    pub fn text(&self) -> Option<&[u8]> {
        self.table.is_none().then(|| value_text(&self.body))
    }

    /// What is known of the source.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The columns of a header, or of a file of columns.
    pub fn header_names(&self) -> &[String] {
        let table = self.table.as_ref().map_or(&[][..], Table::columns);
        self.csv.as_ref().map_or(table, |(header, _)| header)
    }

    /// A table's header as it stands.
    pub fn header_text(&self) -> &[u8] {
        &self.head
    }

    /// Bytes of the unpacked file that are read.
    pub fn read(&self) -> u64 {
        self.feed.offset()
    }

    /// Rows in all, where the file says so.
    pub fn rows(&self) -> Option<u64> {
        self.table.as_ref()?.rows()
    }

    fn header(&mut self, delimiter: u8) -> Result<()> {
        let mut split = CsvRecords::new(delimiter);
        while self.piece(&mut split)?.is_some() {
            if !self.body.trim_ascii().is_empty() {
                let header = csv::header(&self.body, delimiter);
                self.csv = Some((header, split));
                self.head.clone_from(&self.body);
                return Ok(());
            }
        }
        self.csv = Some((Vec::new(), split));
        Ok(())
    }

    fn piece(&mut self, split: &mut dyn super::feed::Split) -> Result<Option<Piece>> {
        let piece = self.feed.record(split, ROW_LIMIT, &mut self.body);
        piece.map_err(|e| source::broken(&self.about.name, self.about.packing, self.number, e))
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// What the stream says; rows before it were good.
    pub fn record(&mut self) -> Result<Option<Record>> {
        match self.about.format {
            Format::JsonLines => self.next_line(),
            Format::Json => self.next_value(),
            Format::Table(delimiter) => self.next_record(delimiter),
            Format::Parquet | Format::Arrow => self.next_row(),
        }
    }

    fn next_row(&mut self) -> Result<Option<Record>> {
        let Some(table) = &mut self.table else { return Ok(None) };
        let Some(row) = table.row(self.number)? else { return Ok(None) };
        self.number += 1;
        Ok(Some(Record { place: Place::Row(self.number), span: (self.number - 1, 0), row: Ok(row) }))
    }

    fn next_line(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.next_unfolded() {
                return Ok(Some(record));
            }
            let Some(piece) = self.piece(&mut Lines)? else { return Ok(None) };
            let text = self.body.trim_ascii();
            if piece.end == End::Whole && (text.is_empty() || text.starts_with(b"//")) {
                continue;
            }
            let text = value_text(text);
            let row = match piece.end {
                End::TooLong => Err(too_long()),
                End::Cut | End::Whole => object(json::parse(text)),
            };
            if let Some(record) = self.took(&piece, Place::Line(piece.line), row)? {
                return Ok(Some(record));
            }
        }
    }

    fn next_value(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.next_unfolded() {
                return Ok(Some(record));
            }
            let mut values = Values::default();
            let Some(piece) = self.piece(&mut values)? else { return Ok(None) };
            if !values.holds_value() && piece.end != End::TooLong {
                continue;
            }
            let text = value_text(&self.body);
            let row = match piece.end {
                End::TooLong => Err(too_long()),
                End::Cut => Err(Fault::whole("the end of the file within the row", "a whole JSON object")),
                End::Whole => object(json::parse(text)),
            };
            // The line of the value, not of what stands before it.
            let before =
                self.body.iter().take_while(|b| b.is_ascii_whitespace()).filter(|b| **b == b'\n').count();
            let place = Place::Element(self.number + 1, piece.line + before as u64);
            if let Some(record) = self.took(&piece, place, row)? {
                return Ok(Some(record));
            }
        }
    }

    /// A row that was read; the first and only one may stand for many.
    fn took(
        &mut self,
        piece: &Piece,
        place: Place,
        row: Result<Map<String, Value>, Fault>,
    ) -> Result<Option<Record>> {
        let first = !std::mem::replace(&mut self.began, true);
        if first
            && !self.folded
            && let Ok(object) = &row
            && let Some(rows) = unfold::rows(object)
            && (shape::recognise_row(object).is_none()
                || rows.iter().all(|r| r.as_object().is_some_and(|r| shape::recognise_row(r).is_some())))
            && self.at_end()?
        {
            self.unfolded = rows.into();
            self.about.format = Format::Json;
            return Ok(self.next_unfolded());
        }
        self.number += 1;
        Ok(Some(Record { place, span: (piece.offset, piece.len), row }))
    }

    fn next_unfolded(&mut self) -> Option<Record> {
        let value = self.unfolded.pop_front()?;
        self.number += 1;
        Some(Record { place: Place::Row(self.number), span: (0, 0), row: object(Ok(value)) })
    }

    /// Whether nothing but white space follows.
    fn at_end(&mut self) -> Result<bool> {
        loop {
            if !self.feed.window().trim_ascii().is_empty() {
                return Ok(false);
            }
            let more = self.feed.more();
            if !more.map_err(|e| source::broken(&self.about.name, self.about.packing, self.number, e))? {
                return Ok(true);
            }
        }
    }

    fn next_record(&mut self, delimiter: u8) -> Result<Option<Record>> {
        loop {
            let Some((header, mut split)) = self.csv.take() else { return Ok(None) };
            let piece = self.piece(&mut split);
            let piece = match piece {
                Ok(Some(piece)) => piece,
                other => {
                    self.csv = Some((header, split));
                    return other.map(|_| None);
                }
            };
            let blank = self.body.trim_ascii().is_empty() && piece.end == End::Whole;
            let row = (!blank).then(|| match piece.end {
                End::TooLong => Err(too_long()),
                End::Cut => {
                    Err(Fault::whole("a quote that does not close", "a quote at the end of the field"))
                }
                End::Whole => csv::row(&header, &self.body, delimiter),
            });
            self.csv = Some((header, split));
            if let Some(row) = row {
                self.number += 1;
                let place = Place::Line(piece.line);
                return Ok(Some(Record { place, span: (piece.offset, piece.len), row }));
            }
        }
    }
}

/// The content of a file of columns: its own file, or, packed or from a pipe, a temporary one.
///
/// # Errors
/// I/O errors of either.
pub fn columns_file(source: &Source, unpacked: &mut Unpacked) -> Result<Option<File>> {
    if unpacked.content == Content::Text {
        return Ok(None);
    }
    if let (Some(path), Some(0)) = (source.path(), unpacked.skipped) {
        return File::open(path).map(Some).map_err(|e| Error::io(path, e));
    }
    spooled(&source.name(), unpacked).map(Some)
}

/// [`columns_file`] of a stream.
///
/// # Errors
/// What the stream says, or the temporary folder.
pub fn spooled(name: &str, unpacked: &mut Unpacked) -> Result<File> {
    let mut copy = tempfile::tempfile().map_err(|e| Error::io("the temporary folder", e))?;
    let copied = std::io::copy(&mut unpacked.input, &mut copy);
    copied.map_err(|e| source::broken(name, unpacked.packing, 0, e))?;
    Ok(copy)
}

/// Extensions that say what a file is.
pub const KNOWN_EXTENSIONS: [&str; 14] = [
    "jsonl",
    "ndjson",
    "json",
    "jsonlines",
    "jsonc",
    "csv",
    "tsv",
    "tab",
    "parquet",
    "pq",
    "arrow",
    "feather",
    "ipc",
    "arrows",
];

/// A value without what stands around it.
pub fn value_text(bytes: &[u8]) -> &[u8] {
    let text = bytes.trim_ascii();
    let bare = !text.starts_with(b"{") && !text.starts_with(b"[");
    let text = text.strip_suffix(b",").or_else(|| text.strip_suffix(b"]").filter(|_| bare)).unwrap_or(text);
    text.trim_ascii_end()
}

/// One row's value as columns.
pub fn object(value: Result<Value, Fault>) -> Result<Map<String, Value>, Fault> {
    match value? {
        Value::Object(object) => Ok(object),
        other => Err(Fault::whole(super::chat::kind(&other), json::EXPECTED)),
    }
}

fn too_long() -> Fault {
    Fault::whole(format!("a row of more than {} MiB", ROW_LIMIT >> 20), "shorter rows")
}
