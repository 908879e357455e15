//! Many rows: the filter language, orders against a naive model, looking through, bad rows, export.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use std::io::Write as _;
use std::path::Path;

use outloud::browse::filter::{Compare, Operand};
use outloud::browse::{Ask, Column, Export, Filter, For, News, Query, Summary, Worker};
use outloud::data::{Dataset, Options, Source};
use proptest::prelude::*;

/// A row of the model.
#[derive(Clone, Debug)]
struct Row {
    prompt: String,
    chosen: String,
    rejected: Option<String>,
    scores: Option<(f64, f64)>,
    steps: Option<i64>,
    word: Option<String>,
}

impl Row {
    fn json(&self, at: usize) -> String {
        let mut row =
            serde_json::json!({"id": format!("r{at}"), "prompt": self.prompt, "chosen": self.chosen});
        row["rejected"] = self.rejected.clone().unwrap_or_else(|| "other".into()).into();
        if let Some((a, b)) = self.scores {
            (row["score_chosen"], row["score_rejected"]) = (a.into(), b.into());
        }
        if let Some(steps) = self.steps {
            row["steps"] = steps.into();
        }
        if let Some(word) = &self.word {
            row["word"] = word.clone().into();
        }
        row.to_string()
    }
}

fn row() -> impl Strategy<Value = Row> {
    let score = || (-3i32..4).prop_map(|n| f64::from(n) / 2.0);
    (
        "[a-c ]{1,6}x",
        "[a-d]{1,9}y",
        prop::option::of("[a-d]{1,9}z"),
        prop::option::of((score(), score())),
        prop::option::of(0i64..6),
        prop::option::of("[A-Ca-c]{1,3}"),
    )
        .prop_map(|(prompt, chosen, rejected, scores, steps, word)| Row {
            prompt,
            chosen,
            rejected,
            scores,
            steps,
            word,
        })
}

fn file(lines: impl IntoIterator<Item = String>) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file
}

fn worker(path: &Path) -> Worker {
    Worker::new(Dataset::open(vec![Source::File(path.into())], Options::default()))
}

/// Works until nothing is left; all that was told.
fn finish(worker: &mut Worker) -> Vec<News> {
    let mut news = Vec::new();
    while !worker.is_idle() {
        news.extend(worker.work());
    }
    news
}

fn view(worker: &mut Worker, query: Query) -> Vec<u32> {
    let mut news = worker.hear(Ask::Query(7, query));
    news.extend(finish(worker));
    let last = news.into_iter().rev().find_map(|news| match news {
        News::View { id: 7, rows, share: None } => Some(rows.map(|rows| rows.to_vec())),
        _ => None,
    });
    last.expect("a complete view").expect("rows")
}

fn filter(text: &str) -> Option<Filter> {
    Some(Filter::parse(text).unwrap())
}

/// The value of a column of the model, as (number, text).
fn naive(row: &Row, at: usize, column: &str) -> (Option<f64>, Option<String>) {
    match column {
        "row" => (Some(at as f64 + 1.0), None),
        "margin" => (row.scores.map(|(a, b)| a - b), None),
        "reward" => (row.scores.map(|(a, _)| a), None),
        "length" => (Some(row.chosen.chars().count() as f64), None),
        "steps" => (row.steps.map(|n| n as f64), None),
        "word" => (None, row.word.clone()),
        "id" => (None, Some(format!("r{at}"))),
        "prompt" => (None, Some(row.prompt.clone())),
        _ => unreachable!(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn filtered_and_ordered_as_a_naive_model_does(
        rows in prop::collection::vec(row(), 1..40),
        column in prop::sample::select(vec!["row", "margin", "reward", "length", "steps", "word", "id", "prompt"]),
        descending: bool,
        bound in -2i32..3,
    ) {
        let file = file(rows.iter().enumerate().map(|(at, row)| row.json(at)));
        let mut worker = worker(file.path());
        let text = format!("margin >= {bound} or not (steps < 3) and word ~ a");
        let query = Query { filter: filter(&text), sort: Some((Column::named(column), descending)) };
        let got = view(&mut worker, query);
        let keeps = |row: &Row| {
            let margin = row.scores.map(|(a, b)| (a - b) as f32).is_some_and(|m| m >= bound as f32);
            let steps = row.steps.is_some_and(|n| n < 3);
            margin || (!steps && row.word.as_ref().is_some_and(|w| w.to_lowercase().contains('a')))
        };
        let mut expected: Vec<usize> = (0..rows.len()).filter(|at| keeps(&rows[*at])).collect();
        // The standard library's sort is stable.
        expected.sort_by(|a, b| {
            let (a, b) = (naive(&rows[*a], *a, column), naive(&rows[*b], *b, column));
            let missing = |v: &(Option<f64>, Option<String>)| v.0.is_none() && v.1.is_none();
            if missing(&a) || missing(&b) {
                return missing(&a).cmp(&missing(&b));
            }
            let order = a.partial_cmp(&b).unwrap();
            if descending { order.reverse() } else { order }
        });
        let expected: Vec<u32> = expected.into_iter().map(|at| at as u32).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn random_text_is_no_panic(text in ".{0,80}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn random_words_are_no_panic_and_what_parses_is_written_as_it_is_read(
        words in prop::collection::vec(prop::sample::select(vec![
            "and", "or", "not", "(", ")", "margin", "label", "=", "!=", "<", "~", "0.5", "-3e9", "tie", "none",
            "\"two words\"", "\"", "\\", "!", "AND", "wörter", "\"none\"", "\"1\"", "\"a\\\"b\"",
        ]), 0..14)
    ) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }

    #[test]
    fn every_filter_is_read_as_it_is_written(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter.clone()), "{}", filter);
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let column = prop_oneof![
        prop::sample::select(Column::FIRST.to_vec()),
        "\\PC{0,8}".prop_map(Column::File),
        "(and|row|a b|none)".prop_map(Column::File),
    ];
    let operand = prop_oneof![
        prop::num::f64::NORMAL.prop_map(Operand::Number),
        "\\PC{0,8}".prop_map(Operand::Text),
        "(1|none|or|a\"b|inf)".prop_map(Operand::Text),
        Just(Operand::None),
    ];
    let sign = prop::sample::select(vec![
        Compare::Is,
        Compare::IsNot,
        Compare::Less,
        Compare::AtMost,
        Compare::More,
        Compare::AtLeast,
        Compare::Has,
        Compare::HasNot,
    ]);
    let leaf = (column, sign, operand).prop_map(|(column, sign, operand)| Filter::Is(column, sign, operand));
    leaf.prop_recursive(5, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|a| Filter::Not(Box::new(a))),
        ]
    })
}

#[test]
fn errors_say_where_and_what_is_expected() {
    for (text, at, found, expected) in [
        ("margin < ", 9, "the end", "a number, a word"),
        ("margin 0.5", 7, "`0.5`", "one of = !="),
        ("margin < 1 label = tie", 11, "`label`", "`and`, `or`, or the end"),
        ("(margin < 1", 11, "the end", "`)`"),
        ("label = \"ti", 11, "the end", "`\"`"),
        ("label ! tie", 6, "`!`", "`!=` or `!~`"),
        ("and", 0, "`and`", "a column"),
    ] {
        let wrong = Filter::parse(text).unwrap_err();
        assert_eq!((wrong.at, wrong.found.as_str()), (at, found), "{text}");
        assert!(wrong.expected.contains(expected), "{text}: {wrong}");
    }
    let deep = "not ".repeat(100_000) + "margin < 1";
    assert!(Filter::parse(&deep).unwrap_err().expected.contains("nesting"));
}

#[test]
fn rows_that_are_none_are_listed_with_file_line_and_reason_and_can_be_written() {
    let file = file([
        r#"{"id":"a","prompt":"p","chosen":"x","rejected":"y"}"#.into(),
        r#"{"id":"b","prompt":"p"}"#.into(),
        "no json".into(),
        r#"{"id":"c","prompt":"p","chosen":"x","rejected":"y"}"#.into(),
    ]);
    let mut worker = worker(file.path());
    let told = finish(&mut worker);
    let index = told.iter().rev().find_map(|news| match news {
        News::Index(index) => Some(index.clone()),
        _ => None,
    });
    let index = index.unwrap();
    assert_eq!((index.rows, index.bad, index.done), (2, 2, true));
    let news = worker.hear(Ask::Bad(0, 10));
    let [News::Bad(0, lines)] = news.as_slice() else { panic!("{news:?}") };
    assert!(lines[0].0.ends_with(".jsonl:2") && lines[1].0.ends_with(".jsonl:3"), "{lines:?}");
    assert!(lines[0].1.contains("expected") && lines[1].1.contains("found"), "{lines:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    worker.hear(Ask::Export(Export::Bad, path.clone()));
    finish(&mut worker);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"id\":\"b\",\"prompt\":\"p\"}\nno json\n");
}

#[test]
fn rows_and_numbers_are_written_and_nothing_is_written_over() {
    let lines: Vec<String> = (0..500)
        .map(|n| format!(r#"{{"id":"r{n}","prompt":"p{n}","answer":"{}"}}"#, "a".repeat(n % 7 + 1)))
        .collect();
    let file = file(lines.clone());
    let mut worker = worker(file.path());
    finish(&mut worker);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.jsonl");
    worker.hear(Ask::Export(Export::Rows(vec![3, 400, 1]), path.clone()));
    let news = finish(&mut worker);
    assert!(matches!(news.as_slice(), [.., News::Exported(Ok(text))] if text.contains("3 rows")), "{news:?}");
    let expected = format!("{}\n{}\n{}\n", lines[3], lines[400], lines[1]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    let news = worker.hear(Ask::Export(Export::Numbers(vec![0]), path.clone()));
    assert!(matches!(news.as_slice(), [News::Exported(Err(text))] if text.contains("exists")), "{news:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    let numbers = folder.path().join("numbers.txt");
    worker.hear(Ask::Export(Export::Numbers(vec![9, 0]), numbers.clone()));
    finish(&mut worker);
    assert_eq!(std::fs::read_to_string(&numbers).unwrap(), "10\n1\n");
}

#[test]
fn words_are_found_forwards_and_backwards_around_the_end() {
    let file = file((0..300).map(|n| {
        format!(r#"{{"prompt":"p{n}","answer":"{}"}}"#, if n % 100 == 50 { "Zebra" } else { "horse" })
    }));
    let mut worker = worker(file.path());
    finish(&mut worker);
    let mut find = |words: &str, from, back| {
        worker.hear(Ask::Find { id: 1, words: words.into(), view: None, from, back });
        match finish(&mut worker).pop() {
            Some(News::Found(1, at)) => at,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(find("zebra", 51, false), Some(150));
    assert_eq!(find("zebra", 251, false), Some(50), "around the end");
    assert_eq!(find("zebra", 49, true), Some(250), "around the beginning");
    assert_eq!(find("ZEBRA", 0, false), None, "capitals count");
}

#[test]
fn a_new_query_drops_the_one_before_and_a_mark_changes_rewards() {
    let file = file((0..20_000).map(|n| format!(r#"{{"prompt":"p{n}","chosen":"{n}","rejected":"no"}}"#)));
    let mut worker = worker(file.path());
    worker.hear(Ask::Query(1, Query { filter: filter("prompt ~ 7"), sort: None }));
    worker.work();
    worker.hear(Ask::Query(2, Query { filter: filter("row <= 3"), sort: Some((Column::Number, true)) }));
    let news = finish(&mut worker);
    assert!(
        !news.iter().any(|news| matches!(news, News::View { id: 1, .. })),
        "the first one is not told of"
    );
    let last = news.iter().rev().find_map(|news| match news {
        News::View { id: 2, rows: Some(rows), share: None } => Some(rows.to_vec()),
        _ => None,
    });
    assert_eq!(last, Some(vec![2, 1, 0]));
    worker.hear(Ask::Mark(2, [1.5, 0.25]));
    assert_eq!(view(&mut worker, Query { filter: filter("margin = 1.25"), sort: None }), [1]);
    let rows = worker.hear(Ask::Rows(vec![1], For::Open));
    assert!(matches!(rows.as_slice(), [News::Rows(rows, For::Open)] if rows[0].1.is_ok()));
}

#[test]
fn charts_are_of_the_view() {
    let rows = (0..2000).map(|n: i32| {
        let score = f64::from(n % 10) / 10.0;
        format!(
            r#"{{"prompt":"p","chosen":"{}","rejected":"b","score_chosen":{score},"score_rejected":0.5}}"#,
            "a".repeat(n as usize % 10 + 1)
        )
    });
    let file = file(rows);
    let mut worker = worker(file.path());
    let summary = |news: Vec<News>| -> Summary {
        let last = news.into_iter().rev().find_map(|news| match news {
            News::Summary(summary) => Some(*summary),
            _ => None,
        });
        last.unwrap()
    };
    let all = summary(finish(&mut worker));
    assert_eq!((all.answers, all.margins.count), (4000, 2000));
    assert_eq!(all.rewards.bins.iter().map(|(n, _)| *n).sum::<u32>(), 4000);
    assert_eq!(all.points.iter().map(|p| p.count).sum::<u32>(), 4000);
    worker.hear(Ask::Query(3, Query { filter: filter("length <= 3"), sort: None }));
    let some = summary(finish(&mut worker));
    assert_eq!(some.margins.count, 600);
    assert!((some.margins.mean + 0.4).abs() < 1e-6, "{}", some.margins.mean);
}

/// `cargo test --test browse --release -- --ignored --nocapture`: a million rows.
#[test]
#[ignore = "a measurement: a million rows take their time"]
fn a_million_rows() {
    use std::time::Instant;
    let file = file((0..1_000_000).map(|n: i64| {
        let score = ((n * 7919) % 1000) as f64 / 100.0;
        format!(
            r#"{{"id":"row-{n}","prompt":"How much is {n} + {}?","chosen":"It is {}.","rejected":"No idea, {}","score_chosen":{score},"score_rejected":5.0,"steps":{}}}"#,
            n % 97, n + n % 97, "x".repeat(n as usize % 60), n % 9
        )
    }));
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let before = memory();
    let mut worker = worker(file.path());
    let mut longest = 0.0f64;
    let mut timed = |what: &str, worker: &mut Worker| {
        let start = Instant::now();
        let mut slice = 0.0f64;
        while !worker.is_idle() {
            let one = Instant::now();
            worker.work();
            slice = slice.max(one.elapsed().as_secs_f64());
        }
        longest = longest.max(slice);
        println!(
            "{what}: {:.2} s, longest slice {:.0} ms, {:.0} MB more",
            start.elapsed().as_secs_f64(),
            slice * 1e3,
            memory() - before
        );
    };
    timed("index and charts", &mut worker);
    for (text, sort) in [
        ("margin < 0.5", None),
        ("margin < 0.5 and not steps >= 3", None),
        ("prompt ~ 4242", None),
        ("row > 0", Some((Column::Margin, true))),
        ("row > 0", Some((Column::Id, false))),
    ] {
        let name = format!("{text} by {sort:?}");
        worker.hear(Ask::Query(1, Query { filter: filter(text), sort }));
        timed(&name, &mut worker);
    }
}
