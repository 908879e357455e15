//! What lies on disk -> [`Spec`] + tensors + text rules.
//!
//! Owns: finding and checking files, the backbone's configuration, the chat template, the tokenizer and the
//! rules by which prompt, answer and critique become token ids. Never imports `model`, `engine` or anything of the screen.
//!
//! ```text
//! folder | embedded bytes ─> files ─> config (base, rope) + weights ─> checks ─> Spec (with reasons)
//!                                 └─> rules: tokenizer + template ─> Text: (prompt, answer, critique) -> ids
//! ```

mod adapter;
mod base;
mod bundled;
mod checks;
mod clock;
mod config;
mod describe;
mod detokenizer;
mod families;
mod files;
mod fingerprint;
mod merge;
mod mmap;
mod open;
mod render;
mod rope;
mod rules;
pub mod spec;
mod template;
mod text;
mod tokenizer;
mod weights;

pub use adapter::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, BaseModel, LINEAGE, LINEAR, LoraSpec, PEFT_PREFIX, is_adapter,
};
pub use bundled::Bundled;
pub use checks::{DECLARATION as HEAD_DECLARATION, UNTRAINED as HEAD_UNTRAINED, backbone_tensors};
pub use detokenizer::Detokenizer;
pub use open::Checkpoint;
pub use render::Part;
pub use spec::*;
pub use text::{CRITIQUE_PROMPT, Formatted, ReEncoded, Text};
pub use weights::{TensorInfo, Tensors};
