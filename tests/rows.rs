//! Reading rows: every form a row may have, every way it may be broken, in bounded memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use std::io::Read;
use std::path::Path;

use outloud::checkpoint::{Message, Prompt};
use outloud::engine::CritiqueText;
use outloud::rows::{Content, Item, Reader, Row, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(bytes: impl Into<Vec<u8>>) -> Vec<Result<Row, String>> {
    let bytes = std::io::Cursor::new(bytes.into());
    Reader::over("data.jsonl", bytes).map(|row| row.map_err(|e| e.to_string())).collect()
}

fn rows(bytes: impl Into<Vec<u8>>) -> Vec<Row> {
    read(bytes).into_iter().map(Result::unwrap).collect()
}

fn one(value: &Value) -> Result<Content, String> {
    rows(value.to_string()).remove(0).content
}

fn item(value: &Value) -> Item {
    match one(value).unwrap() {
        Content::One(item) => item,
        Content::Pair { .. } => panic!("a pair"),
    }
}

fn fault(value: &Value) -> String {
    one(value).unwrap_err()
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

#[test]
fn two_answers_that_nobody_has_compared_are_two_rows() {
    let row = |id: &str, winner: Value| {
        json!({"id": id, "question": "q", "response_a": "one", "response_b": "two", "winner": winner})
            .to_string()
    };
    let text = format!("{}\n{}\n", row("b-won", json!("b")), row("open", Value::Null));
    let ids = |rows: &[Row]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&rows(text)), [json!("b-won"), json!("open#1"), json!("open#2")]);
}

#[test]
fn a_row_with_everything() {
    let row = rows(r#"{"id": "x", "prompt": "p", "answer": "a", "critique": " c", "critique_token_ids": [1, 2], "source": "s", "n": 12345678901234567890}"#).remove(0);
    assert_eq!(row.id, json!("x"));
    assert_eq!(Value::Object(row.extra.clone()), json!({"source": "s", "n": 12345678901234567890u64}));
    let Content::One(item) = row.content.unwrap() else { panic!() };
    assert_eq!((item.input.prompt, item.input.answer.as_str()), (Prompt::Text("p".into()), "a"));
    assert_eq!(item.critique.as_deref(), Some(" c"));
    assert_eq!(item.critique_token_ids, Some(vec![1, 2]));
}

#[test]
fn an_id_is_never_rounded() {
    let id = |text: &str| {
        let line = format!(r#"{{"id": {text}, "prompt": "p", "answer": "a", "score": NaN}}"#);
        rows(line).remove(0).id
    };
    assert_eq!(id("18446744073709551615"), json!(u64::MAX));
    assert_eq!(id("-9223372036854775808"), json!(i64::MIN));
    assert_eq!(id("123456789012345678901234567890"), json!("123456789012345678901234567890"));
    assert_eq!(id("-98765432109876543210"), json!("-98765432109876543210"));
    assert_eq!((id("1.5"), id("1e3")), (json!(1.5), json!(1000.0)));
}

#[test]
fn a_critique_goes_to_the_engine_as_ids_first() {
    let with = |fields: Value| {
        let mut row = json!({"prompt": "p", "answer": "a"});
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item(&row).critique()
    };
    assert_eq!(with(json!({})), CritiqueText::None);
    assert_eq!(with(json!({"critique": null})), CritiqueText::None);
    assert_eq!(with(json!({"critique": "c"})), CritiqueText::Text("c".into()));
    assert_eq!(with(json!({"critique": "c", "critique_token_ids": [3]})), CritiqueText::Ids(vec![3]));
}

#[test]
fn messages_and_parts() {
    let row = json!({"prompt": [{"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        "answer": [{"role": "assistant", "content": "yes"}]});
    let item = item(&row);
    assert_eq!(item.input.prompt, Prompt::Messages(vec![message("system", "s"), message("user", "ab")]));
    assert_eq!(item.input.answer, "yes");
}

#[test]
fn pairs_in_all_forms() {
    let user = json!({"role": "user", "content": "q"});
    let says = |text: &str| json!({"role": "assistant", "content": text});
    let forms = [
        json!({"prompt": [user], "chosen": "c", "rejected": "r"}),
        json!({"prompt": [user], "chosen": [says("c")], "rejected": [says("r")]}),
        json!({"chosen": [user, says("c")], "rejected": [user, says("r")]}),
        json!({"prompt": [user], "chosen": [user, says("c")], "rejected": [user, says("r")]}),
    ];
    for form in forms {
        let Content::Pair { chosen, rejected } = one(&form).unwrap() else { panic!("{form}") };
        assert_eq!(chosen.input.prompt, Prompt::Messages(vec![message("user", "q")]), "{form}");
        assert_eq!(rejected.input.prompt, chosen.input.prompt);
        assert_eq!((chosen.input.answer.as_str(), rejected.input.answer.as_str()), ("c", "r"));
    }
    let text = json!({"prompt": "q", "chosen": [user, says("c")], "rejected": "r", "chosen_critique": "x",
        "rejected_feedback": ["y", "z"]});
    let Content::Pair { chosen, rejected } = one(&text).unwrap() else { panic!() };
    assert_eq!(chosen.input.prompt, Prompt::Text("q".into()));
    assert_eq!((chosen.critique.as_deref(), rejected.critique.as_deref()), (Some("x"), Some("y")));
}

#[test]
fn faults_name_line_and_field() {
    let cases = [
        (json!({"answer": "a"}), "field `prompt`: found nothing"),
        (json!({"prompt": null, "answer": "a"}), "field `prompt`: found null"),
        (json!({"prompt": "p"}), "field `answer`: found nothing"),
        (json!({"prompt": "p", "answer": 3}), "field `answer`: found a number"),
        (json!({"prompt": " ", "answer": "a"}), "field `prompt`: found an empty text"),
        (json!({"prompt": [], "answer": "a"}), "field `prompt`: found an empty list"),
        (json!({"prompt": ["x"], "answer": "a"}), "field `prompt[0]`: found text"),
        (json!({"prompt": [{"content": "x"}], "answer": "a"}), "field `prompt[0].role`: found nothing"),
        (
            json!({"prompt": [{"role": "user", "content": null}], "answer": "a"}),
            "field `prompt[0].content`: found null",
        ),
        (
            json!({"prompt": [{"role": "user", "content": [{"type": "image_url"}]}], "answer": "a"}),
            "field `prompt[0].content[0]`: found a part of type image_url",
        ),
        (
            json!({"prompt": "p", "answer": [{"role": "user", "content": "x"}]}),
            "field `answer`: found a last message of user",
        ),
        (json!({"prompt": "p", "answer": "a", "critique": 1}), "field `critique`: found a number"),
        (
            json!({"prompt": "p", "answer": "a", "critique_token_ids": [1, -2]}),
            "field `critique_token_ids[1]`: found -2",
        ),
        (
            json!({"prompt": "p", "answer": "a", "critique_token_ids": [1.5]}),
            "field `critique_token_ids[0]`: found 1.5",
        ),
        (json!({"prompt": "p", "chosen": "c"}), "field `rejected`: found nothing"),
        (json!({"prompt": "p", "rejected": "c"}), "field `chosen`: found nothing"),
        (json!({"chosen": "c", "rejected": "r"}), "field `prompt`: found nothing"),
        (json!({"prompt": "p", "chosen": "c", "answer": "a"}), "field `rejected`: found nothing"),
        (
            json!({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x"}],
                "rejected": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "x"}]}),
            "field `rejected`: found a chat that differs",
        ),
        (
            json!({"prompt": "p", "answer": [{"role": "user", "content": "other"}, {"role": "assistant", "content": "x"}]}),
            "not those of the prompt",
        ),
    ];
    for (row, expected) in cases {
        let error = fault(&row);
        assert!(error.starts_with("data.jsonl:1: "), "{error}");
        assert!(error.contains(expected), "{error}\n  expected: {expected}");
    }
}

#[test]
fn bad_lines_stand_between_good_ones_and_are_numbered() {
    let mut bytes = b"\xef\xbb\xbf{\"prompt\": \"p\", \"answer\": \"a\"}\r\n\r\n".to_vec();
    bytes.extend(b"{\"prompt\": \"p\", \"answer\": \"\xff\", \"id\": \"u\"}\n");
    bytes.extend(b"{\"prompt\": \"p\", \"answer\": \"\\ud800\"}\n");
    bytes.extend(b"{\"prompt\": \"p\" \"answer\"}\n[1]\n\"text\"\n");
    bytes.extend(b"{\"id\": 9, \"prompt\": \"p\", \"answer\": \"a\", \"score\": NaN}");
    let rows = rows(bytes);
    let errors: Vec<_> = rows.iter().map(|r| r.content.as_ref().err().map_or("", |e| e)).collect();
    let ids: Vec<_> = rows.iter().map(|r| r.id.clone()).collect();
    assert_eq!(ids, [json!(1), json!("u"), json!(3), json!(4), json!(5), json!(6), json!(9)]);
    let expected = [
        "",
        ":3: field `answer`: found bytes that are not UTF-8 (at byte 28)",
        ":4: field `answer`: found a lone surrogate",
        ":5: found no JSON (expected `,` or `}` at column 16)",
        ":6: found a list",
        ":7: found text",
        "",
    ];
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}\n  expected: {expected}");
        assert_eq!(error.is_empty(), expected.is_empty(), "{error}");
    }
    assert_eq!(rows[6].extra["score"], Value::Null);
}

#[test]
fn files_that_hold_no_rows_are_named() {
    for (bytes, expected) in [
        (&b""[..], "no rows"),
        (b"\n \n", "no rows"),
        (b"\x1f\x8b\x08\0", "gz data that is cut off"),
        (b"PK\x03\x04", "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n", "git lfs pull"),
        (b"[]", "no rows"),
    ] {
        let all = read(bytes);
        assert_eq!(all.len(), 1, "{all:?}");
        let error = all[0].as_ref().unwrap_err();
        assert!(error.starts_with("data.jsonl") && error.contains(expected), "{error}");
    }
}

#[test]
fn the_next_file_goes_on_and_numbers_run_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a"), "{\"prompt\": \"p\", \"answer\": \"a\"}\n").unwrap();
    std::fs::write(path("b"), "{\"prompt\": \"p\", \"answer\": \"b\"}").unwrap();
    let sources = [path("a"), path("missing"), folder.path().to_path_buf(), path("b")].map(Source::from_path);
    let all: Vec<_> = Reader::new(sources).map(|r| r.map_err(|e| e.to_string())).collect();
    assert_eq!(all[0].as_ref().unwrap().id, json!(1));
    assert!(all[1].as_ref().unwrap_err().contains("missing"));
    assert!(all[2].as_ref().unwrap_err().contains("a folder"));
    assert_eq!(all[3].as_ref().unwrap().id, json!(2));
    assert_eq!(all.len(), 4);
    assert_eq!(Source::from_path(Path::new("-").into()), Source::Stdin);
}

#[test]
fn a_line_of_ten_megabytes_is_a_row() {
    let answer = "x".repeat(10 << 20);
    let line = json!({"prompt": "p", "answer": answer}).to_string();
    assert_eq!(item(&json!({"prompt": "p", "answer": answer})).input.answer.len(), 10 << 20);
    let rows = rows(format!("{line}\n{line}"));
    assert!(rows.iter().all(|r| r.content.is_ok()));
}

/// Endless rows: what is held must not grow with what was read.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = format!("{{\"prompt\": \"p{}\", \"answer\": \"a\"}}\n", self.0);
        self.0 += 1;
        let n = line.len().min(buffer.len());
        buffer[..n].copy_from_slice(&line.as_bytes()[..n]);
        Ok(n)
    }
}

#[test]
fn rows_come_one_at_a_time() {
    let last = Reader::over("endless", Endless(0)).take(20_000).last().unwrap().unwrap();
    assert_eq!(last.number, 20_000);
}

#[test]
fn a_row_by_hand() {
    let row = Row::by_hand("p", "a", Some("c"));
    assert_eq!(row.id, json!(1));
    let Content::One(item) = row.content.unwrap() else { panic!() };
    assert_eq!(item.critique(), CritiqueText::Text("c".into()));
    assert!(Row::by_hand("p", "", None).content.is_ok(), "an empty answer can be judged");
    assert!(Row::by_hand(" ", "a", None).content.unwrap_err().contains("field `prompt`"));
}

/// Any JSON, leaning to what rows look like.
fn any_row() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof![Just("user".to_owned()), Just("assistant".to_owned()), Just("text".to_owned()), ".{0,4}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    let keys = [
        "id",
        "prompt",
        "answer",
        "critique",
        "critique_token_ids",
        "chosen",
        "rejected",
        "role",
        "content",
        "type",
        "text",
        "x",
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys.to_vec()), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_give_rows_or_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(bytes);
    }

    #[test]
    fn any_json_gives_one_row(lines in prop::collection::vec(any_row(), 1..5)) {
        let text: String = lines.iter().map(|v| format!("{v}\n")).collect();
        let rows = read(format!("{{}}\n{text}"));
        prop_assert_eq!(rows.len(), lines.len() + 1);
        for row in rows {
            let row = row.unwrap();
            if let Err(error) = row.content {
                prop_assert!(error.starts_with("data.jsonl:"), "{}", error);
            }
        }
    }

    #[test]
    fn a_damaged_row_is_an_error_not_a_panic(at in 0usize..60, byte in any::<u8>()) {
        let mut line = br#"{"id": 1, "prompt": "p \ud83d\ude00", "answer": "a", "x": [NaN]}"#.to_vec();
        line[at] = byte;
        read(line);
    }
}
