//! What a run starts from: weights, shapes, tokenizer and the files that go into its result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::config::{Config, Init, Loss};
use super::init::RandomInit;
use super::params::Recorder;
use crate::checkpoint::{Backbone, Bundled, CRITIQUE_PROMPT, Checkpoint, Head};
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
        let spec = &checkpoint.spec;
        let stored = F32(checkpoint.tensors(device)?);
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
        Ok(Self { critique_prompt, checkpoint, tensors })
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

/// Tensors in f32, whatever the file holds.
struct F32(crate::checkpoint::Tensors);

impl TensorSource for F32 {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.0.tensor(name, shape)?.to_dtype(DType::F32)?)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
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
