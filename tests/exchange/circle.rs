//! Export, import into nothing, export: the same bytes. Import twice: once.

use std::fs;
use std::path::Path;

use outloud::checkpoint::{Message, Prompt};
use outloud::exchange::{Columns, Format, Imported, Meanings, Options, Part, To, import, read};
use outloud::label::Rule;
use outloud::session::{Choice, Example, Folder, Progress};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::sample::{FORMATS, Hand, book, exported, sample};

fn taken(folder: &Folder, file: &Path) -> Imported {
    let read = read(file, &Columns::default(), &Meanings::default()).unwrap();
    let done = import(folder, &read, Some("importer"), &[]).unwrap();
    assert_eq!(done.bad, Vec::<String>::new());
    done
}

/// Goes round once, for one way of writing.
fn round(folder: &Folder, dir: &Path, options: &Options, extension: &str) {
    let what = format!("{options:?}");
    let first = exported(folder, options);
    let file = dir.join(format!("labels.{extension}"));
    fs::write(&file, &first.bytes).unwrap();
    let other = Folder::open(&dir.join("other")).unwrap();
    if first.rows > 0 {
        let done = taken(&other, &file);
        assert!(done.events > 0, "{what}: {done:?}");
        // Who was imported has the name of its own, or the importer's; the rule looks for that one.
        let options = match (&options.rule, options.to) {
            (Rule::Annotator(_), To::Cloud | To::Trl | To::RewardBench) => {
                Options { rule: Rule::Annotator("importer".into()), ..options.clone() }
            }
            _ => options.clone(),
        };
        let second = exported(&other, &options);
        assert_eq!(String::from_utf8_lossy(&first.bytes), String::from_utf8_lossy(&second.bytes), "{what}");
        assert!(first.bytes == second.bytes, "{what}");
        let events = book(&other).len();
        let again = taken(&other, &file);
        assert_eq!((again.events, book(&other).len()), (0, events), "{what}: imported twice");
    }
    fs::remove_dir_all(dir.join("other")).ok();
}

#[test]
fn export_import_export_gives_the_same_bytes() {
    for with_chat in [false, true] {
        let dir = TempDir::new().unwrap();
        let folder = sample(&dir.path().join("session"), with_chat);
        for (to, format, extension) in FORMATS {
            for rule in [Rule::Latest, Rule::Majority, Rule::Annotator("bo b".into())] {
                round(&folder, dir.path(), &Options { format, rule, ..Options::new(to) }, extension);
            }
            for part in [Part::Train, Part::Test] {
                let split = Some((0.4, part));
                round(&folder, dir.path(), &Options { format, split, ..Options::new(to) }, extension);
            }
        }
    }
}

#[test]
fn an_export_taken_into_its_own_session_adds_nothing() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), true);
    let before = book(&folder).len();
    for (to, format, extension) in FORMATS {
        // These name the annotators; of the others the importer's own labels would be new.
        if matches!(to, To::Argilla | To::LabelStudio | To::Events) {
            let file = dir.path().join(format!("labels.{extension}"));
            fs::write(&file, exported(&folder, &Options { format, ..Options::new(to) }).bytes).unwrap();
            let done = taken(&folder, &file);
            assert_eq!((done.events, book(&folder).len()), (0, before), "{to:?} {done:?}");
        }
    }
}

#[test]
fn a_row_that_turns_the_pair_round_is_a_label_of_the_same_example() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let examples = book(&folder).examples().count();
    let file = dir.path().join("labels.jsonl");
    fs::write(&file, exported(&folder, &Options::new(To::Trl)).bytes).unwrap();
    let done = taken(&folder, &file);
    assert_eq!((done.examples, book(&folder).examples().count()), (0, examples));
    // The newest labels are the importer's now, and say the same.
    let again =
        exported(&folder, &Options { rule: Rule::Annotator("importer".into()), ..Options::new(To::Trl) });
    assert_eq!(again.bytes, fs::read(&file).unwrap());
}

#[test]
fn an_undone_import_can_be_taken_in_again() {
    let dir = TempDir::new().unwrap();
    let folder = sample(&dir.path().join("session"), false);
    let file = dir.path().join("labels.csv");
    fs::write(&file, "id,choice\nrow-0,rejected\n").unwrap();
    assert_eq!(taken(&folder, &file).events, 1);
    let id = book(&folder).entries().last().unwrap().id.clone();
    let mut pen = outloud::session::Pen::new("importer");
    let draft = pen.write(outloud::session::Event::Undo { events: vec![id] });
    let (live, notices) = outloud::session::open(&folder, &pen).unwrap();
    live.save(draft).unwrap();
    assert_eq!(live.close(std::time::Duration::from_secs(30)).unsaved, 0);
    drop(notices);
    assert_eq!(taken(&folder, &file).events, 1);
    assert_eq!(taken(&folder, &file).events, 0);
}

fn text() -> impl Strategy<Value = String> {
    // What breaks columns, lines, cells, JSON.
    prop_oneof!["[ -~]{1,12}", "[a-z\\n\\r\\t,;\"'|\\\\{}\\[\\]\u{0}\u{2028}\u{1F642}é]{1,12}"]
}

prop_compose! {
    fn example(number: usize)(chat in any::<bool>(), prompt in text(), answers in (text(), text()), many in any::<bool>())
        -> Example
    {
        let prompt = format!("{number} {prompt}");
        let turn = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
        let prompt = match (chat, many) {
            (false, _) => Prompt::Text(prompt),
            (true, false) => Prompt::Messages(vec![turn("user", &prompt)]),
            (true, true) => Prompt::Messages(vec![turn("system", "x"), turn("user", &prompt)]),
        };
        Example { prompt, answers: vec![answers.0, format!("{}.", answers.1)] }
    }
}

#[derive(Clone, Debug)]
struct Word {
    example: usize,
    by: usize,
    choice: usize,
    bad: bool,
    flag: bool,
    settles: bool,
    state: u8,
    seconds: Option<f64>,
    note: String,
    reasons: Vec<String>,
    correction: Option<(usize, String)>,
    critique: Option<(usize, String, f32)>,
}

prop_compose! {
    fn word()(
        example in 0_usize..4, by in 0_usize..3, choice in 0_usize..5, flags in any::<(bool, bool, bool)>(), state in 0_u8..6,
        seconds in proptest::option::of(0.0_f64..1e4), note in prop_oneof![Just(String::new()), text()],
        reasons in prop::collection::vec(text(), 0..3), correction in proptest::option::of((0_usize..2, text())),
        critique in proptest::option::of((0_usize..2, text(), -1e3_f32..1e3)),
    ) -> Word {
        let (bad, flag, settles) = flags;
        Word { example, by, choice, bad, flag, settles, state, seconds, note, reasons, correction, critique }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_session_goes_round(
        examples in (example(0), example(1), example(2), example(3)), words in prop::collection::vec(word(), 1..12),
        way in 0_usize..10, rule in 0_usize..3,
    ) {
        let examples = [examples.0, examples.1, examples.2, examples.3];
        let dir = TempDir::new().unwrap();
        let mut hand = Hand::new(&dir.path().join("session"));
        for (row, example) in examples.iter().enumerate() {
            hand.example(row, &format!("id {row}"), example);
        }
        let names = ["ana", "bo b", "c\"y,"];
        for word in &words {
            let (example, by) = (&examples[word.example], names[word.by]);
            let choices = [Choice::MuchBetter(0), Choice::Better(0), Choice::Tie, Choice::Better(1), Choice::MuchBetter(1)];
            hand.label(by, example, choices[word.choice], |label| {
                (label.all_bad, label.flag, label.adjudicates) = (word.bad, word.flag, word.settles);
                (label.seconds, label.note) = (word.seconds, word.note.clone());
                label.reasons = word.reasons.clone();
                match word.state {
                    0 => (label.state, label.choice) = (Progress::Skipped, None),
                    1 => label.state = Progress::Draft,
                    2 => label.choice = None,
                    _ => {}
                }
            });
            if let Some((answer, text)) = &word.correction {
                hand.correct(by, example, *answer, text);
            }
            if let Some((answer, text, reward)) = &word.critique {
                hand.critique(example, *answer, text, *reward);
            }
        }
        let (to, format, extension) = FORMATS[way];
        let rule = [Rule::Latest, Rule::Majority, Rule::Annotator("ana".into())][rule].clone();
        round(&hand.folder, dir.path(), &Options { format, rule, all_bad: true, ..Options::new(to) }, extension);
        round(&hand.folder, dir.path(), &Options { format: Format::JsonLines, ..Options::new(To::Argilla) }, "jsonl");
    }
}
