//! A random Llama of about 100 million parameters in the reference's layout.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const HIDDEN: usize = 768;
const MLP: usize = 2560;
const LAYERS: usize = 12;
const HEADS: usize = 12;
const KV_HEADS: usize = 4;
const VOCAB: usize = 8192;

/// Weights in the products of all layers.
pub const LAYER_WEIGHTS: usize = LAYERS * HIDDEN * (2 * HIDDEN + 2 * KV_HEADS * (HIDDEN / HEADS) + 3 * MLP);
/// Multiplications of one token with one key, all layers; as many with its value.
pub const ATTENTION: usize = LAYERS * HIDDEN;

/// Writes it. Only tokens of plain ASCII letters can be generated, so that a critique never ends before its limit and
/// re-encodes to about as many tokens on both sides.
pub fn write(folder: &Path) {
    let donor = super::tiny();
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        std::fs::copy(donor.join(file), folder.join(file)).unwrap();
    }
    let outer = json!({"feedback_method": "teacher", "base_model_name_or_path": "base"});
    std::fs::write(folder.join("config.json"), outer.to_string()).unwrap();
    let base = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
        "intermediate_size": MLP, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "num_hidden_layers": LAYERS, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
        "tie_word_embeddings": false, "vocab_size": VOCAB, "bos_token_id": 762, "eos_token_id": 763,
    });
    std::fs::create_dir_all(folder.join("base")).unwrap();
    std::fs::write(folder.join("base/config.json"), base.to_string()).unwrap();

    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut tensors = HashMap::new();
    let mut add = |name: String, shape: &[usize], scale: f64, live: &dyn Fn(usize) -> bool| {
        let width = shape.last().copied().unwrap();
        // Uniform of the same variance as a normal: half-width sqrt(3) * scale.
        let bound = (3f64.sqrt() * scale) as f32;
        let values: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|i| {
                let value = random.random_range(-bound..bound);
                if live(i / width) { value } else { 0.0 }
            })
            .collect();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    let (all, fan) = (|_: usize| true, |n: usize| 1.0 / (n as f64).sqrt());
    let kv = HIDDEN / HEADS * KV_HEADS;
    add("reward_base_model.model.embed_tokens.weight".into(), &[VOCAB, HIDDEN], 1.0, &all);
    let letters = letters(&donor.join("tokenizer.json"));
    add("reward_base_model.lm_head.weight".into(), &[VOCAB, HIDDEN], 4.0 * fan(HIDDEN), &|row| {
        letters.get(row) == Some(&true)
    });
    for layer in 0..LAYERS {
        let name = |part: &str| format!("reward_base_model.model.layers.{layer}.{part}.weight");
        add(name("self_attn.q_proj"), &[HIDDEN, HIDDEN], fan(HIDDEN), &all);
        add(name("self_attn.k_proj"), &[kv, HIDDEN], fan(HIDDEN), &all);
        add(name("self_attn.v_proj"), &[kv, HIDDEN], fan(HIDDEN), &all);
        add(name("self_attn.o_proj"), &[HIDDEN, HIDDEN], fan(HIDDEN), &all);
        add(name("mlp.gate_proj"), &[MLP, HIDDEN], fan(HIDDEN), &all);
        add(name("mlp.up_proj"), &[MLP, HIDDEN], fan(HIDDEN), &all);
        add(name("mlp.down_proj"), &[HIDDEN, MLP], fan(MLP), &all);
    }
    add("reward_head.dense.weight".into(), &[HIDDEN, HIDDEN], fan(HIDDEN), &all);
    add("reward_head.dense.bias".into(), &[HIDDEN], 0.1, &all);
    add("reward_head.out_proj.weight".into(), &[1, HIDDEN], fan(HIDDEN), &all);
    add("reward_head.out_proj.bias".into(), &[1], 0.1, &all);
    let ones = Tensor::ones(HIDDEN, DType::F32, &Device::Cpu).unwrap();
    for layer in 0..LAYERS {
        for part in ["input_layernorm", "post_attention_layernorm"] {
            tensors.insert(format!("reward_base_model.model.layers.{layer}.{part}.weight"), ones.clone());
        }
    }
    tensors.insert("reward_base_model.model.norm.weight".into(), ones);
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}

/// For each id whether it is a word of ASCII letters, with a space before it (`Ġ`).
fn letters(tokenizer: &Path) -> Vec<bool> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(tokenizer).unwrap()).unwrap();
    let vocab = file["model"]["vocab"].as_object().unwrap();
    let mut out = vec![false; VOCAB];
    for (token, id) in vocab {
        let word = token.strip_prefix('Ġ');
        out[id.as_u64().unwrap() as usize] =
            word.is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphabetic()));
    }
    out
}
