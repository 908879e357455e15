//! Three computations of the same model agree: slices (f32 on the processor), tensor operations (any device and dtype),
//! and the differentiable rows. Over shapes and variations that the fixtures do not have.

use std::{cell::RefCell, collections::HashMap};

use candle_core::{DType, Device, Tensor};
use outloud::{
    Result,
    checkpoint::{Activation, Backbone, Head, Layer, Rope, RopeScaling},
    model::{Chunk, Model, TensorSource},
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fixture::difference;

/// Makes whatever tensor it is asked for, and remembers it.
struct Dice {
    tensors: RefCell<HashMap<String, Tensor>>,
    rng: RefCell<ChaCha8Rng>,
}

impl Dice {
    fn new(seed: u64) -> Self {
        Self { tensors: RefCell::default(), rng: RefCell::new(ChaCha8Rng::seed_from_u64(seed)) }
    }
}

impl TensorSource for Dice {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        if let Some(t) = self.tensors.borrow().get(name) {
            return Ok(t.clone());
        }
        let mut rng = self.rng.borrow_mut();
        let size = (*shape.last().unwrap() as f32).powf(-0.5) * 2.0;
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-size..size)).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
        self.tensors.borrow_mut().insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn has(&self, _: &str) -> bool {
        true
    }

    fn base_prefix(&self) -> &str {
        ""
    }
}

/// The same tensors in f64: the model then computes by tensor operations.
struct InF64<'a>(&'a Dice);

impl TensorSource for InF64<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.0.tensor(name, shape)?.to_dtype(DType::F64)?)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    fn base_prefix(&self) -> &str {
        ""
    }
}

fn backbones() -> impl Strategy<Value = Backbone> {
    let shape =
        (1..4usize, prop::sample::select(vec![1usize, 2, 3, 4]), prop::sample::select(vec![6usize, 16, 20]));
    let flags = prop::collection::vec(any::<bool>(), 9);
    let activation = prop::sample::select(vec![Activation::Silu, Activation::GeluTanh, Activation::Gelu]);
    (shape, flags, activation, 1..20usize).prop_map(
        |((kv_heads, group, head_dim), flags, activation, window)| Backbone {
            family: "random".into(),
            hidden_size: 40,
            intermediate_size: 52,
            num_heads: kv_heads * group,
            num_kv_heads: kv_heads,
            head_dim,
            vocab_size: 60,
            max_position_embeddings: 512,
            rms_norm_eps: 1e-5,
            norm_plus_one: flags[0],
            activation,
            qkv_bias: flags[1],
            o_bias: flags[2],
            mlp_bias: flags[3],
            qk_norm: flags[4],
            sandwich_norms: flags[5],
            embedding_scale: flags[6].then_some(3.0),
            attention_scale: 0.3,
            attention_softcap: flags[7].then_some(1.5),
            logit_softcap: flags[7].then_some(2.0),
            tied: flags[8],
            ropes: vec![
                Rope { theta: 10000.0, scaling: RopeScaling::Default },
                Rope { theta: 500.0, scaling: RopeScaling::Linear { factor: 2.0 } },
            ],
            layers: vec![
                Layer { rope: 0, window: None },
                Layer { rope: 1, window: Some(window) },
                Layer { rope: 0, window: flags[0].then_some(5) },
            ],
        },
    )
}

fn f32s(t: &Tensor) -> Tensor {
    t.to_dtype(DType::F32).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_paths_agree(
        backbone in backbones(),
        seed in 0..1000u64,
        splits in prop::collection::vec((0..70usize, 0..9usize, 0..50usize), 1..4),
    ) {
        let dice = Dice::new(seed);
        let head = Head::Linear { weight: "score".into() };
        let slices = Model::new(&backbone, &head, &dice, &Device::Cpu).unwrap();
        let tensors = Model::new(&backbone, &head, &InF64(&dice), &Device::Cpu).unwrap();
        let id = |row: usize, i: usize| ((i * 7 + row * 13 + i * i) % 60) as u32;
        let ids: Vec<Vec<u32>> = splits.iter().enumerate()
            .map(|(row, (a, b, c))| (0..a + b + c).map(|i| id(row, i)).collect()).collect();

        // Each row in three calls of the batch: a prompt, a few tokens, the rest (of which nothing is kept).
        let run = |model: &Model| {
            let mut caches: Vec<_> = ids.iter().map(|_| model.new_cache()).collect();
            let mut outs: Vec<Vec<Tensor>> = vec![Vec::new(); ids.len()];
            for call in 0..3 {
                let parts: Vec<&[u32]> = ids.iter().zip(&splits).map(|(ids, (a, b, _))| {
                    match call { 0 => &ids[..*a], 1 => &ids[*a..a + b], _ => &ids[a + b..] }
                }).collect();
                let mut chunks: Vec<Chunk> = caches.iter_mut().zip(&parts)
                    .map(|(cache, ids)| Chunk { ids, cache, keep: if call == 2 { 0 } else { ids.len() } })
                    .collect();
                let hidden = model.forward(&mut chunks).unwrap();
                let mut at = 0;
                for (out, part) in outs.iter_mut().zip(&parts) {
                    out.push(f32s(&hidden.narrow(0, at, part.len()).unwrap()));
                    at += part.len();
                }
            }
            let rows: Vec<Tensor> = outs.iter().map(|o| Tensor::cat(o, 0).unwrap()).collect();
            Tensor::cat(&rows, 0).unwrap()
        };
        let lens: Vec<usize> = ids.iter().map(Vec::len).filter(|n| *n > 0).collect();
        prop_assume!(!lens.is_empty());
        let packed = |model: &Model| f32s(&model.forward_packed(&ids.concat(), &lens).unwrap());
        let exact = packed(&tensors);
        let size = exact.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        for (what, found) in
            [("slices", run(&slices)), ("tensors", run(&tensors)), ("rows", packed(&slices))]
        {
            prop_assert!(difference(&found, &exact) < 2e-4 * size.max(1.0), "{what}: {}", difference(&found, &exact));
        }
        let logits = slices.logits(&packed(&slices)).unwrap();
        prop_assert!(difference(&logits, &f32s(&tensors.logits(&tensors.forward_packed(&ids.concat(), &lens).unwrap()).unwrap())) < 1e-3 * size.max(1.0));
    }
}

#[test]
fn a_missing_or_wrong_tensor_is_named() {
    let all = crate::fixture::tensors("cloud-llama-tiny");
    let backbone = crate::fixture::backbone("cloud-llama-tiny");
    let name = "reward_base_model.model.layers.1.mlp.up_proj.weight";
    let load = |all: &HashMap<String, Tensor>, backbone: &Backbone| {
        Model::new(backbone, &crate::fixture::head(), all, &Device::Cpu).unwrap_err().to_string()
    };
    let mut without = all.clone();
    without.remove(name);
    assert!(load(&without, &backbone).contains(name));
    let mut wide = backbone.clone();
    wide.intermediate_size = 300;
    let error = load(&all, &wide);
    assert!(
        error.contains("gate_proj") && error.contains("[300, 96]") && error.contains("[256, 96]"),
        "{error}"
    );
    let mut uneven = backbone;
    uneven.num_kv_heads = 4;
    assert!(load(&all, &uneven).contains("num_kv_heads"));
}

#[test]
fn a_classifier_without_lm_head_gives_rewards_but_no_logits() {
    let mut all = crate::fixture::tensors("classic-llama-tiny");
    all.remove("reward_base_model.lm_head.weight");
    let backbone = crate::fixture::backbone("classic-llama-tiny");
    let model = Model::new(&backbone, &crate::fixture::head(), &all, &Device::Cpu).unwrap();
    let hidden = model.forward_packed(&[1, 2], &[2]).unwrap();
    assert_eq!(model.rewards(&hidden).unwrap().dims(), [2]);
    assert!(model.logits(&hidden).unwrap_err().to_string().contains("lm_head"));
}
