//! A Hugging Face `config.json` -> [`Backbone`], by the table in `families`.

use serde_json::Value;

use super::base;
use super::families::{Bias, FAMILIES, Family, Windows};
use super::files::{Json, shorten};
use super::rope;
use super::spec::{Activation, Backbone, Layer, Reason};
use crate::{Error, Result};

/// Keys that change what the model computes in ways the decoder does not know; only these values are harmless.
const HARMLESS: [(&str, f64); 5] = [
    ("partial_rotary_factor", 1.0),
    ("logits_scaling", 1.0),
    ("embedding_multiplier", 1.0),
    ("residual_multiplier", 1.0),
    ("attention_multiplier", 1.0),
];

/// Reads a base configuration. What was chosen without the file saying so is added to `reasons`.
///
/// # Errors
/// [`Error::Invalid`] naming the field: family or rope type that is not supported, a value that is missing and has no
/// default in transformers, or sizes that do not fit together.
pub fn backbone(config: &Json, reasons: &mut Vec<Reason>) -> Result<Backbone> {
    let model_type = config.str("model_type")?.ok_or_else(|| missing(config, "model_type"))?;
    if model_type == "gemma3" {
        let mut text = config.object("text_config")?.ok_or_else(|| missing(config, "text_config"))?;
        text.map.entry("model_type").or_insert_with(|| "gemma3_text".into());
        // Defaults of Gemma3TextConfig, which published multimodal configurations leave out.
        for (key, value) in [("num_attention_heads", 8), ("vocab_size", 262_208)] {
            text.map.entry(key).or_insert_with(|| value.into());
        }
        return backbone(&text, reasons);
    }
    let family = FAMILIES.iter().find(|f| f.name == model_type).ok_or_else(|| {
        let names: Vec<&str> = FAMILIES.iter().map(|f| f.name).collect();
        Error::invalid(
            config.field("model_type"),
            format!("{model_type:?}"),
            format!("one of {}", names.join(", ")),
            "This architecture is not supported; use a checkpoint on one of these bases.",
        )
    })?;
    for (key, harmless) in HARMLESS {
        if let Some(value) = config.f64(key)?.filter(|v| *v != harmless) {
            return Err(unsupported(config, key, value, format!("{harmless}, or nothing")));
        }
    }
    if config.get("use_bidirectional_attention").is_some_and(|v| *v != Value::Bool(false)) {
        return Err(unsupported(config, "use_bidirectional_attention", "true", "false".into()));
    }
    Reader { config, family, reasons }.read(model_type)
}

impl Backbone {
    /// Reads the text of a base model's `config.json`, with a reason for each value it left out; `place` is its name in
    /// messages.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field: what is missing, not supported or does not fit together.
    pub fn from_config(place: &str, json: &str) -> Result<(Self, Vec<Reason>)> {
        let mut reasons = Vec::new();
        let config = Json::parse(place.to_owned(), json.as_bytes().to_vec())?;
        Ok((backbone(&config, &mut reasons)?, reasons))
    }

    /// A base from the built-in table, by its name on the hub; `None` if it is not there.
    pub fn well_known(name: &str) -> Result<Option<Self>> {
        base::preset(name)?.map(|config| backbone(&config, &mut Vec::new())).transpose()
    }
}

struct Reader<'a> {
    config: &'a Json,
    family: &'a Family,
    reasons: &'a mut Vec<Reason>,
}

impl Reader<'_> {
    fn read(mut self, model_type: &str) -> Result<Backbone> {
        let family = self.family;
        let hidden_size = self.size("hidden_size")?;
        let num_heads = self.size("num_attention_heads")?;
        let num_layers = self.size("num_hidden_layers")?;
        let num_kv_heads = match (self.optional_size("num_key_value_heads")?, family.kv_heads) {
            (Some(n), _) => n,
            (None, None) => self.default("num_key_value_heads", num_heads),
            (None, Some(n)) => self.default("num_key_value_heads", n),
        };
        if !num_heads.is_multiple_of(num_kv_heads) {
            return Err(unsupported(
                self.config,
                "num_key_value_heads",
                num_kv_heads,
                format!("a divisor of num_attention_heads = {num_heads}"),
            ));
        }
        let head_dim = match (self.optional_size("head_dim")?, family.head_dim) {
            (Some(n), _) => n,
            (None, Some(n)) => self.default("head_dim", n),
            (None, None) if hidden_size.is_multiple_of(num_heads) => hidden_size / num_heads,
            (None, None) => return Err(missing(self.config, "head_dim")),
        };
        if !head_dim.is_multiple_of(2) {
            return Err(unsupported(self.config, "head_dim", head_dim, "an even number".into()));
        }
        let eps = self.number("rms_norm_eps", family.rms_norm_eps)?;
        if !(eps > 0.0 && eps < 1.0) {
            return Err(unsupported(self.config, "rms_norm_eps", eps, "between 0 and 1".into()));
        }
        let tied = match self.config.bool("tie_word_embeddings")? {
            Some(tied) => tied,
            None => self.default("tie_word_embeddings", family.tied),
        };
        let scalar =
            if family.sandwich { self.number("query_pre_attn_scalar", 256.0)? } else { head_dim as f64 };
        let windows = self.windows(num_layers)?;
        let (ropes, local) = rope::read(self.config, family.name, family.rope_theta, self.reasons)?;
        let layers = windows
            .into_iter()
            .map(|window| Layer { rope: if window.is_some() { local } else { 0 }, window })
            .collect();
        Ok(Backbone {
            family: model_type.to_owned(),
            hidden_size,
            intermediate_size: self.size("intermediate_size")?,
            num_heads,
            num_kv_heads,
            head_dim,
            vocab_size: self.size("vocab_size")?,
            max_position_embeddings: match self.optional_size("max_position_embeddings")? {
                Some(n) => n,
                None => self.default("max_position_embeddings", family.max_positions),
            },
            rms_norm_eps: eps,
            norm_plus_one: family.gemma,
            activation: self.activation()?,
            qkv_bias: self.bias(family.qkv_bias)?,
            o_bias: self.bias(family.o_bias)?,
            mlp_bias: self.bias(family.mlp_bias)?,
            qk_norm: family.qk_norm,
            sandwich_norms: family.sandwich,
            embedding_scale: family.gemma.then(|| (hidden_size as f64).sqrt()),
            attention_scale: scalar.powf(-0.5),
            attention_softcap: self.softcap("attn_logit_softcapping", family.softcaps.0)?,
            logit_softcap: self.softcap("final_logit_softcapping", family.softcaps.1)?,
            tied,
            ropes,
            layers,
        })
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| missing(self.config, key))
    }

    /// Sizes from 1 to 2^31, so that products of two fit into a `usize`.
    fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        match self.config.usize(key)? {
            Some(n) if n == 0 || n > 1 << 31 => {
                Err(unsupported(self.config, key, n, "a number from 1 to 2147483648".into()))
            }
            other => Ok(other),
        }
    }

    fn number(&mut self, key: &str, default: f64) -> Result<f64> {
        match self.config.f64(key)? {
            Some(value) if value > 0.0 => Ok(value),
            Some(value) => Err(unsupported(self.config, key, value, "a number above 0".into())),
            None => Ok(self.default(key, default)),
        }
    }

    fn default<T: std::fmt::Display>(&mut self, key: &str, value: T) -> T {
        self.reasons.push(Reason {
            what: format!("backbone.{key}"),
            value: value.to_string(),
            why: format!(
                "left out of {}; default of {} in transformers",
                self.config.place, self.family.name
            ),
        });
        value
    }

    fn bias(&self, bias: Bias) -> Result<bool> {
        Ok(match bias {
            Bias::Always => true,
            Bias::Never => false,
            Bias::Key(key) => self.config.bool(key)?.unwrap_or(false),
        })
    }

    /// A cap; null switches it off, a key left out takes the family's default.
    fn softcap(&mut self, key: &str, default: Option<f64>) -> Result<Option<f64>> {
        if !self.family.gemma {
            return Ok(None);
        }
        match self.config.map.get(key) {
            None => Ok(default.map(|cap| self.default(key, cap))),
            Some(Value::Null) => Ok(None),
            Some(_) => self.number(key, 0.0).map(Some),
        }
    }

    fn activation(&mut self) -> Result<Activation> {
        let key = if self.family.gemma { "hidden_activation" } else { "hidden_act" };
        let Some(name) = self.config.str(key)? else {
            return Ok(if self.family.gemma {
                // Also where an old Gemma says `hidden_act: gelu`: transformers takes the tanh approximation then.
                self.default(key, "gelu_pytorch_tanh");
                Activation::GeluTanh
            } else {
                self.default(key, "silu");
                Activation::Silu
            });
        };
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "gelu" => Ok(Activation::Gelu),
            other => Err(unsupported(self.config, key, other, "silu, gelu_pytorch_tanh or gelu".into())),
        }
    }

    fn windows(&mut self, layers: usize) -> Result<Vec<Option<usize>>> {
        if layers > 10_000 {
            return Err(unsupported(self.config, "num_hidden_layers", layers, "at most 10000".into()));
        }
        let kind = match self.family.windows {
            Windows::None => return Ok(vec![None; layers]),
            kind => kind,
        };
        let used = self.config.bool("use_sliding_window")?;
        if !used.unwrap_or(!matches!(kind, Windows::Qwen)) {
            self.reasons.push(Reason {
                what: "backbone.window".into(),
                value: "none".into(),
                why: format!("use_sliding_window is not true in {}", self.config.place),
            });
            return Ok(vec![None; layers]);
        }
        let window = match (self.config.map.get("sliding_window"), self.family.sliding_window) {
            (Some(Value::Null), _) | (None, None) => return Ok(vec![None; layers]),
            (None, Some(default)) => self.default("sliding_window", default),
            (Some(_), _) => self.size("sliding_window")?,
        };
        let sliding: Vec<bool> = if let Some(types) = self.config.get("layer_types") {
            self.layer_types(types, layers)?
        } else {
            match kind {
                Windows::None => vec![false; layers],
                Windows::All => vec![true; layers],
                Windows::Qwen => {
                    let first = match self.config.usize("max_window_layers")? {
                        Some(n) => n,
                        None => self.default("max_window_layers", 28),
                    };
                    (0..layers).map(|i| i >= first).collect()
                }
                Windows::AllButEvery(n) => {
                    let key = "sliding_window_pattern";
                    let n = match self.optional_size(key)? {
                        Some(n) => n,
                        None => match self.optional_size("_sliding_window_pattern")? {
                            Some(n) => n,
                            None => self.default(key, n),
                        },
                    };
                    (1..=layers).map(|i| !i.is_multiple_of(n)).collect()
                }
            }
        };
        Ok(sliding.into_iter().map(|slides| slides.then_some(window)).collect())
    }

    fn layer_types(&self, types: &Value, layers: usize) -> Result<Vec<bool>> {
        let key = "layer_types";
        let types: &[Value] = types.as_array().map(Vec::as_slice).unwrap_or_default();
        if types.len() != layers {
            let found = format!("a list of {}", types.len());
            return Err(unsupported(
                self.config,
                key,
                found,
                format!("a list of num_hidden_layers = {layers}"),
            ));
        }
        types
            .iter()
            .map(|kind| match kind.as_str() {
                Some("sliding_attention") => Ok(true),
                Some("full_attention") => Ok(false),
                _ => Err(unsupported(self.config, key, kind, "sliding_attention or full_attention".into())),
            })
            .collect()
    }
}

/// A value that is needed and not there.
pub fn missing(config: &Json, key: &str) -> Error {
    Error::invalid(
        config.field(key),
        "nothing",
        "a value",
        "Give the base model's complete config.json; the value cannot be seen in the weights.",
    )
}

/// A value that is there and cannot be used.
pub fn unsupported(config: &Json, key: &str, found: impl std::fmt::Display, expected: String) -> Error {
    Error::invalid(
        config.field(key),
        shorten(&found.to_string()),
        expected,
        "Correct the base configuration, or use a checkpoint on another base.",
    )
}
