//! What happens element by element: norms, rotation, softmax, gated activations.
//!
//! Each is a [`WithSimd`] whose body is inlined into code compiled for the vectors at hand; a closure would not have to be.

use pulp::{Simd, WithSimd};

use super::simd::dispatch;
use crate::{
    checkpoint::Activation,
    model::ops::kernel::{exp, max, tanh},
};

/// Sum over `f`, in 16 partial sums.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let chunks = x.chunks_exact(16);
    let tail: f32 = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += f(x));
    }
    lanes.iter().sum::<f32>() + tail
}

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
        1.0 / (sum(row, |x| x * x) / row.len() as f32 + self.eps).sqrt()
    }
}

/// RMSNorm of each row of `x` (`[_, weight.len()]`) into `out`.
struct RmsNorm<'a> {
    pub x: &'a [f32],
    pub out: &'a mut [f32],
    pub norm: NormView<'a>,
}

impl WithSimd for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.norm.weight.len();
        for (row, out) in self.x.chunks(width).zip(self.out.chunks_mut(width)) {
            let scale = self.norm.scale(row);
            for ((out, x), w) in out.iter_mut().zip(row).zip(self.norm.weight) {
                *out = x * scale * (w + self.norm.offset);
            }
        }
    }
}

/// `x += y`, or `x += rms_norm(y)`; rows as wide as the norm.
struct AddResidual<'a> {
    pub x: &'a mut [f32],
    pub y: &'a [f32],
    pub norm: Option<NormView<'a>>,
}

impl WithSimd for AddResidual<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Some(norm) = self.norm else {
            self.x.iter_mut().zip(self.y).for_each(|(x, y)| *x += y);
            return;
        };
        let width = norm.weight.len();
        for (x, y) in self.x.chunks_mut(width).zip(self.y.chunks(width)) {
            let scale = norm.scale(y);
            for ((x, y), w) in x.iter_mut().zip(y).zip(norm.weight) {
                *x += y * scale * (w + norm.offset);
            }
        }
    }
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

/// Some heads of consecutive tokens, rotated.
pub(super) struct Rotate<'a> {
    pub rotation: Rotation<'a>,
    /// All tokens' rows, `stride` numbers each.
    pub x: &'a [f32],
    pub stride: usize,
    /// The first token to take.
    pub token: usize,
    /// The first number of its row to take.
    pub column: usize,
    /// How many numbers of each row, a multiple of the head's width.
    pub columns: usize,
    /// `[tokens, columns]`.
    pub out: &'a mut [f32],
}

impl WithSimd for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rotation, x, stride, token, column, columns, out } = self;
        let half = rotation.dim / 2;
        let angles = rotation.cos.chunks(half).zip(rotation.sin.chunks(half)).skip(token);
        let rows = x.chunks(stride).skip(token);
        for ((row, out), (cos, sin)) in rows.zip(out.chunks_mut(columns)).zip(angles) {
            let heads = row.get(column..column + columns).unwrap_or_default();
            for (x, out) in heads.chunks(rotation.dim).zip(out.chunks_mut(rotation.dim)) {
                rotation.head(x, out, cos, sin);
            }
        }
    }
}

/// Softmax in place, after soft-capping where asked.
struct Softmax<'a> {
    pub scores: &'a mut [f32],
    pub softcap: Option<f32>,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if let Some(cap) = self.softcap {
            self.scores.iter_mut().for_each(|s| *s = cap * tanh(*s / cap));
        }
        let max = max(self.scores);
        self.scores.iter_mut().for_each(|s| *s = exp(*s - max));
        let inverse = 1.0 / sum(self.scores, |s| s);
        self.scores.iter_mut().for_each(|s| *s *= inverse);
    }
}

/// `gate = activation(gate) * up`.
struct Glu<'a> {
    pub gate: &'a mut [f32],
    pub up: &'a [f32],
    pub activation: Activation,
}

impl WithSimd for Glu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.gate.iter_mut().zip(self.up);
        match self.activation {
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
    }
}

/// [`RmsNorm`].
pub(super) fn rms_norm(norm: NormView<'_>, x: &[f32], out: &mut [f32]) {
    dispatch(RmsNorm { x, out, norm });
}

/// [`AddResidual`].
pub(super) fn add_residual(x: &mut [f32], y: &[f32], norm: Option<NormView<'_>>) {
    dispatch(AddResidual { x, y, norm });
}

/// [`Softmax`].
pub(super) fn softmax(scores: &mut [f32], softcap: Option<f32>) {
    dispatch(Softmax { scores, softcap });
}

/// [`Glu`].
pub(super) fn glu(gate: &mut [f32], up: &[f32], activation: Activation) {
    dispatch(Glu { gate, up, activation });
}
