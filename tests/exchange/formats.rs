//! Every format as it is written: golden files, what is left out, the split, the card, the command.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use outloud::exchange::{Format, Options, Part, To};
use outloud::label::Rule;
use serde_json::Value;
use tempfile::TempDir;

use crate::sample::{FORMATS, exported, sample, written};

/// Compares with a file of the repository; `OUTLOUD_BLESS=1` writes it.
fn golden(name: &str, text: &str) {
    let text = text.replace(&format!("outloud {}", env!("CARGO_PKG_VERSION")), "outloud VERSION");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchange/golden").join(name);
    if std::env::var_os("OUTLOUD_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn every_format_is_written_as_it_was() {
    for (with_chat, name) in [(false, "text"), (true, "chat")] {
        let dir = TempDir::new().unwrap();
        let folder = sample(&dir.path().join("session"), with_chat);
        for (to, format, extension) in FORMATS.iter().filter(|(_, format, _)| *format == Format::JsonLines) {
            let export = exported(&folder, &Options { format: *format, ..Options::new(*to) });
            golden(&format!("{}-{name}.{extension}", to.name()), std::str::from_utf8(&export.bytes).unwrap());
            golden(&format!("{}-{name}.card.md", to.name()), &export.card);
        }
    }
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn what_is_no_preference_is_left_out_and_counted() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let export = exported(&folder, &Options::new(To::Cloud));
    let cloud = rows(&written(&folder, To::Cloud));
    assert_eq!(ids(&cloud), ["row-0", "row-1", "row-4", "row-6"]);
    let left: Vec<_> = export.left.into_iter().collect();
    let expected = [
        ("a review and no label", 1),
        ("a tie", 1),
        ("no answer is good", 1),
        ("skipped by an annotator", 1),
    ];
    assert_eq!(left, expected);

    let majority = Options { rule: Rule::Majority, ..Options::new(To::Cloud) };
    // Row 4 has one label for each side.
    assert_eq!(exported(&folder, &majority).left["no majority"], 1);
    let one = Options { rule: Rule::Annotator("bo b".into()), all_bad: true, ..Options::new(To::Cloud) };
    let bytes = exported(&folder, &one).bytes;
    let bo = rows(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(ids(&bo), ["row-0", "row-1", "row-4"]);
    assert_eq!(bo[1]["rejected_feedback"], "Lyon is not the capital: Paris is.");
    let kept = Options { all_bad: true, ..Options::new(To::Trl) };
    assert_eq!(exported(&folder, &kept).rows, 5);
    let strict = Options { min_labels: 2, no_conflicts: true, ..Options::new(To::Trl) };
    let strict = exported(&folder, &strict);
    // Row 1 was settled, row 4 was not.
    assert_eq!((strict.rows, strict.left["annotators in conflict"]), (2, 1));
}

#[test]
fn feedback_is_the_correction_else_the_models_else_empty() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let cloud = rows(&written(&folder, To::Cloud));
    let of = |row: usize, column: &str| cloud[row][column].clone();
    assert_eq!(of(0, "chosen_feedback"), "Right: 2 + 2 is 4.");
    assert_eq!((of(0, "chosen_feedback_from"), of(0, "chosen_reward")), ("model".into(), 1.5.into()));
    // The newest correction; its reward nobody has read.
    assert_eq!((of(1, "chosen"), of(1, "strength")), ("Paris, of course.".into(), "much".into()));
    assert_eq!(
        (of(1, "rejected_feedback"), of(1, "rejected_feedback_from")),
        ("Lyon is wrong.".into(), "corrected".into())
    );
    assert_eq!((of(1, "rejected_reward"), of(1, "chosen_reward")), (Value::Null, 0.125.into()));
    assert_eq!((of(2, "chosen_feedback"), of(2, "chosen_feedback_from")), ("".into(), "none".into()));
}

#[test]
fn no_prompt_is_in_both_parts_and_every_row_in_one() {
    let dir = TempDir::new().unwrap();
    for with_chat in [false, true] {
        let folder = sample(&dir.path().join(with_chat.to_string()), with_chat);
        for to in [To::Cloud, To::Trl, To::RewardBench, To::Argilla] {
            let part = |part| {
                let options = Options { split: Some((0.5, part)), ..Options::new(to) };
                String::from_utf8(exported(&folder, &options).bytes).unwrap()
            };
            let (train, test) = (part(Part::Train), part(Part::Test));
            let mut both: Vec<&str> = train.lines().chain(test.lines()).collect();
            let all = written(&folder, to);
            let mut whole: Vec<&str> = all.lines().collect();
            both.sort_unstable();
            whole.sort_unstable();
            assert_eq!(both, whole, "{to:?}");
            let prompts = |text: &str| -> HashSet<String> {
                rows(text)
                    .iter()
                    .map(|row| row.pointer("/fields/prompt").unwrap_or_else(|| &row["prompt"]).to_string())
                    .collect()
            };
            assert!(prompts(&train).is_disjoint(&prompts(&test)));
            assert!(!train.is_empty() && !test.is_empty());
        }
    }
}
