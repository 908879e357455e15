//! The gated unit `activation(gate) * up` in one pass forward and one backward.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::kernel::{CHUNK, sigmoid, tanh, values, vectorized, with_values};

#[derive(Clone, Copy)]
enum Kind {
    Silu,
    GeluTanh,
}

struct Glu(Kind);

/// [`super::glu`] with SiLU, or with the tanh approximation of GELU if `gelu`.
pub fn glu(gate: &Tensor, up: &Tensor, gelu: bool) -> Result<Tensor> {
    if gate.shape() != up.shape() {
        bail!("glu: gate {:?}, up {:?}", gate.shape(), up.shape());
    }
    let kind = if gelu { Kind::GeluTanh } else { Kind::Silu };
    gate.contiguous()?.apply_op2(&up.contiguous()?, Glu(kind))
}

/// The activation and its derivative.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = sigmoid(x);
    (x * s, s * (1.0 + x * (1.0 - s)))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / pi)
    const CUBE: f32 = 0.044_715;
    let t = tanh(ROOT * (x + CUBE * x * x * x));
    let inner = ROOT * (1.0 + 3.0 * CUBE * x * x);
    (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
}

fn forward(gate: &[f32], up: &[f32], f: impl Fn(f32) -> (f32, f32) + Sync) -> Vec<f32> {
    let mut y = vec![0f32; gate.len()];
    y.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK)).for_each(
        |((y, gate), up)| {
            vectorized(
                #[inline(always)]
                || {
                    for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                        *y = f(gate).0 * up;
                    }
                },
            );
        },
    );
    y
}

fn backward(
    gate: &[f32],
    up: &[f32],
    grad: &[f32],
    f: impl Fn(f32) -> (f32, f32) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let (mut dgate, mut dup) = (vec![0f32; gate.len()], vec![0f32; gate.len()]);
    dgate.par_chunks_mut(CHUNK).zip(dup.par_chunks_mut(CHUNK)).enumerate().for_each(
        |(task, (dgate, dup))| {
            let range = task * CHUNK..task * CHUNK + dgate.len();
            let (gate, up, grad) = (&gate[range.clone()], &up[range.clone()], &grad[range]);
            vectorized(
                #[inline(always)]
                || {
                    let n = gate.len();
                    let (dgate, dup, up, grad) = (&mut dgate[..n], &mut dup[..n], &up[..n], &grad[..n]);
                    for i in 0..n {
                        let (value, slope) = f(gate[i]);
                        dgate[i] = grad[i] * up[i] * slope;
                        dup[i] = grad[i] * value;
                    }
                },
            );
        },
    );
    (dgate, dup)
}

impl CustomOp2 for Glu {
    fn name(&self) -> &'static str {
        "glu"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        u: &CpuStorage,
        lu: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (values(g, lg)?, values(u, lu)?);
        let y = match self.0 {
            Kind::Silu => forward(gate, up, silu),
            Kind::GeluTanh => forward(gate, up, gelu_tanh),
        };
        Ok((CpuStorage::F32(y), lg.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (dgate, dup) = with_values(gate, |gate| {
            with_values(up, |up| {
                with_values(&grad, |grad| {
                    Ok(match self.0 {
                        Kind::Silu => backward(gate, up, grad, silu),
                        Kind::GeluTanh => backward(gate, up, grad, gelu_tanh),
                    })
                })
            })
        })?;
        let tensor = |data| Tensor::from_vec(data, gate.shape(), gate.device());
        Ok((Some(tensor(dgate)?), Some(tensor(dup)?)))
    }
}
