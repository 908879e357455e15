//! What happens element by element: norms, rotation, softmax, gated activations.

use pulp::{Simd, WithSimd};

use crate::checkpoint::Activation;

/// `e^x` to about 1e-7 relative; below -87 it is practically 0. Written so that the compiler vectorises loops over it.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this rounds to an integer, which then stands in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let whole = shifted - MAGIC;
    // ln 2 in two parts, the first exact in few bits.
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_66;
    let p = p * r + 0.5;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * power
}

/// `tanh(x)` to about 1e-7 absolute.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

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

/// RMSNorm of each row of `x` (`[_, weight.len()]`) into `out`.
pub(super) struct RmsNorm<'a> {
    pub x: &'a [f32],
    pub out: &'a mut [f32],
    pub norm: NormView<'a>,
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
pub(super) struct AddResidual<'a> {
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

/// One head of one token: norm (where there is one), rotation by half, scaling. `cos`, `sin`: `[D / 2]`.
pub(super) struct RotateHead<'a> {
    pub x: &'a [f32],
    pub out: &'a mut [f32],
    pub norm: Option<NormView<'a>>,
    pub cos: &'a [f32],
    pub sin: &'a [f32],
    pub scale: f32,
}

impl WithSimd for RotateHead<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, out, norm, cos, sin, scale } = self;
        let half = cos.len();
        let (a, b) = x.split_at(half);
        let (first, second) = out.split_at_mut(half);
        let pairs = first.iter_mut().zip(second).zip(a.iter().zip(b)).zip(cos.iter().zip(sin));
        if let Some(norm) = norm {
            let (wa, wb) = norm.weight.split_at(half);
            let rms = norm.scale(x);
            for ((((first, second), (a, b)), (cos, sin)), (wa, wb)) in pairs.zip(wa.iter().zip(wb)) {
                let (a, b) = (a * rms * (wa + norm.offset), b * rms * (wb + norm.offset));
                *first = (a * cos - b * sin) * scale;
                *second = (b * cos + a * sin) * scale;
            }
        } else {
            for (((first, second), (a, b)), (cos, sin)) in pairs {
                *first = (a * cos - b * sin) * scale;
                *second = (b * cos + a * sin) * scale;
            }
        }
    }
}

/// Softmax in place, after soft-capping where asked.
pub(super) struct Softmax<'a> {
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
        let mut lanes = [f32::NEG_INFINITY; 16];
        let chunks = self.scores.chunks_exact(16);
        let tail = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, &s| m.max(s));
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &s)| *lane = if s > *lane { s } else { *lane });
        }
        let max = lanes.iter().fold(tail, |m, &s| m.max(s));
        self.scores.iter_mut().for_each(|s| *s = exp(*s - max));
        let inverse = 1.0 / sum(self.scores, |s| s);
        self.scores.iter_mut().for_each(|s| *s *= inverse);
    }
}

/// `gate = activation(gate) * up`.
pub(super) struct Glu<'a> {
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
