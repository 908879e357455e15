//! Random weights from a seed: each tensor's numbers depend on the seed and its name only.

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Backbone, Head};
use crate::model::TensorSource;
use crate::{Error, Result};

/// A source of freshly initialised weights. Norms are neutral, biases zero, embeddings and matrices normal with
/// variance 1 / (width of the input), those that write into the residual stream (`o_proj`, `down_proj`) divided by
/// twice the number of layers, the head's last matrix smaller so that rewards begin near zero.
#[derive(Debug)]
pub struct RandomInit<'a> {
    /// The decoder.
    pub backbone: &'a Backbone,
    /// The reward head.
    pub head: &'a Head,
    /// The seed.
    pub seed: u64,
    /// Where the weights go.
    pub device: &'a Device,
    /// What stands before `model.embed_tokens.weight`.
    pub prefix: &'a str,
}

impl RandomInit<'_> {
    /// Whether a tensor belongs to the reward head.
    pub fn is_head(&self, name: &str) -> bool {
        match self.head {
            Head::DenseTanhOut { dense, out_proj } => name.starts_with(dense) || name.starts_with(out_proj),
            Head::Linear { weight } => name.starts_with(weight),
        }
    }

    fn deviation(&self, name: &str, width: usize) -> f64 {
        let plain = 1.0 / (width.max(1) as f64).sqrt();
        let last = match self.head {
            Head::DenseTanhOut { out_proj, .. } => name.starts_with(out_proj),
            Head::Linear { .. } => self.is_head(name),
        };
        if last {
            plain * 0.1
        } else if name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") {
            plain / (2.0 * self.backbone.layers.len().max(1) as f64).sqrt()
        } else {
            plain
        }
    }
}

impl TensorSource for RandomInit<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let count = shape.iter().product();
        let values = match shape {
            [_] if name.ends_with(".bias") => vec![0f32; count],
            [_] => vec![if self.backbone.norm_plus_one { 0.0 } else { 1.0 }; count],
            [_, width] => normal(self.seed, name, count, self.deviation(name, *width)),
            _ => {
                return Err(Error::Usage(format!("no rule to initialise {name} of shape {shape:?}")));
            }
        };
        Ok(Tensor::from_vec(values, shape, self.device)?)
    }

    fn has(&self, name: &str) -> bool {
        let lm_head = format!("{}lm_head.weight", self.prefix);
        (name == lm_head && !self.backbone.tied) || self.is_head(name)
    }

    fn base_prefix(&self) -> &str {
        self.prefix
    }
}

/// Random numbers for a tensor.
pub fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let key: [u8; 32] = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize().into();
    ChaCha8Rng::from_seed(key)
}

fn normal(seed: u64, name: &str, count: usize, deviation: f64) -> Vec<f32> {
    let mut rng = generator(seed, name);
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // Box-Muller: two uniform numbers give two normal ones.
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        let (radius, angle) = ((-2.0 * u.ln()).sqrt() * deviation, std::f64::consts::TAU * v);
        values.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
    }
    values.truncate(count);
    values
}
