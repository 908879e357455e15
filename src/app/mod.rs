//! What is true now and how it changes: `update(&mut State, Msg) -> Vec<Effect>`.
//!
//! Owns: examples, takes, running tickets, focus, layers, the key map. No I/O, no clock, no thread: time arrives as a
//! message, whatever is to be done leaves as an [`Effect`]. Never imports `screens`, `widgets`, `tui` or crossterm.
//!
//! ```text
//! key, paste, engine event, clock ─> Msg ─> update(state) ─> Effect ─> request, cancel, quit, suspend
//! ```

pub mod action;
pub mod compare;
mod contexts;
pub mod data;
pub mod desk;
pub mod diff;
pub mod edit;
pub mod example;
pub mod key;
pub mod keymap;
pub mod layer;
pub mod ledger;
pub mod msg;
pub mod rivals;
pub mod search;
pub mod spot;
pub mod state;
pub mod take;
pub mod takes;
pub mod teach;
pub mod textbox;
pub mod update;

pub use action::Action;
pub use compare::{Compare, SwapTable, Swapped, Versus};
pub use data::{Batch, Chosen, Data, DataPane};
pub use desk::{Desk, Filter, Found, Pairs, Pane, Purpose, Reviewing, Setup, Stand, Writing};
pub use edit::{Edit, Part};
pub use example::{Answers, Example, Origin, Side};
pub use key::{Code, Key};
pub use keymap::{Binding, Context, Keymap};
pub use layer::{Entry, Field, Help, Layer, Line, LineFor, Page, Palette, Steer, TakeList, Typing};
pub use ledger::Ledger;
pub use msg::{Effect, Msg};
pub use search::{Pattern, Search};
pub use spot::{Spot, Target};
pub use state::{Anchor, Due, Focus, Job, Keeping, Limits, ModelState, Paint, Screen, Series, State};
pub use take::{How, Phase, ReEncoded, Take, TakeId, Token};
pub use takes::{Change, Takes};
pub use teach::Teach;
pub use textbox::TextBox;
pub use update::{Kept, KeptTake, check_filter, figure, start, update};
