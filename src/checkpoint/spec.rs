//! What a checkpoint is, as data: backbone x head x where it is read x prompt x calibration, each with its reason.

use serde::{Deserialize, Serialize};

/// A decoder-only transformer, described so that one config-driven decoder can compute it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backbone {
    /// `model_type` of the base configuration (`llama`, `qwen2`, `qwen3`, `gemma3_text`, ...), for display only.
    pub family: String,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads (GQA).
    pub num_kv_heads: usize,
    /// Width of one head; may differ from `hidden_size / num_heads`.
    pub head_dim: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Longest context in tokens.
    pub max_position_embeddings: usize,
    /// Epsilon of every RMSNorm.
    pub rms_norm_eps: f64,
    /// Gemma's (1 + w) norms.
    pub norm_plus_one: bool,
    /// The gate's activation.
    pub activation: Activation,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the attention's output projection.
    pub o_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// RMSNorm over each head of q and k before RoPE.
    pub qk_norm: bool,
    /// Norms also after attention and MLP, before the residual is added (Gemma 2 and 3).
    pub sandwich_norms: bool,
    /// Embeddings are multiplied by this (Gemma: sqrt(hidden_size)).
    pub embedding_scale: Option<f64>,
    /// Attention scores are multiplied by this.
    pub attention_scale: f64,
    /// `cap * tanh(score / cap)` on attention scores (Gemma 2).
    pub attention_softcap: Option<f64>,
    /// `cap * tanh(logit / cap)` on logits (Gemma 2).
    pub logit_softcap: Option<f64>,
    /// `lm_head` is the embedding.
    pub tied: bool,
    /// The distinct rotary embeddings; layers refer to them by index.
    pub ropes: Vec<Rope>,
    /// One entry per layer.
    pub layers: Vec<Layer>,
}

/// What differs from layer to layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Index into [`Backbone::ropes`].
    pub rope: usize,
    /// A token sees itself and the `window - 1` tokens before it; `None`: all before it.
    pub window: Option<usize>,
}

/// A rotary embedding (half-split layout, as in Hugging Face's `rotate_half`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// How frequencies are stretched.
    pub scaling: RopeScaling,
}

/// Stretching of rotary frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// None.
    Default,
    /// All frequencies divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's scaling by wavelength.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// See transformers `_compute_llama3_parameters`.
        low_freq_factor: f64,
        /// See transformers `_compute_llama3_parameters`.
        high_freq_factor: f64,
        /// Context length before stretching.
        original_max_position_embeddings: usize,
    },
}

/// Activation of the gate in the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU, tanh approximation (`gelu_pytorch_tanh`).
    GeluTanh,
    /// GELU, exact (erf).
    Gelu,
}

/// How a reward is read out of a text (design.md, "reading").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Head at the end-of-turn token that follows the tokens as generated.
    #[default]
    InPlace,
    /// Strip, clean up, re-tokenise, append end-of-turn, read at the last token: the reference's `predict_reward`.
    ReEncoded,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Prompt {
    /// One user turn.
    Text(String),
    /// A chat up to, not including, the answer.
    Messages(Vec<Message>),
}

/// One turn of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// What a checkpoint is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// With a critique or without.
    pub method: Method,
    /// The transformer.
    pub backbone: Backbone,
    /// The reading of the hidden state.
    pub head: Head,
    /// How texts become the model's input.
    pub prompt: PromptRule,
    /// What the numbers mean.
    pub calibration: Calibration,
    /// Why each value is what it is, in the order they were decided.
    pub reasons: Vec<Reason>,
}

/// `feedback_method` of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `teacher`: a critique first, then the reward at its end-of-turn.
    Cloud,
    /// `vanilla`: the reward at the answer's end-of-turn.
    Classic,
}

/// A reward head: tensors and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Head {
    /// `out_proj(tanh(dense(h)))`, the reference's head.
    DenseTanhOut {
        /// Name of `dense` without `.weight` / `.bias`.
        dense: String,
        /// Name of `out_proj` without `.weight` / `.bias`.
        out_proj: String,
    },
    /// `weight . h (+ bias)`: `score.weight`, `v_head`.
    Linear {
        /// Name without `.weight` / `.bias`.
        weight: String,
    },
}

/// How texts become the model's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptRule {
    /// The reference's critique prompt, trailing space included; empty for a classic model.
    pub critique_prompt: String,
    /// The token at whose position the reward is read and which ends a turn.
    pub end_of_turn: SpecialToken,
    /// Beginning of text, if any; comes from the template, never from the tokenizer's post-processor.
    pub bos: Option<SpecialToken>,
    /// End of text, if any.
    pub eos: Option<SpecialToken>,
    /// Padding (training); EOS where the checkpoint names none.
    pub pad: Option<SpecialToken>,
    /// `clean_up_tokenization_spaces`.
    pub clean_up: bool,
}

/// A special token as text and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialToken {
    /// As it is written.
    pub text: String,
    /// Its id.
    pub id: u32,
}

/// What the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// `sigma(margin / temperature)` is the probability shown; 1 until labels say otherwise.
    pub temperature: f64,
}

/// Why a value of the spec is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which value (`method`, `backbone.rope`, `head`, ...).
    pub what: String,
    /// What was chosen.
    pub value: String,
    /// Which file and field, or which default, said so.
    pub why: String,
}
