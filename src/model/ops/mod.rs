//! The decoder's operations, differentiable on every device.
//!
//! Each function works on packed rows: the tokens of all rows of a batch, one after the other, so that nothing is
//! spent on padding. `N` is the number of tokens in all rows together. f32 on the CPU runs fused kernels with their
//! own gradient; everything else, and any operation named in the environment variable `OUTLOUD_BASIC_OPS`
//! (comma-separated, or `all`), runs the composition in [`basic`], which is also the meaning of each.
//!
//! All sums run in an order that does not depend on the number of threads, but for those inside matrix products.

pub mod basic;

mod attention;
mod dense;
mod divergence;
mod entropy;
mod gate;
pub(crate) mod kernel;
mod low_rank;
mod norm;
mod rotary;
mod rows;

use std::sync::OnceLock;

use candle_core::{Result, Tensor};

use crate::checkpoint::Activation;

/// How scores become attention weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionRule {
    /// Scores are multiplied by this.
    pub scale: f64,
    /// `cap * tanh(score / cap)`.
    pub softcap: Option<f64>,
    /// A token sees itself and the `window - 1` tokens before it.
    pub window: Option<usize>,
}

/// Whether the fused kernel of `name` runs on these tensors.
fn fused(name: &str, tensors: &[&Tensor]) -> bool {
    static BASIC: OnceLock<Vec<String>> = OnceLock::new();
    let basic = BASIC.get_or_init(|| {
        let names = std::env::var("OUTLOUD_BASIC_OPS").unwrap_or_default();
        names.split(',').map(|name| name.trim().to_string()).collect()
    });
    kernel::applies(tensors) && !basic.iter().any(|b| b == name || b == "all")
}

/// `x / sqrt(mean(x^2) + eps) * w`, or `* (1 + w)` if `plus_one`, over the last axis. `x`: `[.., D]`, `weight`: `[D]`.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64, plus_one: bool) -> Result<Tensor> {
    if fused("rms_norm", &[x, weight]) {
        norm::rms_norm(x, weight, eps, plus_one)
    } else {
        basic::rms_norm(x, weight, eps, plus_one)
    }
}

/// Rotates the halves of each head (Hugging Face's `rotate_half`). `x`: `[N, heads, D]`; `cos`, `sin`: `[N, D/2]`, the
/// rows of the tokens' positions, constants.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    if fused("rope", &[x, cos, sin]) { rotary::rope(x, cos, sin) } else { basic::rope(x, cos, sin) }
}

/// `activation(gate) * up`, element by element.
pub fn glu(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    if activation != Activation::Gelu && fused("glu", &[gate, up]) {
        gate::glu(gate, up, activation == Activation::GeluTanh)
    } else {
        basic::glu(gate, up, activation)
    }
}

/// Causal attention within each row. `q`: `[N, heads, D]`; `k`, `v`: `[N, kv_heads, D]`; `lens`: tokens of each row,
/// their sum is N. Returns `[N, heads, D]`.
pub fn packed_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lens: &[usize],
    rule: AttentionRule,
) -> Result<Tensor> {
    if fused("attention", &[q, k, v]) {
        attention::packed_attention(q, k, v, lens, rule)
    } else {
        basic::packed_attention(q, k, v, lens, rule)
    }
}

/// `x @ weight^T + bias`. `x`: `[N, in]`, `weight`: `[out, in]`, `bias`: `[out]`. A weight that is no variable (nor
/// computed from one) costs no gradient.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = if fused("linear", &[x, weight]) { dense::linear(x, weight)? } else { basic::linear(x, weight)? };
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// `x @ weight^T + scale * x @ a^T @ b^T` beside a frozen matrix. `x`: `[N, in]`, `weight`: `[out, in]`, `a`: `[r, in]`, `b`:
/// `[out, r]`. Gradients for `x`, `a` and `b`.
pub fn low_rank_linear(x: &Tensor, weight: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    if fused("low_rank", &[x, weight, a, b]) {
        low_rank::linear(x, weight, a, b, scale)
    } else {
        basic::low_rank_linear(x, weight, a, b, scale)
    }
}

/// Rows of `table`: `[V, H]` by index: the embedding, or the hidden states at some positions. Returns `[ids, H]`.
pub fn select_rows(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    if fused("select_rows", &[table]) {
        rows::select_rows(table, ids)
    } else {
        basic::select_rows(table, ids)
    }
}

/// `-log softmax(hidden @ lm_head^T)[target]` of each token, logits soft-capped where asked. `hidden`: `[M, H]`,
/// `lm_head`: `[V, H]`, `targets`: M ids. Returns `[M]` in f32 (f64 for f64 operands).
pub fn cross_entropy(
    hidden: &Tensor,
    lm_head: &Tensor,
    targets: &[u32],
    softcap: Option<f64>,
) -> Result<Tensor> {
    if fused("cross_entropy", &[hidden, lm_head]) {
        entropy::cross_entropy(hidden, lm_head, targets, softcap)
    } else {
        basic::cross_entropy(hidden, lm_head, targets, softcap)
    }
}

/// `KL(p || q)` of each token, p the softmax of `hidden @ lm_head^T`, q that of the constants `start @ start_head^T`, logits
/// soft-capped where asked. `hidden`, `start`: `[M, H]`. Returns `[M]`.
pub fn divergence(
    (hidden, lm_head): (&Tensor, &Tensor),
    (start, start_head): (&Tensor, &Tensor),
    softcap: Option<f64>,
) -> Result<Tensor> {
    if fused("divergence", &[hidden, lm_head, start, start_head]) {
        divergence::divergence((hidden, lm_head), (start, start_head), softcap)
    } else {
        basic::divergence((hidden, lm_head), (start, start_head), softcap)
    }
}

/// The largest of some logits (NaN never; minus infinity when there is none) and the sum of `e^(logit - largest)`.
pub fn softmax_parts(logits: &[f32]) -> (f32, f32) {
    kernel::vectorized(
        #[inline(always)]
        || {
            let max = kernel::max(logits);
            (max, kernel::sum_exp(logits, max))
        },
    )
}
