//! What happens element by element: norms, rotation, softmax, gated activations.

use crate::{
    checkpoint::Activation,
    model::ops::kernel::{dot, exp, max, sum, tanh, vectorized},
};

/// A norm's weights as numbers.
#[derive(Clone, Copy)]
pub(super) struct NormView<'a> {
    pub weight: &'a [f32],
    pub eps: f32,
    /// 1 for Gemma's `1 + w`, else 0.
    pub offset: f32,
}

impl NormView<'_> {
    #[inline(always)]
    fn scale(&self, row: &[f32]) -> f32 {
        1.0 / (dot(row, row) / row.len() as f32 + self.eps).sqrt()
    }

    /// RMSNorm of each row of `x` (`[_, width of the norm]`) into `out`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let width = self.weight.len();
        vectorized(|| {
            for (row, out) in x.chunks(width).zip(out.chunks_mut(width)) {
                let scale = self.scale(row);
                for ((out, x), w) in out.iter_mut().zip(row).zip(self.weight) {
                    *out = x * scale * (w + self.offset);
                }
            }
        });
    }
}

/// `x += y`, or `x += norm(y)`; rows as wide as the norm.
pub(super) fn add_residual(x: &mut [f32], y: &[f32], norm: Option<NormView<'_>>) {
    vectorized(|| {
        let Some(norm) = norm else {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            return;
        };
        let width = norm.weight.len();
        for (x, y) in x.chunks_mut(width).zip(y.chunks(width)) {
            let scale = norm.scale(y);
            for ((x, y), w) in x.iter_mut().zip(y).zip(norm.weight) {
                *x += y * scale * (w + norm.offset);
            }
        }
    });
}

/// What heads go through before attention: a norm (where there is one), rotation by half, scaling.
#[derive(Clone, Copy)]
pub(super) struct Rotation<'a> {
    pub norm: Option<NormView<'a>>,
    /// Of each token `[N, D / 2]`.
    pub cos: &'a [f32],
    /// Of each token `[N, D / 2]`.
    pub sin: &'a [f32],
    pub scale: f32,
    /// Width of a head.
    pub dim: usize,
}

impl Rotation<'_> {
    /// For consecutive tokens, the first of which is `token`: from each of `rows` the heads `columns` (a multiple of
    /// `dim`, starting at `column`), into `out`.
    pub fn apply<'a>(
        &self,
        token: usize,
        rows: impl Iterator<Item = &'a [f32]>,
        column: usize,
        columns: usize,
        out: &mut [f32],
    ) {
        let half = self.dim / 2;
        let angles = self.cos.chunks(half).zip(self.sin.chunks(half)).skip(token);
        vectorized(|| {
            for ((row, out), (cos, sin)) in rows.zip(out.chunks_mut(columns)).zip(angles) {
                let heads = row.get(column..column + columns).unwrap_or_default();
                for (x, out) in heads.chunks(self.dim).zip(out.chunks_mut(self.dim)) {
                    self.head(x, out, cos, sin);
                }
            }
        });
    }

    #[inline(always)]
    fn head(&self, x: &[f32], out: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        let (a, b) = x.split_at(half);
        let (first, second) = out.split_at_mut(half);
        let pairs = first.iter_mut().zip(second).zip(a.iter().zip(b)).zip(cos.iter().zip(sin));
        if let Some(norm) = self.norm {
            let (wa, wb) = norm.weight.split_at(half);
            let rms = norm.scale(x);
            for ((((first, second), (a, b)), (cos, sin)), (wa, wb)) in pairs.zip(wa.iter().zip(wb)) {
                let (a, b) = (a * rms * (wa + norm.offset), b * rms * (wb + norm.offset));
                *first = (a * cos - b * sin) * self.scale;
                *second = (b * cos + a * sin) * self.scale;
            }
        } else {
            for (((first, second), (a, b)), (cos, sin)) in pairs {
                *first = (a * cos - b * sin) * self.scale;
                *second = (b * cos + a * sin) * self.scale;
            }
        }
    }
}

/// Softmax in place, after soft-capping where asked.
pub(super) fn softmax(scores: &mut [f32], softcap: Option<f32>) {
    vectorized(|| {
        if let Some(cap) = softcap {
            scores.iter_mut().for_each(|s| *s = cap * tanh(*s / cap));
        }
        let largest = max(scores);
        scores.iter_mut().for_each(|s| *s = exp(*s - largest));
        let total = sum(scores.len(), |i| scores.get(i).copied().unwrap_or_default());
        let inverse = 1.0 / total;
        scores.iter_mut().for_each(|s| *s *= inverse);
    });
}

/// `gate = activation(gate) * up`.
pub(super) fn glu(gate: &mut [f32], up: &[f32], activation: Activation) {
    vectorized(|| {
        let pairs = gate.iter_mut().zip(up);
        match activation {
            Activation::Silu => pairs.for_each(|(g, u)| *g = *g / (1.0 + exp(-*g)) * u),
            Activation::GeluTanh => pairs.for_each(|(g, u)| {
                let x = *g;
                let inner = 0.797_884_6 * (x + 0.044_715 * x * x * x);
                *g = 0.5 * x * (1.0 + tanh(inner)) * u;
            }),
            Activation::Gelu => pairs.for_each(|(g, u)| {
                let x = *g;
                let erf = candle_core::cpu::erf::erf_f32(x * std::f32::consts::FRAC_1_SQRT_2);
                *g = 0.5 * x * (1.0 + erf) * u;
            }),
        }
    });
}
