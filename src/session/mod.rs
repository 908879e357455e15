//! A session: a folder of work that loses nothing and needs no locks.
//!
//! Owns: the folder, one append-only journal per writer, content-addressed examples and critiques, the union of all
//! journals in the order of logical clocks, undo, merge, check, backup. Knows no engine and no terminal. `app` uses
//! the plain types ([`Event`], [`Draft`], [`Pen`], [`Book`]); files are touched by [`Live`], [`Reader`], [`Journal`],
//! [`Store`] and the commands only.
//!
//! ```text
//! SESSION/session.json            {"format":1}
//!         examples/HASH.json      {"prompt", "answers"}; HASH = first 32 hex digits of the file's SHA-256
//!         critiques/HASH.json     text, ids, rewards at each token, fingerprint and settings
//!         journals/WRITER.jsonl   a line an event; written by one process only, never changed
//!         runs/                   training runs
//!         aside/                  what merging could not read
//!
//! Draft ─queue─> Live's thread: objects, line, fsync ─> Notice::Saved ─┐
//!                               other journals ─poll──> Notice::News ──┴─> Book (union, undo, what stands)
//! ```

mod archive;
mod book;
mod check;
mod event;
mod folder;
mod id;
mod journal;
mod label;
mod line;
mod live;
mod log;
mod merge;
mod object;
mod reader;

pub use archive::{Backup, Packing, backup, restore, verify};
pub use book::{Book, Standing, TakeRecord};
pub use check::{Counts, Report, check, list};
pub use event::{Event, How, Judged, Model, Opened, Origin, Placed, TakeMade, View};
pub use folder::{Folder, Store, default_path, named_path};
pub use id::{Digest, EventId, WriterId};
pub use journal::Journal;
pub use label::{Choice, Label, Progress, Review, Sentence};
pub use line::{Bad, Entry, FORMAT, decode, encode, now};
pub use live::{Closed, Draft, Live, Notice, Notices, Pen, open};
pub use log::{Log, log, take_in};
pub use merge::{Merged, merge};
pub use object::{Alternative, Critique, Example, MadeWith, Object, TokenAt};
pub use reader::{News, Problem, Reader};
