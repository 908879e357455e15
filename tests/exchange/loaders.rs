//! The loaders of `datasets` and TRL read what is written: a Python script, where `OUTLOUD_PYTHON` has both.

use std::fs;
use std::path::Path;
use std::process::Command;

use outloud::exchange::{Format, Options, To};
use serde_json::Value;
use tempfile::TempDir;

use crate::sample::{exported, sample};

#[test]
fn datasets_and_trl_read_the_files() {
    let Ok(python) = std::env::var("OUTLOUD_PYTHON") else {
        eprintln!("SKIPPED: set OUTLOUD_PYTHON to a Python with datasets and trl");
        return;
    };
    if !Command::new(&python)
        .args(["-c", "import datasets, trl"])
        .output()
        .is_ok_and(|out| out.status.success())
    {
        eprintln!("SKIPPED: `{python}` has no datasets and trl");
        return;
    }
    let dir = TempDir::new().unwrap();
    let files = dir.path().join("files");
    fs::create_dir(&files).unwrap();
    for (with_chat, tos) in [(false, &[To::Cloud, To::Trl, To::RewardBench][..]), (true, &[To::Trl])] {
        let folder = sample(&dir.path().join(with_chat.to_string()), with_chat);
        for to in tos {
            for (format, extension) in [(Format::JsonLines, "jsonl"), (Format::Parquet, "parquet")] {
                let bytes = exported(&folder, &Options { format, ..Options::new(*to) }).bytes;
                let chat = if with_chat { "-chat" } else { "" };
                fs::write(files.join(format!("{}{chat}.{extension}", to.name())), bytes).unwrap();
            }
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_exports.py");
    let out = Command::new(&python).arg(script).arg(&files).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    eprintln!("datasets {}, trl {}", told["datasets"], told["trl"]);
    assert!(told["rows"].as_object().unwrap().values().all(|rows| rows == 4), "{told}");
    assert_eq!(
        (&told["conversational"]["trl"], &told["conversational"]["trl-chat"]),
        (&false.into(), &true.into())
    );
    for name in ["trl", "trl-chat"] {
        assert_eq!(told["losses"][name].as_array().unwrap().len(), 2, "{told}");
    }
}

#[test]
fn argilla_and_label_studio_read_the_files() {
    let Ok(python) = std::env::var("OUTLOUD_PYTHON") else {
        eprintln!("SKIPPED: set OUTLOUD_PYTHON to a Python with argilla and label_studio_sdk");
        return;
    };
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    for (to, file) in [(To::Argilla, "argilla.jsonl"), (To::LabelStudio, "label-studio.json")] {
        let done = exported(&folder, &Options::new(to));
        fs::write(dir.path().join(file), done.bytes).unwrap();
        fs::write(dir.path().join(format!("{file}.card.md")), done.card).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_annotations.py");
    let out = Command::new(&python).arg(script).arg(dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    eprintln!("{told}");
    let rows = fs::read_to_string(dir.path().join("argilla.jsonl")).unwrap().lines().count();
    match told.get("argilla") {
        Some(argilla) => assert_eq!(argilla["records"], rows),
        None => eprintln!("SKIPPED: `{python}` has no argilla"),
    }
    match told.get("label_studio") {
        Some(label_studio) => assert_eq!(label_studio["tasks"], rows),
        None => eprintln!("SKIPPED: `{python}` has no label_studio_sdk"),
    }
}
