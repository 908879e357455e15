//! Contents that are named by their hash: written once, the same whoever writes them.

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::checkpoint::{Prompt, Reading};

/// Folder of examples.
pub const EXAMPLES: &str = "examples";
/// Folder of critiques.
pub const CRITIQUES: &str = "critiques";

/// A file's bytes, where it belongs and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `examples` or `critiques`.
    pub folder: &'static str,
    /// First 32 hex digits of the bytes' SHA-256.
    pub digest: Digest,
    /// What the file holds.
    pub bytes: Vec<u8>,
}

impl Object {
    fn new(folder: &'static str, value: &impl Serialize) -> Self {
        // Plain structs with text keys always serialise; an empty file would be seen by `check`.
        let mut bytes = serde_json::to_vec(value).unwrap_or_default();
        bytes.push(b'\n');
        Self { folder, digest: Digest::of(&bytes), bytes }
    }
}

/// What can be judged: the same prompt and answers are the same example, whatever file they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// What was asked.
    pub prompt: Prompt,
    /// One answer, or several to be compared; of a pair the chosen one first.
    pub answers: Vec<String>,
}

impl Example {
    /// As a file.
    pub fn object(&self) -> Object {
        Object::new(EXAMPLES, self)
    }
}

/// A critique, everything measured on it, and how it can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Critique {
    /// Its text; `None` for a classic model.
    pub text: Option<String>,
    /// The reward.
    pub reward: f32,
    /// How it was read.
    pub reading: Reading,
    /// Why it ended: `eot`, `eos`, `max_tokens`; `None`: given, or stopped by the user.
    pub stopped: Option<String>,
    /// Generated (or given) ids, with the closing end-of-turn if it came.
    pub token_ids: Vec<u32>,
    /// The tokens rewards were read at.
    pub tokens: Vec<TokenAt>,
    /// Model and settings.
    pub made_with: MadeWith,
}

impl Critique {
    /// As a file.
    pub fn object(&self) -> Object {
        Object::new(CRITIQUES, self)
    }
}

/// A token of a critique.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenAt {
    /// Id.
    pub id: u32,
    /// Text that became complete with it.
    pub text: String,
    /// Reward read at it.
    pub reward: f32,
    /// Reward if the critique ended after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_here: Option<f32>,
    /// Probability the model gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
    /// What else could have stood here, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

/// A token that could have stood there: id, text, probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative(pub u32, pub String, pub f32);

/// Model and settings, as result rows of the command line name them.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct MadeWith {
    /// Version of this program.
    pub version: String,
    /// The model, as it was called.
    pub model: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// `f32`, ...
    pub dtype: String,
    /// `cpu`, ...
    pub device: String,
    /// Seed, where chance was involved.
    pub seed: Option<u64>,
    /// 0 is greedy.
    pub temperature: f64,
    /// Most tokens.
    pub max_tokens: Option<usize>,
    /// In place of the reference's.
    pub critique_prompt: Option<String>,
    /// Special tokens typed in texts acted as tokens.
    #[serde(default)]
    pub raw_special: bool,
}
