//! The screen without a terminal: update stories on the scripted engine, snapshots of what is drawn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "tui/data.rs"]
mod data;
#[path = "tui/editing.rs"]
mod editing;
#[path = "tui/fuzz.rs"]
mod fuzz;
#[path = "tui/keeping.rs"]
mod keeping;
#[path = "tui/knowing.rs"]
mod knowing;
#[path = "tui/labelling.rs"]
mod labelling;
#[path = "tui/mouse.rs"]
mod mouse;
#[path = "tui/rivals.rs"]
mod rivals;
#[path = "tui/snapshots.rs"]
mod snapshots;
#[path = "tui/stage.rs"]
mod stage;
#[path = "tui/stories.rs"]
mod stories;
#[path = "tui/teaching.rs"]
mod teaching;
#[path = "tui/views.rs"]
mod views;
