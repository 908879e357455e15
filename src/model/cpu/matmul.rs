//! Matrix products on slices: `y = x @ w^T + bias`.
//!
//! Few rows are bound by reading the weights: own dot products, the weights dealt out to all cores. Many rows go to `gemm`.

use rayon::prelude::*;

use super::simd::{Dots, dispatch};
use crate::model::ops::kernel::{Mat, product};

/// Up to this many rows the dot products are faster than packing for gemm.
const FEW_ROWS: usize = 48;
/// A task reads at least this many weights (256 KiB).
const TASK: usize = 1 << 16;

/// One matrix applied to the common input. `w`: `[out, k]`, `y`: `[n, out]`.
pub(super) struct Product<'a> {
    pub w: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub y: &'a mut [f32],
}

/// All products of the same `x` (`[n, k]`).
pub(super) fn linear<const P: usize>(x: &[f32], k: usize, products: [Product<'_>; P]) {
    let n = x.len() / k;
    if n <= FEW_ROWS {
        few_rows(x, k, products);
        return;
    }
    for Product { w, bias, y } in products {
        let out = w.len() / k;
        product((n, k, out), Mat::rows(x, k), Mat::rows(w, k).t(), y, out, false, true);
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

fn few_rows<const P: usize>(x: &[f32], k: usize, mut products: [Product<'_>; P]) {
    let n = x.len() / k;
    let total: usize = products.iter().map(|p| p.w.len()).sum();
    let threads = rayon::current_num_threads();
    let rows = (TASK.max(total / (8 * threads)) / k).next_multiple_of(4);
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
        dispatch(Dots { x, w, k, put: |j, i, dot| set(y, j * n + i, dot) });
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
