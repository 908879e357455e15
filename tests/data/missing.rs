//! A file that is not there: what was meant, or what there is.

use std::path::Path;

use crate::common::*;

fn told(path: &Path) -> String {
    load(path).files()[0].error.clone().unwrap()
}

#[test]
fn near_names_then_files_of_rows_then_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.jsonl", "valid.jsonl.gz", "notes.md", ".hidden.jsonl"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let at = |name: &str| folder.path().join(name);
    let shown = |name: &str| format!("`{}`", at(name).display());
    for (name, meant) in
        [("trian.jsonl", "train.jsonl"), ("train.json", "train.jsonl"), ("Valid.jsonl", "valid.jsonl.gz")]
    {
        let error = told(&at(name));
        assert!(error.starts_with(&format!("{}: found no such file", at(name).display())), "{error}");
        assert!(error.contains(&format!("Did you mean {}?", shown(meant))), "{error}");
    }
    let error = told(&at("other.csv"));
    let there = format!("there are {}, {}.", shown("train.jsonl"), shown("valid.jsonl.gz"));
    assert!(error.contains(&there) && !error.contains("hidden") && !error.contains("notes"), "{error}");
    let error = told(&at("no/such/rows.jsonl"));
    assert!(error.contains(&format!("no folder {}", at("no/such").display())), "{error}");
    assert!(error.contains(&format!("{} is there.", folder.path().display())), "{error}");
    std::fs::create_dir(at("empty")).unwrap();
    assert!(told(&at("empty/rows.jsonl")).contains("has no file of rows"));
}
