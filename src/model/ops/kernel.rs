//! What the fused operations share: vector code chosen at run time, slices of tensors, matrix products on slices.

#![allow(clippy::indexing_slicing, reason = "numeric kernels; lengths are checked on entry")]

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};
use gemm::Parallelism;

/// Values a parallel task takes at once in an element-wise pass.
pub const CHUNK: usize = 16 * 1024;

/// Runs `f`, and what is inlined into it, compiled for the vector instructions this CPU has.
#[inline(always)]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(v4) = pulp::x86::V4::try_new() {
            return v4.vectorize(f);
        }
        if let Some(v3) = pulp::x86::V3::try_new() {
            return v3.vectorize(f);
        }
    }
    pulp::Arch::new().dispatch(f)
}

/// `e^x` within 2 ulp, NaN kept, arguments clamped to what f32 can hold.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer kept in the low bits
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, c);
    }
    let p = p.mul_add(r * r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(0x4b40_0000).wrapping_add(127);
    p * f32::from_bits((exponent as u32) << 23)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent, absolute error below 2e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

const LANES: usize = 16;

/// Sum of `f(i)` over `0..n` in a fixed order that vectorises.
#[inline(always)]
pub fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = n - n % LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
        i += LANES;
    }
    let mut total: f32 = lanes.iter().sum();
    while i < n {
        total += f(i);
        i += 1;
    }
    total
}

/// Sum of products.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len();
    let b = &b[..n];
    sum(n, |i| a[i] * b[i])
}

/// Largest value; NaN only if every value is.
#[inline(always)]
pub fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = a.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.iter().chain(chunks.remainder()).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Sum of `e^(x - max)`.
#[inline(always)]
pub fn sum_exp(a: &[f32], max: f32) -> f32 {
    sum(a.len(), |i| exp(a[i] - max))
}

/// Whether the fused kernels apply: f32 on the CPU.
pub fn applies(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == candle_core::DType::F32)
}

/// The values of a contiguous f32 operand.
pub fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("fused operations take contiguous f32 tensors")
    };
    Ok(&data[start..end])
}

/// Reads the values of a contiguous f32 CPU tensor.
pub fn with_values<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(cpu) => f(values(cpu, layout)?),
        _ => bail!("fused operations run on the CPU"),
    }
}

/// Reads the values of several contiguous f32 CPU tensors at once.
pub fn with_all<R>(tensors: &[&Tensor], f: &mut dyn FnMut(&[&[f32]]) -> Result<R>) -> Result<R> {
    fn go<R>(tensors: &[&Tensor], found: &[&[f32]], f: &mut dyn FnMut(&[&[f32]]) -> Result<R>) -> Result<R> {
        match tensors.split_first() {
            None => f(found),
            Some((first, rest)) => with_values(first, |data| go(rest, &[found, &[data]].concat(), f)),
        }
    }
    go(tensors, &[], f)
}

/// A matrix inside a slice: element (i, j) stands at `i * row + j * col`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    row: usize,
    col: usize,
}

impl<'a> Mat<'a> {
    /// Rows `stride` apart, columns side by side.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, col: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self { data: self.data, row: self.col, col: self.row }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        rows == 0 || cols == 0 || (rows - 1) * self.row + (cols - 1) * self.col < self.data.len()
    }
}

/// `out = a @ b`, added to what is there if `add`. `a`: m x k, `b`: k x n, `out`: m rows of n values, `out_stride`
/// apart. Uses the current rayon pool if `parallel`.
#[allow(unsafe_code, reason = "the gemm crate takes pointers; every extent is checked first")]
pub fn product(
    sizes: (usize, usize, usize),
    a: Mat<'_>,
    b: Mat<'_>,
    out: &mut [f32],
    out_stride: usize,
    add: bool,
    parallel: bool,
) {
    let (m, _, n) = sizes;
    assert!(
        m == 0 || n == 0 || (out_stride >= n && (m - 1) * out_stride + n <= out.len()),
        "result too short"
    );
    // SAFETY: the assert keeps every element inside `out`, which is borrowed exclusively.
    unsafe { product_into(sizes, a, b, out.as_mut_ptr(), out_stride, add, parallel) };
}

/// `a @ b` in a new vector, row-major, which is not set to zero first.
#[allow(unsafe_code, reason = "the gemm crate takes pointers; every extent is checked first")]
pub fn new_product(sizes: (usize, usize, usize), a: Mat<'_>, b: Mat<'_>, parallel: bool) -> Vec<f32> {
    let (m, k, n) = sizes;
    if m * k * n == 0 {
        return vec![0.0; m * n];
    }
    let mut out = Vec::with_capacity(m * n);
    // SAFETY: the capacity holds m rows of n; the product writes every element without reading it.
    unsafe {
        product_into(sizes, a, b, out.as_mut_ptr(), n, false, parallel);
        out.set_len(m * n);
    }
    out
}

/// # Safety
/// `out` must be valid for m rows of n values, `stride >= n` apart, and nobody else's; initialised if `add`.
#[allow(unsafe_code, reason = "the gemm crate takes pointers")]
unsafe fn product_into(
    (m, k, n): (usize, usize, usize),
    a: Mat<'_>,
    b: Mat<'_>,
    out: *mut f32,
    stride: usize,
    add: bool,
    parallel: bool,
) {
    assert!(a.holds(m, k) && b.holds(k, n), "operand too short");
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    let (ap, bp) = (a.data.as_ptr(), b.data.as_ptr());
    let stride_of = |x: usize| x as isize;
    let (ac, ar, bc, br) = (stride_of(a.col), stride_of(a.row), stride_of(b.col), stride_of(b.row));
    // SAFETY: the assert keeps every element read inside its slice; the caller vouches for `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            stride_of(stride),
            add,
            ap,
            ac,
            ar,
            bp,
            bc,
            br,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
