//! What lies on disk -> [`Spec`] + tensors + text rules.
//!
//! Owns: finding and checking files, the backbone's configuration, the chat template, the tokenizer and the
//! rules by which prompt, answer and critique become token ids. Never imports `model`, `engine` or anything of the screen.
//!
//! ```text
//! folder | embedded bytes ─> files ─> config + tensor names ─> Spec (with reasons)
//!                                 └─> tokenizer + template ─> Text: (prompt, answer, critique) -> ids
//! ```

pub mod spec;

pub use spec::*;
