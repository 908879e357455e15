//! Causal attention over packed rows, block by block: memory grows linearly with the row, keys that no query of a
//! block may see are not touched, and the backward pass recomputes the weights from each query's log-sum-exp.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; shapes are checked on entry")]

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::AttentionRule;
use super::kernel::{Mat, dot, exp, max, product, sum, tanh, values, vectorized, with_all};

/// Queries of one block.
const BLOCK: usize = 64;

struct Attention {
    lens: Vec<usize>,
    rule: AttentionRule,
    /// Log-sum-exp of each token and head, written by the forward pass.
    lse: OnceLock<Vec<f32>>,
}

/// See [`super::packed_attention`].
pub fn packed_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lens: &[usize],
    rule: AttentionRule,
) -> Result<Tensor> {
    let ((n, heads, dim), (kn, kv_heads, kdim)) = (q.dims3()?, k.dims3()?);
    let fits = kn == n && kdim == dim && k.dims() == v.dims() && heads % kv_heads.max(1) == 0;
    if !fits || lens.iter().sum::<usize>() != n || rule.window == Some(0) {
        bail!("attention: q {:?}, k {:?}, v {:?}, rows {lens:?}, {rule:?}", q.shape(), k.shape(), v.shape());
    }
    let lens = lens.iter().copied().filter(|&len| len > 0).collect();
    let op = Attention { lens, rule, lse: OnceLock::new() };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Dims {
    heads: usize,
    kv_heads: usize,
    dim: usize,
}

impl Dims {
    fn of(q: &Shape, k: &Shape) -> Result<Self> {
        let (_, heads, dim) = q.dims3()?;
        Ok(Self { heads, kv_heads: k.dims3()?.1, dim })
    }

    /// Values of one token: in q, in k or v.
    fn widths(self) -> (usize, usize) {
        (self.heads * self.dim, self.kv_heads * self.dim)
    }
}

/// A block of queries `[start, end)` and the keys `[first, end)` that some of them see.
#[derive(Clone, Copy)]
struct Block {
    start: usize,
    end: usize,
    first: usize,
}

impl Block {
    fn all(len: usize, window: Option<usize>) -> impl Iterator<Item = Self> {
        (0..len).step_by(BLOCK).map(move |start| {
            let first = window.map_or(0, |w| (start + 1).saturating_sub(w));
            Self { start, end: (start + BLOCK).min(len), first }
        })
    }

    fn queries(self) -> usize {
        self.end - self.start
    }

    fn keys(self) -> usize {
        self.end - self.first
    }

    /// Keys that query `i` of the block sees, counted from `first`.
    fn seen(self, i: usize, window: Option<usize>) -> std::ops::Range<usize> {
        let query = self.start + i;
        let from = window.map_or(0, |w| (query + 1).saturating_sub(w)).max(self.first);
        from - self.first..query + 1 - self.first
    }
}

impl AttentionRule {
    /// Raw products of one query with the keys it sees become scores.
    #[inline(always)]
    fn scores(&self, raw: &mut [f32]) {
        let scale = self.scale as f32;
        match self.softcap {
            None => raw.iter_mut().for_each(|x| *x *= scale),
            Some(cap) => {
                let cap = cap as f32;
                raw.iter_mut().for_each(|x| *x = cap * tanh(*x * scale / cap));
            }
        }
    }
}

/// Cuts `data` into the rows of a batch, `width` values a token.
fn rows_mut<'a>(mut data: &'a mut [f32], lens: &[usize], width: usize) -> Vec<&'a mut [f32]> {
    let mut rows = Vec::with_capacity(lens.len());
    for len in lens {
        let (row, rest) = data.split_at_mut(len * width);
        rows.push(row);
        data = rest;
    }
    rows
}

fn rows<'a>(mut data: &'a [f32], lens: &[usize], width: usize) -> Vec<&'a [f32]> {
    let mut rows = Vec::with_capacity(lens.len());
    for len in lens {
        let (row, rest) = data.split_at(len * width);
        rows.push(row);
        data = rest;
    }
    rows
}

/// One row forward: fills `out` and `lse`.
fn forward_row(
    d: Dims,
    rule: AttentionRule,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &mut [f32],
    lse: &mut [f32],
) {
    let (qw, kw) = d.widths();
    let len = q.len() / qw;
    let mut weights = vec![0f32; BLOCK.min(len) * len];
    for head in 0..d.heads {
        let (qh, kh) = (head * d.dim, head / (d.heads / d.kv_heads) * d.dim);
        for block in Block::all(len, rule.window) {
            let (m, n) = (block.queries(), block.keys());
            let queries = Mat::rows(&q[block.start * qw + qh..], qw);
            let keys = Mat::rows(&k[block.first * kw + kh..], kw);
            product((m, d.dim, n), queries, keys.t(), &mut weights, n, false, false);
            vectorized(
                #[inline(always)]
                || {
                    for (i, row) in weights[..m * n].chunks_exact_mut(n).enumerate() {
                        let seen = block.seen(i, rule.window);
                        row[..seen.start].fill(0.0);
                        row[seen.end..].fill(0.0);
                        let row = &mut row[seen];
                        rule.scores(row);
                        let top = max(row);
                        row.iter_mut().for_each(|x| *x = exp(*x - top));
                        let total = sum(row.len(), |j| row[j]);
                        let inverse = 1.0 / total;
                        row.iter_mut().for_each(|x| *x *= inverse);
                        lse[(block.start + i) * d.heads + head] = top + total.ln();
                    }
                },
            );
            let values = Mat::rows(&v[block.first * kw + kh..], kw);
            let out = &mut out[block.start * qw + qh..];
            product((m, n, d.dim), Mat::rows(&weights, n), values, out, qw, false, false);
        }
    }
}

/// What the backward pass of one row reads.
struct RowInputs<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    grad: &'a [f32],
    lse: &'a [f32],
}

/// One row backward: fills `dq`, adds to `dk` and `dv` (zero on entry).
fn backward_row(d: Dims, rule: AttentionRule, x: &RowInputs, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
    let (qw, kw) = d.widths();
    let len = x.q.len() / qw;
    let mut weights = vec![0f32; BLOCK.min(len) * len];
    let mut slopes = weights.clone();
    for head in 0..d.heads {
        let (qh, kh) = (head * d.dim, head / (d.heads / d.kv_heads) * d.dim);
        for block in Block::all(len, rule.window) {
            let (m, n) = (block.queries(), block.keys());
            let (at_q, at_k) = (block.start * qw + qh, block.first * kw + kh);
            let (queries, grads) = (Mat::rows(&x.q[at_q..], qw), Mat::rows(&x.grad[at_q..], qw));
            let (keys, values) = (Mat::rows(&x.k[at_k..], kw), Mat::rows(&x.v[at_k..], kw));
            product((m, d.dim, n), queries, keys.t(), &mut weights, n, false, false);
            product((m, d.dim, n), grads, values.t(), &mut slopes, n, false, false);
            vectorized(
                #[inline(always)]
                || {
                    let pairs = weights[..m * n].chunks_exact_mut(n).zip(slopes[..m * n].chunks_exact_mut(n));
                    for (i, (weights, slopes)) in pairs.enumerate() {
                        let token = at_q + i * qw;
                        let along = dot(&x.out[token..token + d.dim], &x.grad[token..token + d.dim]);
                        let lse = x.lse[(block.start + i) * d.heads + head];
                        let seen = block.seen(i, rule.window);
                        for hidden in [0..seen.start, seen.end..n] {
                            weights[hidden.clone()].fill(0.0);
                            slopes[hidden].fill(0.0);
                        }
                        score_slopes(rule, &mut weights[seen.clone()], &mut slopes[seen], lse, along);
                    }
                },
            );
            let (weights, slopes) = (Mat::rows(&weights, n), Mat::rows(&slopes, n));
            product((m, n, d.dim), slopes, keys, &mut dq[at_q..], qw, false, false);
            product((n, m, d.dim), slopes.t(), queries, &mut dk[at_k..], kw, true, false);
            product((n, m, d.dim), weights.t(), grads, &mut dv[at_k..], kw, true, false);
        }
    }
}

/// Turns raw products into attention weights and the weights' gradients into those of the raw products.
#[inline(always)]
fn score_slopes(rule: AttentionRule, weights: &mut [f32], slopes: &mut [f32], lse: f32, along: f32) {
    let scale = rule.scale as f32;
    match rule.softcap {
        None => {
            for (w, s) in weights.iter_mut().zip(slopes) {
                *w = exp(*w * scale - lse);
                *s = *w * (*s - along) * scale;
            }
        }
        Some(cap) => {
            let cap = cap as f32;
            for (w, s) in weights.iter_mut().zip(slopes) {
                let t = tanh(*w * scale / cap);
                *w = exp(cap * t - lse);
                *s = *w * (*s - along) * scale * (1.0 - t * t);
            }
        }
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        lq: &Layout,
        k: &CpuStorage,
        lk: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let d = Dims::of(lq.shape(), lk.shape())?;
        let (qw, kw) = d.widths();
        let (q, k, v) = (values(q, lq)?, values(k, lk)?, values(v, lv)?);
        let mut out = vec![0f32; q.len()];
        let mut lse = vec![0f32; q.len() / d.dim];
        let outputs = rows_mut(&mut out, &self.lens, qw).into_par_iter();
        let sums = rows_mut(&mut lse, &self.lens, d.heads).into_par_iter();
        let inputs = (rows(q, &self.lens, qw), rows(k, &self.lens, kw), rows(v, &self.lens, kw));
        let inputs = inputs.0.into_par_iter().zip(inputs.1).zip(inputs.2);
        outputs.zip(sums).zip(inputs).with_max_len(1).for_each(|((out, lse), ((q, k), v))| {
            forward_row(d, self.rule, q, k, v, out, lse);
        });
        self.lse.set(lse).ok();
        Ok((CpuStorage::F32(out), lq.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d = Dims::of(q.shape(), k.shape())?;
        let (qw, kw) = d.widths();
        let Some(lse) = self.lse.get() else { bail!("attention: backward before forward") };
        let grad = grad.contiguous()?;
        let mut dq = vec![0f32; q.elem_count()];
        let mut dk = vec![0f32; k.elem_count()];
        let mut dv = vec![0f32; v.elem_count()];
        let tensors = [(q, qw), (k, kw), (v, kw), (out, qw), (&grad, qw)];
        with_all(&tensors.map(|t| t.0), &mut |data: &[&[f32]]| {
            let cut: Vec<Vec<&[f32]>> =
                data.iter().zip(&tensors).map(|(data, (_, width))| rows(data, &self.lens, *width)).collect();
            let lse = rows(lse, &self.lens, d.heads);
            let outputs = rows_mut(&mut dq, &self.lens, qw)
                .into_par_iter()
                .zip(rows_mut(&mut dk, &self.lens, kw))
                .zip(rows_mut(&mut dv, &self.lens, kw));
            outputs.enumerate().with_max_len(1).for_each(|(i, ((dq, dk), dv))| {
                let [q, k, v, out, grad] = [0, 1, 2, 3, 4].map(|t: usize| cut[t][i]);
                backward_row(d, self.rule, &RowInputs { q, k, v, out, grad, lse: lse[i] }, dq, dk, dv);
            });
            Ok(())
        })?;
        let tensor = |data, like: &Tensor| Tensor::from_vec(data, like.shape(), like.device());
        Ok((Some(tensor(dq, q)?), Some(tensor(dk, k)?), Some(tensor(dv, v)?)))
    }
}
