//! Agreement of annotators: raw, Cohen's kappa, Krippendorff's alpha; bootstrap intervals over units.
//!
//! Kappa: Cohen 1960, weighted as in Cohen 1968. Alpha: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::eval::statistics::Estimate;

/// What differences between values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Equal or not.
    Nominal,
    /// Ranks: how many values lie between.
    Ordinal,
    /// Distances.
    Interval,
    /// Distances relative to the size.
    Ratio,
}

/// How much a disagreement of two categories counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// All the same.
    Unweighted,
    /// By distance.
    Linear,
    /// By squared distance.
    Quadratic,
    /// `weights[i][j]` of category i against j; 0 on the diagonal.
    Given(Vec<Vec<f64>>),
}

impl Weights {
    fn of(&self, i: usize, j: usize) -> f64 {
        let distance = i.abs_diff(j) as f64;
        match self {
            Self::Unweighted => f64::from(u8::from(i != j)),
            Self::Linear => distance,
            Self::Quadratic => distance * distance,
            Self::Given(weights) => weights.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0),
        }
    }
}

/// Share of pairs of values that are equal, over all units and all pairs of their values; NaN without any.
pub fn raw(units: &[Vec<f64>]) -> f64 {
    let (mut same, mut all) = (0.0, 0.0);
    for unit in units {
        for (at, a) in unit.iter().enumerate() {
            for b in unit.iter().skip(at + 1) {
                all += 1.0;
                same += f64::from(u8::from(a == b));
            }
        }
    }
    same / all
}

/// Cohen's kappa of two annotators over categories `0..k`; NaN where chance alone explains all, or nothing is there.
pub fn kappa(pairs: &[(usize, usize)], k: usize, weights: &Weights) -> f64 {
    let mut table = vec![vec![0.0; k]; k];
    for (i, j) in pairs {
        if let Some(cell) = table.get_mut(*i).and_then(|row| row.get_mut(*j)) {
            *cell += 1.0;
        }
    }
    kappa_of(&table, weights)
}

/// [`kappa`] of a table of counts or shares: `table[i][j]`, category i of one annotator with j of the other.
pub fn kappa_of(table: &[Vec<f64>], weights: &Weights) -> f64 {
    let total: f64 = table.iter().flatten().sum();
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum()).collect();
    let column = |j: usize| table.iter().filter_map(|row| row.get(j)).sum::<f64>();
    let columns: Vec<f64> = (0..table.len()).map(column).collect();
    let (mut observed, mut expected) = (0.0, 0.0);
    for (i, (row, mine)) in table.iter().zip(&rows).enumerate() {
        for (j, (cell, other)) in row.iter().zip(&columns).enumerate() {
            let weight = weights.of(i, j);
            observed += weight * cell / total;
            expected += weight * mine * other / (total * total);
        }
    }
    1.0 - observed / expected
}

/// Krippendorff's alpha. A unit holds the values it was given, by any annotators; missing ones are left out, and units with
/// fewer than two count nothing. NaN where there is no variation, or nothing to compare.
pub fn alpha(units: &[Vec<f64>], level: Level) -> f64 {
    let values = values(units);
    let units: Vec<Coincidences> = units.iter().map(|unit| Coincidences::of(unit, &values)).collect();
    let all = units.iter().fold(Coincidences::none(values.len()), |sum, unit| sum.plus(unit, 1.0));
    all.alpha(&values, level)
}

fn values(units: &[Vec<f64>]) -> Vec<f64> {
    let mut values: Vec<f64> = units.iter().filter(|u| u.len() > 1).flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// The matrix of coincidences of a unit, or of many.
#[derive(Clone, Debug, PartialEq)]
struct Coincidences {
    size: usize,
    cells: Vec<f64>,
}

impl Coincidences {
    fn none(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    fn of(unit: &[f64], values: &[f64]) -> Self {
        let mut all = Self::none(values.len());
        if unit.len() < 2 {
            return all;
        }
        let place = |v: &f64| values.iter().position(|other| other == v);
        let places: Vec<usize> = unit.iter().filter_map(place).collect();
        let share = 1.0 / (unit.len() - 1) as f64;
        for (a, i) in places.iter().enumerate() {
            for (_, j) in places.iter().enumerate().filter(|(b, _)| *b != a) {
                if let Some(cell) = all.cells.get_mut(i * all.size + j) {
                    *cell += share;
                }
            }
        }
        all
    }

    fn plus(mut self, other: &Self, times: f64) -> Self {
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            *cell += more * times;
        }
        self
    }

    fn alpha(&self, values: &[f64], level: Level) -> f64 {
        let n: Vec<f64> = self.cells.chunks(self.size.max(1)).map(|row| row.iter().sum()).collect();
        let total: f64 = n.iter().sum();
        let (mut observed, mut expected) = (0.0, 0.0);
        for (c, (row, n_c)) in self.cells.chunks(self.size.max(1)).zip(&n).enumerate() {
            for (k, (o, n_k)) in row.iter().zip(&n).enumerate().skip(c + 1) {
                let apart = match (level, values.get(c), values.get(k)) {
                    (Level::Nominal, ..) => 1.0,
                    (Level::Ordinal, ..) => {
                        let between: f64 = n.iter().take(k + 1).skip(c).sum();
                        (between - (n_c + n_k) / 2.0).powi(2)
                    }
                    (Level::Interval, Some(a), Some(b)) => (a - b).powi(2),
                    (Level::Ratio, Some(a), Some(b)) => ((a - b) / (a + b)).powi(2),
                    _ => 0.0,
                };
                observed += o * apart;
                expected += n_c * n_k * apart;
            }
        }
        1.0 - (total - 1.0) * observed / expected
    }
}

/// A figure of units with its 95 % percentile bootstrap interval: units are drawn again with replacement. Resamples on which
/// the figure is no number are left out; `n` counts units with at least two values.
pub fn interval<U: Clone + PartialEq>(
    units: &[U],
    counts: impl Fn(&U) -> bool,
    resamples: usize,
    seed: u64,
    figure: impl Fn(&[U]) -> f64,
) -> Estimate {
    let units: Vec<U> = units.iter().filter(|u| counts(u)).cloned().collect();
    let n = units.len();
    let value = figure(&units);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<U> = Vec::with_capacity(n);
    let mut found: Vec<f64> = Vec::with_capacity(resamples);
    for _ in 0..if n > 1 { resamples } else { 0 } {
        drawn.clear();
        drawn.extend((0..n).filter_map(|_| units.get(rng.random_range(0..n)).cloned()));
        found.extend(Some(figure(&drawn)).filter(|f| f.is_finite()));
    }
    percentile(value, found, n)
}

/// [`alpha`] with its interval; as fast for many units as for few kinds of them.
pub fn alpha_with_interval(units: &[Vec<f64>], level: Level, resamples: usize, seed: u64) -> Estimate {
    let values = values(units);
    // Units with the same values are one kind.
    let mut kinds: Vec<(Vec<f64>, Coincidences)> = Vec::new();
    let mut which: Vec<usize> = Vec::new();
    for unit in units.iter().filter(|u| u.len() > 1) {
        let mut sorted = unit.clone();
        sorted.sort_by(f64::total_cmp);
        let kind = kinds.iter().position(|(known, _)| *known == sorted).unwrap_or_else(|| {
            let coincidences = Coincidences::of(&sorted, &values);
            kinds.push((sorted, coincidences));
            kinds.len() - 1
        });
        which.push(kind);
    }
    let of = |counts: &[f64]| {
        let all = kinds
            .iter()
            .zip(counts)
            .fold(Coincidences::none(values.len()), |sum, ((_, kind), times)| sum.plus(kind, *times));
        all.alpha(&values, level)
    };
    let count = |which: &mut dyn Iterator<Item = usize>| {
        let mut counts = vec![0.0; kinds.len()];
        for kind in which {
            if let Some(count) = counts.get_mut(kind) {
                *count += 1.0;
            }
        }
        counts
    };
    let n = which.len();
    let value = of(&count(&mut which.iter().copied()));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let resamples = if n > 1 { resamples } else { 0 };
    let found: Vec<f64> = (0..resamples)
        .map(|_| of(&count(&mut (0..n).filter_map(|_| which.get(rng.random_range(0..n)).copied()))))
        .filter(|figure| figure.is_finite())
        .collect();
    percentile(value, found, n)
}

fn percentile(value: f64, mut found: Vec<f64>, n: usize) -> Estimate {
    found.sort_unstable_by(f64::total_cmp);
    let last = found.len().saturating_sub(1) as f64;
    let at = |share: f64| found.get((share * last).round() as usize).copied().unwrap_or(f64::NAN);
    Estimate { value, low: at(0.025), high: at(0.975), n }
}
