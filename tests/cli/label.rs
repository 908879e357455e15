//! `outloud label` without a screen: choices in, events into the session, answers and status out.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const ROWS: &str = "\
{\"id\":\"a\",\"prompt\":\"1 + 1?\",\"chosen\":\"2\",\"rejected\":\"3\"}
{\"id\":\"b\",\"prompt\":\"2 + 2?\",\"chosen\":\"4\",\"rejected\":\"5\"}
{\"id\":\"c\",\"prompt\":\"3 + 3?\",\"chosen\":\"6\",\"rejected\":\"7\"}
";

/// Answers, status, exit status.
fn label(home: &Path, by: &str, lines: &[Value]) -> (Vec<Value>, Value, i32) {
    label_on(ROWS, home, by, lines)
}

fn label_on(text: &str, home: &Path, by: &str, lines: &[Value]) -> (Vec<Value>, Value, i32) {
    let rows = home.join("rows.jsonl");
    std::fs::write(&rows, text).unwrap();
    let session = home.join("session");
    let mut child = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .args(["label", "--annotator", by, "--session"])
        .arg(&session)
        .arg(&rows)
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let status = answers.pop().unwrap()["status"].clone();
    (answers, status, output.status.code().unwrap())
}

#[test]
fn choices_become_events_and_the_status_tells_of_them() {
    let home = TempDir::new().unwrap();
    let lines = [
        json!({"id": "a", "choice": "chosen-much", "reasons": ["wrong fact"], "seconds": 12.5}),
        json!({"row": 1, "choice": -1, "note": "hm", "flag": true}),
        json!({"id": "c", "state": "skipped"}),
        json!({"id": "a", "correction": {"answer": 1, "text": "It is 2, not 3."}}),
    ];
    let (answers, status, exit) = label(home.path(), "ana", &lines);
    assert_eq!(exit, 0, "{answers:?}");
    let said: Vec<(&str, &str)> =
        answers.iter().map(|a| (a["id"].as_str().unwrap(), a["state"].as_str().unwrap())).collect();
    assert_eq!(said, [("a", "submitted"), ("b", "submitted"), ("c", "skipped"), ("a", "submitted")]);
    assert_eq!((&answers[1]["choice"], &answers[2]["choice"]), (&json!("rejected"), &Value::Null));
    for (key, value) in [("pairs", 3), ("submitted", 2), ("skipped", 1), ("pending", 0), ("conflicts", 0)] {
        assert_eq!(status[key], value, "{key}: {status}");
    }
    // A second annotator, by the content's name; they are apart over one of two.
    let example = answers[0]["example"].clone();
    let lines = [json!({"example": example, "choice": 2}), json!({"id": "b", "choice": "chosen"})];
    let (_, status, exit) = label(home.path(), "ben", &lines);
    assert_eq!((exit, &status["conflicts"], &status["pending"]), (0, &json!(1), &json!(1)));
    assert_eq!(status["agreement"]["raw"]["value"], 0.5);
    assert_eq!(status["annotators"], json!(["ana", "ben"]));
    // Settled, then undone.
    let (_, status, _) =
        label(home.path(), "ben", &[json!({"id": "b", "choice": "tie", "adjudicates": true})]);
    assert_eq!(status["conflicts"], 0);
    let (answers, status, _) = label(home.path(), "ben", &[json!({"undo": true})]);
    assert!(answers[0]["undone"].is_string());
    assert_eq!(status["conflicts"], 1);
    let folder = outloud::session::Folder::existing(&home.path().join("session")).unwrap();
    assert_eq!(outloud::session::check(&folder, true).unwrap().problems, []);
}

#[test]
fn a_wrong_line_is_named_and_the_others_count() {
    let home = TempDir::new().unwrap();
    let lines = [
        json!({"id": "nobody", "choice": "tie"}),
        json!({"id": "a", "choice": "left"}),
        json!({"id": "a", "chioce": "tie"}),
        json!({"choice": "tie"}),
        json!({"id": "b", "correction": {"answer": 2, "text": "x"}}),
        json!({"undo": true}),
        json!({"id": "b", "choice": "tie"}),
    ];
    let (answers, status, exit) = label(home.path(), "ana", &lines);
    assert_eq!((exit, &status["submitted"]), (1, &json!(1)));
    let says = ["nobody: no such pair", "chosen-much", "chioce", "no id", "answer 2 of 2", "nothing to undo"];
    for ((answer, says), line) in answers.iter().zip(says).zip(1..) {
        assert_eq!(answer["line"], line);
        assert!(answer["error"].as_str().unwrap().contains(says), "{answer}: {says}");
    }
    assert_eq!(answers[6]["choice"], "tie");
    let (answers, status, exit) = label(home.path(), "ana", &[]);
    assert_eq!((answers.len(), exit, &status["submitted"]), (0, 0, &json!(1)), "only the status");
}

/// An id that two pairs have names neither.
#[test]
fn an_id_of_two_pairs_needs_a_row() {
    let home = TempDir::new().unwrap();
    let rows = home.path().join("twice.jsonl");
    let row = |prompt: &str| json!({"id": "a", "prompt": prompt, "chosen": "2", "rejected": "3"}).to_string();
    // The third is the first once more: the same pair.
    std::fs::write(&rows, [row("1 + 1?"), row("3 - 1?"), row("1 + 1?")].join("\n")).unwrap();
    let choices = home.path().join("choices.jsonl");
    let lines = [
        json!({"id": "a", "choice": "chosen"}),
        json!({"id": "a", "row": 1, "choice": "rejected"}),
        json!({"row": 2, "choice": "tie"}),
    ];
    std::fs::write(&choices, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_outloud"))
        .args(["label", "--annotator", "ana", "--session"])
        .arg(home.path().join("session"))
        .arg(&rows)
        .arg("--choices")
        .arg(&choices)
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = answers[0]["error"].as_str().unwrap();
    assert!(error.contains("a: 2 pairs have this id") && error.contains("row or example"), "{error}");
    assert_eq!((&answers[1]["choice"], &answers[2]["choice"]), (&json!("rejected"), &json!("tie")));
    assert_ne!(answers[1]["example"], answers[2]["example"]);
    assert_eq!((&answers[3]["status"]["pairs"], &answers[3]["status"]["submitted"]), (&json!(2), &json!(2)));
}

#[test]
fn answers_of_a_row_are_labelled_two_by_two_and_exported_as_preferences() {
    let home = TempDir::new().unwrap();
    let rows =
        json!({"id": "four", "prompt": "Name a prime.", "completions": ["2", "4", "9", "1"]}).to_string();
    let lines = [
        json!({"id": "four#1-2", "choice": "chosen-much"}),
        json!({"id": "four#2-3", "choice": "rejected", "revealed": true}),
        json!({"id": "four#3-4", "choice": "tie"}),
        json!({"id": "four#1", "choice": "chosen"}),
    ];
    let (answers, status, exit) = label_on(&rows, home.path(), "ana", &lines);
    assert_eq!((exit, &status["pairs"], &status["submitted"]), (1, &json!(6), &json!(3)));
    assert!(answers[3]["error"].as_str().unwrap().contains("no such pair"), "{answers:?}");
    let (_, status, _) =
        label_on(&rows, home.path(), "ben", &[json!({"id": "four#1-2", "choice": "chosen"})]);
    assert_eq!((&status["agreement"]["between"][0]["pairs"], &status["conflicts"]), (&json!(1), &json!(0)));
    for to in ["trl", "cloud"] {
        let out = Command::new(env!("CARGO_BIN_EXE_outloud"))
            .args(["export", "--out", "-", "--rule", "annotator=ana", "--to", to, "--session"])
            .arg(home.path().join("session"))
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let mut all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        all.sort_by_key(|row| row["id"].to_string());
        let told: Vec<_> = all
            .iter()
            .map(|r| ["id", "chosen", "rejected", "strength"].map(|name| r[name].as_str().unwrap()))
            .collect();
        assert_eq!(told, [["four#1-2", "2", "4", "much"], ["four#2-3", "9", "4", "slightly"]], "{text}");
        assert_eq!((&all[0]["revealed"], &all[1]["revealed"]), (&json!(false), &json!(true)), "{to}");
    }
}
