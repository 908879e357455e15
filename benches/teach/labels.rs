//! The table: a model after 10, 50, 200 labels against the demo model, on held-out pairs of that kind and on other ones.
//!
//! Every step is a command of `outloud`; what is in the folder already is not made again. Text of the labelled, held-out
//! and other pairs is drawn from seeds; the splits keep their numbers apart, and their prompts are checked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use outloud::eval::before_after::{Comparison, Lengths, compare};
use outloud::eval::lines;
use outloud::eval::statistics::{Estimate, difference};
use outloud::stories::Split;
use serde_json::Value;

use super::{run, unit};

/// Pairs of the held-out kind, and of stories as they are.
const HELD_OUT: usize = 300;
const OTHER: usize = 1000;
/// Rows of the demo model's own data that are mixed in.
const REPLAY: usize = 400;

/// Labels, seed of labels and training, whether critiques are corrected.
const LESSONS: [(usize, u64, bool); 10] = [
    (10, 1, false),
    (10, 2, false),
    (10, 3, false),
    (50, 1, false),
    (50, 2, false),
    (50, 3, false),
    (200, 1, false),
    (200, 2, false),
    (200, 3, false),
    (50, 1, true),
];

fn name((count, seed, corrected): (usize, u64, bool)) -> String {
    format!("{}-{count}-{seed}", if corrected { "corrected" } else { "labels" })
}

/// Makes what is missing of all, then prints the table.
pub fn table(dir: &Path) {
    for lesson in LESSONS.map(name) {
        one(dir, &lesson);
    }
    print!("{}", report(dir));
}

/// Trains and examines one model.
pub fn one(dir: &Path, only: &str) {
    prepare(dir);
    let lesson = LESSONS.into_iter().find(|lesson| name(*lesson) == only).expect("the name of a lesson");
    let (count, seed, corrected) = lesson;
    let at = |path: String| dir.join(path);
    let data = at(format!("{only}.jsonl"));
    let run_dir = at(format!("runs/{only}"));
    if !run_dir.join("result").exists() {
        let pairs = unit::pairs(Split::Train, 910 + seed, count);
        let asked = at(format!("{only}-asked.jsonl"));
        unit::write(&asked, &pairs);
        let judged = critiques("demo", &asked, &at(format!("{only}-judged.jsonl")));
        unit::write(&data, &unit::labelled(&pairs, &judged, corrected));
        let begun = Instant::now();
        run(&super::words(&data, &at("replay.jsonl".into()), &run_dir, count, seed));
        println!("{only}: trained in {:.0} s", begun.elapsed().as_secs_f64());
    }
    for set in ["kind", "other"] {
        let model = run_dir.join("result");
        critiques(text(&model), &at(format!("{set}.jsonl")), &at(format!("{set}-{only}.jsonl")));
    }
}

/// The sets and what the demo model says of them.
fn prepare(dir: &Path) {
    std::fs::create_dir_all(dir.join("runs")).unwrap();
    let (kind, other) = (unit::pairs(Split::Test, 901, HELD_OUT), unit::stories(Split::Test, 902, OTHER));
    let replay = unit::stories(Split::Train, 2026, REPLAY);
    for (count, seed, _) in LESSONS {
        let learned = unit::pairs(Split::Train, 910 + seed, count);
        assert!([&kind, &other, &replay].iter().all(|set| unit::disjoint(&learned, set)));
    }
    assert!(unit::disjoint(&replay, &kind) && unit::disjoint(&replay, &other));
    for (name, rows) in [("kind", kind), ("other", other), ("replay", replay)] {
        let file = dir.join(format!("{name}.jsonl"));
        if !file.exists() {
            unit::write(&file, &rows);
        }
        if name != "replay" {
            critiques("demo", &file, &dir.join(format!("{name}-demo.jsonl")));
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a folder whose name is text")
}

/// A model's critiques and rewards of a file of pairs; what is there is kept.
fn critiques(model: &str, rows: &Path, out: &Path) -> PathBuf {
    let bare = out.with_extension("rows.jsonl");
    let pair = |mut row: Value| {
        row.as_object_mut()
            .unwrap()
            .retain(|key, _| ["id", "prompt", "chosen", "rejected"].contains(&key.as_str()));
        row
    };
    let pairs: Vec<Value> = lines::read::<Value>(rows).unwrap().into_iter().map(pair).collect();
    unit::write(&bare, &pairs);
    run(&["critique", "--model", model, "--resume", "--out", text(out), text(&bare)].map(str::to_owned));
    out.to_path_buf()
}

/// The table of all lessons whose files are there.
pub fn report(dir: &Path) -> String {
    let mut out = String::from(
        "| labels | seed | critiques | kind: accuracy | kind: margin | change of margin | other: accuracy | change, points | p |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let demo = |set: &str| dir.join(format!("{set}-demo.jsonl"));
    for (count, seed, corrected) in LESSONS {
        let new = |set: &str| dir.join(format!("{set}-{}.jsonl", name((count, seed, corrected))));
        if !new("other").exists() {
            continue;
        }
        let both = |set: &str| compare(set, &Lengths::new(), &demo(set), &new(set)).unwrap();
        let (kind, other) = (both("kind"), both("other"));
        let units = (spread(&other, |row| &row.old), spread(&other, |row| &row.new));
        let margins: Vec<(f64, f64)> =
            kind.rows.iter().map(|row| (row.new.margin / units.1, row.old.margin / units.0)).collect();
        let mean = |which: &dyn Fn(&(f64, f64)) -> f64| {
            margins.iter().map(which).sum::<f64>() / margins.len() as f64
        };
        let change = difference(&margins, 0);
        writeln!(
            out,
            "| {count} | {seed} | {} | {} -> {} | {:.2} -> {:.2} | {} | {} -> {} | {} | {:.3} |",
            if corrected { "corrected" } else { "the model's" },
            percent(&kind.old_accuracy),
            percent(&kind.new_accuracy),
            mean(&|m| m.1),
            mean(&|m| m.0),
            interval(&change, 1.0, 2),
            percent(&other.old_accuracy),
            percent(&other.new_accuracy),
            interval(&other.accuracy_change, 100.0, 1),
            other.mcnemar_p,
        )
        .unwrap();
    }
    out
}

/// The standard deviation of a model's rewards over the answers of a set: the unit in which its margins are given.
fn spread(
    set: &Comparison,
    which: impl Fn(&outloud::eval::before_after::Pair) -> &outloud::eval::before_after::Verdict,
) -> f64 {
    let rewards: Vec<f64> =
        set.rows.iter().flat_map(|row| [which(row).chosen, which(row).rejected]).collect();
    let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
    (rewards.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / rewards.len() as f64).sqrt()
}

fn percent(e: &Estimate) -> String {
    format!("{:.1} ({:.1} to {:.1})", 100.0 * e.value, 100.0 * e.low, 100.0 * e.high)
}

fn interval(e: &Estimate, scale: f64, digits: usize) -> String {
    format!("{:+.digits$} ({:+.digits$} to {:+.digits$})", scale * e.value, scale * e.low, scale * e.high)
}
