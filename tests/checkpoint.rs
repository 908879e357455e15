//! The checkpoint room: fixtures' texts and ids, families, bad input, escaping.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "checkpoint/bad_input.rs"]
mod bad_input;
#[path = "checkpoint/damaged.rs"]
mod damaged;
#[path = "checkpoint/escaping.rs"]
mod escaping;
#[path = "checkpoint/families.rs"]
mod families;
#[path = "checkpoint/fixtures.rs"]
mod fixtures;
#[path = "checkpoint/templates.rs"]
mod templates;
#[path = "checkpoint/texts.rs"]
mod texts;
