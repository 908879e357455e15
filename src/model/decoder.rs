//! The decoder: one for all families, driven by [`Backbone`].

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{
    KvCache, RewardHead, TensorSource,
    attention::{Run, attend},
    cache::CacheShape,
    cpu::{self, Computed},
    layer::{LayerWeights, Norm},
    lora::Noise,
    ops,
    rotary::Rotary,
};
use crate::{
    Error, Result,
    checkpoint::{Backbone, Head},
};

/// New tokens of one row, to be computed after those in its cache.
pub struct Chunk<'a> {
    /// The tokens.
    pub ids: &'a [u32],
    /// What stands before them; no other chunk of the same call has it.
    pub cache: &'a mut KvCache,
    /// How many of `ids` stay in the cache afterwards; the rest is computed and forgotten.
    pub keep: usize,
}

/// Rows packed one after the other, with what every layer needs to know of them.
pub struct Packed {
    rotary: Vec<(Tensor, Tensor)>,
    lens: Vec<usize>,
    tokens: usize,
    noise: Option<Noise>,
}

/// A loaded model: weights, rules, and nothing that changes.
#[derive(Debug)]
pub struct Model {
    pub(super) backbone: Backbone,
    pub(super) embedding: Tensor,
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Norm,
    pub(super) ropes: Vec<Rotary>,
    lm_head: Option<Tensor>,
    head: RewardHead,
    cache_shape: Arc<CacheShape>,
}

impl Model {
    /// Takes the tensors of backbone and head from `source`; dtype and device are the source's.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a missing or wrong-shaped tensor, or the field of a backbone that contradicts itself.
    pub fn new(backbone: &Backbone, head: &Head, source: &dyn TensorSource, device: &Device) -> Result<Self> {
        check(backbone)?;
        let (hidden, vocab) = (backbone.hidden_size, backbone.vocab_size);
        let prefix = source.base_prefix();
        let embedding = source.tensor(&format!("{prefix}model.embed_tokens.weight"), &[vocab, hidden])?;
        let lm_head_name = format!("{prefix}lm_head.weight");
        let lm_head = if backbone.tied {
            Some(embedding.clone())
        } else if source.has(&lm_head_name) {
            Some(source.tensor(&lm_head_name, &[vocab, hidden])?)
        } else {
            None
        };
        let layers = (0..backbone.layers.len()).map(|i| LayerWeights::load(backbone, i, source));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            norm: Norm::load(backbone, source, &format!("{prefix}model.norm"), hidden)?,
            ropes: backbone.ropes.iter().map(|r| Rotary::new(r, backbone.head_dim)).collect(),
            head: RewardHead::load(head, hidden, source)?,
            cache_shape: Arc::new(CacheShape {
                layers: backbone.layers.len(),
                kv_heads: backbone.num_kv_heads,
                head_dim: backbone.head_dim,
                hidden,
                dtype: embedding.dtype(),
                device: device.clone(),
            }),
            backbone: backbone.clone(),
            embedding,
            lm_head,
        })
    }

    /// The fast path: hidden states after the final norm, `[N, hidden]`, tokens of chunk 0, then of chunk 1, and so
    /// on. Keys, values and hidden states of kept tokens are appended to each cache. No gradients.
    ///
    /// # Errors
    /// [`Error::Usage`] for an id outside the vocabulary or `keep` above the number of ids. No cache is changed then.
    pub fn forward(&self, chunks: &mut [Chunk<'_>]) -> Result<Tensor> {
        self.forward_unless(chunks, &|| false)
    }

    /// [`Model::forward`] that asks before each layer whether to `stop`.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when stopped; as [`Model::forward`] otherwise. No cache is changed then.
    pub fn forward_unless(
        &self,
        chunks: &mut [Chunk<'_>],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Tensor> {
        for chunk in chunks.iter() {
            if chunk.keep > chunk.ids.len() {
                return Err(Error::Usage(format!(
                    "{} of {} tokens were to be kept",
                    chunk.keep,
                    chunk.ids.len()
                )));
            }
        }
        let ids: Vec<u32> = chunks.iter().flat_map(|c| c.ids.iter().copied()).collect();
        self.check_ids(&ids)?;
        if ids.is_empty() {
            return Ok(Tensor::zeros((0, self.backbone.hidden_size), self.dtype(), self.device())?);
        }
        let computed = if self.on_slices() {
            cpu::forward(self, chunks, stop)?
        } else {
            self.forward_tensors(chunks, &ids, stop)?
        };
        let mut at = 0;
        for (chunk, kv) in chunks.iter_mut().zip(&computed.kv) {
            if chunk.keep > 0 {
                chunk.cache.append(kv, &computed.hidden.narrow(0, at, chunk.keep)?, chunk.keep)?;
            }
            at += chunk.ids.len();
        }
        Ok(computed.hidden)
    }

    /// [`Model::forward`] by tensor operations, for every device and dtype.
    fn forward_tensors(
        &self,
        chunks: &[Chunk<'_>],
        ids: &[u32],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Computed> {
        let positions: Vec<usize> =
            chunks.iter().flat_map(|c| c.cache.len()..c.cache.len() + c.ids.len()).collect();
        let rotary = self.rotary(&positions)?;
        let mut x = self.embed(ids)?.detach();
        let mut kv = vec![Vec::with_capacity(2 * self.layers.len()); chunks.len()];
        for (index, layer) in self.layers.iter().enumerate() {
            if stop() {
                return Err(Error::Cancelled);
            }
            x = layer
                .forward(&x, self.rope_of(layer, &rotary)?, None, |q, k, v, rule| {
                    let mut rows = Vec::with_capacity(chunks.len());
                    let mut at = 0;
                    for (chunk, kept) in chunks.iter().zip(&mut kv) {
                        let (n, start) = (chunk.ids.len(), chunk.cache.len());
                        if n == 0 {
                            continue;
                        }
                        let part = |t: &Tensor| t.detach().narrow(0, at, n)?.transpose(0, 1)?.contiguous();
                        let (k, v) = (part(k)?, part(v)?);
                        kept.extend([k.clone(), v.clone()]);
                        let mut runs = self.runs(chunk.cache, index)?;
                        runs.push(Run { k, v, start });
                        rows.push(attend(&q.detach().narrow(0, at, n)?, &runs, start, rule)?);
                        at += n;
                    }
                    Ok(Tensor::cat(&rows, 0)?)
                })?
                .detach();
        }
        let kv = kv.iter().map(|kv| {
            let shape = (2 * self.layers.len() * self.backbone.num_kv_heads, 0, self.backbone.head_dim);
            if kv.is_empty() { Tensor::zeros(shape, self.dtype(), self.device()) } else { Tensor::cat(kv, 0) }
        });
        Ok(Computed { kv: kv.collect::<Result<_, _>>()?, hidden: self.norm.forward(&x)?.detach() })
    }

    /// The differentiable path: hidden states after the final norm, `[N, hidden]`, of rows packed one after the other;
    /// `lens` are their numbers of tokens. Gradients flow to the source's variables.
    ///
    /// # Errors
    /// [`Error::Usage`] for an id outside the vocabulary or lengths that do not add up.
    pub fn forward_packed(&self, ids: &[u32], lens: &[usize]) -> Result<Tensor> {
        self.forward_packed_embedded(&self.embed(ids)?, lens)
    }

    /// [`Model::forward_packed`] from embeddings `[N, hidden]` as [`Model::embed`] gives them.
    ///
    /// # Errors
    /// [`Error::Usage`] for lengths that do not add up.
    pub fn forward_packed_embedded(&self, embeds: &Tensor, lens: &[usize]) -> Result<Tensor> {
        let rows = self.packed(lens, None)?;
        if rows.tokens != embeds.dim(0)? {
            return Err(Error::Usage(format!("rows of {lens:?} tokens in {:?}", embeds.shape())));
        }
        let mut x = embeds.clone();
        for index in 0..self.layers.len() {
            x = self.layer_packed(index, &x, &rows)?;
        }
        self.normed(&x)
    }

    /// Rows to be computed layer by layer; with `noise` dropout acts in training.
    ///
    /// # Errors
    /// From the device.
    pub fn packed(&self, lens: &[usize], noise: Option<Noise>) -> Result<Packed> {
        let positions: Vec<usize> = lens.iter().flat_map(|&len| 0..len).collect();
        let tokens = positions.len();
        Ok(Packed { rotary: self.rotary(&positions)?, lens: lens.to_vec(), tokens, noise })
    }

    /// One layer over `x`: `[N, hidden]`, differentiable.
    ///
    /// # Errors
    /// [`Error::Usage`] for a layer that is not there.
    pub fn layer_packed(&self, index: usize, x: &Tensor, rows: &Packed) -> Result<Tensor> {
        let layer = self.layers.get(index);
        let layer = layer.ok_or_else(|| Error::Usage(format!("the backbone has no layer {index}")))?;
        layer.forward(x, self.rope_of(layer, &rows.rotary)?, rows.noise, |q, k, v, rule| {
            Ok(ops::packed_attention(q, k, v, &rows.lens, rule)?)
        })
    }

    /// The final norm over what the last layer gives, differentiable.
    ///
    /// # Errors
    /// From the device.
    pub fn normed(&self, x: &Tensor) -> Result<Tensor> {
        self.norm.forward(x)
    }

    /// Embeddings after their scaling, `[N, hidden]`, differentiable.
    ///
    /// # Errors
    /// [`Error::Usage`] for an id outside the vocabulary.
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.check_ids(ids)?;
        let rows = ops::select_rows(&self.embedding, ids)?;
        Ok(match self.backbone.embedding_scale {
            Some(scale) => (rows * scale)?,
            None => rows,
        })
    }

    /// `[M, hidden]` -> `[M, vocab]`, soft-capped where configured, differentiable.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the checkpoint has no `lm_head`.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let lm_head = self.lm_head()?;
        let logits = if self.on_slices()
            && hidden.dtype() == DType::F32
            && !hidden.track_op()
            && !lm_head.track_op()
        {
            cpu::logits(hidden, lm_head)?
        } else {
            ops::linear(hidden, lm_head, None)?
        };
        Ok(match self.backbone.logit_softcap {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        })
    }

    /// `[M, hidden]` -> `[M]` in f32, differentiable.
    ///
    /// # Errors
    /// A tensor error for another width.
    pub fn rewards(&self, hidden: &Tensor) -> Result<Tensor> {
        self.head.rewards(hidden)
    }

    /// `[vocab, hidden]`; the embedding where the two are tied.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the checkpoint has none (a sequence classifier's).
    pub fn lm_head(&self) -> Result<&Tensor> {
        self.lm_head.as_ref().ok_or_else(|| {
            Error::invalid(
                "tensor lm_head.weight",
                "none of this name",
                "the output matrix, since the embedding is not tied to it",
                "This model gives rewards but cannot write a critique.",
            )
        })
    }

    /// Where the weights are and the computation happens.
    pub fn device(&self) -> &Device {
        &self.cache_shape.device
    }

    /// Of weights and hidden states.
    pub fn dtype(&self) -> DType {
        self.embedding.dtype()
    }

    /// Number of weights; a tied matrix counts once.
    pub fn parameters(&self) -> usize {
        self.tensors().map(Tensor::elem_count).sum()
    }

    /// Bytes of weights; a tied matrix counts once.
    pub fn bytes(&self) -> usize {
        self.tensors().map(|t| t.elem_count() * t.dtype().size_in_bytes()).sum()
    }

    /// A cache without tokens.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.cache_shape.clone())
    }

    /// What the model was built from.
    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// Whether the fast path runs on plain slices.
    fn on_slices(&self) -> bool {
        self.device().is_cpu() && self.dtype() == DType::F32 && !self.layers.iter().any(LayerWeights::adapted)
    }

    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        let vocab = self.backbone.vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab) {
            Some(id) => {
                Err(Error::Usage(format!("token id {id} is not in the model's vocabulary of {vocab}")))
            }
            None => Ok(()),
        }
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let lm_head = self.lm_head.iter().filter(|_| !self.backbone.tied);
        [&self.embedding, &self.norm.weight]
            .into_iter()
            .chain(lm_head)
            .chain(self.layers.iter().flat_map(LayerWeights::tensors))
            .chain(self.head.tensors())
    }

    fn rotary(&self, positions: &[usize]) -> Result<Vec<(Tensor, Tensor)>> {
        self.ropes.iter().map(|r| r.tensors(positions, self.device(), self.dtype())).collect()
    }

    pub(super) fn rope_of<'a, T>(&self, layer: &LayerWeights, ropes: &'a [T]) -> Result<&'a T> {
        ropes.get(layer.rope).ok_or_else(|| Error::Usage(format!("no rope {}", layer.rope)))
    }

    /// The cached keys and values of one layer.
    fn runs(&self, cache: &KvCache, layer: usize) -> Result<Vec<Run>> {
        let heads = self.backbone.num_kv_heads;
        let mut start = 0;
        let runs = cache.spans().map(|span| {
            let len = span.len;
            let part = |plane: usize| span.kv.narrow(0, plane * heads, heads)?.narrow(1, 0, len);
            let run = Run { k: part(2 * layer)?, v: part(2 * layer + 1)?, start };
            start += len;
            Ok(run)
        });
        runs.collect()
    }
}

fn check(b: &Backbone) -> Result<()> {
    let fix = "Give the base model's own config.json.";
    if b.num_kv_heads == 0 || !b.num_heads.is_multiple_of(b.num_kv_heads) {
        return Err(Error::invalid(
            "backbone num_kv_heads",
            format!("{} for {} heads", b.num_kv_heads, b.num_heads),
            "a divisor of num_heads",
            fix,
        ));
    }
    if b.head_dim == 0 || !b.head_dim.is_multiple_of(2) {
        return Err(Error::invalid(
            "backbone head_dim",
            b.head_dim.to_string(),
            "an even number above zero",
            fix,
        ));
    }
    if let Some(layer) = b.layers.iter().find(|l| l.rope >= b.ropes.len() || l.window == Some(0)) {
        return Err(Error::invalid(
            "backbone layers",
            format!("rope {} of {} and window {:?}", layer.rope, b.ropes.len(), layer.window),
            "a rope that exists and a window above zero",
            fix,
        ));
    }
    Ok(())
}
