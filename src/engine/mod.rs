//! One thread owns the models: [`Request`]s in, [`Event`]s out.
//!
//! Owns: critiques (continuous batching over all tickets), readings, the prefix tree, cancelling. Never imports
//! `app`, `screens`, `tui` or a terminal crate.
//!
//! ```text
//! Client ── Request ─> worker thread: take, check cancels, one step of every active row, emit ── Event ─> Client
//! ```

pub mod client;
pub mod contract;
pub mod fake;

pub use client::*;
pub use contract::*;
