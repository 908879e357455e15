//! Matrix products on slices: `y = x @ w^T + bias`.
//!
//! Few rows are bound by reading the weights: own dot products, the weights dealt out to all cores. Many rows go to `gemm`.
#![allow(
    unsafe_code,
    reason = "gemm has no safe interface; every call here checks the extents of its slices first"
)]

use gemm::Parallelism;
use rayon::prelude::*;

use super::simd::{Dots, dispatch};

/// Up to this many rows the dot products are faster than packing for gemm.
const FEW_ROWS: usize = 8;
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
        gemm(Matrix::rows(x, k), Matrix::rows(w, k).t(), y, out, false, Parallelism::Rayon(0));
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

/// A view of `rows x columns` numbers, `row_stride` and `column_stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, one after the other.
    pub fn rows(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    /// The first `columns` numbers of rows that are `row_stride` apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// Transposed.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn fits(&self) -> bool {
        extent(self.rows, self.columns, self.row_stride, self.column_stride) <= self.data.len()
    }
}

fn extent(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 }
}

/// `y = a @ b`, or `y += a @ b` if `add`; `y`: `[a.rows, b.columns]`, rows `row_stride` apart.
pub(super) fn gemm(
    a: Matrix<'_>,
    b: Matrix<'_>,
    y: &mut [f32],
    row_stride: usize,
    add: bool,
    parallelism: Parallelism,
) {
    let fits = a.columns == b.rows
        && a.fits()
        && b.fits()
        && b.columns <= row_stride
        && extent(a.rows, b.columns, row_stride, 1) <= y.len();
    assert!(fits, "matrix product of slices that are too short");
    // SAFETY: all three extents were just checked against their slices, and `y` is borrowed exclusively.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            y.as_mut_ptr(),
            1,
            row_stride as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
