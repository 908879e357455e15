//! AdamW, decoupled as Composer's or plain as PyTorch's: one pass over each weight, its gradient and its moments.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Storage, Tensor, Var, bail};
use rayon::prelude::*;

use super::config::{OptimizerConfig, OptimizerKind};
use crate::Result;
use crate::model::ops::kernel::{CHUNK, sum, values, vectorized};

/// First and second moment of one weight.
#[derive(Clone, Debug)]
pub enum Moments {
    /// On the CPU.
    Host(Vec<f32>, Vec<f32>),
    /// Where the weight is.
    Device(Tensor, Tensor),
}

/// The optimiser with its state. Weights that never had a gradient have no state.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    /// Updates made.
    pub updates: usize,
    /// Moments by weight, in the order of the trainable weights.
    pub moments: Vec<Option<Moments>>,
}

/// The factors of one update.
#[derive(Clone, Copy)]
struct Factors {
    beta1: f32,
    beta2: f32,
    keep: f32,
    step: f32,
    root: f32,
    eps: f32,
    clip: f32,
}

impl AdamW {
    /// For so many trainable weights.
    pub fn new(config: OptimizerConfig, weights: usize) -> Self {
        Self { config, updates: 0, moments: vec![None; weights] }
    }

    /// Bytes of the state.
    pub fn bytes(&self) -> usize {
        let one = |m: &Moments| match m {
            Moments::Host(a, _) => a.len() * 8,
            Moments::Device(a, _) => a.elem_count() * 8,
        };
        self.moments.iter().flatten().map(one).sum()
    }

    /// One update with the learning rate `factor * lr`. `gradients` in the order of `weights`; a weight without one
    /// stays as it is. `norm`: the gradients' global norm.
    ///
    /// # Errors
    /// From the device.
    pub fn step(
        &mut self,
        weights: &[&Var],
        gradients: &[Option<Tensor>],
        factor: f64,
        norm: f64,
    ) -> Result<()> {
        self.updates += 1;
        let c = &self.config;
        let [beta1, beta2] = c.betas;
        let lr = c.lr * factor;
        let decay = match c.kind {
            OptimizerKind::DecoupledAdamW => c.weight_decay * factor,
            OptimizerKind::AdamW => c.weight_decay * lr,
        };
        let clip = if c.clip > 0.0 { (c.clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
        let updates = self.updates.min(i32::MAX as usize) as i32;
        let factors = Factors {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            keep: (1.0 - decay) as f32,
            step: (lr / (1.0 - beta1.powi(updates))) as f32,
            root: (1.0 - beta2.powi(updates)).sqrt() as f32,
            eps: c.eps as f32,
            clip: clip as f32,
        };
        for ((var, gradient), moments) in weights.iter().zip(gradients).zip(&mut self.moments) {
            let Some(gradient) = gradient else { continue };
            if var.device().is_cpu() && var.dtype() == candle_core::DType::F32 {
                let count = var.elem_count();
                let moments =
                    moments.get_or_insert_with(|| Moments::Host(vec![0.0; count], vec![0.0; count]));
                let Moments::Host(first, second) = moments else { continue };
                let op = Update { factors, moments: RefCell::new((first, second)) };
                var.inplace_op2(&gradient.contiguous()?, &op)?;
            } else {
                step_on_device(var, gradient, moments, factors)?;
            }
        }
        Ok(())
    }
}

struct Update<'a> {
    factors: Factors,
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        lw: &Layout,
        gradient: &CpuStorage,
        lg: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(weight), Some((start, end))) = (weight, lw.contiguous_offsets()) else {
            bail!("adamw takes contiguous f32 weights")
        };
        let Some(weight) = weight.get_mut(start..end) else { bail!("adamw: weight out of range") };
        let gradient = values(gradient, lg)?;
        let mut moments = self.moments.borrow_mut();
        let (first, second) = &mut *moments;
        let f = self.factors;
        let each = weight.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
        each.zip(moments).for_each(|((w, g), (m, v))| {
            vectorized(
                #[inline(always)]
                || {
                    for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                        let g = g * f.clip;
                        *m = *m * f.beta1 + g * (1.0 - f.beta1);
                        *v = *v * f.beta2 + g * g * (1.0 - f.beta2);
                        *w = *w * f.keep - f.step * (*m / (v.sqrt() / f.root + f.eps));
                    }
                },
            );
        });
        Ok(())
    }
}

fn step_on_device(var: &Var, gradient: &Tensor, moments: &mut Option<Moments>, f: Factors) -> Result<()> {
    let f64s = |x: f32| f64::from(x);
    let (m, v) = match moments.take() {
        Some(Moments::Device(m, v)) => (m, v),
        Some(Moments::Host(m, v)) => (
            Tensor::from_vec(m, var.shape(), var.device())?.to_dtype(var.dtype())?,
            Tensor::from_vec(v, var.shape(), var.device())?.to_dtype(var.dtype())?,
        ),
        None => (var.zeros_like()?.detach(), var.zeros_like()?.detach()),
    };
    let g = (gradient.detach() * f64s(f.clip))?;
    let m = ((m * f64s(f.beta1))? + (&g * (1.0 - f64s(f.beta1)))?)?;
    let v = ((v * f64s(f.beta2))? + (g.sqr()? * (1.0 - f64s(f.beta2)))?)?;
    let below = ((v.sqrt()? / f64s(f.root))? + f64s(f.eps))?;
    let moved = ((&m / below)? * f64s(f.step))?;
    var.set(&((var.as_tensor().detach() * f64s(f.keep))? - moved)?)?;
    *moments = Some(Moments::Device(m, v));
    Ok(())
}

/// Squared Euclidean norm of a gradient, summed in a fixed order.
///
/// # Errors
/// From the device.
pub fn squared_norm(gradient: &Tensor) -> Result<f64> {
    let gradient = gradient.contiguous()?;
    if !gradient.device().is_cpu() || gradient.dtype() != candle_core::DType::F32 {
        let total = gradient.to_dtype(candle_core::DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()?;
        return Ok(f64::from(total));
    }
    let (storage, layout) = gradient.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { return Ok(0.0) };
    let parts: Vec<f32> = values(storage, layout)?
        .par_chunks(CHUNK)
        .map(|chunk| {
            vectorized(
                #[inline(always)]
                || sum(chunk.len(), |i| chunk.get(i).map_or(0.0, |x| x * x)),
            )
        })
        .collect();
    Ok(parts.iter().map(|&x| f64::from(x)).sum())
}

/// `into += from`, in place.
pub struct AddInto;

impl InplaceOp2 for AddInto {
    fn name(&self) -> &'static str {
        "add-into"
    }

    fn cpu_fwd(
        &self,
        into: &mut CpuStorage,
        li: &Layout,
        from: &CpuStorage,
        lf: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(into), Some((start, end))) = (into, li.contiguous_offsets()) else {
            bail!("add-into takes contiguous f32 tensors")
        };
        let Some(into) = into.get_mut(start..end) else { bail!("add-into: out of range") };
        let from = values(from, lf)?;
        into.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(into, from)| {
            for (into, from) in into.iter_mut().zip(from) {
                *into += from;
            }
        });
        Ok(())
    }
}
