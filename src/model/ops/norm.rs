//! RMSNorm in one pass forward and one backward.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::kernel::{dot, sum, values, vectorized, with_values};

/// Rows one task takes; fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 128;

struct RmsNorm {
    eps: f32,
    plus_one: bool,
}

/// See [`super::rms_norm`].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64, plus_one: bool) -> Result<Tensor> {
    if x.dim(D::Minus1)? != weight.elem_count() {
        bail!("rms_norm: {:?} with a weight of {:?}", x.shape(), weight.shape());
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, RmsNorm { eps: eps as f32, plus_one })
}

impl RmsNorm {
    fn factor(&self, weight: &[f32]) -> Vec<f32> {
        let one = if self.plus_one { 1.0 } else { 0.0 };
        weight.iter().map(|w| w + one).collect()
    }

    #[inline(always)]
    fn inverse_rms(&self, x: &[f32]) -> f32 {
        1.0 / (dot(x, x) / x.len() as f32 + self.eps).sqrt()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (values(x, lx)?, self.factor(values(w, lw)?));
        let width = w.len();
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width)).for_each(|(y, x)| {
            vectorized(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        let inverse = self.inverse_rms(x);
                        for ((y, x), w) in y.iter_mut().zip(x).zip(&w) {
                            *y = x * inverse * w;
                        }
                    }
                },
            );
        });
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (wants_x, wants_w) = (x.track_op(), w.track_op());
        let (dx, dw) = with_values(x, |x| {
            with_values(w, |weight| {
                with_values(&grad, |g| Ok(self.gradients(x, weight, g, (wants_x, wants_w))))
            })
        })?;
        let dx = wants_x.then(|| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let dw = wants_w.then(|| Tensor::from_vec(dw, w.shape(), w.device())).transpose()?;
        Ok((dx, dw))
    }
}

impl RmsNorm {
    fn gradients(&self, x: &[f32], w: &[f32], g: &[f32], wants: (bool, bool)) -> (Vec<f32>, Vec<f32>) {
        let w = self.factor(w);
        let width = w.len();
        let mut dx = vec![0f32; if wants.0 { x.len() } else { 0 }];
        let chunk = ROWS * width;
        let tasks = x.len().div_ceil(chunk.max(1));
        let mut parts: Vec<&mut [f32]> = dx.chunks_mut(chunk.max(1)).collect();
        parts.resize_with(tasks, Default::default);
        let partial: Vec<Vec<f32>> = parts
            .into_par_iter()
            .enumerate()
            .map(|(task, dx)| {
                let range = task * chunk..((task + 1) * chunk).min(x.len());
                let (x, g) = (&x[range.clone()], &g[range]);
                vectorized(
                    #[inline(always)]
                    || self.gradient_rows(x, &w, g, dx, wants.1),
                )
            })
            .collect();
        let mut dw = vec![0f32; width];
        for part in partial.iter().filter(|p| !p.is_empty()) {
            for (dw, p) in dw.iter_mut().zip(part) {
                *dw += p;
            }
        }
        (dx, dw)
    }

    #[inline(always)]
    fn gradient_rows(&self, x: &[f32], w: &[f32], g: &[f32], dx: &mut [f32], wants_w: bool) -> Vec<f32> {
        let width = w.len();
        let mut dw = vec![0f32; if wants_w { width } else { 0 }];
        for (row, (x, g)) in x.chunks_exact(width).zip(g.chunks_exact(width)).enumerate() {
            let inverse = self.inverse_rms(x);
            for ((dw, x), g) in dw.iter_mut().zip(x).zip(g) {
                *dw += g * x * inverse;
            }
            if !dx.is_empty() {
                let along = sum(width, |i| g[i] * w[i] * x[i]) * inverse * inverse * inverse / width as f32;
                let dx = &mut dx[row * width..][..width];
                for i in 0..width {
                    dx[i] = g[i] * w[i] * inverse - x[i] * along;
                }
            }
        }
        dw
    }
}
