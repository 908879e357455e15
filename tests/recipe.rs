//! The demo model's recipe: its numbers are what the trainer takes, its stages fit together, what it ships loads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use std::path::{Path, PathBuf};

use candle_core::Device;
use outloud::checkpoint::Checkpoint;
use outloud::recipe::{Plan, Work, export, on_policy, stages};
use outloud::stories::blueprint;
use outloud::stories::{Options, Row, Rows, Split};
use outloud::train::config::Config;
use serde_json::{Value, json};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn every_training_stage_is_a_configuration_the_trainer_takes() {
    let plan = Plan::demo().unwrap();
    for (recipe, table) in [
        ("csft", &plan.train.drills),
        ("csft", &plan.train.csft),
        ("csft", &plan.train.varied),
        ("cloud", &plan.train.cloud),
        ("classic", &plan.train.classic),
    ] {
        let text = toml::to_string(table).unwrap();
        let config = Config::layered(recipe, Some((recipe, &text)), toml::Table::new()).unwrap();
        assert!(config.max_len >= 1024 && config.group_by_length);
    }
}

#[test]
fn a_file_changes_single_keys_and_unknown_ones_are_refused() {
    let plan =
        Plan::layered(Some(("my.toml", "[rows]\ncsft = 7\n[train.csft.optimizer]\nlr = 0.5"))).unwrap();
    assert_eq!((plan.rows.csft, plan.rows.pairs), (7, Plan::demo().unwrap().rows.pairs));
    assert_eq!(plan.train.csft["optimizer"]["lr"].as_float(), Some(0.5));
    assert_eq!(plan.train.csft["optimizer"]["eps"].as_float(), Some(1e-9));
    let again = Plan::layered(Some(("recipe.toml", &plan.to_toml().unwrap()))).unwrap();
    assert_eq!(again, plan);
    for (text, word) in [("[rows]\ncfst = 7", "cfst"), ("seed = 'x'", "seed"), ("seed =", "my.toml")] {
        let error = Plan::layered(Some(("my.toml", text))).unwrap_err().to_string();
        assert!(error.contains("my.toml") && error.contains(word), "{error}");
    }
}

#[test]
fn the_blueprint_opens_and_is_small_enough_for_the_binary() {
    let dir = tempfile::tempdir().unwrap();
    let shape = Plan::demo().unwrap().shape;
    blueprint::write(dir.path(), shape, 1).unwrap();
    let checkpoint = Checkpoint::blueprint(dir.path()).unwrap();
    let b = &checkpoint.spec.backbone;
    let layer = 4 * b.hidden_size * b.hidden_size + 3 * b.hidden_size * b.intermediate_size;
    let weights = 2 * b.vocab_size * b.hidden_size + b.layers.len() * layer + b.hidden_size * b.hidden_size;
    assert!(weights * 2 < 8_000_000, "{weights} weights");
    assert_eq!(checkpoint.spec.prompt.end_of_turn.text, "<|eot_id|>");
    assert!(!checkpoint.spec.prompt.clean_up);
}

/// Both readings see the same words: the re-encoded critique differs from the generated one in its first token only.
#[test]
fn a_critique_survives_re_encoding_but_for_its_first_token() {
    let dir = tempfile::tempdir().unwrap();
    blueprint::write(dir.path(), Plan::demo().unwrap().shape, 1).unwrap();
    let text = Checkpoint::blueprint(dir.path()).unwrap().text;
    for row in Rows::new(Options::new(Split::Test, 1)).unwrap().take(40) {
        let row = row.unwrap();
        let prompt = outloud::checkpoint::Prompt::Text(row.prompt.clone());
        let formatted = text.format(&prompt, &row.rejected, None, false).unwrap();
        let own = text.critique_ids(&row.rejected_feedback, false).unwrap();
        let again = text.re_encode(&formatted, &row.rejected_feedback, false).unwrap();
        let tail = &again.ids[again.critique_start..];
        assert_eq!(tail[1..tail.len() - 1], own[1..], "{}", row.rejected_feedback);
        assert_eq!(text.decode(&own).unwrap().trim(), row.rejected_feedback);
    }
}

fn pair_rows(dir: &Path, count: usize) -> (PathBuf, Vec<Row>) {
    let rows: Vec<Row> =
        Rows::new(Options::new(Split::Train, 4)).unwrap().take(count).map(|r| r.unwrap()).collect();
    let path = dir.join("pairs.jsonl");
    let text: String = rows.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
    std::fs::write(&path, text).unwrap();
    (path, rows)
}

#[test]
fn own_critiques_take_the_oracles_place_where_both_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (pairs, rows) = pair_rows(dir.path(), 6);
    let side = |text: &str, stopped: &str| json!({"critique": text, "reward": 0.5, "stopped": stopped});
    let line = |n: usize, stopped: &str| {
        let (a, b) = (side(&format!("own {n}"), "eot"), side(&format!("own not {n}"), stopped));
        json!({"id": rows[n].id, "chosen": a, "rejected": b, "margin": 1.0}).to_string()
    };
    let failed = json!({"id": rows[5].id, "error": "too long"}).to_string();
    let lines =
        [line(3, "eot"), line(0, "eot"), line(1, "max_tokens"), failed, line(2, "eot"), line(4, "eot")];
    let critiques = dir.path().join("critiques.jsonl");
    std::fs::write(&critiques, lines.join("\n")).unwrap();
    let mut out = Vec::new();
    let joined = on_policy::join(&pairs, &critiques, &mut out).unwrap();
    assert_eq!(joined, on_policy::Joined { kept: 4, left_out: 2 });
    joined.check(&critiques).unwrap();
    let kept: Vec<Row> =
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for (row, n) in kept.iter().zip([0, 2, 3, 4]) {
        let expected = Row {
            chosen_feedback: format!("own {n}"),
            rejected_feedback: format!("own not {n}"),
            ..rows[n].clone()
        };
        assert_eq!(*row, expected);
    }
    let error = on_policy::Joined { kept: 1, left_out: 5 }.check(&critiques).unwrap_err().to_string();
    assert!(error.contains("1 of 6"), "{error}");
    std::fs::write(&critiques, "{\"id\":").unwrap();
    let error = on_policy::join(&pairs, &critiques, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("critiques.jsonl:1"), "{error}");
}

#[test]
fn the_shipped_folder_is_f16_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (fixture("cloud-llama-tiny"), dir.path().join("model"));
    let bytes = export::half(&from, &to).unwrap();
    let full = std::fs::metadata(from.join("model.safetensors")).unwrap().len();
    assert!(bytes < full * 52 / 100, "{bytes} of {full}");
    let (a, b) = (Checkpoint::open(&from).unwrap(), Checkpoint::open(&to).unwrap());
    assert_eq!(a.spec.backbone, b.spec.backbone);
    assert!(b.tensor_index().iter().all(|t| t.dtype.eq_ignore_ascii_case("f16")), "{:?}", b.tensor_index());
    let first = a.tensor_index()[0].name.clone();
    let read = |c: &Checkpoint| -> Vec<f32> {
        let shape = c.tensor_index()[0].shape.clone();
        let tensors = c.tensors(&Device::Cpu).unwrap();
        let tensor = outloud::model::TensorSource::tensor(&tensors, &first, &shape).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    let (x, y) = (read(&a), read(&b));
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= 1e-6 + x.abs() / 1024.0));
    let config: Value = serde_json::from_slice(&std::fs::read(to.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["torch_dtype"], "float16");
}

#[test]
fn stages_read_only_what_earlier_ones_made() {
    let out = Path::new("OUT");
    let plan = Plan::demo().unwrap();
    let mut made: Vec<PathBuf> = Vec::new();
    for stage in stages(&plan, out).unwrap() {
        if let Work::Command(command) = &stage.work {
            let own = command[command.iter().position(|word| word == "--out").unwrap() + 1].clone();
            for word in command.iter().filter(|word| word.starts_with("OUT") && **word != own) {
                let known = made.iter().any(|m| m == Path::new(word) || m.parent() == Some(Path::new(word)));
                assert!(known, "{}: {word} is not there yet", stage.name);
            }
        }
        made.push(stage.makes);
    }
    assert!(made.contains(&out.join("model")) && made.contains(&out.join("classic-model")));
}

/// A recipe so small that its critic learns nothing: it stops where the critic cannot finish its critiques.
const TINY: &str = "
shape = { hidden = 16, layers = 1, heads = 2, mlp = 16, tied = false }
varied = [{ rows = 4, drills = 0.0, noise = 0.5, invented = 0.5, verbs = 0.5 }]
rows = { drills = 4, csft = 6, csft-drills = 0.5, pairs = 2, classic = 6 }
critique = { temperature = 0.7, max-tokens = 4 }
[train.csft]
epochs = 1
# Without warm-up: a head that never moved is refused as untrained.
[train.classic]
schedule = { kind = \"constant\", warmup = 0, floor = 1.0 }
";

fn demo_model(dir: &Path, plan: &str, more: &[&str]) -> (Option<i32>, String) {
    let config = dir.join("tiny.toml");
    std::fs::write(&config, plan).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_outloud"))
        .arg("demo-model")
        .args(["--out".as_ref(), dir.join("out").as_os_str(), "--config".as_ref(), config.as_os_str()])
        .args(more)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty() || !more.contains(&"--dry-run"));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_runs_resumes_and_refuses_another_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let (status, said) = demo_model(dir.path(), TINY, &["--dry-run"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("outloud train --recipe csft") && !dir.path().join("out").exists(), "{said}");

    let (status, said) = demo_model(dir.path(), TINY, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("The critic has not learned to end its critiques"), "{said}");
    let out = dir.path().join("out");
    Checkpoint::open(&out.join("runs/csft/result")).unwrap();
    assert!(!out.join("data/on-policy.jsonl").exists());

    let trained = std::fs::read(out.join("runs/csft/result/model.safetensors")).unwrap();
    let (status, again) = demo_model(dir.path(), TINY, &[]);
    assert_eq!(status, Some(1), "{again}");
    assert!(again.contains("csft: done") && !again.contains("--recipe csft"), "{again}");
    assert_eq!(std::fs::read(out.join("runs/csft/result/model.safetensors")).unwrap(), trained);

    // With critiques that end, the rest follows.
    let path = out.join("data/critiques.jsonl");
    let critiques: String = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            for answer in ["chosen", "rejected"] {
                assert_eq!(row[answer]["stopped"], "max_tokens", "{line}");
                row[answer]["stopped"] = "eot".into();
            }
            row.to_string() + "\n"
        })
        .collect();
    std::fs::write(&path, critiques).unwrap();
    let (status, said) = demo_model(dir.path(), TINY, &[]);
    assert_eq!(status, Some(0), "{said}");
    for made in ["model", "classic-model", "runs/off-policy/result", "runs/no-critique/result"] {
        Checkpoint::open(&out.join(made)).unwrap();
    }
    let (status, said) = demo_model(dir.path(), TINY, &[]);
    assert!(status == Some(0) && !said.contains("to do"), "{said}");

    let (status, said) = demo_model(dir.path(), &TINY.replace("drills = 4", "drills = 5"), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("other settings"), "{said}");
}
