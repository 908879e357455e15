//! Trust in the number: what this machine and this checkpoint are, as data that can be printed or read by a program.
//!
//! Owns: the report on the machine ([`system`]), the report on a checkpoint ([`model`]): its tensors, the exact tokens of
//! an example, where the reward is read, both readings, and how much it moves when BOS or the end are done otherwise.
//! Knows no terminal library; `cli` prints.

pub mod model;
pub mod system;
pub mod tensors;
pub mod variants;

pub use model::{Example, Report};
pub use system::System;
