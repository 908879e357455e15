//! Tensors <-> safetensors files.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensorError, SafeTensors};

use crate::disk::failed;
use crate::train::params::to_vec;
use crate::{Error, Result};

/// f32 numbers to be written: a weight, or a moment already on the CPU.
pub enum Numbers<'a> {
    /// Converted to f32 when its turn comes.
    Tensor(&'a Tensor),
    /// As it is.
    Slice(&'a [f32], Vec<usize>),
}

impl View for &Numbers<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        match self {
            Numbers::Tensor(t) => t.dims(),
            Numbers::Slice(_, shape) => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        Cow::Owned(match self {
            // Reading a CPU tensor does not fail; a device that fails leaves a file too short, which is refused.
            Numbers::Tensor(t) => to_vec(t).map(|v| bytes(&v)).unwrap_or_default(),
            Numbers::Slice(values, _) => bytes(values),
        })
    }

    fn data_len(&self) -> usize {
        4 * match self {
            Numbers::Tensor(t) => t.elem_count(),
            Numbers::Slice(values, _) => values.len(),
        }
    }
}

/// Writes a file; its bytes are not yet durable.
pub fn write(path: &Path, tensors: &BTreeMap<String, Numbers<'_>>) -> Result<()> {
    // transformers refuses a file that does not say which framework wrote it.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|e| match e {
        SafeTensorError::IoError(e) => failed(path, e),
        other => {
            Error::invalid(path.display().to_string(), other.to_string(), "tensors to write", "Report this.")
        }
    })
}

/// Shape and numbers by name.
pub type Read = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Reads f32 tensors.
pub fn read(path: &Path) -> Result<Read> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let bad = |found: String| {
        Error::invalid(
            path.display().to_string(),
            found,
            "f32 tensors as a run writes them",
            "The file is damaged.",
        )
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("{name} in {:?}", view.dtype())));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        tensors.insert(name, (view.shape().to_vec(), values));
    }
    Ok(tensors)
}

/// Whether every number of a tensor is finite.
pub fn finite(tensor: &Tensor) -> Result<bool> {
    let total = tensor.to_dtype(DType::F32)?.abs()?.max_all()?.to_scalar::<f32>()?;
    // `max` may pass over NaN; a sum does not.
    Ok(total.is_finite() && tensor.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?.is_finite())
}
