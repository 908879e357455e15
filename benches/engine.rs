//! What appending, live rewards, stop-here, batches and a cold start cost: `cargo bench --bench engine`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::process::Command;
use std::time::Instant;

use common::{Engine, median, verdict};
use outloud::engine::{CritiqueOptions, CritiqueText, Input, ScoreOptions, Verdict};

fn main() {
    let threads = common::two_threads();
    println!("{}; {threads} threads", common::cpu());
    cold_start();
    batches();
    let folder = tempfile::tempdir().unwrap();
    common::checkpoint::write(folder.path());
    let mut engine = Engine::load(folder.path());
    let rows = common::rows(16, 90);
    append(&mut engine, &rows[..6]);
    stop_here(&mut engine, &rows[6..]);
    drop(engine);
    live_reward(folder.path());
}

fn options(max_tokens: usize, stop_here: bool) -> CritiqueOptions {
    let score = ScoreOptions { stop_here, ..ScoreOptions::default() };
    CritiqueOptions { max_tokens, score, ..CritiqueOptions::default() }
}

fn step(verdict: &Verdict) -> f64 {
    verdict.timing.decode_s / verdict.critique_token_ids.len() as f64
}

/// One more critique token and its reward, against one step of decoding at the same length.
fn append(engine: &mut Engine, rows: &[Input]) {
    let mut steps = Vec::new();
    let mut appends = Vec::new();
    for (round, row) in rows.iter().enumerate() {
        let (written, _) = engine.critique(row, &options(64, false));
        let ids = written.critique_token_ids.clone();
        if round > 0 {
            steps.push(step(&written));
        }
        // Something else between the two, so that the token comes after a given text and not out of the decode's cache.
        let mut given = ids[..8].to_vec();
        given[7] = ids[40 + round];
        engine.score(row, CritiqueText::Ids(given.clone()), &ScoreOptions::default());
        for id in &ids[20..40] {
            given.push(*id);
            let (_, seconds) = engine.score(row, CritiqueText::Ids(given.clone()), &ScoreOptions::default());
            appends.push(seconds);
        }
    }
    let (step, append) = (median(&steps), median(&appends));
    println!("decode step {:.2} ms, append a token and read the reward {:.2} ms", step * 1e3, append * 1e3);
    verdict("append + reward, in decode steps", append / step, "<= 1.3", append <= 1.3 * step);
}

fn stop_here(engine: &mut Engine, rows: &[Input]) {
    let (mut plain, mut with) = (Vec::new(), Vec::new());
    // Another row each time: a critique written before comes out of the prefix tree.
    for pair in rows.chunks_exact(2) {
        plain.push(step(&engine.critique(&pair[0], &options(64, false)).0));
        with.push(step(&engine.critique(&pair[1], &options(64, true)).0));
    }
    let extra = median(&with) / median(&plain) - 1.0;
    println!("decode step {:.2} ms, with stop-here {:.2} ms", median(&plain) * 1e3, median(&with) * 1e3);
    verdict("stop-here adds, share of decoding", extra, "< 0.40", extra < 0.40);
}

fn batches() {
    let mut engine = Engine::load(&common::tiny());
    let rows = common::rows(400, 6);
    let options = options(64, false);
    engine.critique_all(&rows[..4], &options);
    let start = Instant::now();
    for row in &rows[..200] {
        engine.critique(row, &options);
    }
    let single = start.elapsed().as_secs_f64();
    let start = Instant::now();
    engine.critique_all(&rows[200..], &options);
    let batched = start.elapsed().as_secs_f64();
    println!("200 rows: one by one {:.1} rows/s, batched {:.1} rows/s", 200.0 / single, 200.0 / batched);
    verdict("batches of the tiny model, times as fast", single / batched, ">= 2", single >= 2.0 * batched);
}

/// Reading the head at every token against the same steps without it.
fn live_reward(folder: &std::path::Path) {
    let model = common::model(folder);
    let mut cache = model.new_cache();
    let ids: Vec<u32> = (0..1000).map(|i| i * 7 % 700).collect();
    common::advance(&model, &mut cache, &ids);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for i in 0..120u32 {
        let start = Instant::now();
        let hidden = common::advance(&model, &mut cache, &[i % 700]);
        let logits = model.logits(&hidden).unwrap();
        if i % 2 == 0 {
            let _ = model.rewards(&hidden).unwrap().to_vec1::<f32>().unwrap();
        }
        let _ = logits.to_vec2::<f32>().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        if i % 2 == 0 { with.push(seconds) } else { without.push(seconds) }
    }
    let extra = median(&with) / median(&without) - 1.0;
    verdict("live reward adds, share of decoding", extra, "< 0.03", extra < 0.03);
}

/// From starting the binary to the first token's end of the bundled model.
fn cold_start() {
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let out = Command::new(env!("CARGO_BIN_EXE_outloud"))
            .args(["critique", "--prompt", "What is 2 + 3?", "--answer", "5", "--max-tokens", "1"])
            .output()
            .unwrap();
        seconds.push(start.elapsed().as_secs_f64());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let middle = median(&seconds);
    verdict("cold start to the first token, s", middle, "< 1", middle < 1.0);
}
