//! Speed of the model room on random weights: `cargo bench --bench model`.
//!
//! One Llama of about 100 M parameters in f32, 1,000 tokens of context. Each figure is the best of some repetitions.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{collections::HashMap, time::Instant};

use candle_core::{Device, Tensor};
use outloud::{
    Result,
    checkpoint::{Activation, Backbone, Head, Layer, Rope, RopeScaling},
    model::{Chunk, KvCache, Model, TensorSource},
};

struct Random;

impl TensorSource for Random {
    fn tensor(&self, _: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::randn(0f32, 0.02, shape, &Device::Cpu)?)
    }

    fn has(&self, _: &str) -> bool {
        true
    }
}

fn llama(hidden: usize, layers: usize, inner: usize, heads: usize, kv_heads: usize, vocab: usize) -> Model {
    let backbone = Backbone {
        family: "llama".into(),
        hidden_size: hidden,
        intermediate_size: inner,
        num_heads: heads,
        num_kv_heads: kv_heads,
        head_dim: hidden / heads,
        vocab_size: vocab,
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        norm_plus_one: false,
        activation: Activation::Silu,
        qkv_bias: false,
        o_bias: false,
        mlp_bias: false,
        qk_norm: false,
        sandwich_norms: false,
        embedding_scale: None,
        attention_scale: ((hidden / heads) as f64).powf(-0.5),
        attention_softcap: None,
        logit_softcap: None,
        tied: false,
        ropes: vec![Rope { theta: 500000.0, scaling: RopeScaling::Default }],
        layers: vec![Layer { rope: 0, window: None }; layers],
    };
    let head = Head::DenseTanhOut { dense: "dense".into(), out_proj: "out".into() };
    Model::new(&backbone, &head, &Random, &Device::Cpu).unwrap()
}

fn push(model: &Model, cache: &mut KvCache, ids: &[u32], keep: usize) -> Tensor {
    model.forward(&mut [Chunk { ids, cache, keep }]).unwrap()
}

/// Best time of `n` runs, in milliseconds.
fn best(n: usize, mut f: impl FnMut()) -> f64 {
    let times = (0..n).map(|_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn bench(name: &str, model: &Model, repeat: usize) {
    let ids: Vec<u32> = (0..1000).map(|i| (i * 37 % 700) as u32).collect();
    let mut trunk = model.new_cache();
    push(model, &mut trunk, &ids, ids.len());
    println!(
        "{name}: {:.1} M parameters, {} threads",
        model.parameters() as f64 / 1e6,
        rayon::current_num_threads()
    );
    let line = |what: &str, ms: f64, tokens: usize| {
        println!("  {what:<44} {ms:9.3} ms {:9.0} tok/s", tokens as f64 / ms * 1e3);
    };

    line(
        "prefill 1,000",
        best(repeat.div_ceil(4), || drop(push(model, &mut model.new_cache(), &ids, 1000))),
        1000,
    );
    let in_chunks = best(repeat.div_ceil(4), || {
        let mut cache = model.new_cache();
        cache.reserve(1000);
        ids.chunks(256).for_each(|part| drop(push(model, &mut cache, part, part.len())));
    });
    line("prefill 1,000 in chunks of 256", in_chunks, 1000);

    let mut cache = trunk.fork();
    line("decode, hidden state only", best(repeat, || drop(push(model, &mut cache, &[5], 1))), 1);
    let with_logits = || {
        let hidden = push(model, &mut cache, &[5], 1);
        model.logits(&hidden).unwrap();
    };
    line("decode with logits", best(repeat, with_logits), 1);
    let with_reward = || {
        let hidden = push(model, &mut cache, &[5], 1);
        model.logits(&hidden).unwrap();
        model.rewards(&hidden).unwrap();
    };
    line("decode with logits and live reward", best(repeat, with_reward), 1);
    let stop_here = || {
        let hidden = push(model, &mut cache, &[5, 6], 1);
        model.logits(&hidden.narrow(0, 0, 1).unwrap()).unwrap();
        model.rewards(&hidden).unwrap();
    };
    line("the same with the stop-here reward", best(repeat, stop_here), 1);
    let append = || {
        let mut fork = trunk.fork();
        let hidden = push(model, &mut fork, &[9], 0);
        model.rewards(&hidden).unwrap();
    };
    line("append one token to a fork, read the reward", best(repeat, append), 1);
    for rows in [2, 4, 8, 16, 32] {
        let mut forks: Vec<KvCache> = (0..rows).map(|_| trunk.fork()).collect();
        let ms = best(repeat.div_ceil(2), || {
            let mut chunks: Vec<Chunk<'_>> =
                forks.iter_mut().map(|cache| Chunk { ids: &[5], cache, keep: 1 }).collect();
            let hidden = model.forward(&mut chunks).unwrap();
            model.logits(&hidden).unwrap();
        });
        line(&format!("decode with logits, {rows} rows"), ms, rows);
    }
    let edit: Vec<u32> = ids.iter().rev().take(30).copied().collect();
    for rows in [1, 8] {
        let mut forks: Vec<KvCache> = (0..rows).map(|_| trunk.fork()).collect();
        let ms = best(repeat.div_ceil(2), || {
            let mut chunks: Vec<Chunk<'_>> =
                forks.iter_mut().map(|cache| Chunk { ids: &edit, cache, keep: 0 }).collect();
            model.forward(&mut chunks).unwrap();
        });
        line(&format!("re-score, 30 tokens changed, {rows} rows"), ms, 30 * rows);
    }
    let packed = best(1, || drop(model.forward_packed(&ids, &[1000]).unwrap()));
    line("differentiable forward, 1,000", packed, 1000);
}

fn main() {
    let only: HashMap<String, ()> = std::env::args().skip(1).map(|a| (a, ())).collect();
    let wanted = |name: &str| !only.keys().any(|k| !k.starts_with('-')) || only.contains_key(name);
    if wanted("tiny") {
        bench("tiny", &llama(96, 3, 256, 6, 2, 772), 200);
    }
    if wanted("100m") {
        bench("100m", &llama(768, 12, 2048, 12, 4, 32000), 20);
    }
}
