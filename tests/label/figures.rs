//! Agreement against published worked examples; calibration against what can be computed by hand.

use outloud::label::agreement::{Level, Weights, alpha, alpha_with_interval, interval, kappa, kappa_of, raw};
use outloud::label::calibration::{Calibration, ece, sigma};

fn letters(text: &str) -> Vec<f64> {
    text.chars().filter(|c| !c.is_whitespace()).map(|c| f64::from(c as u32)).collect()
}

fn units(observers: &[&str]) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> = observers.iter().map(|row| letters(row)).collect();
    let missing = f64::from('.' as u32);
    (0..rows[0].len()).map(|u| rows.iter().map(|r| r[u]).filter(|v| *v != missing).collect()).collect()
}

fn near(found: f64, published: f64) {
    assert!((found - published).abs() < 5.1e-4, "{found}, published {published}");
}

/// Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections A, B and C to E.
#[test]
fn alpha_is_krippendorffs() {
    // A: binary data, two observers, none missing.
    let a = units(&["0100000010", "1110010000"]);
    near(alpha(&a, Level::Nominal), 0.095);
    // B: nominal data, two observers, none missing: Ben and Gerry.
    let b = units(&["aabbdcccedda", "babbbcccedd d"]);
    near(alpha(&b, Level::Nominal), 0.692);
    // C, D, E: four observers, data missing; the same values as nominal, ordinal, interval and ratio data. The digits are
    // given as numbers, for the ratio metric counts from zero.
    let c: Vec<Vec<f64>> = units(&["123321412...", "1233224125.3", ".3332342251.", "12332441251."])
        .into_iter()
        .map(|unit| unit.into_iter().map(|v| v - f64::from('0' as u32)).collect())
        .collect();
    near(alpha(&c, Level::Nominal), 0.743);
    near(alpha(&c, Level::Ordinal), 0.815);
    near(alpha(&c, Level::Interval), 0.849);
    near(alpha(&c, Level::Ratio), 0.797);
}

/// Cohen 1968, "Weighted kappa", table 1: 200 cases, two judges; disagreements between neurosis and psychosis weigh 6, between
/// personality disorder and psychosis 3, the others 1. kappa .492 (Cohen 1960's measure), weighted kappa .348.
#[test]
fn kappa_is_cohens() {
    let table = vec![vec![0.44, 0.07, 0.09], vec![0.05, 0.20, 0.05], vec![0.01, 0.03, 0.06]];
    near(kappa_of(&table, &Weights::Unweighted), 0.492);
    let weights = vec![vec![0.0, 1.0, 3.0], vec![1.0, 0.0, 6.0], vec![3.0, 6.0, 0.0]];
    near(kappa_of(&table, &Weights::Given(weights)), 0.348);
    // The same from single cases.
    let mut cases = Vec::new();
    for (i, row) in table.iter().enumerate() {
        for (j, share) in row.iter().enumerate() {
            cases.resize(cases.len() + (share * 200.0).round() as usize, (i, j));
        }
    }
    assert_eq!(cases.len(), 200);
    near(kappa(&cases, 3, &Weights::Unweighted), 0.492);
    // Two categories: all weightings are one.
    let two = [(0, 0), (1, 1), (0, 1), (1, 1), (0, 0)];
    let all = [Weights::Unweighted, Weights::Linear, Weights::Quadratic].map(|w| kappa(&two, 2, &w));
    assert!(all.iter().all(|k| (k - all[0]).abs() < 1e-12), "{all:?}");
}

#[test]
fn perfect_and_no_agreement_are_one_and_about_zero() {
    let same: Vec<Vec<f64>> = (0..30).map(|i| vec![f64::from(i % 5); 3]).collect();
    for level in [Level::Nominal, Level::Ordinal, Level::Interval] {
        assert_eq!(alpha(&same, level), 1.0);
    }
    assert_eq!(raw(&same), 1.0);
    assert!(alpha(&[vec![1.0, 1.0]], Level::Ordinal).is_nan(), "without variation nothing can be told");
    assert!(alpha(&[], Level::Ordinal).is_nan() && raw(&[]).is_nan());
    assert!(kappa(&[], 3, &Weights::Unweighted).is_nan());
}

#[test]
fn intervals_hold_the_figure_shrink_with_data_and_are_the_same_again() {
    let unit = |i: u32| {
        let value = f64::from(i % 5);
        vec![value, if i.is_multiple_of(4) { f64::from((i * 7) % 5) } else { value }]
    };
    let few: Vec<Vec<f64>> = (0..40).map(unit).collect();
    let many: Vec<Vec<f64>> = (0..400).map(unit).collect();
    let (few, many) = (
        &alpha_with_interval(&few, Level::Ordinal, 1000, 7),
        &alpha_with_interval(&many, Level::Ordinal, 1000, 7),
    );
    for e in [few, many] {
        assert!(e.low <= e.value && e.value <= e.high && e.low < e.high, "{e:?}");
    }
    assert!(many.high - many.low < 0.6 * (few.high - few.low));
    let units: Vec<Vec<f64>> = (0..40).map(unit).collect();
    let again = interval(&units, |u| u.len() > 1, 1000, 7, |u| alpha(u, Level::Ordinal));
    // Another way to the same figure; its resamples are the same draws.
    assert_eq!((again.value, again.low, again.high, again.n), (few.value, few.low, few.high, few.n));
}

#[test]
fn the_temperature_of_labels_drawn_at_a_temperature_is_found() {
    // Labels as they would be at T = 2.5, each margin with its exact share.
    let outcomes: Vec<(f64, f64)> =
        (-40..=40).map(|i| f64::from(i) / 8.0).map(|m| (m, sigma(m / 2.5))).collect();
    let found = Calibration::of(&outcomes).unwrap();
    assert!((found.temperature - 2.5).abs() < 1e-6, "{}", found.temperature);
    assert!(found.log_loss.1 < found.log_loss.0 && found.ece.1 < found.ece.0);
    assert!(found.ece.1 < 1e-9, "{:?}", found.ece);
    assert!((found.probability(2.5) - sigma(1.0)).abs() < 1e-6);
    assert!(found.tells() && found.wanting().is_none());
    // Few labels, and labels that margins tell apart without a fault, say nothing of a single margin.
    let few = Calibration::of(&outcomes[..19]).unwrap();
    assert!(!few.tells() && few.wanting() == Some(20));
    let apart: Vec<(f64, f64)> = (1..=30).map(|i| (f64::from(i), 1.0)).collect();
    assert!(!Calibration::of(&apart).unwrap().tells());
    // No temperature near it does better.
    let loss = |t: f64| {
        outcomes
            .iter()
            .map(|(m, y)| -(y * sigma(m / t).ln() + (1.0 - y) * (1.0 - sigma(m / t)).ln()))
            .sum::<f64>()
    };
    assert!(loss(found.temperature) <= loss(found.temperature * 1.01));
    assert!(loss(found.temperature) <= loss(found.temperature * 0.99));
}

#[test]
fn rewards_that_say_the_opposite_have_no_temperature() {
    let found = Calibration::of(&[(2.0, 0.0), (1.0, 0.0), (-1.0, 1.0)]).unwrap();
    assert_eq!(found.temperature, f64::INFINITY);
    assert_eq!(found.probability(3.0), 0.5);
    assert_eq!(Calibration::of(&[]), None);
    assert_eq!(Calibration::of(&[(f64::NAN, 1.0)]), None);
}

#[test]
fn the_calibration_error_is_the_weighted_gap_of_bins() {
    // Two in the bin around 0.95 of which one came true, two in that around 0.15 of which none did.
    let p = [(0.95, 1.0), (0.95, 0.0), (0.15, 0.0), (0.15, 0.0)];
    assert!((ece(&p, 10) - (0.5 * 0.45 + 0.5 * 0.15)).abs() < 1e-12);
}
