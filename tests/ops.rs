//! Every differentiable operation: the fused kernels (f32) against the plain composition (f64), values and gradients,
//! and the gradients against finite differences of the composition.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use candle_core::{DType, Device, Result, Tensor, Var};
use outloud::checkpoint::Activation;
use outloud::model::ops::{self, AttentionRule};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Inputs(ChaCha8Rng, Vec<(Vec<f64>, Vec<usize>)>);

impl Inputs {
    fn new() -> Self {
        Self(ChaCha8Rng::seed_from_u64(7), Vec::new())
    }

    fn with(mut self, shape: &[usize]) -> Self {
        let n = shape.iter().product();
        let values = (0..n).map(|_| f64::from(self.0.random_range(-1.5f32..1.5))).collect();
        self.1.push((values, shape.to_vec()));
        self
    }
}

fn tensors(inputs: &[(Vec<f64>, Vec<usize>)], dtype: DType) -> Vec<Var> {
    let var = |(data, shape): &(Vec<f64>, Vec<usize>)| {
        Var::from_tensor(&Tensor::from_slice(data, shape.as_slice(), &Device::Cpu)?.to_dtype(dtype)?)
    };
    inputs.iter().map(|i| var(i).unwrap()).collect()
}

/// A scalar of the result that weighs every element differently.
fn probe(y: &Tensor) -> Tensor {
    let n = y.elem_count();
    let weights: Vec<f64> =
        (0..n).map(|i| ((i * 37 % 101) as f64 / 50.0 - 1.0) / (n as f64).sqrt()).collect();
    let weights = Tensor::from_vec(weights, y.shape(), &Device::Cpu).unwrap().to_dtype(y.dtype()).unwrap();
    (y * weights).unwrap().sum_all().unwrap()
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} instead of {b} (scale {scale})");
    }
}

/// `differentiable`: how many of the inputs, from the first, have gradients.
fn check(name: &str, inputs: Inputs, differentiable: usize, f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let inputs = inputs.1;
    let run = |vars: &[Var]| f(&vars.iter().map(|v| v.as_tensor().clone()).collect::<Vec<_>>()).unwrap();
    let (fused, plain) = (tensors(&inputs, DType::F32), tensors(&inputs, DType::F64));
    let (y32, y64) = (run(&fused), run(&plain));
    close(&format!("{name}: value"), &flat(&y32), &flat(&y64), 2e-5);
    let (g32, g64) = (probe(&y32).backward().unwrap(), probe(&y64).backward().unwrap());
    for i in 0..differentiable {
        let gradient = g32.get(&fused[i]).unwrap_or_else(|| panic!("{name}: input {i} has no gradient"));
        let gradient = flat(gradient);
        close(&format!("{name}: gradient {i}"), &gradient, &flat(g64.get(&plain[i]).unwrap()), 5e-5);
        let step = 1e-5;
        let picks: Vec<usize> = (0..gradient.len()).step_by((gradient.len() / 24).max(1)).take(24).collect();
        let differences: Vec<f64> = picks
            .iter()
            .map(|&at| {
                let value = |delta: f64| {
                    let mut moved = inputs.clone();
                    moved[i].0[at] += delta;
                    flat(&probe(&run(&tensors(&moved, DType::F64))))[0]
                };
                (value(step) - value(-step)) / (2.0 * step)
            })
            .collect();
        let gradient: Vec<f64> = picks.iter().map(|&at| gradient[at]).collect();
        close(&format!("{name}: finite differences {i}"), &gradient, &differences, 2e-4);
    }
}

#[test]
fn rms_norm() {
    for plus_one in [false, true] {
        for rows in [1, 7, 300] {
            check("rms_norm", Inputs::new().with(&[rows, 40]).with(&[40]), 2, |t| {
                ops::rms_norm(&t[0], &t[1], 1e-5, plus_one)
            });
        }
        check("rms_norm of heads", Inputs::new().with(&[5, 3, 16]).with(&[16]), 2, |t| {
            ops::rms_norm(&t[0], &t[1], 1e-6, plus_one)
        });
    }
}

#[test]
fn rope() {
    for heads in [1, 3] {
        check("rope", Inputs::new().with(&[70, heads, 12]).with(&[70, 6]).with(&[70, 6]), 1, |t| {
            ops::rope(&t[0], &t[1].detach(), &t[2].detach())
        });
    }
}

#[test]
fn glu() {
    for activation in [Activation::Silu, Activation::GeluTanh, Activation::Gelu] {
        check(&format!("glu {activation:?}"), Inputs::new().with(&[50, 33]).with(&[50, 33]), 2, |t| {
            ops::glu(&(&t[0] * 3.0)?, &t[1], activation)
        });
    }
}

#[test]
fn attention() {
    let rules = [(None, None), (Some(7), None), (None, Some(2.0)), (Some(70), Some(5.0)), (Some(1), None)];
    for (window, softcap) in rules {
        for (heads, kv_heads) in [(4, 4), (6, 2), (3, 1)] {
            for lens in [vec![1], vec![5, 0, 9, 1], vec![70, 20]] {
                let n: usize = lens.iter().sum();
                let name = format!("attention {window:?} {softcap:?} {heads}/{kv_heads} {lens:?}");
                let inputs =
                    Inputs::new().with(&[n, heads, 8]).with(&[n, kv_heads, 8]).with(&[n, kv_heads, 8]);
                let rule = AttentionRule { scale: 0.4, softcap, window };
                check(&name, inputs, 3, |t| {
                    let lens = if t[0].dtype() == DType::F64 {
                        lens.iter().copied().filter(|&l| l > 0).collect()
                    } else {
                        lens.clone()
                    };
                    ops::packed_attention(&t[0], &t[1], &t[2], &lens, rule)
                });
            }
        }
    }
}

#[test]
fn linear() {
    for n in [1, 30] {
        check("linear", Inputs::new().with(&[n, 20]).with(&[13, 20]).with(&[13]), 3, |t| {
            ops::linear(&t[0], &t[1], Some(&t[2]))
        });
    }
    check("linear without bias", Inputs::new().with(&[9, 20]).with(&[13, 20]), 2, |t| {
        ops::linear(&t[0], &t[1], None)
    });
}

#[test]
fn a_frozen_weight_gets_no_gradient_and_passes_it_on() {
    let inputs = Inputs::new().with(&[9, 20]).with(&[13, 20]);
    let vars = tensors(&inputs.1, DType::F32);
    let (x, w) = (&vars[0], &vars[1]);
    let frozen = w.as_tensor().detach();
    let y = ops::linear(x, &frozen, None).unwrap();
    let grads = probe(&y).backward().unwrap();
    assert!(grads.get(&frozen).is_none());
    let both = probe(&ops::linear(x, w, None).unwrap()).backward().unwrap();
    assert_eq!(flat(grads.get(x).unwrap()), flat(both.get(x).unwrap()));
}

#[test]
fn select_rows() {
    let ids = [3u32, 0, 3, 7, 3];
    check("select_rows", Inputs::new().with(&[8, 10]), 1, |t| ops::select_rows(&t[0], &ids));
    let table = tensors(&Inputs::new().with(&[8, 10]).1, DType::F32);
    assert!(ops::select_rows(&table[0], &[8]).is_err());
}

#[test]
fn cross_entropy() {
    for softcap in [None, Some(1.5)] {
        // 100 x 20,000 logits take more than one chunk.
        for (rows, vocab) in [(1, 17), (40, 50), (100, 20_000)] {
            let targets: Vec<u32> = (0..rows as u32).map(|i| i * 7919 % vocab as u32).collect();
            let name = format!("cross_entropy {softcap:?} {rows} x {vocab}");
            let inputs = Inputs::new().with(&[rows, 6]).with(&[vocab, 6]);
            if vocab == 20_000 {
                // Finite differences of so many logits would take minutes: values and gradients against the composition.
                let (a, b) = (tensors(&inputs.1, DType::F32), tensors(&inputs.1, DType::F64));
                let (x, y) = (
                    ops::cross_entropy(&a[0], &a[1], &targets, softcap).unwrap(),
                    ops::cross_entropy(&b[0], &b[1], &targets, softcap).unwrap(),
                );
                close(&name, &flat(&x), &flat(&y), 2e-5);
                let (gx, gy) = (probe(&x).backward().unwrap(), probe(&y).backward().unwrap());
                for i in 0..2 {
                    close(&name, &flat(gx.get(&a[i]).unwrap()), &flat(gy.get(&b[i]).unwrap()), 5e-5);
                }
            } else {
                check(&name, inputs, 2, |t| ops::cross_entropy(&t[0], &t[1], &targets, softcap));
            }
        }
    }
}

#[test]
fn not_a_number_stays_one() {
    let x = Tensor::new(&[[1f32, f32::NAN, 2.0, 0.5]], &Device::Cpu).unwrap();
    let w = Tensor::new(&[1f32, 1.0, 1.0, 1.0], &Device::Cpu).unwrap();
    let nan = |t: Tensor| flat(&t).iter().any(|v| v.is_nan());
    assert!(nan(ops::rms_norm(&x, &w, 1e-5, false).unwrap()));
    assert!(nan(ops::glu(&x, &x, Activation::Silu).unwrap()));
    let head = Tensor::ones((3, 4), DType::F32, &Device::Cpu).unwrap();
    assert!(nan(ops::cross_entropy(&x, &head, &[1], None).unwrap()));
    let q = x.reshape((2, 1, 2)).unwrap();
    let rule = AttentionRule { scale: 1.0, softcap: None, window: None };
    assert!(nan(ops::packed_attention(&q, &q, &q, &[2], rule).unwrap()));
}

#[test]
fn wrong_shapes_are_errors() {
    let t = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let rule = AttentionRule { scale: 1.0, softcap: None, window: None };
    assert!(ops::rms_norm(&t(&[2, 3]), &t(&[4]), 1e-5, false).is_err());
    assert!(ops::rope(&t(&[2, 1, 4]), &t(&[3, 2]), &t(&[3, 2])).is_err());
    assert!(ops::linear(&t(&[2, 3]), &t(&[2, 4]), None).is_err());
    assert!(ops::packed_attention(&t(&[4, 2, 2]), &t(&[4, 2, 2]), &t(&[4, 2, 2]), &[3], rule).is_err());
    assert!(ops::cross_entropy(&t(&[2, 3]), &t(&[5, 3]), &[1, 5], None).is_err());
}

#[test]
fn low_rank_linear() {
    for (n, rank) in [(1, 2), (60, 4)] {
        let inputs = Inputs::new().with(&[n, 24]).with(&[rank, 24]).with(&[18, rank]).with(&[18, 24]);
        check("low_rank", inputs, 3, |t| ops::low_rank_linear(&t[0], &t[3].detach(), &t[1], &t[2], 1.7));
    }
}

#[test]
fn divergence() {
    for softcap in [None, Some(3.0)] {
        let inputs = Inputs::new().with(&[70, 12]).with(&[33, 12]).with(&[70, 12]).with(&[33, 12]);
        check("divergence", inputs, 2, |t| {
            ops::divergence((&t[0], &t[1]), (&t[2].detach(), &t[3].detach()), softcap)
        });
        let same = Inputs::new().with(&[5, 12]).with(&[33, 12]).1;
        let t = tensors(&same, DType::F32);
        let none = ops::divergence((&t[0], &t[1]), (&t[0].detach(), &t[1].detach()), softcap).unwrap();
        assert!(flat(&none).iter().all(|x| x.abs() < 1e-6));
    }
}
