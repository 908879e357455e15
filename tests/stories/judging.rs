//! `judge` accepts oracle critiques in every phrasing and catches every verdict turned round.

use outloud::stories::{Judgement, Key, Options, Row, Rows, Split, Templates, judge};

fn rows(count: usize) -> Vec<Row> {
    Rows::new(Options::new(Split::Test, 3)).unwrap().take(count).map(|row| row.unwrap()).collect()
}

fn both(row: &Row) -> [(&str, &Key); 2] {
    [
        (&row.chosen_feedback, row.chosen_key.as_ref().unwrap()),
        (&row.rejected_feedback, row.rejected_key.as_ref().unwrap()),
    ]
}

/// Places of the verdict words with the word that says the opposite.
fn verdicts(critique: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut all = Vec::new();
    for (word, opposite) in
        [(" right", " wrong"), (" wrong", " right"), (" correct", " incorrect"), (" incorrect", " correct")]
    {
        all.extend(critique.match_indices(word).map(|(at, _)| (at, word, opposite)));
    }
    all.sort_unstable();
    all
}

#[test]
fn oracle_critiques_are_right_and_end_in_a_verdict() {
    let wider = Options { restated: true, templates: Templates::Wider(1.0), ..Options::new(Split::Train, 3) };
    let wider = Rows::new(wider).unwrap().take(2000).map(Result::unwrap);
    for row in rows(500).into_iter().chain(wider) {
        for (critique, key) in both(&row) {
            let judged = judge(critique, key);
            assert!(judged.all_right() && judged.all_values(), "{critique}\n{key:?}\n{judged:?}");
            assert_eq!(judged.steps.len(), key.steps.len());
            let correct = critique.ends_with("correct.") && !critique.ends_with("incorrect.");
            assert_eq!(correct, key.correct());
        }
        assert!(row.chosen_key.as_ref().unwrap().correct() && !row.rejected_key.as_ref().unwrap().correct());
    }
}

#[test]
fn each_flipped_verdict_is_caught_where_it_stands() {
    for row in rows(250) {
        for (critique, key) in both(&row) {
            let found = verdicts(critique);
            assert_eq!(found.len(), key.steps.len() + 2, "{critique}");
            for (place, (at, word, opposite)) in found.iter().enumerate() {
                let flipped = format!("{}{opposite}{}", &critique[..*at], &critique[at + word.len()..]);
                let judged = judge(&flipped, key);
                assert!(!judged.all_right(), "{flipped}");
                let expected = Judgement {
                    steps: (0..key.steps.len()).map(|step| step != place).collect(),
                    values: vec![true; key.steps.len()],
                    final_line: place != key.steps.len(),
                    verdict: place != key.steps.len() + 1,
                };
                assert_eq!(judged, expected, "{flipped}");
            }
        }
    }
}

#[test]
fn missing_doubled_and_empty_verdicts_are_not_right() {
    for row in rows(60) {
        for (critique, key) in both(&row) {
            let lines: Vec<&str> = critique.lines().collect();
            for gone in 0..lines.len() {
                let rest: Vec<&str> =
                    lines.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, line)| *line).collect();
                assert!(!judge(&rest.join("\n"), key).all_right(), "without line {gone}: {critique}");
            }
            let doubled = format!("{}\n{critique}", lines[0]);
            assert!(!judge(&doubled, key).all_right(), "{doubled}");
            assert!(!judge("", key).all_right() && !judge("Verdict: correct.", key).all_right());
            let two =
                critique.replacen(" right", " right, wrong", 1).replacen(" wrong.", " wrong or right.", 1);
            assert!(!judge(&two, key).all_right(), "{two}");
        }
    }
}

#[test]
fn a_wrong_value_with_a_right_verdict_is_told_apart() {
    let row = rows(40).into_iter().find(|row| row.chosen_feedback.contains(", so ")).unwrap();
    let key = row.chosen_key.as_ref().unwrap();
    let value = format!("so {}.", key.steps[0].truth);
    let value =
        if row.chosen_feedback.contains(&value) { value } else { format!("makes {}.", key.steps[0].truth) };
    let wrong = row.chosen_feedback.replacen(&value, "so 1000.", 1);
    let judged = judge(&wrong, key);
    assert!(judged.all_right() && !judged.all_values() && !judged.values[0], "{wrong}\n{judged:?}");
}

#[test]
fn other_wordings_are_read() {
    let key: Key = serde_json::from_str(
        r#"{"steps":[{"at":"Monday","truth":54,"said":54},{"at":"Tuesday","truth":61,"said":62}],"truth":61,"said":62}"#,
    )
    .unwrap();
    for good in [
        "Monday is right. Tuesday is not right. The end is WRONG, so the answer is Incorrect",
        "MONDAY she sells 5 - correct!\n\nTuesday: it should be 61 (wrong). In the end wrong. Verdict: not correct",
        "Monday: true. Tuesday: false; after Tuesday false. False.",
    ] {
        assert!(judge(good, &key).all_right(), "{good}");
    }
    for bad in [
        "Tuesday wrong. Monday right. wrong. incorrect",
        "Monday is right. Tuesday is right. The end is wrong. incorrect",
        "Monday is right. Tuesday is wrong. The end is wrong. correct",
        "Monday is right. Tuesday is wrong. incorrect",
    ] {
        assert!(!judge(bad, &key).all_right(), "{bad}");
    }
}
