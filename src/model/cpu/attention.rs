//! Attention of ragged batches over cached spans, read where they lie.
//!
//! A task is one key head and a block of tokens of one chunk. Query heads of a group and the block's tokens are the
//! rows of one small matrix, so that keys and values are read once for all of them.

use rayon::prelude::*;

use super::{
    math::softmax,
    simd::{Dots, WeightedSum, dispatch},
};
use crate::model::ops::{
    AttentionRule,
    kernel::{Mat, product},
};

/// Rows of a task when a chunk is long.
const BLOCK_ROWS: usize = 64;
/// Up to this many rows, dot products are faster than gemm.
const FEW_ROWS: usize = 8;
/// Less work than this many multiplications stays on one core.
const SERIAL: usize = 1 << 17;

/// Keys and values of some tokens of one chunk, for one layer.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// From this layer's first key head on: planes of `plane` numbers; all key heads, then all value heads.
    pub planes: &'a [f32],
    pub plane: usize,
    /// Tokens that count, from the beginning of each plane.
    pub len: usize,
}

/// One chunk: its runs, oldest first; the last one holds the chunk's own tokens.
pub(super) struct Row<'a> {
    pub runs: Vec<Run<'a>>,
    /// Position of its first token.
    pub start: usize,
    /// Its tokens.
    pub n: usize,
}

/// Sizes of one layer's attention.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub kv: usize,
    /// Query heads to one key head.
    pub group: usize,
    pub dim: usize,
    pub rule: AttentionRule,
}

struct Task<'a> {
    row: &'a Row<'a>,
    head: usize,
    /// First token of the block within the chunk.
    first: usize,
    q: &'a [f32],
    out: &'a mut [f32],
}

/// `q` (scaled already) and `out`: for each row `[kv_heads, n, group, D]`, rows one after the other. On all cores if
/// `parallel`.
pub(super) fn attend(rows: &[Row<'_>], heads: Heads, mut q: &[f32], mut out: &mut [f32], parallel: bool) {
    let Heads { kv, group, dim, .. } = heads;
    let block = (BLOCK_ROWS / group).max(1);
    let mut tasks = Vec::new();
    let mut work = 0;
    for row in rows.iter().filter(|r| r.n > 0) {
        work += row.n * (row.start + row.n) * kv * group * dim;
        for head in 0..kv {
            let (head_q, q_rest) = q.split_at(row.n * group * dim);
            let (head_out, out_rest) = std::mem::take(&mut out).split_at_mut(row.n * group * dim);
            (q, out) = (q_rest, out_rest);
            let blocks =
                head_q.chunks(block * group * dim).zip(head_out.chunks_mut(block * group * dim)).enumerate();
            tasks.extend(blocks.map(|(i, (q, out))| Task { row, head, first: i * block, q, out }));
        }
    }
    if parallel && work > SERIAL {
        // The last blocks of a causal chunk see the most: largest first.
        tasks.reverse();
        tasks.into_par_iter().with_max_len(1).for_each_init(Vec::new, |scores, t| run(t, heads, scores));
    } else {
        let mut scores = Vec::new();
        tasks.into_iter().for_each(|t| run(t, heads, &mut scores));
    }
}

fn run(task: Task<'_>, heads: Heads, scores: &mut Vec<f32>) {
    let Task { row, head, first, q, out } = task;
    let Heads { group, dim, rule, .. } = heads;
    let rows = q.len() / dim;
    let begin = row.start + first;
    let end = begin + rows / group;
    let oldest = |position: usize| rule.window.map_or(0, |w| (position + 1).saturating_sub(w));
    let seen = oldest(begin);
    let width = end - seen;
    scores.clear();
    scores.resize(rows * width, 0.0);
    // The parts of the runs between `seen` and `end`: keys, values, and where their scores stand.
    let mut parts = Vec::with_capacity(row.runs.len());
    let mut at = 0;
    for r in &row.runs {
        let (from, to) = (seen.max(at), end.min(at + r.len));
        if from < to {
            let part = |plane: usize| {
                let offset = plane * r.plane;
                r.planes.get(offset + (from - at) * dim..offset + (to - at) * dim).unwrap_or_default()
            };
            parts.push((part(head), part(heads.kv + head), from - seen));
        }
        at += r.len;
    }

    for &(k, _, column) in &parts {
        if rows <= FEW_ROWS {
            let put = |j: usize, i: usize, dot: f32| {
                if let Some(score) = scores.get_mut(i * width + column + j) {
                    *score = dot;
                }
            };
            dispatch(Dots { x: q, w: k, k: dim, put });
        } else if let Some(scores) = scores.get_mut(column..) {
            let sizes = (rows, dim, k.len() / dim);
            product(sizes, Mat::rows(q, dim), Mat::rows(k, dim).t(), scores, width, false, false);
        }
    }

    let softcap = rule.softcap.map(|c| c as f32);
    for (i, scores) in scores.chunks_mut(width).enumerate() {
        let position = begin + i / group;
        let (hidden, rest) = scores.split_at_mut(oldest(position) - seen);
        let (scores, later) = rest.split_at_mut(position + 1 - oldest(position));
        hidden.fill(0.0);
        later.fill(0.0);
        softmax(scores, softcap);
    }

    for (index, &(_, v, column)) in parts.iter().enumerate() {
        let count = v.len() / dim;
        if rows <= FEW_ROWS {
            for (scores, out) in scores.chunks(width).zip(out.chunks_mut(dim)) {
                let weights = scores.get(column..column + count).unwrap_or_default();
                if index == 0 {
                    out.fill(0.0);
                }
                dispatch(WeightedSum { weights, v, out });
            }
        } else if let Some(scores) = scores.get(column..) {
            let weights = Mat::rows(scores, width);
            product((rows, count, dim), weights, Mat::rows(v, dim), out, dim, index > 0, false);
        }
    }
}
