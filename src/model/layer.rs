//! One decoder layer: norm, attention, norm, MLP, with the variations of the families as data.

use candle_core::Tensor;

use super::{
    TensorSource,
    head::Projection,
    lora::Noise,
    ops::{self, AttentionRule},
};
use crate::{
    Result,
    checkpoint::{Activation, Backbone},
};

/// The weights of one layer and its rules.
#[derive(Debug)]
pub(super) struct LayerWeights {
    /// Before attention.
    pub input_norm: Norm,
    pub q: Projection,
    pub k: Projection,
    pub v: Projection,
    /// Over each head of q and k, before RoPE.
    pub qk_norm: Option<(Norm, Norm)>,
    pub o: Projection,
    /// After attention, before the residual is added (sandwich norms).
    pub attention_norm: Option<Norm>,
    /// Before the MLP.
    pub mlp_norm: Norm,
    pub gate: Projection,
    pub up: Projection,
    pub down: Projection,
    /// After the MLP, before the residual is added (sandwich norms).
    pub output_norm: Option<Norm>,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub activation: Activation,
    pub rule: AttentionRule,
    /// Index into [`Backbone::ropes`].
    pub rope: usize,
}

/// An RMSNorm.
#[derive(Debug)]
pub(super) struct Norm {
    pub weight: Tensor,
    pub eps: f64,
    pub plus_one: bool,
}

impl Norm {
    pub fn load(backbone: &Backbone, source: &dyn TensorSource, name: &str, width: usize) -> Result<Self> {
        Ok(Self {
            weight: source.tensor(&format!("{name}.weight"), &[width])?,
            eps: backbone.rms_norm_eps,
            plus_one: backbone.norm_plus_one,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::rms_norm(x, &self.weight, self.eps, self.plus_one)?)
    }
}

impl LayerWeights {
    /// Layer `index` of the backbone.
    pub fn load(backbone: &Backbone, index: usize, source: &dyn TensorSource) -> Result<Self> {
        let Some(layer) = backbone.layers.get(index) else {
            return Err(crate::Error::Usage(format!("the backbone has no layer {index}")));
        };
        let at = format!("{}model.layers.{index}", source.base_prefix());
        let b = backbone;
        let (hidden, inner) = (b.hidden_size, b.intermediate_size);
        let (q_width, kv_width) = (b.num_heads * b.head_dim, b.num_kv_heads * b.head_dim);
        let projection = |name: &str, out: usize, inp: usize, bias: bool| {
            Projection::load(source, &format!("{at}.{name}"), out, inp, bias)
        };
        let norm = |name: &str, width: usize| Norm::load(b, source, &format!("{at}.{name}"), width);
        let (attention_norm, mlp_norm, output_norm) = if b.sandwich_norms {
            (
                Some(norm("post_attention_layernorm", hidden)?),
                norm("pre_feedforward_layernorm", hidden)?,
                Some(norm("post_feedforward_layernorm", hidden)?),
            )
        } else {
            (None, norm("post_attention_layernorm", hidden)?, None)
        };
        let qk_norm = if b.qk_norm {
            Some((norm("self_attn.q_norm", b.head_dim)?, norm("self_attn.k_norm", b.head_dim)?))
        } else {
            None
        };
        Ok(Self {
            input_norm: norm("input_layernorm", hidden)?,
            q: projection("self_attn.q_proj", q_width, hidden, b.qkv_bias)?,
            k: projection("self_attn.k_proj", kv_width, hidden, b.qkv_bias)?,
            v: projection("self_attn.v_proj", kv_width, hidden, b.qkv_bias)?,
            qk_norm,
            o: projection("self_attn.o_proj", hidden, q_width, b.o_bias)?,
            attention_norm,
            mlp_norm,
            gate: projection("mlp.gate_proj", inner, hidden, b.mlp_bias)?,
            up: projection("mlp.up_proj", inner, hidden, b.mlp_bias)?,
            down: projection("mlp.down_proj", hidden, inner, b.mlp_bias)?,
            output_norm,
            heads: b.num_heads,
            kv_heads: b.num_kv_heads,
            head_dim: b.head_dim,
            activation: b.activation,
            rule: AttentionRule {
                scale: b.attention_scale,
                softcap: b.attention_softcap,
                window: layer.window,
            },
            rope: layer.rope,
        })
    }

    /// `x`: `[N, hidden]`. `attend` gets rotated q `[N, heads, D]`, k and v `[N, kv_heads, D]` and the rule, and gives
    /// `[N, heads, D]`.
    pub fn forward(
        &self,
        x: &Tensor,
        (cos, sin): &(Tensor, Tensor),
        noise: Option<Noise>,
        attend: impl FnOnce(&Tensor, &Tensor, &Tensor, AttentionRule) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let n = x.dim(0)?;
        let h = self.input_norm.forward(x)?;
        let mut q = self.q.forward(&h, noise)?.reshape((n, self.heads, self.head_dim))?;
        let mut k = self.k.forward(&h, noise)?.reshape((n, self.kv_heads, self.head_dim))?;
        let v = self.v.forward(&h, noise)?.reshape((n, self.kv_heads, self.head_dim))?;
        if let Some((q_norm, k_norm)) = &self.qk_norm {
            q = q_norm.forward(&q)?;
            k = k_norm.forward(&k)?;
        }
        let (q, k) = (ops::rope(&q, cos, sin)?, ops::rope(&k, cos, sin)?);
        let attended = attend(&q, &k, &v, self.rule)?.reshape((n, self.heads * self.head_dim))?;
        let mut attended = self.o.forward(&attended, noise)?;
        if let Some(norm) = &self.attention_norm {
            attended = norm.forward(&attended)?;
        }
        let x = (x + attended)?;
        let h = self.mlp_norm.forward(&x)?;
        let inner = ops::glu(&self.gate.forward(&h, noise)?, &self.up.forward(&h, noise)?, self.activation)?;
        let mut out = self.down.forward(&inner, noise)?;
        if let Some(norm) = &self.output_norm {
            out = norm.forward(&out)?;
        }
        Ok((x + out)?)
    }

    /// Whether a matrix of it has something learned beside it.
    pub fn adapted(&self) -> bool {
        let projections = [&self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down];
        projections.iter().any(|p| p.lora.is_some())
    }

    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let qk = self.qk_norm.iter().flat_map(|(q, k)| [q, k]);
        let norms = [&self.input_norm, &self.mlp_norm]
            .into_iter()
            .chain(&self.attention_norm)
            .chain(&self.output_norm)
            .chain(qk)
            .map(|n| &n.weight);
        let projections = [&self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down];
        norms.chain(projections.into_iter().flat_map(Projection::tensors))
    }
}
