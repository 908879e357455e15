//! Many rows at a time: filter, order, look through, count, export, without holding them.
//!
//! Owns: the filter language, values and their order, what is kept of each row (24 bytes), and the one thread that reads
//! rows: [`Ask`] in, [`News`] out, as the engine has it. Everything is done in slices of a few milliseconds, so that a
//! question of the screen never waits for a long one; a new query drops the one before. Knows no model, no terminal.
//!
//! ```text
//! Dataset (data) ─> facts of each row ─┬─> query: filter, order ─> rows of the view
//!                                      └─> summary: histograms, scatter, correlations
//! ```

mod column;
mod export;
pub mod filter;
mod order;
mod summary;
mod thread;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

pub use column::{Column, Facts, Kind, LABELS, Value, beginning, prompt_text};
pub use filter::{Filter, Wrong};
pub use summary::{BINS, Bins, Point, Summary};
pub use thread::{From, start};
pub use worker::Worker;

use crate::data::Example;

/// What is to be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Rows for which it holds; all without one.
    pub filter: Option<Filter>,
    /// The order, and whether it is descending; that of the files without one.
    pub sort: Option<(Column, bool)>,
}

impl Query {
    /// All rows as they come.
    pub fn is_plain(&self) -> bool {
        self.filter.is_none() && self.sort.is_none()
    }
}

/// What rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// To be opened.
    Open,
    /// To be critiqued.
    Batch,
}

/// What is written to a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Export {
    /// Rows, as JSON lines.
    Rows(Vec<u32>),
    /// Their numbers, one a line.
    Numbers(Vec<u32>),
    /// The bad rows as they stand.
    Bad,
}

/// What the screen asks. Rows are named by their index among the good ones, from 0.
#[derive(Clone, Debug)]
pub enum Ask {
    /// What is to be seen; drops the query before. Answered by [`News::View`], several times.
    Query(u64, Query),
    /// Lines of rows, with these columns of the file.
    Lines(Vec<u32>, Vec<String>),
    /// The next place from `from` on (backwards if so) in `view` (all rows without one) that has the words.
    Find {
        /// Its number.
        id: u64,
        /// The words.
        words: String,
        /// The view.
        view: Option<Arc<Vec<u32>>>,
        /// A place in it.
        from: usize,
        /// Backwards.
        back: bool,
    },
    /// Whole rows.
    Rows(Vec<u32>, For),
    /// Rewards of rows by their numbers: of the chosen and the rejected answer, NaN where there is none.
    Mark(u32, [f32; 2]),
    /// What a person says of a row, by its number; nothing: what the file says.
    Label(u32, Option<&'static str>),
    /// Lines of bad rows and, after them, of rows with the id of an earlier row, from this one on, so many.
    Bad(usize, usize),
    /// Write to a file that does not exist yet.
    Export(Export, PathBuf),
    /// Stop looking, exporting, reading on.
    Stop,
    /// Read on.
    Resume,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What is kept of it.
    pub facts: Facts,
    /// Its id.
    pub id: String,
    /// How its prompt begins.
    pub prompt: String,
    /// Columns of the file that were asked for.
    pub cells: Vec<(String, String)>,
}

/// Where the index stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    /// Good rows.
    pub rows: usize,
    /// Bad ones.
    pub bad: usize,
    /// Rows, good and bad, with the id of an earlier row.
    pub repeated: usize,
    /// How many of those can be listed.
    pub repeats: usize,
    /// Share of the file in hand that is read.
    pub share: Option<f64>,
    /// All is read.
    pub done: bool,
    /// Reading was stopped.
    pub stopped: bool,
    /// Columns of the files.
    pub columns: Vec<String>,
    /// Files that could not be read, or not to their end.
    pub errors: Vec<String>,
}

impl Index {
    /// Lines about rows with which something is wrong.
    pub fn notes(&self) -> usize {
        self.bad + self.repeats
    }
}

/// What the thread tells.
#[derive(Clone, Debug)]
pub enum News {
    /// How far the index is.
    Index(Index),
    /// Lines that were asked for.
    Lines(Vec<(u32, Line)>),
    /// Rows of a query, as far as they are known; `share` while it is under way.
    View {
        /// Of which query.
        id: u64,
        /// The rows; `None`: all, as they come.
        rows: Option<Arc<Vec<u32>>>,
        /// How far it is; `None` at its end.
        share: Option<f64>,
    },
    /// A query or an export is on its way.
    Progress(f64),
    /// Where the words were found.
    Found(u64, Option<usize>),
    /// Whole rows; an error where one can no longer be read.
    Rows(Vec<(u32, Result<Box<Example>, String>)>, For),
    /// Lines of bad rows, from this one on: place and reason.
    Bad(usize, Vec<(String, String)>),
    /// Charts of the view.
    Summary(Box<Summary>),
    /// How an export ended.
    Exported(Result<String, String>),
}
