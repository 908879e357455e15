//! Rows of a table by index (embedding, positions of interest); the gradient is added up row by row, in order.

#![allow(clippy::indexing_slicing, reason = "numeric kernel; indices are checked on entry")]

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::kernel::{values, with_values};

struct SelectRows(Vec<u32>);

/// See [`super::select_rows`].
pub fn select_rows(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let (rows, _) = table.dims2()?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
        bail!("row {id} of a table of {rows} rows");
    }
    table.contiguous()?.apply_op1(SelectRows(ids.to_vec()))
}

impl CustomOp1 for SelectRows {
    fn name(&self) -> &'static str {
        "select-rows"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let table = values(table, layout)?;
        let mut out = Vec::with_capacity(self.0.len() * width);
        for &id in &self.0 {
            out.extend_from_slice(&table[id as usize * width..][..width]);
        }
        Ok((CpuStorage::F32(out), Shape::from((self.0.len(), width))))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = table.dims2()?;
        let mut out = vec![0f32; rows * width];
        with_values(&grad.contiguous()?, |grad| {
            for (&id, grad) in self.0.iter().zip(grad.chunks_exact(width)) {
                let row = &mut out[id as usize * width..][..width];
                for (sum, g) in row.iter_mut().zip(grad) {
                    *sum += g;
                }
            }
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(out, (rows, width), table.device())?))
    }
}
