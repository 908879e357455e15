//! The given fixtures, every part of them.

use candle_core::Device;
use outloud::checkpoint::{Checkpoint, Prompt, Reading};
use outloud::engine::{CritiqueText, Event, Input, ScoreOptions, Stopped};
use outloud::model::{Chunk, Model};

use super::expected::{Example, Expected, fixtures};
use super::harness::{Engine, Parity, options};

#[test]
fn cloud_llama_tiny() {
    everything("cloud-llama-tiny");
}

#[test]
fn cloud_llama_tiny_bf16_sharded() {
    everything("cloud-llama-tiny-bf16-sharded");
}

#[test]
fn cloud_qwen2_tiny() {
    everything("cloud-qwen2-tiny");
}

#[test]
fn cloud_gemma3_tiny() {
    everything("cloud-gemma3-tiny");
}

#[test]
fn classic_llama_tiny() {
    let folder = fixtures().join("classic-llama-tiny");
    let expected = Expected::of("classic-llama-tiny");
    let mut parity = Parity::new(&expected.name);
    texts(&Checkpoint::open(&folder).unwrap(), &expected.examples);
    positions(&folder, &expected, &mut parity);
    let mut engine = Engine::load(&folder);
    for example in &expected.examples {
        let (verdict, _) = engine.critique(example, Reading::InPlace);
        assert_eq!(verdict.prompt_token_ids, example.prompt_token_ids, "{}", example.id);
        assert_eq!(
            (verdict.critique, verdict.trace.len(), verdict.stopped),
            (None, 0, None),
            "{}",
            example.id
        );
        parity.rewards("classic", &example.id, &[verdict.reward], &[example.reward]);
        let score = ScoreOptions { raw_special: example.raw_special(), ..ScoreOptions::default() };
        let again = engine.score(example, CritiqueText::None, score);
        parity.rewards("classic", &example.id, &[again.reward], &[example.reward]);
    }
    batch(&folder, &expected, &mut parity);
    parity.print();
}

fn everything(fixture: &str) {
    let folder = fixtures().join(fixture);
    let expected = Expected::of(fixture);
    let mut parity = Parity::new(&expected.name);
    let lists = [
        &expected.examples,
        &expected.repetition_penalty_cases,
        &expected.truncated,
        &expected.custom_critique_prompt,
    ];
    let rows: Vec<Example> = lists.into_iter().flatten().cloned().collect();
    texts(&Checkpoint::open(&folder).unwrap(), &rows);
    positions(&folder, &expected, &mut parity);
    let mut engine = Engine::load(&folder);
    for row in &rows {
        critique(&mut engine, row, expected.eot_token_id, &mut parity);
    }
    edits(&mut engine, &expected, &mut parity);
    batch(&folder, &expected, &mut parity);
    parity.print();
}

/// Prompt text and ids.
pub fn texts(checkpoint: &Checkpoint, rows: &[Example]) {
    for row in rows {
        let (prompt, raw) = (Prompt::Text(row.prompt.clone()), row.raw_special());
        let made = checkpoint.text.format(&prompt, &row.answer, row.critique_prompt.as_deref(), raw).unwrap();
        assert_eq!(made.text, row.formatted_prompt, "{}", row.id);
        assert_eq!(made.ids, row.prompt_token_ids, "{}", row.id);
    }
}

/// The head at every position and the stop-here reward of no critique, from the model alone, on both of its paths.
pub fn positions(folder: &std::path::Path, expected: &Expected, parity: &mut Parity) {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let tensors = checkpoint.tensors(&Device::Cpu).unwrap();
    let model = Model::new(&checkpoint.spec.backbone, &checkpoint.spec.head, &tensors, &Device::Cpu).unwrap();
    let rewards = |hidden| model.rewards(&hidden).unwrap().to_vec1::<f32>().unwrap();
    for example in &expected.examples {
        let Some(trace_all) = &example.trace_all else { continue };
        let classic = example.final_token_ids.is_empty();
        let ids = if classic { &example.prompt_token_ids } else { &example.final_token_ids };
        let packed = rewards(model.forward_packed(ids, &[ids.len()]).unwrap());
        parity.rewards("every position, differentiable", &example.id, &packed, trace_all);
        // In uneven chunks, as a prompt is read.
        let (mut cache, mut fast) = (model.new_cache(), Vec::new());
        for chunk in ids.chunks(37) {
            let keep = chunk.len();
            fast.extend(rewards(
                model.forward(&mut [Chunk { ids: chunk, cache: &mut cache, keep }]).unwrap(),
            ));
        }
        parity.rewards("every position, fast path", &example.id, &fast, trace_all);
        if let Some(empty) = example.stop_here_empty {
            let mut ids = ids[..example.critique_start].to_vec();
            ids.push(expected.eot_token_id);
            let all = rewards(model.forward_packed(&ids, &[ids.len()]).unwrap());
            parity.rewards("stop-here, no critique", &example.id, &all[all.len() - 1..], &[empty]);
        }
    }
}

/// One critique in both readings, and scores of what was written.
pub fn critique(engine: &mut Engine, row: &Example, eot: u32, parity: &mut Parity) {
    let id = &row.id;
    let (verdict, events) = engine.critique(row, Reading::InPlace);
    assert_eq!(verdict.prompt_token_ids, row.prompt_token_ids, "{id}");
    assert_eq!(verdict.critique_token_ids, row.critique_token_ids, "{id}");
    let stopped = if row.stopped == "eot" { Stopped::Eot } else { Stopped::MaxTokens };
    assert_eq!(verdict.stopped, Some(stopped), "{id}");
    assert_eq!(verdict.trace.last(), Some(&verdict.reward), "{id}");
    let trace_tokens: Vec<u32> = verdict.trace_tokens.iter().map(|(id, _)| *id).collect();
    assert_eq!(trace_tokens[..row.critique_token_ids.len()], row.critique_token_ids, "{id}");
    assert_eq!(trace_tokens.last(), Some(&eot), "{id}");
    if let Some(trace) = &row.generation_trace {
        // Cut off, a critique gets an end-of-turn that the reference's trace does not have.
        let generated = row.critique_token_ids.len();
        parity.rewards("in place, trace", id, &verdict.trace[..generated], &trace[1..]);
    }
    let text = told(row, &events, &verdict.trace, parity);
    let (text, written) = (text.strip_prefix(' ').unwrap_or(&text), verdict.critique.clone().unwrap());
    let written = written.strip_prefix(' ').unwrap_or(&written);
    // What follows the last complete character is not told while it could still become one.
    assert!(written.starts_with(text), "{id}: {text:?} was told of {written:?}");
    assert!(text == written || written.ends_with('\u{fffd}'), "{id}: {text:?} was told of {written:?}");
    let body = row.critique_token_ids.strip_suffix(&[eot]).unwrap_or(&row.critique_token_ids);
    let stop_here = verdict.stop_here.clone().unwrap();
    assert_eq!(stop_here.len(), body.len(), "{id}");
    assert_eq!(verdict.trace.len(), body.len() + 1, "{id}");
    if let Some(last) = stop_here.last() {
        parity.rewards("in place, stop-here = reward", id, &[*last], &[verdict.reward]);
    }
    let score = options(row, Reading::InPlace).score;
    for cut in [1, body.len() / 2, body.len()].into_iter().filter(|cut| (1..=body.len()).contains(cut)) {
        let given = CritiqueText::Ids(body[..cut].to_vec());
        let scored = engine.score(row, given, score.clone());
        parity.rewards("in place, stop-here = score", id, &[stop_here[cut - 1]], &[scored.reward]);
        parity.rewards("in place, score's trace", id, &scored.trace[..cut], &verdict.trace[..cut]);
        parity.rewards("in place, score's stop-here", id, &scored.stop_here.unwrap(), &stop_here[..cut]);
    }
    if verdict.text_is_exact {
        let text = CritiqueText::Text(verdict.critique.clone().unwrap());
        let scored = engine.score(row, text, ScoreOptions { raw_special: false, ..score.clone() });
        if !row.raw_special() {
            parity.rewards("in place, text fed back", id, &[scored.reward], &[verdict.reward]);
        }
    }

    let (verdict, _) = engine.critique(row, Reading::ReEncoded);
    assert_eq!(verdict.critique_token_ids, row.critique_token_ids, "{id}");
    assert_eq!(verdict.critique.as_deref(), Some(&*row.critique), "{id}");
    let ids: Vec<u32> = verdict.trace_tokens.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, row.final_token_ids[row.critique_start..], "{id}");
    parity.rewards("re-encoded, reward", id, &[verdict.reward], &[row.reward]);
    parity.rewards("re-encoded, trace", id, &verdict.trace, &row.trace);
    if let Some(stop_here) = &row.stop_here {
        parity.rewards("re-encoded, stop-here", id, &verdict.stop_here.unwrap(), stop_here);
    }
    let given = CritiqueText::Text(row.critique.clone());
    let scored = engine.score(row, given, options(row, Reading::ReEncoded).score);
    parity.rewards("re-encoded, text fed back", id, &scored.trace, &row.trace);
}

/// The events of a critique in place: live rewards are the trace, the first step's logits the reference's. Returns the text.
fn told(row: &Example, events: &[Event], trace: &[f32], parity: &mut Parity) -> String {
    let mut tokens = Vec::new();
    for event in events {
        if let Event::Token { token, .. } = event {
            tokens.push(token);
        }
    }
    let ids: Vec<u32> = tokens.iter().map(|t| t.id).collect();
    assert_eq!(ids, row.critique_token_ids, "{}: token events", row.id);
    let live: Vec<f32> = tokens.iter().map(|t| t.reward).collect();
    assert_eq!(live, trace[..live.len()], "{}: live rewards", row.id);
    let top = row.first_step_top8.as_ref().unwrap();
    let best = &tokens[0].alternatives;
    assert_eq!(best.iter().map(|a| a.id).collect::<Vec<_>>(), top.ids, "{}: likeliest tokens", row.id);
    // Log-probabilities are the logits but for a constant.
    let found: Vec<f32> = best.iter().map(|a| (a.probability / best[0].probability).ln()).collect();
    let logits: Vec<f32> = top.logits.iter().map(|l| l - top.logits[0]).collect();
    parity.logits("first step's logits", &row.id, &found, &logits);
    tokens.iter().map(|t| t.text.as_str()).collect()
}

fn edits(engine: &mut Engine, expected: &Expected, parity: &mut Parity) {
    for edit in &expected.edits {
        let row = expected.example(&edit.id);
        let score = options(row, Reading::ReEncoded).score;
        let verdict = engine.score(row, CritiqueText::Text(edit.edited_critique.clone()), score);
        let tail: Vec<u32> = verdict.trace_tokens.iter().map(|(id, _)| *id).collect();
        assert!(edit.edited_critique_token_ids.ends_with(&tail), "{}", edit.id);
        parity.rewards(
            "re-encoded, edited critique",
            &edit.id,
            &[verdict.reward],
            &[edit.reward_edited_critique],
        );

        let answer = &edit.edited_answer;
        let edited = Example { answer: answer.answer.clone(), ..row.clone() };
        let (verdict, _) = engine.critique(&edited, Reading::ReEncoded);
        assert_eq!(verdict.prompt_token_ids, answer.prompt_token_ids, "{}", edit.id);
        assert_eq!(verdict.critique_token_ids, answer.critique_token_ids, "{}", edit.id);
        assert_eq!(verdict.critique.as_deref(), Some(&*answer.critique), "{}", edit.id);
        let tail: Vec<u32> = verdict.trace_tokens.iter().map(|(id, _)| *id).collect();
        assert!(answer.final_token_ids.ends_with(&tail), "{}", edit.id);
        parity.rewards("re-encoded, edited answer", &edit.id, &[verdict.reward], &[answer.reward]);
    }
}

/// All examples at once, in both readings, on an engine that has seen nothing: the same as one by one.
fn batch(folder: &std::path::Path, expected: &Expected, parity: &mut Parity) {
    let batch = expected.batch.as_ref().unwrap();
    let mut engine = Engine::load(folder);
    let mut rows = Vec::new();
    for reading in [Reading::ReEncoded, Reading::InPlace] {
        for id in &batch.ids {
            let row = expected.example(id);
            rows.push((Input::text(&*row.prompt, &*row.answer), options(row, reading)));
        }
    }
    let verdicts = engine.critique_all(&rows);
    let (re_encoded, in_place) = verdicts.split_at(batch.ids.len());
    for (i, id) in batch.ids.iter().enumerate() {
        let (row, verdict) = (expected.example(id), &re_encoded[i].0);
        assert_eq!(verdict.critique.as_deref().unwrap_or_default(), batch.critiques[i], "{id}");
        parity.rewards("batch, re-encoded", id, &[verdict.reward], &batch.rewards[i..=i]);
        parity.rewards("batch, re-encoded trace", id, &verdict.trace, &row.trace);
        let verdict = &in_place[i].0;
        assert_eq!(verdict.critique_token_ids, row.critique_token_ids, "{id}");
        if let Some(trace) = &row.generation_trace {
            let generated = row.critique_token_ids.len();
            parity.rewards("batch, in-place trace", id, &verdict.trace[..generated], &trace[1..]);
        }
    }
}
