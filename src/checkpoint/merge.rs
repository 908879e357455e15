//! Writing the tensors of a checkpoint, adapters merged, one at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::View;

use super::weights::Weights;
use crate::{Error, Result};

/// A tensor that is read when its turn comes.
struct Lazy<'a> {
    weights: &'a Weights,
    name: &'a str,
    shape: &'a [usize],
    dtype: Dtype,
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // Checked before: a tensor that cannot be read leaves a file too short, which is refused.
        let values = self.weights.values(self.name).unwrap_or_default();
        Cow::Owned(match self.dtype {
            Dtype::BF16 => values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        let size = if matches!(self.dtype, Dtype::BF16 | Dtype::F16) { 2 } else { 4 };
        size * self.shape.iter().product::<usize>()
    }
}

impl Weights {
    /// Writes all tensors into one file, in the types of their files (f64 becomes f32), or all in f32.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] for a weight that is not finite, or that f16 cannot hold.
    pub fn write(&self, path: &Path, f32: bool) -> Result<()> {
        let mut all = Vec::new();
        for name in self.names() {
            let stored = self.dtype(name)?;
            let dtype = if !f32 && matches!(stored, Dtype::BF16 | Dtype::F16) { stored } else { Dtype::F32 };
            let values = self.values(name)?;
            if dtype == Dtype::F16 && values.iter().any(|x| !f16::from_f32(*x).is_finite()) {
                return Err(Error::invalid(
                    self.place(name),
                    "a merged value beyond f16",
                    "weights below 65504",
                    "Write f32.",
                ));
            }
            let shape = self.shape(name).unwrap_or_default();
            all.push((name, Lazy { weights: self, name, shape, dtype }));
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize_to_file(all, Some(metadata), path).map_err(|e| {
            Error::invalid(
                path.display().to_string(),
                e.to_string(),
                "room for the weights",
                "Free some space.",
            )
        })
    }
}
