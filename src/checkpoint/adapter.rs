//! LoRA adapters in PEFT's format: a folder with `adapter_config.json`, whose base is named by path and laid under it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bundled::Bundled;
use super::checks::BASE;
use super::files::{Json, Source};
use super::open::Checkpoint;
use crate::{Error, Result};

/// What an adapter is.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// Its matrices.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// What a trained model came from: base, data, run.
pub const LINEAGE: &str = "lineage.json";
/// What PEFT puts before the names of tensors.
pub const PEFT_PREFIX: &str = "base_model.model.";
/// The linear layers that can have an adapter ("all-linear").
pub const LINEAR: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const MODULES: &str = "target_modules";
const BASE_NAME: &str = "base_model_name_or_path";

/// The shape of an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSpec {
    /// Rank of each product.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Share of inputs that training leaves out at random.
    pub dropout: f64,
    /// Names of linear layers, as [`LINEAR`] has them, sorted.
    pub targets: Vec<String>,
    /// The scale is `alpha / sqrt(rank)` rather than `alpha / rank`.
    pub rslora: bool,
}

impl LoraSpec {
    /// What `x A^T B^T` is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank.max(1) as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// `adapter_config.json` as PEFT writes it, for a base at this path. The reward head is saved in full beside the matrices.
    pub fn to_peft(&self, base: &str) -> Value {
        json!({
            "alpha_pattern": {}, "auto_mapping": null, BASE_NAME: base, "bias": "none",
            "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
            "layers_pattern": null, "layers_to_transform": null,
            "lora_alpha": self.alpha, "lora_dropout": self.dropout, "modules_to_save": ["reward_head"],
            "peft_type": "LORA", "r": self.rank, "rank_pattern": {}, "revision": null,
            MODULES: self.targets, "task_type": null, "use_dora": false, "use_rslora": self.rslora,
        })
    }

    fn read(config: &Json) -> Result<Self> {
        let refuse = |key: &str, found: String, expected: &str| {
            Error::invalid(
                config.field(key),
                found,
                expected,
                "Merge this adapter with PEFT (`merge_and_unload`) and open the merged model.",
            )
        };
        if config.str("peft_type")? != Some("LORA") {
            return Err(refuse("peft_type", shown(config, "peft_type"), "\"LORA\""));
        }
        if config.str("bias")?.is_some_and(|bias| bias != "none") {
            return Err(refuse("bias", shown(config, "bias"), "\"none\""));
        }
        for key in ["use_dora", "fan_in_fan_out", "lora_bias"] {
            if config.bool(key)? == Some(true) {
                return Err(refuse(key, "true".into(), "false"));
            }
        }
        for key in ["alpha_pattern", "rank_pattern"] {
            if config.object(key)?.is_some_and(|o| !o.map.is_empty()) {
                return Err(refuse(key, shown(config, key), "nothing: one rank and alpha for all layers"));
            }
        }
        if config.get("layer_replication").is_some() {
            return Err(refuse("layer_replication", shown(config, "layer_replication"), "nothing"));
        }
        let mut targets: Vec<String> = match config.get(MODULES) {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(name)) => vec![name.clone()],
            _ => Vec::new(),
        };
        targets.sort();
        Ok(Self {
            rank: config.usize("r")?.unwrap_or(8),
            alpha: config.f64("lora_alpha")?.unwrap_or(8.0),
            dropout: config.f64("lora_dropout")?.unwrap_or(0.0),
            targets,
            rslora: config.bool("use_rslora")?.unwrap_or(false),
        })
    }
}

fn shown(config: &Json, key: &str) -> String {
    config.get(key).map_or_else(|| "nothing".into(), Value::to_string)
}

/// Where an adapter's base is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseModel {
    /// Compiled in.
    Bundled(Bundled),
    /// A folder.
    Folder(PathBuf),
}

impl BaseModel {
    /// As a MODEL argument.
    pub fn name(&self) -> String {
        match self {
            Self::Bundled(which) => which.name().into(),
            Self::Folder(dir) => dir.display().to_string(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open(&self) -> Result<Checkpoint> {
        match self {
            Self::Bundled(which) => Checkpoint::bundled(*which),
            Self::Folder(dir) => Checkpoint::open(dir),
        }
    }
}

/// An adapter of an opened checkpoint.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its shape.
    pub spec: LoraSpec,
    /// What it adapts.
    pub base: BaseModel,
    /// The base's fingerprint as it is now, which is that of the training where that is known.
    pub base_fingerprint: String,
}

/// Whether a folder is an adapter: it says so, and has no weights of its own.
pub fn is_adapter(dir: &Path) -> bool {
    let has = |name: &str| dir.join(name).exists();
    has(ADAPTER_CONFIG) && !has("model.safetensors") && !has("model.safetensors.index.json")
}

/// Reads an adapter folder: what it is, and where its files are, those of its base under them.
///
/// # Errors
/// When the base is not there or another than the one the adapter was trained on, or the adapter of a kind not known here.
pub fn read(dir: &Path, depth: usize) -> Result<(Adapter, Source)> {
    let folder = Source::Folder(dir.to_path_buf());
    let config = folder.json(ADAPTER_CONFIG)?.ok_or_else(|| {
        Error::invalid(folder.place(ADAPTER_CONFIG), "no such file", "an adapter's configuration", "")
    })?;
    let spec = LoraSpec::read(&config)?;
    let base = find(dir, &config)?;
    if depth > 8 {
        return Err(Error::invalid(
            config.field(BASE_NAME),
            "adapters of adapters without end",
            "a base that is no adapter of itself",
            "Correct the path.",
        ));
    }
    let below = match &base {
        BaseModel::Bundled(which) => Source::Embedded(which.files()),
        BaseModel::Folder(dir) if is_adapter(dir) => read(dir, depth + 1)?.1,
        BaseModel::Folder(dir) => Source::Folder(dir.clone()),
    };
    let base_fingerprint = base.open()?.fingerprint;
    if let Some(lineage) = folder.json(LINEAGE)?
        && let Some(trained) = lineage.object("base")?
        && let Some(known) = trained.str("fingerprint")?
        && known != base_fingerprint
    {
        return Err(Error::invalid(
            config.field(BASE_NAME),
            format!("{}, a model of fingerprint {base_fingerprint}", base.name()),
            format!("the base this adapter was trained on, of fingerprint {known}"),
            "An adapter fits only its own base: correct the path, or train anew.",
        ));
    }
    Ok((Adapter { spec, base, base_fingerprint }, Source::Over(dir.to_path_buf(), Box::new(below))))
}

/// The base a configuration names: relative to the adapter, as given, or compiled in.
fn find(dir: &Path, config: &Json) -> Result<BaseModel> {
    let name = config.str(BASE_NAME)?.filter(|n| !n.is_empty()).ok_or_else(|| {
        Error::invalid(config.field(BASE_NAME), "nothing", "the path of the base model", "Write it there.")
    })?;
    let places = [dir.join(name), PathBuf::from(name)];
    let there = |p: &&PathBuf| p.is_dir() && p.canonicalize().ok() != dir.canonicalize().ok();
    if let Some(folder) = places.iter().find(there) {
        return Ok(BaseModel::Folder(folder.clone()));
    }
    if let Some(which) = Bundled::ALL.into_iter().find(|which| which.name() == name) {
        return Ok(BaseModel::Bundled(which));
    }
    Err(Error::invalid(
        config.field(BASE_NAME),
        format!("{name:?}, where there is no folder"),
        "the folder of the base model",
        "Correct the path in this file; a model on a hub has to be downloaded first.",
    ))
}

/// What a tensor of an adapter file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `lora_A` of the weight of this name.
    A(String),
    /// `lora_B` of the weight of this name.
    B(String),
    /// The whole tensor of this name, in place of the base's.
    Whole(String),
}

/// Reads the name of a tensor of an adapter file: `None` if it is not one PEFT writes.
pub fn piece(name: &str) -> Option<Piece> {
    let name = name.strip_prefix(PEFT_PREFIX)?;
    // An adapter of the decoder alone (a causal language model) names its tensors without the reference's prefix.
    let full = |name: &str| {
        let bare = name.starts_with("model.") || name.starts_with("lm_head.");
        if bare { format!("{BASE}{name}") } else { name.to_owned() }
    };
    let part = |end: &str| name.strip_suffix(end).map(|module| format!("{}.weight", full(module)));
    if let Some(weight) = part(".lora_A.weight") {
        return Some(Piece::A(weight));
    }
    if let Some(weight) = part(".lora_B.weight") {
        return Some(Piece::B(weight));
    }
    (!name.contains("lora_")).then(|| Piece::Whole(full(name)))
}

/// The scale of the products of the adapter in this folder.
///
/// # Errors
/// When its configuration is not one known here.
pub fn scale(folder: &Source) -> Result<f64> {
    match folder.json(ADAPTER_CONFIG)? {
        Some(config) => Ok(LoraSpec::read(&config)?.scale()),
        None => Ok(1.0),
    }
}
