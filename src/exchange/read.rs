//! A file of labels: what format it has, its records, and what is wrong with those that are none.

use std::path::Path;

use super::record::{Columns, Meanings, Record};
use super::{argilla, label_studio, log, table};
use crate::data::{Records, Source};
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

/// Reads a file: whatever [`crate::data`] reads, its rows as they stand.
///
/// # Errors
/// A file that cannot be read, or in which no row is a label.
pub fn read(path: &Path, columns: &Columns, meanings: &Meanings) -> Result<Read> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut rows = Records::open(&Source::File(path.to_owned()))?.as_they_stand();
    let cell = rows.about().format.is_table();
    let mut read = Read { name: name.clone(), format: "table", ..Read::default() };
    let (mut all, mut log) = (0, Log::default());
    while let Some(row) = rows.record()? {
        all += 1;
        let place = format!("{name}{}", row.place);
        let result = row.row.map_err(|fault| fault.to_string()).and_then(|mut row| {
            columns.apply(&mut row);
            if log::is_log(&row) {
                read.format = "events";
                return log::read(&row, rows.text(), &mut log).map(|()| None);
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
