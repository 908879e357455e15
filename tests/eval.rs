//! The demo model's test: intervals against published values, what counts as right, and the whole command on a small scale.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use std::path::Path;
use std::process::Command;

use outloud::eval::best_of::{self, Candidate};
use outloud::eval::statistics::{difference, preferred, share};
use outloud::eval::{lines, outcomes, self_consistency};
use outloud::stories::{Options, Row, Rows, Split};
use serde_json::{Value, json};

fn close(a: f64, b: f64, by: f64) {
    assert!((a - b).abs() <= by, "{a} and {b}");
}

/// Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
#[test]
fn wilson_intervals_are_the_published_ones() {
    for (right, n, low, high) in
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
    {
        let found = share((0..n).map(|i| f64::from(u8::from(i < right))));
        close(found.low, low, 1e-4);
        close(found.high, high, 1e-4);
        assert_eq!(found.n, n);
    }
    assert!(share([]).value.is_nan());
}

#[test]
fn the_interval_of_a_difference_is_that_of_its_mean() {
    // 1000 pairs, difference 1 in 200 of them, -1 in 100: mean 0.1, standard error sqrt((0.3 - 0.01) / 1000).
    let pairs: Vec<(f64, f64)> = (0..1000)
        .map(|i| match i {
            0..200 => (1.0, 0.0),
            200..300 => (0.0, 1.0),
            _ => (1.0, 1.0),
        })
        .collect();
    let found = difference(&pairs, 7);
    let half = 1.96 * (0.29_f64 / 1000.0).sqrt();
    close(found.value, 0.1, 1e-12);
    close(found.low, 0.1 - half, 0.004);
    close(found.high, 0.1 + half, 0.004);
    assert_eq!(found, difference(&pairs, 7));
}

#[test]
fn a_tie_and_no_number_are_no_preference() {
    assert_eq!(preferred(2.0, 1.0), 1.0);
    assert_eq!(preferred(1.0, 2.0), 0.0);
    assert_eq!(preferred(1.0, 1.0), 0.5);
    assert_eq!(preferred(f64::NAN, 1.0), 0.5);
}

fn write(path: &Path, rows: &[Value]) {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(path, text).unwrap();
}

fn rows(count: usize) -> Vec<Row> {
    Rows::new(Options::new(Split::Test, 3)).unwrap().take(count).map(Result::unwrap).collect()
}

#[test]
fn oracle_critiques_have_every_verdict_right_and_exchanged_ones_do_not() {
    let rows = rows(40);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.jsonl");
    let side = |reward: f64, critique: &str| json!({"reward": reward, "critique": critique, "tokens": {"critique": critique.len()}});
    let line = |row: &Row, chosen: &str, rejected: &str| json!({"id": row.id, "chosen": side(2.0, chosen), "rejected": side(1.0, rejected)});

    let mut lines: Vec<Value> =
        rows.iter().map(|r| line(r, &r.chosen_feedback, &r.rejected_feedback)).collect();
    lines[3] = json!({"id": rows[3].id, "error": "too long"});
    lines.reverse();
    write(&path, &lines);
    let found = outcomes::read(&rows, &path).unwrap();
    assert_eq!(found.len(), 39);
    assert!(found.iter().flat_map(|o| o.judgements()).all(|j| j.all_right() && j.all_values()));
    assert!(found.iter().all(|o| o.preferred() == 1.0));
    assert_eq!(found[3].steps, rows[4].steps);

    let exchanged: Vec<Value> =
        rows.iter().map(|r| line(r, &r.rejected_feedback, &r.chosen_feedback)).collect();
    write(&path, &exchanged);
    let found = outcomes::read(&rows, &path).unwrap();
    assert!(found.iter().flat_map(|o| o.judgements()).all(|j| !j.all_right() && !j.verdict));

    std::fs::write(&path, "{\"id\": 3}\n").unwrap();
    let error = outcomes::read(&rows, &path).unwrap_err().to_string();
    assert!(error.contains("results.jsonl:1"), "{error}");
}

#[test]
fn self_consistency_takes_the_mean_of_the_first_n() {
    let rows = rows(2);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.jsonl");
    let side = |rewards: &[f64]| json!({"samples": rewards.iter().map(|r| json!({"reward": r})).collect::<Vec<_>>()});
    let of = |row: &Row, chosen: &[f64], rejected: &[f64]| json!({"id": row.id, "chosen": side(chosen), "rejected": side(rejected)});
    write(
        &path,
        &[
            of(&rows[0], &[0.0, 3.0, 3.0, 3.0], &[1.0, 1.0, 1.0, 1.0]),
            of(&rows[1], &[2.0, 2.0, 2.0, 2.0], &[1.0, 1.0, 1.0, 99.0]),
        ],
    );
    let found = self_consistency::read(&rows, &path).unwrap();
    let all: Vec<_> = found.iter().collect();
    let curve: Vec<(usize, f64)> =
        self_consistency::curve(&all).into_iter().map(|(n, e)| (n, e.value)).collect();
    assert_eq!(curve, [(1, 0.5), (2, 1.0), (4, 0.5)]);
    assert_eq!(self_consistency::gain(&all, 1).value, 0.0);
}

#[test]
fn best_of_n_takes_the_highest_reward_among_the_first_n() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.jsonl");
    let candidate = |problem: usize, number: usize, right: bool| Candidate {
        id: format!("{problem}/{number}"),
        problem,
        prompt: "p".into(),
        answer: "a".into(),
        right,
        steps: 2,
    };
    let candidates: Vec<Candidate> = [(0, [false, true, false, false]), (1, [true, false, false, true])]
        .iter()
        .flat_map(|(problem, right)| right.iter().enumerate().map(|(n, r)| candidate(*problem, n, *r)))
        .chain((0..4).map(|n| candidate(2, n, true)))
        .collect();
    let rewards = [0.0, 1.0, 2.0, -1.0, 5.0, 5.0, 4.0, 3.0, 1.0, 1.0, 1.0];
    let mut lines: Vec<Value> =
        candidates.iter().zip(rewards).map(|(c, r)| json!({"id": c.id, "reward": r})).collect();
    // The last problem has a failed row, so it does not count.
    lines.push(json!({"id": "2/3", "error": "too long"}));
    write(&path, &lines);
    let problems = best_of::read(&candidates, &path).unwrap();
    assert_eq!(problems.len(), 2);
    let all: Vec<_> = problems.iter().collect();
    let curve: Vec<(usize, f64, f64)> =
        best_of::curve(&all).into_iter().map(|(n, best, any)| (n, best.value, any.value)).collect();
    assert_eq!(curve, [(1, 0.5, 0.5), (2, 1.0, 1.0), (4, 0.5, 1.0)]);
}

#[test]
fn candidates_are_right_where_they_say_so_and_as_often_as_asked() {
    let rows = Rows::new(Options::new(Split::Test, 5)).unwrap();
    let (mut right, mut all) = (0, 0);
    for n in 0..60 {
        let problem = rows.problem(n, 16, 0.25).unwrap();
        assert_eq!(problem, rows.problem(n, 16, 0.25).unwrap());
        let last = |answer: &str| -> u32 {
            let mut numbers = answer.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
            numbers.next_back().unwrap().parse().unwrap()
        };
        let truths: Vec<u32> =
            problem.answers.iter().filter(|(_, right)| *right).map(|(a, _)| last(a)).collect();
        assert!(truths.windows(2).all(|pair| pair[0] == pair[1]), "{problem:?}");
        for (answer, is_right) in &problem.answers {
            assert!(*is_right || truths.first().is_none_or(|truth| last(answer) != *truth), "{answer}");
            right += usize::from(*is_right);
            all += 1;
        }
    }
    close(f64::from(right as u32) / f64::from(all as u32), 0.25, 0.05);
}

#[test]
fn the_command_writes_a_report_and_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("report");
    let run = |count: &str| {
        Command::new(env!("CARGO_BIN_EXE_outloud"))
            .args(["demo-report", "--count", count, "--sampled", "2", "--samples", "2"])
            .args(["--problems", "2", "--answers", "2", "--out"])
            .arg(&out)
            .output()
            .unwrap()
    };
    let first = run("3");
    let said = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(0), "{said}");
    let markdown = std::fs::read_to_string(out.join("report.md")).unwrap();
    for part in
        ["## unseen numbers and templates", "bag of words", "critique removed", "## Best of N", "gain"]
    {
        assert!(markdown.contains(part), "{part}\n{markdown}");
    }
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["sets"][0]["accuracy"][0]["all"]["n"], json!(3));
    let svg = std::fs::read_to_string(out.join("report.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));

    // A test that was cut off: one result has fewer rows, and is not marked as done.
    let results = out.join("results/seen-cloud.jsonl");
    let whole = std::fs::read_to_string(&results).unwrap();
    std::fs::write(&results, whole.lines().next().unwrap().to_owned() + "\n").unwrap();
    std::fs::remove_file(out.join("results/seen-cloud.done")).unwrap();
    std::fs::remove_file(out.join("report.md")).unwrap();
    assert_eq!(run("3").status.code(), Some(0));
    assert_eq!(lines::read::<Value>(&results).unwrap().len(), 3);
    assert_eq!(std::fs::read_to_string(out.join("report.md")).unwrap(), markdown);

    let other = run("4");
    assert_eq!(other.status.code(), Some(1), "{}", String::from_utf8_lossy(&other.stderr));
    assert!(String::from_utf8_lossy(&other.stderr).contains("settings.toml"));
}

#[test]
fn before_and_after_counts_what_changed() {
    use outloud::eval::before_after::{Change, Lengths, compare};
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, rewards: &[(f64, f64)]| {
        let path = dir.path().join(name);
        let row = |(i, (c, r)): (usize, &(f64, f64))| {
            json!({"id": i, "chosen": {"reward": c, "critique": "a"}, "rejected": {"reward": r, "critique": "b"}}).to_string()
        };
        let mut lines: Vec<String> = rewards.iter().enumerate().map(row).collect();
        lines.push(json!({"id": 99, "error": "too long"}).to_string());
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    };
    // Wrong, wrong, right, right, a tie.
    let old = write("old", &[(0.0, 1.0), (0.0, 2.0), (1.0, 0.0), (3.0, 0.0), (1.0, 1.0)]);
    // Another scale, and two fixed, one broken.
    let new = write("new", &[(10.0, 0.0), (0.0, 20.0), (0.0, 10.0), (30.0, 0.0), (20.0, 0.0)]);
    let lengths: Lengths = (0..5).map(|i| ((i.to_string(), 0), (10 + i, 12))).collect();
    let found = compare("set", &lengths, &old, &new).unwrap();
    assert_eq!((found.pairs, found.left_out, found.fixed, found.broken, found.unchanged), (5, 1, 2, 1, 2));
    let changes: Vec<Change> = found.rows.iter().map(|r| r.change).collect();
    use Change::*;
    assert_eq!(changes, [Fixed, StillWrong, Broken, StillRight, Fixed]);
    close(found.old_accuracy.value, 0.5, 1e-12);
    close(found.new_accuracy.value, 0.6, 1e-12);
    close(found.mcnemar_p, 1.0, 1e-12);
    // Scaled margins do not know the scale; ranks run from 0 to 1.
    assert!(found.rows.iter().all(|r| r.new.scaled.abs() < 3.0 && (0.0..=1.0).contains(&r.new.rank)));
    assert_eq!((found.rows[1].new.rank, found.rows[3].new.rank), (0.0, 1.0));
    // Chosen is longer in two of four uneven pairs, a tie in one.
    close(found.length.longer_is_right.value, 0.5, 1e-12);
    assert_eq!(found.length.new_prefers_longer.n, 4);
    assert!(found.table().contains("fixed, broken, unchanged        2, 1, 2"), "{}", found.table());
    // Pairs that are told apart alike: their margins hardly differ, and still are some sd of the rewards.
    let even = write("even", &[(2.7, -2.7), (2.7, -2.7), (2.7, -2.7), (2.71, -2.7), (2.7, -2.71)]);
    let alike = compare("set", &lengths, &even, &even).unwrap();
    assert!(alike.rows.iter().all(|r| (r.new.scaled - 2.0).abs() < 0.01), "{:?}", alike.rows);
    let flat = compare("set", &lengths, &old, &write("flat", &[(1.0, 1.0); 5])).unwrap();
    assert!(flat.rows.iter().all(|r| r.new.scaled == 0.0));
    let none = dir.path().join("none");
    std::fs::write(&none, "{\"id\":0,\"error\":\"x\"}").unwrap();
    assert!(compare("set", &lengths, &old, &none).unwrap_err().to_string().contains("no pair"));
}
