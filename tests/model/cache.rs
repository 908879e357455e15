//! Caches: whatever was appended, forked, truncated or rolled back, the next hidden states are those of a fresh forward.

use std::{cell::OnceCell, collections::HashSet};

use outloud::model::{Chunk, KvCache, Model};
use proptest::prelude::*;

use crate::{
    fixture::{self, difference},
    parity::fresh,
};

thread_local! {
    static MODELS: [OnceCell<Model>; 2] = const { [OnceCell::new(), OnceCell::new()] };
}

fn with_model(index: usize, run: impl FnOnce(&Model)) {
    MODELS.with(|models| {
        run(models[index].get_or_init(|| fixture::model(["cloud-llama-tiny", "cloud-gemma3-tiny"][index])));
    });
}

fn push(model: &Model, cache: &mut KvCache, ids: &[u32], keep: usize) -> candle_core::Tensor {
    model.forward(&mut [Chunk { ids, cache, keep }]).unwrap()
}

fn sequence(len: usize, salt: usize) -> Vec<u32> {
    (0..len).map(|i| ((i * 31 + salt * 17 + i * i) % 700) as u32).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// To which cache, how many tokens, how many of them stay, what they are.
    Append(usize, usize, usize, usize),
    Fork(usize),
    Truncate(usize, usize),
    Drop(usize),
    /// One token to every cache in one call.
    Batch(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..8usize, 0..40usize, 0..45usize, 0..50usize).prop_map(|(c, n, k, s)| Step::Append(c, n, k.min(n), s)),
        4 => (0..8usize, 1..3usize, 0..50usize).prop_map(|(c, n, s)| Step::Append(c, n, n, s)),
        2 => (0..8usize).prop_map(Step::Fork),
        2 => (0..8usize, 0..60usize).prop_map(|(c, n)| Step::Truncate(c, n)),
        1 => (0..8usize).prop_map(Step::Drop),
        2 => (0..50usize).prop_map(Step::Batch),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_equals_a_fresh_forward(steps in steps(), which in 0..2usize) {
        with_model(which, |model| {
            let mut rows: Vec<(Vec<u32>, KvCache)> = vec![(Vec::new(), model.new_cache())];
            for step in steps {
                let n = rows.len();
                match step {
                    Step::Append(row, n_ids, keep, salt) => {
                        let (ids, cache) = &mut rows[row % n];
                        let new = sequence(n_ids, salt);
                        let hidden = push(model, cache, &new, keep);
                        let start = ids.len();
                        let whole = [ids.as_slice(), &new].concat();
                        let wanted = fresh(model, &whole).narrow(0, start, n_ids).unwrap();
                        assert!(difference(&hidden, &wanted) < 1e-4);
                        ids.extend(&new[..keep]);
                    }
                    Step::Fork(row) => {
                        let (ids, cache) = &rows[row % n];
                        let fork = (ids.clone(), cache.fork());
                        rows.push(fork);
                    }
                    Step::Truncate(row, len) => {
                        let (ids, cache) = &mut rows[row % n];
                        ids.truncate(len);
                        cache.truncate(len);
                    }
                    Step::Drop(row) if n > 1 => drop(rows.swap_remove(row % n)),
                    Step::Drop(_) => {}
                    Step::Batch(salt) => {
                        let new: Vec<[u32; 1]> = (0..n).map(|i| [(salt * 13 + i) as u32]).collect();
                        let mut chunks: Vec<Chunk> = rows.iter_mut().zip(&new)
                            .map(|((_, cache), ids)| Chunk { ids, cache, keep: 1 }).collect();
                        model.forward(&mut chunks).unwrap();
                        for ((ids, _), new) in rows.iter_mut().zip(&new) {
                            ids.extend(new);
                        }
                    }
                }
            }
            for (ids, cache) in &rows {
                assert_eq!(cache.len(), ids.len());
                let stored = cache.hidden(0, ids.len()).unwrap();
                assert!(difference(&stored, &fresh(model, ids)) < 1e-4);
            }
        });
    }
}

#[test]
fn forks_do_not_see_each_other() {
    let model = fixture::model("cloud-llama-tiny");
    let mut trunk = model.new_cache();
    push(&model, &mut trunk, &sequence(30, 0), 30);
    let mut forks: Vec<KvCache> = (0..3).map(|_| trunk.fork()).collect();
    forks[2].truncate(20);
    for (salt, cache) in forks.iter_mut().enumerate() {
        push(&model, cache, &sequence(7, salt + 1), 7);
    }
    push(&model, &mut trunk, &sequence(4, 9), 4);
    for (salt, cache) in forks.iter().enumerate() {
        let kept = if salt == 2 { 20 } else { 30 };
        let whole = [&sequence(30, 0)[..kept], &sequence(7, salt + 1)].concat();
        assert!(difference(&cache.hidden(0, kept + 7).unwrap(), &fresh(&model, &whole)) < 1e-4);
    }
    let whole = [sequence(30, 0), sequence(4, 9)].concat();
    assert!(difference(&trunk.hidden(0, 34).unwrap(), &fresh(&model, &whole)) < 1e-4);
}

#[test]
fn a_thousand_edits_share_their_prefix() {
    let model = fixture::model("cloud-llama-tiny");
    let mut trunk = model.new_cache();
    push(&model, &mut trunk, &sequence(400, 0), 400);
    let shared: HashSet<usize> = trunk.segments().map(|(id, _)| id).collect();
    let trunk_bytes: usize = trunk.segments().map(|(_, bytes)| bytes).sum();
    let mut seen = HashSet::new();
    let mut edit_bytes = 0;
    let edits: Vec<KvCache> = (0..100)
        .map(|salt| {
            let mut edit = trunk.fork();
            edit.truncate(300);
            push(&model, &mut edit, &sequence(5, salt), 5);
            edit
        })
        .collect();
    for (id, bytes) in edits.iter().flat_map(KvCache::segments) {
        if !shared.contains(&id) && seen.insert(id) {
            edit_bytes += bytes;
        }
    }
    assert_eq!(seen.len(), 100);
    assert!(edit_bytes <= 100 * trunk_bytes * 16 / 400, "{edit_bytes} bytes for 500 tokens");
}

#[test]
fn many_small_appends_stay_few_spans() {
    let model = fixture::model("cloud-llama-tiny");
    let mut cache = model.new_cache();
    push(&model, &mut cache, &sequence(40, 0), 40);
    let mut ids = sequence(40, 0);
    // Every append meets a watermark that another fork has moved: the worst case.
    let mut others = Vec::new();
    for salt in 0..60 {
        let mut other = cache.fork();
        push(&model, &mut other, &[3], 1);
        others.push(other);
        push(&model, &mut cache, &sequence(2, salt), 2);
        ids.extend(sequence(2, salt));
        assert!(cache.segments().count() <= 17);
    }
    assert!(difference(&cache.hidden(0, ids.len()).unwrap(), &fresh(&model, &ids)) < 1e-4);
}

#[test]
fn chunked_prefill_equals_whole_across_the_window() {
    // Gemma's window is 24: chunks of these sizes begin before, in and after it.
    for name in ["cloud-gemma3-tiny", "cloud-qwen2-tiny"] {
        let model = fixture::model(name);
        let ids = sequence(150, 3);
        let whole = fresh(&model, &ids);
        for size in [1, 7, 23, 24, 25, 64, 149] {
            let mut cache = model.new_cache();
            cache.reserve(ids.len());
            let parts: Vec<_> =
                ids.chunks(size).map(|part| push(&model, &mut cache, part, part.len())).collect();
            assert_eq!(cache.segments().count(), 1, "reserved in one piece");
            let found = candle_core::Tensor::cat(&parts, 0).unwrap();
            assert!(difference(&found, &whole) < 1e-4, "{name}, chunks of {size}");
        }
    }
}

#[test]
fn bad_requests_change_nothing() {
    let model = fixture::model("cloud-llama-tiny");
    let mut cache = model.new_cache();
    push(&model, &mut cache, &[1, 2, 3], 3);
    assert!(model.forward(&mut [Chunk { ids: &[1, 9999], cache: &mut cache, keep: 2 }]).is_err());
    assert!(model.forward(&mut [Chunk { ids: &[1], cache: &mut cache, keep: 2 }]).is_err());
    assert!(cache.hidden(2, 4).is_err());
    assert_eq!(cache.len(), 3);
    let nothing = model.forward(&mut []).unwrap();
    assert_eq!(nothing.dims(), [0, 96]);
    let nothing = model.forward(&mut [Chunk { ids: &[], cache: &mut cache, keep: 0 }]).unwrap();
    assert_eq!(nothing.dims(), [0, 96]);
    let next = push(&model, &mut cache, &[4], 1);
    assert!(difference(&next, &fresh(&model, &[1, 2, 3, 4]).narrow(0, 3, 1).unwrap()) < 1e-4);
}

#[test]
fn caches_can_move_to_another_thread() {
    let model = fixture::model("cloud-qwen2-tiny");
    let mut cache = model.new_cache();
    std::thread::spawn(move || {
        push(&model, &mut cache, &[1, 2], 2);
        assert_eq!(cache.len(), 2);
    })
    .join()
    .unwrap();
}
