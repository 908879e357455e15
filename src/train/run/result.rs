//! `result/`: the trained model in the reference's layout, base configuration included, so that it loads by itself.

use std::path::Path;

use serde_json::{Map, Value};

use super::tensors::{self, Numbers};
use crate::checkpoint::{Checkpoint, HEAD_DECLARATION, HEAD_UNTRAINED};
use crate::disk;
use crate::disk::points::point;
use crate::train::config::Loss;
use crate::train::params::Params;
use crate::{Error, Result};

const HEAD_BIAS: &str = "reward_head.dense.bias";

/// Writes the folder as a whole.
///
/// # Errors
/// [`Error::Io`], or [`Error::Invalid`] when the disk is full.
pub fn write(path: &Path, checkpoint: &Checkpoint, params: &Params, loss: Loss) -> Result<()> {
    disk::publish(path, "result", |aside| {
        checkpoint.write_files(aside)?;
        let bias = params.all().iter().find(|p| p.name == HEAD_BIAS);
        let fresh = match bias {
            Some(bias) => bias.tensor().flatten_all()?.to_vec1::<f32>()?.iter().all(|x| *x == 0.0),
            None => false,
        };
        set_method(&aside.join("config.json"), loss, fresh)?;
        let weights = params.all().iter().map(|p| (p.name.clone(), Numbers::Tensor(p.tensor()))).collect();
        tensors::write(&aside.join("model.safetensors"), &weights)?;
        point("result:weights");
        Ok(())
    })
}

/// `fresh`: the head's biases are as they were initialised. Only critique training leaves a head untrained.
fn set_method(path: &Path, loss: Loss, fresh: bool) -> Result<()> {
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let mut config: Map<String, Value> = serde_json::from_slice(&text).map_err(|e| {
        Error::invalid(path.display().to_string(), e.to_string(), "a JSON object", "Report this.")
    })?;
    let method = if loss == Loss::Classic { "vanilla" } else { "teacher" };
    config.insert("feedback_method".into(), method.into());
    if loss != Loss::Csft {
        config.remove(HEAD_DECLARATION);
    } else if fresh {
        config.insert(HEAD_DECLARATION.into(), HEAD_UNTRAINED.into());
    }
    config.insert("torch_dtype".into(), "float32".into());
    disk::write_synced(path, format!("{:#}\n", Value::Object(config)).as_bytes())
}
