//! Pure candle mathematics: token ids in, hidden states, logits and rewards out.
//!
//! Owns: the config-driven decoder, the reward heads, the KV cache that can fork, truncate and roll back, and the
//! operations with their gradients. Never imports `engine` or anything above it; knows no text.
//!
//! ```text
//! TensorSource ─> Model ─┬─ forward(chunks)       caches, no gradients: what the engine uses
//!                        └─ forward_packed(rows)  no caches, gradients: training and attribution
//! ```

mod attention;
mod cache;
mod cpu;
mod decoder;
mod head;
mod layer;
mod lora;
pub mod ops;
mod rotary;
mod weights;

pub use cache::KvCache;
pub use decoder::{Chunk, Model, Packed};
pub use head::RewardHead;
pub use lora::{Lora, Noise};
pub use weights::TensorSource;
