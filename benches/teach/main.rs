//! What labels do to the demo model: `cargo bench --bench teach` trains on ten labelled pairs beside a critique that streams;
//! `cargo bench --bench teach -- labels DIR` makes the table of `models/teach.md` (an hour or more; goes on where it stopped);
//! `labels DIR NAME` makes one of its rows (`labels-50-1`: fifty labels, seed 1), `labels DIR table` prints those there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod beside;
#[path = "../common/mod.rs"]
mod common;
mod labels;
mod unit;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outloud::app::teach::Form;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["labels", dir] => labels::table(Path::new(dir)),
        ["labels", dir, "table"] => print!("{}", labels::report(Path::new(dir))),
        ["labels", dir, only] => labels::one(Path::new(dir), only),
        _ => beside::time(),
    }
}

/// The program: the one built along, or the one OUTLOUD_BENCH_PROGRAM names.
fn program() -> PathBuf {
    let named = std::env::var_os("OUTLOUD_BENCH_PROGRAM");
    named.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_outloud")), PathBuf::from)
}

/// The words of `outloud train` that the Train dialog gives for so many labels.
fn words(labels: &Path, replay: &Path, out: &Path, count: usize, seed: u64) -> Vec<String> {
    let mut form = Form::new("demo", "labels", "run");
    form.suit_labels(count);
    let mut words = form.words(&[labels.to_owned()], out);
    for word in &mut words {
        if word.starts_with("stories:") {
            *word = replay.display().to_string();
        }
    }
    words.extend(["--seed".to_owned(), seed.to_string()]);
    words
}

fn run(words: &[String]) {
    let mut command = Command::new(program());
    let status =
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "outloud {}", words.join(" "));
}
