//! A file of labels: what format it has, its records, and what is wrong with those that are none.

use std::path::Path;

use serde_json::{Map, Value};

use super::record::{Columns, Meanings, Record};
use super::{argilla, label_studio, log, parquet, table};
use crate::session::Log;
use crate::{Error, Result};

/// A file of labels, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The file's name.
    pub name: String,
    /// `argilla`, `label-studio`, `table` or `events`.
    pub format: &'static str,
    /// Its records.
    pub records: Vec<Record>,
    /// Of the event log: all of it.
    pub log: Option<Log>,
    /// What could not be read: place and reason.
    pub bad: Vec<String>,
}

/// A row as it stands: its line, columns and values or why there are none, its text if it is a line of JSON.
type Row = (usize, Result<Map<String, Value>, String>, Option<Vec<u8>>);

/// Reads a file: JSON lines, a JSON list, a table (CSV, TSV, `;`), Parquet; plain, gzip or zstd.
///
/// # Errors
/// A file that cannot be read, or in which no row is a label.
pub fn read(path: &Path, columns: &Columns, meanings: &Meanings) -> Result<Read> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    read_bytes(&name, bytes, columns, meanings)
}

fn read_bytes(name: &str, bytes: Vec<u8>, columns: &Columns, meanings: &Meanings) -> Result<Read> {
    let bytes = unpack(name, bytes)?;
    let (rows, cell) = rows(name, bytes)?;
    let mut read = Read { name: name.to_owned(), format: "table", ..Read::default() };
    let (mut all, mut log) = (0, Log::default());
    for (line, row, text) in rows {
        all += 1;
        let place = format!("{name}:{line}");
        let result = row.and_then(|mut row| {
            columns.apply(&mut row);
            if log::is_log(&row) {
                read.format = "events";
                return log::read(&row, text.as_deref(), &mut log).map(|()| None);
            }
            if argilla::is_record(&row) {
                read.format = "argilla";
                return argilla::read(&row, meanings).map(Some);
            }
            if label_studio::is_task(&row) {
                read.format = "label-studio";
                return label_studio::read(&row, meanings).map(Some);
            }
            table::read(&row, cell, meanings).map(Some)
        });
        match result {
            Ok(Some(record)) => read.records.push(Record { place, ..record }),
            Ok(None) => {}
            Err(why) => read.bad.push(format!("{place}: {why}")),
        }
    }
    if read.format == "events" {
        read.log = Some(log);
    }
    if read.records.is_empty() && read.log.is_none() {
        let found = match read.bad.first() {
            Some(first) => format!("no label in {all} rows; the first: {first}"),
            None if all == 0 && !cell => return Ok(read),
            None if all == 0 => "a line of a table and no rows".to_owned(),
            None => "no label".to_owned(),
        };
        return Err(Error::invalid(
            name,
            found,
            "labels: CSV, JSON lines, Parquet, an export of Argilla or of Label Studio, or our own",
            "--columns choice=COLUMN,id=COLUMN names columns, --meaning VALUE=chosen,... says what values mean.",
        ));
    }
    Ok(read)
}

fn unpack(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let unpacked = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => {
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut out)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::copy_decode(bytes.as_slice(), &mut out).map(|()| 0),
        _ => return Ok(bytes),
    };
    let _bytes = unpacked.map_err(|e| {
        Error::invalid(
            name,
            format!("packed data that is cut off or damaged ({e})"),
            "the whole file",
            "Fetch it again.",
        )
    })?;
    Ok(out)
}

/// The rows, and whether they are of a table whose cells are text.
fn rows(name: &str, bytes: Vec<u8>) -> Result<(Vec<Row>, bool)> {
    if bytes.starts_with(b"PAR1") {
        let rows = parquet::read(name, bytes)?;
        return Ok((rows.into_iter().enumerate().map(|(at, row)| (at + 1, Ok(row), None)).collect(), false));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let first = text.trim_ascii_start().first();
    if first == Some(&b'[') {
        return Ok((list(name, text)?, false));
    }
    if first == Some(&b'{') {
        // A document over several lines, or an object a line.
        if let Ok(Value::Object(row)) = serde_json::from_slice::<Value>(text) {
            let line = text.trim_ascii().to_vec();
            return Ok((vec![(1, Ok(row), Some(line))], false));
        }
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        let rows = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(at, line)| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let row = serde_json::from_slice(line).map_err(|e| format!("found no JSON object ({e})"));
            (at + 1, row, Some(line.to_vec()))
        });
        return Ok((rows.collect(), false));
    }
    Ok((cells(text)?, true))
}

fn list(name: &str, text: &[u8]) -> Result<Vec<Row>> {
    let values: Vec<Value> = serde_json::from_slice(text).map_err(|e| {
        Error::invalid(
            name,
            format!("a JSON list that breaks off or is damaged ({e})"),
            "a list of objects",
            "Export it again.",
        )
    })?;
    let row = |(at, value)| match value {
        Value::Object(row) => (at + 1, Ok(row), None),
        other => (at + 1, Err(format!("found {}, expected an object", super::texts::short(&other))), None),
    };
    Ok(values.into_iter().enumerate().map(row).collect())
}

/// The rows of a table with a header; the delimiter is the one the header has most of.
fn cells(text: &[u8]) -> Result<Vec<Row>> {
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    let delimiter = [b',', b';', b'\t'].into_iter().rev().max_by_key(count).unwrap_or(b',');
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut rows, mut names, mut rest) = (Vec::new(), None, text);
    loop {
        let line = reader.line() as usize;
        let Some(fields) = fields(&mut reader, &mut rest) else { return Ok(rows) };
        let fields: Result<Vec<String>, String> = fields
            .into_iter()
            .map(|field| {
                String::from_utf8(field).map_err(|_bytes| "found bytes that are not UTF-8".to_owned())
            })
            .collect();
        let Some(names) = &names else {
            names = Some(fields.unwrap_or_default());
            continue;
        };
        let row = fields.and_then(|fields| {
            if fields.len() != names.len() {
                return Err(format!(
                    "found {} fields, expected {} as the header has",
                    fields.len(),
                    names.len()
                ));
            }
            Ok(names.iter().cloned().zip(fields.into_iter().map(cell)).collect())
        });
        rows.push((line, row, None));
    }
}

/// An empty cell is a missing value.
fn cell(text: String) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// The fields of the next record; none at the end.
fn fields(reader: &mut csv_core::Reader, rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    use csv_core::ReadFieldResult;
    let (mut fields, mut field, mut block) = (Vec::new(), Vec::new(), [0; 4096]);
    loop {
        let (result, read, wrote) = reader.read_field(rest, &mut block);
        *rest = rest.get(read..).unwrap_or_default();
        field.extend_from_slice(block.get(..wrote).unwrap_or_default());
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                fields.push(std::mem::take(&mut field));
                if record_end {
                    return Some(fields);
                }
            }
            ReadFieldResult::End => return None,
        }
    }
}
