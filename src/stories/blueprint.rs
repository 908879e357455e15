//! A checkpoint folder without weights: configuration and tokenizer from which `outloud train` makes a random model.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tokenizer::{TokenizerFiles, build};
use crate::{Error, Result};

/// The demo model's shape: a Llama.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Shape {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Heads (keys and values have as many).
    pub heads: usize,
    /// Width of the MLP.
    pub mlp: usize,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
}

/// Longest context: the longest six-step row has about 900 tokens.
const CONTEXT: usize = 2048;

/// Writes the folder: config.json, base/config.json, tokenizer files. The same bytes for the same arguments.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, shape: Shape, seed: u64) -> Result<()> {
    let files = build(seed)?;
    let base = dir.join("base");
    std::fs::create_dir_all(&base).map_err(|e| Error::io(&base, e))?;
    let outer = json!({
        "architectures": ["CLoudRewardModel"],
        "base_model_name_or_path": "base",
        "feedback_method": "teacher",
        "torch_dtype": "float32"
    });
    save(&dir.join("config.json"), &pretty(&outer))?;
    save(&base.join("config.json"), &pretty(&llama(shape, &files)))?;
    save(&dir.join("tokenizer.json"), &files.tokenizer)?;
    save(&dir.join("tokenizer_config.json"), &files.config)?;
    save(&dir.join("special_tokens_map.json"), &files.special_tokens_map)
}

fn llama(shape: Shape, files: &TokenizerFiles) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "bos_token_id": files.special("<|begin_of_text|>"),
        "eos_token_id": files.special("<|end_of_text|>"),
        "head_dim": shape.hidden / shape.heads.max(1),
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.mlp,
        "max_position_embeddings": CONTEXT,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "rms_norm_eps": 1e-5,
        "rope_scaling": null,
        "rope_theta": 10000.0,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "float32",
        "vocab_size": files.vocab_size
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn save(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::io(path, e))
}
