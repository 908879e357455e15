//! What a run does, as data: recipe, then `--config` file, then flags, each winning over the one before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::lora::LoraConfig;
use crate::data::Map;
use crate::{Error, Result};

/// Which loss is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Cross-entropy on the critique turns of both answers.
    Csft,
    /// Reward loss at the critiques' ends plus `lm_weight` times the cross-entropy.
    Cloud,
    /// Reward loss at the answers' ends.
    Classic,
}

impl Loss {
    /// Whether rewards are compared.
    pub fn has_reward(self) -> bool {
        self != Self::Csft
    }

    /// Whether critiques are learned.
    pub fn has_critique(self) -> bool {
        self != Self::Classic
    }
}

/// Where weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// As in the starting checkpoint.
    Checkpoint,
    /// Random, from the seed; shapes and tokenizer from the starting checkpoint.
    Random,
}

/// A complete configuration. Every key has a place in run.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The loss.
    pub method: Loss,
    /// Weight of the cross-entropy beside the reward loss (`cloud` only).
    #[serde(default = "lm_weight")]
    pub lm_weight: f64,
    /// Weight of the mean of `(r_chosen + r_rejected)^2`, which keeps rewards near zero (TRL's name).
    #[serde(default)]
    pub center_rewards_coefficient: f64,
    /// Weight of the divergence from the model training starts with, over the critiques' tokens.
    #[serde(default)]
    pub kl: f64,
    /// Optimiser steps; wins over `epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Passes over the data.
    #[serde(default = "epochs")]
    pub epochs: f64,
    /// Pairs of an optimiser step.
    pub batch: usize,
    /// Pairs whose losses are averaged together and whose activations are in memory at once; the reference's
    /// cross-entropy depends on it, as it averages over the targets of a micro-batch.
    pub micro_batch: usize,
    /// Tokens a row may have; longer rows are cut as the reference cuts them.
    pub max_len: usize,
    /// Order of the data and random weights.
    #[serde(default)]
    pub seed: u64,
    /// Batches of rows of similar length.
    #[serde(default)]
    pub group_by_length: bool,
    /// Weights of the decoder.
    #[serde(default = "checkpoint")]
    pub init: Init,
    /// Weights of the reward head.
    #[serde(default = "checkpoint")]
    pub init_head: Init,
    /// Name patterns (`*` any text) of weights that stay as they are.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// The critique prompt; default: the checkpoint's, or the reference's if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique_prompt: Option<String>,
    /// Special tokens typed in texts act as tokens, as in the reference; otherwise they are escaped.
    #[serde(default)]
    pub raw_special: bool,
    /// Steps between checkpoints.
    #[serde(default = "save_every")]
    pub save_every: usize,
    /// Checkpoints kept; at least 2, so that a damaged one can be survived.
    #[serde(default = "keep")]
    pub keep: usize,
    /// Parts into which a micro-batch is cut, one thread each; the sums, and so the exact losses, depend on it.
    /// Absent: one for each physical core for small models, 1 for large ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Activations of a layer are computed again for its gradients rather than kept: less memory, a third more work.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Low-rank products beside frozen matrices; the reward head always learns in full. Absent: all weights learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Share of the rows that are held out, chosen by their prompts; 0 none.
    #[serde(default)]
    pub held_out: f64,
    /// Steps between two looks at the rows held out; absent: as often as checkpoints are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_every: Option<usize>,
    /// Looks without a lower `eval_loss` after which the run ends, with the weights of the lowest; 0: it goes to its end, and
    /// keeps its last weights.
    #[serde(default = "patience")]
    pub patience: usize,
    /// Rows held out whose critiques are written into samples.jsonl at each look; 0: none.
    #[serde(default = "samples")]
    pub samples: usize,
    /// A gradient norm above this many times the median of the last fifty, three steps in a row, ends the run; 0: never.
    #[serde(default = "explosion")]
    pub explosion: f64,
    /// What columns of the rows mean: `prompt=question,chosen=best`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub map: String,
    /// Rows of other data, mixed into every batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
}

/// Rows mixed into every batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replay {
    /// Where they are.
    pub file: PathBuf,
    /// Their share of each batch, at least one pair; half unless given.
    #[serde(default = "half")]
    pub share: f64,
}

fn half() -> f64 {
    0.5
}
fn patience() -> usize {
    5
}
fn samples() -> usize {
    2
}
fn explosion() -> f64 {
    100.0
}
fn lm_weight() -> f64 {
    1.25
}
fn epochs() -> f64 {
    1.0
}
fn checkpoint() -> Init {
    Init::Checkpoint
}
fn save_every() -> usize {
    100
}
fn keep() -> usize {
    2
}

/// The optimiser and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the first and second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// See [`OptimizerKind`].
    pub weight_decay: f64,
    /// Largest global gradient norm; 0: no clipping.
    pub clip: f64,
}

/// How weights decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Composer's DecoupledAdamW: weights times `1 - weight_decay * lr / peak lr` a step.
    #[serde(rename = "decoupled-adamw")]
    DecoupledAdamW,
    /// PyTorch's AdamW: weights times `1 - weight_decay * lr` a step.
    #[serde(rename = "adamw")]
    AdamW,
}

/// The learning rate over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up, or a share of all steps if below 1.
    pub warmup: f64,
    /// The last learning rate as a share of the peak.
    pub floor: f64,
}

/// The shape after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Always the peak.
    Constant,
    /// Half a cosine from the peak to the floor.
    Cosine,
    /// A line from the peak to the floor.
    Linear,
}

const RECIPES: [(&str, &str); 3] = [
    ("csft", include_str!("recipes/csft.toml")),
    ("cloud", include_str!("recipes/cloud.toml")),
    ("classic", include_str!("recipes/classic.toml")),
];

/// What asking for LoRA lays over a recipe.
const LORA: &str = include_str!("recipes/lora.toml");

/// Names of the recipes.
pub fn recipe_names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|(name, _)| *name)
}

/// The text of a recipe.
pub fn recipe_text(name: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

impl Config {
    /// A recipe as it is.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name.
    pub fn recipe(name: &str) -> Result<Self> {
        Self::layered(name, None, Table::new())
    }

    /// Recipe, file (its place and text) and flags, each winning over the one before. Keys may be nested
    /// (`[optimizer] lr = ...`) or dotted in `flags` (`optimizer.lr`).
    ///
    /// # Errors
    /// [`Error::Invalid`] naming an unknown key (with the nearest known one) or a bad value.
    pub fn layered(recipe: &str, file: Option<(&str, &str)>, flags: Table) -> Result<Self> {
        let Some(base) = recipe_text(recipe) else {
            let near = nearest(recipe, recipe_names().map(str::to_owned));
            return Err(Error::Usage(format!(
                "no recipe `{recipe}`{near}; there are csft, cloud and classic"
            )));
        };
        let mut merged = parse("the recipe", base)?;
        let known = known_keys()?;
        let keys = match file {
            Some((place, text)) => parse(place, text)?,
            None => Table::new(),
        };
        if keys.contains_key("lora") || flags.keys().any(|key| key.starts_with("lora.")) {
            merge(&mut merged, parse("the LoRA recipe", LORA)?);
        }
        if let Some((place, _)) = file {
            check_keys(place, "", &keys, &known)?;
        }
        merge(&mut merged, keys);
        for (key, value) in flags {
            set(&mut merged, &key, value);
        }
        let place = match file {
            Some((place, _)) => format!("{place} and flags"),
            None => "recipe and flags".to_owned(),
        };
        let place = place.as_str();
        let config: Self = Value::Table(merged).try_into().map_err(|e: toml::de::Error| {
            Error::invalid(
                place,
                e.message().trim(),
                "a configuration as in the recipes",
                "Correct the value.",
            )
        })?;
        config.check(place)?;
        Ok(config)
    }

    fn check(&self, place: &str) -> Result<()> {
        let at_least = |key: &str, value: usize, least: usize| {
            if value >= least {
                return Ok(());
            }
            Err(Error::invalid(
                format!("{place}, {key}"),
                value.to_string(),
                format!("at least {least}"),
                "Correct the value.",
            ))
        };
        at_least("batch", self.batch, 1)?;
        at_least("micro-batch", self.micro_batch, 1)?;
        at_least("max-len", self.max_len, 4)?;
        at_least("save-every", self.save_every, 1)?;
        at_least("keep", self.keep, 2)?;
        at_least("steps", self.steps.unwrap_or(1), 1)?;
        at_least("shards", self.shards.unwrap_or(1), 1)?;
        at_least("eval-every", self.eval_every.unwrap_or(1), 1)?;
        Map::parse(&self.map)?;
        if self.replay.is_some() {
            at_least("batch", self.batch, 2)?;
        }
        if let Some(lora) = &self.lora {
            lora.spec(place)?;
        }
        let numbers = [
            ("optimizer.lr", self.optimizer.lr, 0.0, f64::MAX),
            ("optimizer.betas", self.optimizer.betas[0], 0.0, 0.999_999_999),
            ("optimizer.betas", self.optimizer.betas[1], 0.0, 0.999_999_999),
            ("optimizer.eps", self.optimizer.eps, 0.0, 1.0),
            ("optimizer.weight-decay", self.optimizer.weight_decay, 0.0, 1.0e9),
            ("optimizer.clip", self.optimizer.clip, 0.0, f64::MAX),
            ("schedule.warmup", self.schedule.warmup, 0.0, f64::MAX),
            ("schedule.floor", self.schedule.floor, 0.0, 1.0),
            ("lm-weight", self.lm_weight, 0.0, f64::MAX),
            ("center-rewards-coefficient", self.center_rewards_coefficient, 0.0, f64::MAX),
            ("kl", self.kl, 0.0, if self.method.has_critique() { f64::MAX } else { 0.0 }),
            ("held-out", self.held_out, 0.0, 0.9),
            ("explosion", self.explosion, 0.0, f64::MAX),
            ("replay.share", self.replay.as_ref().map_or(0.5, |r| r.share), 1e-9, 0.999),
            ("epochs", self.epochs, 1e-9, 1.0e9),
        ];
        for (key, value, low, high) in numbers {
            if !(low..=high).contains(&value) {
                return Err(Error::invalid(
                    format!("{place}, {key}"),
                    value.to_string(),
                    if high == f64::MAX {
                        format!("a number from {low}")
                    } else {
                        format!("a number from {low} to {high}")
                    },
                    "Correct the value.",
                ));
            }
        }
        Ok(())
    }
}

fn parse(place: &str, text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|e| {
        let line = e.span().map_or(1, |s| text.get(..s.start).unwrap_or_default().lines().count().max(1));
        Error::invalid(format!("{place}:{line}"), e.message().trim(), "TOML", "Correct the file.")
    })
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(outer)) => merge(inner, outer),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// Every key there is, dotted, from a configuration in which each has a value.
fn known_keys() -> Result<Vec<String>> {
    let mut full = parse("the recipe", recipe_text("cloud").unwrap_or_default())?;
    merge(&mut full, parse("the LoRA recipe", LORA)?);
    let mut full: Config = Value::Table(full)
        .try_into()
        .map_err(|e: toml::de::Error| Error::invalid("the recipe", e.message(), "a complete recipe", ""))?;
    full.steps = Some(1);
    full.shards = Some(1);
    full.critique_prompt = Some(String::new());
    full.map = "prompt=prompt".into();
    full.eval_every = Some(1);
    full.replay = Some(Replay { file: PathBuf::new(), share: 0.5 });
    if let Some(lora) = &mut full.lora {
        lora.alpha = Some(1.0);
    }
    let mut keys = Vec::new();
    flatten("", &to_table(&full)?, &mut |key, _| keys.push(key));
    Ok(keys)
}

/// The configuration as TOML.
///
/// # Errors
/// None in practice; every field has a TOML form.
pub fn to_table(config: &impl Serialize) -> Result<Table> {
    Table::try_from(config)
        .map_err(|e| Error::invalid("configuration", e.to_string(), "values TOML can hold", "Correct it."))
}

/// Calls `f` with every leaf and its dotted key.
pub fn flatten(prefix: &str, table: &Table, f: &mut dyn FnMut(String, &Value)) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, f),
            value => f(key, value),
        }
    }
}

fn check_keys(place: &str, prefix: &str, table: &Table, known: &[String]) -> Result<()> {
    for (key, value) in table {
        let full = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let group = known.iter().any(|k| k.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.')));
        match value {
            Value::Table(inner) if group => check_keys(place, &full, inner, known)?,
            _ if group || known.contains(&full) => {}
            _ => {
                let near = nearest(&full, known.iter().cloned());
                return Err(Error::invalid(
                    format!("{place}, key `{full}`"),
                    "an unknown key",
                    format!("one of {}", known.join(", ")),
                    format!("Remove or correct it{}", if near.is_empty() { "." } else { &near }),
                ));
            }
        }
    }
    Ok(())
}

/// `; did you mean `x`?` for the nearest of some names, or nothing if none is near.
pub fn nearest(word: &str, names: impl Iterator<Item = String>) -> String {
    let last = |s: &str| s.rsplit('.').next().unwrap_or_default().replace('_', "-");
    let distance = |name: &String| {
        let whole = strsim::damerau_levenshtein(&name.replace('_', "-"), &word.replace('_', "-"));
        whole.min(strsim::damerau_levenshtein(&last(name), &last(word)))
    };
    let best = names.map(|name| (distance(&name), name)).min();
    match best {
        Some((distance, name)) if distance <= name.len().max(6) / 3 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}
