//! Which answer is A, in which order pairs come, what is useful.

use outloud::label::order::{Order, Scores, Useful, by_use, queue, sides, tone, twice};
use outloud::label::sentences::{part, sentences};
use outloud::label::{Given, Pace, span};
use outloud::session::Choice;
use proptest::prelude::*;

use crate::book::digest;

#[test]
fn sides_are_drawn_by_seed_and_annotator_evenly() {
    let all: Vec<_> = (0..400).map(|i| digest(&format!("pair {i}"))).collect();
    let a_first = |seed, by: &str| all.iter().filter(|d| sides(seed, by, d, 2) == [0, 1]).count();
    assert!((150..250).contains(&a_first(1, "ana")));
    let of = |seed, by: &str| all.iter().map(|d| sides(seed, by, d, 2)).collect::<Vec<_>>();
    assert_eq!(of(1, "ana"), of(1, "ana"));
    assert_ne!(of(1, "ana"), of(1, "ben"));
    assert_ne!(of(1, "ana"), of(2, "ana"));
    let share = all.iter().filter(|d| twice(3, d, 0.2)).count();
    assert!((50..110).contains(&share), "{share} of 400");
    assert!(all.iter().all(|d| twice(3, d, 1.0) && !twice(3, d, 0.0)));
}

#[test]
fn queues_hold_every_pair_once() {
    let items: Vec<usize> = (0..50).collect();
    let column = |i: usize| Some(if i < 40 { "easy".to_owned() } else { "hard".to_owned() });
    for order in ["file", "random", "by:kind", "margin"] {
        let order: Order = order.parse().unwrap();
        let mut all = queue(&items, &order, 5, "ana", column);
        if let Order::Stratified(_) = order {
            assert_eq!(all.iter().take(20).filter(|i| **i >= 40).count(), 10, "in turn: {all:?}");
        }
        all.sort_unstable();
        assert_eq!(all, items);
    }
    assert_ne!(
        queue(&items, &Order::Random, 5, "ana", column),
        queue(&items, &Order::Random, 5, "ben", column)
    );
    assert!("colour".parse::<Order>().is_err());
    assert_eq!("by:kind".parse::<Order>().unwrap().to_string(), "by:kind");
}

#[test]
fn the_most_useful_come_first_and_the_unknown_last() {
    let margins = [Some(3.0), None, Some(-0.1), Some(1.0)];
    let mut items = [0, 1, 2, 3];
    by_use(&mut items, |i: usize| Scores { margin: margins[i], ..Scores::default() }.useful(Useful::Margin));
    assert_eq!(items, [2, 3, 0, 1]);
    let against = |margin, label| Scores { margin: Some(margin), label: Some(label), ..Scores::default() };
    let use_of = |s: Scores| s.useful(Useful::Contradiction).unwrap();
    assert!(use_of(against(2.0, Choice::Better(1))) > use_of(against(-0.5, Choice::Better(0))));
    assert!(use_of(against(-0.5, Choice::Better(0))) > use_of(against(2.0, Choice::Better(0))));
    let apart = Scores { margin: Some(1.0), tone: Some(-1.0), ..Scores::default() };
    let alike = Scores { margin: Some(1.0), tone: Some(1.0), ..Scores::default() };
    assert!(apart.useful(Useful::Tone) > alike.useful(Useful::Tone));
}

#[test]
fn the_tone_of_critiques() {
    assert!(tone("The answer is correct and clear.") > 0.9);
    assert!(tone("This is wrong: 6 x 7 is 42, a slip.") < -0.9);
    assert!(tone("This is not correct.") < -0.9 && tone("It is not wrong.") > 0.9);
    assert_eq!(tone("Apples are fruit."), 0.0);
}

#[test]
fn keys_are_choices_of_answers_not_of_sides() {
    assert_eq!(Given(1).choice(&[1, 0]), Choice::MuchBetter(1));
    assert_eq!(Given(4).choice(&[1, 0]), Choice::Better(0));
    assert_eq!(Given(3).choice(&[1, 0]), Choice::Tie);
    // A single answer: good on the left, bad on the right.
    assert_eq!((Given(2).choice(&[0]).ordinal(), Given(5).choice(&[0]).ordinal()), (1, -2));
    for shown in [&[0, 1][..], &[1, 0], &[0]] {
        for key in 1..=5 {
            assert_eq!(Given::of(Given(key).choice(shown), shown), Given(key), "{shown:?}");
        }
    }
}

#[test]
fn the_pace_is_that_of_the_last_fifty() {
    assert_eq!(Pace::of(&[]), None);
    let mut seconds = vec![100.0; 60];
    seconds.extend([30.0; 50]);
    let pace = Pace::of(&seconds).unwrap();
    assert_eq!((pace.seconds, pace.per_hour), (30.0, 120.0));
    assert_eq!(pace.eta(240), 7200.0);
    assert_eq!([span(45.4), span(720.0), span(3900.0)], ["45 s", "12 min", "1 h 05"]);
}

#[test]
fn sentences_are_found_with_their_code_points() {
    let text = "Né en 1990.  It costs 3.50 euros!\nNext line without an end";
    let found: Vec<String> = sentences(text).into_iter().map(|range| part(text, range)).collect();
    assert_eq!(found, ["Né en 1990.", "It costs 3.50 euros!", "Next line without an end"]);
}

proptest! {
    #[test]
    fn sentences_hold_all_that_is_seen_in_order(text in "\\PC*|[a-z .!?\n世é]*") {
        let all = sentences(&text);
        let mut last = 0;
        for (start, end) in &all {
            prop_assert!(last <= *start && start < end);
            last = *end;
        }
        let seen = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let joined: String = all.iter().map(|range| part(&text, *range)).collect();
        prop_assert_eq!(seen(&joined), seen(&text));
    }
}
