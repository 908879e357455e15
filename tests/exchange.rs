//! Labels out and in again: every format as it is written, both directions, other tools' files, the split, the card.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "exchange/circle.rs"]
mod circle;
#[path = "exchange/command.rs"]
mod command;
#[path = "exchange/elsewhere.rs"]
mod elsewhere;
#[path = "exchange/formats.rs"]
mod formats;
#[path = "exchange/loaders.rs"]
mod loaders;
#[path = "exchange/sample.rs"]
mod sample;
#[path = "exchange/taking.rs"]
mod taking;
