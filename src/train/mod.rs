//! Training: the paper's losses exactly, in a folder from which a killed run goes on as if nothing had happened.
//!
//! Owns: recipes, rows and collator, losses, optimiser, the run folder. Never imports `app`, `screens`, `tui`.
//!
//! ```text
//! rows ─> collate ─> batches ─> step: loss, gradients, update ─> run: metrics.jsonl, checkpoints/, result/
//!              config (recipe + file + flags) ─┘
//! ```

pub mod batches;
pub mod collate;
pub mod config;
pub mod data;
pub mod estimate;
pub mod init;
pub mod lora;
pub mod loss;
pub mod optimizer;
pub mod params;
mod pass;
pub mod run;
pub mod schedule;
pub mod start;
pub mod step;
