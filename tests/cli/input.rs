//! Bad rows, bad files, wrong usage: each with its message and exit status, nothing else lost.

use std::process::Stdio;

use serde_json::json;

use crate::common::*;

const MODEL: &str = "cloud-llama-tiny";

#[test]
fn bad_rows_fail_alone() {
    let text = b"{\"id\": \"a\", \"prompt\": \"Say hello in German.\", \"answer\": \"Hallo\"}\n\
        not json\n\
        {\"id\": \"c\", \"prompt\": \"\", \"answer\": \"x\"}\n\
        {\"id\": \"d\", \"prompt\": \"p\", \"answer\": \"\\ud800\"}\n\
        {\"id\": \"e\", \"prompt\": \"p\", \"answer\": \"\xff\"}\n\
        {\"prompt\": \"p\", \"answer\": \"x\", \"score\": NaN}\n";
    let run = over_text(MODEL, &["critique", "--max-tokens", "4", "--batch", "2", "-"], text);
    let rows = run.rows();
    assert_eq!(run.status, 1);
    assert_eq!(
        rows.iter().map(|r| r["id"].clone()).collect::<Vec<_>>(),
        [json!("a"), json!(2), json!("c"), json!("d"), json!("e"), json!(6)]
    );
    let errors: Vec<&str> = rows.iter().map(|r| r["error"].as_str().unwrap_or("")).collect();
    let wanted = [
        "",
        "<standard input>:2: found no JSON",
        ":3: field `prompt`",
        ":4: field `answer`: found a lone surrogate",
        ":5: field `answer`: found bytes that are not UTF-8",
        "",
    ];
    for (error, wanted) in errors.iter().zip(wanted) {
        assert!(error.contains(wanted) && error.is_empty() == wanted.is_empty(), "{error}: {wanted}");
    }
    assert!(run.stderr.contains("4 of 6 rows failed"), "{}", run.stderr);
    assert!(rows[1].as_object().unwrap().len() == 2);
}

#[test]
fn rows_that_the_engine_refuses_fail_alone() {
    let long = "word ".repeat(20_000);
    let rows = [
        json!({"id": 1, "prompt": "p", "answer": long, "critique": "c"}),
        json!({"id": 2, "prompt": "p", "answer": "a", "critique_token_ids": [999_999]}),
        json!({"id": 3, "prompt": "p", "answer": "a"}),
        json!({"id": 4, "prompt": "p", "answer": "a", "critique": "Good.", "critique_token_ids": [1, 2, 3]}),
        json!({"id": 5, "prompt": "p", "answer": "a", "critique": "Good."}),
    ];
    let run = over(MODEL, &["score"], &rows);
    assert_eq!(run.status, 1);
    let rows = run.rows();
    let wanted = ["context", "critique_token_ids", "no critique", "disagree"];
    for (row, wanted) in rows.iter().zip(wanted) {
        assert!(row["error"].as_str().unwrap().contains(wanted), "{row}: {wanted}");
    }
    assert!(rows[4]["reward"].is_number());
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.jsonl");
    std::fs::write(&good, "\u{feff}{\"prompt\": \"p\", \"answer\": \"a\", \"critique\": \"c\"}\r\n").unwrap();
    let lfs = folder.path().join("lfs.jsonl");
    std::fs::write(&lfs, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").unwrap();
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let run: Run = binary()
        .args(["score", "--model"])
        .arg(fixture(MODEL))
        .args([&folder.path().join("missing.jsonl"), folder.path(), &lfs, &empty, &good])
        .output()
        .unwrap()
        .into();
    assert_eq!(run.status, 1);
    assert_eq!(run.rows().len(), 1);
    for wanted in ["missing.jsonl", "found a folder", "git lfs pull", "empty.jsonl: found no rows"] {
        assert!(run.stderr.contains(wanted), "{wanted}: {}", run.stderr);
    }
}

#[test]
fn wrong_usage_is_status_two() {
    let model = fixture(MODEL);
    let model = model.to_str().unwrap();
    let by_hand = ["--prompt", "p", "--answer", "a"];
    let cases: Vec<Vec<&str>> = vec![
        vec!["critique", "--no-such-option"],
        vec!["critique", "--prompt", "p"],
        vec!["critique", "--temperature", "-1"],
        vec!["critique", "--temperature", "NaN"],
        vec!["critique", "--top-p", "1.5"],
        vec!["critique", "-n", "0"],
        vec!["critique", "--batch", "0"],
        vec!["critique", "--max-tokens", "0"],
        vec!["critique", "--reading", "sideways"],
        vec!["critique", "--device", "gpu"],
        vec!["critique", "--resume"],
        vec!["score", "--critique-prompt", " "],
        vec!["critiqe"],
        vec!["completions", "csh"],
    ];
    for mut args in cases {
        if ["critique", "score"].contains(&args[0]) {
            args.extend(["--model", model]);
            if !args.contains(&"--prompt") {
                args.extend(by_hand);
            }
        }
        let run = outloud(&args);
        assert_eq!(run.status, 2, "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{args:?}");
    }
    if cfg!(not(feature = "cuda")) {
        let run =
            outloud(["score", "--model", model, "--device", "cuda:1", "--prompt", "p", "--answer", "a"]);
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("--features cuda"), "{}", run.stderr);
    }
    assert!(outloud(["critiqe"]).stderr.contains("did you mean `outloud critique`"));
}

#[test]
fn a_model_that_is_not_there_is_status_one() {
    let run = outloud(["score", "--model", "no/such/model", "--prompt", "p", "--answer", "a"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("no/such/model"), "{}", run.stderr);
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("FILE");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let data = folder.path().join("data.jsonl");
    let row = json!({"prompt": "p", "chosen": "a", "rejected": "b", "chosen_feedback": "x", "rejected_feedback": "y"});
    std::fs::write(&data, row.to_string()).unwrap();
    let data = data.to_str().unwrap();
    for (args, says, says_not) in [
        (vec!["doctor", "/nope"], "MODEL `/nope`: found nothing there", "--model /nope"),
        (
            vec!["demo-report", "--out", file],
            "FILE: found a file, expected a folder. Give another path",
            "os error",
        ),
        (
            vec!["demo-model", "--out", file],
            "FILE: found a file, expected a folder. Give another path",
            "os error",
        ),
        (
            vec!["train", "--recipe", "classic", "--model", "demo", "--data", data, "--out", file],
            "FILE: found a file, expected a folder. Give another path",
            "os error",
        ),
        (
            vec!["score", "--critique-prompt", "@", "--prompt", "p", "--answer", "a"],
            "--critique-prompt @ names no file",
            "os error",
        ),
    ] {
        let run = outloud(&args);
        assert_ne!(run.status, 0, "{args:?}");
        assert!(run.stderr.contains(says) && !run.stderr.contains(says_not), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_row_by_hand_from_any_folder_with_the_demo_model() {
    let run: Run = binary()
        .current_dir(std::env::temp_dir())
        .args(["critique", "--prompt", "Say hello in German.", "--answer", "-Hallo", "--max-tokens", "3"])
        .output()
        .unwrap()
        .into();
    let row = run.good().remove(0);
    assert_eq!((&row["id"], &row["stopped"]), (&json!(1), &json!("max_tokens")));
    assert_eq!(row["made_with"]["model"], "demo");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let rows: String = (0..200)
        .map(|i| format!("{{\"id\": {i}, \"prompt\": \"p\", \"answer\": \"a\", \"critique\": \"c\"}}\n"))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, rows).unwrap();
    let mut child = binary()
        .arg("score")
        .arg("--model")
        .arg(fixture(MODEL))
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
}

#[test]
fn a_critique_by_hand_and_fields_passed_through() {
    let model = fixture(MODEL);
    let by_hand = ["--prompt", "p", "--answer", "", "--critique", "- Good.", "--device", "cpu"];
    let row = outloud(["score", "--model", model.to_str().unwrap()].iter().chain(&by_hand)).good().remove(0);
    assert_eq!(row["critique"], "- Good.");
    let with =
        json!({"id": 1, "prompt": "p", "answer": "", "critique": "- Good.", "b": {"x": [1.5]}, "a": null});
    let kept = over(MODEL, &["score", "--keep"], std::slice::from_ref(&with)).good().remove(0);
    assert_eq!(kept["input"].to_string(), json!({"b": {"x": [1.5]}, "a": null}).to_string());
    close(&kept["reward"], &row["reward"], "by hand");
    let plain = over(MODEL, &["score"], &[with]).good().remove(0);
    assert!(plain.get("input").is_none());
}

#[test]
fn numbers_read_back_as_the_same_f32() {
    let rows = [json!({"prompt": "p", "answer": "a", "critique": "Good work."})];
    let run = over(MODEL, &["score", "--stop-here"], &rows);
    let row = run.good().remove(0);
    let numbers = [&row["trace"], &row["stop_here"]].map(|list| list.as_array().unwrap().clone()).concat();
    for number in numbers.iter().chain([&row["reward"]]) {
        let written = number.to_string();
        let number: f32 = written.parse().unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), written, "the shortest form");
    }
}
