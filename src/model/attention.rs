//! Attention of new tokens over cached spans and over themselves, by tensor operations, on every device.
//!
//! Cached keys and values are read where they lie: scores per span, one softmax over all of them, weighted sums per span.

use candle_core::{D, Tensor};

use super::ops::AttentionRule;
use crate::Result;

/// A run of keys and values: `[kv_heads, tokens, D]` each, and the position of its first token.
pub(super) struct Run {
    pub k: Tensor,
    pub v: Tensor,
    pub start: usize,
}

/// `q`: `[n, heads, D]`, of tokens at positions `start..start + n`; the last run ends with these tokens.
/// Returns `[n, heads, D]`.
pub(super) fn attend(q: &Tensor, runs: &[Run], start: usize, rule: AttentionRule) -> Result<Tensor> {
    let (n, heads, dim) = q.dims3()?;
    // Nothing before this is seen by any of the tokens.
    let first = rule.window.map_or(0, |w| (start + 1).saturating_sub(w));
    let mut seen = Vec::with_capacity(runs.len());
    for run in runs {
        let len = run.k.dim(1)?;
        let skip = first.saturating_sub(run.start).min(len);
        if skip < len {
            let part = |t: &Tensor| t.narrow(1, skip, len - skip);
            seen.push(Run { k: part(&run.k)?, v: part(&run.v)?, start: run.start + skip });
        }
    }
    let kv_heads = runs.first().map_or(Ok(heads), |r| r.k.dim(0))?;
    // Query heads of one group stand side by side and share a key head.
    let q = q.transpose(0, 1)?.contiguous()?.reshape((kv_heads, heads / kv_heads * n, dim))?;
    let q = (q * rule.scale)?;
    let scores = seen.iter().map(|run| q.matmul(&run.k.t()?)).collect::<candle_core::Result<Vec<_>>>()?;
    let mut scores = Tensor::cat(&scores, D::Minus1)?;
    if let Some(cap) = rule.softcap {
        scores = ((scores / cap)?.tanh()? * cap)?;
    }
    if n > 1 || rule.window.is_some_and(|w| w <= start) {
        let keys = start + n - first;
        let mask = mask(first, start, n, rule.window);
        let mask = Tensor::from_vec(mask, (n, keys), scores.device())?.to_dtype(scores.dtype())?;
        let split = scores.reshape((heads, n, keys))?.broadcast_add(&mask)?;
        scores = split.reshape(scores.shape())?;
    }
    let weights = candle_nn::ops::softmax_last_dim(&scores)?;
    let mut sum: Option<Tensor> = None;
    let mut at = 0;
    for run in &seen {
        let len = run.k.dim(1)?;
        let part = weights.narrow(D::Minus1, at, len)?.contiguous()?.matmul(&run.v)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
        at += len;
    }
    let sum = sum.map_or_else(|| q.zeros_like(), Ok)?;
    Ok(sum.reshape((heads, n, dim))?.transpose(0, 1)?.contiguous()?)
}

/// 0 where the token at `start + i` sees position `first + j`, else minus infinity; `[n, start + n - first]`.
fn mask(first: usize, start: usize, n: usize, window: Option<usize>) -> Vec<f32> {
    let position_pairs = (start..start + n).flat_map(|i| (first..start + n).map(move |j| (i, j)));
    let seen = |(i, j): (usize, usize)| j <= i && window.is_none_or(|w| i - j < w);
    position_pairs.map(|pair| if seen(pair) { 0.0 } else { f32::NEG_INFINITY }).collect()
}
