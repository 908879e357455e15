//! Rows of some sources in order, read as they come: nothing but the row in hand is kept.

use std::collections::VecDeque;

use serde_json::Value;

use super::example::{Example, Fault, Place};
use super::ids::{Ids, Repeat};
use super::records::{self, Record, Records};
use super::shape::{self, Shape};
use super::source::{self, Source};
use crate::{Error, Result};

/// Columns and values of a row.
type Row = serde_json::Map<String, Value>;

/// Rows looked at to recognise the shape of a file that is there as a whole; of a pipe it is the first.
const SAMPLES: usize = 64;
/// ... and bytes.
const SAMPLE_BYTES: u64 = 4 << 20;

/// How rows are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names for columns that are not recognised.
    pub map: Map,
    /// An answer without text is none.
    pub strict: bool,
}

/// `--map a=b,...`: column `b` of the file is what is called `a` here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(String, String)>);

impl Map {
    /// Reads `prompt=question,chosen=best`; either side may be the known name.
    ///
    /// # Errors
    /// `Usage` for a part without `=`, or one of which neither side is known.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let Some((ours, theirs)) = part.split_once('=') else {
                return Err(Error::Usage(format!(
                    "--map `{part}`: write name=column, such as prompt=question"
                )));
            };
            let (ours, theirs) = (ours.trim().to_owned(), theirs.trim().to_owned());
            match (shape::means(&ours), shape::means(&theirs)) {
                (true, _) => pairs.push((ours, theirs)),
                (false, true) => pairs.push((theirs, ours)),
                (false, false) => {
                    return Err(Error::Usage(format!(
                        "--map `{part}`: neither side is one of prompt, answer, chosen, rejected, response_a, response_b, \
                         winner, answers, scores, messages, critique, label, score, system, id"
                    )));
                }
            }
        }
        Ok(Self(pairs))
    }

    /// As [`parse`](Self::parse) reads it.
    pub fn text(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(ours, theirs)| format!("{ours}={theirs}")).collect();
        pairs.join(",")
    }

    /// True without names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A name that stands for a column which is not among these, though the name itself is.
    fn missing(&self, columns: &[String]) -> Option<&(String, String)> {
        let there = |name: &String| columns.contains(name);
        self.0.iter().find(|(ours, theirs)| there(ours) && !there(theirs))
    }

    /// The row under our names.
    pub fn apply(&self, row: &mut Row) {
        let there: Vec<_> = self.0.iter().filter(|(_, theirs)| row.contains_key(theirs)).collect();
        if there.is_empty() {
            return;
        }
        // All at once, so that two columns can change places; positions are kept, what stood under our name gives way.
        let named = |(name, value): (String, Value)| match there.iter().find(|(_, theirs)| *theirs == name) {
            Some((ours, _)) => Some((ours.clone(), value)),
            None => there.iter().all(|(ours, _)| *ours != name).then_some((name, value)),
        };
        *row = std::mem::take(row).into_iter().filter_map(named).collect();
    }

    /// A fault under the file's names.
    fn undo(&self, fault: &mut Fault) {
        let Some(column) = &mut fault.column else { return };
        for (ours, theirs) in &self.0 {
            if let Some(rest) = column.strip_prefix(ours.as_str())
                && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                *column = format!("{theirs}{rest}");
                return;
            }
        }
    }
}

/// A row and what became of it.
#[derive(Debug)]
pub struct StreamRow {
    /// Which of the sources, from 0.
    pub file: usize,
    /// The row's number, from 1 over all sources.
    pub number: usize,
    /// Where it stands.
    pub place: Place,
    /// Its bytes in the unpacked file: offset and length.
    pub span: (u64, u64),
    /// What it means.
    pub example: Result<Example, Fault>,
    /// The row as it stands, where it is no example.
    pub row: Option<Row>,
    /// It is no example because neither answer is better.
    pub tie: bool,
    /// An earlier row has its id.
    pub repeats: Option<Box<Repeat>>,
}

/// A row, what it means, and whether it is a tie without answers.
type Read = (Record, Result<Example, Fault>, bool);

/// One open source with its shape.
pub(super) struct Reading {
    pub records: Records,
    options: Options,
    /// Found from the first rows.
    pub shape: Option<Shape>,
    settled: bool,
    /// Every column that occurred, in the order of the first row that has it.
    pub columns: Vec<String>,
    waiting: VecDeque<Record>,
    /// Rows that could be read as columns and values.
    pub parsed: u64,
    /// All rows.
    pub count: u64,
    first_fault: Option<(Place, Fault)>,
    /// The reason why reading ended early, once the rows before it are given.
    failed: Option<Error>,
}

impl Reading {
    pub fn new(records: Records, options: &Options) -> Self {
        let columns = records.header_names().to_vec();
        let (shape, waiting, first_fault, failed) = (None, VecDeque::new(), None, None);
        let options = options.clone();
        Self {
            records,
            options,
            shape,
            settled: false,
            columns,
            waiting,
            parsed: 0,
            count: 0,
            first_fault,
            failed,
        }
    }

    /// The next row with what it means, and the row itself.
    ///
    /// # Errors
    /// A stream that breaks off.
    pub fn next(&mut self, number: usize) -> Result<Option<Read>> {
        if !self.settled {
            self.settle();
        }
        let next = match self.waiting.pop_front() {
            Some(record) => Some(record),
            None => match self.failed.take() {
                Some(error) => return Err(error),
                None => self.records.record()?,
            },
        };
        let Some(mut record) = next else { return Ok(None) };
        self.count += 1;
        let (example, tie) = match &mut record.row {
            Err(fault) => {
                self.first_fault.get_or_insert_with(|| (record.place, fault.clone()));
                (Err(fault.clone()), false)
            }
            Ok(row) => {
                self.parsed += 1;
                self.columns_of(&*row);
                if !self.settled {
                    self.recognise(std::slice::from_ref(&&*row));
                    self.settled = self.shape.is_some();
                }
                self.example(number, row)
            }
        };
        Ok(Some((record, example, tie)))
    }

    /// What a row means.
    pub fn example(&self, number: usize, row: &mut Row) -> (Result<Example, Fault>, bool) {
        read(self.shape.as_ref(), &self.options, number, row)
    }

    /// Looks ahead, as far as that costs no waiting.
    fn settle(&mut self) {
        if !self.records.about().whole {
            return;
        }
        self.settled = true;
        let (mut bytes, mut good) = (0, false);
        while self.waiting.len() < SAMPLES && (bytes < SAMPLE_BYTES || !good) && self.failed.is_none() {
            match self.records.record() {
                Ok(Some(record)) => {
                    bytes += record.span.1;
                    good |= record.row.is_ok();
                    self.waiting.push_back(record);
                }
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        let rows: Vec<Row> = self.waiting.iter().filter_map(|r| r.row.as_ref().ok()).cloned().collect();
        rows.iter().for_each(|row| self.columns_of(row));
        if let Some((ours, theirs)) = self.options.map.missing(&self.columns) {
            // With rows read as if nothing had been said, another column than the one meant would count.
            self.waiting.clear();
            self.failed = Some(Error::invalid(
                self.records.about().name.clone(),
                format!("--map {ours}={theirs}, but no column `{theirs}`, and a `{ours}` of its own"),
                format!("one of the columns {}", self.columns.join(", ")),
                "Mend the name after `=`.",
            ));
            return;
        }
        self.recognise(&rows.iter().collect::<Vec<_>>());
    }

    fn recognise(&mut self, rows: &[&Row]) {
        let cells = self.records.about().format.is_table();
        let mut rows: Vec<Row> = rows.iter().map(|row| (*row).clone()).collect();
        rows.iter_mut().for_each(|row| self.options.map.apply(row));
        let mut columns: Vec<String> = Vec::new();
        let header: Row = self.columns.iter().map(|name| (name.clone(), Value::Null)).collect();
        let mut header = [header];
        header.iter_mut().for_each(|row| self.options.map.apply(row));
        columns.extend(header.iter().flat_map(|row| row.keys().cloned()));
        self.shape = shape::recognise(&columns, &rows.iter().collect::<Vec<_>>(), cells);
    }

    fn columns_of(&mut self, row: &Row) {
        if row.len() == self.columns.len() && row.keys().eq(&self.columns) {
            return;
        }
        for name in row.keys() {
            // A file whose rows all have columns of their own has no columns worth listing.
            if self.columns.len() < 1000 && !self.columns.contains(name) {
                self.columns.push(name.clone());
            }
        }
    }

    /// Why the file as a whole is no data, once it is read.
    pub fn verdict(&self) -> Result<()> {
        let about = self.records.about();
        match &self.first_fault {
            Some((place, fault)) if self.parsed == 0 => Err(Error::invalid(
                format!("{}{place}", about.name),
                format!("no row that can be read: {}", fault.found),
                fault.expected.clone(),
                "Give a file of rows: JSON, CSV, Parquet or Arrow.",
            )),
            None if self.count == 0 && about.format == super::Format::JsonLines => Err(no_rows(&about.name)),
            _ => Ok(()),
        }
    }
}

/// What a row means under a shape; a row with columns of another shape is read as that.
pub(super) fn read(
    shape: Option<&Shape>,
    options: &Options,
    number: usize,
    row: &mut Row,
) -> (Result<Example, Fault>, bool) {
    options.map.apply(row);
    let native;
    let shape = match shape {
        Some(shape) => shape,
        None => {
            native = Shape::native();
            &native
        }
    };
    let mut tie = false;
    let example = shape.example(number, row, options.strict).or_else(|fault| {
        if shape.is_foreign(row)
            && let Some(own) = shape::recognise_row(row)
        {
            return own.example(number, row, options.strict);
        }
        tie = shape.is_tie(row);
        Err(fault)
    });
    let example = example.map_err(|mut fault| {
        options.map.undo(&mut fault);
        fault.id = fault.id.or_else(|| row.get("id").cloned().map(Box::new));
        fault
    });
    (example, tie)
}

/// The error of a file without rows.
pub fn no_rows(name: &str) -> Error {
    Error::invalid(name, "no rows", "at least one row", "Give a file of rows: JSON, CSV, Parquet or Arrow.")
}

/// Yields rows in order; an `Err` is a source that could not be read (to its end), the next ones go on.
pub struct Stream {
    sources: VecDeque<Source>,
    open: Option<Reading>,
    options: Options,
    file: usize,
    number: usize,
    ids: Ids,
    names: Vec<String>,
}

impl Stream {
    /// Reads the sources one after the other.
    pub fn new(sources: impl IntoIterator<Item = Source>, options: Options) -> Self {
        let sources: VecDeque<Source> = sources.into_iter().collect();
        Self {
            names: sources.iter().map(Source::name).collect(),
            sources,
            open: None,
            options,
            file: 0,
            number: 0,
            ids: Ids::default(),
        }
    }

    /// Reads one stream, called `name` in messages.
    ///
    /// # Errors
    /// What the stream is instead of rows.
    pub fn over(name: &str, input: impl std::io::Read + Send + 'static, options: Options) -> Result<Self> {
        let mut unpacked = source::unpack(name, Box::new(input), false)?;
        let columns = unpacked.content != source::Content::Text;
        let file = columns.then(|| records::spooled(name, &mut unpacked)).transpose()?;
        let open = Some(Reading::new(Records::over(name, unpacked, file)?, &options));
        let names = vec![name.to_owned()];
        Ok(Self { sources: VecDeque::new(), open, options, file: 1, number: 0, ids: Ids::default(), names })
    }

    /// The name of the source being read.
    pub fn name(&self) -> &str {
        self.open.as_ref().map_or("", |reading| &reading.records.about().name)
    }

    /// The name of a source.
    pub fn name_of(&self, file: usize) -> &str {
        self.names.get(file).map_or("", String::as_str)
    }

    /// The shape of the source being read.
    pub fn shape(&self) -> Option<&Shape> {
        self.open.as_ref()?.shape.as_ref()
    }
}

impl Iterator for Stream {
    type Item = Result<StreamRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(reading) = &mut self.open else {
                let source = self.sources.pop_front()?;
                self.file += 1;
                match Records::open(&source) {
                    Ok(records) => self.open = Some(Reading::new(records, &self.options)),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match reading.next(self.number + 1) {
                Ok(Some((record, example, tie))) => {
                    self.number += 1;
                    let Record { place, span, row } = record;
                    let (file, number) = (self.file - 1, self.number);
                    let repeats = self.ids.see(file, number, place, &row).map(Box::new);
                    let row = row.ok().filter(|_| example.is_err());
                    return Some(Ok(StreamRow { file, number, place, span, example, row, tie, repeats }));
                }
                Ok(None) => {
                    let empty = (reading.count == 0).then(|| no_rows(&reading.records.about().name));
                    self.open = None;
                    if let Some(error) = empty {
                        return Some(Err(error));
                    }
                }
                Err(error) => {
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
