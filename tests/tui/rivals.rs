//! Rows of several answers without a preference are labelled two by two.

use outloud::app::{Example, Origin, Stand};
use outloud::label::{Rule, agreement, outcome};
use outloud::rows::Reader;
use outloud::session::{Book, Progress};

use serde_json::json;

use crate::labelling::Desk;
use crate::stage::Stage;

/// A row of four answers, a tie of two, a pair, a single answer.
const ROWS: &str = r#"{"id": "four", "prompt": "Name a prime.", "completions": ["2", "4", "9", "1"]}
{"id": "tied", "question": "q", "response_a": "one", "response_b": "two", "winner": "tie"}
"#;
const OTHERS: &str = r#"{"id": "pair", "prompt": "p", "chosen": "good", "rejected": "bad"}
{"id": "single", "prompt": "p", "answer": "a"}
"#;

fn examples() -> Vec<Example> {
    let mut all = Vec::new();
    for (before, text) in ROWS.lines().chain(OTHERS.lines()).enumerate() {
        // One file each: their columns have nothing in common.
        for row in Reader::over("rows.jsonl", std::io::Cursor::new(text.to_owned().into_bytes())) {
            let mut example = Example::from_row(row.unwrap(), Origin::File);
            example.number = Some(before + 1);
            all.push(example);
        }
    }
    all
}

fn desk(by: &str) -> Desk {
    Desk::on(Stage::on(examples()), by, Vec::new())
}

fn ids(desk: &Desk) -> Vec<String> {
    let state = &desk.stage.state;
    state.desk.queue.iter().map(|e| state.examples[*e].id.clone()).collect()
}

#[test]
fn answers_of_a_row_are_held_against_each_other_in_its_place() {
    let desk = desk("ana");
    let all = ids(&desk);
    assert_eq!(all.len(), 6 + 3, "{all:?}");
    let mut four: Vec<&str> = all[..6].iter().map(String::as_str).collect();
    assert!(four.windows(2).any(|w| w[0] > w[1]), "in drawn order: {four:?}");
    four.sort_unstable();
    assert_eq!(four, ["four#1-2", "four#1-3", "four#1-4", "four#2-3", "four#2-4", "four#3-4"]);
    assert_eq!(all[6..], ["tied", "pair", "single"]);
    assert_eq!(desk.stage.state.desk.tally().all, 9, "single answers in pairs do not wait themselves");
    assert_eq!(ids(&self::desk("ben")), all, "the same for everybody");
}

#[test]
fn their_labels_count_as_those_of_any_pair() {
    let (mut ana, mut ben) = (desk("ana"), desk("ben"));
    // The better prime is the first answer; then the smaller number.
    for desk in [&mut ana, &mut ben] {
        for _ in 0..7 {
            let state = &desk.stage.state;
            let at = state.desk.at;
            let first_is_a = state.desk.shown(state.desk.queue[at], 2)[0] == 0;
            desk.press(if first_is_a { "1" } else { "5" });
        }
        desk.save();
    }
    assert!((0..7).all(|at| ana.stand(at) == Stand::Is(Progress::Submitted)));
    let others = ben.saved.clone();
    ana.hear(&others);
    let mut book = Book::default();
    book.insert(ana.saved.clone());
    let all = outcome(&book, &Rule::Majority);
    assert_eq!(all.len(), 7);
    assert!(all.iter().all(|o| o.preference() == Some(1.0) && !o.conflict && o.labels.len() == 2));
    let found = agreement(&book, |_| None);
    assert_eq!((found.between[0].raw.n, found.between[0].raw.value), (7, 1.0));
    // Nobody says chosen or rejected of what the file does not prefer.
    ana.press("l");
    let text = ana.text();
    assert!(text.contains("first-much") && !text.contains("chosen-much"), "{text}");
    ana.press("u esc u").save();
    assert_eq!(ana.stand(5), Stand::Pending);
    ana.press("g i");
    let text = ana.text();
    assert!(text.contains("ANSWER, first") && text.contains("Reward, second"), "{text}");
}

#[test]
fn rows_that_come_later_and_answers_picked_on_inspect_find_their_pairs() {
    let mut desk = Desk::on(Stage::on(Vec::new()), "ana", Vec::new());
    desk.stage.send(outloud::app::Msg::Examples(examples()));
    assert_eq!(desk.stage.state.desk.tally().all, 9);
    desk.press("enter");
    assert_eq!(ids(&desk).len(), 9);
    // From the third answer of the row to a pair it is in.
    desk.press("g i g g J J g l");
    let (_, example) = desk.stage.state.labelled().unwrap();
    assert!(example.id.starts_with("four#") && example.id.contains('3'), "{}", example.id);
}

#[test]
fn what_cannot_be_labelled_offers_no_labels_and_white_space_is_named() {
    let bad =
        Reader::over("rows.jsonl", std::io::Cursor::new(b"{\"id\": \"x\", \"prompt\": \"p\"}\n".to_vec()));
    let bad = bad.map(|row| Example::from_row(row.unwrap(), Origin::File)).collect();
    let mut desk = Desk::on(Stage::on(bad), "ana", Vec::new());
    desk.press("1 b u f K J r c");
    let text = desk.stage.text(120, 30);
    assert!(
        text.contains("nothing here can be labelled") && !text.contains("1/0") && !text.contains("A »"),
        "{text}"
    );
    let blank = Example::text("blank", "p", "  \n ");
    let mut desk = Desk::on(Stage::on(vec![blank]), "ana", Vec::new());
    assert!(desk.text().contains("(only white space)"), "{}", desk.text());
}

#[test]
fn a_long_prompt_takes_the_room_that_short_answers_leave() {
    let lines = (1..=14).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n\n");
    let pair = json!({"id": "x", "prompt": lines, "chosen": "yes", "rejected": "no"}).to_string();
    let rows = Reader::over("rows.jsonl", std::io::Cursor::new(pair.into_bytes()));
    let rows = rows.map(|row| Example::from_row(row.unwrap(), Origin::File)).collect();
    let mut desk = Desk::on(Stage::on(rows), "ana", Vec::new());
    let text = desk.stage.text(120, 44);
    assert!(text.contains("line 14") && text.contains("yes") && text.contains("no"), "{text}");
}

#[test]
fn a_single_answer_has_no_a_and_b() {
    let mut desk = desk("ana");
    let at = ids(&desk).iter().position(|id| id == "single").unwrap();
    while desk.at() != at {
        desk.press("J");
    }
    let text = desk.stage.text(120, 30);
    let footer = text.lines().last().unwrap();
    assert!(
        footer.contains("1 very good") && footer.contains("5 very bad") && footer.contains("4 bad"),
        "{footer}"
    );
    assert!(!footer.contains("A »") && !text.contains("both bad"), "{text}");
    desk.press("K");
    let text = desk.stage.text(120, 30);
    assert!(text.lines().last().unwrap().contains("1 A »") && text.contains("both bad"), "{text}");
    desk.press("?");
    assert!(desk.stage.text(160, 60).contains("of a single answer"), "{}", desk.stage.text(160, 60));
}
