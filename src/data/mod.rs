//! Data sets as people have them: any file of rows -> examples with their answers and preferences, and what is wrong with
//! the rows that are none.
//!
//! Owns: opening (files, patterns, standard input; gzip, zstd, UTF-16), formats (JSON lines, JSON documents, CSV and TSV,
//! Parquet, Arrow), recognising what columns mean (`shape`), random access by an index of places. Uses
//! `checkpoint`'s text types only; knows no model, no engine, no terminal.
//!
//! ```text
//! Source ─> source.rs: unpacked bytes ─> feed.rs + split.rs: records ─> json.rs | csv.rs: columns and values
//!           table.rs: Parquet, Arrow ────────────────────────────────┘         │
//!                                         shape/: recognise once a file, read ─┴─> Example | Fault
//! ```
//!
//! [`Stream`] gives rows in order, as they come, holding one; [`Dataset`] indexes files and gives row i. One bad row never
//! stops the rest. Rows are numbered from 1 over all files, blank lines not counted.
//!
//! # Which answers are compared
//! [`Example::pairs`]: `chosen` and `rejected`; the winner of two against the other; of n answers with scores, every one with
//! the highest score against every one with a lower one; of RewardBench 2's lists, every chosen one against every rejected
//! one; of n answers with a choice, the chosen one against all others. A tie has no pairs.
//!
//! # Ids
//! Two rows may have one id: both are read, and who reads is told ([`Dataset::repeats`], [`StreamRow::repeats`]).

mod chat;
mod csv;
mod dataset;
mod example;
mod feed;
mod format;
mod ids;
mod json;
mod pairs;
mod records;
mod shape;
mod source;
mod split;
mod spool;
mod stream;
mod table;
mod unfold;

pub use dataset::{Dataset, File, Progress};
pub use example::{Answer, Bad, Example, Fault, Place};
pub use format::Format;
pub use ids::Repeat;
pub use pairs::{PLACE, PairRow, PairRows, pairs};
pub use records::{About, ROW_LIMIT, Record, Records};
pub use shape::{Shape, recognise};
pub use source::{Packing, Source, missing};
pub use spool::Spool;
pub use stream::{Map, Options, Stream, StreamRow};
