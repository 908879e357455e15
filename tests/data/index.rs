//! Reading by number gives what reading in order gives, whatever the rows are and wherever the file is cut.

use outloud::data::{Options, Stream};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::*;

/// Texts that look like everything a reader looks for.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{1,8}",
        "[\"',;\\t\\\\{}\\[\\]/*# é😀\n\r]{1,12}x",
        Just("[{'role': 'user', 'content': ".to_owned()),
        Just("// \"".to_owned())
    ]
}

fn rows() -> impl Strategy<Value = Vec<Value>> {
    let row = (text(), text(), text()).prop_map(|(p, c, r)| json!({"prompt": p, "chosen": c, "rejected": r}));
    prop::collection::vec(row, 1..12)
}

fn csv(rows: &[Value]) -> String {
    let cell = |row: &Value, name: &str| format!("\"{}\"", row[name].as_str().unwrap().replace('"', "\"\""));
    let line = |row| format!("{},{},{}\n", cell(row, "prompt"), cell(row, "chosen"), cell(row, "rejected"));
    format!("prompt,chosen,rejected\n{}", rows.iter().map(line).collect::<String>())
}

fn forms(rows: &[Value]) -> Vec<(&'static str, String)> {
    let lines = rows.iter().map(|row| format!("{row}\n")).collect();
    let pretty = rows.iter().map(|row| format!("{row:#}\n")).collect();
    vec![
        ("x.jsonl", lines),
        ("x.json", json!(rows).to_string()),
        ("y.json", format!("{:#}", json!(rows))),
        ("z.json", pretty),
        ("x.csv", csv(rows)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(rows in rows()) {
        for (name, text) in forms(&rows) {
            let data = of(name, &text);
            let good = rows.iter().filter(|row| ["prompt", "chosen", "rejected"].iter().all(|c| !row[c].as_str().unwrap().trim().is_empty()));
            let good: Vec<_> = good.collect();
            // Two answers that are the same are a tie: counted apart, there all the same.
            let ties = good.iter().filter(|row| row["chosen"] == row["rejected"]).count();
            prop_assert_eq!(data.files()[0].ties, ties);
            prop_assert_eq!(data.len(), good.len(), "{} {} {:?}", name, text, data.bad());
            for (i, row) in good.iter().enumerate().rev() {
                let found = Value::Object(data.row(i).unwrap());
                prop_assert_eq!(&found, *row, "{}", name);
                prop_assert_eq!(&data.example(i).unwrap().answers[0].text, row["chosen"].as_str().unwrap());
            }
        }
    }

    #[test]
    fn in_order_and_by_number_are_the_same(rows in rows(), cut in any::<prop::sample::Index>()) {
        for (name, text) in forms(&rows) {
            let bytes = &text.as_bytes()[..cut.index(text.len()) + 1];
            let data = of(name, bytes);
            let Ok(stream) = Stream::over(name, std::io::Cursor::new(bytes.to_vec()), Options { strict: true, ..Options::default() }) else {
                continue;
            };
            let stream: Vec<_> = stream.filter_map(Result::ok).filter_map(|row| row.example.ok()).collect();
            prop_assert_eq!(examples(&data), stream, "{} {}", name, String::from_utf8_lossy(bytes));
        }
    }
}

/// A file cut anywhere has at most one row more that is bad, and the rows before are the same.
#[test]
fn cut_at_every_point() {
    let rows: Vec<Value> = (0..3)
        .map(|i| json!({"prompt": format!("p{i} \"q\",\n"), "chosen": "c é", "rejected": "r"}))
        .collect();
    for (name, text) in forms(&rows) {
        for cut in 1..text.len() {
            let data = of(name, &text.as_bytes()[..cut]);
            assert!(data.len() <= 3 && data.bad().len() <= 2, "{name} {cut}: {:?}", data.bad());
            for (i, row) in rows.iter().enumerate().take(data.len()) {
                let found = Value::Object(data.row(i).unwrap());
                // A table's last cell may be cut and still be a cell.
                assert!(found == *row || (name == "x.csv" && i + 1 == data.len()), "{name} {cut}: {found}");
            }
        }
    }
}

#[test]
fn rows_are_there_while_the_index_grows() {
    let (_folder, path) = file("x.jsonl", answers(1000));
    let mut data = outloud::data::Dataset::open(vec![outloud::data::Source::File(path)], Options::default());
    let progress = data.index(300);
    assert!(!progress.done && progress.share.unwrap() > 0.1 && progress.share.unwrap() < 0.9, "{progress:?}");
    let there = data.len();
    assert!(there > 200 && there <= 300);
    assert_eq!(data.example(there - 1).unwrap().number, there);
    let mut asked = 0;
    data.index_all(|_| {
        asked += 1;
        true
    });
    assert_eq!((asked, data.len()), (0, 1000), "small enough to be done at once");
    assert_eq!(data.columns(), ["prompt", "answer"]);
}
