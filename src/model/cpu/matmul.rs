//! Matrix products on slices: `y = x @ w^T + bias`.
//!
//! Few rows are bound by reading the weights: own dot products, the weights dealt out to all cores. Some rows lie in the
//! lanes of vectors, so that nothing is summed across lanes. Many rows go to `gemm`.

use rayon::prelude::*;

use super::simd::{Dots, Lanes, dispatch, pack, panel};
use crate::model::ops::kernel::{Mat, product};

/// Up to this many rows dot products are fastest.
const FEW_ROWS: usize = 12;
/// Up to this many rows, rows in lanes are faster than packing for gemm.
const SOME_ROWS: usize = 48;
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
        few_rows(x, k, products, parallel);
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

/// Some rows of `w` and where their results go: `[rows, n]`.
struct Task<'a> {
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

fn few_rows<const P: usize>(x: &[f32], k: usize, mut products: [Product<'_>; P], parallel: bool) {
    let n = x.len() / k;
    if n == 0 {
        return;
    }
    let total: usize = products.iter().map(|p| p.w.len()).sum();
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let rows = (TASK.max(total / (8 * threads)) / k).next_multiple_of(8);
    let packed = if n > FEW_ROWS { pack(x, k, panel()) } else { Vec::new() };
    let mut transposed: Vec<Vec<f32>> = Vec::new();
    if n > 1 {
        transposed.extend(products.iter().map(|p| vec![0.0; p.y.len()]));
    }
    let outputs = products.iter_mut().map(|p| (p.w, p.bias, &mut *p.y));
    let tasks = |(w, bias, y): (_, Option<_>, _)| tasks(w, bias, y, k, n, rows);
    let tasks: Vec<Task<'_>> = if n > 1 {
        outputs
            .zip(&mut transposed)
            .flat_map(|((w, bias, _), y)| tasks((w, bias, y.as_mut_slice())))
            .collect()
    } else {
        outputs.flat_map(tasks).collect()
    };
    let run = |task: Task<'_>| {
        let Task { w, bias, y } = task;
        if n > FEW_ROWS {
            dispatch(Lanes { x: &packed, n, w, k, y });
        } else {
            dispatch(Dots { x, w, k, put: |j, i, dot| set(y, j * n + i, dot) });
        }
        if let Some(bias) = bias {
            y.chunks_mut(n).zip(bias).for_each(|(y, b)| y.iter_mut().for_each(|y| *y += b));
        }
    };
    if threads > 1 && total * n > TASK {
        tasks.into_par_iter().with_max_len(1).for_each(run);
    } else {
        tasks.into_iter().for_each(run);
    }
    for (product, t) in products.into_iter().zip(&transposed) {
        let out = t.len() / n;
        for (i, row) in product.y.chunks_mut(out).enumerate() {
            row.iter_mut().zip(t.iter().skip(i).step_by(n)).for_each(|(y, t)| *y = *t);
        }
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
