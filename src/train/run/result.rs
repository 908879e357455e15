//! `result/`: the trained model in the reference's layout, base configuration included, so that it loads by itself; of a LoRA
//! run an adapter in PEFT's format. `lineage.json` says what it came from.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::identity::Identity;
use super::tensors::{self, Numbers};
use crate::checkpoint::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD_DECLARATION, HEAD_UNTRAINED, LINEAGE, LoraSpec, PEFT_PREFIX,
};
use crate::disk;
use crate::disk::points::point;
use crate::train::config::Loss;
use crate::train::params::Params;
use crate::train::start::Start;
use crate::{Error, Result};

const HEAD_BIAS: &str = "reward_head.dense.bias";

/// Writes the folder as a whole. `run`: the run's folder.
///
/// # Errors
/// [`Error::Io`], or [`Error::Invalid`] when the disk is full.
pub fn write(path: &Path, start: &Start, params: &Params, identity: &Identity, run: &Path) -> Result<()> {
    disk::publish(path, "result", |aside| {
        start.checkpoint.write_files(aside)?;
        let bias = params.all().iter().find(|p| p.name == HEAD_BIAS);
        let fresh = match bias {
            Some(bias) => bias.tensor().flatten_all()?.to_vec1::<f32>()?.iter().all(|x| *x == 0.0),
            None => false,
        };
        set_method(&aside.join("config.json"), identity.config.method, fresh)?;
        lineage(&aside.join(LINEAGE), start, identity, run)?;
        match params.adapter() {
            None => {
                let weights =
                    params.all().iter().map(|p| (p.name.clone(), Numbers::Tensor(p.tensor()))).collect();
                tensors::write(&aside.join("model.safetensors"), &weights)?;
            }
            Some(spec) => adapter(aside, &start.base.0, spec, params)?,
        }
        point("result:weights");
        Ok(())
    })
}

/// What was learned beside the base, under PEFT's names.
fn adapter(dir: &Path, base: &str, spec: &LoraSpec, params: &Params) -> Result<()> {
    let learned = params.trainable();
    let weights =
        learned.map(|(n, v)| (format!("{PEFT_PREFIX}{n}"), Numbers::Tensor(v.as_tensor()))).collect();
    tensors::write(&dir.join(ADAPTER_WEIGHTS), &weights)?;
    let base = std::fs::canonicalize(base).map_or_else(|_| base.to_owned(), |p| p.display().to_string());
    let config = format!("{:#}\n", spec.to_peft(&base));
    disk::write_synced(&dir.join(ADAPTER_CONFIG), config.as_bytes())
}

fn lineage(path: &Path, start: &Start, identity: &Identity, run: &Path) -> Result<()> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (model, fingerprint) = &start.base;
    let lineage = json!({
        "base": {"model": model, "fingerprint": fingerprint},
        "parent": identity.model,
        "data": identity.data,
        "recipe": identity.recipe,
        "steps": identity.steps,
        "run": absolute(run),
        "made_with": {"version": identity.version},
    });
    disk::write_synced(path, format!("{lineage:#}\n").as_bytes())
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
