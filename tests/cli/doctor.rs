//! The doctor on good and damaged checkpoints; help, manual and completions.

use std::path::Path;

use serde_json::Value;

use crate::common::*;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::write(&target, std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn doctor(model: &Path) -> (Run, Value) {
    let run: Run = binary().args(["doctor", "--json"]).arg(model).output().unwrap().into();
    let value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", run.stdout, run.stderr));
    (run, value)
}

#[test]
fn every_fixture_is_well() {
    for model in CLOUD.into_iter().chain([CLASSIC]) {
        let cloud = model != CLASSIC;
        let (run, report) = doctor(&fixture(model));
        assert_eq!(run.status, 0, "{model}: {}", run.stdout);
        assert_eq!(report["problems"], serde_json::json!([]));
        assert!(report["tensors"]["count"].as_u64().unwrap() > 20);
        assert!(report["spec"]["reasons"].as_array().unwrap().iter().all(|r| r["why"] != ""));
        let tokens = report["tokens"].as_array().unwrap();
        let read_at = report["read_at"].as_u64().unwrap() as usize;
        assert_eq!(read_at, tokens.len() - 1);
        assert_eq!(tokens[read_at]["text"], report["spec"]["prompt"]["end_of_turn"]["text"]);
        let part = |name: &str| -> String {
            tokens.iter().filter(|t| t["part"] == name).map(|t| t["text"].as_str().unwrap()).collect()
        };
        assert_eq!(part("prompt"), report["example"]["prompt"].as_str().unwrap());
        assert_eq!(part("answer"), report["example"]["answer"].as_str().unwrap());
        assert_eq!(
            part("critique").trim(),
            if cloud { report["example"]["critique"].as_str().unwrap() } else { "" }
        );
        let rewards = &report["rewards"];
        assert_eq!(rewards["gap"].is_number(), cloud);
        assert!(rewards["spread"].as_f64().unwrap() > 0.0);
        let names: Vec<&str> =
            rewards["variants"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["bos_absent", "bos_doubled", "end_is_eos", "end_absent"]);

        // The doctor's numbers are those of `score`.
        let example = &report["example"];
        for (reading, key) in [("in-place", "in_place"), ("re-encoded", "re_encoded")] {
            if rewards[key].is_number() {
                let row =
                    over(model, &["score", "--reading", reading, "--tokens"], std::slice::from_ref(example))
                        .good()
                        .remove(0);
                close(&row["reward"], &rewards[key], &format!("{model} {reading}"));
                assert_eq!(row["made_with"]["fingerprint"], report["fingerprint"]);
            }
        }
        let text = outloud(["doctor", fixture(model).to_str().unwrap()]);
        assert_eq!(text.status, 0);
        for wanted in ["read at", "spread", "bos_doubled", "no problems found", "missing"] {
            assert!(text.stdout.contains(wanted), "{wanted}");
        }
    }
}

#[test]
fn damaged_checkpoints_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let damage = |name: &str, how: &dyn Fn(&Path)| {
        let dir = folder.path().join(name);
        copy(&fixture("cloud-llama-tiny"), &dir);
        how(&dir);
        let (run, report) = doctor(&dir);
        assert_eq!(run.status, 1, "{name}");
        let text = report.get("error").map_or_else(|| report["problems"].to_string(), Value::to_string);
        assert!(report.get("error").is_none() || run.stderr.contains("outloud: "), "{name}");
        text
    };
    let replace = |dir: &Path, from: &str, to: &str| {
        let path = dir.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, bytes).unwrap();
    };
    let missing_head =
        damage("head", &|dir| replace(dir, "reward_head.dense.weight", "reward_hxad.dense.weight"));
    assert!(
        missing_head.contains("reward_head.dense.weight") && missing_head.contains("reward_hxad"),
        "{missing_head}"
    );
    let nan = damage("nan", &|dir| {
        let path = dir.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    });
    assert!(nan.to_lowercase().contains("nan"), "{nan}");
    let short = damage("short", &|dir| {
        let path = dir.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(short.contains("model.safetensors"), "{short}");
    let no_config = damage("config", &|dir| std::fs::remove_file(dir.join("config.json")).unwrap());
    assert!(no_config.contains("config.json"), "{no_config}");
    let no_tokenizer = damage("tokenizer", &|dir| std::fs::write(dir.join("tokenizer.json"), "{}").unwrap());
    assert!(no_tokenizer.contains("tokenizer.json"), "{no_tokenizer}");
    let (run, report) = doctor(Path::new("no/such/model"));
    assert_eq!(run.status, 1);
    assert!(report["error"].as_str().unwrap().contains("no/such/model"));
}

#[test]
fn the_machine() {
    let run = outloud(["doctor", "--json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.status, 0);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["devices"][0]["name"], "cpu");
    assert_eq!(report["devices"][0]["available"], true);
    assert!(report["cpu"]["threads"].as_u64().unwrap() >= 1);
    assert_eq!(report["terminal"]["is_terminal"], false);
    assert!(report["terminal"]["colours_why"].is_string());
    assert!(report["paths"]["config"]["path"].as_str().unwrap().ends_with("outloud"));
    let text = outloud(["doctor"]);
    assert!(text.stdout.contains("devices") && text.stdout.contains("folders"));
}

#[test]
fn help_version_manual_and_completions() {
    let run = outloud(["--version"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, concat!("outloud ", env!("CARGO_PKG_VERSION"), "\n")));
    let help = outloud(["--help"]);
    assert_eq!(help.status, 0);
    for command in ["critique", "score", "doctor", "completions", "man"] {
        assert!(help.stdout.contains(command), "{command}");
        let run = outloud([command, "--help"]);
        assert_eq!(run.status, 0);
        assert!(run.stdout.contains("Usage: outloud "), "{command}");
    }
    let critique = outloud(["critique", "--help"]).stdout;
    for option in [
        "--reading",
        "--critique-prompt",
        "--raw-special",
        "--tokens",
        "--stop-here",
        "--device",
        "--out",
        "--resume",
        "--batch",
        "--keep",
        "--model",
        "--max-tokens",
        "--temperature",
        "--top-p",
        "--top-k",
        "--min-p",
        "--seed",
        "-n",
    ] {
        assert!(critique.contains(option), "{option}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = outloud(["completions", shell]);
        assert!(run.status == 0 && run.stdout.contains("critique"), "{shell}");
    }
    let man = outloud(["man"]);
    assert!(
        man.status == 0 && man.stdout.contains(".TH outloud 1") && man.stdout.contains("outloud critique")
    );
}
