//! Multi-step arithmetic stories with answers, faults, oracle critiques and a judge: the demo model's world.
//!
//! Owns: the wording (`templates/*.toml`), problems, answers wrong in exactly one way, critiques that work everything
//! out in writing, drills, the tokenizer, and the reading of a critique's verdicts. Everything is a function of a seed.
//! Never imports `model`, `engine` or anything of the screen.
//!
//! ```text
//! templates + seed ─> Story ─> Answer (right | one fault) ─> Key ─> judge(critique, key)
//!                                                        └─> oracle critique ─> Row (JSON line)
//! ```

pub mod answer;
pub mod blueprint;
pub mod candidates;
pub mod columns;
pub mod critique;
pub mod drills;
pub mod judge;
pub mod key;
pub mod numbers;
pub mod rows;
pub mod story;
pub mod templates;
pub mod tokenizer;

pub use answer::{Answer, Fault, Layout};
pub use candidates::Problem;
pub use critique::{Phrasing, oracle};
pub use judge::{Judgement, judge};
pub use key::{Key, KeyStep};
pub use numbers::Numbers;
pub use rows::{Options, Pair, Row, Rows, Split, Templates};
pub use story::Story;
