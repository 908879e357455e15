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
        // Sixteen sums need as many registers.
        if S::F32_LANES < 16 { self.run::<S, 2>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl<F: FnMut(usize, usize, f32)> Dots<'_, F> {
    /// `A` rows of `w` at a time against four of `x`.
    #[inline(always)]
    fn run<S: Simd, const A: usize>(self, simd: S) {
        let Self { x, w, k, mut put } = self;
        if x.len() <= 2 * k {
            for (block, w) in w.chunks(4 * k).enumerate() {
                let mut put = |j: usize, i: usize, dot: f32| put(4 * block + j, i, dot);
                if x.len() == k {
                    dots::<S, 4, 1>(simd, w, x, k, &mut put);
                } else {
                    dots::<S, 4, 2>(simd, w, x, k, &mut put);
                }
            }
            return;
        }
        for (w_block, w) in w.chunks(A * k).enumerate() {
            for (x_block, x) in x.chunks(4 * k).enumerate() {
                let mut put = |j: usize, i: usize, dot: f32| put(A * w_block + j, 4 * x_block + i, dot);
                match x.len() / k {
                    1 => dots::<S, A, 1>(simd, w, x, k, &mut put),
                    2 => dots::<S, A, 2>(simd, w, x, k, &mut put),
                    _ => dots::<S, A, 4>(simd, w, x, k, &mut put),
                }
            }
        }
    }
}

/// All products of one to `A` rows of `w` and one to `B` rows of `x`.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "rows have k numbers; the rest is constant")]
fn dots<S: Simd, const A: usize, const B: usize>(
    simd: S,
    w: &[f32],
    x: &[f32],
    k: usize,
    put: &mut impl FnMut(usize, usize, f32),
) {
    let (w_rows, x_rows) = (w.len() / k, x.len() / k);
    // Missing rows repeat the last one.
    let w: [&[f32]; A] = std::array::from_fn(|j| &w[j.min(w_rows - 1) * k..][..k]);
    let x: [&[f32]; B] = std::array::from_fn(|i| &x[i.min(x_rows - 1) * k..][..k]);
    let vectors = S::as_simd_f32s(w[0]).0.len();
    let ws = w.map(|row| &S::as_simd_f32s(row).0[..vectors]);
    let xs = x.map(|row| &S::as_simd_f32s(row).0[..vectors]);
    let mut sums = [[simd.splat_f32s(0.0); B]; A];
    for p in 0..vectors {
        for j in 0..A {
            for i in 0..B {
                sums[j][i] = simd.mul_add_e_f32s(ws[j][p], xs[i][p], sums[j][i]);
            }
        }
    }
    let tail = vectors * S::F32_LANES;
    for j in 0..A.min(w_rows) {
        for i in 0..B.min(x_rows) {
            let rest: f32 = w[j][tail..].iter().zip(&x[i][tail..]).map(|(w, x)| w * x).sum();
            put(j, i, simd.reduce_sum_f32s(sums[j][i]) + rest);
        }
    }
}

/// So many columns of the weights at a time: a tile of them stays in the first cache, a panel of rows in the second.
const COLUMNS: usize = 256;

/// How [`Lanes`] divides rows of this processor: vectors hold `lanes` rows, panels `panel` of them.
#[derive(Clone, Copy)]
pub(super) struct Width {
    pub lanes: usize,
    pub panel: usize,
}

/// This processor's [`Width`].
pub(super) fn width() -> Width {
    struct Ask;
    impl WithSimd for Ask {
        type Output = Width;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> Width {
            Width { lanes: S::F32_LANES, panel: vectors::<S>() * S::F32_LANES }
        }
    }
    dispatch(Ask)
}

/// Vectors of a panel: their sums for several rows of weights fit the registers.
const fn vectors<S: Simd>() -> usize {
    if S::F32_LANES < 16 { 2 } else { 4 }
}

/// `x` (`[n, k]`) as [`Lanes`] reads it: panels of `[k, panel]`, the last one filled up with zeros.
pub(super) fn pack(x: &[f32], k: usize, panel: usize, packed: &mut Vec<f32>) {
    const BLOCK: usize = 16;
    packed.clear();
    packed.resize((x.len() / k).next_multiple_of(panel) * k, 0.0);
    // Some columns at a time, so that what is written stays in the first cache until its lines are full.
    for (rows, packed) in x.chunks(panel * k).zip(packed.chunks_mut(panel * k)) {
        for (from, packed) in (0..k).step_by(BLOCK).zip(packed.chunks_mut(panel * BLOCK)) {
            for (lane, row) in rows.chunks(k).enumerate() {
                let row = row.get(from..(from + BLOCK).min(k)).unwrap_or_default();
                packed.iter_mut().skip(lane).step_by(panel).zip(row).for_each(|(to, from)| *to = *from);
            }
        }
    }
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
    /// `[rows of w, stride]`, the first `n` of each row.
    pub y: &'a mut [f32],
    pub stride: usize,
}

impl WithSimd for Lanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if vectors::<S>() == 2 { self.run::<S, 4, 2>(simd) } else { self.run::<S, 6, 4>(simd) }
    }
}

impl Lanes<'_> {
    /// `J` rows of `w` at a time, as many as there are registers for, times panels of `P` vectors.
    #[inline(always)]
    fn run<S: Simd, const J: usize, const P: usize>(self, simd: S) {
        let Self { x, n, w, k, y, stride } = self;
        let panel = P * S::F32_LANES;
        for from in (0..k).step_by(COLUMNS) {
            let columns = from..(from + COLUMNS).min(k);
            for (first, x) in (0..n).step_by(panel).zip(x.chunks(panel * k)) {
                let x = S::as_simd_f32s(x).0.as_chunks::<P>().0;
                let x = x.get(columns.clone()).unwrap_or_default();
                let count = panel.min(n - first);
                for (w, y) in w.chunks(J * k).zip(y.chunks_mut(J * stride)) {
                    let last = w.len() / k - 1;
                    let w: [&[f32]; J] = std::array::from_fn(|j| {
                        let row = j.min(last) * k;
                        w.get(row + columns.start..row + columns.end).unwrap_or_default()
                    });
                    let place = Place { y, stride, columns: first..first + count, add: from > 0 };
                    match count.div_ceil(S::F32_LANES) {
                        1 => place.store(simd, tile::<S, J, P, 1>(simd, w, x)),
                        2 => place.store(simd, tile::<S, J, P, 2>(simd, w, x)),
                        3 => place.store(simd, tile::<S, J, P, 3>(simd, w, x)),
                        _ => place.store(simd, tile::<S, J, P, 4>(simd, w, x)),
                    }
                }
            }
        }
    }
}

/// Rows of `w` times the first `V` of `P` vectors of each column of `x`.
#[inline(always)]
#[allow(
    clippy::indexing_slicing,
    reason = "rows are cut to the number of columns first; the rest is constant"
)]
fn tile<S: Simd, const J: usize, const P: usize, const V: usize>(
    simd: S,
    w: [&[f32]; J],
    x: &[[S::f32s; P]],
) -> [[S::f32s; V]; J] {
    let w = w.map(|row| &row[..x.len()]);
    let mut sums = [[simd.splat_f32s(0.0); V]; J];
    for (p, x) in x.iter().enumerate() {
        // Never so: a panel of P vectors is not asked for more.
        let Some(x) = x.first_chunk::<V>() else { break };
        for j in 0..J {
            let factor = simd.splat_f32s(w[j][p]);
            for v in 0..V {
                sums[j][v] = simd.mul_add_e_f32s(factor, x[v], sums[j][v]);
            }
        }
    }
    sums
}

/// Where a tile's sums go: these columns of each row of `y`, added to what is there if `add`.
struct Place<'a> {
    y: &'a mut [f32],
    stride: usize,
    columns: std::ops::Range<usize>,
    add: bool,
}

impl Place<'_> {
    #[inline(always)]
    fn store<S: Simd, const J: usize, const V: usize>(self, simd: S, sums: [[S::f32s; V]; J]) {
        for (sums, y) in sums.into_iter().zip(self.y.chunks_mut(self.stride)) {
            let columns = y.get_mut(self.columns.clone()).unwrap_or_default();
            for (mut sum, y) in sums.into_iter().zip(columns.chunks_mut(S::F32_LANES)) {
                if self.add {
                    sum = simd.add_f32s(sum, simd.partial_load_f32s(y));
                }
                simd.partial_store_f32s(y, sum);
            }
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
