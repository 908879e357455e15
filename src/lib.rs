//! `outloud` hears a reward model think.
//!
//! ```text
//! disk ─> checkpoint ─> model ─> engine ─events─> app ─> screens ─> tui
//!         spec+tensors  ids->h   one thread       update(state, msg) -> effects   draw only
//!                                   ^ requests <─ effects ─┘
//! ```
//!
//! ARCHITECTURE.md tells what each room owns; `tests/architecture.rs` keeps the arrows.

pub mod app;
pub mod browse;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod disk;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod eval;
pub mod exchange;
pub mod label;
pub mod model;
pub mod recipe;
pub mod rows;
pub mod runs;
pub mod screens;
pub mod session;
pub mod stories;
pub mod train;
pub mod tui;
pub mod widgets;

pub use error::{Error, Result};
