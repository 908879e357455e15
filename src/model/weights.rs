//! Where a model's tensors come from.

use std::collections::HashMap;

use candle_core::Tensor;

use super::lora::Lora;
use crate::checkpoint::Tensors;
use crate::{Error, Result};

/// Named tensors. The source decides their dtype and device; it must be the same for all of them.
///
/// Names are the reference's: `<base_prefix>model.layers.0.self_attn.q_proj.weight`, `<base_prefix>lm_head.weight`,
/// and the head's as its [`Head`](crate::checkpoint::Head) says.
pub trait TensorSource {
    /// The tensor of this name, which must have this shape.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the tensor when it is missing or has another shape.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor>;

    /// Whether there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// The low-rank term that is learned beside the matrix `module.weight`, if there is one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when only a part of it is there, or of another shape.
    fn lora(&self, module: &str, out: usize, inp: usize) -> Result<Option<Lora>> {
        let _ = (module, out, inp);
        Ok(None)
    }

    /// What stands before `model.embed_tokens.weight` and its like.
    fn base_prefix(&self) -> &str {
        "reward_base_model."
    }
}

impl TensorSource for HashMap<String, Tensor> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(tensor) = self.get(name) else {
            return Err(Error::invalid(
                format!("tensor {name}"),
                "none of this name",
                format!("one of shape {shape:?}"),
                "Check that the configuration belongs to these weights.",
            ));
        };
        check_shape(name, tensor, shape)?;
        Ok(tensor.clone())
    }

    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }
}

impl TensorSource for Tensors {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.tensor(name, shape)
    }

    fn has(&self, name: &str) -> bool {
        self.has(name)
    }
}

/// An error naming the tensor unless it has this shape.
pub fn check_shape(name: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() == shape {
        return Ok(());
    }
    Err(Error::invalid(
        format!("tensor {name}"),
        format!("shape {:?}", tensor.dims()),
        format!("shape {shape:?}"),
        "Check that the configuration belongs to these weights.",
    ))
}
