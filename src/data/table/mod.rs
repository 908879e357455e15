//! Parquet and Arrow: row i of a file, a batch of rows held at a time.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::FileWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use serde_json::{Map, Value};

use super::source::Content;
use crate::{Error, Result};

mod check;
mod values;

/// Bytes of a batch to aim at.
const BATCH_BYTES: usize = 4 << 20;
/// Rows of a batch at most.
const BATCH_ROWS: usize = 1024;

/// An open file of columns.
pub struct Table {
    name: String,
    columns: Vec<String>,
    kind: Kind,
    /// The batch in hand and the number of its first row.
    batch: Option<(u64, RecordBatch)>,
    /// What is wrong after the last row that could be read.
    broken: Option<String>,
}

enum Kind {
    Parquet {
        file: File,
        metadata: ArrowReaderMetadata,
        groups: Vec<Group>,
        /// A reader of a row group, and the row it reads next.
        run: Option<(ParquetRecordBatchReader, u64)>,
    },
    Arrow {
        reader: Box<FileReader<File>>,
        /// The first row of each batch that is known.
        starts: Vec<u64>,
    },
}

/// A row group.
struct Group {
    first: u64,
    rows: u64,
    batch: usize,
}

impl Table {
    /// Opens a file from its beginning.
    ///
    /// # Errors
    /// A file that is none, is cut off, or uses what is not read.
    pub fn open(name: &str, mut file: File, content: Content) -> Result<Self> {
        file.seek(SeekFrom::Start(0)).map_err(|e| Error::io(name, e))?;
        let opened = guarded(|| match content {
            Content::Parquet => parquet(file),
            Content::ArrowStream => {
                let (copy, broken) = as_file(file)?;
                let (columns, kind, _) = arrow(copy)?;
                Ok((columns, kind, broken))
            }
            Content::ArrowFile | Content::Text => arrow(file),
        });
        let (columns, kind, broken) = opened.map_err(|why| damaged(name, content, &why))?;
        Ok(Self { name: name.to_owned(), columns, kind, batch: None, broken })
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Rows in all, where the file says so.
    pub fn rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Parquet { groups, .. } => Some(groups.last().map_or(0, |group| group.first + group.rows)),
            Kind::Arrow { .. } => None,
        }
    }

    /// Row `i`, from 0; none after the last.
    ///
    /// # Errors
    /// Damaged data; rows before it were good.
    pub fn row(&mut self, i: u64) -> Result<Option<Map<String, Value>>> {
        if self.held(i).is_none() {
            let loaded = guarded(AssertUnwindSafe(|| match &mut self.kind {
                Kind::Parquet { file, metadata, groups, run } => {
                    parquet_batch(file, metadata, groups, run, i)
                }
                Kind::Arrow { reader, starts } => arrow_batch(reader, starts, i),
            }));
            match loaded {
                Ok(Some(batch)) => self.batch = Some(batch),
                Ok(None) => {
                    return match self.broken.take() {
                        Some(why) => Err(self.damaged(i, &why)),
                        None => Ok(None),
                    };
                }
                Err(why) => return Err(self.damaged(i, &why)),
            }
        }
        let Some((batch, at)) = self.held(i) else { return Ok(None) };
        guarded(AssertUnwindSafe(|| Ok(values::row(batch, at))))
            .map(Some)
            .map_err(|why| self.damaged(i, &why))
    }

    /// The batch in hand, if row `i` is in it, and its place there.
    fn held(&self, i: u64) -> Option<(&RecordBatch, usize)> {
        let (first, batch) = self.batch.as_ref()?;
        let at = usize::try_from(i.checked_sub(*first)?).ok()?;
        (at < batch.num_rows()).then_some((batch, at))
    }

    fn damaged(&self, i: u64, why: &str) -> Error {
        Error::invalid(
            format!("{} after row {i}", self.name),
            format!("data that is cut off or damaged ({why})"),
            "the whole file",
            "Fetch or write the file again; the rows before are good.",
        )
    }
}

type Opened = (Vec<String>, Kind, Option<String>);
type Why<T> = std::result::Result<T, String>;

fn damaged(name: &str, content: Content, why: &str) -> Error {
    let kind = if content == Content::Parquet { "a Parquet file" } else { "an Arrow file" };
    let fix = "Fetch or write the file again.";
    Error::invalid(name, format!("{kind} that is cut off, damaged, or not readable here ({why})"), kind, fix)
}

/// The readers' crates check what they read, but not everywhere before they index it: a panic on a damaged file is an
/// error of that file.
fn guarded<T>(work: impl FnOnce() -> Why<T> + std::panic::UnwindSafe) -> Why<T> {
    catch_unwind(work).unwrap_or_else(|_| Err("its parts contradict each other".into()))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn parquet(file: File) -> Why<Opened> {
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(text)?;
    let columns = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut groups = Vec::new();
    let mut first = 0;
    for group in metadata.metadata().row_groups() {
        let rows = u64::try_from(group.num_rows()).map_err(text)?;
        let bytes = u64::try_from(group.total_byte_size()).map_err(text)?;
        let each = usize::try_from(bytes / rows.max(1)).map_err(text)?.max(1);
        groups.push(Group { first, rows, batch: (BATCH_BYTES / each).clamp(1, BATCH_ROWS) });
        first = u64::checked_add(first, rows).ok_or("more rows than can be counted")?;
    }
    Ok((columns, Kind::Parquet { file, metadata, groups, run: None }, None))
}

/// The batch that holds row `i`; where it follows the one before, the same reader goes on.
fn parquet_batch(
    file: &File,
    metadata: &ArrowReaderMetadata,
    groups: &[Group],
    run: &mut Option<(ParquetRecordBatchReader, u64)>,
    i: u64,
) -> Why<Option<(u64, RecordBatch)>> {
    let Some((at, group)) = groups.iter().enumerate().find(|(_, g)| i >= g.first && i - g.first < g.rows)
    else {
        return Ok(None);
    };
    let goes_on = run.as_ref().is_some_and(|(_, next)| *next == i && i > group.first);
    if !goes_on {
        let within = (i - group.first) / group.batch as u64 * group.batch as u64;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            file.try_clone().map_err(text)?,
            metadata.clone(),
        );
        let reader = builder
            .with_row_groups(vec![at])
            .with_offset(usize::try_from(within).map_err(text)?)
            .with_batch_size(group.batch)
            .build()
            .map_err(text)?;
        *run = Some((reader, group.first + within));
    }
    let Some((reader, next)) = run else { return Ok(None) };
    match reader.next() {
        Some(Ok(batch)) if batch.num_rows() > 0 => {
            let first = *next;
            *next += batch.num_rows() as u64;
            if i >= *next {
                return Err("a row group with fewer rows than it says".into());
            }
            Ok(Some((first, batch)))
        }
        Some(Err(error)) => Err(text(error)),
        _ => Err("a row group with fewer rows than it says".into()),
    }
}

fn arrow(mut file: File) -> Why<Opened> {
    check::file(&mut file)?;
    let reader = FileReader::try_new(file, None).map_err(text)?;
    let columns = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok((columns, Kind::Arrow { reader: Box::new(reader), starts: vec![0] }, None))
}

/// The batch that holds row `i`; batches before it are read once to know how many rows they have.
fn arrow_batch(
    reader: &mut FileReader<File>,
    starts: &mut Vec<u64>,
    i: u64,
) -> Why<Option<(u64, RecordBatch)>> {
    let mut at = starts.partition_point(|start| *start <= i).saturating_sub(1);
    while at < reader.num_batches() {
        reader.set_index(at).map_err(text)?;
        let Some(batch) = reader.next() else { return Ok(None) };
        let batch = batch.map_err(text)?;
        let first = starts.get(at).copied().unwrap_or_default();
        let end = first + batch.num_rows() as u64;
        if starts.len() == at + 1 {
            starts.push(end);
        }
        if i < end {
            return Ok(Some((first, batch)));
        }
        at += 1;
    }
    Ok(None)
}

/// A stream as a file, in a temporary one; also why it broke off.
fn as_file(mut stream: File) -> Why<(File, Option<String>)> {
    check::stream(&mut stream)?;
    let mut reader = StreamReader::try_new_buffered(stream, None).map_err(text)?;
    let copy = tempfile::tempfile().map_err(text)?;
    let mut writer =
        FileWriter::try_new_buffered(copy.try_clone().map_err(text)?, &reader.schema()).map_err(text)?;
    let broken = loop {
        match reader.next() {
            Some(Ok(batch)) => writer.write(&batch).map_err(text)?,
            Some(Err(error)) => break Some(text(error)),
            None => break None,
        }
    };
    writer.finish().map_err(text)?;
    Ok((copy, broken))
}
