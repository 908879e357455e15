//! The fast path on the processor in f32: the whole decoder on plain slices, no tensor made between embedding and result.
//!
//! Equal to [`super::Model::forward_packed`] within rounding (tests/model). Weights and cached keys are read where they
//! lie; the caches themselves are not touched here.

mod attention;
mod math;
mod matmul;
mod simd;

use std::collections::HashMap;

use candle_core::{CpuStorage, Storage, StorageRef, Tensor};
use rayon::prelude::*;

use self::{
    attention::{Heads, Row, Run},
    math::{NormView, Rotate, Rotation, add_residual},
    matmul::{Product, linear},
    simd::dispatch,
};
use super::{
    Chunk, Model,
    head::Projection,
    layer::{LayerWeights, Norm},
};
use crate::{Error, Result};

/// Below this many multiplications a forward stays on the calling thread.
const SERIAL: usize = 1 << 21;
/// Element-wise loops over fewer numbers stay on one core.
const ELEMENTS: usize = 1 << 15;

/// What [`forward`] computes.
pub(super) struct Computed {
    /// `[N, hidden]` after the final norm.
    pub hidden: Tensor,
    /// For each chunk `[layers * 2 * kv_heads, n, head_dim]`.
    pub kv: Vec<Tensor>,
}

/// Hidden states, keys and values of the chunks' tokens. `positions` are theirs, one after the other;
/// `stop` is asked before each layer.
pub(super) fn forward(
    model: &Model,
    chunks: &[Chunk<'_>],
    positions: &[usize],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Computed> {
    let run = || compute(model, chunks, positions, stop);
    if positions.len() * model.parameters() < SERIAL {
        run()
    } else {
        // Inside the pool its threads share the work at once; from outside each product would wake one to begin.
        let mut result = None;
        rayon::scope(|_| result = Some(run()));
        result.unwrap_or(Err(Error::Cancelled))
    }
}

/// `[M, hidden]` -> `[M, vocab]` without gradients.
pub(super) fn logits(hidden: &Tensor, lm_head: &Tensor) -> Result<Tensor> {
    let (rows, width) = hidden.dims2()?;
    let vocab = lm_head.dim(0)?;
    if lm_head.dim(1)? != width {
        return Err(Error::Usage(format!("logits of {width} numbers, the model has {:?}", lm_head.dims())));
    }
    let mut y = vec![0.0; rows * vocab];
    let hidden = hidden.contiguous()?;
    let (x, w) = (Slice::lock(&hidden)?, Slice::lock(lm_head)?);
    if rows > 0 {
        linear(x.get(), width, [Product { w: w.get(), bias: None, y: &mut y }]);
    }
    Ok(Tensor::from_vec(y, (rows, vocab), hidden.device())?)
}

fn compute(
    model: &Model,
    chunks: &[Chunk<'_>],
    positions: &[usize],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Computed> {
    let b = model.backbone();
    let (hidden, dim, kv_heads) = (b.hidden_size, b.head_dim, b.num_kv_heads);
    let group = b.num_heads / kv_heads;
    let (q_width, kv_width, inner) = (b.num_heads * dim, kv_heads * dim, b.intermediate_size);
    let n = positions.len();
    let tables: Vec<_> = model.ropes.iter().map(|r| r.tables(positions)).collect();

    let segments = Segments::lock(chunks)?;
    let mut own: Vec<Vec<f32>> =
        chunks.iter().map(|c| vec![0.0; b.layers.len() * 2 * kv_width * c.ids.len()]).collect();

    let mut x = embeddings(model, chunks)?;
    let mut h = vec![0.0; n * hidden];
    let mut y = vec![0.0; n * hidden];
    let (mut q, mut k, mut v) = (vec![0.0; n * q_width], vec![0.0; n * kv_width], vec![0.0; n * kv_width]);
    let (mut packed, mut attended) = (vec![0.0; n * q_width], vec![0.0; n * q_width]);
    let (mut gate, mut up) = (vec![0.0; n * inner], vec![0.0; n * inner]);

    for (index, layer) in model.layers.iter().enumerate() {
        if stop() {
            return Err(Error::Cancelled);
        }
        let weights = LayerView::lock(layer)?;
        weights.input_norm.apply(&x, &mut h);
        linear(&h, hidden, [weights.q.to(&mut q), weights.k.to(&mut k), weights.v.to(&mut v)]);

        let (cos, sin) = model.rope_of(layer, &tables)?;
        let rotation = Rotation { norm: weights.k_norm(), cos, sin, scale: 1.0, dim };
        let scale = layer.rule.scale as f32;
        let q_rotation = Rotation { norm: weights.q_norm(), scale, ..rotation };
        let plane = 2 * kv_width * index;
        let mut at = 0;
        for (chunk, own) in chunks.iter().zip(&mut own) {
            let len = chunk.ids.len();
            let layer_kv = own.get_mut(plane * len..(plane + 2 * kv_width) * len).unwrap_or_default();
            let (keys, values) = layer_kv.split_at_mut(kv_width * len);
            by_head(keys, len * dim, |head, plane| {
                let (stride, column, columns) = (kv_width, head * dim, dim);
                dispatch(Rotate { rotation, x: &k, stride, token: at, column, columns, out: plane });
            });
            by_head(values, len * dim, |head, plane| {
                for (row, out) in v.chunks(kv_width).skip(at).zip(plane.chunks_mut(dim)) {
                    out.copy_from_slice(row.get(head * dim..(head + 1) * dim).unwrap_or_default());
                }
            });
            let packed = packed.get_mut(at * q_width..(at + len) * q_width).unwrap_or_default();
            by_head(packed, len * group * dim, |head, plane| {
                let (stride, column, columns) = (q_width, head * group * dim, group * dim);
                dispatch(Rotate {
                    rotation: q_rotation,
                    x: &q,
                    stride,
                    token: at,
                    column,
                    columns,
                    out: plane,
                });
            });
            at += len;
        }

        let rows: Vec<Row<'_>> = chunks
            .iter()
            .zip(&own)
            .map(|(chunk, own)| {
                let len = chunk.ids.len();
                let mut runs = segments.runs(chunk, plane, dim);
                let planes = own.get(plane * len..).unwrap_or_default();
                runs.push(Run { planes, plane: len * dim, len });
                Row { runs, start: chunk.cache.len(), n: len }
            })
            .collect();
        let heads = Heads { kv: kv_heads, group, dim, rule: layer.rule };
        attention::attend(&rows, heads, &packed, &mut attended);
        drop(rows);
        unpack(chunks, &attended, group * dim, kv_heads, &mut q);

        linear(&q, q_width, [weights.o.to(&mut y)]);
        add_residual(&mut x, &y, weights.attention_norm.as_ref().map(NormGuard::view));
        weights.mlp_norm.apply(&x, &mut h);
        linear(&h, hidden, [weights.gate.to(&mut gate), weights.up.to(&mut up)]);
        glu(&mut gate, &up, layer.activation);
        linear(&gate, inner, [weights.down.to(&mut y)]);
        add_residual(&mut x, &y, weights.output_norm.as_ref().map(NormGuard::view));
    }

    NormGuard::lock(&model.norm)?.apply(&x, &mut h);
    let planes = b.layers.len() * 2 * kv_heads;
    let kv = chunks
        .iter()
        .zip(own)
        .map(|(chunk, own)| Tensor::from_vec(own, (planes, chunk.ids.len(), dim), model.device()));
    Ok(Computed {
        kv: kv.collect::<Result<_, _>>()?,
        hidden: Tensor::from_vec(h, (n, hidden), model.device())?,
    })
}

fn embeddings(model: &Model, chunks: &[Chunk<'_>]) -> Result<Vec<f32>> {
    let table = Slice::lock(&model.embedding)?;
    let width = model.backbone().hidden_size;
    let scale = model.backbone().embedding_scale.unwrap_or(1.0) as f32;
    let ids = chunks.iter().flat_map(|c| c.ids);
    let rows = ids.flat_map(|&id| {
        let row = table.get().get(id as usize * width..(id as usize + 1) * width).unwrap_or_default();
        row.iter().map(|x| x * scale)
    });
    Ok(rows.collect())
}

/// For each chunk `[kv_heads, n, width]` -> `[n, kv_heads, width]`.
fn unpack(chunks: &[Chunk<'_>], packed: &[f32], width: usize, kv_heads: usize, out: &mut [f32]) {
    let (mut packed, mut out) = (packed, out);
    for chunk in chunks.iter().filter(|c| !c.ids.is_empty()) {
        let len = chunk.ids.len();
        let (from, rest) = packed.split_at(len * kv_heads * width);
        let (to, out_rest) = out.split_at_mut(len * kv_heads * width);
        for (head, plane) in from.chunks(len * width).enumerate() {
            for (row, out) in plane.chunks(width).zip(to.chunks_mut(kv_heads * width)) {
                out.get_mut(head * width..(head + 1) * width).unwrap_or_default().copy_from_slice(row);
            }
        }
        (packed, out) = (rest, out_rest);
    }
}

/// `f(head, its numbers)` for all heads of `out`.
fn by_head(out: &mut [f32], plane: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if plane == 0 {
    } else if out.len() > ELEMENTS {
        out.par_chunks_mut(plane).enumerate().for_each(|(i, out)| f(i, out));
    } else {
        out.chunks_mut(plane).enumerate().for_each(|(i, out)| f(i, out));
    }
}

fn glu(gate: &mut [f32], up: &[f32], activation: crate::checkpoint::Activation) {
    if gate.len() > ELEMENTS {
        let pairs = gate.par_chunks_mut(ELEMENTS / 4).zip(up.par_chunks(ELEMENTS / 4));
        pairs.for_each(|(gate, up)| math::glu(gate, up, activation));
    } else {
        math::glu(gate, up, activation);
    }
}

/// A tensor's numbers, locked for reading.
struct Slice<'a> {
    storage: StorageRef<'a>,
    start: usize,
    len: usize,
}

impl<'a> Slice<'a> {
    fn lock(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            return Err(candle_core::Error::RequiresContiguous { op: "forward" }.into());
        };
        Ok(Self { storage, start, len: end - start })
    }

    fn get(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(all)) => {
                all.get(self.start..self.start + self.len).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

struct NormGuard<'a> {
    weight: Slice<'a>,
    eps: f64,
    plus_one: bool,
}

impl<'a> NormGuard<'a> {
    fn lock(norm: &'a Norm) -> Result<Self> {
        Ok(Self { weight: Slice::lock(&norm.weight)?, eps: norm.eps, plus_one: norm.plus_one })
    }

    fn view(&self) -> NormView<'_> {
        let offset = if self.plus_one { 1.0 } else { 0.0 };
        NormView { weight: self.weight.get(), eps: self.eps as f32, offset }
    }

    fn apply(&self, x: &[f32], out: &mut [f32]) {
        math::rms_norm(self.view(), x, out);
    }
}

struct ProjectionGuard<'a> {
    weight: Slice<'a>,
    bias: Option<Slice<'a>>,
}

impl<'a> ProjectionGuard<'a> {
    fn lock(p: &'a Projection) -> Result<Self> {
        let bias = p.bias.as_ref().map(Slice::lock).transpose()?;
        Ok(Self { weight: Slice::lock(&p.weight)?, bias })
    }

    fn to<'b>(&'b self, y: &'b mut [f32]) -> Product<'b> {
        Product { w: self.weight.get(), bias: self.bias.as_ref().map(Slice::get), y }
    }
}

/// One layer's weights, locked for reading.
struct LayerView<'a> {
    input_norm: NormGuard<'a>,
    q: ProjectionGuard<'a>,
    k: ProjectionGuard<'a>,
    v: ProjectionGuard<'a>,
    qk_norm: Option<(NormGuard<'a>, NormGuard<'a>)>,
    o: ProjectionGuard<'a>,
    attention_norm: Option<NormGuard<'a>>,
    mlp_norm: NormGuard<'a>,
    gate: ProjectionGuard<'a>,
    up: ProjectionGuard<'a>,
    down: ProjectionGuard<'a>,
    output_norm: Option<NormGuard<'a>>,
}

impl<'a> LayerView<'a> {
    fn lock(l: &'a LayerWeights) -> Result<Self> {
        let norm = |n: &'a Option<Norm>| n.as_ref().map(NormGuard::lock).transpose();
        let qk_norm = match &l.qk_norm {
            Some((q, k)) => Some((NormGuard::lock(q)?, NormGuard::lock(k)?)),
            None => None,
        };
        Ok(Self {
            input_norm: NormGuard::lock(&l.input_norm)?,
            q: ProjectionGuard::lock(&l.q)?,
            k: ProjectionGuard::lock(&l.k)?,
            v: ProjectionGuard::lock(&l.v)?,
            qk_norm,
            o: ProjectionGuard::lock(&l.o)?,
            attention_norm: norm(&l.attention_norm)?,
            mlp_norm: NormGuard::lock(&l.mlp_norm)?,
            gate: ProjectionGuard::lock(&l.gate)?,
            up: ProjectionGuard::lock(&l.up)?,
            down: ProjectionGuard::lock(&l.down)?,
            output_norm: norm(&l.output_norm)?,
        })
    }

    fn q_norm(&self) -> Option<NormView<'_>> {
        self.qk_norm.as_ref().map(|(q, _)| q.view())
    }

    fn k_norm(&self) -> Option<NormView<'_>> {
        self.qk_norm.as_ref().map(|(_, k)| k.view())
    }
}

/// The segments of all caches, each locked once however many caches share it.
struct Segments<'a>(HashMap<usize, Slice<'a>>);

impl<'a> Segments<'a> {
    fn lock(chunks: &'a [Chunk<'_>]) -> Result<Self> {
        let mut all = HashMap::new();
        for span in chunks.iter().flat_map(|c| c.cache.spans()) {
            if let std::collections::hash_map::Entry::Vacant(place) = all.entry(span.id) {
                place.insert(Slice::lock(span.kv)?);
            }
        }
        Ok(Self(all))
    }

    /// The cached runs of a chunk in one layer; `first` numbers per token stand before it.
    fn runs(&self, chunk: &Chunk<'_>, first: usize, dim: usize) -> Vec<Run<'_>> {
        let runs = chunk.cache.spans().filter_map(|span| {
            let plane = span.capacity * dim;
            let planes = self.0.get(&span.id)?.get().get(first * span.capacity..)?;
            Some(Run { planes, plane, len: span.len })
        });
        runs.collect()
    }
}
