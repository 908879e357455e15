//! LoRA: a low-rank product learned beside a frozen matrix, with dropout that a key makes again.

use candle_core::Tensor;

use super::ops;
use crate::Result;

/// `scale * dropout(x) @ a^T @ b^T` beside `x @ weight^T`.
#[derive(Clone, Debug)]
pub struct Lora {
    /// `[rank, in]`.
    pub a: Tensor,
    /// `[out, rank]`.
    pub b: Tensor,
    /// What the product is multiplied by.
    pub scale: f64,
    /// Share of the inputs that training leaves out at random.
    pub dropout: f64,
    /// Tells this matrix from others when inputs are left out.
    pub key: u64,
}

/// What decides which inputs are left out: the same noise leaves out the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise(u64);

impl Noise {
    /// A noise of its own for each list of numbers.
    pub fn new(parts: &[u64]) -> Self {
        parts.iter().fold(Self(0), |noise, part| noise.part(*part))
    }

    /// The noise of a part of what this one is for.
    pub fn part(self, number: u64) -> Self {
        Self(mix(self.0 ^ number))
    }
}

/// SplitMix64.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Lora {
    /// `[M, in]` -> `[M, out]`, the frozen matrix's part included, differentiable for `x`, `a` and `b`.
    ///
    /// # Errors
    /// A tensor error for another width.
    pub fn forward(&self, x: &Tensor, weight: &Tensor, noise: Option<Noise>) -> Result<Tensor> {
        let Some(noise) = noise.filter(|_| self.dropout > 0.0) else {
            return Ok(ops::low_rank_linear(x, weight, &self.a, &self.b, self.scale)?);
        };
        let inner = ops::linear(&(x * self.mask(x, noise)?)?, &self.a, None)?;
        let product = ops::linear(&(inner * self.scale)?, &self.b, None)?;
        Ok((ops::linear(x, weight, None)? + product)?)
    }

    /// 0 where an input is left out, else `1 / (1 - dropout)`.
    fn mask(&self, x: &Tensor, noise: Noise) -> Result<Tensor> {
        let seed = mix(noise.0 ^ self.key);
        let keep = (1.0 / (1.0 - self.dropout)) as f32;
        let limit = (self.dropout * (1u64 << 32) as f64) as u64;
        let mask = (0..x.elem_count() as u64).map(|i| if mix(seed ^ i) >> 32 < limit { 0.0 } else { keep });
        Ok(Tensor::from_iter(mask, x.device())?.reshape(x.shape())?.to_dtype(x.dtype())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn the_same_noise_leaves_out_the_same_inputs_and_their_share() {
        let x = Tensor::ones((100, 100), DType::F32, &Device::Cpu).unwrap();
        let tensor = |shape| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let lora = Lora { a: tensor((2, 100)), b: tensor((3, 2)), scale: 1.0, dropout: 0.25, key: 7 };
        let mask = |parts: &[u64]| {
            let mask = lora.mask(&x, Noise::new(parts)).unwrap();
            mask.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let one = mask(&[1, 2]);
        assert_eq!(one, mask(&[1, 2]));
        assert_ne!(one, mask(&[2, 1]));
        let out = one.iter().filter(|x| **x == 0.0).count();
        assert!((2300..2700).contains(&out), "{out}");
        assert!(one.iter().all(|x| *x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6));
    }
}
