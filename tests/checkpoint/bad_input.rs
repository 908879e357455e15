//! One thing damaged at a time: each error names the file and the field or tensor, and says what to do.

use outloud::Error;
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::damaged::Copy;

const WEIGHTS: &str = "model.safetensors";

#[track_caller]
fn refused(copy: &Copy, words: &[&str]) {
    let error = copy.open().unwrap_err();
    assert!(matches!(error, Error::Invalid { .. } | Error::Io { .. }));
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

/// A tensor in memory.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn change_weights(copy: &Copy, file: &str, change: impl FnOnce(&mut Vec<Tensor>)) {
    let bytes = std::fs::read(copy.path(file)).unwrap();
    let mut tensors: Vec<Tensor> = safetensors::SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec()))
        .collect();
    change(&mut tensors);
    let views: Vec<(String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, dtype, shape, data)| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        })
        .collect();
    copy.write(file, safetensors::serialize(views, None).unwrap());
}

fn tensor<'a>(tensors: &'a mut [Tensor], name: &str) -> &'a mut Tensor {
    tensors.iter_mut().find(|t| t.0 == name).unwrap()
}

#[test]
fn folders_and_config() {
    let copy = Copy::of("cloud-llama-tiny");
    let none =
        outloud::checkpoint::Checkpoint::open_with(&copy.path("nowhere"), &[]).unwrap_err().to_string();
    assert!(none.contains("nowhere"));
    let file = outloud::checkpoint::Checkpoint::open_with(&copy.path(WEIGHTS), &[]).unwrap_err().to_string();
    assert!(file.contains("a file") && file.contains("config.json"), "{file}");
    std::fs::remove_file(copy.path("config.json")).unwrap();
    refused(&copy, &["config.json", "no such file"]);
    for (content, words) in [
        (&b""[..], ["config.json", "empty"]),
        (b"\xff\xfe{}", ["config.json", "UTF-8"]),
        (b"[1]", ["config.json", "a list"]),
        (b"{\"a\": 1,\n  oops}", ["line 2", "JSON"]),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", ["Git LFS", "git lfs pull"]),
        (b"{}", ["feedback_method", "nothing"]),
        (b"{\"feedback_method\": 3}", ["feedback_method", "a string"]),
        (b"{\"feedback_method\": \"student\"}", ["student", "teacher"]),
        (b"{\"feedback_method\": \"teacher\"}", ["base_model_name_or_path", "base/config.json"]),
    ] {
        copy.write("config.json", content);
        refused(&copy, &words);
    }
    std::fs::remove_file(copy.path("config.json")).unwrap();
    std::fs::create_dir(copy.path("config.json")).unwrap();
    refused(&copy, &["config.json", "a folder"]);
}

#[test]
fn base_configurations_that_do_not_fit_the_tensors() {
    for (key, value, words) in [
        ("hidden_size", json!(192), ["reward_head.dense.weight", "[96, 96]"]),
        ("num_hidden_layers", json!(4), ["model.layers.3", "no such tensor"]),
        ("num_hidden_layers", json!(2), ["model.layers.2", "does not account for"]),
        ("vocab_size", json!(770), ["embed_tokens", "[770, 96]"]),
        ("num_attention_heads", json!(4), ["q_proj.weight", "[64, 96]"]),
        ("intermediate_size", json!(128), ["gate_proj.weight", "[128, 96]"]),
        ("attention_bias", json!(true), ["q_proj.bias", "no such tensor"]),
        ("model_type", json!("qwen3"), ["q_norm.weight", "no such tensor"]),
        ("model_type", json!("gemma2"), ["pre_feedforward_layernorm", "no such tensor"]),
        ("model_type", json!("mamba"), ["model_type", "mamba"]),
    ] {
        let copy = Copy::of("cloud-llama-tiny");
        copy.edit("base/config.json", |c| c[key] = value);
        refused(&copy, &words);
    }
    let copy = Copy::of("cloud-gemma3-tiny");
    copy.edit("base/config.json", |c| c["tie_word_embeddings"] = json!(false));
    refused(&copy, &["lm_head.weight", "no such tensor"]);
    let copy = Copy::of("cloud-qwen2-tiny");
    copy.edit("base/config.json", |c| c["model_type"] = json!("llama"));
    refused(&copy, &["k_proj.bias", "does not account for"]);
}

#[test]
fn heads() {
    let out = "reward_head.out_proj.weight";
    let missing = |t: &mut Vec<Tensor>| t.retain(|t| !t.0.starts_with("reward_head."));
    let renamed = |t: &mut Vec<Tensor>| {
        missing(t);
        t.push(("score.weight".into(), Dtype::F32, vec![1, 96], vec![1; 384]));
    };
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, missing);
    refused(
        &copy,
        &["reward_head.dense.weight", "no such tensor", "reward_base_model.model.embed_tokens.weight"],
    );
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, renamed);
    refused(&copy, &["reward_head.dense.weight", "1 names: score.weight"]);
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, |t| tensor(t, out).3.fill(0));
    refused(&copy, &[out, "the same number 0", "never trained"]);
    // A fresh head is refused, but for a critique model before its reward training, which says so.
    let copy = Copy::of("cloud-llama-tiny");
    assert!(!copy.open().unwrap().spec.reasons.iter().any(|r| r.what == "head.trained"));
    change_weights(&copy, WEIGHTS, |t| {
        tensor(t, "reward_head.dense.bias").3.fill(0);
        tensor(t, "reward_head.out_proj.bias").3.fill(0);
    });
    refused(
        &copy,
        &["freshly initialised", "zero", "reward_base_model.model.embed_tokens.weight", "untrained"],
    );
    copy.edit("config.json", |c| c["reward_head"] = json!("untrained"));
    let doubts = copy.open().unwrap().spec.doubts();
    assert!(doubts.len() == 1 && doubts[0].contains("not trained"), "{doubts:?}");
    // A head as PyTorch initialises it: uniform within 1/sqrt(96), biases too.
    let copy = Copy::of("cloud-llama-tiny");
    assert!(copy.open().unwrap().spec.doubts().is_empty());
    change_weights(&copy, WEIGHTS, |t| {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0) / 96f32.sqrt()
        };
        for name in ["reward_head.dense.weight", "reward_head.dense.bias"] {
            tensor(t, name).3.chunks_exact_mut(4).for_each(|b| b.copy_from_slice(&uniform().to_le_bytes()));
        }
    });
    refused(&copy, &["freshly initialised", "uniform", "tensors found"]);
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, |t| tensor(t, out).2 = vec![96, 1]);
    refused(&copy, &[out, "[96, 1]", "[1, 96]"]);
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, |t| {
        tensor(t, "reward_head.dense.bias").3[..4].copy_from_slice(&f32::NAN.to_le_bytes())
    });
    refused(&copy, &["reward_head.dense.bias", "NaN", "the first at 0"]);
}

#[test]
fn numbers_that_are_none_are_named_when_they_are_read() {
    let copy = Copy::of("cloud-llama-tiny");
    let name = "reward_base_model.model.layers.1.mlp.up_proj.weight";
    change_weights(&copy, WEIGHTS, |t| {
        tensor(t, name).3[40..44].copy_from_slice(&f32::INFINITY.to_le_bytes())
    });
    let tensors = copy.open().unwrap().tensors(&candle_core::Device::Cpu).unwrap();
    let error = tensors.tensor(name, &[256, 96]).unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("the first at 10"), "{error}");
    assert!(tensors.tensor("reward_base_model.model.norm.weight", &[96]).is_ok());
    let copy = Copy::of("cloud-llama-tiny");
    change_weights(&copy, WEIGHTS, |t| tensor(t, name).1 = Dtype::I32);
    let tensors = copy.open().unwrap().tensors(&candle_core::Device::Cpu).unwrap();
    let error = tensors.tensor(name, &[256, 96]).unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("I32"), "{error}");
}

#[test]
fn weight_files() {
    let copy = Copy::of("cloud-llama-tiny");
    let whole = std::fs::read(copy.path(WEIGHTS)).unwrap();
    for length in [1, 7, 8, 100, 5_000, whole.len() - 1] {
        copy.write(WEIGHTS, &whole[..length]);
        refused(&copy, &[WEIGHTS, &format!("{length} bytes"), "truncated"]);
    }
    copy.write(WEIGHTS, "");
    refused(&copy, &[WEIGHTS, "empty"]);
    copy.write(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n");
    refused(&copy, &[WEIGHTS, "Git LFS"]);
    std::fs::remove_file(copy.path(WEIGHTS)).unwrap();
    std::fs::create_dir(copy.path(WEIGHTS)).unwrap();
    refused(&copy, &[WEIGHTS, "a folder"]);
    std::fs::remove_dir(copy.path(WEIGHTS)).unwrap();
    refused(&copy, &[WEIGHTS, "no such file", "tokenizer.json"]);
    copy.write("pytorch_model.bin", "x");
    refused(&copy, &["pytorch_model.bin", "safe_serialization"]);
}

#[test]
fn shards() {
    let index = "model.safetensors.index.json";
    let second = "model-00002-of-00002.safetensors";
    let copy = Copy::of("cloud-llama-tiny-bf16-sharded");
    std::fs::remove_file(copy.path(second)).unwrap();
    refused(&copy, &[second, "no such file", "missing shard"]);
    let change = |change: &dyn Fn(&mut Value), words: &[&str]| {
        let copy = Copy::of("cloud-llama-tiny-bf16-sharded");
        copy.edit(index, change);
        refused(&copy, words);
    };
    change(&|i| i["weight_map"] = json!(null), &[index, "weight_map"]);
    change(&|i| i["weight_map"]["x"] = json!("../x.safetensors"), &["weight_map", "\"x\"", "../x"]);
    change(&|i| i["weight_map"]["x"] = json!(second), &["tensor x", "no such tensor"]);
    let head = "reward_head.dense.bias";
    change(&|i| i["weight_map"][head] = json!("model-00001-of-00002.safetensors"), &[head, second]);
    let copy = Copy::of("cloud-llama-tiny-bf16-sharded");
    let first = std::fs::read(copy.path("model-00001-of-00002.safetensors")).unwrap();
    copy.write(second, first);
    refused(&copy, &["embed_tokens", "also in"]);
}

#[test]
fn tokenizers_and_templates() {
    let copy = Copy::of("cloud-llama-tiny");
    copy.write("tokenizer.json", "{\"a\": 1}");
    refused(&copy, &["tokenizer.json", "tokenizers"]);
    copy.write("tokenizer.json", "\x00\x01");
    refused(&copy, &["tokenizer.json", "tokenizers"]);
    std::fs::remove_file(copy.path("tokenizer.json")).unwrap();
    refused(&copy, &["tokenizer.json", "no such file"]);

    let template = |value: Value, words: &[&str]| {
        let copy = Copy::of("cloud-llama-tiny");
        copy.edit("tokenizer_config.json", |c| c["chat_template"] = value);
        refused(&copy, words);
    };
    template(json!(null), &["tokenizer_config.json", "chat_template", "chat_template.jinja"]);
    template(json!(3), &["chat_template", "neither a text nor a list"]);
    template(json!([{"name": "tools", "template": "x"}]), &["chat_template", "tools", "default"]);
    template(json!("{% for m in messages %}"), &["chat_template", "line 1"]);
    template(json!("{{ nothing_here() }}"), &["chat_template", "nothing_here"]);
    template(json!("hello"), &["chat_template", "does not write the answer"]);
    template(
        json!("{% for m in messages %}{{ m.content }}{% endfor %}"),
        &["chat_template", "special token"],
    );
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    template(json!(endless), &["chat_template", "fuel"]);

    let copy = Copy::of("cloud-llama-tiny");
    copy.edit("tokenizer_config.json", |c| c["eos_token"] = json!("<|nobody|>"));
    refused(&copy, &["eos_token", "<|nobody|>", "does not know"]);
    let copy = Copy::of("cloud-llama-tiny");
    copy.edit("tokenizer_config.json", |c| c["added_tokens_decoder"]["772"] = json!({"content": "<extra>"}));
    refused(&copy, &["added_tokens_decoder", "<extra>", "do not belong together"]);
    let copy = Copy::of("cloud-llama-tiny");
    copy.edit("tokenizer.json", |t| t["added_tokens"][3]["id"] = json!(9000));
    refused(&copy, &["tokenizer.json", "9000"]);
    let copy = Copy::of("cloud-llama-tiny");
    copy.edit("base/config.json", |c| c["vocab_size"] = json!(700));
    change_weights(&copy, WEIGHTS, |t| {
        for name in ["reward_base_model.model.embed_tokens.weight", "reward_base_model.lm_head.weight"] {
            let t = tensor(t, name);
            t.2[0] = 700;
            t.3.truncate(700 * 96 * 4);
        }
    });
    refused(&copy, &["vocab_size", "700", "772"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Headers, configurations and tokenizers with bytes changed never panic.
    #[test]
    fn damaged_bytes_never_panic(
        file in prop::sample::select(vec![
            WEIGHTS, "config.json", "base/config.json", "tokenizer.json", "tokenizer_config.json",
        ]),
        changes in prop::collection::vec((0usize..6000, any::<u8>()), 1..8),
        cut in prop::option::of(0usize..6000),
    ) {
        let copy = Copy::of("cloud-llama-tiny");
        let mut bytes = std::fs::read(copy.path(file)).unwrap();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        copy.write(file, &bytes);
        if let Err(error) = copy.open() {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
