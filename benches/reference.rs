//! Full re-score and whole call against the reference in PyTorch, interleaved in one run on the same random Llama of
//! about 100 million parameters: `cargo bench --bench reference`.
//!
//! Needs a Python with torch and transformers (`OUTLOUD_BENCH_PYTHON`, default `python3`); without it only this side is
//! timed. 1,000 tokens of context, 128 of critique, 2 threads, f32.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::{Engine, median, verdict};
use outloud::checkpoint::Reading;
use outloud::engine::{CritiqueOptions, CritiqueText, Input, ScoreOptions};
use serde_json::{Value, json};

const CRITIQUE: usize = 128;

fn main() {
    let threads = common::two_threads();
    println!("{}; {threads} threads", common::cpu());
    let rounds = std::env::var("OUTLOUD_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().unwrap();
    common::checkpoint::write(folder.path());
    let mut python = Python::start(folder.path(), threads);
    let mut engine = Engine::load(folder.path());

    let score = |reading| ScoreOptions { reading, ..ScoreOptions::default() };
    let options = |reading| CritiqueOptions {
        max_tokens: CRITIQUE,
        score: score(reading),
        ..CritiqueOptions::default()
    };
    // Each call gets another prompt from its first word on: nothing can be reused.
    let mut rows = common::rows(1 + 3 * rounds, 90).into_iter();
    let mut times: [Vec<f64>; 5] = Default::default();
    for round in 0..=rounds {
        let Some(row) = rows.next() else { break };
        let (ours, whole) = engine.critique(&row, &options(Reading::ReEncoded));
        let text = ours.critique.clone().unwrap_or_default();
        let theirs = python.as_mut().map(|p| p.ask("call", &row, ""));
        if let Some(theirs) = &theirs {
            let difference = (theirs["reward"].as_f64().unwrap() - f64::from(ours.reward)).abs();
            let same = theirs["critique"].as_str() == Some(&text);
            assert!(!same || difference < 1e-3, "rewards differ by {difference} on the same critique");
            if round == 0 {
                println!("same critique: {same}, rewards differ by {difference:.1e}");
            }
        }
        if round == 0 {
            println!(
                "{} tokens of context, {} of critique",
                ours.tokens.prompt,
                ours.critique_token_ids.len()
            );
            continue; // warm-up
        }
        times[0].push(whole);
        times[1].extend(theirs.map(|t| t["seconds"].as_f64().unwrap()));
        let Some(row) = rows.next() else { break };
        times[2].push(engine.score(&row, CritiqueText::Text(text.clone()), &score(Reading::ReEncoded)).1);
        times[3].extend(python.as_mut().map(|p| p.ask("score", &row, &text)["seconds"].as_f64().unwrap()));
        let Some(row) = rows.next() else { break };
        times[4].push(engine.critique(&row, &options(Reading::InPlace)).1);
        let last = times.each_ref().map(|t| t.last().map_or_else(|| "-".into(), |t| format!("{t:.3}")));
        println!(
            "round {round}: call {} / {}, re-score {} / {}, in place {}",
            last[0], last[1], last[2], last[3], last[4]
        );
    }
    let [whole, their_whole, rescore, their_rescore, in_place] = times.map(|t| median(&t));
    println!("seconds (median of {rounds})        outloud  PyTorch");
    println!("full re-score                   {rescore:>8.3} {their_rescore:>8.3}");
    println!("whole call, re-encoded          {whole:>8.3} {their_whole:>8.3}");
    println!("whole call, in place            {in_place:>8.3}        -");
    if python.is_some() {
        let (score, call) = (their_rescore / rescore, their_whole / whole);
        verdict("full re-score: times as fast as PyTorch", score, ">= 1", score >= 1.0);
        verdict("whole call, re-encoded: times as fast as PyTorch", call, ">= 1.5", call >= 1.5);
        let call = their_whole / in_place;
        verdict("whole call, in place: times as fast as PyTorch", call, ">= 1.5", call >= 1.5);
    }
}

/// `benches/python/reference.py`, answering one JSON line per line.
struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    fn start(folder: &Path, threads: usize) -> Option<Self> {
        let python = std::env::var("OUTLOUD_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/python/reference.py");
        let mut child = Command::new(&python)
            .arg(script)
            .arg(folder)
            .arg(CRITIQUE.to_string())
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("CUDA_VISIBLE_DEVICES", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut python = Self { child, to, from };
        let ready = python.line();
        println!(
            "{}",
            ready
                .as_ref()
                .map_or_else(|| "no PyTorch here: only this side is timed".into(), ToString::to_string)
        );
        ready.map(|_| python)
    }

    fn ask(&mut self, what: &str, row: &Input, critique: &str) -> Value {
        let prompt = row.messages().remove(0).content;
        let ask = json!({"what": what, "prompt": prompt, "answer": row.answer, "critique": critique});
        writeln!(self.to, "{ask}").unwrap();
        self.line().expect("the reference ended")
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.from.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
