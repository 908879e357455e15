//! `outloud session`: what scripts get.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{entries, written};

/// Exit status, standard output, standard error.
fn outloud(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .arg("session")
        .args(arguments)
        .env("XDG_DATA_HOME", data)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn sessions_are_listed_described_checked_merged_and_backed_up() {
    let dir = TempDir::new().unwrap();
    let (data, place) = (dir.path(), dir.path().join("outloud/sessions"));
    assert_eq!(outloud(data, &["list"]).0, 0);
    assert!(outloud(data, &["list"]).2.contains("no sessions in"));
    let events = written(&place.join("one"), 2);
    written(&place.join("two"), 1);

    let (code, out, _) = outloud(data, &["list", "--json"]);
    let names: Vec<Value> =
        out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["name"].clone()).collect();
    assert_eq!((code, names), (0, vec!["one".into(), "two".into()]));
    let (code, out, _) = outloud(data, &["list"]);
    assert!(code == 0 && out.contains("2 examples, 2 takes, 2 labels, 26 events by Ana B."), "{out}");

    let (code, out, _) = outloud(data, &["info", "one", "--json"]);
    let info: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &info["counts"]["kinds"]["judged"]), (0, &2.into()));
    assert_eq!(info["counts"]["annotators"]["Ana B."]["submitted"], 2);
    let (code, out, _) = outloud(data, &["info", "one"]);
    assert!(code == 0 && out.contains("data: /data/a file.jsonl"), "{out}");

    let copy = dir.path().join("copy");
    let copy_name = copy.to_str().unwrap();
    let (code, out, _) = outloud(data, &["backup", "one", "--out", copy_name]);
    assert_eq!((code, out.contains("26 events and 4 contents copied")), (0, true), "{out}");
    assert_eq!(entries(&copy), events);
    assert_eq!(outloud(data, &["backup", "one", "--out", copy_name]).0, 2);

    let (code, out, _) = outloud(data, &["merge", copy_name, "one", "two"]);
    assert_eq!((code, out.contains("13 events and 0 contents added")), (0, true), "{out}");
    assert_eq!(outloud(data, &["merge", "three", copy_name, "one"]).0, 0);
    assert_eq!(entries(&place.join("three")), entries(&copy));

    assert_eq!(outloud(data, &["check", "one"]).0, 0);
    let file = fs::read_dir(place.join("one/journals")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 50;
    bytes[second] ^= 1;
    bytes.truncate(bytes.len() - 10);
    fs::write(&file, bytes).unwrap();
    let (code, out, _) = outloud(data, &["check", "one"]);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_eq!(code, 1);
    assert!(out.contains(&format!("journals/{name}:2: ")), "{out}");
    assert!(out.contains(&format!("journals/{name}:26: a last line that ends after")), "{out}");
    assert!(out.contains("1 unfinished last lines"), "{out}");
    let (code, out, _) = outloud(data, &["check", "one", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert!(code == 1 && problems.iter().any(|problem| problem["line"] == 2), "{out}");
}

#[test]
fn what_is_no_session_is_named() {
    let dir = TempDir::new().unwrap();
    let (code, _, error) = outloud(dir.path(), &["info", "nowhere"]);
    assert_eq!(code, 1);
    assert!(error.contains("outloud/sessions/nowhere") && error.contains("session list"), "{error}");
    assert_eq!(outloud(dir.path(), &["merge", "alone"]).0, 2);
}
