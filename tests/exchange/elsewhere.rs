//! Labels made elsewhere: tables, Argilla, Label Studio; what cannot be read is told with its place.

use std::fs;
use std::path::Path;

use outloud::Error;
use outloud::exchange::{Columns, Imported, Known, Meanings, To, import, read};
use outloud::session::{Choice, Event, Folder, Progress};
use serde_json::json;
use tempfile::TempDir;

use crate::sample::{book, pair, sample, written};

fn columns(pairs: &[(&str, &str)]) -> Columns {
    Columns(pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect())
}

fn meanings(pairs: &[(&str, &str)]) -> Meanings {
    Meanings(pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect())
}

fn take(folder: &Folder, dir: &Path, name: &str, text: &str) -> Imported {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    let read = read(&file, &Columns::default(), &Meanings::default()).unwrap();
    import(folder, &read, Some("guest"), &[]).unwrap()
}

fn choice(folder: &Folder, row: usize, by: &str) -> Option<Choice> {
    let book = book(folder);
    let placed = book.examples().find(|placed| placed.row == Some(row)).unwrap();
    book.label(&placed.example, by)?.value.choice
}

#[test]
fn a_table_of_choices_by_id_or_row() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let text = "\u{feff}id;choice;annotator;note;reasons;both_bad;seconds\n\
                row-0;B much better;dora;\"two\nlines; \"\"quoted\"\"\";short,wrong;yes;2.5\n\
                row-2;tie;;;;;\n\
                nowhere;A;dora;;;;\n\
                row-1;perhaps;dora;;;;\n\
                row-3;left;dora;;;;\n\
                row-4;A;dora\n";
    let done = take(&folder, dir.path(), "labels.csv", text);
    assert_eq!(done.format, "table");
    assert_eq!(done.said, [("dora".to_owned(), 2), ("guest".to_owned(), 1)].into());
    assert_eq!(done.bad.len(), 3, "{:?}", done.bad);
    let bad = done.bad.join("\n");
    for expected in [
        "labels.csv:5: id nowhere",
        "labels.csv:6: choice: found choice \"perhaps\"",
        "labels.csv:8: found 3 fields",
    ] {
        assert!(bad.contains(expected), "{bad}");
    }
    let book = book(&folder);
    let placed = book.examples().find(|placed| placed.row == Some(0)).unwrap();
    let label = &book.label(&placed.example, "dora").unwrap().value;
    assert_eq!((label.choice, label.all_bad, label.seconds), (Some(Choice::MuchBetter(1)), true, Some(2.5)));
    assert_eq!(
        (label.note.as_str(), label.reasons.clone()),
        ("two\nlines; \"quoted\"", vec!["short".into(), "wrong".into()])
    );
    assert_eq!(
        (choice(&folder, 2, "guest"), choice(&folder, 3, "dora")),
        (Some(Choice::Tie), Some(Choice::Better(0)))
    );
    // Where it comes from is in the event.
    let origin = book.entries().find_map(|entry| match &entry.event {
        Event::Bulk { events } => events.iter().find_map(|event| match event {
            Event::Imported(origin) => Some((entry.by.clone(), origin.clone())),
            _ => None,
        }),
        _ => None,
    });
    let (by, origin) = origin.unwrap();
    assert_eq!(
        (by.as_str(), origin.file.as_str(), origin.record.as_str()),
        ("dora", "labels.csv", "labels.csv:2")
    );
    assert_eq!(take(&folder, dir.path(), "renamed.csv", text).events, 0);
}

#[test]
fn numbers_mean_what_the_user_says() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let file = dir.path().join("votes.jsonl");
    let rows: Vec<String> =
        (0..3).map(|n| json!({"nr": n, "annotator1": n, "annotator2": 2 - n}).to_string()).collect();
    fs::write(&file, rows.join("\n")).unwrap();
    // Nobody guesses what 1 is.
    let unclear = read(&file, &columns(&[("row", "nr"), ("choice", "annotator1")]), &Meanings::default());
    assert!(matches!(unclear, Err(Error::Invalid { found, .. }) if found.contains("no label in 3 rows")));
    let means = meanings(&[("0", "tie"), ("1", "chosen"), ("2", "rejected")]);
    for (column, by) in [("annotator1", "one"), ("annotator2", "two")] {
        let read = read(&file, &columns(&[("row", "nr"), ("choice", column)]), &means).unwrap();
        let nobody = import(&folder, &read, None, &[]);
        assert!(matches!(nobody, Err(Error::Usage(why)) if why.contains("--annotator")));
        assert_eq!(import(&folder, &read, Some(by), &[]).unwrap().said[by], 3);
    }
    assert_eq!(
        (choice(&folder, 2, "one"), choice(&folder, 0, "two")),
        (Some(Choice::Better(1)), Some(Choice::Better(1)))
    );
    assert_eq!(
        (choice(&folder, 0, "one"), choice(&folder, 2, "two")),
        (Some(Choice::Tie), Some(Choice::Tie))
    );
}

#[test]
fn rows_of_the_data_need_not_be_in_the_session() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(&dir.path().join("new")).unwrap();
    let known = [Known { id: "x".into(), row: 4, example: pair("Q?", ["a", "b"]) }];
    let file = dir.path().join("labels.tsv");
    fs::write(&file, "id\tchoice\nx\trejected\ny\tchosen\n").unwrap();
    let read = read(&file, &Columns::default(), &Meanings::default()).unwrap();
    let done = import(&folder, &read, Some("guest"), &known).unwrap();
    assert_eq!((done.events, done.examples, done.bad.len()), (2, 1, 1));
    assert_eq!(choice(&folder, 4, "guest"), Some(Choice::Better(1)));
    assert_eq!(import(&folder, &read, Some("guest"), &known).unwrap().events, 0);
}

#[test]
fn answers_that_stand_the_other_way_round_are_the_same_pair() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let row = json!({"question": "What is 2 + 2?", "response_a": "5", "response_b": "4", "winner": "model_b", "critique_1": "Wrong."});
    let done = take(&folder, dir.path(), "arena.jsonl", &row.to_string());
    assert_eq!((done.examples, done.events), (0, 1));
    assert_eq!(choice(&folder, 0, "guest"), Some(Choice::Better(0)));
    let book = book(&folder);
    let review = book.reviews().find(|(by, _)| *by == "guest").unwrap().1.value.clone();
    assert_eq!((review.answer, review.correction.as_deref()), (1, Some("Wrong.")));
}

#[test]
fn argilla_with_its_own_users_and_flat_columns() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(&dir.path().join("session")).unwrap();
    let (one, two) = ("6fcf8b5e-6d3b-4c1c-9a3e-6d6f1b3e0001", "6fcf8b5e-6d3b-4c1c-9a3e-6d6f1b3e0002");
    let nested = json!([{
        "id": "r1", "status": "completed", "_server_id": null, "vectors": {}, "metadata": {}, "suggestions": {},
        "fields": {"instruction": "Q?", "response_1": "a", "response_2": "b"},
        "responses": {"preference": [{"value": "response_2", "user_id": one}, {"value": "tie", "user_id": two, "status": "draft"}],
                      "comment": [{"value": "why", "user_id": one}]},
    }]);
    let done = take(&folder, dir.path(), "argilla.json", &nested.to_string());
    assert_eq!((done.format, done.said.clone()), ("argilla", [(one.to_owned(), 1)].into()), "{done:?}");
    assert_eq!(choice(&folder, 0, one), Some(Choice::Better(1)));
    let flat = json!({
        "id": "r2", "_server_id": null, "prompt": "Q2?", "chosen": "a", "rejected": "b",
        "preference.responses": ["chosen", null], "preference.responses.users": [one, two],
        "preference.responses.status": ["submitted", "discarded"],
    });
    let done = take(&folder, dir.path(), "flat.jsonl", &flat.to_string());
    assert_eq!((done.said.len(), done.bad.len()), (2, 0), "{done:?}");
    assert_eq!((choice(&folder, 1, one), choice(&folder, 1, two)), (Some(Choice::Better(0)), None));
    let book = book(&folder);
    let skipped = book.labels().find(|(_, by, _)| *by == two).unwrap();
    assert_eq!(skipped.2.value.state, Progress::Skipped);
}

#[test]
fn label_studio_as_it_exports() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(&dir.path().join("session")).unwrap();
    let result = |from: &str, kind: &str, value: serde_json::Value| json!({"id": "x", "from_name": from, "to_name": "a,b", "origin": "manual", "type": kind, "value": value});
    let tasks = json!([{
        "id": 12, "inner_id": 1, "project": 3, "updated_at": "2026-01-01T00:00:00Z",
        "data": {"prompt": "Q?", "answer1": "a", "answer2": "b"},
        "predictions": [],
        "annotations": [
            {"id": 5, "completed_by": {"id": 1, "email": "ana@example.org"}, "was_cancelled": false, "ground_truth": false,
             "lead_time": 7.5, "result": [result("pw", "pairwise", json!({"selected": "left"}))]},
            {"id": 6, "completed_by": 2, "was_cancelled": true, "result": []},
            {"id": 7, "completed_by": 3, "was_cancelled": false, "lead_time": 1.0,
             "result": [result("which", "choices", json!({"choices": ["second"]})), result("note", "textarea", json!({"text": ["hm"]}))]},
        ],
    }]);
    let done = take(&folder, dir.path(), "project-3.json", &serde_json::to_string_pretty(&tasks).unwrap());
    assert_eq!((done.format, done.said.len(), done.bad.len()), ("label-studio", 3, 0), "{done:?}");
    assert_eq!(choice(&folder, 0, "ana@example.org"), Some(Choice::Better(0)));
    assert_eq!(choice(&folder, 0, "user 3"), Some(Choice::Better(1)));
    let book = book(&folder);
    let of = |by: &str| book.labels().find(|(_, who, _)| *who == by).unwrap().2.value.clone();
    assert_eq!((of("ana@example.org").seconds, of("user 2").state), (Some(7.5), Progress::Skipped));
    assert_eq!(of("user 3").note, "hm");
}

#[test]
fn packed_files_are_read_and_what_is_none_is_named() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let text = written(&folder, To::Trl);
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    for (name, bytes) in [("a.jsonl.zst", packed.as_slice()), ("b.jsonl", text.as_bytes())] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let read = |name: &str| read(&dir.path().join(name), &Columns::default(), &Meanings::default());
    assert_eq!(read("a.jsonl.zst").unwrap().records.len(), read("b.jsonl").unwrap().records.len());
    let broken: [(&str, &[u8], &str); 6] = [
        ("cut.zst", &packed[..packed.len() / 2], "cut off or damaged"),
        ("page.html", b"<html><body>404</body></html>", "an HTML page"),
        ("list.json", b"[{\"id\": 1,", "the end of the file within the row"),
        ("other.csv", b"name,age\nx,1\n", "nothing says which example"),
        ("nothing.parquet", b"PAR1 and no more", "Parquet"),
        (
            "log.jsonl",
            b"{\"v\":1,\"clock\":1,\"writer\":\"a\",\"seq\":1,\"event\":{},\"sum\":\"00\"}\n",
            "expected an event",
        ),
    ];
    for (name, bytes, expected) in broken {
        fs::write(dir.path().join(name), bytes).unwrap();
        let why = match read(name) {
            Err(error) => error.to_string(),
            Ok(read) => read.bad.join("\n"),
        };
        assert!(why.contains(expected), "{name}: {why}");
    }
}

/// Whatever the data may be, labels may be, too: one reader for both.
#[test]
fn labels_come_in_every_format_that_data_has() {
    use std::io::Write as _;
    let dir = TempDir::new().unwrap();
    let utf16 = |text: &str| -> Vec<u8> {
        [0xFEFF_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let gz = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let csv = "id,choice,note\nrow-0,chosen,\"two\nlines\"\nrow-2,rejected,é\n";
    let rows = [json!({"id": "row-0", "choice": "chosen"}), json!({"id": "row-2", "choice": "rejected"})];
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let pretty: String = rows.iter().map(|row| format!("{row:#}\n")).collect();
    let files: [(&str, Vec<u8>, [&str; 2]); 8] = [
        ("utf16.csv", utf16(csv), [":2", ":4"]),
        ("packed.csv.gz", gz(csv.as_bytes()), [":2", ":4"]),
        ("mac.csv", csv.replace('\n', "\r").into_bytes(), [":2", ":4"]),
        ("tabs.tsv", b"\xef\xbb\xbfid\tchoice\nrow-0\tchosen\nrow-2\trejected\n".to_vec(), [":2", ":3"]),
        ("lines.jsonl", lines.clone().into_bytes(), [":1", ":2"]),
        ("utf16.jsonl.gz", gz(&utf16(&lines)), [":1", ":2"]),
        ("pretty.json", pretty.into_bytes(), [":1 (row 1)", ":5 (row 2)"]),
        (
            "list.json",
            format!("[{},\n // the second\n{},]", rows[0], rows[1]).into_bytes(),
            [":1 (row 1)", ":3 (row 2)"],
        ),
    ];
    for (name, bytes, places) in files {
        let folder = sample(&dir.path().join(format!("session-{name}")), false);
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        let read = read(&file, &Columns::default(), &Meanings::default()).unwrap();
        assert_eq!(read.bad, [] as [&str; 0], "{name}");
        let found: Vec<_> = read.records.iter().map(|record| record.place.clone()).collect();
        assert_eq!(found, places.map(|place| format!("{name}{place}")));
        import(&folder, &read, Some("guest"), &[]).unwrap();
        let choices = [choice(&folder, 0, "guest"), choice(&folder, 2, "guest")];
        assert_eq!(choices, [Some(Choice::Better(0)), Some(Choice::Better(1))], "{name}");
    }
}
