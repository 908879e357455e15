//! Each operation as a composition of candle's own: the meaning of the fused ones, and what runs on other devices.

use candle_core::{D, DType, Result, Tensor};

use super::AttentionRule;
use crate::checkpoint::Activation;

/// See [`super::rms_norm`].
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64, plus_one: bool) -> Result<Tensor> {
    let variance = x.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = x.broadcast_div(&(variance + eps)?.sqrt()?)?;
    if plus_one { normed.broadcast_mul(&(weight + 1.0)?) } else { normed.broadcast_mul(weight) }
}

/// See [`super::rope`].
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let (cos, sin) = (cos.unsqueeze(1)?, sin.unsqueeze(1)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[first, second], D::Minus1)
}

/// See [`super::glu`].
pub fn glu(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Silu => gate.silu()? * up,
        Activation::GeluTanh => gate.gelu()? * up,
        Activation::Gelu => gate.gelu_erf()? * up,
    }
}

/// See [`super::packed_attention`].
pub fn packed_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lens: &[usize],
    rule: AttentionRule,
) -> Result<Tensor> {
    let (_, heads, dim) = q.dims3()?;
    let kv_heads = k.dim(1)?;
    let group = heads / kv_heads;
    let mut rows = Vec::with_capacity(lens.len());
    let mut start = 0;
    for &len in lens {
        let part = |t: &Tensor| t.narrow(0, start, len)?.transpose(0, 1)?.contiguous();
        // Query heads of one group stand side by side and share a key head.
        let q = part(q)?.reshape((kv_heads, group * len, dim))?;
        let (k, v) = (part(k)?, part(v)?);
        let mut scores = (q.matmul(&k.t()?)? * rule.scale)?;
        if let Some(cap) = rule.softcap {
            scores = ((scores / cap)?.tanh()? * cap)?;
        }
        let mask: Vec<f32> = (0..len)
            .flat_map(|i| (0..len).map(move |j| (i, j)))
            .map(|(i, j)| {
                let seen = j <= i && rule.window.is_none_or(|w| i - j < w);
                if seen { 0.0 } else { f32::NEG_INFINITY }
            })
            .collect();
        let mask = Tensor::from_vec(mask, (len, len), q.device())?.to_dtype(scores.dtype())?;
        let scores = scores.reshape((heads, len, len))?.broadcast_add(&mask)?;
        let weights = softmax(&scores)?.reshape((kv_heads, group * len, len))?;
        rows.push(weights.matmul(&v)?.reshape((heads, len, dim))?.transpose(0, 1)?);
        start += len;
    }
    Tensor::cat(&rows, 0)?.contiguous()
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    let max = x.max_keepdim(D::Minus1)?.detach();
    let exp = x.broadcast_sub(&max)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// See [`super::linear`], without the bias.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)
}

/// See [`super::select_rows`].
pub fn select_rows(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    table.index_select(&Tensor::new(ids, table.device())?, 0)
}

/// See [`super::cross_entropy`].
pub fn cross_entropy(
    hidden: &Tensor,
    lm_head: &Tensor,
    targets: &[u32],
    softcap: Option<f64>,
) -> Result<Tensor> {
    let mut logits = linear(hidden, lm_head)?;
    if logits.dtype() != DType::F64 {
        logits = logits.to_dtype(DType::F32)?;
    }
    if let Some(cap) = softcap {
        logits = ((logits / cap)?.tanh()? * cap)?;
    }
    let max = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&max)?;
    let log_sum = shifted.exp()?.sum(D::Minus1)?.log()?;
    let index = Tensor::new(targets, hidden.device())?.unsqueeze(1)?;
    log_sum - shifted.gather(&index, 1)?.squeeze(1)?
}

/// See [`super::low_rank_linear`].
pub fn low_rank_linear(x: &Tensor, weight: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    let product = (x.matmul(&a.t()?)? * scale)?.matmul(&b.t()?)?;
    x.matmul(&weight.detach().t()?)? + product
}

/// See [`super::divergence`].
pub fn divergence(
    (hidden, lm_head): (&Tensor, &Tensor),
    (start, start_head): (&Tensor, &Tensor),
    softcap: Option<f64>,
) -> Result<Tensor> {
    let log_softmax = |hidden: &Tensor, head: &Tensor| {
        let mut logits = hidden.matmul(&head.t()?)?;
        if let Some(cap) = softcap {
            logits = ((logits / cap)?.tanh()? * cap)?;
        }
        let logits = if logits.dtype() == DType::F64 { logits } else { logits.to_dtype(DType::F32)? };
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
        shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
    };
    let (p, q) = (log_softmax(hidden, lm_head)?, log_softmax(&start.detach(), &start_head.detach())?);
    (p.exp()? * (p - q)?)?.sum(D::Minus1)
}
