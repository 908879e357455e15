//! LoRA as a configuration, and the matrices a run begins with.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::config::nearest;
use super::init::generator;
use crate::checkpoint::{Adapter, LINEAR, LoraSpec};
use crate::{Error, Result};
use rand::Rng;

/// `[lora]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of each product.
    pub rank: usize,
    /// Numerator of the scale; default: twice the rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Share of inputs left out at random.
    #[serde(default)]
    pub dropout: f64,
    /// `"all-linear"`, or a list of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.
    #[serde(default)]
    pub targets: Targets,
    /// The scale is `alpha / sqrt(rank)`.
    #[serde(default)]
    pub rslora: bool,
}

/// Which linear layers are adapted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// By a name for several.
    Group(Group),
    /// By their own names.
    List(Vec<String>),
}

impl Default for Targets {
    fn default() -> Self {
        Self::Group(Group::AllLinear)
    }
}

/// A name for several linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// All of the decoder.
    AllLinear,
}

impl LoraConfig {
    /// The adapter's shape.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a target that is no linear layer of the decoder, or a number out of range.
    pub fn spec(&self, place: &str) -> Result<LoraSpec> {
        let bad = |key: &str, found: String, expected: &str, fix: String| {
            Error::invalid(format!("{place}, lora.{key}"), found, expected, fix)
        };
        if self.rank == 0 {
            return Err(bad("rank", "0".into(), "at least 1", "Correct the value.".into()));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let found = self.dropout.to_string();
            return Err(bad("dropout", found, "a share from 0 to below 1", "Correct the value.".into()));
        }
        let alpha = self.alpha.unwrap_or(2.0 * self.rank as f64);
        if !(alpha.is_finite() && alpha > 0.0) {
            return Err(bad("alpha", alpha.to_string(), "a number above 0", "Correct the value.".into()));
        }
        let mut targets: Vec<String> = match &self.targets {
            Targets::Group(Group::AllLinear) => LINEAR.map(str::to_owned).to_vec(),
            Targets::List(names) => names.clone(),
        };
        targets.sort();
        targets.dedup();
        if let Some(name) = targets.iter().find(|name| !LINEAR.contains(&name.as_str())) {
            let near = nearest(name, LINEAR.into_iter().map(str::to_owned));
            let fix = format!("Remove or correct it{}", if near.is_empty() { "." } else { &near });
            return Err(bad(
                "targets",
                name.clone(),
                &format!("\"all-linear\" or of {}", LINEAR.join(", ")),
                fix,
            ));
        }
        if targets.is_empty() {
            return Err(bad("targets", "none".into(), "at least one", "Name some.".into()));
        }
        Ok(LoraSpec { rank: self.rank, alpha, dropout: self.dropout, targets, rslora: self.rslora })
    }
}

/// The matrices of a fresh adapter: A uniform as PEFT's (Kaiming with a = sqrt 5: within 1/sqrt(in)), from the seed and the
/// name; B zero, so that training begins at the base.
///
/// # Errors
/// From the device.
pub fn initial(
    tensors: &BTreeMap<String, Tensor>,
    spec: &LoraSpec,
    seed: u64,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let mut all = BTreeMap::new();
    for (name, tensor) in tensors {
        let Some(module) = name.strip_suffix(".weight").filter(|module| is_target(module, spec)) else {
            continue;
        };
        let (out, inp) = tensor.dims2()?;
        let a = format!("{module}.lora_A.weight");
        let (mut rng, bound) = (generator(seed, &a), 1.0 / (inp as f32).sqrt());
        let values: Vec<f32> = (0..spec.rank * inp).map(|_| rng.random_range(-bound..bound)).collect();
        all.insert(a, Tensor::from_vec(values, (spec.rank, inp), device)?);
        let b = Tensor::zeros((out, spec.rank), candle_core::DType::F32, device)?;
        all.insert(format!("{module}.lora_B.weight"), b);
    }
    Ok(all)
}

fn is_target(module: &str, spec: &LoraSpec) -> bool {
    let last = module.rsplit('.').next().unwrap_or_default();
    module.contains("model.layers.") && spec.targets.iter().any(|t| t == last)
}

/// Whether a run with this shape can go on with an adapter that is there.
///
/// # Errors
/// [`Error::Usage`] with the differences.
pub fn goes_on(adapter: &Adapter, spec: &LoraSpec) -> Result<()> {
    let there = &adapter.spec;
    let same =
        |a: &LoraSpec, b: &LoraSpec| (a.rank, &a.targets, a.scale()) == (b.rank, &b.targets, b.scale());
    if same(there, spec) {
        return Ok(());
    }
    let shown = |s: &LoraSpec| format!("rank {}, scale {}, {}", s.rank, s.scale(), s.targets.join(" "));
    Err(Error::Usage(format!(
        "the model is an adapter ({}), and [lora] asks for another ({}). Give [lora] the same keys to go on training it, or \
         merge it first: outloud adapter merge DIR --out DIR",
        shown(there),
        shown(spec)
    )))
}
