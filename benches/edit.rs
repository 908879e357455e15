//! What an edit costs: re-scoring after a change, by how much of the text follows it; the cache; a frame. `cargo bench --bench edit`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::time::Instant;

use common::{Engine, median, verdict};
use outloud::engine::{CritiqueOptions, CritiqueText, Input, ScoreOptions};

/// Tokens of the whole text, about.
const CONTEXT: usize = 1000;
/// Tokens of the critique.
const CRITIQUE: usize = 256;

fn main() {
    let threads = common::two_threads();
    println!("{}; {threads} threads", common::cpu());
    edits();
    frame();
}

/// Ids that the bench's model knows, none twice in a row.
fn words(count: usize, salt: usize) -> Vec<u32> {
    (0..count).map(|i| (20 + (i * 7 + salt * 131) % 600) as u32).collect()
}

/// A full score against scores after a change with so many tokens behind it.
fn edits() {
    let folder = tempfile::tempdir().unwrap();
    common::checkpoint::write(folder.path());
    let mut engine = Engine::load(folder.path());
    let rows = common::rows(6, 70);
    let (row, fresh) = rows.split_first().unwrap();
    let plain = ScoreOptions::default();
    let mut critique = words(CRITIQUE, 1);
    let (first, _) = engine.score(row, CritiqueText::Ids(critique.clone()), &plain);
    let tokens = first.tokens.prompt + first.tokens.critique;
    println!("{tokens} tokens, {CRITIQUE} of them the critique (wanted about {CONTEXT})");

    // Full: the same critique after prompts that share nothing with what was computed.
    let mut full = Vec::new();
    for input in fresh {
        let (scored, seconds) = engine.score(input, CritiqueText::Ids(critique.clone()), &plain);
        full.push(
            seconds * tokens as f64
                / (scored.tokens.prompt + scored.tokens.critique - scored.tokens.reused) as f64,
        );
    }
    let full = median(&full);
    println!("full re-score {:.1} ms", full * 1e3);
    for suffix in [4, 16, 64, 200] {
        let mut times = Vec::new();
        let at = CRITIQUE - suffix;
        for round in 0..9u32 {
            // Another word each time, so that nothing of the suffix is known.
            critique[at] = 640 + (round + suffix as u32) % 100;
            let (scored, seconds) = engine.score(row, CritiqueText::Ids(critique.clone()), &plain);
            let computed = scored.tokens.prompt + scored.tokens.critique - scored.tokens.reused;
            assert_eq!(computed, suffix + 1, "only what follows the change is computed");
            times.push(seconds);
        }
        let (share, part) = (median(&times) / full, work(tokens - suffix - 1, tokens) / work(0, tokens));
        println!(
            "{suffix:>4} tokens after the change: {:.2} ms, {:.2} % of full",
            median(&times) * 1e3,
            share * 100.0
        );
        if suffix == 4 {
            verdict("one word near the end, share of a full re-score", share, "< 0.05", share < 0.05);
        } else {
            let ratio = share / part;
            println!("     their share of the work: {:.2} %", part * 100.0);
            verdict(&format!("{suffix} tokens, in shares of the work"), ratio, "<= 1.15", ratio <= 1.15);
        }
    }
    thousand(&mut engine, row);
}

/// Multiplications for the tokens `from..to` of a text: products with the weights, and attention over what stands before.
fn work(from: usize, to: usize) -> f64 {
    let weights = common::checkpoint::LAYER_WEIGHTS as f64;
    (from..to).map(|seen| weights + 2.0 * common::checkpoint::ATTENTION as f64 * (seen + 1) as f64).sum()
}

/// A thousand edits: no slower at the end than at the beginning.
fn thousand(engine: &mut Engine, row: &Input) {
    let plain = ScoreOptions::default();
    let mut critique = words(64, 2);
    let mut times = Vec::new();
    for round in 0..1000u32 {
        critique[60] = 640 + round % 100;
        critique[61] = 20 + round / 100;
        times.push(engine.score(row, CritiqueText::Ids(critique.clone()), &plain).1);
    }
    let (first, last) = (median(&times[50..150]), median(&times[850..950]));
    println!("edits 50..150: {:.2} ms, edits 850..950: {:.2} ms", first * 1e3, last * 1e3);
    verdict("a thousand edits: late against early", last / first, "<= 1.5", last <= 1.5 * first);
}

/// A frame of the Inspect screen with a critique of 256 tokens that is being edited, 160x45.
fn frame() {
    use outloud::app::{self, Code, Effect, Example, Key, Keymap, Msg};
    use outloud::engine::{DeviceChoice, Event, ModelSource, Request};
    use outloud::widgets::{Depth, Theme};
    use ratatui::{buffer::Buffer, layout::Rect};

    let mut engine = Engine::load(&common::tiny());
    let input = common::rows(1, 12).remove(0);
    let (verdict_, _) = engine.critique(&input, &CritiqueOptions::default());
    let checkpoint = outloud::checkpoint::Checkpoint::open(&common::tiny()).unwrap();
    let script = outloud::engine::fake::Script::new(checkpoint.spec, Vec::new());
    let outloud::checkpoint::Prompt::Text(prompt) = &input.prompt else { panic!() };
    let examples = vec![Example::text("bench", prompt, &input.answer)];
    let (mut state, effects) =
        app::start(Keymap::built_in().unwrap(), ModelSource::DEMO, DeviceChoice::Cpu, examples);
    let mut queue = effects;
    while let Some(effect) = queue.pop() {
        let Effect::Send(request) = effect else { continue };
        let events = match *request {
            Request::Critique { ticket, .. } => {
                vec![Event::Critiqued { ticket, verdicts: vec![verdict_.clone()] }, Event::Done { ticket }]
            }
            request => script.answer(&request),
        };
        for event in events {
            queue.extend(app::update(&mut state, Msg::Engine(event)));
        }
    }
    for c in ['e', 'x', 'y'] {
        app::update(&mut state, Msg::Key(Key::plain(Code::Char(c))));
    }
    let theme = Theme::built_in("dark", Depth::True).unwrap();
    let area = Rect::new(0, 0, 160, 45);
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        let mut buffer = Buffer::empty(area);
        outloud::screens::draw(&state, &theme, area, &mut buffer);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    verdict("a frame while editing, 160x45, ms", median(&times), "< 4", median(&times) < 4.0);
}
