//! Rotary position embeddings as transformers 4.51 computes them, in f32.

use std::f64::consts::TAU;

use candle_core::{DType, Device, Tensor};

use crate::{
    Result,
    checkpoint::{Rope, RopeScaling},
};

/// The frequencies of one [`Rope`], `head_dim / 2` of them, radians per position.
#[derive(Clone, Debug)]
pub struct Rotary {
    frequencies: Vec<f32>,
}

impl Rotary {
    /// Frequencies of a rope for heads of this width.
    pub fn new(rope: &Rope, head_dim: usize) -> Self {
        let frequencies = (0..head_dim / 2)
            .map(|i| {
                let plain = rope.theta.powf(-((2 * i) as f64) / head_dim as f64);
                scaled(plain, &rope.scaling) as f32
            })
            .collect();
        Self { frequencies }
    }

    /// Cosines and sines of these positions, row-major `[positions, head_dim / 2]`.
    pub fn tables(&self, positions: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let angles = positions.iter().flat_map(|&p| self.frequencies.iter().map(move |f| f * p as f32));
        angles.map(|angle| (angle.cos(), angle.sin())).unzip()
    }

    /// [`Rotary::tables`] as tensors.
    pub fn tensors(&self, positions: &[usize], device: &Device, dtype: DType) -> Result<(Tensor, Tensor)> {
        let (cos, sin) = self.tables(positions);
        let shape = (positions.len(), self.frequencies.len());
        let tensor = |v| Tensor::from_vec(v, shape, device)?.to_dtype(dtype);
        Ok((tensor(cos)?, tensor(sin)?))
    }
}

fn scaled(frequency: f64, scaling: &RopeScaling) -> f64 {
    match *scaling {
        RopeScaling::Default => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } => {
            let context = original_max_position_embeddings as f64;
            let wavelength = TAU / frequency;
            if wavelength < context / high_freq_factor {
                frequency
            } else if wavelength > context / low_freq_factor {
                frequency / factor
            } else {
                let smooth = (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}
