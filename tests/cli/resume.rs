//! Killed, interrupted, resumed: no finished row is lost or done twice, and the file ends as if nothing had happened.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::*;

const MODEL: &str = "cloud-llama-tiny";
const ROWS: usize = 300;

struct Job {
    _folder: tempfile::TempDir,
    rows: PathBuf,
    out: PathBuf,
}

impl Job {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text: String = (0..ROWS)
            .map(|i| format!("{}\n", json!({"id": format!("r{i}"), "prompt": format!("What is {i} plus 4?"), "answer": i.to_string()})))
            .collect();
        std::fs::write(path("rows.jsonl"), text).unwrap();
        Self { rows: path("rows.jsonl"), out: path("out.jsonl"), _folder: folder }
    }

    fn start(&self, more: &[&str]) -> Child {
        binary()
            .args(["critique", "--max-tokens", "24", "--model"])
            .arg(fixture(MODEL))
            .arg(&self.rows)
            .arg("--out")
            .arg(&self.out)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn finish(&self, more: &[&str]) -> Run {
        self.start(more).wait_with_output().unwrap().into()
    }

    fn lines(&self) -> usize {
        std::fs::read(&self.out).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
    }

    /// Waits until so many rows are there.
    fn wait_for(&self, lines: usize) {
        let start = Instant::now();
        while self.lines() < lines {
            assert!(start.elapsed() < Duration::from_secs(60), "no rows came");
            sleep(Duration::from_millis(5));
        }
    }

    fn rewards(&self) -> Vec<(Value, Value)> {
        let text = std::fs::read_to_string(&self.out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| (row["id"].clone(), row["critique"].clone()))
            .collect()
    }
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn killed_and_resumed_is_as_never_killed() {
    let (whole, job) = (Job::new(), Job::new());
    assert_eq!(whole.finish(&[]).status, 0);
    for (i, lines) in [20, 100].into_iter().enumerate() {
        let mut child = job.start(if i == 0 { &[] } else { &["--resume"] });
        job.wait_for(lines);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(job.lines() < ROWS);
    }
    // Power was lost in the middle of a line.
    let mut file = std::fs::OpenOptions::new().append(true).open(&job.out).unwrap();
    file.write_all(b"{\"id\":\"r1").unwrap();
    let run = job.finish(&["--resume", "--batch", "3"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stdout.is_empty());
    assert_eq!(job.rewards(), whole.rewards());
    assert_eq!(job.rewards().len(), ROWS);
}

#[test]
fn ctrl_c_keeps_what_is_finished() {
    let job = Job::new();
    let child = job.start(&[]);
    job.wait_for(20);
    interrupt(&child);
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.status, 130, "{}", run.stderr);
    assert!(run.stderr.contains("--resume"), "{}", run.stderr);
    let there = job.lines();
    assert!((20..ROWS).contains(&there));
    let text = std::fs::read_to_string(&job.out).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let again = job.finish(&[]);
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    let other = job.finish(&["--resume", "--seed", "1"]);
    assert_eq!(other.status, 2);
    assert!(other.stderr.contains("temperature") || other.stderr.contains("seed"), "{}", other.stderr);
    assert_eq!(job.finish(&["--resume"]).status, 0);
    let ids: Vec<String> = job.rewards().into_iter().map(|(id, _)| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..ROWS).map(|i| format!("r{i}")).collect::<Vec<_>>());
}

#[test]
fn rows_of_another_file_are_refused() {
    let job = Job::new();
    let child = job.start(&[]);
    job.wait_for(10);
    interrupt(&child);
    child.wait_with_output().unwrap();
    let before = std::fs::read(&job.out).unwrap();
    let text = std::fs::read_to_string(&job.rows).unwrap().replace("\"r", "\"s");
    std::fs::write(&job.rows, text).unwrap();
    let run = job.finish(&["--resume"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("r0"), "{}", run.stderr);
    assert_eq!(std::fs::read(&job.out).unwrap(), before);
}

#[test]
fn failed_rows_are_tried_again_when_they_were_mended() {
    let job = Job::new();
    let write = |answer: &str| {
        let text: String = (0..5)
            .map(|i| {
                let answer = if i == 2 { answer.to_owned() } else { format!("\"{i}\"") };
                format!("{{\"id\": {i}, \"prompt\": \"p\", \"answer\": {answer}}}\n")
            })
            .collect();
        std::fs::write(&job.rows, text).unwrap();
    };
    write("null");
    assert_eq!(job.finish(&[]).status, 1);
    assert_eq!(job.rewards()[2], (json!(2), Value::Null));
    write("\"2\"");
    assert_eq!(job.finish(&["--resume"]).status, 0);
    let rewards = job.rewards();
    assert_eq!(rewards.len(), 5);
    assert!(rewards.iter().enumerate().all(|(i, (id, critique))| *id == json!(i) && critique.is_string()));
}

#[test]
fn results_come_while_input_is_still_open() {
    let mut child = binary()
        .args(["score", "--model"])
        .arg(fixture(MODEL))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for i in 0..3 {
        writeln!(stdin, "{}", json!({"id": i, "prompt": "p", "answer": "a", "critique": "c"})).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["id"], json!(i));
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "an idle command is interrupted too");
    drop(stdin);
}

#[test]
fn two_runs_do_not_write_one_file() {
    let job = Job::new();
    let mut child = job.start(&[]);
    job.wait_for(5);
    signal(&child, "-STOP");
    let run = job.finish(&["--resume"]);
    signal(&child, "-CONT");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("another outloud"), "{}", run.stderr);
    assert!(Path::new(&job.out).exists());
}

#[test]
fn a_second_ctrl_c_ends_at_once_but_an_echo_does_not() {
    // Nobody reads standard output: the command hangs in a write, as it would on a stopped pager.
    let job = Job::new();
    let mut child = binary()
        .args(["critique", "--max-tokens", "24", "--stop-here", "--model"])
        .arg(fixture(MODEL))
        .arg(&job.rows)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until the pipe is full: nothing more comes into it. (A pipe holds 16 writes' last pages, so maybe less than 64 KiB.)
    let pipe = child.stdout.as_ref().unwrap();
    let (start, mut before) = (Instant::now(), 0);
    loop {
        sleep(Duration::from_millis(1500));
        let held = rustix::io::ioctl_fionread(pipe).unwrap();
        if held == before && held > 16 << 10 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "the pipe never fills: {held} bytes");
        before = held;
    }
    interrupt(&child);
    interrupt(&child);
    sleep(Duration::from_millis(600));
    let hangs = child.try_wait().unwrap().is_none();
    if hangs {
        interrupt(&child);
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(hangs, "the pipe holds 64 KiB; the rows are more");
}

/// Rows that share an id are told apart by their order, also when the work ended with later ones done before earlier ones.
#[test]
fn rows_with_one_id_are_not_taken_for_each_other() {
    let same = || {
        let job = Job::new();
        let text: String = (0..ROWS)
            .map(|i| {
                let answer = "so ".repeat(if i % 5 == 0 { 60 } else { i % 7 });
                format!(
                    "{}\n",
                    json!({"id": "x", "prompt": format!("What is {i} plus 4?"), "answer": answer})
                )
            })
            .collect();
        std::fs::write(&job.rows, text).unwrap();
        job
    };
    let (whole, job) = (same(), same());
    assert_eq!(whole.finish(&[]).status, 0);
    for lines in [20, 120, 200] {
        let child = job.start(if lines == 20 { &[] } else { &["--resume"] });
        job.wait_for(lines);
        interrupt(&child);
        child.wait_with_output().unwrap();
    }
    let run = job.finish(&["--resume"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("299 rows have the id of an earlier row"), "{}", run.stderr);
    assert_eq!(job.rewards(), whole.rewards());
}
