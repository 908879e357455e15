//! The command line: the real binary on the fixtures, and the batch loop against a scripted engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "cli/common.rs"]
mod common;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/golden.rs"]
mod golden;
#[path = "cli/input.rs"]
mod input;
#[path = "cli/label.rs"]
mod label;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/scripted.rs"]
mod scripted;
