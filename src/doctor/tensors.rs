//! Every tensor of a checkpoint, looked at: is it needed, is it there, are its numbers numbers.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Device;
use serde::Serialize;

use crate::Result;
use crate::checkpoint::{Checkpoint, Head, backbone_tensors};

/// The weights.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Tensors in the files.
    pub count: usize,
    /// Numbers in them.
    pub parameters: usize,
    /// How many tensors have which type.
    pub dtypes: BTreeMap<String, usize>,
    /// The files.
    pub files: BTreeSet<String>,
    /// Needed and not there.
    pub missing: Vec<String>,
    /// There and not needed.
    pub unexpected: Vec<String>,
    /// Tensors that could not be read or hold NaN or infinite numbers, each with where and what.
    pub damaged: Vec<String>,
}

/// Reads all tensors of a checkpoint.
///
/// # Errors
/// When the files cannot be opened.
pub fn look(checkpoint: &Checkpoint) -> Result<Report> {
    let index = checkpoint.tensor_index();
    let there: BTreeSet<&str> = index.iter().map(|t| t.name.as_str()).collect();
    let mut needed: BTreeSet<String> =
        backbone_tensors(&checkpoint.spec.backbone).into_iter().map(|(name, _)| name).collect();
    let parts = |name: &String| [format!("{name}.weight"), format!("{name}.bias")];
    match &checkpoint.spec.head {
        Head::DenseTanhOut { dense, out_proj } => {
            needed.extend([dense, out_proj].into_iter().flat_map(parts));
        }
        Head::Linear { weight } => {
            needed.extend(parts(weight).into_iter().filter(|name| there.contains(name.as_str())));
        }
    }
    let tensors = checkpoint.tensors(&Device::Cpu)?;
    let mut dtypes = BTreeMap::new();
    let mut damaged = Vec::new();
    for tensor in &index {
        *dtypes.entry(tensor.dtype.clone()).or_insert(0) += 1;
        if needed.contains(&tensor.name)
            && let Err(error) = tensors.tensor(&tensor.name, &tensor.shape)
        {
            damaged.push(error.to_string());
        }
    }
    Ok(Report {
        count: index.len(),
        parameters: checkpoint.parameters(),
        dtypes,
        files: index.iter().map(|t| t.file.clone()).collect(),
        missing: needed.iter().filter(|name| !there.contains(name.as_str())).cloned().collect(),
        unexpected: there.iter().filter(|name| !needed.contains(**name)).map(ToString::to_string).collect(),
        damaged,
    })
}
