//! Pure candle mathematics: token ids in, hidden states, logits and rewards out.
//!
//! Owns: the config-driven decoder, the reward heads, the KV cache that can fork, truncate and roll back, and the
//! operations with their gradients. Never imports `engine` or anything above it; knows no text.

pub mod ops;
