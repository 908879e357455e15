//! One thread owns the models: [`Request`]s in, [`Event`]s out.
//!
//! Owns: critiques (continuous batching over all tickets), readings, the prefix tree, cancelling. Never imports
//! `app`, `screens`, `tui` or a terminal crate.
//!
//! ```text
//! Client ── Request ─> worker thread: take, check cancels, one step of every active row, emit ── Event ─> Client
//! ```

mod choose;
pub mod client;
pub mod contract;
pub mod fake;
mod job;
mod load;
mod prefix;
mod prepare;
mod step;
mod verdict;
mod worker;
mod writing;

pub use client::*;
pub use contract::*;
pub use load::{device, device_name};
pub use prefix::PrefixTree;
pub use worker::{Counters, EngineConfig, Handle, start};
