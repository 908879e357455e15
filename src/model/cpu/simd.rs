//! Vector kernels, compiled for several instruction sets and chosen at run time.

use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

/// Runs `op` with the widest vectors this processor has.
#[inline]
pub(super) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use pulp::x86::{V3, V4};
        static LEVELS: OnceLock<(Option<V4>, Option<V3>)> = OnceLock::new();
        match *LEVELS.get_or_init(|| (V4::try_new(), V3::try_new())) {
            (Some(v4), _) => return Simd::vectorize(v4, op),
            (_, Some(v3)) => return Simd::vectorize(v3, op),
            _ => {}
        }
    }
    static ARCH: OnceLock<Arch> = OnceLock::new();
    ARCH.get_or_init(Arch::new).dispatch(op)
}

/// Calls `put(j, i, x_i . w_j)` for all rows of `x` (`[n, k]`) and `w` (`[_, k]`); meant for few rows of `x`.
pub(super) struct Dots<'a, F> {
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub k: usize,
    pub put: F,
}

impl<F: FnMut(usize, usize, f32)> WithSimd for Dots<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, k, mut put } = self;
        if x.len() == k {
            for (block, rows) in w.chunks(4 * k).enumerate() {
                let dots = four_by_one(simd, quad(rows, k), x);
                for (j, dot) in dots.into_iter().enumerate().take(rows.len() / k) {
                    put(4 * block + j, 0, dot);
                }
            }
            return;
        }
        if x.len() == 2 * k {
            let (x0, x1) = x.split_at(k);
            for (block, rows) in w.chunks(4 * k).enumerate() {
                for (i, dots) in two_by_four(simd, x0, x1, quad(rows, k)).into_iter().enumerate() {
                    for (j, dot) in dots.into_iter().enumerate().take(rows.len() / k) {
                        put(4 * block + j, i, dot);
                    }
                }
            }
            return;
        }
        for (w_block, w_rows) in w.chunks(2 * k).enumerate() {
            let (w0, w1) = w_rows.split_at(k);
            let w1 = if w1.is_empty() { w0 } else { w1 };
            for (x_block, x_rows) in x.chunks(4 * k).enumerate() {
                let dots = two_by_four(simd, w0, w1, quad(x_rows, k));
                for (j, dots) in dots.into_iter().enumerate().take(w_rows.len() / k) {
                    for (i, dot) in dots.into_iter().enumerate().take(x_rows.len() / k) {
                        put(2 * w_block + j, 4 * x_block + i, dot);
                    }
                }
            }
        }
    }
}

/// Rows that [`Lanes`] takes at once: two vectors of them, each row in a lane of its own.
pub(super) fn panel() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    dispatch(Width)
}

/// `x` (`[n, k]`) as [`Lanes`] reads it: panels of `[k, panel]`, the last one filled up with zeros.
pub(super) fn pack(x: &[f32], k: usize, panel: usize) -> Vec<f32> {
    let mut packed = vec![0.0; (x.len() / k).next_multiple_of(panel) * k];
    for (rows, packed) in x.chunks(panel * k).zip(packed.chunks_mut(panel * k)) {
        for (lane, row) in rows.chunks(k).enumerate() {
            packed.iter_mut().skip(lane).step_by(panel).zip(row).for_each(|(to, from)| *to = *from);
        }
    }
    packed
}

/// `y_ji = x_i . w_j` for a batch: no sum across lanes, however short the rows are.
pub(super) struct Lanes<'a> {
    /// By [`pack`].
    pub x: &'a [f32],
    /// Rows of `x`.
    pub n: usize,
    /// `[_, k]`.
    pub w: &'a [f32],
    pub k: usize,
    /// `[rows of w, n]`.
    pub y: &'a mut [f32],
}

impl WithSimd for Lanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES < 16 { self.run::<S, 4>(simd) } else { self.run::<S, 8>(simd) }
    }
}

impl Lanes<'_> {
    /// `J` rows of `w` at a time, as many as there are registers for.
    #[inline(always)]
    fn run<S: Simd, const J: usize>(self, simd: S) {
        let Self { x, n, w, k, y } = self;
        let panel = 2 * S::F32_LANES;
        for (first, x) in (0..n).step_by(panel).zip(x.chunks(panel * k)) {
            let pairs = S::as_simd_f32s(x).0.as_chunks::<2>().0;
            let count = panel.min(n - first);
            for (w, y) in w.chunks(J * k).zip(y.chunks_mut(J * n)) {
                let last = w.len() / k - 1;
                let w: [&[f32]; J] = std::array::from_fn(|j| {
                    let j = j.min(last);
                    w.get(j * k..(j + 1) * k).unwrap_or_default()
                });
                if count > S::F32_LANES {
                    store(simd, tile::<S, J, 2>(simd, w, pairs), y, n, first, count);
                } else {
                    store(simd, tile::<S, J, 1>(simd, w, pairs), y, n, first, count);
                }
            }
        }
    }
}

/// Rows of `w` times the first `V` vectors of each pair.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "rows are cut to the number of pairs first; the rest is constant")]
fn tile<S: Simd, const J: usize, const V: usize>(
    simd: S,
    w: [&[f32]; J],
    pairs: &[[S::f32s; 2]],
) -> [[S::f32s; V]; J] {
    let k = pairs.len();
    let w = w.map(|row| &row[..k]);
    let mut sums = [[simd.splat_f32s(0.0); V]; J];
    for (p, x) in pairs.iter().enumerate() {
        for j in 0..J {
            let factor = simd.splat_f32s(w[j][p]);
            for v in 0..V {
                sums[j][v] = simd.mul_add_e_f32s(factor, x[v], sums[j][v]);
            }
        }
    }
    sums
}

/// Columns `first..first + count` of each row of `y` (`[_, n]`).
#[inline(always)]
fn store<S: Simd, const J: usize, const V: usize>(
    simd: S,
    sums: [[S::f32s; V]; J],
    y: &mut [f32],
    n: usize,
    first: usize,
    count: usize,
) {
    for (sums, y) in sums.into_iter().zip(y.chunks_mut(n)) {
        let columns = y.get_mut(first..first + count).unwrap_or_default();
        for (sum, y) in sums.into_iter().zip(columns.chunks_mut(S::F32_LANES)) {
            simd.partial_store_f32s(y, sum);
        }
    }
}

/// One to four rows as four, the last one repeated.
#[inline(always)]
fn quad(rows: &[f32], k: usize) -> [&[f32]; 4] {
    let mut all = [rows; 4];
    let mut rest = rows;
    for row in &mut all {
        if rest.len() > k {
            (*row, rest) = rest.split_at(k);
        } else {
            *row = rest;
        }
    }
    all
}

#[inline(always)]
fn four_by_one<S: Simd>(simd: S, w: [&[f32]; 4], x: &[f32]) -> [f32; 4] {
    let [w0, w1, w2, w3] = w.map(S::as_simd_f32s);
    let (xs, x_tail) = S::as_simd_f32s(x);
    let zero = simd.splat_f32s(0.0);
    let [mut a0, mut a1, mut a2, mut a3] = [zero; 4];
    for ((((x, w0), w1), w2), w3) in xs.iter().zip(w0.0).zip(w1.0).zip(w2.0).zip(w3.0) {
        a0 = simd.mul_add_e_f32s(*x, *w0, a0);
        a1 = simd.mul_add_e_f32s(*x, *w1, a1);
        a2 = simd.mul_add_e_f32s(*x, *w2, a2);
        a3 = simd.mul_add_e_f32s(*x, *w3, a3);
    }
    let sum = |a, tail| simd.reduce_sum_f32s(a) + scalar_dot(x_tail, tail);
    [sum(a0, w0.1), sum(a1, w1.1), sum(a2, w2.1), sum(a3, w3.1)]
}

#[inline(always)]
fn two_by_four<S: Simd>(simd: S, w0: &[f32], w1: &[f32], x: [&[f32]; 4]) -> [[f32; 4]; 2] {
    let [x0, x1, x2, x3] = x.map(S::as_simd_f32s);
    let (w0, w0_tail) = S::as_simd_f32s(w0);
    let (w1, w1_tail) = S::as_simd_f32s(w1);
    let zero = simd.splat_f32s(0.0);
    let ([mut a0, mut a1, mut a2, mut a3], [mut b0, mut b1, mut b2, mut b3]) = ([zero; 4], [zero; 4]);
    let rows = w0.iter().zip(w1).zip(x0.0).zip(x1.0).zip(x2.0).zip(x3.0);
    for (((((w0, w1), x0), x1), x2), x3) in rows {
        a0 = simd.mul_add_e_f32s(*x0, *w0, a0);
        a1 = simd.mul_add_e_f32s(*x1, *w0, a1);
        a2 = simd.mul_add_e_f32s(*x2, *w0, a2);
        a3 = simd.mul_add_e_f32s(*x3, *w0, a3);
        b0 = simd.mul_add_e_f32s(*x0, *w1, b0);
        b1 = simd.mul_add_e_f32s(*x1, *w1, b1);
        b2 = simd.mul_add_e_f32s(*x2, *w1, b2);
        b3 = simd.mul_add_e_f32s(*x3, *w1, b3);
    }
    let sum = |a, x_tail, w_tail| simd.reduce_sum_f32s(a) + scalar_dot(x_tail, w_tail);
    [
        [sum(a0, x0.1, w0_tail), sum(a1, x1.1, w0_tail), sum(a2, x2.1, w0_tail), sum(a3, x3.1, w0_tail)],
        [sum(b0, x0.1, w1_tail), sum(b1, x1.1, w1_tail), sum(b2, x2.1, w1_tail), sum(b3, x3.1, w1_tail)],
    ]
}

#[inline(always)]
fn scalar_dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `out += sum_j weights_j * v_j`; `v`: `[_, k]`, `out`: `[k]`.
pub(super) struct WeightedSum<'a> {
    pub weights: &'a [f32],
    pub v: &'a [f32],
    pub out: &'a mut [f32],
}

impl WithSimd for WeightedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { weights, v, out } = self;
        let k = out.len();
        for (p, rows) in weights.chunks(4).zip(v.chunks(4 * k)) {
            if let &[p0, p1, p2, p3] = p {
                let [v0, v1, v2, v3] = quad(rows, k);
                for ((((o, v0), v1), v2), v3) in out.iter_mut().zip(v0).zip(v1).zip(v2).zip(v3) {
                    *o += p0 * v0 + p1 * v1 + (p2 * v2 + p3 * v3);
                }
            } else {
                for (p, row) in p.iter().zip(rows.chunks(k)) {
                    out.iter_mut().zip(row).for_each(|(o, v)| *o += p * v);
                }
            }
        }
    }
}
