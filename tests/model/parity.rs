//! Rewards, traces and logits equal the reference's, on the fast path and on the differentiable one.

use candle_core::Tensor;
use outloud::model::{Chunk, Model};
use serde_json::Value;

use crate::fixture::{self, close, difference, floats, ids};

/// Hidden states of a whole sequence on the fast path.
pub fn fresh(model: &Model, ids: &[u32]) -> Tensor {
    let mut cache = model.new_cache();
    model.forward(&mut [Chunk { ids, cache: &mut cache, keep: ids.len() }]).unwrap()
}

fn rewards(model: &Model, hidden: &Tensor) -> Vec<f32> {
    model.rewards(hidden).unwrap().to_vec1().unwrap()
}

fn check_traces(model: &Model, case: &Value, what: &str) {
    let trace = floats(&case["trace_all"]);
    let sequence = ids(case.get("final_token_ids").unwrap_or_else(|| &case["prompt_token_ids"]));
    let fast = fresh(model, &sequence);
    close(&rewards(model, &fast), &trace, &format!("{what} trace, fast"));
    let packed = model.forward_packed(&sequence, &[sequence.len()]).unwrap();
    close(&rewards(model, &packed), &trace, &format!("{what} trace, packed"));
    assert!(difference(&fast, &packed) < 1e-4, "{what}: the two paths differ");
}

#[test]
fn traces_equal_the_reference() {
    let mut cases = 0;
    for name in fixture::CLOUD.into_iter().chain(["classic-llama-tiny"]) {
        let model = fixture::model(name);
        for case in fixture::expected(name)["examples"].as_array().unwrap() {
            check_traces(&model, case, &format!("{name} {}", case["id"]));
            cases += 1;
        }
    }
    assert!(cases >= 50, "{cases} cases");
}

#[test]
fn decoding_token_by_token_equals_the_reference() {
    for name in fixture::CLOUD {
        let model = fixture::model(name);
        for case in fixture::expected(name)["examples"].as_array().unwrap() {
            let Some(expected) = case.get("generation_trace") else { continue };
            let what = format!("{name} {} generation", case["id"]);
            let prompt = ids(&case["prompt_token_ids"]);
            let mut cache = model.new_cache();
            let hidden =
                model.forward(&mut [Chunk { ids: &prompt, cache: &mut cache, keep: prompt.len() }]).unwrap();
            let last = hidden.narrow(0, prompt.len() - 1, 1).unwrap();
            check_logits(&model, &last, &case["first_step_top8"], &what);
            let mut trace = rewards(&model, &last);
            for id in ids(&case["critique_token_ids"]) {
                let step = model.forward(&mut [Chunk { ids: &[id], cache: &mut cache, keep: 1 }]).unwrap();
                trace.extend(rewards(&model, &step));
            }
            close(&trace, &floats(expected), &what);
            let stored = cache.hidden(prompt.len() - 1, cache.len()).unwrap();
            close(&rewards(&model, &stored), &floats(expected), &format!("{what}, stored"));
        }
    }
}

fn check_logits(model: &Model, hidden: &Tensor, top: &Value, what: &str) {
    let logits: Vec<f32> = model.logits(hidden).unwrap().squeeze(0).unwrap().to_vec1().unwrap();
    assert_eq!(logits.len(), model.backbone().vocab_size);
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    let expected = floats(&top["logits"]);
    for (rank, (&id, want)) in ids(&top["ids"]).iter().zip(&expected).enumerate() {
        let found = logits[id as usize];
        assert!((found - want).abs() < 1e-3, "{what}: logit of {id} is {found}, expected {want}");
        let best = logits[order[rank] as usize];
        assert!((best - want).abs() < 1e-3, "{what}: logit {rank} is {best}, expected {want}");
    }
}

#[test]
fn stop_here_rewards_need_nothing_kept() {
    for name in ["cloud-llama-tiny", "cloud-gemma3-tiny"] {
        let model = fixture::model(name);
        let expected = fixture::expected(name);
        let eot = expected["eot_token_id"].as_u64().unwrap() as u32;
        let case = &expected["examples"][0];
        let sequence = ids(&case["final_token_ids"]);
        let start = case["critique_start"].as_u64().unwrap() as usize;
        let mut cache = model.new_cache();
        model.forward(&mut [Chunk { ids: &sequence[..start], cache: &mut cache, keep: start }]).unwrap();
        let mut found = Vec::new();
        for &id in &sequence[start..sequence.len() - 1] {
            let step = model.forward(&mut [Chunk { ids: &[id, eot], cache: &mut cache, keep: 1 }]).unwrap();
            found.extend(rewards(&model, &step.narrow(0, 1, 1).unwrap()));
        }
        assert_eq!(cache.len(), sequence.len() - 1);
        close(&found, &floats(&case["stop_here"]), name);
    }
}

#[test]
fn ragged_batches_equal_singles() {
    for name in fixture::CLOUD {
        let model = fixture::model(name);
        let expected = fixture::expected(name);
        let cases = expected["examples"].as_array().unwrap();
        let rows: Vec<Vec<u32>> = cases.iter().map(|c| ids(&c["final_token_ids"])).collect();
        let wanted: Vec<f32> = cases.iter().map(|c| c["reward"].as_f64().unwrap() as f32).collect();

        let all: Vec<u32> = rows.concat();
        let lens: Vec<usize> = rows.iter().map(Vec::len).collect();
        let ends: Vec<u32> = lens
            .iter()
            .scan(0, |end, len| {
                *end += *len as u32;
                Some(*end - 1)
            })
            .collect();
        let last = |hidden: &Tensor| {
            let index = Tensor::new(ends.as_slice(), model.device()).unwrap();
            rewards(&model, &hidden.index_select(&index, 0).unwrap())
        };
        close(&last(&model.forward_packed(&all, &lens).unwrap()), &wanted, &format!("{name} packed"));

        let mut caches: Vec<_> = rows.iter().map(|_| model.new_cache()).collect();
        let mut chunks: Vec<Chunk> = rows
            .iter()
            .zip(&mut caches)
            .map(|(ids, cache)| Chunk { ids, cache, keep: ids.len() / 2 })
            .collect();
        let batch = model.forward(&mut chunks).unwrap();
        close(&last(&batch), &wanted, &format!("{name} fast"));

        // The rest of each row, from caches that hold the first halves: rows of different lengths and ages at once.
        let mut chunks: Vec<Chunk> = rows
            .iter()
            .zip(&mut caches)
            .map(|(ids, cache)| Chunk { ids: &ids[ids.len() / 2..], cache, keep: 0 })
            .collect();
        let rest = model.forward(&mut chunks).unwrap();
        let mut at = 0;
        let mut found = Vec::new();
        for row in &rows {
            at += row.len() - row.len() / 2;
            found.extend(rewards(&model, &rest.narrow(0, at - 1, 1).unwrap()));
        }
        close(&found, &wanted, &format!("{name} second halves"));
    }
}
