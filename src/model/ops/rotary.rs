//! Rotary embedding in one pass; the gradient is the rotation back.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::kernel::{values, vectorized, with_values};

const TOKENS: usize = 64;

struct Rope;

/// See [`super::rope`].
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (n, _, dim) = x.dims3()?;
    if dim % 2 != 0 || cos.dims2()? != (n, dim / 2) || sin.dims2()? != (n, dim / 2) {
        bail!("rope: x {:?}, cos {:?}, sin {:?}", x.shape(), cos.shape(), sin.shape());
    }
    x.contiguous()?.apply_op3(&cos.contiguous()?, &sin.contiguous()?, Rope)
}

/// Rotates forward (`sign` 1) or back (-1).
fn rotate(x: &[f32], cos: &[f32], sin: &[f32], (heads, dim): (usize, usize), sign: f32) -> Vec<f32> {
    let (half, width) = (dim / 2, heads * dim);
    let mut y = vec![0f32; x.len()];
    y.par_chunks_mut(TOKENS * width).zip(x.par_chunks(TOKENS * width)).enumerate().for_each(
        |(task, (y, x))| {
            vectorized(
                #[inline(always)]
                || {
                    for (i, (y, x)) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
                        let at = (task * TOKENS + i) * half;
                        let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
                        for (y, x) in y.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
                            let (ya, yb) = y.split_at_mut(half);
                            let (xa, xb) = x.split_at(half);
                            for j in 0..half {
                                let s = sin[j] * sign;
                                ya[j] = xa[j] * cos[j] - xb[j] * s;
                                yb[j] = xb[j] * cos[j] + xa[j] * s;
                            }
                        }
                    }
                },
            );
        },
    );
    y
}

impl CustomOp3 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        cos: &CpuStorage,
        lc: &Layout,
        sin: &CpuStorage,
        ls: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, heads, dim) = lx.shape().dims3()?;
        let y = rotate(values(x, lx)?, values(cos, lc)?, values(sin, ls)?, (heads, dim), 1.0);
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, heads, dim) = x.dims3()?;
        let dx = with_values(&grad.contiguous()?, |g| {
            with_values(cos, |cos| with_values(sin, |sin| Ok(rotate(g, cos, sin, (heads, dim), -1.0))))
        })?;
        Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), None, None))
    }
}
