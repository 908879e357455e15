//! The families of base models: one table of what each adds to the common decoder.

/// What sets a family apart, with the defaults that transformers fills in for keys left out of its `config.json`.
pub struct Family {
    /// `model_type`.
    pub name: &'static str,
    /// `tie_word_embeddings`.
    pub tied: bool,
    pub rms_norm_eps: f64,
    pub rope_theta: f64,
    /// `max_position_embeddings`.
    pub max_positions: usize,
    /// `None`: hidden size / heads.
    pub head_dim: Option<usize>,
    /// `num_key_value_heads`; `None`: as many as query heads.
    pub kv_heads: Option<usize>,
    pub sliding_window: Option<usize>,
    pub qkv_bias: Bias,
    pub o_bias: Bias,
    pub mlp_bias: Bias,
    /// A norm over each head of q and k.
    pub qk_norm: bool,
    /// (1 + w) norms, scaled embeddings, GELU, soft caps.
    pub gemma: bool,
    /// Norms also behind attention and MLP; `query_pre_attn_scalar`.
    pub sandwich: bool,
    pub windows: Windows,
    /// `attn_logit_softcapping`, `final_logit_softcapping`.
    pub softcaps: (Option<f64>, Option<f64>),
}

/// Whether there is a bias.
#[derive(Clone, Copy)]
pub enum Bias {
    /// Yes.
    Always,
    /// No.
    Never,
    /// As this key says; false if left out.
    Key(&'static str),
}

/// Which layers have a sliding window when `layer_types` does not say.
#[derive(Clone, Copy)]
pub enum Windows {
    None,
    /// All.
    All,
    /// From `max_window_layers` on, if `use_sliding_window`.
    Qwen,
    /// All but every n-th; n is the key `sliding_window_pattern` or this.
    AllButEvery(usize),
}

const LLAMA: Family = Family {
    name: "llama",
    tied: false,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    max_positions: 2048,
    head_dim: None,
    kv_heads: None,
    sliding_window: None,
    qkv_bias: Bias::Key("attention_bias"),
    o_bias: Bias::Key("attention_bias"),
    mlp_bias: Bias::Key("mlp_bias"),
    qk_norm: false,
    gemma: false,
    sandwich: false,
    windows: Windows::None,
    softcaps: (None, None),
};

const GEMMA: Family = Family {
    name: "gemma",
    tied: true,
    max_positions: 8192,
    head_dim: Some(256),
    kv_heads: Some(16),
    mlp_bias: Bias::Never,
    gemma: true,
    ..LLAMA
};

pub const FAMILIES: [Family; 7] = [
    LLAMA,
    Family {
        name: "mistral",
        max_positions: 131_072,
        kv_heads: Some(8),
        sliding_window: Some(4096),
        qkv_bias: Bias::Never,
        o_bias: Bias::Never,
        mlp_bias: Bias::Never,
        windows: Windows::All,
        ..LLAMA
    },
    Family {
        name: "qwen2",
        max_positions: 32_768,
        kv_heads: Some(32),
        sliding_window: Some(4096),
        qkv_bias: Bias::Always,
        o_bias: Bias::Never,
        mlp_bias: Bias::Never,
        windows: Windows::Qwen,
        ..LLAMA
    },
    Family {
        name: "qwen3",
        max_positions: 32_768,
        head_dim: Some(128),
        kv_heads: Some(32),
        sliding_window: Some(4096),
        mlp_bias: Bias::Never,
        qk_norm: true,
        windows: Windows::Qwen,
        ..LLAMA
    },
    GEMMA,
    Family {
        name: "gemma2",
        kv_heads: Some(4),
        sliding_window: Some(4096),
        sandwich: true,
        windows: Windows::AllButEvery(2),
        softcaps: (Some(50.0), Some(30.0)),
        ..GEMMA
    },
    Family {
        name: "gemma3_text",
        max_positions: 131_072,
        rope_theta: 1_000_000.0,
        kv_heads: Some(4),
        sliding_window: Some(4096),
        qk_norm: true,
        sandwich: true,
        windows: Windows::AllButEvery(6),
        ..GEMMA
    },
];
