//! Labels out of a session and into one: the formats of trainers and of other annotation tools, and our own log.
//!
//! Owns: what of a session becomes a row, adjudication by a rule, the split by prompts, the data card; and what a file of
//! labels made elsewhere says, as events of named annotators with their origin. One file a format, both directions in it.
//! Knows no engine and no terminal.
//!
//! ```text
//! Book + Store ─> case (an example, its labels, its critiques) ─> pairs | argilla | label_studio ─> JSON lines, Parquet
//! session's folder ─> log (lines as they stand, contents) ─────────────────────────────────────┘   + card
//! file ─> data's records ─> read (what format) ─> table | argilla | label_studio ─> Record ─> import (find the example, skip what is there) ─> events
//!                               log ─> merge
//! ```
//!
//! A session that is exported, imported into a new one and exported again gives the same bytes.

mod argilla;
mod card;
mod case;
mod export;
mod import;
mod label_studio;
mod log;
mod pairs;
mod parquet;
mod read;
mod record;
mod split;
mod table;
mod texts;

pub use case::{Case, Spoken, cases};
pub use export::{Export, Format, Options, Part, To, export};
pub use import::{Imported, Known, import};
pub use read::{Read, read};
pub use record::{Columns, Meanings, Record, Said};
pub use split::is_test;
