//! `outloud export` as scripts call it, and our own trainer on its rows.

use std::fs;
use std::path::Path;
use std::process::Command;

use outloud::exchange::To;
use tempfile::TempDir;

use crate::sample::{sample, written};

fn outloud(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .args(arguments)
        .current_dir(dir)
        .env("XDG_DATA_HOME", dir.join("data"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_writes_a_file_and_its_card() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("work"), false);
    let export = ["export", "--session", "./work", "--to", "cloud", "--out"];
    let with = |more: &[&'static str]| [&export[..], more].concat();
    let (code, out, error) = outloud(dir.path(), &with(&["rows.jsonl"]));
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    assert!(error.contains("4 rows; left out: 1 a review and no label, 1 a tie"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("rows.jsonl")).unwrap(), written(&folder, To::Cloud));
    let card = fs::read_to_string(dir.path().join("rows.jsonl.card.md")).unwrap();
    assert!(card.contains("| rows written | 4 |") && card.contains("data: pairs.jsonl"), "{card}");
    // What is there is not replaced by mistake.
    assert_eq!(outloud(dir.path(), &with(&["rows.jsonl"])).0, 2);
    assert_eq!(outloud(dir.path(), &with(&["rows.jsonl", "--overwrite"])).0, 0);
    let (code, out, _) = outloud(dir.path(), &with(&["-"]));
    assert_eq!((code, out), (0, written(&folder, To::Cloud)));
    assert_eq!(outloud(dir.path(), &with(&["part.jsonl", "--split", "0.5"])).0, 2);
    assert_eq!(outloud(dir.path(), &with(&["part.jsonl", "--split", "2", "--part", "test"])).0, 2);
    let (code, _, error) = outloud(dir.path(), &with(&["none.jsonl", "--rule", "annotator=nobody"]));
    assert_eq!((code, error.contains("0 rows")), (1, true), "{error}");
    let argilla =
        ["export", "--session", "./work", "--to", "argilla", "--out", "a.parquet", "--format", "parquet"];
    assert_eq!(outloud(dir.path(), &argilla).0, 2);
}

#[test]
fn our_own_trainer_reads_the_rows() {
    let dir = TempDir::new().unwrap();
    for with_chat in [false, true] {
        let folder = sample(&dir.path().join(with_chat.to_string()), with_chat);
        let file = dir.path().join("rows.jsonl");
        fs::write(&file, written(&folder, To::Cloud)).unwrap();
        let data = outloud::train::data::Data::read(
            &[file],
            outloud::train::config::Loss::Cloud,
            &Default::default(),
        )
        .unwrap();
        assert_eq!((data.pairs.len(), data.ties), (4, 0));
        assert_eq!(data.pairs[0].chosen.feedback, "Right: 2 + 2 is 4.");
    }
}

/// What a killed export left aside is removed by the next one; those of a living process stay.
#[test]
fn a_killed_export_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    sample(&dir.path().join("work"), false);
    let points = dir.path().join("points");
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let export = ["export", "--session", "./work", "--to", "cloud", "--out", "out/rows.jsonl"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .args(export)
        .current_dir(dir.path())
        .env("OUTLOUD_TEST_POINTS", &points)
        .env("OUTLOUD_TEST_STOP", "place:synced:1")
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while !fs::read_to_string(&points).is_ok_and(|text| text.contains("place:synced")) {
        assert!(begun.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let names = || {
        let mut names: Vec<String> =
            fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let aside = names();
    assert!(aside.len() == 1 && aside[0].starts_with(".writing-rows.jsonl."), "{aside:?}");
    let other = ["export", "--session", "./work", "--to", "trl", "--out", "out/trl.jsonl"];
    assert_eq!(outloud(dir.path(), &other).0, 0);
    assert!(names().contains(&aside[0]), "its process lives");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(), [&aside[0], "trl.jsonl", "trl.jsonl.card.md"]);
    assert_eq!(outloud(dir.path(), &export).0, 0);
    assert_eq!(names(), ["rows.jsonl", "rows.jsonl.card.md", "trl.jsonl", "trl.jsonl.card.md"]);
}
