//! The tiny checkpoints and what the reference computes with them.

use std::{collections::HashMap, path::PathBuf};

use candle_core::{DType, Device, Tensor};
use outloud::{
    checkpoint::{Activation, Backbone, Head, Layer, Rope, RopeScaling},
    model::Model,
};
use serde_json::Value;

pub const CLOUD: [&str; 4] =
    ["cloud-llama-tiny", "cloud-qwen2-tiny", "cloud-gemma3-tiny", "cloud-llama-tiny-bf16-sharded"];

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join(path)).unwrap()).unwrap()
}

pub fn expected(name: &str) -> Value {
    json(&format!("expected/{name}.json"))
}

/// All tensors of a checkpoint in f32.
pub fn tensors(name: &str) -> HashMap<String, Tensor> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir(fixtures().join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            all.extend(candle_core::safetensors::load(path, &Device::Cpu).unwrap());
        }
    }
    for tensor in all.values_mut() {
        *tensor = tensor.to_dtype(DType::F32).unwrap();
    }
    all
}

pub fn head() -> Head {
    Head::DenseTanhOut { dense: "reward_head.dense".into(), out_proj: "reward_head.out_proj".into() }
}

pub fn model(name: &str) -> Model {
    Model::new(&backbone(name), &head(), &tensors(name), &Device::Cpu).unwrap()
}

/// The tiny configurations by hand, so that these tests stand on the model alone.
pub fn backbone(name: &str) -> Backbone {
    let config = json(&format!("{name}/base/config.json"));
    let family = config["model_type"].as_str().unwrap().to_owned();
    let gemma = family == "gemma3_text";
    let n = |key: &str| config[key].as_u64().map(|v| v as usize);
    let hidden_size = n("hidden_size").unwrap();
    let num_heads = n("num_attention_heads").unwrap();
    let head_dim = n("head_dim").unwrap_or(hidden_size / num_heads);
    let scaling = &config["rope_scaling"];
    let f = |key: &str| scaling[key].as_f64().unwrap();
    let scaling = match scaling["rope_type"].as_str() {
        Some("llama3") => RopeScaling::Llama3 {
            factor: f("factor"),
            low_freq_factor: f("low_freq_factor"),
            high_freq_factor: f("high_freq_factor"),
            original_max_position_embeddings: f("original_max_position_embeddings") as usize,
        },
        Some("linear") => RopeScaling::Linear { factor: f("factor") },
        _ => RopeScaling::Default,
    };
    let mut ropes = vec![Rope { theta: config["rope_theta"].as_f64().unwrap(), scaling }];
    if gemma {
        let theta = config["rope_local_base_freq"].as_f64().unwrap();
        ropes.push(Rope { theta, scaling: RopeScaling::Default });
    }
    let layers = (1..=n("num_hidden_layers").unwrap()).map(|i| match n("sliding_window_pattern") {
        Some(pattern) if i % pattern != 0 => Layer { rope: 1, window: n("sliding_window") },
        _ => Layer { rope: 0, window: None },
    });
    Backbone {
        hidden_size,
        intermediate_size: n("intermediate_size").unwrap(),
        num_heads,
        num_kv_heads: n("num_key_value_heads").unwrap(),
        head_dim,
        vocab_size: n("vocab_size").unwrap(),
        max_position_embeddings: n("max_position_embeddings").unwrap(),
        rms_norm_eps: config["rms_norm_eps"].as_f64().unwrap(),
        norm_plus_one: gemma,
        activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
        qkv_bias: family == "qwen2",
        o_bias: false,
        mlp_bias: false,
        qk_norm: gemma,
        sandwich_norms: gemma,
        embedding_scale: gemma.then(|| (hidden_size as f64).sqrt()),
        attention_scale: (n("query_pre_attn_scalar").unwrap_or(head_dim) as f64).powf(-0.5),
        attention_softcap: None,
        logit_softcap: None,
        tied: gemma || config["tie_word_embeddings"] == true,
        ropes,
        layers: layers.collect(),
        family,
    }
}

pub fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

pub fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// `|x - y| <= 1e-4 + 1e-4 |y|`, the fixtures' tolerance for rewards.
#[track_caller]
pub fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= 1e-4 + 1e-4 * y.abs(), "{what}[{i}]: {x}, expected {y}");
    }
}

/// Largest absolute difference of two tensors of the same shape.
#[track_caller]
pub fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    if a.elem_count() == 0 {
        return 0.0;
    }
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}
