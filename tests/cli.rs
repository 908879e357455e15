//! The command line: the real binary on the fixtures, and the batch loop against a scripted engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "cli/scripted.rs"]
mod scripted;
