//! Sessions: nothing that was told as saved is ever lost, whatever happens to the process, the disk or the bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "session/archives.rs"]
mod archives;
#[path = "session/commands.rs"]
mod commands;
#[path = "session/common.rs"]
mod common;
#[path = "session/damage.rs"]
mod damage;
#[path = "session/disks.rs"]
mod disks;
#[path = "session/kills.rs"]
mod kills;
#[path = "session/merging.rs"]
mod merging;
#[path = "session/undoing.rs"]
mod undoing;
#[path = "session/writers.rs"]
mod writers;
