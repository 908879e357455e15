//! Every format gives the same rows, read in order and by number.

use std::io::Write;

use outloud::checkpoint::Prompt;
use outloud::data::{Options, Place, Source, Stream};
use serde_json::json;

use crate::common::*;

#[test]
fn as_pandas_and_pyarrow_write_them() {
    let names = [
        "pandas.csv",
        "pandas.tsv",
        "pandas-records.json",
        "pandas-columns.json",
        "pandas-split.json",
        "pandas-index.json",
        "pandas-table.json",
        "pandas.jsonl.gz",
        "pandas.jsonl.zst",
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "brotli.parquet",
        "zstd.parquet",
        "lz4.parquet",
        "uncompressed.feather",
        "lz4.feather",
        "zstd.feather",
        "stream.arrows",
    ];
    for name in names {
        let data = load(&fixture(name));
        let file = &data.files()[0];
        assert_eq!(file.error, None, "{name}");
        assert_eq!(file.shape.as_ref().unwrap().name(), "cloud", "{name}");
        assert_eq!((data.len(), data.bad().len()), (5, 0), "{name}: {:?}", data.bad());
        for i in [4, 0, 2, 3, 1] {
            let example = data.example(i).unwrap();
            assert_eq!(example.id, json!(i + 1), "{name}");
            let Prompt::Messages(messages) = &example.prompt else { panic!("{name}: {:?}", example.prompt) };
            assert_eq!(messages[0].content, format!("{i}: \"{QUESTION}\"\nit's a question,"), "{name}");
            assert_eq!(example.answers[0].text, format!("{GOOD}{}", " é".repeat(i)), "{name}");
            assert_eq!(example.answers[0].critiques, ["Right.", "Yes, 'so'."], "{name}");
        }
        let row = data.row(3).unwrap();
        assert_eq!(row["kind"], "a", "{name}");
        if name.contains("feather") || name.contains("parquet") || name.contains("arrows") {
            assert_eq!(row["score"], json!(1.5), "{name}");
            assert_eq!(row["when"], "2024-05-01 12:00:00", "{name}");
            assert_eq!(row["price"], json!(null), "{name}");
            assert_eq!(data.row(1).unwrap()["price"], json!(2.0), "{name}");
            assert_eq!(data.place(3).unwrap().1, Place::Row(4), "{name}");
        }
        if name.contains("feather") {
            assert_eq!((&row["half"], &data.row(1).unwrap()["half"]), (&json!(2.0), &json!(null)), "{name}");
        }
    }
}

/// The same rows in every encoding and with every end of line.
#[test]
fn encodings_and_line_ends() {
    let text = answers(40);
    let utf16 = |text: &str, big: bool, mark: bool| -> Vec<u8> {
        let mark = if mark { "\u{feff}" } else { "" };
        let units = mark.encode_utf16().chain(text.encode_utf16()).collect::<Vec<_>>();
        units.iter().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    };
    let gz = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let (one, two) = text.as_bytes().split_at(777);
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("plain", text.clone().into()),
        ("mark", format!("\u{feff}{text}").into()),
        ("crlf", text.replace('\n', "\r\n").into()),
        ("cr", text.replace('\n', "\r").into()),
        ("no end", text.trim_end().into()),
        ("blank lines", text.replace('\n', "\n\n \n").into()),
        ("commas", text.replace("}\n", "},\n").into()),
        ("comments", format!("// rows\n{}", text.replace("}\n", "}\n// next\n")).into()),
        ("utf-16 le", utf16(&text, false, true)),
        ("utf-16 be", utf16(&text, true, true)),
        ("utf-16 le without mark", utf16(&text, false, false)),
        ("utf-16 be without mark", utf16(&text, true, false)),
        ("gz", gz(text.as_bytes())),
        ("two members", [gz(one), gz(two)].concat()),
        ("gz of utf-16", gz(&utf16(&text, false, true))),
        ("gz of gz", gz(&gz(text.as_bytes()))),
        ("zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
        ("list", format!("[{}]", text.trim_end().replace('\n', ",")).into()),
        ("list over lines", format!("[\n{}\n]\n", text.trim_end().replace('\n', ",\n")).into()),
        ("list with a last comma", format!("[{},]", text.trim_end().replace('\n', ", /* c */ ")).into()),
        ("pretty", text.replace("{", "{\n  ").replace("}", "\n}").into()),
        ("pretty with tabs, crlf", text.replace("{", "{\r\n\t").replace("}", "\r\n}").into()),
        ("pretty, nothing between", text.replace("{", "{\n  ").replace("}\n", "\n}").into()),
        ("beside", format!("{{\"version\": 1, \"data\": [{}]}}", text.trim_end().replace('\n', ",")).into()),
    ];
    for (form, bytes) in forms {
        let data = of("rows", &bytes);
        assert_eq!(
            (data.len(), data.bad().len(), &data.files()[0].error),
            (40, 0, &None),
            "{form}: {:?}",
            data.bad()
        );
        for i in [39, 0, 17] {
            let example = data.example(i).unwrap();
            assert_eq!(example.answers[0].text, format!("a\n{i} é"), "{form}");
            assert_eq!(example.number, i + 1, "{form}");
        }
        let stream = Stream::over("rows", std::io::Cursor::new(bytes), Options::default()).unwrap();
        assert_eq!(
            stream.map(|row| row.unwrap().example.unwrap().number).collect::<Vec<_>>(),
            (1..=40).collect::<Vec<_>>(),
            "{form}"
        );
    }
}

#[test]
fn tables_of_text() {
    for (delimiter, name) in [(',', "x.csv"), ('\t', "x.tsv"), (';', "x.csv"), ('|', "x.txt")] {
        let text = "prompt,response_a,response_b,winner,scores\r\n\"a, \"\"b\"\"\r\nc\",left,right,model_b,\"[1, 2]\"\r\n\r\nq,x,y,tie,\r\nq,,y,model_a,\r\n";
        let text =
            text.replace("a, \"\"", "a; \"\"").replace(',', &delimiter.to_string()).replace("1\t 2", "1, 2");
        let data = of(name, &text);
        assert_eq!(data.files()[0].shape.as_ref().unwrap().name(), "arena", "{delimiter:?}");
        let file = &data.files()[0];
        assert_eq!((file.rows, file.ties, data.len()), (1, 1, 2), "{delimiter:?}");
        assert_eq!(bad(&data), [(":6".to_owned(), Some("response_a"))], "{delimiter:?}");
        let example = data.example(0).unwrap();
        assert_eq!(example.prompt, Prompt::Text("a; \"b\"\r\nc".into()), "{delimiter:?}");
        assert_eq!(example.pairs, [(1, 0)]);
    }
}

#[test]
fn places_are_lines_and_rows() {
    let data = of(
        "x.json",
        "[\n {\"prompt\": \"p\",\n  \"answer\": \"a\"},\n\n {\"prompt\": \"p\",\n \"answer\": \"b\"}, 3\n]",
    );
    let places: Vec<_> = (0..2).map(|i| data.place(i).unwrap().1).collect();
    assert_eq!(places, [Place::Element(1, 2), Place::Element(2, 5)]);
    assert_eq!(data.bad()[0].place, Place::Element(3, 6));
    let data = of("x.csv", "prompt,answer\n\"a\n\nb\",c\nd,e\n");
    assert_eq!([0, 1].map(|i| data.place(i).unwrap().1), [Place::Line(2), Place::Line(5)]);
}

#[test]
fn patterns_and_many_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rows) in [("b.jsonl", 2), ("a.jsonl", 3), ("c.txt", 1)] {
        std::fs::write(folder.path().join(name), answers(rows)).unwrap();
    }
    let sources =
        Source::expand([folder.path().join("*.jsonl"), folder.path().join("c.txt"), "-".into()]).unwrap();
    let names: Vec<_> = sources
        .iter()
        .map(|s| s.path().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()))
        .collect();
    assert_eq!(names, [Some("a.jsonl".into()), Some("b.jsonl".into()), Some("c.txt".into()), None]);
    assert!(Source::expand([folder.path().join("*.csv")]).is_err());
    let mut data = outloud::data::Dataset::open(sources[..3].to_vec(), Options::default());
    data.index_all(|_| false);
    assert_eq!(data.len(), 6);
    assert_eq!((0..6).map(|i| data.example(i).unwrap().number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(data.place(3).unwrap().0.name, folder.path().join("b.jsonl").display().to_string());
    assert!(data.example(6).is_err());
}

#[test]
fn an_extension_that_says_something_else_is_noted() {
    let data = of("rows.csv", answers(2));
    assert_eq!(data.len(), 2);
    assert_eq!(data.files()[0].notes, ["the name says csv, the content is jsonl"]);
    assert!(of("rows.json", answers(2)).files()[0].notes.is_empty());
}
