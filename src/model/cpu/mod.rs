//! The fast path on the processor in f32: the whole decoder on plain slices, no tensor made between embedding and result.
//!
//! Equal to [`super::Model::forward_packed`] within rounding (tests/model). Weights and cached keys are read where they
//! lie; the caches themselves are not touched here.

mod attention;
mod math;
mod matmul;
mod simd;

use std::{cell::Cell, collections::HashMap};

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
/// Models up to this many parameters stay in the cores' caches: rows are dealt out to the cores, not weights.
const CACHED: usize = 1 << 23;
/// So many tokens of rows that are computed side by side keep their intermediate values in a core's own cache.
const PART: usize = 128;
/// Element-wise loops over fewer numbers stay on one core.
const ELEMENTS: usize = 1 << 15;

/// What [`forward`] computes.
pub(super) struct Computed {
    /// `[N, hidden]` after the final norm.
    pub hidden: Tensor,
    /// For each chunk `[layers * 2 * kv_heads, n, head_dim]`.
    pub kv: Vec<Tensor>,
}

/// What [`compute`] gives: as [`Computed`], in plain numbers.
struct Numbers {
    hidden: Vec<f32>,
    kv: Vec<Vec<f32>>,
}

/// Hidden states, keys and values of the chunks' tokens; `stop` is asked before each layer.
pub(super) fn forward(
    model: &Model,
    chunks: &[Chunk<'_>],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Computed> {
    let tokens = chunks.iter().map(|c| c.ids.len()).sum::<usize>();
    let parts = if tokens * model.parameters() < SERIAL {
        vec![compute(model, chunks, false, stop)?]
    } else if chunks.len() > 1 && model.parameters() <= CACHED {
        // One fork and one join for the whole pass. A part that is more than a core's share is helped by idle cores.
        let share = tokens.div_ceil(rayon::current_num_threads());
        let run = |part: &[Chunk<'_>]| {
            let large = part.iter().map(|c| c.ids.len()).sum::<usize>() > share;
            compute(model, part, large, stop)
        };
        let parts = parts(chunks, share.min(PART));
        parts.into_par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>>>()?
    } else {
        // Inside the pool its threads share the work at once; from outside each product would wake one to begin.
        let mut result = None;
        rayon::scope(|_| result = Some(compute(model, chunks, true, stop)));
        vec![result.unwrap_or(Err(Error::Cancelled))?]
    };
    let b = model.backbone();
    let mut hidden = Vec::with_capacity(tokens * b.hidden_size);
    let mut kv = Vec::with_capacity(chunks.len());
    for part in parts {
        hidden.extend_from_slice(&part.hidden);
        kv.extend(part.kv);
    }
    let planes = b.layers.len() * 2 * b.num_kv_heads;
    let kv = chunks
        .iter()
        .zip(kv)
        .map(|(chunk, kv)| Tensor::from_vec(kv, (planes, chunk.ids.len(), b.head_dim), model.device()));
    Ok(Computed {
        kv: kv.collect::<Result<_, _>>()?,
        hidden: Tensor::from_vec(hidden, (tokens, b.hidden_size), model.device())?,
    })
}

/// Neighbours together, as long as they have at most `size` tokens.
fn parts<'a, 'b>(chunks: &'a [Chunk<'b>], size: usize) -> Vec<&'a [Chunk<'b>]> {
    let (mut parts, mut rest) = (Vec::new(), chunks);
    while !rest.is_empty() {
        let mut tokens = 0;
        let fitting = rest.iter().take_while(|c| {
            tokens += c.ids.len();
            tokens <= size
        });
        let (part, later) = rest.split_at(fitting.count().max(1));
        parts.push(part);
        rest = later;
    }
    parts
}

/// `[M, hidden]` -> `[M, vocab]` without gradients.
pub(super) fn logits(hidden: &Tensor, lm_head: &Tensor) -> Result<Tensor> {
    let (rows, width) = hidden.dims2()?;
    let vocab = lm_head.dim(0)?;
    if lm_head.dim(1)? != width {
        return Err(Error::Usage(format!("logits of {width} numbers, the model has {:?}", lm_head.dims())));
    }
    let part = |x: &[f32], w: &[f32], y: &mut [f32], parallel: bool| {
        if !x.is_empty() {
            linear(x, width, [Product { w, bias: None, y }], parallel);
        }
    };
    let mut y = vec![0.0; rows * vocab];
    let hidden = hidden.contiguous()?;
    let (x, w) = (Slice::lock(&hidden)?, Slice::lock(lm_head)?);
    let (x, w) = (x.get(), w.get());
    if rows * w.len() < SERIAL / 4 {
        part(x, w, &mut y, false);
    } else if rows > 1 && w.len() <= CACHED {
        let share = rows.div_ceil(rayon::current_num_threads());
        let shares = x.par_chunks(share * width).zip(y.par_chunks_mut(share * vocab));
        shares.with_max_len(1).for_each(|(x, y)| part(x, w, y, false));
    } else {
        part(x, w, &mut y, true);
    }
    Ok(Tensor::from_vec(y, (rows, vocab), hidden.device())?)
}

/// Intermediate values of a pass, kept by each thread for the next one.
#[derive(Default)]
struct Scratch {
    x: Vec<f32>,
    h: Vec<f32>,
    y: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    packed: Vec<f32>,
    attended: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// The first `len` numbers, whatever they are.
fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    buffer.get_mut(..len).unwrap_or_default()
}

/// On all cores if `parallel`.
fn compute(
    model: &Model,
    chunks: &[Chunk<'_>],
    parallel: bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Numbers> {
    // Taken out: while this thread waits for others it may begin another part.
    let mut scratch = SCRATCH.take();
    let numbers = compute_in(&mut scratch, model, chunks, parallel, stop);
    SCRATCH.set(scratch);
    numbers
}

fn compute_in(
    scratch: &mut Scratch,
    model: &Model,
    chunks: &[Chunk<'_>],
    parallel: bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Numbers> {
    let b = model.backbone();
    let (hidden, dim, kv_heads) = (b.hidden_size, b.head_dim, b.num_kv_heads);
    let group = b.num_heads / kv_heads;
    let (q_width, kv_width, inner) = (b.num_heads * dim, kv_heads * dim, b.intermediate_size);
    let positions: Vec<usize> =
        chunks.iter().flat_map(|c| c.cache.len()..c.cache.len() + c.ids.len()).collect();
    let n = positions.len();
    let tables: Vec<_> = model.ropes.iter().map(|r| r.tables(&positions)).collect();

    let segments = Segments::lock(chunks)?;
    let mut own: Vec<Vec<f32>> =
        chunks.iter().map(|c| vec![0.0; b.layers.len() * 2 * kv_width * c.ids.len()]).collect();

    let x = room(&mut scratch.x, n * hidden);
    embed(model, chunks, x)?;
    let (h, y) = (room(&mut scratch.h, n * hidden), room(&mut scratch.y, n * hidden));
    let q = room(&mut scratch.q, n * q_width);
    let (k, v) = (room(&mut scratch.k, n * kv_width), room(&mut scratch.v, n * kv_width));
    let (packed, attended) =
        (room(&mut scratch.packed, n * q_width), room(&mut scratch.attended, n * q_width));
    let (gate, up) = (room(&mut scratch.gate, n * inner), room(&mut scratch.up, n * inner));

    for (index, layer) in model.layers.iter().enumerate() {
        if stop() {
            return Err(Error::Cancelled);
        }
        let weights = LayerView::lock(layer)?;
        weights.input_norm.apply(x, h);
        linear(h, hidden, [weights.q.to(q), weights.k.to(k), weights.v.to(v)], parallel);

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
            by_head(keys, len * dim, parallel, |head, plane| {
                let (stride, column, columns) = (kv_width, head * dim, dim);
                dispatch(Rotate { rotation, x: k, stride, token: at, column, columns, out: plane });
            });
            by_head(values, len * dim, parallel, |head, plane| {
                for (row, out) in v.chunks(kv_width).skip(at).zip(plane.chunks_mut(dim)) {
                    out.copy_from_slice(row.get(head * dim..(head + 1) * dim).unwrap_or_default());
                }
            });
            let packed = packed.get_mut(at * q_width..(at + len) * q_width).unwrap_or_default();
            by_head(packed, len * group * dim, parallel, |head, plane| {
                let (stride, column, columns) = (q_width, head * group * dim, group * dim);
                dispatch(Rotate {
                    rotation: q_rotation,
                    x: q,
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
        attention::attend(&rows, heads, packed, attended, parallel);
        drop(rows);
        unpack(chunks, attended, group * dim, kv_heads, q);

        linear(q, q_width, [weights.o.to(y)], parallel);
        add_residual(x, y, weights.attention_norm.as_ref().map(NormGuard::view));
        weights.mlp_norm.apply(x, h);
        linear(h, hidden, [weights.gate.to(gate), weights.up.to(up)], parallel);
        glu(gate, up, layer.activation, parallel);
        linear(gate, inner, [weights.down.to(y)], parallel);
        add_residual(x, y, weights.output_norm.as_ref().map(NormGuard::view));
    }

    NormGuard::lock(&model.norm)?.apply(x, h);
    Ok(Numbers { hidden: h.to_vec(), kv: own })
}

fn embed(model: &Model, chunks: &[Chunk<'_>], x: &mut [f32]) -> Result<()> {
    let table = Slice::lock(&model.embedding)?;
    let width = model.backbone().hidden_size;
    let scale = model.backbone().embedding_scale.unwrap_or(1.0) as f32;
    let ids = chunks.iter().flat_map(|c| c.ids);
    for (&id, x) in ids.zip(x.chunks_mut(width)) {
        let row = table.get().get(id as usize * width..(id as usize + 1) * width).unwrap_or_default();
        x.iter_mut().zip(row).for_each(|(x, value)| *x = value * scale);
    }
    Ok(())
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
fn by_head(out: &mut [f32], plane: usize, parallel: bool, f: impl Fn(usize, &mut [f32]) + Sync) {
    if plane == 0 {
    } else if parallel && out.len() > ELEMENTS {
        out.par_chunks_mut(plane).enumerate().for_each(|(i, out)| f(i, out));
    } else {
        out.chunks_mut(plane).enumerate().for_each(|(i, out)| f(i, out));
    }
}

fn glu(gate: &mut [f32], up: &[f32], activation: crate::checkpoint::Activation, parallel: bool) {
    if parallel && gate.len() > ELEMENTS {
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
