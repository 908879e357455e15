//! Data sets: every shape is recognised, every format is read and read again by row, nothing bad stops the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "data/bad_input.rs"]
mod bad_input;
#[path = "data/common.rs"]
mod common;
#[path = "data/formats.rs"]
mod formats;
#[path = "data/fuzz.rs"]
mod fuzz;
#[path = "data/ids.rs"]
mod ids;
#[path = "data/index.rs"]
mod index;
#[path = "data/missing.rs"]
mod missing;
#[path = "data/shapes.rs"]
mod shapes;
