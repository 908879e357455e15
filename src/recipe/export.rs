//! A trained checkpoint as it is shipped: the same folder with its weights in f16.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::{Error, Result, disk};

const WEIGHTS: &str = "model.safetensors";

/// Copies the checkpoint `from` to `to`, weights in f16. Returns the bytes of the weights.
///
/// # Errors
/// When a file cannot be read or written; [`Error::Invalid`] when a weight is not finite in f16.
pub fn half(from: &Path, to: &Path) -> Result<u64> {
    disk::copy_dir(from, to, &|path| path.extension().is_none_or(|e| e != "safetensors"))?;
    let source = from.join(WEIGHTS);
    let tensors = candle_core::safetensors::load(&source, &Device::Cpu)?;
    let mut halves: HashMap<String, Tensor> = HashMap::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let half = tensor.to_dtype(DType::F16)?;
        let sum = half.to_dtype(DType::F32)?.abs()?.sum_all()?.to_scalar::<f32>()?;
        if !sum.is_finite() {
            return Err(Error::invalid(
                format!("{}, tensor {name}", source.display()),
                "a value beyond f16",
                "weights below 65504",
                "Train with a smaller learning rate or more weight decay.",
            ));
        }
        halves.insert(name, half);
    }
    let target = to.join(WEIGHTS);
    candle_core::safetensors::save(&halves, &target)?;
    mark_half(&to.join("config.json"))?;
    mark_half(&to.join("base/config.json"))?;
    std::fs::metadata(&target).map(|m| m.len()).map_err(|e| Error::io(&target, e))
}

fn mark_half(path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut config: Value = serde_json::from_str(&text).map_err(|e| {
        Error::invalid(path.display().to_string(), e.to_string(), "JSON", "Train the stage again.")
    })?;
    if let Some(config) = config.as_object_mut() {
        config.insert("torch_dtype".into(), "float16".into());
    }
    std::fs::write(path, format!("{config:#}\n")).map_err(|e| Error::io(path, e))
}
