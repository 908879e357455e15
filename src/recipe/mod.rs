//! The demo model from nothing: blueprint, curriculum, self-generated critiques, CLoud, and its twins, in one folder.
//!
//! Owns: the order of the stages and their numbers (`demo.toml`). Every stage is a command of `outloud` itself or a file
//! that is a function of the seed; a stage that is done is not done again, so an interrupted recipe goes on.
//!
//! ```text
//! blueprint ─> drills ─> csft ─> varied (oracle critiques)
//!                                  ├─> critique the pairs ─> on-policy ─> cloud ─> model/ (f16)
//!                                  ├─> the same pairs, oracle critiques ─> off-policy
//!                                  ├─> the same pairs, no critiques ─────> no-critique
//!                                  └─> many pairs, answers alone ────────> classic ─> classic-model/ (f16)
//! ```

pub mod evaluation;
pub mod export;
pub mod on_policy;
pub mod on_policy_run;
pub mod plan;
pub mod stages;

pub use evaluation::{Evaluation, evaluation};
pub use plan::Plan;
pub use stages::{Stage, Work, stages};
