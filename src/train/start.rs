//! What a run starts from: weights, shapes, tokenizer and the files that go into its result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::config::{Config, Init, Loss};
use super::init::RandomInit;
use super::lora;
use super::params::{Params, Recorder, is_lora};
use crate::checkpoint::{Backbone, Bundled, CRITIQUE_PROMPT, Checkpoint, Head, LoraSpec};
use crate::model::{Model, TensorSource};
use crate::{Error, Result};

/// Where a run's weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A model compiled into the binary.
    Bundled(Bundled),
    /// A folder in the reference's layout; for `init = "random"` its weights may be missing.
    Folder(PathBuf),
}

impl Origin {
    /// As written on the command line.
    pub fn name(&self) -> String {
        match self {
            Self::Bundled(which) => which.name().into(),
            Self::Folder(dir) => dir.display().to_string(),
        }
    }
}

/// What a run starts from.
#[derive(Debug)]
pub struct Start {
    /// Tokenizer, template, spec and files.
    pub checkpoint: Checkpoint,
    /// All weights of the model, in f32.
    pub tensors: BTreeMap<String, Tensor>,
    /// What stands before a critique.
    pub critique_prompt: String,
    /// The shape of the adapter to be learned, and the matrices it begins with.
    pub lora: Option<(LoraSpec, BTreeMap<String, Tensor>)>,
    /// What an adapter's base is to be called, and its fingerprint: of the model that is adapted, or else of the start.
    pub base: (String, String),
}

impl Start {
    /// Opens the origin and makes the weights that the configuration wants random.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open(origin: &Origin, config: &Config, device: &Device) -> Result<Self> {
        let all_random = config.init == Init::Random;
        let checkpoint = match origin {
            Origin::Bundled(which) => Checkpoint::bundled(*which)?,
            Origin::Folder(dir) if all_random && !has_weights(dir) => Checkpoint::blueprint(dir)?,
            Origin::Folder(dir) => Checkpoint::open(dir)?,
        };
        let wanted = config.lora.as_ref().map(|lora| lora.spec("the configuration")).transpose()?;
        if wanted.is_some() && !(config.freeze.is_empty() && config.init == Init::Checkpoint) {
            return Err(Error::Usage(
                "[lora] freezes all but its own matrices and the head, of a model that is \
                 there: it goes with neither `freeze` nor `init = \"random\"`"
                    .into(),
            ));
        }
        // An adapter goes on beside its base's matrices; without [lora] it is merged into them.
        let adapter = checkpoint.adapter.as_ref().filter(|_| wanted.is_some());
        let base = adapter.map(|adapter| adapter.base.open()).transpose()?;
        let learned = if base.is_some() { checkpoint.adapter_tensors(device)? } else { BTreeMap::new() };
        if let (Some(adapter), Some(wanted)) = (adapter, &wanted) {
            lora::goes_on(adapter, wanted)?;
        }
        let spec = &checkpoint.spec;
        let stored = F32 { tensors: base.as_ref().unwrap_or(&checkpoint).tensors(device)?, own: &learned };
        let fresh = RandomInit {
            backbone: &spec.backbone,
            head: &spec.head,
            seed: config.seed,
            device,
            prefix: TensorSource::base_prefix(&stored),
        };
        let mixed = Mixed {
            body: if all_random { &fresh } else { &stored },
            head: if all_random || config.init_head == Init::Random { &fresh } else { &stored },
            is_head: &|name| fresh.is_head(name),
        };
        let recorder = Recorder::new(&mixed);
        Model::new(&spec.backbone, &spec.head, &recorder, device)?;
        let tensors = recorder.into_tensors();
        let own = Some(spec.prompt.critique_prompt.as_str()).filter(|p| !p.is_empty());
        let critique_prompt = config.critique_prompt.as_deref().or(own).unwrap_or(CRITIQUE_PROMPT).to_owned();
        if config.method != Loss::Classic
            && !spec.backbone.tied
            && !tensors.keys().any(|n| n.ends_with("lm_head.weight"))
        {
            return Err(Error::invalid(
                origin.name(),
                "a model without lm_head",
                "one that can write critiques",
                "Train it as `classic`, or start from another checkpoint.",
            ));
        }
        let lora = match wanted {
            Some(spec) if base.is_some() => {
                let mut matrices = learned.clone();
                matrices.retain(|name, _| is_lora(name));
                Some((spec, matrices))
            }
            Some(spec) => {
                let matrices = lora::initial(&tensors, &spec, config.seed, device)?;
                Some((spec, matrices))
            }
            None => None,
        };
        let base = match &checkpoint.adapter {
            Some(adapter) if base.is_some() => (adapter.base.name(), adapter.base_fingerprint.clone()),
            _ => (origin.name(), checkpoint.fingerprint.clone()),
        };
        Ok(Self { critique_prompt, checkpoint, tensors, lora, base })
    }

    /// The weights of a run that starts here.
    ///
    /// # Errors
    /// As [`Params::new`].
    pub fn params(&self, config: &Config) -> Result<Params> {
        match &self.lora {
            None => Params::new(self.tensors.clone(), &config.freeze),
            Some((spec, matrices)) => {
                let head = |name: &str| match self.head() {
                    Head::DenseTanhOut { dense, out_proj } => {
                        name.starts_with(dense) || name.starts_with(out_proj)
                    }
                    Head::Linear { weight } => name.starts_with(weight),
                };
                Params::adapted(self.tensors.clone(), matrices.clone(), spec, &head)
            }
        }
    }

    /// The model as it is before any step, constant; it shares its weights with this start.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn model(&self, device: &Device) -> Result<Model> {
        let (spec, matrices) = self.lora.clone().unzip();
        let params = Params::constant(self.tensors.clone(), matrices.unwrap_or_default(), spec)?;
        Model::new(self.backbone(), self.head(), &params, device)
    }

    /// The decoder.
    pub fn backbone(&self) -> &Backbone {
        &self.checkpoint.spec.backbone
    }

    /// The reward head.
    pub fn head(&self) -> &Head {
        &self.checkpoint.spec.head
    }
}

fn has_weights(dir: &Path) -> bool {
    ["model.safetensors", "model.safetensors.index.json"].iter().any(|f| dir.join(f).exists())
}

/// Tensors in f32, whatever the file holds; those an adapter saved whole in place of its base's.
struct F32<'a> {
    tensors: crate::checkpoint::Tensors,
    own: &'a BTreeMap<String, Tensor>,
}

impl TensorSource for F32<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.own.get(name).filter(|t| t.dims() == shape) {
            Some(own) => Ok(own.clone()),
            None => Ok(self.tensors.tensor(name, shape)?.to_dtype(DType::F32)?),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.has(name)
    }
}

/// Body and head from two sources.
struct Mixed<'a> {
    body: &'a dyn TensorSource,
    head: &'a dyn TensorSource,
    is_head: &'a dyn Fn(&str) -> bool,
}

impl TensorSource for Mixed<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        if (self.is_head)(name) { self.head.tensor(name, shape) } else { self.body.tensor(name, shape) }
    }

    fn has(&self, name: &str) -> bool {
        if (self.is_head)(name) { self.head.has(name) } else { self.body.has(name) }
    }

    fn base_prefix(&self) -> &str {
        self.body.base_prefix()
    }
}
