//! What can be told of an answer without reading it: its length, and its bag of words, digits and lengths.

use std::collections::HashMap;

use crate::stories::Row;

/// Word, digit and length counts of an answer.
fn features(answer: &str) -> HashMap<String, f64> {
    let mut counts: HashMap<String, f64> = HashMap::new();
    let mut add = |name: String, value: f64| *counts.entry(name).or_default() += value;
    for word in answer.split_whitespace() {
        add(format!("word {}", word.trim_matches([',', '.', ':'])), 1.0);
    }
    for digit in answer.chars().filter(char::is_ascii_digit) {
        add(format!("digit {digit}"), 1.0);
    }
    add("characters".into(), answer.chars().count() as f64 / 20.0);
    add("words".into(), answer.split_whitespace().count() as f64 / 5.0);
    add("lines".into(), answer.lines().count() as f64);
    counts
}

/// Logistic regression on the difference of two answers' features (so without a bias): Adagrad, L2 1e-3, 30 epochs.
#[derive(Clone, Debug, Default)]
pub struct BagOfWords {
    weights: HashMap<String, f64>,
}

impl BagOfWords {
    /// Learns from pairs, in their order.
    pub fn learn<'a>(pairs: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut names: HashMap<String, usize> = HashMap::new();
        let mut rows: Vec<Vec<(usize, f64)>> = Vec::new();
        for row in pairs {
            let mut row: Vec<(usize, f64)> = difference(row)
                .into_iter()
                .map(|(name, value)| {
                    let next = names.len();
                    (*names.entry(name).or_insert(next), value)
                })
                .collect();
            row.sort_unstable_by_key(|(index, _)| *index);
            rows.push(row);
        }
        let mut weights = vec![(0.0, 1e-8_f64); names.len()];
        for _ in 0..30 {
            for row in &rows {
                let score: f64 = row.iter().map(|(i, v)| weights.get(*i).map_or(0.0, |w| w.0) * v).sum();
                let slope = 1.0 / (1.0 + score.exp());
                for (index, value) in row {
                    let Some((weight, squares)) = weights.get_mut(*index) else { continue };
                    let gradient = -slope * value + 1e-3 * *weight;
                    *squares += gradient * gradient;
                    *weight -= 0.05 * gradient / squares.sqrt();
                }
            }
        }
        let weight = |index: usize| weights.get(index).map_or(0.0, |w| w.0);
        Self { weights: names.into_iter().map(|(name, index)| (name, weight(index))).collect() }
    }

    /// Above zero where it prefers the right answer.
    pub fn margin(&self, row: &Row) -> f64 {
        let mut terms: Vec<f64> = difference(row)
            .into_iter()
            .filter_map(|(name, value)| self.weights.get(&name).map(|weight| weight * value))
            .collect();
        // The map has no order; the sum has one.
        terms.sort_unstable_by(f64::total_cmp);
        terms.iter().sum()
    }
}

/// Features of the right answer minus those of the wrong one, by name.
fn difference(row: &Row) -> Vec<(String, f64)> {
    let mut difference = features(&row.chosen);
    for (name, value) in features(&row.rejected) {
        *difference.entry(name).or_default() -= value;
    }
    let mut difference: Vec<_> = difference.into_iter().filter(|(_, value)| *value != 0.0).collect();
    difference.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    difference
}

/// Above zero where the right answer is longer, in characters.
pub fn longer(row: &Row) -> f64 {
    row.chosen.chars().count() as f64 - row.rejected.chars().count() as f64
}
