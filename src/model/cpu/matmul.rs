//! Matrix products on slices: `y = x @ w^T + bias`.
//!
//! Few rows are bound by reading the weights: own dot products, the weights dealt out to all cores. Some rows lie in the
//! lanes of vectors, so that nothing is summed across lanes and no weight is copied. Many rows go to `gemm`.

use std::cell::Cell;

use rayon::prelude::*;

use super::simd::{Dots, Lanes, ROWS, dispatch, pack, width};
use crate::model::ops::kernel::{Mat, product};

/// Up to this many rows, rows in lanes are faster than packing the weights for gemm.
const SOME_ROWS: usize = 448;
/// So many rows beyond full vectors are cheaper as dot products, where rows are at least [`LONG`].
const REST: usize = 8;
const LONG: usize = 256;
/// A task reads at least this many weights (256 KiB).
const TASK: usize = 1 << 16;

/// One matrix applied to the common input. `w`: `[out, k]`, `y`: `[n, out]`.
pub(super) struct Product<'a> {
    pub w: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub y: &'a mut [f32],
}

/// All products of the same `x` (`[n, k]`), on all cores if `parallel`.
pub(super) fn linear<const P: usize>(x: &[f32], k: usize, products: [Product<'_>; P], parallel: bool) {
    let n = x.len() / k;
    if n <= SOME_ROWS {
        // Taken out: while this thread waits for others it may begin another product.
        let mut scratch = SCRATCH.take();
        few_rows(x, k, products, parallel, &mut scratch);
        SCRATCH.set(scratch);
        return;
    }
    for Product { w, bias, y } in products {
        let out = w.len() / k;
        product((n, k, out), Mat::rows(x, k), Mat::rows(w, k).t(), y, out, false, parallel);
        if let Some(bias) = bias {
            y.chunks_mut(out).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
        }
    }
}

/// Packed rows and transposed results, kept by each thread for its next product.
#[derive(Default)]
struct Scratch {
    packed: Vec<f32>,
    transposed: Vec<f32>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Some rows of `w` and where their results go: `[rows, n]`.
struct Task<'a> {
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

fn few_rows<const P: usize>(
    x: &[f32],
    k: usize,
    mut products: [Product<'_>; P],
    parallel: bool,
    scratch: &mut Scratch,
) {
    let n = x.len() / k;
    if n == 0 {
        return;
    }
    let total: usize = products.iter().map(|p| p.w.len()).sum();
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let rows = (TASK.max(total / (8 * threads)) / k).next_multiple_of(24);
    let Scratch { packed, transposed } = scratch;
    let (in_lanes, rest) = x.split_at(k * in_lanes(n, k));
    if !in_lanes.is_empty() {
        pack(in_lanes, k, width().panel, packed);
    }
    let (packed, in_lanes) = (packed.as_slice(), in_lanes.len() / k);
    if n > 1 {
        let size = products.iter().map(|p| p.y.len()).sum();
        if transposed.len() < size {
            transposed.resize(size, 0.0);
        }
    }
    let mut free = transposed.as_mut_slice();
    let mut all: Vec<Task<'_>> = Vec::new();
    for p in &mut products {
        if n > 1 {
            let (y, later) = std::mem::take(&mut free).split_at_mut(p.y.len());
            free = later;
            all.extend(tasks(p.w, p.bias, y, k, n, rows));
        } else {
            all.extend(tasks(p.w, p.bias, p.y, k, n, rows));
        }
    }
    let run = |task: Task<'_>| {
        let Task { w, bias, y } = task;
        if in_lanes > 0 {
            dispatch(Lanes { x: packed, n: in_lanes, w, k, y, stride: n });
        }
        if !rest.is_empty() {
            dispatch(Dots { x: rest, w, k, put: |j, i, dot| set(y, j * n + in_lanes + i, dot) });
        }
        if let Some(bias) = bias {
            y.chunks_mut(n).zip(bias).for_each(|(y, b)| y.iter_mut().for_each(|y| *y += b));
        }
    };
    let parallel = threads > 1 && total * n > TASK;
    if parallel {
        all.into_par_iter().with_max_len(1).for_each(run);
    } else {
        all.into_iter().for_each(run);
    }
    if n > 1 {
        let mut from = transposed.as_slice();
        for Product { y, .. } in products {
            let (own, later) = from.split_at(y.len());
            from = later;
            transpose(own, n, y, parallel);
        }
    }
}

/// How many of the rows go into lanes; the others are few.
fn in_lanes(n: usize, k: usize) -> usize {
    let lanes = width().lanes;
    let rest = n % lanes;
    if n <= ROWS {
        0
    } else if k >= LONG && n > lanes && rest <= REST {
        n - rest
    } else {
        n
    }
}

/// `[out, n]` -> `[n, out]`.
fn transpose(from: &[f32], n: usize, to: &mut [f32], parallel: bool) {
    /// Rows of `to` at a time: a line of the cache in `from`.
    const BLOCK: usize = 16;
    let out = to.len() / n;
    let block = |(index, to): (usize, &mut [f32])| {
        for (j, column) in from.chunks(n).enumerate() {
            let column = column.get(BLOCK * index..).unwrap_or_default();
            to.chunks_mut(out).zip(column).for_each(|(row, value)| set(row, j, *value));
        }
    };
    if parallel {
        to.par_chunks_mut(BLOCK * out).enumerate().for_each(block);
    } else {
        to.chunks_mut(BLOCK * out).enumerate().for_each(block);
    }
}

fn tasks<'a>(
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
    k: usize,
    n: usize,
    rows: usize,
) -> impl Iterator<Item = Task<'a>> {
    let biases = bias.map(|b| b.chunks(rows));
    let biases = biases.into_iter().flatten().map(Some).chain(std::iter::repeat(None));
    w.chunks(rows * k).zip(y.chunks_mut(rows * n)).zip(biases).map(|((w, y), bias)| Task { w, bias, y })
}

#[inline(always)]
fn set(y: &mut [f32], at: usize, value: f32) {
    if let Some(y) = y.get_mut(at) {
        *y = value;
    }
}
