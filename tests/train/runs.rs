//! Runs through the library: resume, damage, refusal, bad input, results.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use candle_core::Device;
use outloud::Error;
use outloud::checkpoint::{Checkpoint, Method};
use outloud::model::Model;
use outloud::train::config::Config;
use outloud::train::run::{Event, Job, Outcome, Record, metrics, train};
use outloud::train::start::{Origin, Start};
use serde_json::json;
use tempfile::TempDir;

use crate::common::{config, expected, fixtures, pairs_file};

pub const QUICK: &str = "
batch = 2
micro-batch = 2
max-len = 128
shards = 2
save-every = 2
steps = 6
[optimizer]
lr = 1e-3
[schedule]
warmup = 2
";

pub fn job(dir: &TempDir, recipe: &str, keys: &str) -> Job {
    let data = dir.path().join("rows.jsonl");
    if !data.exists() {
        std::fs::copy(pairs_file().path(), &data).unwrap();
    }
    Job {
        recipe: recipe.into(),
        config: config(recipe, keys),
        origin: Origin::Folder(fixtures().join("cloud-llama-tiny")),
        data: vec![data],
        valid: Vec::new(),
        out: dir.path().join("run"),
        device: Device::Cpu,
        check_memory: false,
    }
}

pub fn run(job: &Job) -> (outloud::Result<Outcome>, Vec<String>) {
    let mut notes = Vec::new();
    let outcome = train(
        job,
        &mut |event| {
            if let Event::Note(note) = event {
                notes.push(note.clone())
            }
        },
        &|| false,
    );
    (outcome, notes)
}

pub fn finish(job: &Job) -> Vec<Record> {
    let (outcome, notes) = run(job);
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?} {notes:?}");
    records(job)
}

pub fn records(job: &Job) -> Vec<Record> {
    metrics::read(&job.out.join("metrics.jsonl")).unwrap()
}

/// Everything but the clock.
pub fn timeless(records: Vec<Record>) -> Vec<Record> {
    records
        .into_iter()
        .map(|r| Record { tokens_per_second: 0.0, seconds: 0.0, peak_mib: None, ..r })
        .collect()
}

pub fn stop_after(job: &Job, steps: usize) {
    let seen = Cell::new(0);
    let outcome = train(
        job,
        &mut |e| {
            if let Event::Step(r) = e {
                seen.set(r.step)
            }
        },
        &|| seen.get() >= steps,
    );
    assert_eq!(outcome.unwrap(), Outcome::Interrupted(steps));
}

fn weights(job: &Job) -> Vec<u8> {
    std::fs::read(job.out.join("result/model.safetensors")).unwrap()
}

pub fn message(job: &Job) -> String {
    let (outcome, _) = run(job);
    outcome.unwrap_err().to_string()
}

#[test]
fn an_interrupted_run_ends_as_an_uninterrupted_one() {
    for grouped in [false, true] {
        let keys = format!("group-by-length = {grouped}\n{QUICK}");
        let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (whole, broken) = (job(&a, "cloud", &keys), job(&b, "cloud", &keys));
        let expected = timeless(finish(&whole));
        assert_eq!(expected.iter().map(|r| r.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        stop_after(&broken, 3);
        stop_after(&broken, 5);
        assert_eq!(timeless(finish(&broken)), expected);
        assert_eq!(weights(&whole), weights(&broken));
    }
}

#[test]
fn a_finished_run_says_so_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", QUICK);
    finish(&job);
    let before = weights(&job);
    let (outcome, _) = run(&job);
    assert_eq!(outcome.unwrap(), Outcome::AlreadyFinished(job.out.join("result")));
    assert_eq!(before, weights(&job));
}

#[test]
fn another_configuration_is_refused_with_the_difference() {
    let dir = TempDir::new().unwrap();
    let first = job(&dir, "cloud", QUICK);
    stop_after(&first, 2);
    let said = std::fs::read(first.out.join("status.json")).unwrap();
    let other = job(&dir, "cloud", &QUICK.replace("lr = 1e-3", "lr = 2e-3"));
    let text = message(&other);
    assert!(text.contains("config.optimizer.lr: 0.001 in the folder, 0.002 now"), "{text}");
    let mut base = first.clone();
    base.origin = Origin::Folder(fixtures().join("cloud-qwen2-tiny"));
    assert!(message(&base).contains("model.fingerprint"));
    std::fs::write(&first.data[0], format!("{}\n", expected()["pairs"][0])).unwrap();
    assert!(message(&first).contains("data.sha256"));
    // A refusal leaves what the run said of itself, also where the caller tells the folder.
    outloud::train::run::status::Status::failed(&first.out, "refused");
    assert_eq!(said, std::fs::read(first.out.join("status.json")).unwrap());
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let reference = TempDir::new().unwrap();
    let expected = timeless(finish(&job(&reference, "cloud", QUICK)));
    for file in ["weights.safetensors", "optimizer.safetensors", "state.json"] {
        for damage in ["flip", "cut", "gone"] {
            let dir = TempDir::new().unwrap();
            let job = job(&dir, "cloud", QUICK);
            stop_after(&job, 4);
            let path = job.out.join("checkpoints/00000004").join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            match damage {
                "flip" => bytes[middle] ^= 1,
                "cut" => bytes.truncate(middle),
                _ => {}
            }
            std::fs::write(&path, &bytes).unwrap();
            if damage == "gone" {
                std::fs::remove_file(&path).unwrap();
            }
            let (outcome, notes) = run(&job);
            assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
            let told =
                notes.iter().any(|n| n.contains("checkpoint of step 4 is damaged") && n.contains(file));
            assert!(told, "{file} {damage}: {notes:?}");
            assert!(notes.iter().any(|n| n.contains("step 2 of 6")), "{notes:?}");
            assert_eq!(timeless(records(&job)), expected, "{file} {damage}");
            let log = std::fs::read_to_string(job.out.join("log")).unwrap();
            assert!(log.contains("damaged"), "{log}");
        }
    }
}

#[test]
fn with_every_checkpoint_damaged_it_stops() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", QUICK);
    stop_after(&job, 4);
    for step in ["00000002", "00000004"] {
        std::fs::write(job.out.join("checkpoints").join(step).join("state.json"), "{").unwrap();
    }
    let text = message(&job);
    assert!(text.contains("all damaged"), "{text}");
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", &QUICK.replace("save-every = 2", "save-every = 1"));
    finish(&job);
    let mut kept: Vec<String> = std::fs::read_dir(job.out.join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["00000005", "00000006"]);
}

#[test]
fn a_torn_and_too_long_metrics_file_is_repaired() {
    let reference = TempDir::new().unwrap();
    let expected = timeless(finish(&job(&reference, "cloud", QUICK)));
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", QUICK);
    stop_after(&job, 3);
    let path = job.out.join("metrics.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += &text.lines().last().unwrap().replace("\"step\":3", "\"step\":4");
    text += "\n{\"step\":5,\"lo";
    std::fs::write(&path, text).unwrap();
    assert_eq!(timeless(finish(&job)), expected);
}

#[test]
fn a_loss_that_is_not_finite_stops_and_names_the_batch() {
    let dir = TempDir::new().unwrap();
    let keys = QUICK.replace("lr = 1e-3", "lr = 1e30").replace("warmup = 2", "warmup = 0");
    let job = job(&dir, "cloud", &keys.replace("save-every = 2", "save-every = 1"));
    let text = message(&job);
    assert!(text.contains("step 2, batch") && text.contains("rows.jsonl:"), "{text}");
    assert!(text.contains("The checkpoint of step 1 is kept"), "{text}");
    assert!(job.out.join("checkpoints/00000001/state.json").exists());
    assert_eq!(records(&job).len(), 1);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let runs: Vec<Vec<Record>> = ["seed = 1", "seed = 1", "seed = 2"]
        .iter()
        .map(|seed| {
            let dir = TempDir::new().unwrap();
            timeless(finish(&job(&dir, "csft", &format!("{seed}\n{QUICK}"))))
        })
        .collect();
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].iter().all(|r| r.accuracy.is_none() && r.reward_loss.is_none() && r.lm_loss.is_some()));
}

#[test]
fn bad_rows_are_named() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", QUICK);
    let good = json!({"prompt": "p", "chosen": "a", "rejected": "b", "chosen_feedback": "f", "rejected_feedback": ["g", 1]});
    let without = |key: &str| {
        let mut row = good.clone();
        row.as_object_mut().unwrap().remove(key);
        row
    };
    let text = format!(
        "{good}\n\n{}\n{}\n{{\"prompt\": \n{}\n",
        without("prompt"),
        without("rejected_feedback"),
        json!({"prompt": 3, "chosen": "a", "rejected": "b"})
    );
    std::fs::write(&job.data[0], text).unwrap();
    let error = message(&job);
    for part in [
        "4 bad rows of 5",
        "rows.jsonl:3 (prompt: found nothing",
        "rows.jsonl:4 (rejected_feedback: missing)",
        "rows.jsonl:5 (found no JSON",
        "rows.jsonl:6 (prompt: found a number",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!job.out.exists(), "nothing is made before the rows are good");
    for (text, part) in [
        (String::new(), "no rows"),
        (json!({"prompt": "p", "chosen": "a", "chosen_feedback": "f"}).to_string(), "rejected: found nothing"),
        (json!({"prompt": "p", "chosen": "a", "rejected": "a", "chosen_feedback": "f", "rejected_feedback": "f"}).to_string(), "same text"),
    ] {
        std::fs::write(&job.data[0], text).unwrap();
        let error = message(&job);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn rows_over_the_limit_are_counted_before_the_start() {
    let dir = TempDir::new().unwrap();
    let (outcome, notes) = run(&job(&dir, "cloud", QUICK));
    outcome.unwrap();
    assert!(notes[0].contains("1 of 6 rows are longer than 128 tokens"), "{notes:?}");
    assert!(notes[1].contains("2 of 6 rows have exactly 128 tokens"), "{notes:?}");
    let dir = TempDir::new().unwrap();
    let text = message(&job(&dir, "csft", &QUICK.replace("max-len = 128", "max-len = 12")));
    assert!(text.contains("no critique within 12 tokens"), "{text}");
}

#[test]
fn unknown_keys_and_bad_values_are_refused() {
    let refused = |keys: &str| {
        Config::layered("cloud", Some(("my.toml", keys)), toml::Table::new()).unwrap_err().to_string()
    };
    let text = refused("[optimizer]\nlearning_rate = 1");
    assert!(text.contains("my.toml, key `optimizer.learning_rate`"), "{text}");
    assert!(refused("[optimizer]\nweight_deca = 1").contains("did you mean `optimizer.weight-decay`?"));
    assert!(refused("sede = 1").contains("did you mean `seed`?"));
    assert!(refused("batch = 0").contains("at least 1"));
    assert!(refused("batch = 'x'").contains("my.toml"));
    assert!(refused("batch = \n").contains("my.toml:1"));
    assert!(refused("[schedule]\nkind = 'cosin'").contains("cosin"));
    let error = Config::recipe("clowd").unwrap_err();
    assert!(matches!(&error, Error::Usage(text) if text.contains("did you mean `cloud`?")), "{error}");
    let flags = toml::Table::from_iter([("optimizer.lr".to_owned(), toml::Value::Float(0.5))]);
    let config = Config::layered("cloud", Some(("f", "[optimizer]\nlr = 0.1\neps = 1e-8")), flags).unwrap();
    assert_eq!((config.optimizer.lr, config.optimizer.eps), (0.5, 1e-8));
    let dir = TempDir::new().unwrap();
    let text = message(&job(&dir, "cloud", &format!("freeze = ['reward_haed.*']\n{QUICK}")));
    assert!(text.contains("no weight fits `reward_haed.*`"), "{text}");
}

/// Rewards of a folder at every position of some sequences, by our own loader.
fn rewards(folder: &Path, sequences: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let tensors = checkpoint.tensors(&Device::Cpu).unwrap();
    let model = Model::new(&checkpoint.spec.backbone, &checkpoint.spec.head, &tensors, &Device::Cpu).unwrap();
    let one = |ids: &Vec<u32>| {
        let hidden = model.forward_packed(ids, &[ids.len()]).unwrap();
        model.rewards(&hidden).unwrap().to_vec1().unwrap()
    };
    sequences.iter().map(one).collect()
}

fn result_of(name: &str, recipe: &str, keys: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let mut job = job(&dir, recipe, keys);
    job.origin = Origin::Folder(fixtures().join(name));
    finish(&job);
    let result = job.out.join("result");
    (dir, result)
}

/// (checkpoint, recipe, more keys)
const RESULTS: [(&str, &str, &str); 5] = [
    ("cloud-llama-tiny", "cloud", ""),
    ("cloud-qwen2-tiny", "csft", ""),
    ("cloud-gemma3-tiny", "cloud", "freeze = ['*embed_tokens*']\n"),
    ("cloud-llama-tiny-bf16-sharded", "classic", ""),
    ("classic-llama-tiny", "cloud", "init = 'random'\n"),
];

#[test]
fn results_load_here_and_in_the_python_reference() {
    let python = std::env::var("OUTLOUD_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe =
        std::process::Command::new(&python).args(["-c", "import torch, transformers, safetensors"]).output();
    let with_python = probe.is_ok_and(|o| o.status.success());
    if !with_python {
        eprintln!(
            "SKIPPED: the Python half; `{python}` has no torch, transformers and safetensors (set OUTLOUD_PYTHON)"
        );
    }
    let sequences: Vec<Vec<u32>> = vec![vec![3, 1, 4, 1, 5, 9, 2, 6], (20..60).collect()];
    for (name, recipe, keys) in RESULTS {
        let (_dir, result) = result_of(name, recipe, &format!("{keys}{QUICK}"));
        let spec = Checkpoint::open(&result).unwrap().spec;
        assert_eq!(spec.method, if recipe == "classic" { Method::Classic } else { Method::Cloud });
        let ours = rewards(&result, &sequences);
        assert_ne!(ours, rewards(&fixtures().join(name), &sequences), "{name} has not learned");
        if with_python {
            let theirs = python_rewards(&python, &result, &sequences);
            for (ours, theirs) in ours.iter().flatten().zip(theirs.iter().flatten()) {
                assert!((ours - theirs).abs() <= 1e-4 + 1e-4 * theirs.abs(), "{name}: {ours} for {theirs}");
            }
        }
    }
}

fn python_rewards(python: &str, result: &Path, sequences: &[Vec<u32>]) -> Vec<Vec<f32>> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/check_result.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(result)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(sequences).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_cloud_model_goes_on_from_a_csft_result_and_turns_classic() {
    let (_a, csft) = result_of("cloud-llama-tiny", "csft", QUICK);
    let (_b, cloud) =
        result_of(csft.to_str().unwrap(), "cloud", &format!("init-head = 'random'\nseed = 3\n{QUICK}"));
    let (_c, classic) = result_of(cloud.to_str().unwrap(), "classic", QUICK);
    let methods = [&csft, &cloud, &classic].map(|dir| Checkpoint::open(dir).unwrap().spec.method);
    assert_eq!(methods, [Method::Cloud, Method::Cloud, Method::Classic]);
}

#[test]
fn from_scratch_needs_no_weights() {
    let dir = TempDir::new().unwrap();
    let blueprint = dir.path().join("blueprint");
    let source = fixtures().join("cloud-llama-tiny");
    std::fs::create_dir_all(blueprint.join("base")).unwrap();
    for file in ["config.json", "base/config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(source.join(file), blueprint.join(file)).unwrap();
    }
    let mut job = job(&dir, "cloud", &format!("init = 'random'\nseed = 5\n{QUICK}"));
    job.origin = Origin::Folder(blueprint.clone());
    let records = finish(&job);
    // Before any step the critiques are guesses over 772 tokens, and rewards near zero.
    assert!((records[0].lm_loss.unwrap() - 772f64.ln()).abs() < 1.0, "{:?}", records[0]);
    assert!((records[0].reward_loss.unwrap() - 2f64.ln()).abs() < 0.1, "{:?}", records[0]);
    assert!(records[5].loss < records[0].loss);
    let random = |seed: u64| {
        let config = config("cloud", &format!("init = 'random'\nseed = {seed}\n{QUICK}"));
        Start::open(&Origin::Folder(blueprint.clone()), &config, &Device::Cpu).unwrap().tensors
    };
    let name = "reward_base_model.model.layers.1.mlp.up_proj.weight";
    let numbers = |seed| random(seed)[name].to_vec2::<f32>().unwrap();
    assert_eq!(numbers(5), numbers(5));
    assert_ne!(numbers(5), numbers(6));
    let without = Start::open(&Origin::Folder(blueprint.clone()), &config("cloud", QUICK), &Device::Cpu);
    assert!(without.is_err(), "without weights only a random start is possible");
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let dir = TempDir::new().unwrap();
    let job = job(&dir, "cloud", QUICK);
    let inner = Cell::new(None);
    let outcome = train(
        &job,
        &mut |event| {
            if matches!(event, Event::Started { .. }) {
                inner.set(Some(run(&job).0.unwrap_err().to_string()));
            }
        },
        &|| false,
    );
    assert!(matches!(outcome, Ok(Outcome::Finished(_))));
    let text = inner.take().unwrap();
    assert!(text.contains("a run that is going on (process"), "{text}");
}
