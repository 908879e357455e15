//! How far a model's predictions are from those it started with: `KL(p || q)` token by token, in chunks of logits.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::entropy::back;
use super::kernel::{Mat, exp, max, product, sum, tanh, values, vectorized, with_all, with_values};

/// Logits of each side in memory at once, unless the vocabulary asks for more than [`MIN_ROWS`] rows of them.
const LOGITS: usize = 1 << 20;
const MIN_ROWS: usize = 64;

struct Divergence {
    start: Tensor,
    head: Tensor,
    softcap: Option<f32>,
}

/// See [`super::divergence`].
pub fn divergence(
    (hidden, lm_head): (&Tensor, &Tensor),
    (start, head): (&Tensor, &Tensor),
    softcap: Option<f64>,
) -> Result<Tensor> {
    let ((_, width), (_, other)) = (hidden.dims2()?, lm_head.dims2()?);
    if width != other || hidden.dims() != start.dims() || lm_head.dims() != head.dims() {
        bail!("divergence: hidden {:?} and {:?}, heads {:?} and {:?}", hidden, start, lm_head, head);
    }
    let op = Divergence {
        start: start.contiguous()?.detach(),
        head: head.contiguous()?.detach(),
        softcap: softcap.map(|c| c as f32),
    };
    hidden.contiguous()?.apply_op2(&lm_head.contiguous()?, op)
}

/// One side: hidden states and output matrix.
type Side<'a> = (&'a [f32], &'a [f32]);

impl Divergence {
    /// Calls `f` with each chunk's first row, its number of rows, and the capped logits of both sides.
    fn chunks(
        &self,
        p: Side<'_>,
        q: Side<'_>,
        width: usize,
        mut f: impl FnMut(usize, usize, &mut [f32], &[f32]),
    ) {
        let (m, vocab) = (p.0.len() / width, p.1.len() / width);
        let step = (LOGITS / vocab.max(1)).max(MIN_ROWS).min(m);
        let (mut ours, mut theirs) = (vec![0f32; step * vocab], vec![0f32; step * vocab]);
        for start in (0..m).step_by(step.max(1)) {
            let rows = step.min(m - start);
            for ((hidden, head), logits) in [(p, &mut ours), (q, &mut theirs)] {
                let h = Mat::rows(&hidden[start * width..], width);
                product((rows, width, vocab), h, Mat::rows(head, width).t(), logits, vocab, false, true);
                if let Some(cap) = self.softcap {
                    logits[..rows * vocab].par_chunks_mut(vocab).for_each(|row| {
                        vectorized(
                            #[inline(always)]
                            || row.iter_mut().for_each(|x| *x = cap * tanh(*x / cap)),
                        );
                    });
                }
            }
            f(start, rows, &mut ours[..rows * vocab], &theirs[..rows * vocab]);
        }
    }
}

fn log_sum_exp(logits: &[f32]) -> f32 {
    vectorized(
        #[inline(always)]
        || {
            let top = max(logits);
            top + sum(logits.len(), |j| exp(logits[j] - top)).ln()
        },
    )
}

/// KL of one row, and the difference of the two log-sum-exps that its terms need.
fn kl(p: &[f32], q: &[f32]) -> (f32, f32, f32) {
    let (lp, lq) = (log_sum_exp(p), log_sum_exp(q));
    let value = vectorized(
        #[inline(always)]
        || sum(p.len(), |j| exp(p[j] - lp) * ((p[j] - lp) - (q[j] - lq))),
    );
    (value, lp, lq)
}

impl CustomOp2 for Divergence {
    fn name(&self) -> &'static str {
        "divergence"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        lh: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((m, width), (vocab, _)) = (lh.shape().dims2()?, lw.shape().dims2()?);
        let mut out = vec![0f32; m];
        let (h, w) = (values(h, lh)?, values(w, lw)?);
        with_values(&self.start, |start| {
            with_values(&self.head, |head| {
                self.chunks((h, w), (start, head), width, |at, rows, ours, theirs| {
                    let rows = out[at..at + rows].par_iter_mut();
                    rows.zip(ours.par_chunks(vocab).zip(theirs.par_chunks(vocab)))
                        .for_each(|(out, (p, q))| *out = kl(p, q).0);
                });
                Ok(())
            })
        })?;
        Ok((CpuStorage::F32(out), Shape::from(m)))
    }

    fn bwd(
        &self,
        h: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((m, width), vocab) = (h.dims2()?, w.dim(0)?);
        let grad = grad.contiguous()?;
        let mut dh = vec![0f32; if h.track_op() { m * width } else { 0 }];
        let mut dw = vec![0f32; if w.track_op() { vocab * width } else { 0 }];
        with_all(&[h, w, &grad, &self.start, &self.head], &mut |data: &[&[f32]]| {
            let (h, w, grad, start, head) = (data[0], data[1], data[2], data[3], data[4]);
            self.chunks((h, w), (start, head), width, |at, rows, ours, theirs| {
                let each = ours.par_chunks_mut(vocab).zip(theirs.par_chunks(vocab)).enumerate();
                each.for_each(|(i, (p, q))| self.slopes(p, q, grad[at + i]));
                back((at, rows, width), ours, (h, w), (&mut dh, &mut dw));
            });
            Ok(())
        })?;
        let dh = h.track_op().then(|| Tensor::from_vec(dh, (m, width), h.device())).transpose()?;
        let dw = w.track_op().then(|| Tensor::from_vec(dw, (vocab, width), w.device())).transpose()?;
        Ok((dh, dw))
    }
}

impl Divergence {
    /// Logits of one row become the gradient with respect to them before their cap: `p (log p - log q - KL)`.
    fn slopes(&self, p: &mut [f32], q: &[f32], grad: f32) {
        let (value, lp, lq) = kl(p, q);
        let cap = self.softcap;
        vectorized(
            #[inline(always)]
            || {
                for (p, q) in p.iter_mut().zip(q) {
                    let inside = cap.map_or(1.0, |cap| 1.0 - (*p / cap) * (*p / cap));
                    *p = exp(*p - lp) * ((*p - lp) - (q - lq) - value) * grad * inside;
                }
            },
        );
    }
}
