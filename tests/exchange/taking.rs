//! `outloud label --from` as scripts call it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

fn label(dir: &Path, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .arg("label")
        .args(arguments)
        .current_dir(dir)
        .env("XDG_DATA_HOME", dir.join("data"))
        .env_remove("OUTLOUD_ANNOTATOR")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn labels_of_the_data_are_taken_into_its_session() {
    let dir = TempDir::new().unwrap();
    let rows: Vec<String> = (0..3)
        .map(|n| {
            json!({"id": format!("r{n}"), "prompt": format!("Q{n}?"), "chosen": "yes", "rejected": "no"})
                .to_string()
        })
        .collect();
    fs::write(dir.path().join("pairs.jsonl"), rows.join("\n")).unwrap();
    fs::write(dir.path().join("votes.csv"), "nr,vote\nr0,1\nr2,2\nr9,1\n").unwrap();
    let from = [
        "pairs.jsonl",
        "--from",
        "votes.csv",
        "--columns",
        "id=nr,choice=vote",
        "--meaning",
        "1=chosen,2=rejected-much",
    ];
    let (code, _, error) = label(dir.path(), &from);
    assert!(code == 2 && error.contains("--annotator NAME"), "{error}");
    let with = [&from[..], &["--annotator", "guest"]].concat();
    let (code, lines, error) = label(dir.path(), &with);
    assert!(code == 1 && error.contains("votes.csv:4: id r9: no example"), "{error}");
    let told = &lines[0];
    assert_eq!(
        (&told["labels"]["guest"], &told["examples"], &told["bad"]),
        (&2.into(), &2.into(), &1.into())
    );
    let (_, again, _) = label(dir.path(), &with);
    assert_eq!((&again[0]["events"], &again[0]["already_there"]), (&0.into(), &2.into()));
    // The same session as that of the screen and of the other ways to label.
    let (code, status, _) = label(dir.path(), &["pairs.jsonl", "--status", "--annotator", "guest"]);
    assert_eq!(
        (code, &status[0]["status"]["submitted"], &status[0]["status"]["pending"]),
        (0, &2.into(), &1.into())
    );
}
