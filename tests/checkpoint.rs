//! The checkpoint room: fixtures' texts and ids, families, bad input, escaping.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "checkpoint/fixtures.rs"]
mod fixtures;
#[path = "checkpoint/texts.rs"]
mod texts;
