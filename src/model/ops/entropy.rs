//! Linear layer and cross-entropy in one, chunk by chunk: the logits of all targets are never in memory at once.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::kernel::{Mat, exp, max, product, sum, tanh, values, vectorized, with_all};

/// Logits in memory at once, unless the vocabulary asks for more than [`MIN_ROWS`] rows of them.
const LOGITS: usize = 1 << 20;
const MIN_ROWS: usize = 64;

struct CrossEntropy {
    targets: Vec<u32>,
    softcap: Option<f32>,
    /// Log-sum-exp of each target's logits, written by the forward pass.
    lse: OnceLock<Vec<f32>>,
}

/// See [`super::cross_entropy`].
pub fn cross_entropy(
    hidden: &Tensor,
    lm_head: &Tensor,
    targets: &[u32],
    softcap: Option<f64>,
) -> Result<Tensor> {
    let ((m, width), (vocab, other)) = (hidden.dims2()?, lm_head.dims2()?);
    if width != other || m != targets.len() {
        bail!(
            "cross_entropy: hidden {:?}, lm_head {:?}, {} targets",
            hidden.shape(),
            lm_head.shape(),
            targets.len()
        );
    }
    if let Some(id) = targets.iter().find(|&&id| id as usize >= vocab) {
        bail!("target id {id} in a vocabulary of {vocab}");
    }
    let op =
        CrossEntropy { targets: targets.to_vec(), softcap: softcap.map(|c| c as f32), lse: OnceLock::new() };
    hidden.contiguous()?.apply_op2(&lm_head.contiguous()?, op)
}

impl CrossEntropy {
    /// Calls `f` with each chunk's first row, its number of rows and its logits before the soft cap.
    fn chunks(
        &self,
        hidden: &[f32],
        lm_head: &[f32],
        width: usize,
        mut f: impl FnMut(usize, usize, &mut [f32]),
    ) {
        let (m, vocab) = (self.targets.len(), lm_head.len() / width);
        let step = (LOGITS / vocab.max(1)).max(MIN_ROWS).min(m);
        let mut logits = vec![0f32; step * vocab];
        for start in (0..m).step_by(step.max(1)) {
            let rows = step.min(m - start);
            let h = Mat::rows(&hidden[start * width..], width);
            let head = Mat::rows(lm_head, width).t();
            product((rows, width, vocab), h, head, &mut logits, vocab, false, true);
            f(start, rows, &mut logits[..rows * vocab]);
        }
    }

    #[inline(always)]
    fn cap(&self, logits: &mut [f32]) {
        if let Some(cap) = self.softcap {
            logits.iter_mut().for_each(|x| *x = cap * tanh(*x / cap));
        }
    }
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "linear-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        lh: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (vocab, width) = lw.shape().dims2()?;
        let mut losses = vec![0f32; self.targets.len()];
        let mut lse = losses.clone();
        self.chunks(values(h, lh)?, values(w, lw)?, width, |start, rows, logits| {
            let sums = lse[start..start + rows].par_iter_mut().zip(&self.targets[start..start + rows]);
            let each = losses[start..start + rows].par_iter_mut().zip(sums).zip(logits.par_chunks_mut(vocab));
            each.for_each(|((loss, (lse, &target)), logits)| {
                vectorized(
                    #[inline(always)]
                    || {
                        self.cap(logits);
                        let top = max(logits);
                        *lse = top + sum(vocab, |j| exp(logits[j] - top)).ln();
                    },
                );
                *loss = *lse - logits[target as usize];
            });
        });
        self.lse.set(lse).ok();
        let n = losses.len();
        Ok((CpuStorage::F32(losses), Shape::from(n)))
    }

    fn bwd(
        &self,
        h: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((m, width), vocab) = (h.dims2()?, w.dim(0)?);
        let Some(lse) = self.lse.get() else { bail!("cross_entropy: backward before forward") };
        let grad = grad.contiguous()?;
        let mut dh = vec![0f32; if h.track_op() { m * width } else { 0 }];
        let mut dw = vec![0f32; if w.track_op() { vocab * width } else { 0 }];
        with_all(&[h, w, &grad], &mut |data: &[&[f32]]| {
            let (h, w, grad) = (data[0], data[1], data[2]);
            self.chunks(h, w, width, |start, rows, logits| {
                logits.par_chunks_mut(vocab).enumerate().for_each(|(i, logits)| {
                    self.slopes(logits, self.targets[start + i], lse[start + i], grad[start + i]);
                });
                back((start, rows, width), logits, (h, w), (&mut dh, &mut dw));
            });
            Ok(())
        })?;
        let dh = h.track_op().then(|| Tensor::from_vec(dh, (m, width), h.device())).transpose()?;
        let dw = w.track_op().then(|| Tensor::from_vec(dw, (vocab, width), w.device())).transpose()?;
        Ok((dh, dw))
    }
}

impl CrossEntropy {
    /// Logits of one target become the gradient with respect to them.
    fn slopes(&self, logits: &mut [f32], target: u32, lse: f32, grad: f32) {
        vectorized(
            #[inline(always)]
            || {
                self.cap(logits);
                let at_target = logits[target as usize];
                let cap = self.softcap;
                logits.iter_mut().for_each(|x| *x = slope(*x, exp(*x - lse), grad, cap));
                let wanted = slope(at_target, exp(at_target - lse) - 1.0, grad, cap);
                logits[target as usize] = wanted;
            },
        );
    }
}

/// From the gradient of the logits of `rows` rows, `at` on, to those of hidden states (`[m, width]`) and head
/// (`[vocab, width]`, added); an empty one is not wanted.
pub(super) fn back(
    (at, rows, width): (usize, usize, usize),
    slopes: &[f32],
    (h, w): (&[f32], &[f32]),
    (dh, dw): (&mut [f32], &mut [f32]),
) {
    let vocab = w.len() / width;
    let slopes = Mat::rows(slopes, vocab);
    if !dh.is_empty() {
        product((rows, vocab, width), slopes, Mat::rows(w, width), &mut dh[at * width..], width, false, true);
    }
    if !dw.is_empty() {
        let h = Mat::rows(&h[at * width..], width);
        product((vocab, rows, width), slopes.t(), h, dw, width, true, true);
    }
}

/// Gradient with respect to a logit before its cap: `x` the capped logit, `p` its probability, less 1 for the target.
#[inline(always)]
fn slope(x: f32, p: f32, grad: f32, cap: Option<f32>) -> f32 {
    p * grad * cap.map_or(1.0, |cap| 1.0 - (x / cap) * (x / cap))
}
