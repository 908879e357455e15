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

/// Asks for the line of memory `ahead` numbers after `from`, to lie in the second cache when it is read. Without it
/// several rows of weights at a time come from memory more slowly than they are multiplied.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint that reads nothing and cannot fault, whatever the address")]
fn ask_for(from: &[f32], ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.as_ptr().wrapping_add(ahead).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, ahead);
}

/// Numbers of a line of memory.
const LINE: usize = 16;

/// Calls `put(j, i, x_i . w_j)` for all rows of `x` (`[n, k]`) and `w` (`[_, k]`); meant for few rows of `x`.
///
/// The weights are read from front to back: so memory gives them half as fast again as several rows at a time.
pub(super) struct Dots<'a, F> {
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub k: usize,
    pub put: F,
}

/// So many rows of `x` are multiplied in one reading of the weights.
pub(super) const ROWS: usize = 5;

impl<F: FnMut(usize, usize, f32)> WithSimd for Dots<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, k, mut put } = self;
        let rows = x.len() / k;
        let part = rows.div_ceil(rows.div_ceil(ROWS).max(1)).max(1);
        for (block, x) in x.chunks(part * k).enumerate() {
            let put = |j: usize, i: usize, dot: f32| put(j, block * part + i, dot);
            match x.len() / k {
                1 => dots::<S, 1, 4>(simd, x, w, k, put),
                2 => dots::<S, 2, 4>(simd, x, w, k, put),
                3 => dots::<S, 3, 2>(simd, x, w, k, put),
                4 => dots::<S, 4, 2>(simd, x, w, k, put),
                _ => dots::<S, ROWS, 2>(simd, x, w, k, put),
            }
        }
    }
}

/// All products of `B` rows of `x` with those of `w`, in `U` sums each.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "rows have k numbers; the rest is constant")]
fn dots<S: Simd, const B: usize, const U: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    k: usize,
    mut put: impl FnMut(usize, usize, f32),
) {
    let x: [&[f32]; B] = std::array::from_fn(|i| &x[i * k..][..k]);
    let xs = x.map(|row| S::as_simd_f32s(row).0.as_chunks::<U>());
    let (blocks, vectors) = (xs[0].0.len(), xs[0].1.len());
    let tail = (blocks * U + vectors) * S::F32_LANES;
    let xs = xs.map(|(row, rest)| (&row[..blocks], &rest[..vectors]));
    for (j, w) in w.chunks_exact(k).enumerate() {
        let (ws, ws_rest) = S::as_simd_f32s(w).0.as_chunks::<U>();
        let (ws, ws_rest) = (&ws[..blocks], &ws_rest[..vectors]);
        let mut sums = [[simd.splat_f32s(0.0); B]; U];
        for (p, w) in ws.iter().enumerate() {
            for u in 0..U {
                for i in 0..B {
                    sums[u][i] = simd.mul_add_e_f32s(w[u], xs[i].0[p][u], sums[u][i]);
                }
            }
        }
        for (p, w) in ws_rest.iter().enumerate() {
            for i in 0..B {
                sums[0][i] = simd.mul_add_e_f32s(*w, xs[i].1[p], sums[0][i]);
            }
        }
        for i in 0..B {
            let rest: f32 = w[tail..].iter().zip(&x[i][tail..]).map(|(w, x)| w * x).sum();
            let sum = sums.iter().skip(1).fold(sums[0][i], |sum, more| simd.add_f32s(sum, more[i]));
            put(j, i, simd.reduce_sum_f32s(sum) + rest);
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
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panel = vectors::<S>() * S::F32_LANES;
        // One panel is read from the second cache in any case: longer pieces of the weights come faster from memory.
        let columns = if self.n <= panel { COLUMNS * 4 } else { COLUMNS };
        for from in (0..self.k).step_by(columns) {
            let columns = from..(from + columns).min(self.k);
            for (first, x) in (0..self.n).step_by(panel).zip(self.x.chunks(panel * self.k)) {
                let count = panel.min(self.n - first);
                let part = Part { x, rows: first..first + count, columns: columns.clone() };
                // As many rows of weights as there are registers for their sums.
                match (vectors::<S>(), count.div_ceil(S::F32_LANES)) {
                    (2, 1) => self.run::<S, 8, 2, 1>(simd, part),
                    (2, _) => self.run::<S, 4, 2, 2>(simd, part),
                    (_, 1) => self.run::<S, 8, 4, 1>(simd, part),
                    (_, 2) => self.run::<S, 8, 4, 2>(simd, part),
                    (_, 3) => self.run::<S, 6, 4, 3>(simd, part),
                    _ => self.run::<S, 6, 4, 4>(simd, part),
                }
            }
        }
    }
}

/// A panel's rows and the columns of them that are multiplied.
struct Part<'a> {
    x: &'a [f32],
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Lanes<'_> {
    /// `J` rows of `w` at a time with the first `V` of a panel's `P` vectors.
    #[inline(always)]
    fn run<S: Simd, const J: usize, const P: usize, const V: usize>(&mut self, simd: S, part: Part<'_>) {
        let Part { x, rows, columns } = part;
        let (k, stride) = (self.k, self.stride);
        let x = S::as_simd_f32s(x).0.as_chunks::<P>().0;
        let x = x.get(columns.clone()).unwrap_or_default();
        for (w, y) in self.w.chunks(J * k).zip(self.y.chunks_mut(J * stride)) {
            let last = w.len() / k - 1;
            let w: [&[f32]; J] = std::array::from_fn(|j| {
                let row = j.min(last) * k;
                w.get(row + columns.start..row + columns.end).unwrap_or_default()
            });
            let place = Place { y, stride, columns: rows.clone(), add: columns.start > 0 };
            // The tile after the next one, unless rows are so long that the processor itself sees what comes.
            let ahead = (columns.len() == k).then_some(2 * J * k);
            place.store(simd, tile::<S, J, P, V>(simd, w, x, ahead));
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
    ahead: Option<usize>,
) -> [[S::f32s; V]; J] {
    let w = w.map(|row| &row[..x.len()]);
    let mut sums = [[simd.splat_f32s(0.0); V]; J];
    // As many lines as these rows are, one after the other.
    let (ahead, lines) = ahead.map_or((0, 0), |ahead| (ahead, x.len() * J / LINE));
    for (p, x) in x.iter().enumerate() {
        // Never so: a panel of P vectors is not asked for more.
        let Some(x) = x.first_chunk::<V>() else { break };
        if p < lines {
            ask_for(w[0], ahead + p * LINE);
        }
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
