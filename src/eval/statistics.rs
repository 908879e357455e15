//! Shares with Wilson intervals, and differences of paired shares with bootstrap intervals.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize};

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The share or difference; NaN of nothing.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// Lower end.
    #[serde(deserialize_with = "number")]
    pub low: f64,
    /// Upper end.
    #[serde(deserialize_with = "number")]
    pub high: f64,
    /// Observations.
    pub n: usize,
}

/// JSON has no NaN: it is written as null.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// What a comparison of two rewards counts: 1 right, 0 wrong, one half for a tie.
pub fn preferred(chosen: f64, rejected: f64) -> f64 {
    if chosen > rejected {
        1.0
    } else if chosen < rejected {
        0.0
    } else {
        // Equal, or not a number: no preference.
        0.5
    }
}

/// The mean of values from 0 to 1 with its Wilson score interval (Wilson 1927), z = 1.96.
pub fn share(values: impl IntoIterator<Item = f64>) -> Estimate {
    let (sum, n) = values.into_iter().fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    if n == 0 {
        return Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN, n };
    }
    let (count, z) = (n as f64, 1.96_f64);
    let p = sum / count;
    let scale = 1.0 / (1.0 + z * z / count);
    let centre = scale * (p + z * z / (2.0 * count));
    let half = scale * z * (p * (1.0 - p) / count + z * z / (4.0 * count * count)).sqrt();
    Estimate { value: p, low: (centre - half).max(0.0), high: (centre + half).min(1.0), n }
}

/// The mean of `a - b` over pairs of values, with its percentile bootstrap interval: 4,000 resamples of the pairs.
pub fn difference(pairs: &[(f64, f64)], seed: u64) -> Estimate {
    const RESAMPLES: usize = 4000;
    let n = pairs.len();
    if n == 0 {
        return Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN, n };
    }
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
    let value = differences.iter().sum::<f64>() / n as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 =
                (0..n).map(|_| differences.get(rng.random_range(0..n)).copied().unwrap_or_default()).sum();
            sum / n as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means.get((share * (RESAMPLES - 1) as f64).round() as usize).copied();
    Estimate { value, low: at(0.025).unwrap_or(value), high: at(0.975).unwrap_or(value), n }
}

/// Two-sided p-value of McNemar's exact test: of `fixed + broken` changed preferences, each as likely to be either.
pub fn mcnemar(fixed: usize, broken: usize) -> f64 {
    let (n, few) = (fixed + broken, fixed.min(broken));
    // Terms of the binomial distribution in logarithms, so that many changes do not underflow.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log.exp();
    for k in 1..=few {
        log += ((n - k + 1) as f64 / k as f64).ln();
        tail += log.exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcnemar_as_scipy_has_it() {
        // scipy.stats.binomtest(k, n).pvalue
        for (fixed, broken, p) in
            [(0, 0, 1.0), (5, 0, 0.0625), (2, 8, 0.109375), (60, 40, 0.056887933640980784), (7, 7, 1.0)]
        {
            assert!(
                (mcnemar(fixed, broken) - p).abs() < 1e-9,
                "{fixed} {broken}: {}",
                mcnemar(fixed, broken)
            );
            assert_eq!(mcnemar(fixed, broken), mcnemar(broken, fixed));
        }
        assert!(mcnemar(3000, 2000) < 1e-40);
    }
}
