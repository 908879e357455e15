//! Ids that stand for more than one row: all rows are read, and each repetition is told with both places.

use outloud::data::{Dataset, Options, Source, Stream};

use crate::common::*;

fn row(id: &str, answer: &str) -> String {
    format!("{{{id}\"prompt\": \"p\", \"answer\": \"{answer}\"}}\n")
}

#[test]
fn nothing_is_lost_and_both_places_are_told() {
    let (_a, first) =
        file("a.jsonl", [row("\"id\": \"x\", ", "1"), row("", "2"), row("\"id\": \"x\", ", "3")].concat());
    // A bad row has an id, too; 2 is the number of the row without one; null is none.
    let text = "[{\"id\": \"x\", \"prompt\": null}, {\"id\": 2, \"prompt\": \"p\", \"answer\": \"a\"},\n{\"id\": null, \"prompt\": \"p\", \"answer\": \"a\"}, {\"id\": \"y\", \"prompt\": \"p\", \"answer\": \"a\"}]";
    let (_b, second) = file("b.json", text);
    let sources = [first.clone(), second.clone()].map(Source::File).to_vec();
    let mut data = Dataset::open(sources.clone(), Options::default());
    data.index_all(|_| false);
    assert_eq!((data.len(), data.bad().len()), (6, 1));
    let answers: Vec<String> = examples(&data).into_iter().map(|e| e.answers[0].text.clone()).collect();
    assert_eq!(answers[..3], ["1", "2", "3"]);
    assert_eq!(data.files().iter().map(|file| file.repeated).collect::<Vec<_>>(), [1, 2]);
    let told: Vec<_> = data
        .repeats()
        .iter()
        .map(|r| (r.id.as_str(), r.file, r.place.to_string(), r.first_file, r.first.to_string()))
        .collect();
    let expected = [
        ("x", 0, ":3".to_owned(), 0, ":1".to_owned()),
        ("x", 1, ":1 (row 1)".to_owned(), 0, ":1".to_owned()),
        ("2", 1, ":1 (row 2)".to_owned(), 0, " row 2".to_owned()),
    ];
    assert_eq!(told, expected);
    let stream: Vec<_> = Stream::new(sources, Options::default()).map(Result::unwrap).collect();
    let streamed: Vec<_> = stream.into_iter().filter_map(|row| row.repeats).map(|r| *r).collect();
    assert_eq!(streamed, data.repeats());
}

#[test]
fn rows_without_ids_and_with_their_own_repeat_nothing() {
    let text: String = (1..=50).map(|n| row(&format!("\"id\": {n}, "), "a")).collect();
    for text in [answers(50), text] {
        let data = of("x.jsonl", text);
        assert_eq!((data.len(), data.files()[0].repeated, data.repeats().len()), (50, 0, 0));
    }
}

#[test]
fn many_repetitions_are_counted_and_a_thousand_named() {
    let text: String = (0..3000).map(|_| row("\"id\": \"same\", ", "a")).collect();
    let data = of("x.jsonl", text);
    assert_eq!((data.files()[0].repeated, data.repeats().len()), (2999, 1000));
}
