//! A backbone in words, for the reasons of a spec.

use super::files::Json;
use super::spec::{Backbone, Reason, Rope, RopeScaling};

/// Adds what was read of a base configuration: value and the keys that said so. Keys it left out have their own reason.
pub fn backbone(b: &Backbone, config: &Json, reasons: &mut Vec<Reason>) {
    let family = &b.family;
    let sizes =
        format!("{family}, {} layers, hidden {}, MLP {}", b.layers.len(), b.hidden_size, b.intermediate_size);
    let heads = format!("{} query, {} key/value, of width {}", b.num_heads, b.num_kv_heads, b.head_dim);
    let scale = if b.sandwich_norms { "query_pre_attn_scalar ^ -0.5" } else { "head_dim ^ -0.5" };
    let mut all = vec![
        ("backbone", sizes, "model_type and sizes; sizes checked against the tensors".to_owned()),
        (
            "backbone.heads",
            heads,
            "num_attention_heads, num_key_value_heads, head_dim; products checked".into(),
        ),
        ("backbone.norm", format!("eps {}{}", b.rms_norm_eps, norms(b)), format!("rms_norm_eps; {family}")),
        ("backbone.activation", format!("{:?}", b.activation), "hidden_act or hidden_activation".into()),
        (
            "backbone.bias",
            biases(b),
            format!("{family}, attention_bias, mlp_bias; checked against the tensors"),
        ),
        ("backbone.attention_scale", format!("{:.6}", b.attention_scale), scale.into()),
        (
            "backbone.tied",
            b.tied.to_string(),
            "tie_word_embeddings of the base; the checkpoint's own is ignored".into(),
        ),
        ("backbone.window", windows(b), "sliding_window, layer_types or the family's pattern".into()),
        ("backbone.context", b.max_position_embeddings.to_string(), "max_position_embeddings".into()),
    ];
    for (i, rope) in b.ropes.iter().enumerate() {
        let layers = b.layers.iter().filter(|l| l.rope == i).count();
        all.push((
            "backbone.rope",
            format!("{} on {layers} layers", stretch(rope)),
            "rope_theta, rope_scaling or rope_parameters".into(),
        ));
    }
    if let Some(scale) = b.embedding_scale {
        let why = format!("{family}: sqrt(hidden_size), not rounded to bf16 since the CPU computes in f32");
        all.push(("backbone.embedding_scale", format!("{scale:.6}"), why));
    }
    for (what, cap) in
        [("backbone.attention_softcap", b.attention_softcap), ("backbone.logit_softcap", b.logit_softcap)]
    {
        if let Some(cap) = cap {
            all.push((what, cap.to_string(), "attn_logit_softcapping, final_logit_softcapping".into()));
        }
    }
    reasons.extend(all.into_iter().map(|(what, value, why)| Reason {
        what: what.into(),
        value,
        why: format!("{}: {why}", config.place),
    }));
}

fn norms(b: &Backbone) -> String {
    let mut words = String::new();
    for (there, word) in [
        (b.norm_plus_one, ", (1 + w)"),
        (b.qk_norm, ", on each head of q and k"),
        (b.sandwich_norms, ", before and after attention and MLP"),
    ] {
        words.push_str(if there { word } else { "" });
    }
    words
}

fn biases(b: &Backbone) -> String {
    let all = [(b.qkv_bias, "q, k, v"), (b.o_bias, "attention output"), (b.mlp_bias, "MLP")];
    let there: Vec<&str> = all.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect();
    if there.is_empty() { "none".into() } else { there.join(", ") }
}

fn windows(b: &Backbone) -> String {
    let sliding: Vec<(usize, usize)> =
        b.layers.iter().enumerate().filter_map(|(i, l)| Some((i, l.window?))).collect();
    match sliding.first() {
        None => "none".into(),
        Some((_, window)) => format!("{window} tokens on {} of {} layers", sliding.len(), b.layers.len()),
    }
}

fn stretch(rope: &Rope) -> String {
    let theta = rope.theta;
    match &rope.scaling {
        RopeScaling::Default => format!("theta {theta}, not stretched"),
        RopeScaling::Linear { factor } => format!("theta {theta}, linear by {factor}"),
        RopeScaling::Llama3 { factor, original_max_position_embeddings, .. } => {
            format!("theta {theta}, llama3 by {factor} from {original_max_position_embeddings} tokens")
        }
    }
}
