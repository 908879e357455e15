//! Wrong answers look as good as right ones: what a bag of words and lengths can tell.

use outloud::eval::baselines::{BagOfWords, longer};
use outloud::eval::statistics::{preferred, share};
use outloud::stories::{Options, Row, Rows, Split, Templates};

fn rows(split: Split, seed: u64, templates: Templates, count: usize) -> Vec<Row> {
    Rows::new(Options { templates, ..Options::new(split, seed) })
        .unwrap()
        .take(count)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn bag_of_words_and_length_are_at_chance() {
    for templates in [Templates::Seen, Templates::Wider(1.0)] {
        at_chance(templates);
    }
}

fn at_chance(templates: Templates) {
    let training = rows(Split::Train, 11, templates, 4000);
    let test = rows(Split::Test, 12, templates, 3000);
    let words = BagOfWords::learn(&training);
    let accuracy = |rows: &[Row]| share(rows.iter().map(|row| preferred(words.margin(row), 0.0)));
    let length = share(test.iter().map(|row| preferred(longer(row), 0.0)));
    let (unseen, own) = (accuracy(&test), accuracy(&training));
    println!("bag of words and length: test {unseen:.3?}, on its own training pairs {own:.3?}");
    println!("longer is better: {length:.3?}");
    for (name, found) in [("bag of words", unseen), ("length", length)] {
        assert!(
            found.low <= 0.52 && found.high >= 0.48 && (found.value - 0.5).abs() < 0.03,
            "{name}: {found:?}"
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
