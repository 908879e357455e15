//! Wrong answers look as good as right ones: what a bag of words and lengths can tell.

use std::collections::HashMap;

use outloud::stories::{Options, Rows, Split};

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

/// Right minus wrong.
type Pair = Vec<(usize, f64)>;

fn pairs(split: Split, seed: u64, count: usize, names: &mut HashMap<String, usize>) -> Vec<(Pair, i64)> {
    let mut all = Vec::new();
    for row in Rows::new(Options::new(split, seed)).unwrap().take(count) {
        let row = row.unwrap();
        let mut difference = features(&row.chosen);
        for (name, value) in features(&row.rejected) {
            *difference.entry(name).or_default() -= value;
        }
        let length = row.chosen.len() as i64 - row.rejected.len() as i64;
        let mut pair: Pair = Vec::new();
        for (name, value) in difference.into_iter().filter(|(_, value)| *value != 0.0) {
            let next = names.len();
            pair.push((*names.entry(name).or_insert(next), value));
        }
        pair.sort_unstable_by_key(|(index, _)| *index);
        all.push((pair, length));
    }
    all
}

/// Logistic regression on differences (so without a bias), Adagrad, L2.
fn train(pairs: &[(Pair, i64)], features: usize) -> Vec<f64> {
    let (mut weights, mut squares) = (vec![0.0; features], vec![1e-8; features]);
    for _ in 0..30 {
        for (pair, _) in pairs {
            let score: f64 = pair.iter().map(|(i, v)| weights[*i] * v).sum();
            let slope = 1.0 / (1.0 + score.exp());
            for (i, v) in pair {
                let gradient = -slope * v + 1e-3 * weights[*i];
                squares[*i] += gradient * gradient;
                weights[*i] -= 0.05 * gradient / f64::sqrt(squares[*i]);
            }
        }
    }
    weights
}

/// Share right (a tie counts half) with its 95 % Wilson interval.
fn accuracy(scores: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let (mut right, mut n) = (0.0, 0.0);
    for score in scores {
        right += if score > 0.0 {
            1.0
        } else if score == 0.0 {
            0.5
        } else {
            0.0
        };
        n += 1.0;
    }
    let (p, z): (f64, f64) = (right / n, 1.96);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (p, centre - half, centre + half)
}

#[test]
fn bag_of_words_and_length_are_at_chance() {
    let mut names = HashMap::new();
    let training = pairs(Split::Train, 11, 4000, &mut names);
    let test = pairs(Split::Test, 12, 3000, &mut names);
    let weights = train(&training, names.len());
    let score = |pair: &Pair| -> f64 { pair.iter().map(|(i, v)| weights[*i] * v).sum() };
    let words = accuracy(test.iter().map(|(pair, _)| score(pair)));
    let own = accuracy(training.iter().map(|(pair, _)| score(pair)));
    let length = accuracy(test.iter().map(|(_, length)| *length as f64));
    println!("bag of words and length: test {words:.3?}, on its own training pairs {own:.3?}");
    println!("longer is better: {length:.3?}");
    for (name, (share, low, high)) in [("bag of words", words), ("length", length)] {
        assert!(
            low <= 0.52 && high >= 0.48 && (share - 0.5).abs() < 0.03,
            "{name}: {share} in {low}..{high}"
        );
    }
}

#[test]
fn right_and_wrong_answers_are_equally_long_on_average() {
    let (mut right, mut wrong, mut right_digits, mut wrong_digits) = (0, 0, 0, 0);
    for row in Rows::new(Options::new(Split::Train, 13)).unwrap().take(3000) {
        let row = row.unwrap();
        right += row.chosen.len();
        wrong += row.rejected.len();
        right_digits += row.chosen.chars().filter(char::is_ascii_digit).count();
        wrong_digits += row.rejected.chars().filter(char::is_ascii_digit).count();
    }
    let ratio = |a: usize, b: usize| a as f64 / b as f64;
    println!("length {:.4} digits {:.4}", ratio(right, wrong), ratio(right_digits, wrong_digits));
    assert!((ratio(right, wrong) - 1.0).abs() < 0.01);
    assert!((ratio(right_digits, wrong_digits) - 1.0).abs() < 0.015);
}
