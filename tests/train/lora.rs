//! LoRA: against PyTorch with PEFT, adapters in PEFT's format both ways, bases that do not fit, resuming.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor};
use outloud::checkpoint::{ADAPTER_CONFIG, Checkpoint, LINEAGE, Method};
use outloud::model::Model;
use outloud::train::collate::{PairRows, Row};
use outloud::train::config::Config;
use outloud::train::optimizer::squared_norm;
use outloud::train::params::{Params, is_lora, to_vec};
use outloud::train::start::{Origin, Start};
use outloud::train::step::Trainer;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{config, expected, fixtures};
use crate::runs::{QUICK, finish, job, message, run, stop_after, timeless};

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected/lora.json")).unwrap()).unwrap()
}

/// As `start` in tests/python/peft_cloud.py.
fn begin(matrices: &mut std::collections::BTreeMap<String, Tensor>) {
    for (name, tensor) in matrices {
        let (module, first) = (name.split(".lora_").next().unwrap(), name.contains(".lora_A"));
        let shift = module.len() as f64;
        let width = (tensor.dims()[1] as f64).sqrt();
        let value = |i: usize| {
            let i = i as f64;
            (if first { (0.37 * i + shift).sin() / width } else { 0.02 * (0.53 * i + shift).cos() }) as f32
        };
        let values: Vec<f32> = (0..tensor.elem_count()).map(value).collect();
        *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
    }
}

/// The fixture's batch, ids within the vocabulary.
fn batch(method: &str, vocab: u32) -> Vec<PairRows> {
    let all = expected();
    let own = &all["vanilla"]["batch"];
    let batch = if method == "classic" && !own.is_null() { own } else { &all["teacher"]["batch"] };
    let numbers =
        |value: &Value| value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect::<Vec<_>>();
    let row = |side: &str, i: usize| {
        let get = |what: &str| numbers(&batch[format!("{side}_{what}")][i]);
        let (ids, mask) = (get("input_ids"), get("attention_mask"));
        let len = mask.iter().sum::<i64>() as usize;
        let labels = if batch[format!("{side}_lm_labels")].is_null() { vec![] } else { get("lm_labels") };
        let first_target = labels.iter().position(|l| *l >= 0).unwrap_or(len);
        Row { ids: ids[..len].iter().map(|id| *id as u32 % vocab).collect(), first_target, full_len: len }
    };
    (0..3)
        .map(|i| PairRows {
            place: i.to_string(),
            chosen: row("chosen", i),
            rejected: row("rejected", i),
            margin: 0.0,
        })
        .collect()
}

fn near(what: &str, found: f64, expected: f64, relative: f64) {
    let off = (found - expected).abs() / expected.abs().max(1e-6);
    assert!(off <= relative, "{what}: {found} instead of {expected} (off by {off:.1e})");
}

fn keys_of(case: &Value) -> String {
    let keys = &case["keys"];
    let targets = match &keys["target_modules"] {
        Value::String(_) => "\"all-linear\"".to_owned(),
        list => list.to_string(),
    };
    format!(
        "shards = 1\nbatch = 3\nmicro-batch = 3\n[lora]\nrank = {}\nalpha = {}.0\ntargets = {targets}\nrslora = {}\n\
         [optimizer]\nkind = 'adamw'\nlr = 1e-3\nbetas = [0.9, 0.95]\neps = 1e-10\nweight-decay = 1e-4\n",
        keys["r"],
        keys["lora_alpha"],
        keys["use_rslora"].as_bool().unwrap_or(false)
    )
}

#[test]
fn five_steps_as_pytorch_and_peft() {
    for (name, case) in golden().as_object().unwrap() {
        for checkpointing in [false, true] {
            let method = case["method"].as_str().unwrap();
            let keys = format!("gradient-checkpointing = {checkpointing}\n{}", keys_of(case));
            let config = config(method, &keys);
            let origin = Origin::Folder(fixtures().join(case["checkpoint"].as_str().unwrap()));
            let mut start = Start::open(&origin, &config, &Device::Cpu).unwrap();
            begin(&mut start.lora.as_mut().unwrap().1);
            let params = start.params(&config).unwrap();
            let mut trainer =
                Trainer::new(start.backbone(), start.head(), params, &config, &Device::Cpu).unwrap();
            let rows = batch(method, case["vocab"].as_u64().unwrap() as u32);
            let rows: Vec<&PairRows> = rows.iter().collect();
            for (k, step) in case["steps"].as_array().unwrap().iter().enumerate() {
                let (report, gradients) = trainer.gradients(&rows).unwrap();
                let tolerance = if k == 0 { 1e-4 } else { 1e-3 };
                near(
                    &format!("{name} {k} loss"),
                    report.loss,
                    step["total_loss"].as_f64().unwrap(),
                    tolerance,
                );
                let norm = step["grad_norm"].as_f64().unwrap();
                near(&format!("{name} {k} norm"), report.grad_norm, norm, tolerance);
                for (i, (chosen, rejected)) in report.rewards.iter().enumerate() {
                    for (found, side) in [(chosen, "chosen_rewards"), (rejected, "rejected_rewards")] {
                        let expected = step[side][i].as_f64().unwrap();
                        let slack =
                            1e-4 + 1e-4 * expected.abs() + if k == 0 { 0.0 } else { 1e-3 + k as f64 * 1e-3 };
                        assert!(
                            (found - expected).abs() <= slack,
                            "{name} {k} {side}: {found} for {expected}"
                        );
                    }
                }
                if let Some(norms) = step["grad_norms"].as_object() {
                    assert_eq!(norms.len(), gradients.iter().flatten().count(), "{name}");
                    for ((weight, _), gradient) in trainer.params.trainable().zip(&gradients) {
                        let Some(gradient) =
                            gradient.as_ref().filter(|_| weight != "reward_head.out_proj.bias")
                        else {
                            continue;
                        };
                        let norm = squared_norm(gradient).unwrap().sqrt();
                        near(weight, norm, norms[weight].as_f64().unwrap(), 2e-4);
                    }
                }
                trainer.update(&report, &gradients, 1.0).unwrap();
            }
        }
    }
}

const LORA: &str = "[lora]\nrank = 4\ndropout = 0.1\n";

fn python() -> Option<String> {
    let python = std::env::var("OUTLOUD_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import torch, transformers, peft"]).output();
    if probe.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    eprintln!(
        "SKIPPED: the Python half; `{python}` has no torch, transformers and peft (set OUTLOUD_PYTHON)"
    );
    None
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/peft_cloud.py")
}

const SEQUENCES: [[u32; 8]; 2] = [[3, 1, 4, 1, 5, 9, 2, 6], [20, 21, 22, 23, 24, 25, 26, 27]];

/// Rewards of each position and logits of the last.
fn theirs(python: &str, command: &str, folder: &Path) -> Vec<f64> {
    let mut child = Command::new(python)
        .arg(script())
        .arg(command)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&SEQUENCES).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    rows.iter().flat_map(|row| [numbers(&row["rewards"]), numbers(&row["logits"])].concat()).collect()
}

fn ours(folder: &Path) -> Vec<f64> {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let tensors = checkpoint.tensors(&Device::Cpu).unwrap();
    let model = Model::new(&checkpoint.spec.backbone, &checkpoint.spec.head, &tensors, &Device::Cpu).unwrap();
    let one = |ids: &[u32; 8]| {
        let hidden = model.forward_packed(ids, &[8]).unwrap();
        let rewards = to_vec(&model.rewards(&hidden).unwrap()).unwrap();
        let logits = to_vec(&model.logits(&hidden.narrow(0, 7, 1).unwrap()).unwrap()).unwrap();
        [rewards, logits].concat()
    };
    SEQUENCES.iter().flat_map(one).map(f64::from).collect()
}

fn same(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance + tolerance * b.abs(), "{what}: {a} for {b}");
    }
}

#[test]
fn adapters_load_here_and_in_peft_and_merge() {
    let python = python();
    for (name, recipe) in [
        ("cloud-llama-tiny", "cloud"),
        ("cloud-qwen2-tiny", "csft"),
        ("cloud-gemma3-tiny", "cloud"),
        ("cloud-llama-tiny-bf16-sharded", "classic"),
    ] {
        let dir = TempDir::new().unwrap();
        let mut job = job(&dir, recipe, &format!("{QUICK}{LORA}"));
        job.origin = Origin::Folder(fixtures().join(name));
        finish(&job);
        let result = job.out.join("result");
        assert!(!result.join("model.safetensors").exists());
        let size = std::fs::metadata(result.join("adapter_model.safetensors")).unwrap().len();
        assert!(size < 600_000, "{size}");
        let checkpoint = Checkpoint::open(&result).unwrap();
        assert_eq!(checkpoint.spec.method, if recipe == "classic" { Method::Classic } else { Method::Cloud });
        let found = ours(&result);
        let base = ours(&fixtures().join(name));
        assert!(found.iter().zip(&base).any(|(a, b)| (a - b).abs() > 1e-3), "{name} has not learned");
        let merged = dir.path().join("merged");
        std::fs::create_dir(&merged).unwrap();
        checkpoint.write_merged(&merged, true).unwrap();
        same("merged", &ours(&merged), &found, 1e-6);
        if let Some(python) = &python {
            same(&format!("{name} in PEFT"), &found, &theirs(python, "load", &result), 1e-4);
            same(&format!("{name} merged by PEFT"), &found, &theirs(python, "merge", &result), 1e-4);
        }
    }
}

#[test]
fn an_adapter_that_peft_made_opens() {
    let Some(python) = python() else { return };
    let dir = TempDir::new().unwrap();
    let adapter = dir.path().join("adapter");
    let status = Command::new(&python)
        .arg(script())
        .arg("save")
        .arg(fixtures().join("cloud-llama-tiny"))
        .arg(&adapter)
        .status()
        .unwrap();
    assert!(status.success());
    same("PEFT's own", &ours(&adapter), &theirs(&python, "load", &adapter), 1e-4);
}

#[test]
fn a_lora_run_killed_ends_as_one_that_was_not() {
    for more in ["", "gradient-checkpointing = true\n", "kl = 0.1\ncenter-rewards-coefficient = 0.01\n"] {
        let keys = format!("{more}{QUICK}{LORA}");
        let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (whole, broken) = (job(&a, "cloud", &keys), job(&b, "cloud", &keys));
        let expected = timeless(finish(&whole));
        stop_after(&broken, 3);
        stop_after(&broken, 5);
        assert_eq!(timeless(finish(&broken)), expected);
        let read = |job: &outloud::train::run::Job| {
            std::fs::read(job.out.join("result/adapter_model.safetensors")).unwrap()
        };
        assert_eq!(read(&whole), read(&broken));
    }
}

#[test]
fn only_the_adapter_and_the_head_learn_and_both_are_there() {
    let config = config("cloud", &format!("{QUICK}{LORA}"));
    let start =
        Start::open(&Origin::Folder(fixtures().join("cloud-llama-tiny")), &config, &Device::Cpu).unwrap();
    let params = start.params(&config).unwrap();
    let names: Vec<&str> = params.trainable().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|n| is_lora(n)).count(), 3 * 7 * 2);
    assert_eq!(names.iter().filter(|n| n.starts_with("reward_head.")).count(), 4);
    assert_eq!(names.len(), 3 * 7 * 2 + 4);
    // The start is the base itself: every B is zero.
    let fresh = start.model(&Device::Cpu).unwrap();
    let plain = Params::new(start.tensors.clone(), &[]).unwrap();
    let plain = Model::new(start.backbone(), start.head(), &plain, &Device::Cpu).unwrap();
    let hidden = |model: &Model| to_vec(&model.forward_packed(&SEQUENCES[0], &[8]).unwrap()).unwrap();
    assert_eq!(hidden(&fresh), hidden(&plain));
}

#[test]
fn an_adapter_for_another_base_is_refused_and_a_missing_base_named() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", &format!("{QUICK}{LORA}"));
    finish(&job);
    let result = job.out.join("result");
    let path = result.join(ADAPTER_CONFIG);
    let text = std::fs::read_to_string(&path).unwrap();
    let base = std::fs::canonicalize(fixtures().join("cloud-llama-tiny")).unwrap().display().to_string();
    let other = |name: &str| {
        std::fs::write(&path, text.replace(&base, &fixtures().join(name).display().to_string())).unwrap();
        Checkpoint::open(&result).unwrap_err().to_string()
    };
    let error = other("classic-llama-tiny");
    assert!(error.contains("the base this adapter was trained on, of fingerprint"), "{error}");
    let error = other("gone");
    assert!(
        error.contains("where there is no folder") && error.contains("base_model_name_or_path"),
        "{error}"
    );
    // Of another shape, and nothing says what it was trained on.
    std::fs::remove_file(result.join(LINEAGE)).unwrap();
    let error = other("cloud-qwen2-tiny");
    assert!(error.contains("adapter_model.safetensors, tensor"), "{error}");
    // A kind of adapter that is not known here.
    std::fs::write(&path, text.replace("\"use_dora\": false", "\"use_dora\": true")).unwrap();
    let error = Checkpoint::open(&result).unwrap_err().to_string();
    assert!(error.contains("use_dora") && error.contains("merge_and_unload"), "{error}");
}

#[test]
fn training_goes_on_from_an_adapter() {
    let dir = TempDir::new().unwrap();
    let first = job(&dir, "csft", &format!("{QUICK}{LORA}"));
    finish(&first);
    let adapter = first.out.join("result");
    // With the same shape: the adapter goes on, of the same base.
    let mut second = job(&dir, "cloud", &format!("{QUICK}{LORA}"));
    (second.out, second.origin) = (dir.path().join("second"), Origin::Folder(adapter.clone()));
    let records = finish(&second);
    let checkpoint = Checkpoint::open(&second.out.join("result")).unwrap();
    let base = Checkpoint::open(&fixtures().join("cloud-llama-tiny")).unwrap();
    assert_eq!(checkpoint.adapter.unwrap().base_fingerprint, base.fingerprint);
    // It began where the first one ended.
    let merged = config("cloud", QUICK);
    let start = Start::open(&Origin::Folder(adapter.clone()), &merged, &Device::Cpu).unwrap();
    let trainer =
        Trainer::new(start.backbone(), start.head(), start.params(&merged).unwrap(), &merged, &Device::Cpu)
            .unwrap();
    let rows = crate::common::setup("cloud-llama-tiny", &config("cloud", QUICK)).rows;
    let all: Vec<&PairRows> = rows.iter().collect();
    let report = trainer.evaluate(&all).unwrap();
    assert!((report.lm_loss.unwrap() - records[0].lm_loss.unwrap()).abs() < 0.5);
    // With another shape it is refused; without [lora] it is merged and learns in full.
    let mut other = job(&dir, "cloud", &format!("{QUICK}[lora]\nrank = 2\n"));
    (other.out, other.origin) = (dir.path().join("other"), Origin::Folder(adapter.clone()));
    assert!(message(&other).contains("outloud adapter merge"), "{}", message(&other));
    let mut full = job(&dir, "cloud", QUICK);
    (full.out, full.origin) = (dir.path().join("full"), Origin::Folder(adapter));
    finish(&full);
    assert!(full.out.join("result/model.safetensors").exists());
}

#[test]
fn bad_lora_keys_are_refused() {
    let refused = |keys: &str| {
        Config::layered("cloud", Some(("my.toml", keys)), toml::Table::new()).unwrap_err().to_string()
    };
    assert!(refused("[lora]\nrank = 0").contains("lora.rank"));
    assert!(refused("[lora]\nrank = 4\ntargets = ['q_porj']").contains("did you mean `q_proj`?"));
    assert!(refused("[lora]\nranks = 4").contains("did you mean `lora.rank`?"));
    assert!(refused("[lora]\ndropout = 1.5").contains("lora.dropout"));
    let lora = Config::layered("cloud", Some(("f", "[lora]\nrank = 8")), toml::Table::new()).unwrap();
    assert_eq!((lora.optimizer.lr, lora.lora.unwrap().spec("").unwrap().alpha), (1e-4, 16.0));
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", &format!("freeze = ['*norm*']\n{QUICK}{LORA}"));
    assert!(run(&job).0.unwrap_err().to_string().contains("freeze"));
}

#[test]
fn gradient_checkpointing_changes_no_number() {
    for recipe in ["cloud", "csft", "classic"] {
        let records: Vec<_> = [false, true]
            .map(|on| {
                let dir = TempDir::new().unwrap();
                let kl = if recipe == "classic" { "" } else { "kl = 0.05\n" };
                timeless(finish(&job(&dir, recipe, &format!("gradient-checkpointing = {on}\n{kl}{QUICK}"))))
            })
            .into();
        for (a, b) in records[0].iter().zip(&records[1]) {
            near(recipe, a.loss, b.loss, 1e-4);
            near(recipe, a.grad_norm, b.grad_norm, 1e-3);
        }
    }
}
