//! Base configurations of every family -> `Backbone`, as transformers reads them.

use std::path::Path;

use outloud::checkpoint::{Activation, Backbone, Bundled, Checkpoint, Head, Method, Rope, RopeScaling};
use serde_json::{Value, json};

use crate::damaged::Copy;
use crate::fixtures::{ALL, dir, open};

fn read(config: Value) -> Backbone {
    Backbone::from_config("config.json", &config.to_string()).unwrap().0
}

fn refused(config: Value) -> String {
    Backbone::from_config("config.json", &config.to_string()).unwrap_err().to_string()
}

/// A configuration with the keys every family writes, and these.
fn config(model_type: &str, more: Value) -> Value {
    let mut config = json!({
        "model_type": model_type, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn windows(backbone: &Backbone) -> Vec<Option<usize>> {
    backbone.layers.iter().map(|l| l.window).collect()
}

#[test]
fn fixtures() {
    let llama = open("cloud-llama-tiny").spec;
    assert_eq!((llama.method, open("classic-llama-tiny").spec.method), (Method::Cloud, Method::Classic));
    assert_eq!(open("cloud-llama-tiny-bf16-sharded").spec.backbone, llama.backbone);
    let b = llama.backbone;
    assert_eq!((b.hidden_size, b.num_heads, b.num_kv_heads, b.head_dim, b.layers.len()), (96, 6, 2, 16, 3));
    assert_eq!(
        (b.attention_scale, b.embedding_scale, b.tied, b.activation),
        (0.25, None, false, Activation::Silu)
    );
    let scaling = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 256,
    };
    assert_eq!(b.ropes, [Rope { theta: 500_000.0, scaling }]);

    let b = open("cloud-qwen2-tiny").spec.backbone;
    assert!(b.tied && b.qkv_bias && !b.o_bias && !b.qk_norm);
    assert_eq!((windows(&b), b.head_dim, b.rms_norm_eps), (vec![None; 2], 20, 1e-6));

    let b = open("cloud-gemma3-tiny").spec.backbone;
    assert!(b.tied && b.norm_plus_one && b.qk_norm && b.sandwich_norms);
    assert_eq!(windows(&b), [Some(24), None, Some(24), None]);
    assert_eq!(b.layers.iter().map(|l| l.rope).collect::<Vec<_>>(), [1, 0, 1, 0]);
    assert_eq!(b.ropes[0], Rope { theta: 1e6, scaling: RopeScaling::Linear { factor: 8.0 } });
    assert_eq!(b.ropes[1], Rope { theta: 1e4, scaling: RopeScaling::Default });
    assert_eq!((b.embedding_scale, b.attention_scale), (Some(72f64.sqrt()), 24f64.powf(-0.5)));
}

#[test]
fn every_value_has_a_reason() {
    for name in ALL {
        let checkpoint = open(name);
        for what in [
            "method",
            "read",
            "base",
            "backbone",
            "backbone.heads",
            "backbone.rope",
            "backbone.window",
            "backbone.tied",
            "backbone.attention_scale",
            "head",
            "dtype",
            "prompt.template",
            "prompt.end_of_turn",
            "prompt.bos",
            "prompt.eos",
            "prompt.pad",
            "prompt.clean_up",
        ] {
            let reason = checkpoint.spec.reasons.iter().find(|r| r.what == what);
            let reason = reason.unwrap_or_else(|| panic!("{name}: {what}"));
            assert!(!reason.value.is_empty() && !reason.why.is_empty());
        }
    }
    let tied =
        open("cloud-gemma3-tiny").spec.reasons.into_iter().find(|r| r.what == "backbone.tie_word_embeddings");
    assert_eq!(tied.unwrap().value, "true");
}

#[test]
fn llama_and_its_defaults() {
    let b = read(config("llama", json!({})));
    assert_eq!((b.rms_norm_eps, b.tied, b.head_dim, b.max_position_embeddings), (1e-6, false, 16, 2048));
    assert_eq!(b.ropes, [Rope { theta: 10_000.0, scaling: RopeScaling::Default }]);
    let b = read(config(
        "llama",
        json!({"attention_bias": true, "mlp_bias": true, "head_dim": 32, "num_key_value_heads": null}),
    ));
    assert!(b.qkv_bias && b.o_bias && b.mlp_bias);
    assert_eq!((b.head_dim, b.num_kv_heads, b.attention_scale), (32, 4, 32f64.powf(-0.5)));
}

#[test]
fn windows_of_mistral_and_qwen() {
    assert_eq!(windows(&read(config("mistral", json!({"sliding_window": null})))), [None; 4]);
    assert_eq!(windows(&read(config("mistral", json!({"sliding_window": 7})))), [Some(7); 4]);
    assert_eq!(windows(&read(config("mistral", json!({})))), [Some(4096); 4]);
    let b = read(config(
        "qwen2",
        json!({"sliding_window": 7, "max_window_layers": 2, "use_sliding_window": false}),
    ));
    assert_eq!(windows(&b), [None; 4]);
    let b = read(config(
        "qwen2",
        json!({"sliding_window": 7, "max_window_layers": 2, "use_sliding_window": true}),
    ));
    assert_eq!(windows(&b), [None, None, Some(7), Some(7)]);
    assert!(b.qkv_bias && !b.o_bias);
    let types = json!(["sliding_attention", "full_attention", "sliding_attention", "full_attention"]);
    let b =
        read(config("qwen3", json!({"sliding_window": 7, "layer_types": types, "use_sliding_window": true})));
    assert_eq!(windows(&b), [Some(7), None, Some(7), None]);
    assert_eq!((b.head_dim, b.qk_norm, b.qkv_bias, b.norm_plus_one), (128, true, false, false));
}

#[test]
fn gemmas() {
    let b = read(config("gemma", json!({"hidden_act": "gelu"})));
    assert_eq!((b.activation, b.tied, b.head_dim, b.norm_plus_one), (Activation::GeluTanh, true, 256, true));
    assert_eq!((b.attention_scale, b.embedding_scale, b.sandwich_norms), (1.0 / 16.0, Some(8.0), false));
    assert_eq!((b.attention_softcap, b.logit_softcap), (None, None));

    let b =
        read(config("gemma2", json!({"query_pre_attn_scalar": 144, "head_dim": 128, "sliding_window": 9})));
    assert_eq!(
        (b.attention_scale, b.attention_softcap, b.logit_softcap),
        (1.0 / 12.0, Some(50.0), Some(30.0))
    );
    assert_eq!(windows(&b), [Some(9), None, Some(9), None]);
    assert!(b.sandwich_norms && !b.qk_norm && b.ropes.len() == 1);
    let b = read(config("gemma2", json!({"attn_logit_softcapping": null, "final_logit_softcapping": 20.0})));
    assert_eq!((b.attention_softcap, b.logit_softcap), (None, Some(20.0)));

    let b = read(config("gemma3_text", json!({"num_hidden_layers": 7, "sliding_window": 5})));
    assert_eq!(windows(&b), [Some(5), Some(5), Some(5), Some(5), Some(5), None, Some(5)]);
    assert_eq!((b.ropes[0].theta, b.ropes[1].theta, b.max_position_embeddings), (1e6, 1e4, 131_072));
    let parameters = json!({
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 3e4},
    });
    let b = read(config("gemma3_text", json!({"rope_parameters": parameters, "sliding_window": 5})));
    assert_eq!(b.ropes[0], Rope { theta: 2e6, scaling: RopeScaling::Linear { factor: 8.0 } });
    assert_eq!(b.ropes[1].theta, 3e4);

    let text = json!({"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}});
    let b = read(json!({"model_type": "gemma3", "text_config": text, "vision_config": {}}));
    assert_eq!(
        (b.num_heads, b.num_kv_heads, b.head_dim, b.vocab_size, b.family.as_str()),
        (8, 4, 256, 262_208, "gemma3_text")
    );
}

#[test]
fn rotary_scaling_by_old_and_new_keys() {
    let scaling =
        |value: Value| read(config("llama", json!({"rope_scaling": value}))).ropes[0].scaling.clone();
    assert_eq!(scaling(Value::Null), RopeScaling::Default);
    assert_eq!(scaling(json!({"type": "linear", "factor": 2})), RopeScaling::Linear { factor: 2.0 });
    assert_eq!(scaling(json!({"rope_type": "default"})), RopeScaling::Default);
    let b = read(config(
        "llama",
        json!({"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 7e5}}),
    ));
    assert_eq!(b.ropes, [Rope { theta: 7e5, scaling: RopeScaling::Linear { factor: 4.0 } }]);
    for kind in ["yarn", "dynamic", "longrope", "su", "mrope"] {
        let error = refused(config("qwen2", json!({"rope_scaling": {"type": kind, "factor": 4.0}})));
        assert!(
            error.contains(kind) && error.contains("rope_scaling") && error.contains("llama3"),
            "{error}"
        );
    }
    let error = refused(config("llama", json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}})));
    assert!(error.contains("low_freq_factor"), "{error}");
}

#[test]
fn what_is_not_known_is_refused() {
    for (config, words) in [
        (config("mixtral", json!({})), ["model_type", "mixtral", "gemma3_text"]),
        (config("phi3", json!({})), ["model_type", "phi3", "not supported"]),
        (json!({"hidden_size": 64}), ["model_type", "nothing", "complete config.json"]),
        (
            config("llama", json!({"num_attention_heads": null})),
            ["num_attention_heads", "nothing", "cannot be seen"],
        ),
        (
            config("llama", json!({"num_attention_heads": "4"})),
            ["num_attention_heads", "\"4\"", "whole number"],
        ),
        (config("llama", json!({"num_key_value_heads": 3})), ["num_key_value_heads", "3", "divisor"]),
        (config("llama", json!({"hidden_size": 0})), ["hidden_size", "0", "1"]),
        (
            config("llama", json!({"num_attention_heads": 5, "num_key_value_heads": 5})),
            ["head_dim", "nothing", "value"],
        ),
        (config("llama", json!({"rms_norm_eps": -1.0})), ["rms_norm_eps", "-1", "above 0"]),
        (config("llama", json!({"hidden_act": "relu2"})), ["hidden_act", "relu2", "silu"]),
        (config("llama", json!({"partial_rotary_factor": 0.5})), ["partial_rotary_factor", "0.5", "1"]),
        (
            config("gemma3_text", json!({"use_bidirectional_attention": true})),
            ["use_bidirectional_attention", "true", "false"],
        ),
        (
            config("qwen3", json!({"use_sliding_window": true, "layer_types": ["full_attention"]})),
            ["layer_types", "a list of 1", "4"],
        ),
        (
            config("qwen3", json!({"use_sliding_window": true, "layer_types": ["a", "b", "c", "d"]})),
            ["layer_types", "\"a\"", "full_attention"],
        ),
        (json!({"model_type": "gemma3"}), ["text_config", "nothing", "config.json"]),
    ] {
        let error = refused(config.clone());
        assert!(words.iter().all(|w| error.contains(w)), "{config}: {error}");
    }
}

#[test]
fn well_known_bases_are_complete() {
    let presets = std::fs::read_to_string(dir("../../src/checkpoint/presets.toml")).unwrap();
    let names: Vec<&str> = presets.split('"').filter(|s| s.contains('/')).collect();
    assert!(names.len() > 50);
    for name in names {
        let b = Backbone::well_known(name).unwrap().unwrap();
        let mut billions = name.split(['-', '/']).filter_map(|w| {
            let w = w.to_lowercase();
            let million = w.strip_suffix('m').and_then(|n| n.parse::<f64>().ok()).map(|m| m / 1000.0);
            million.or_else(|| w.strip_suffix('b').and_then(|n| n.parse().ok()))
        });
        let billions = billions.next_back().unwrap();
        let parameters: usize =
            outloud::checkpoint::backbone_tensors(&b).iter().map(|(_, s)| s.iter().product::<usize>()).sum();
        // Names round, and some leave the embedding out.
        let ratio = parameters as f64 / 1e9 / billions;
        assert!((0.8..1.35).contains(&ratio), "{name}: {parameters}");
    }
    let b = Backbone::well_known("META-llama/Meta-Llama-3-70B").unwrap().unwrap();
    assert_eq!(
        (b.hidden_size, b.layers.len(), b.num_heads, b.num_kv_heads, b.intermediate_size),
        (8192, 80, 64, 8, 28672)
    );
    assert_eq!(
        (b.vocab_size, b.ropes[0].theta, b.rms_norm_eps, b.max_position_embeddings, b.tied),
        (128_256, 5e5, 1e-5, 8192, false)
    );
    assert_eq!(
        windows(&Backbone::well_known("mistralai/Mistral-7B-Instruct-v0.2").unwrap().unwrap()),
        [None; 32]
    );
    assert_eq!(Backbone::well_known("me/my-model").unwrap(), None);
}

/// Where the base configuration is looked up, in order.
#[test]
fn the_base_configuration_is_found_in_the_documented_order() {
    let copy = Copy::of("cloud-llama-tiny");
    let base = copy.json("base/config.json");
    let why = |checkpoint: &Checkpoint| {
        checkpoint.spec.reasons.iter().find(|r| r.what == "base").map(|r| r.why.clone()).unwrap()
    };
    assert!(why(&copy.open().unwrap()).contains("in the checkpoint's folder"));

    // As given: an absolute path, to the folder or the file.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(copy.path("base/config.json"), elsewhere.path().join("config.json")).unwrap();
    for path in [elsewhere.path().to_path_buf(), elsewhere.path().join("config.json")] {
        copy.edit("config.json", |c| c["base_model_name_or_path"] = json!(path));
        assert!(why(&copy.open().unwrap()).ends_with("a path"));
    }

    // The hub cache.
    let cache = tempfile::tempdir().unwrap();
    let repo = cache.path().join("models--some--base");
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::create_dir_all(repo.join("snapshots/abc1")).unwrap();
    std::fs::write(repo.join("refs/main"), "abc1\n").unwrap();
    std::fs::write(repo.join("snapshots/abc1/config.json"), base.to_string()).unwrap();
    copy.edit("config.json", |c| c["base_model_name_or_path"] = json!("some/base"));
    let caches = [elsewhere.path().to_path_buf(), cache.path().to_path_buf()];
    let opened = Checkpoint::open_with(&copy.path(""), &caches).unwrap();
    assert!(why(&opened).contains("hub cache"));
    assert_eq!(opened.spec.backbone, open("cloud-llama-tiny").spec.backbone);

    // Nowhere: which file to give.
    let error = copy.open().unwrap_err().to_string();
    for word in ["base_model_name_or_path", "some/base", "base/config.json"] {
        assert!(error.contains(word), "{error}");
    }

    // The checkpoint's own config.json.
    copy.edit("config.json", |c| c.as_object_mut().unwrap().extend(base.as_object().unwrap().clone()));
    assert!(why(&copy.open().unwrap()).contains("the checkpoint's own"));

    // The table: found, and its sizes do not fit these tensors.
    let copy = Copy::of("cloud-llama-tiny");
    std::fs::remove_file(copy.path("base/config.json")).unwrap();
    copy.edit("config.json", |c| c["base_model_name_or_path"] = json!("meta-llama/Meta-Llama-3-8B"));
    let error = copy.open().unwrap_err().to_string();
    assert!(error.contains("[96, 96]") && error.contains("4096"), "{error}");
}

#[test]
fn the_models_compiled_in_open_are_small_and_are_those_of_the_model_card() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let card = std::fs::read_to_string(models.join("README.md")).unwrap();
    let mut bytes = 0;
    for which in Bundled::ALL {
        let bundled = Checkpoint::bundled(which).unwrap();
        let folder = Checkpoint::open(&models.join(which.name())).unwrap();
        assert_eq!((bundled.name.as_str(), &bundled.fingerprint), (which.name(), &folder.fingerprint));
        assert!(
            card.contains(&bundled.fingerprint),
            "models/README.md does not name {}",
            bundled.fingerprint
        );
        assert!(matches!(bundled.spec.head, Head::DenseTanhOut { .. }));
        let cloud = which == Bundled::Demo;
        assert_eq!(bundled.spec.method == Method::Cloud, cloud);
        let size = std::fs::metadata(models.join(which.name()).join("model.safetensors")).unwrap().len();
        assert!(!cloud || size <= 8_000_000, "{size} bytes");
        bytes += size;
    }
    assert!(bytes <= 12_000_000, "{bytes} bytes");
}

#[test]
fn fingerprints_tell_models_apart() {
    let tiny = open("cloud-llama-tiny");
    let mut prints: Vec<String> = ALL.iter().map(|name| open(name).fingerprint).collect();
    assert!(prints.iter().all(|p| p.len() == 16 && p.chars().all(|c| c.is_ascii_hexdigit())));
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), ALL.len());
    let copy = Copy::of("cloud-llama-tiny");
    assert_eq!(copy.open().unwrap().fingerprint, tiny.fingerprint);
    let mut weights = std::fs::read(copy.path("model.safetensors")).unwrap();
    let last = weights.len() - 3;
    weights[last] ^= 1;
    copy.write("model.safetensors", weights);
    assert_ne!(copy.open().unwrap().fingerprint, tiny.fingerprint);
}

#[test]
fn tensors_are_as_stored_and_sharded_ones_equal_their_rounded_originals() {
    let device = candle_core::Device::Cpu;
    let (single, sharded) = (open("cloud-llama-tiny"), open("cloud-llama-tiny-bf16-sharded"));
    let (a, b) = (single.tensors(&device).unwrap(), sharded.tensors(&device).unwrap());
    assert_eq!(single.tensor_index().len(), sharded.tensor_index().len());
    assert_eq!(single.parameters(), sharded.parameters());
    for info in sharded.tensor_index() {
        assert_eq!(info.dtype, "BF16");
        let values = |t: &outloud::checkpoint::Tensors| {
            t.tensor(&info.name, &info.shape).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let rounded: Vec<f32> = values(&a).iter().map(|x| half::bf16::from_f32(*x).to_f32()).collect();
        assert_eq!(rounded, values(&b), "{}", info.name);
    }
    assert!(a.has("reward_head.dense.weight") && !a.has("score.weight"));
    let error = a.tensor("reward_head.dense.weight", &[96, 95]).unwrap_err().to_string();
    assert!(
        error.contains("[96, 96]")
            && error.contains("[96, 95]")
            && error.contains("reward_head.dense.weight")
    );
}

#[test]
fn written_files_with_the_same_weights_open_by_themselves() {
    for (name, folder) in [("cloud-gemma3-tiny", "a"), ("cloud-llama-tiny", "b")] {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join(folder);
        let original = open(name);
        original.write_files(&out).unwrap();
        std::fs::copy(dir(name).join("model.safetensors"), out.join("model.safetensors")).unwrap();
        let again = Checkpoint::open_with(&out, &[]).unwrap();
        assert_eq!((again.name.as_str(), &again.spec.backbone), (folder, &original.spec.backbone));
        assert_eq!(again.spec.prompt, original.spec.prompt);
    }
}
