//! The tensors a spec needs, held against those in the files.

use super::config::missing;
use super::files::Json;
use super::spec::{Backbone, Head, Reason, Spec};
use super::weights::{Weights, listing};
use crate::{Error, Result};

/// Prefix of the base model's tensors.
pub const BASE: &str = "reward_base_model.";
const DENSE: &str = "reward_head.dense";
const OUT: &str = "reward_head.out_proj";

/// Name and shape of each tensor of the base model, `lm_head` last if it is not tied.
pub fn backbone_tensors(b: &Backbone) -> Vec<(String, Vec<usize>)> {
    let (hidden, mlp) = (b.hidden_size, b.intermediate_size);
    let (q, kv) = (b.num_heads * b.head_dim, b.num_kv_heads * b.head_dim);
    let mut all = vec![(format!("{BASE}model.embed_tokens.weight"), vec![b.vocab_size, hidden])];
    for layer in 0..b.layers.len() {
        let mut put = |name: &str, shape: &[usize]| {
            all.push((format!("{BASE}model.layers.{layer}.{name}"), shape.to_vec()));
        };
        for (name, out, input, bias) in [
            ("self_attn.q_proj", q, hidden, b.qkv_bias),
            ("self_attn.k_proj", kv, hidden, b.qkv_bias),
            ("self_attn.v_proj", kv, hidden, b.qkv_bias),
            ("self_attn.o_proj", hidden, q, b.o_bias),
            ("mlp.gate_proj", mlp, hidden, b.mlp_bias),
            ("mlp.up_proj", mlp, hidden, b.mlp_bias),
            ("mlp.down_proj", hidden, mlp, b.mlp_bias),
        ] {
            put(&format!("{name}.weight"), &[out, input]);
            if bias {
                put(&format!("{name}.bias"), &[out]);
            }
        }
        let mut norms = vec!["input_layernorm", "post_attention_layernorm"];
        if b.sandwich_norms {
            norms.extend(["pre_feedforward_layernorm", "post_feedforward_layernorm"]);
        }
        for name in norms {
            put(&format!("{name}.weight"), &[hidden]);
        }
        if b.qk_norm {
            put("self_attn.q_norm.weight", &[b.head_dim]);
            put("self_attn.k_norm.weight", &[b.head_dim]);
        }
    }
    all.push((format!("{BASE}model.norm.weight"), vec![hidden]));
    if !b.tied {
        all.push((format!("{BASE}lm_head.weight"), vec![b.vocab_size, hidden]));
    }
    all
}

/// Which value of the spec says that the head looks untrained.
const HEAD_TRAINED: &str = "head.trained";
/// Key of config.json by which a checkpoint owns up to a head that is not trained yet.
pub const DECLARATION: &str = "reward_head";
/// Its value.
pub const UNTRAINED: &str = "untrained";

impl Spec {
    /// What makes this checkpoint's rewards doubtful, in sentences; empty when nothing was seen.
    pub fn doubts(&self) -> Vec<String> {
        let doubts = self.reasons.iter().filter(|reason| reason.what == HEAD_TRAINED);
        doubts
            .map(|reason| {
                format!("the reward head is not trained ({}): its rewards mean nothing", reason.why)
            })
            .collect()
    }
}

/// The head that the reference's models have.
pub fn reference_head() -> Head {
    Head::DenseTanhOut { dense: DENSE.into(), out_proj: OUT.into() }
}

/// Finds the reward head; its weights must be there, of the right shape, and trained. Values as they are before any
/// training (biases exactly zero, or no weight beyond PyTorch's uniform initialisation) are refused unless the
/// configuration says `"reward_head": "untrained"`, as that of a critique model before its reward training does; then it
/// is told in `reasons`.
pub fn head(weights: &Weights, config: &Json, hidden: usize, reasons: &mut Vec<Reason>) -> Result<Head> {
    let mut zero_biases = true;
    let mut untouched = false;
    let head_like: Vec<&str> = weights.names().filter(|n| !n.starts_with(BASE)).collect();
    for (name, shape) in [
        (format!("{DENSE}.weight"), vec![hidden, hidden]),
        (format!("{DENSE}.bias"), vec![hidden]),
        (format!("{OUT}.weight"), vec![1, hidden]),
        (format!("{OUT}.bias"), vec![1]),
    ] {
        let is_bias = name.ends_with(".bias");
        match weights.shape(&name) {
            None => {
                return Err(Error::invalid(
                    format!("{}, tensor {name}", weights.main_file()),
                    format!(
                        "no such tensor; beside the base model there are {}; in all {}",
                        listing(head_like.iter().copied()),
                        listing(weights.names())
                    ),
                    format!("a reward head ({DENSE} and {OUT}, weight and bias)"),
                    "Without its trained head a reward model gives random numbers: use a checkpoint that holds it.",
                ));
            }
            Some(found) if found != shape => {
                return Err(Error::invalid(
                    weights.place(&name),
                    format!("shape {found:?}"),
                    format!("{shape:?} (hidden_size = {hidden})"),
                    "The head does not belong to this base model.",
                ));
            }
            Some(_) => {}
        }
        let values = weights.values(&name)?;
        untouched |= shape.len() == 2 && shape.first() != Some(&1) && within_initial_bound(&values, hidden);
        let flat = values.iter().all(|x| Some(x) == values.first());
        zero_biases &= !is_bias || values.iter().all(|x| *x == 0.0);
        if flat && !is_bias && values.len() > 1 {
            return Err(Error::invalid(
                weights.place(&name),
                format!("the same number {} everywhere", values.first().copied().unwrap_or_default()),
                "trained weights",
                "This head was never trained: use a checkpoint whose head was.",
            ));
        }
    }
    reasons.push(Reason {
        what: "head".into(),
        value: "out_proj(tanh(dense(h)))".into(),
        why: format!("tensors {DENSE} and {OUT}, the reference's names"),
    });
    let doubt = if zero_biases {
        Some(format!("{DENSE}.bias and {OUT}.bias are exactly zero, as in a head that was never trained"))
    } else if untouched {
        Some(format!("no weight of {DENSE} lies beyond the uniform distribution that PyTorch begins with"))
    } else {
        None
    };
    let declared = config.str(DECLARATION)? == Some(UNTRAINED);
    if let Some(why) = doubt.clone().filter(|_| !declared) {
        return Err(Error::invalid(
            format!("{}, {DENSE} and {OUT}", weights.main_file()),
            format!("a freshly initialised reward head: {why}; tensors found: {}", listing(weights.names())),
            "a head that was trained",
            format!(
                "Its rewards would be random numbers: use a checkpoint whose head was trained. To train one from here, or \
                 to use the critiques alone, say \"{DECLARATION}\": \"{UNTRAINED}\" in config.json."
            ),
        ));
    }
    if declared {
        reasons.push(Reason {
            what: HEAD_TRAINED.into(),
            value: "no: its rewards mean nothing".into(),
            why: doubt.unwrap_or_else(|| format!("config.json says \"{DECLARATION}\": \"{UNTRAINED}\"")),
        });
    }
    Ok(reference_head())
}

/// Whether weights are spread as `nn.Linear` initialises them, uniform within 1/sqrt(fan-in). Training moves some of the
/// many weights that lie at the edge beyond it (1/256 is left for bf16's rounding).
fn within_initial_bound(values: &[f32], fan_in: usize) -> bool {
    let bound = 1.0 / (fan_in as f64).sqrt();
    let largest = values.iter().fold(0.0f64, |max, x| max.max(f64::from(x.abs())));
    let mean_square = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    let spread = mean_square.sqrt() / (bound / 3f64.sqrt());
    values.len() >= 1024
        && largest <= bound * (1.0 + 1.0 / 256.0)
        && largest >= bound * 0.99
        && (spread - 1.0).abs() < 0.05
}

/// Every tensor the backbone needs must be there with its shape, and nothing else may be.
pub fn tensors(weights: &Weights, config: &Json, backbone: &Backbone, head: &Head) -> Result<()> {
    let needed = backbone_tensors(backbone);
    for (name, shape) in &needed {
        let Some(found) = weights.shape(name) else {
            let base: Vec<&str> = weights.names().collect();
            return Err(Error::invalid(
                format!("{}, tensor {name}", weights.main_file()),
                format!("no such tensor among {}", listing(base.into_iter())),
                format!("shape {shape:?}, by {}", config.place),
                "The base configuration does not belong to these weights, or the checkpoint is incomplete.",
            ));
        };
        if found != shape {
            return Err(Error::invalid(
                weights.place(name),
                format!("shape {found:?}"),
                format!("{shape:?}, by {}", config.place),
                "The base configuration does not belong to these weights: give the right one.",
            ));
        }
    }
    let known: std::collections::HashSet<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
    let head: Vec<&str> = match head {
        Head::DenseTanhOut { dense, out_proj } => vec![dense, out_proj],
        Head::Linear { weight } => vec![weight],
    };
    let lm_head = format!("{BASE}lm_head.weight");
    let extra: Vec<&str> = weights
        .names()
        .filter(|name| !known.contains(name))
        .filter(|name| {
            !head.iter().any(|h| name.strip_prefix(h).is_some_and(|end| end == ".weight" || end == ".bias"))
        })
        .filter(|name| !name.ends_with("rotary_emb.inv_freq") && (!backbone.tied || *name != lm_head))
        .collect();
    if let Some(first) = extra.first() {
        return Err(Error::invalid(
            weights.place(first),
            format!("tensors that {} does not account for: {}", config.place, listing(extra.iter().copied())),
            format!("the tensors of a {} of {} layers", backbone.family, backbone.layers.len()),
            "The base configuration does not belong to these weights: give the right one.",
        ));
    }
    Ok(())
}

/// The model must know every id the tokenizer can give.
pub fn vocabulary(config: &Json, backbone: &Backbone, tokens: usize) -> Result<()> {
    if backbone.vocab_size == 0 {
        return Err(missing(config, "vocab_size"));
    }
    if tokens > backbone.vocab_size {
        return Err(Error::invalid(
            config.field("vocab_size"),
            format!("{}, and a tokenizer of {tokens} tokens", backbone.vocab_size),
            "at least as many embeddings as tokens",
            "The tokenizer does not belong to this model.",
        ));
    }
    Ok(())
}
