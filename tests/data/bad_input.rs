//! What is no data is refused with its reason; what is bad in data is listed with its place, and the rest is read.

use std::io::Write;

use outloud::data::{Options, ROW_LIMIT, Source, Stream};
use serde_json::json;

use crate::common::*;

#[test]
fn files_that_are_no_data_say_what_they_are() {
    let gz = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.jsonl", vec![], "no rows (the file is empty)"),
        ("empty.csv.gz", gz(b""), "no rows (the file is empty)"),
        ("blank.jsonl", b" \n\n".to_vec(), "no rows"),
        ("page.jsonl", b"<!DOCTYPE html>\n<html><body>404</body></html>".to_vec(), "an HTML page"),
        ("page.json", b"\n <HTML lang=en>".to_vec(), "an HTML page"),
        ("page.json.gz", gz(b"<html>"), "an HTML page"),
        (
            "s3.json",
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(),
            "an XML document",
        ),
        (
            "x.parquet",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec(),
            "git lfs pull",
        ),
        ("x.zip", b"PK\x03\x04\x14\0\0\0".to_vec(), "a zip archive"),
        ("utf32.jsonl", [0xFF, 0xFE, 0, 0, b'{', 0, 0, 0].to_vec(), "UTF-32 text"),
        ("x.bz2", b"BZh91AY&SY".to_vec(), "a bzip2 archive"),
        ("x.xz", b"\xfd7zXZ\0\0\x04".to_vec(), "an xz archive"),
        ("x.pkl", b"\x80\x04\x95\x10\0\0\0\0".to_vec(), "a Python pickle"),
        ("x.bin", (0..=255u8).cycle().skip(3).take(5000).collect(), "bytes that are no text"),
        ("x.jsonl", b"this is a letter\nand no data\nat all\n".to_vec(), "no row that can be read"),
        ("x.jsonl", b"{\"prompt\": \n{\"prompt\n".to_vec(), "no row that can be read"),
        ("x.json", b"[1, 2, \"text\"]".to_vec(), "no row that can be read"),
        ("x.json", b"\"text\"".to_vec(), "no row that can be read"),
        ("x.parquet", b"PAR1 and then nothing".to_vec(), "a Parquet file that is cut off"),
        ("x.arrow", b"ARROW1\0\0 and then nothing".to_vec(), "an Arrow file that is cut off"),
        ("x.gz", gz(answers(50).as_bytes())[..20].to_vec(), "gz data that is cut off"),
        (
            "x.zst",
            zstd::encode_all(answers(50).as_bytes(), 1).unwrap()[..20].to_vec(),
            "zst data that is cut off",
        ),
    ];
    for (name, bytes, reason) in cases {
        let error = refused(name, bytes);
        assert!(error.contains(name) && error.contains(reason), "{name}: {error}\n  expected: {reason}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(load(folder.path()).files()[0].error.as_ref().unwrap().contains("a folder"));
    assert!(load(&folder.path().join("none")).files()[0].error.as_ref().unwrap().contains("no such file"));
}

#[test]
fn files_cut_off_give_the_rows_before() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(answers(5000).as_bytes()).unwrap();
    let whole = packed.finish().unwrap();
    let data = of("x.jsonl.gz", &whole[..whole.len() / 2]);
    assert!(data.len() > 1000 && data.len() < 4000, "{}", data.len());
    assert!(data.example(data.len() - 1).is_ok());
    let error = data.files()[0].error.as_ref().unwrap();
    assert!(error.contains(&format!("after row {}", data.len())) && error.contains("cut off"), "{error}");
    let whole = std::fs::read(fixture("stream.arrows")).unwrap();
    let data = of("x.arrows", &whole[..whole.len() * 3 / 4]);
    assert!([2, 4].contains(&data.len()), "{}", data.len());
    assert!(data.files()[0].error.as_ref().unwrap().contains("after row"), "{:?}", data.files());
    // A text file that ends within a row has one bad row.
    let data = of("x.json", "[{\"prompt\": \"p\", \"answer\": \"a\"}, {\"prompt\": \"p\", \"ans");
    assert_eq!((data.len(), bad(&data)), (1, vec![(":1 (row 2)".to_owned(), None)]));
    assert_eq!(data.files()[0].error, None);
}

#[test]
fn no_rows_are_data_too() {
    for (name, text) in [("x.json", "[]"), ("x.csv", "prompt,answer\n"), ("x.json", "[\n]\n")] {
        let data = of(name, text);
        assert_eq!((data.len(), data.bad().len(), &data.files()[0].error), (0, 0, &None), "{text}");
    }
    let data = of("x.jsonl", "{\"foo\": 1}\n");
    assert_eq!((data.len(), data.bad().len(), &data.files()[0].error), (0, 1, &None));
    assert!(data.files()[0].shape.is_none());
}

#[test]
fn bad_rows_are_listed_and_the_rest_is_read() {
    let good = json!({"prompt": "p", "chosen": "c", "rejected": "r"});
    let with = |column: &str, value: serde_json::Value| {
        let mut row = good.clone();
        row[column] = value;
        row.to_string()
    };
    let without = |column: &str| {
        let mut row = good.clone();
        row.as_object_mut().unwrap().remove(column);
        row.to_string()
    };
    let rows: Vec<(String, Option<&str>)> = vec![
        (without("prompt"), Some("prompt")),
        (without("chosen"), Some("chosen")),
        (without("rejected"), Some("rejected")),
        (with("prompt", json!(null)), Some("prompt")),
        (with("chosen", json!(null)), Some("chosen")),
        (with("rejected", json!("")), Some("rejected")),
        (with("rejected", json!(" \n")), Some("rejected")),
        (with("prompt", json!("")), Some("prompt")),
        (with("prompt", json!(3)), Some("prompt")),
        (with("chosen", json!(1.5)), Some("chosen")),
        (with("chosen", json!([])), Some("chosen")),
        (with("chosen", json!(["a"])), Some("chosen[0]")),
        (with("chosen", json!({"a": 1})), Some("chosen")),
        (with("chosen", json!([{"role": "assistant", "content": null}])), Some("chosen[0].content")),
        (with("chosen", json!([{"role": "assistant", "content": ""}])), Some("chosen")),
        (with("chosen", json!([{"role": "user", "content": "x"}])), Some("chosen")),
        (with("prompt", json!([{"role": "user"}])), Some("prompt[0].content")),
        (with("prompt", json!([[{"role": "user", "content": "x"}]])), Some("prompt[0]")),
        (good.to_string().replace("\"c\"", "\"\\ud800\""), Some("chosen")),
        (good.to_string().replace("\"c\"", "NaN"), Some("chosen")),
        (good.to_string().replace("\"c\"", "\"c\" \"d\""), None),
        (good.to_string().replace('}', ""), None),
        ("[1]".into(), None),
        ("null".into(), None),
        ("rows follow".into(), None),
    ];
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut expected = Vec::new();
    for (i, (row, column)) in rows.iter().enumerate() {
        writeln!(text, "{good}\n{row}").unwrap();
        expected.push((format!(":{}", 2 * i + 2), *column));
    }
    let mut bytes = text.into_bytes();
    bytes.extend(b"{\"prompt\": \"p\", \"chosen\": \"\xff\", \"rejected\": \"r\"}\n");
    expected.push((format!(":{}", 2 * rows.len() + 1), Some("chosen")));
    bytes.extend(format!("{good}\n").bytes());
    let data = of("x.jsonl", bytes);
    assert_eq!(data.len(), rows.len() + 1);
    assert_eq!(bad(&data), expected);
    assert_eq!(data.example(data.len() - 1).unwrap().number, 2 * rows.len() + 2);
}

#[test]
fn what_is_odd_and_not_bad() {
    let rows = [
        // Duplicate keys: the last one counts, as in Python.
        r#"{"id": 1, "prompt": "x", "prompt": "p", "chosen": "c", "rejected": "r", "score": NaN, "more": Infinity}"#,
        // The same id again, mixed types in other columns.
        r#"{"id": 1, "prompt": "p", "chosen": "c", "rejected": "r", "score": "high", "chosen_feedback": {"a": 1}}"#,
        r#"{"id": null, "prompt": "p", "chosen": "c", "rejected": "r", "chosen_feedback": [1, null, "f"]}"#,
    ];
    let data = of("x.jsonl", rows.join("\n"));
    let rows = examples(&data);
    assert_eq!((rows.len(), data.bad().len()), (3, 0));
    assert_eq!(rows[0].prompt, outloud::checkpoint::Prompt::Text("p".into()));
    assert_eq!(rows[0].rest["score"], json!(null));
    assert_eq!((&rows[1].id, &rows[2].id), (&json!(1), &json!(3)));
    assert_eq!(rows[2].answers[0].critiques, ["f"]);
}

#[test]
fn tables_with_bad_rows() {
    let text = "prompt,answer\np,a\np,a,too many\np\n\"p\",\"\"\n\"no end,a\nq,b\n";
    let data = of("x.csv", text);
    assert_eq!(data.len(), 2);
    assert_eq!(
        bad(&data),
        [(":3".into(), None), (":4".into(), None), (":5".into(), Some("answer")), (":6".into(), None)]
    );
    assert!(data.bad()[3].fault.found.contains("a quote that does not close"));
    assert_eq!(data.example(1).unwrap().answers[0].text, "b");
}

/// A row of endless length is let go by, and costs no more memory than a row may have.
#[test]
fn rows_have_a_longest_length() {
    let answer = "x".repeat(10 << 20);
    let text = format!("{{\"prompt\": \"p\", \"answer\": \"{answer}\"}}\n");
    let (good, bytes) = (answers(1), ROW_LIMIT as u64 + (20 << 20));
    struct Long(u64);
    impl std::io::Read for Long {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = out.len().min(self.0 as usize);
            out[..n].fill(b'x');
            self.0 -= n as u64;
            Ok(n)
        }
    }
    use std::io::{Cursor, Read};
    for (start, end) in [("{\"prompt\": \"", "\"}\n"), ("", "\n")] {
        let parts = Cursor::new(format!("{good}{text}{start}"))
            .chain(Long(bytes))
            .chain(Cursor::new(format!("{end}{good}")));
        let rows: Vec<_> =
            Stream::over("x.jsonl", parts, Options::default()).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        assert!(rows[2].example.as_ref().unwrap_err().found.contains("more than 64 MiB"));
        assert_eq!(rows[2].span.1, bytes + (start.len() + end.len()) as u64);
        assert!([0, 1, 3].iter().all(|i| rows[*i].example.is_ok()));
    }
}

#[test]
fn bad_rows_are_written_as_they_stand() {
    let written = |data: &outloud::data::Dataset| {
        let mut out = Vec::new();
        data.write_bad(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text =
        "{\"prompt\": \"p\", \"answer\": \"a\"}\r\n{\"prompt\":  3, \"answer\": \"a\"}\r\nno json, {\r\n";
    assert_eq!(written(&of("x.jsonl", text)), "{\"prompt\":  3, \"answer\": \"a\"}\nno json, {\n");
    let text = "prompt,answer\n\"p\nq\",a\n\"p\nq\",\n";
    assert_eq!(written(&of("x.csv", text)), "prompt,answer\n\"p\nq\",\n");
    assert_eq!(written(&of("x.json", "[{\"prompt\": 1}, {\n\"a\": 1}]")), "{\"prompt\": 1}\n{\n\"a\": 1}\n");
    assert_eq!(
        written(&of("x.json", "{\"prompt\": [\"p\", null], \"answer\": [\"a\", \"b\"]}")),
        "{\"prompt\":null,\"answer\":\"b\"}\n"
    );
    let again = of("x.jsonl", written(&of("x.csv", text)));
    assert_eq!((again.len(), again.bad().len()), (0, 1));
}

#[test]
fn a_pipe_is_read_as_it_comes() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n").unwrap();
    let mut stream = Stream::over("pipe", reader, Options::default()).unwrap();
    // Nothing more has been written, and the row is there.
    assert_eq!(stream.next().unwrap().unwrap().example.unwrap().answers.len(), 2);
    writer.write_all(b"{\"prompt\": \"p\", \"answer\": \"c\"}\n").unwrap();
    assert_eq!(stream.next().unwrap().unwrap().example.unwrap().answers.len(), 1);
    drop(writer);
    assert!(stream.next().is_none());
    assert_eq!(Source::from_path("-".into()), Source::Stdin);
}

/// However small the file: the rows before the damage are good, and what follows an archive takes none away.
#[test]
fn small_packed_files_give_the_rows_before_the_damage() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(answers(50).as_bytes()).unwrap();
    let whole = packed.finish().unwrap();
    let cut = of("x.jsonl.gz", &whole[..whole.len() / 2]);
    assert!((10..40).contains(&cut.len()), "{}", cut.len());
    let padded = of("x.jsonl.gz", [whole.as_slice(), b"garbage"].concat());
    assert_eq!(padded.len(), 50);
    let table = format!("prompt,answer\n{}", "p,a\n".repeat(50));
    let table = zstd::encode_all(table.as_bytes(), 1).unwrap();
    let more = of("x.csv.zst", [table.as_slice(), b"garbage"].concat());
    assert_eq!((more.len(), more.files()[0].format.map(|f| f.name())), (50, Some("csv")));
    // The last row needs no end of line.
    let last = zstd::encode_all(answers(5).trim_end().as_bytes(), 1).unwrap();
    let last = of("y.jsonl.zst", [last.as_slice(), b"garbage"].concat());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(answers(5).trim_end().as_bytes()).unwrap();
    let zeros = of("y.jsonl.gz", [packed.finish().unwrap(), vec![0; 512]].concat());
    assert_eq!((last.len(), zeros.len(), zeros.bad().len()), (5, 5, 0));
    for data in [cut, padded, more, last, zeros] {
        let error = data.files()[0].error.as_ref().unwrap();
        assert!(error.contains(&format!("after row {}", data.len())) && error.contains("cut off"), "{error}");
    }
}

/// A first row that is too long does not keep the rest from being understood.
#[test]
fn the_shape_is_that_of_the_first_good_rows() {
    let row = "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n";
    let data = of(
        "x.jsonl",
        [b"{\"prompt\": \"".to_vec(), vec![b'x'; ROW_LIMIT + 1], format!("\"}}\n{row}").into_bytes()]
            .concat(),
    );
    assert_eq!((data.len(), data.bad().len()), (1, 1));
    assert_eq!(data.files()[0].shape.as_ref().map(|shape| shape.name()), Some("trl-preference"));
}
