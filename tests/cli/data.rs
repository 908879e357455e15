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
    let row = table.display().to_string();
    assert!(
        run.stderr.contains(&format!("{row}:5")) && run.stderr.contains("1 ties left out"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("0-rows.jsonl"), "{}", run.stderr);
    let none = write(&folder, "none.csv", "question,response_a,response_b,winner\nq,x,y,tie\n");
    let run = words(&none);
    assert!(
        run.status == 1 && run.stderr.contains("none.csv") && run.stderr.contains("no pairs in 1 rows"),
        "{}",
        run.stderr
    );
}
