//! Who agrees with whom: all annotators of a session, each two of them, and each with the model.

use std::collections::{BTreeMap, BTreeSet};

use super::agreement::{Level, Weights, alpha_with_interval, interval, kappa};
use crate::eval::statistics::{Estimate, share};
use crate::session::{Book, Choice, Digest, Progress};

/// Seed of the bootstrap: the same labels give the same intervals.
const SEED: u64 = 7;

/// Agreement in a session. Sides are: the first answer, a tie, the other answer; never the A and B of a screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Annotators with submitted choices.
    pub annotators: Vec<String>,
    /// Share of pairs of labels that are for the same side (Wilson interval).
    pub raw: Estimate,
    /// Krippendorff's alpha of all annotators, ordinal, over the five-point scale (bootstrap interval).
    pub alpha: Estimate,
    /// Each two of them.
    pub between: Vec<Between>,
    /// Each of them with the model, where it has a margin: sides only, a margin is never a tie.
    pub model: Vec<Between>,
}

/// Agreement of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
    /// Share for the same side (Wilson interval).
    pub raw: Estimate,
    /// Cohen's kappa over sides (bootstrap interval).
    pub kappa: Estimate,
    /// Cohen's kappa over the five-point scale, weighted by squared distance; with the model there is none.
    pub weighted: Option<Estimate>,
}

/// Reads it from the submitted labels; `margin` is the model's reward of the first answer minus that of the other.
pub fn agreement(book: &Book, margin: impl Fn(&Digest) -> Option<f64>) -> Agreement {
    let mut units: BTreeMap<&Digest, BTreeMap<&str, i8>> = BTreeMap::new();
    for (example, by, standing) in book.labels() {
        if let (Progress::Submitted, Some(choice)) = (standing.value.state, standing.value.choice) {
            units.entry(example).or_default().insert(by, Choice::ordinal(choice));
        }
    }
    let annotators: Vec<&str> =
        units.values().flat_map(|u| u.keys().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    let values: Vec<Vec<f64>> =
        units.values().map(|unit| unit.values().map(|o| f64::from(*o)).collect()).collect();
    let same = units.values().flat_map(|unit| {
        let all: Vec<i8> = unit.values().map(|o| o.signum()).collect();
        let twos = (0..all.len()).flat_map(|i| (i + 1..all.len()).map(move |j| (i, j)));
        twos.map(|(i, j)| f64::from(u8::from(all.get(i) == all.get(j)))).collect::<Vec<_>>()
    });
    let twos = (0..annotators.len()).flat_map(|i| (i + 1..annotators.len()).map(move |j| (i, j)));
    let between = twos.filter_map(|(i, j)| {
        let (a, b) = (annotators.get(i)?, annotators.get(j)?);
        let both: Vec<(i8, i8)> =
            units.values().filter_map(|unit| Some((*unit.get(a)?, *unit.get(b)?))).collect();
        (!both.is_empty()).then(|| of_two(a, b, &both, true))
    });
    let with_model = annotators.iter().filter_map(|a| {
        let both: Vec<(i8, i8)> = units
            .iter()
            .filter_map(|(example, unit)| {
                let margin = margin(example)?;
                Some((*unit.get(a)?, if margin > 0.0 { 1 } else { -1 }))
            })
            .collect();
        (!both.is_empty()).then(|| of_two(a, "model", &both, false))
    });
    Agreement {
        raw: share(same),
        alpha: alpha_with_interval(&values, Level::Ordinal, resamples(values.len()), SEED),
        between: between.collect(),
        model: with_model.collect(),
        annotators: annotators.iter().map(|a| (*a).to_owned()).collect(),
    }
}

/// Enough for two figures; fewer where there are very many units, whose interval is narrow.
fn resamples(units: usize) -> usize {
    (1_000_000 / units.max(1)).clamp(100, 1000)
}

fn of_two(a: &str, b: &str, both: &[(i8, i8)], scale: bool) -> Between {
    let side = |(a, b): &(i8, i8)| (place(a.signum(), 1), place(b.signum(), 1));
    let sides: Vec<(usize, usize)> = both.iter().map(side).collect();
    let points: Vec<(usize, usize)> = both.iter().map(|(a, b)| (place(*a, 2), place(*b, 2))).collect();
    let all = |_: &(usize, usize)| true;
    let times = resamples(both.len());
    Between {
        a: a.to_owned(),
        b: b.to_owned(),
        raw: share(sides.iter().map(|(a, b)| f64::from(u8::from(a == b)))),
        kappa: interval(&sides, all, times, SEED, |s| kappa(s, 3, &Weights::Unweighted)),
        weighted: scale.then(|| interval(&points, all, times, SEED, |s| kappa(s, 5, &Weights::Quadratic))),
    }
}

fn place(ordinal: i8, most: i8) -> usize {
    usize::try_from(ordinal + most).unwrap_or(0)
}
