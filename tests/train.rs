//! The trainer: the reference's numbers, the run folder, and everything that can go wrong in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "train/common.rs"]
mod common;
#[path = "train/golden.rs"]
mod golden;
#[path = "train/jobs.rs"]
mod jobs;
#[path = "train/kills.rs"]
mod kills;
#[path = "train/launchers.rs"]
mod launchers;
#[path = "train/lora.rs"]
mod lora;
#[path = "train/runs.rs"]
mod runs;
#[path = "train/watch.rs"]
mod watch;
