//! Labels as data: how far each pair is, in which order pairs come, how well annotators and the model agree, what the
//! rewards are worth as probabilities.
//!
//! Owns: everything about labels that needs no screen and no engine. Pure functions of a [`Book`](crate::session::Book),
//! of rewards and of seeds; nothing is read, written or asked here. Choices are always of the example's answers (0 is the
//! chosen one), never of the A and B of a screen.
//!
//! ```text
//! Book ─> outcome (per pair: each annotator, consensus, conflict) ─> agreement, calibration, export
//! examples + scores + seed ─> order (queue), sides (what is A)
//! ```

pub mod agreement;
pub mod calibration;
pub mod choices;
mod margins;
pub mod order;
mod outcome;
mod pace;
pub mod sentences;
mod together;

pub use agreement::{Level, Weights};
pub use calibration::Calibration;
pub use choices::Given;
pub use margins::margins;
pub use order::{Order, Scores, Useful};
pub use outcome::{Critic, Outcome, Rule, Stated, outcome, outcome_of};
pub use pace::{Pace, span};
pub use together::{Agreement, Between, agreement};
