//! `outloud data`: one object a file, the exit status of the contract, bad rows written as they stand; and other commands
//! read the same files.

use serde_json::{Value, json};

use crate::common::*;

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn one_object_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n";
    let a = write(
        &folder,
        "a.jsonl",
        &format!("{good}{{\"prompt\": \"p\", \"chosen\": null, \"rejected\": \"r\"}}\nno json\n"),
    );
    let b = write(&folder, "b.csv", "question,response_a,response_b,winner\nq,x,y,a\nq,x,y,tie\n");
    let run = outloud(["data".as_ref(), a.as_os_str(), b.as_os_str(), "--json".as_ref()]);
    let rows = run.good();
    let reason = rows[0]["bad"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("null"), "{reason}");
    let first = json!({"file": a, "shape": "trl-preference", "rows": 1, "bad": rows[0]["bad"],
        "columns": ["prompt", "chosen", "rejected"], "ties": 0, "format": "jsonl"});
    assert_eq!(rows[0], first);
    let places: Vec<_> =
        rows[0]["bad"].as_array().unwrap().iter().map(|bad| (&bad["line"], &bad["column"])).collect();
    assert_eq!(places, [(&json!(2), &json!("chosen")), (&json!(3), &Value::Null)]);
    assert_eq!(
        (&rows[1]["shape"], &rows[1]["rows"], &rows[1]["ties"]),
        (&json!("arena"), &json!(1), &json!(1))
    );
    let table = outloud(["data".as_ref(), a.as_os_str()]);
    assert_eq!(table.status, 0);
    for part in ["trl-preference (jsonl)", "rows     1", "bad      2", "2  chosen: found null"] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
}

#[test]
fn no_data_is_status_one_and_wrong_usage_two() {
    let folder = tempfile::tempdir().unwrap();
    let page = write(&folder, "page.jsonl", "<!DOCTYPE html><html></html>");
    let good = write(&folder, "good.jsonl", "{\"prompt\": \"p\", \"answer\": \"a\"}\n");
    let run = outloud(["data".as_ref(), page.as_os_str(), good.as_os_str(), "--json".as_ref()]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("an HTML page"), "{}", run.stderr);
    let rows = run.rows();
    assert!(rows[0]["error"].as_str().unwrap().contains("an HTML page"));
    assert_eq!((&rows[0]["rows"], &rows[1]["rows"]), (&json!(0), &json!(1)));
    for args in [vec!["data"], vec!["data", "x", "--map", "a=b"], vec!["data", "no-such-*.jsonl"]] {
        assert_eq!(outloud(&args).status, 2, "{args:?}");
    }
}

#[test]
fn bad_rows_go_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        write(&folder, "a.jsonl", "{\"q\": \"p\", \"answer\": \"a\"}\n{\"q\":  \"\", \"answer\": \"a\"}\n");
    let out = folder.path().join("bad.jsonl");
    let args = || {
        [
            "data".as_ref(),
            file.as_os_str(),
            "--map".as_ref(),
            "prompt=q".as_ref(),
            "--bad".as_ref(),
            out.as_os_str(),
        ]
    };
    assert_eq!(outloud(args()).status, 0);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "{\"q\":  \"\", \"answer\": \"a\"}\n");
    assert_eq!(outloud(args()).status, 2, "nothing is written over");
}

#[test]
fn score_reads_what_data_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        &folder,
        "a.csv",
        "id,question,response_a,response_b,winner,critique_a,critique_b\n7,p,x,y,model_b,Good.,Bad.\n8,p,x,y,tie,Good.,Bad.\n",
    );
    let model = fixture("cloud-llama-tiny");
    let rows = outloud(["score".as_ref(), file.as_os_str(), "--model".as_ref(), model.as_os_str()]).good();
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["7", "8#1", "8#2"]);
    assert_eq!(
        (&rows[0]["chosen"]["critique"], &rows[0]["rejected"]["critique"]),
        (&json!("Bad."), &json!("Good."))
    );
    let reward = |value: &serde_json::Value| value["reward"].as_f64().unwrap();
    assert!((reward(&rows[0]["chosen"]) - reward(&rows[2])).abs() < 1e-5);
}

/// All rows of one id are worked on, in order; who reads is told, with both lines.
#[test]
fn repeated_ids_are_told_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let row = |answer: &str| {
        json!({"id": "x", "prompt": "p", "answer": answer, "critique": "c"}).to_string() + "\n"
    };
    let file = write(&folder, "a.jsonl", &[row("first"), row("a second answer")].concat());
    let told = &outloud(["data".as_ref(), file.as_os_str(), "--json".as_ref()]).good()[0];
    assert_eq!(told["rows"], 2);
    assert_eq!(
        told["repeated_ids"],
        json!({"rows": 1, "first": [{"line": 2, "id": "x", "first": {"line": 1}}]})
    );
    let table = outloud(["data".as_ref(), file.as_os_str()]).stdout;
    assert!(
        table.contains("1 rows have the id of an earlier row") && table.contains("2  id x, as 1"),
        "{table}"
    );
    let model = fixture("cloud-llama-tiny");
    let run = outloud(["score".as_ref(), file.as_os_str(), "--model".as_ref(), model.as_os_str()]);
    let rows = run.good();
    let path = file.display();
    assert!(
        run.stderr.contains(&format!("{path}:2: the id x is that of {path}:1 as well")),
        "{}",
        run.stderr
    );
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0]["reward"], rows[1]["reward"]);
}

/// `--map` means the same wherever rows are read.
#[test]
fn columns_of_other_names_are_read_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: String = (0..3)
        .map(|n| json!({"id": n, "q": format!("{n} + 1?"), "ja": (n + 1).to_string(), "nein": "0", "ja_why": "Right.", "nein_why": "Wrong."}).to_string() + "\n")
        .collect();
    let file = write(&folder, "pairs.jsonl", &pairs);
    let path = file.to_str().unwrap();
    let map = "prompt=q,chosen=ja,rejected=nein,chosen_feedback=ja_why,rejected_feedback=nein_why,chosen_critique=ja_why,rejected_critique=nein_why";
    let model = fixture("cloud-llama-tiny");
    let model = model.to_str().unwrap();
    assert_eq!(outloud(["data", path, "--map", map, "--json"]).good()[0]["rows"], 3);
    let scored = outloud(["score", path, "--map", map, "--model", model]).good();
    assert_eq!(scored[2]["chosen"]["critique"], "Right.");
    let critiqued = outloud(["critique", path, "--map", map, "--model", model, "--max-tokens", "4"]).good();
    assert!(critiqued.iter().all(|row| row["margin"].is_number()), "{critiqued:?}");
    let session = folder.path().join("session");
    let status =
        outloud(["label", path, "--map", map, "--status", "--session", session.to_str().unwrap()]).good();
    assert_eq!(status[0]["status"]["pairs"], 3);
    let without = outloud(["label", path, "--status", "--session", session.to_str().unwrap()]).good();
    assert_eq!(without[0]["status"]["pairs"], 0);
    let run = folder.path().join("run");
    let train = [
        "train",
        "--recipe",
        "cloud",
        "--model",
        model,
        "--data",
        path,
        "--out",
        run.to_str().unwrap(),
        "--dry-run",
    ];
    let planned = outloud(train.iter().copied().chain(["--map", map]));
    assert_eq!(planned.status, 0, "{}", planned.stderr);
    assert_eq!(outloud(train).status, 1);
    let compared = outloud([
        "before-after",
        path,
        "--map",
        map,
        "--old",
        model,
        "--new",
        model,
        "--max-tokens",
        "4",
        "--json",
    ]);
    assert_eq!(compared.status, 0, "{}", compared.stderr);
    assert_eq!((&compared.rows()[0]["pairs"], &compared.rows()[0]["left_out"]), (&json!(3), &json!(0)));
    assert_eq!(outloud(["score", path, "--map", "prompt", "--model", model]).status, 2);
}

/// Two columns change places.
#[test]
fn a_map_renames_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        write(&folder, "a.jsonl", "{\"prompt\": \"p\", \"chosen\": \"worse\", \"rejected\": \"better\"}\n");
    let model = fixture("classic-llama-tiny");
    let score = |map: &[&str]| {
        let args = ["score", file.to_str().unwrap(), "--model", model.to_str().unwrap()];
        outloud(args.iter().chain(map)).good()[0].clone()
    };
    let (plain, swapped) = (score(&[]), score(&["--map", "chosen=rejected,rejected=chosen"]));
    assert_eq!(plain["chosen"]["reward"], swapped["rejected"]["reward"]);
    assert_eq!(plain["rejected"]["reward"], swapped["chosen"]["reward"]);
}

#[test]
fn before_and_after_reads_every_format_and_names_the_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = "question,response_a,response_b,winner\nq,x,yy,a\nq,x,y,tie\nr,one,two,b\ns,,y,a\n";
    let table = write(&folder, "pairs.csv", pairs);
    let model = fixture(CLASSIC);
    let words = |file: &std::path::Path| {
        let mut words: Vec<std::ffi::OsString> = ["before-after", "--json", "--old"].map(Into::into).into();
        words.extend([model.clone().into(), "--new".into(), model.clone().into(), file.into()]);
        outloud(words)
    };
    let run = words(&table);
    assert_eq!(run.status, 1, "rows were left out: {}", run.stderr);
    let found: Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!((&found["pairs"], &found["unchanged"], &found["fixed"]), (&json!(2), &json!(2), &json!(0)));
    assert_eq!(found["set"], json!(table));
    assert!(run.stderr.contains("pairs.csv"), "{}", run.stderr);
    assert!(!run.stderr.contains("0-rows.jsonl"), "{}", run.stderr);
}
