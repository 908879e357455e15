//! From a model's source to a model that can be asked: device, weights, facts about it.

use std::time::Instant;

use candle_core::{DType, Device};

use super::{DeviceChoice, ModelInfo, ModelSource, PrefixTree};
use crate::checkpoint::{Checkpoint, Spec, Text};
use crate::model::Model;
use crate::{Error, Result};

/// A model in memory with its text rules and what was computed with it before.
pub struct Loaded {
    /// Mathematics.
    pub model: Model,
    /// Text rules.
    pub text: Text,
    /// What it is.
    pub spec: Spec,
    /// Facts for the client.
    pub info: ModelInfo,
    /// Earlier work.
    pub prefixes: PrefixTree,
    /// Tokens computed in one step at most, so that a step stays short whatever the model's size.
    pub step_tokens: usize,
}

/// About this much arithmetic goes into one step (two seconds on a small machine; half of it reads long texts a tenth
/// slower, as the weights are packed anew each time).
const STEP_FLOPS: usize = 250_000_000_000;

/// A model that was found, its weights not read yet.
pub struct Found {
    begun: Instant,
    device: Device,
    checkpoint: Checkpoint,
}

impl Found {
    /// Looks at a model's files.
    ///
    /// # Errors
    /// Whatever is wrong with the checkpoint, or a device that is not there.
    pub fn open(source: &ModelSource, choice: DeviceChoice) -> Result<Self> {
        let begun = Instant::now();
        Ok(Self { begun, device: device(choice)?, checkpoint: source.open()? })
    }

    /// Bytes its weights will take at most: computed in f32.
    pub fn bytes(&self) -> usize {
        self.checkpoint.parameters().saturating_mul(DType::F32.size_in_bytes())
    }

    /// Reads the weights and checks them.
    ///
    /// # Errors
    /// Whatever is wrong with the weights.
    pub fn load(self, cache_bytes: usize) -> Result<Loaded> {
        let Self { begun, device, checkpoint } = self;
        let tensors = checkpoint.tensors(&device)?;
        let model = Model::new(&checkpoint.spec.backbone, &checkpoint.spec.head, &tensors, &device)?;
        let Checkpoint { name, spec, text, fingerprint, .. } = checkpoint;
        let parameters = model.parameters();
        let info = ModelInfo {
            name,
            fingerprint,
            spec: spec.clone(),
            parameters,
            dtype: dtype_name(model.dtype()).into(),
            device: device_name(&device),
            bytes: model.bytes(),
            load_s: begun.elapsed().as_secs_f64(),
        };
        let step_tokens = (STEP_FLOPS / (2 * parameters.max(1))).clamp(8, 2048);
        Ok(Loaded { model, text, spec, info, prefixes: PrefixTree::new(cache_bytes), step_tokens })
    }
}

/// The device a choice names.
///
/// # Errors
/// `Usage` when this build or this machine does not have it.
pub fn device(choice: DeviceChoice) -> Result<Device> {
    let missing = |what: &str, feature: &str, error: candle_core::Error| {
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default().to_string();
        Error::Usage(format!(
            "no {what} device: {reason}. Build with `--features {feature}` on a machine that has one, or use `--device cpu`"
        ))
    };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto if cfg!(feature = "cuda") => {
            Ok(Device::cuda_if_available(0).unwrap_or(Device::Cpu))
        }
        DeviceChoice::Auto if cfg!(feature = "metal") => Ok(Device::new_metal(0).unwrap_or(Device::Cpu)),
        DeviceChoice::Auto => Ok(Device::Cpu),
        DeviceChoice::Cuda(n) => Device::new_cuda(n).map_err(|e| missing("CUDA", "cuda", e)),
        DeviceChoice::Metal => Device::new_metal(0).map_err(|e| missing("Metal", "metal", e)),
    }
}

/// A device as results name it: `cpu`, `cuda:0`, `metal:0`.
pub fn device_name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".into(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

fn dtype_name(dtype: DType) -> &'static str {
    dtype.as_str()
}
