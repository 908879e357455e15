//! Opening a checkpoint: files -> [`Checkpoint`], every value of its spec with a reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::adapter::{self, Adapter};
use super::bundled::Bundled;
use super::files::{Json, Source};
use super::spec::{Calibration, Method, Reason, Spec};
use super::text::Text;
use super::weights::{TensorInfo, Tensors, Weights};
use super::{base, checks, config, describe, fingerprint, rules};
use crate::{Error, Result};

const CONFIG: &str = "config.json";

/// A reward model on disk (or compiled in), checked, its weights mapped but not read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The folder's name, or `demo`.
    pub name: String,
    /// What it is.
    pub spec: Spec,
    /// Tokenizer, template and text rules.
    pub text: Text,
    /// First 16 hex digits of a SHA-256 over configuration, base configuration, tokenizer and weights; of weight files
    /// above 16 MiB the header and the beginning of each tensor.
    pub fingerprint: String,
    /// The folder; `None` if compiled in.
    pub dir: Option<PathBuf>,
    /// Set for an adapter over a base; the tensors are those of the two merged.
    pub adapter: Option<Adapter>,
    source: Source,
    outer: Json,
    base: Json,
    weights: Arc<Weights>,
}

impl Checkpoint {
    /// Opens a folder in the reference's layout (config.json with `feedback_method` and `base_model_name_or_path`,
    /// safetensors, tokenizer with chat template).
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Invalid`] naming file and field or tensor, what was found, what was expected and what to do.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &base::hub_caches())
    }

    /// Opens a folder for a model whose weights are still to be made: configuration and tokenizer as in [`Checkpoint::open`],
    /// the reference's reward head, and no tensors, whatever weight files there are.
    ///
    /// # Errors
    /// As [`Checkpoint::open`], but for the weights.
    pub fn blueprint(dir: &Path) -> Result<Self> {
        let name = dir.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy().into_owned());
        let mut checkpoint = Self::read(name, Source::Folder(dir.to_path_buf()), &base::hub_caches(), false)?;
        checkpoint.dir = Some(dir.canonicalize().map_err(|e| Error::io(dir, e))?);
        Ok(checkpoint)
    }

    /// Like [`Checkpoint::open`], with the folders of the hub cache in which a base model is looked up.
    pub fn open_with(dir: &Path, hub_caches: &[PathBuf]) -> Result<Self> {
        let full = dir.canonicalize().map_err(|e| Error::io(dir, e))?;
        if !full.is_dir() {
            return Err(Error::invalid(
                dir.display().to_string(),
                "a file",
                "the folder of a checkpoint",
                "Give the folder that holds its config.json.",
            ));
        }
        let name = full.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy().into_owned());
        let (adapter, source) = if adapter::is_adapter(dir) {
            let (adapter, source) = adapter::read(dir, 0)?;
            (Some(adapter), source)
        } else {
            (None, Source::Folder(dir.to_path_buf()))
        };
        let mut checkpoint = Self::read(name, source, hub_caches, true)?;
        checkpoint.dir = Some(full);
        if let Some(adapter) = adapter {
            let (value, why) = (adapter.base.name(), adapter::ADAPTER_CONFIG.to_owned());
            checkpoint.spec.reasons.push(Reason { what: "adapter of".into(), value, why });
            checkpoint.adapter = Some(adapter);
        }
        Ok(checkpoint)
    }

    /// A checkpoint compiled into the binary.
    ///
    /// # Errors
    /// When its files are damaged (a defect of the build; a test opens them).
    pub fn bundled(which: Bundled) -> Result<Self> {
        Self::read(which.name().into(), Source::Embedded(which.files()), &[], true)
    }

    fn read(name: String, source: Source, hub_caches: &[PathBuf], with_weights: bool) -> Result<Self> {
        let mut reasons = Vec::new();
        let outer = source.json(CONFIG)?.ok_or_else(|| {
            Error::invalid(
                source.place(CONFIG),
                "no such file",
                "the checkpoint's configuration",
                "Give the folder that the reference's save_pretrained wrote.",
            )
        })?;
        let method = method(&outer, &mut reasons)?;
        let base = base::resolve(&source, &outer, hub_caches)?;
        reasons.push(Reason { what: "base".into(), value: base.config.place.clone(), why: base.why });
        let backbone = config::backbone(&base.config, &mut reasons)?;
        describe::backbone(&backbone, &base.config, &mut reasons);
        let (weights, head) = if with_weights {
            let weights = Weights::open(&source)?;
            let head = checks::head(&weights, &outer, backbone.hidden_size, &mut reasons)?;
            checks::tensors(&weights, &base.config, &backbone, &head)?;
            reasons.push(Reason {
                what: "dtype".into(),
                value: "f32 on the CPU, as stored elsewhere".into(),
                why: format!("stored as {}", weights.dtypes().join(", ")),
            });
            (weights, head)
        } else {
            (Weights::none(), checks::reference_head())
        };
        let text = rules::read(&source, method, &mut reasons)?;
        checks::vocabulary(&base.config, &backbone, text.0.tokenizer.vocab_size())?;
        let fingerprint = fingerprint::of(&source, &base.config, &weights)?;
        let prompt = text.rule().clone();
        let calibration = Calibration { temperature: 1.0 };
        Ok(Self {
            name,
            spec: Spec { method, backbone, head, prompt, calibration, reasons },
            text,
            fingerprint,
            dir: None,
            adapter: None,
            source,
            outer,
            base: base.config,
            weights: Arc::new(weights),
        })
    }

    /// The tensors, to be put on a device: f32 on the CPU, elsewhere in the file's type.
    pub fn tensors(&self, device: &Device) -> Result<Tensors> {
        Ok(Tensors::new(Arc::clone(&self.weights), device))
    }

    /// An adapter's own tensors in f32: names as the reference's, `lora_A` and `lora_B` in place of `weight`, and modules
    /// saved whole. Empty for a checkpoint that is no adapter.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tensor that is not finite.
    pub fn adapter_tensors(&self, device: &Device) -> Result<BTreeMap<String, Tensor>> {
        if self.adapter.is_none() {
            return Ok(BTreeMap::new());
        }
        let tensor = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| {
            Ok((name, Tensor::from_vec(values, shape, device)?))
        };
        self.weights.adapter_values()?.into_iter().map(tensor).collect()
    }

    /// Writes a checkpoint in the reference's layout, adapters merged into the weights, in the types of the files, or f32.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] for a weight that is not finite.
    pub fn write_merged(&self, dir: &Path, f32: bool) -> Result<()> {
        self.write_files(dir)?;
        self.weights.write(&dir.join("model.safetensors"), f32)
    }

    /// What is in the weight files, sorted by name.
    pub fn tensor_index(&self) -> Vec<TensorInfo> {
        self.weights.index()
    }

    /// Number of weights in the files.
    pub fn parameters(&self) -> usize {
        self.weights.parameters()
    }

    /// Writes everything but the weights into a folder, base configuration included, so that with a
    /// `model.safetensors` of the same names it opens by itself.
    pub fn write_files(&self, dir: &Path) -> Result<()> {
        let write =
            |path: PathBuf, bytes: &[u8]| std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e));
        let base = dir.join("base");
        std::fs::create_dir_all(&base).map_err(|e| Error::io(&base, e))?;
        let pretty = |map: &serde_json::Map<String, serde_json::Value>| {
            format!("{:#}\n", serde_json::Value::from(map.clone()))
        };
        let mut outer = self.outer.map.clone();
        outer.insert(base::NAME.into(), "base".into());
        write(dir.join(CONFIG), pretty(&outer).as_bytes())?;
        write(base.join(CONFIG), pretty(&self.base.map).as_bytes())?;
        for name in rules::FILES {
            if let Some(bytes) = self.source.read(name)? {
                write(dir.join(name), &bytes)?;
            }
        }
        Ok(())
    }
}

fn method(outer: &Json, reasons: &mut Vec<Reason>) -> Result<Method> {
    let key = "feedback_method";
    let (method, value, read) = match outer.str(key)? {
        Some("teacher") => (Method::Cloud, "CLoud", "the end-of-turn token after the critique"),
        Some("vanilla") => (Method::Classic, "classic", "the last token of the templated prompt and answer"),
        other => {
            return Err(Error::invalid(
                outer.field(key),
                other.map_or_else(|| "nothing".into(), |m| format!("{m:?}")),
                "\"teacher\" (CLoud) or \"vanilla\" (classic)",
                "Give a reward model that the reference's code saved, or add the field if you know how it was trained.",
            ));
        }
    };
    reasons.push(Reason { what: "method".into(), value: value.into(), why: outer.field(key) });
    reasons.push(Reason {
        what: "read".into(),
        value: read.into(),
        why: format!("{key}, as the reference's predict_reward does"),
    });
    Ok(method)
}
