//! One CSV record -> fields; a header and a record -> a row.

use std::cell::RefCell;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::example::Fault;

thread_local! {
    /// The last delimiter's reader: building its tables costs twenty times what reading a record does, and a clone of
    /// one forgets them.
    static READER: RefCell<Option<(u8, Reader)>> = const { RefCell::new(None) };
}

/// The fields of one record.
pub fn fields(record: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    READER.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(of, _)| *of != delimiter) {
            *kept = None;
        }
        let (_, reader) =
            kept.get_or_insert_with(|| (delimiter, ReaderBuilder::new().delimiter(delimiter).build()));
        reader.reset();
        read(reader, record)
    })
}

/// The fields of one record by a reader at its start.
fn read(reader: &mut Reader, record: &[u8]) -> Vec<Vec<u8>> {
    let mut output = vec![0; record.len() + 1];
    let mut ends = vec![0; 16];
    let (mut input, mut written, mut ended) = (record, 0, 0);
    loop {
        let out = output.get_mut(written..).unwrap_or_default();
        let room = ends.get_mut(ended..).unwrap_or_default();
        let (result, read, wrote, found) = reader.read_record(input, out, room);
        input = input.get(read..).unwrap_or_default();
        written += wrote;
        ended += found;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => output.resize(output.len() * 2, 0),
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::Record | ReadRecordResult::End => break,
        }
    }
    let mut start = 0;
    let ends = ends.get(..ended).unwrap_or_default();
    ends.iter()
        .map(|&end| {
            let field = output.get(start..end).unwrap_or_default().to_vec();
            start = end;
            field
        })
        .collect()
}

/// The columns' names of a header; a name that occurs again gets a number.
pub fn header(record: &[u8], delimiter: u8) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (i, field) in fields(record, delimiter).into_iter().enumerate() {
        let text = String::from_utf8_lossy(&field).trim().to_owned();
        // pandas writes its index without a name.
        let base = if text.is_empty() { format!("column {}", i + 1) } else { text };
        let mut name = base.clone();
        let mut n = 2;
        while names.contains(&name) {
            name = format!("{base}.{n}");
            n += 1;
        }
        names.push(name);
    }
    names
}

/// A record's row; empty fields are missing values.
///
/// # Errors
/// Another number of fields than the header has, or bytes that are no text.
pub fn row(header: &[String], record: &[u8], delimiter: u8) -> Result<Map<String, Value>, Fault> {
    let fields = fields(record, delimiter);
    if fields.len() != header.len() {
        let found = format!("{} fields", fields.len());
        return Err(Fault::whole(found, format!("{}, as the header has", header.len())));
    }
    let mut row = Map::new();
    for (name, field) in header.iter().zip(fields) {
        let value = match String::from_utf8(field) {
            Ok(text) if text.is_empty() => Value::Null,
            Ok(text) => Value::String(text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to() + 1;
                let found = format!("bytes that are not UTF-8 (at byte {at})");
                return Err(Fault::new(name.clone(), found, "Unicode text"));
            }
        };
        row.insert(name.clone(), value);
    }
    Ok(row)
}

/// Which character stands between the fields of a table that begins so, if it is one: every delimiter is tried, and one
/// that gives the header a known column, or all records as many fields as the header, is it.
pub fn delimiter(head: &[u8], known: &dyn Fn(&str) -> bool, whole: bool) -> Option<u8> {
    let mut found: Option<(usize, u8)> = None;
    for delimiter in [b',', b'\t', b';', b'|'] {
        let records = records(head, delimiter, whole);
        let Some(first) = records.first() else { continue };
        let names = header(first, delimiter);
        if names.len() < 2 || names.iter().any(|n| n.len() > 100 || n.contains(['\n', '{', '"'])) {
            continue;
        }
        let known = names.iter().filter(|name| known(name)).count();
        let rest = records.get(1..).unwrap_or_default();
        let alike = rest.iter().filter(|r| fields(r, delimiter).len() == names.len()).count();
        let fits = known > 0 || (!rest.is_empty() && alike * 10 >= rest.len() * 9);
        if fits && found.is_none_or(|(best, _)| known > best) {
            found = Some((known, delimiter));
        }
    }
    found.map(|(_, delimiter)| delimiter)
}

/// The delimiter that a header has most of, a comma among equals.
pub fn commonest(header: &[u8]) -> u8 {
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    [b'|', b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// The first records, whole ones only unless the head is the whole file.
fn records(head: &[u8], delimiter: u8, whole: bool) -> Vec<&[u8]> {
    use super::feed::Split as _;
    let mut split = super::split::CsvRecords::new(delimiter);
    let mut rest = head;
    let mut records = Vec::new();
    while !rest.is_empty() && records.len() < 20 {
        split.begin();
        let n = match split.feed(rest) {
            Some(n) => n,
            None if whole || records.is_empty() => rest.len(),
            None => break,
        };
        let (record, after) = rest.split_at(n);
        if !record.trim_ascii().is_empty() {
            records.push(record);
        }
        rest = after;
    }
    records
}
