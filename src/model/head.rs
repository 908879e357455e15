//! Reward heads: a hidden state after the final norm in, one unit-less number out, with its gradient.

use candle_core::{DType, Tensor};

use super::lora::{Lora, Noise};
use super::{TensorSource, cpu, ops};
use crate::{Result, checkpoint::Head};

/// A loaded [`Head`].
#[derive(Clone, Debug)]
pub struct RewardHead {
    /// `dense`, whose output goes through tanh; `None` for a linear head.
    dense: Option<Projection>,
    out: Projection,
}

/// A matrix `[out, in]` with its bias `[out]` and what is learned beside it.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub lora: Option<Lora>,
}

impl Projection {
    /// `name.weight` and, when `bias` says so, `name.bias`.
    pub fn load(source: &dyn TensorSource, name: &str, out: usize, inp: usize, bias: bool) -> Result<Self> {
        let weight = source.tensor(&format!("{name}.weight"), &[out, inp])?;
        let bias = bias.then(|| source.tensor(&format!("{name}.bias"), &[out])).transpose()?;
        let lora = source.lora(name, out, inp)?;
        Ok(Self { weight, bias, lora })
    }

    /// `[M, in]` -> `[M, out]`, differentiable; with dropout before what is learned beside the matrix if there is `noise`.
    pub fn forward(&self, x: &Tensor, noise: Option<Noise>) -> Result<Tensor> {
        if let Some(lora) = &self.lora {
            let y = lora.forward(x, &self.weight, noise)?;
            return Ok(match &self.bias {
                Some(bias) => y.broadcast_add(bias)?,
                None => y,
            });
        }
        let constant = !x.track_op() && !self.weight.track_op() && self.weight.is_contiguous();
        if constant && x.device().is_cpu() && [x, &self.weight].iter().all(|t| t.dtype() == DType::F32) {
            let y = cpu::logits(x, &self.weight)?;
            return Ok(match &self.bias {
                Some(bias) => y.broadcast_add(bias)?,
                None => y,
            });
        }
        Ok(ops::linear(x, &self.weight, self.bias.as_ref())?)
    }

    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.weight).chain(&self.bias).chain(self.lora.iter().flat_map(|l| [&l.a, &l.b]))
    }
}

impl RewardHead {
    /// The head of a model with this hidden size. Biases are used where the source has them.
    pub fn load(head: &Head, hidden: usize, source: &dyn TensorSource) -> Result<Self> {
        let load = |name: &str, out: usize| {
            Projection::load(source, name, out, hidden, source.has(&format!("{name}.bias")))
        };
        Ok(match head {
            Head::DenseTanhOut { dense, out_proj } => {
                Self { dense: Some(load(dense, hidden)?), out: load(out_proj, 1)? }
            }
            Head::Linear { weight } => Self { dense: None, out: load(weight, 1)? },
        })
    }

    /// `hidden`: `[M, hidden]` after the final norm. Returns `[M]` in f32, differentiable.
    pub fn rewards(&self, hidden: &Tensor) -> Result<Tensor> {
        let mut x = hidden.clone();
        if let Some(dense) = &self.dense {
            x = dense.forward(&x, None)?.tanh()?;
        }
        Ok(self.out.forward(&x, None)?.squeeze(1)?.to_dtype(DType::F32)?)
    }

    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.dense.iter().chain([&self.out]).flat_map(Projection::tensors)
    }
}
