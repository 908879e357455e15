//! Every story is arithmetically right, every wrong answer wrong in exactly the named way and place.

use std::collections::{BTreeMap, BTreeSet};

use outloud::stories::numbers::{Calc, Op};
use outloud::stories::rows::Kind;
use outloud::stories::templates::library;
use outloud::stories::{Fault, Numbers, Options, Row, Rows, Split, Templates, judge};
use proptest::prelude::*;

use super::evaluator::{Written, deviations, read_answer, read_problem};

fn name(fault: Fault) -> String {
    serde_json::to_value(fault).unwrap().as_str().unwrap().to_owned()
}

fn check(row: &Row) {
    let problem = read_problem(&row.prompt);
    assert_eq!(problem.steps(), row.steps, "{row:#?}");
    let (right, last) = read_answer(&row.chosen);
    let solution = problem.solve(problem.asked);
    assert_eq!(right, solution, "{row:#?}");
    assert_eq!(last, solution.last().unwrap().1.result, "{row:#?}");
    assert!(deviations(&problem, &row.chosen).is_empty(), "{row:#?}");
    let wrong = deviations(&problem, &row.rejected);
    let expected = [(name(row.error.unwrap()), row.error_step.unwrap())];
    let wrong: Vec<(String, usize)> = wrong.into_iter().map(|(kind, step)| (kind.to_owned(), step)).collect();
    assert_eq!(wrong, expected, "{row:#?}");
    assert_ne!(read_answer(&row.rejected).1, last, "a wrong answer ends right: {row:#?}");
}

fn options() -> impl Strategy<Value = Options> {
    (
        prop_oneof![Just(Split::Train), Just(Split::Valid), Just(Split::Test)],
        any::<u64>(),
        prop_oneof![Just(Templates::Seen), Just(Templates::Wider(1.0)), Just(Templates::Unseen)],
        any::<bool>(),
        prop_oneof![Just(0.0), Just(1.0)],
    )
        .prop_map(|(split, seed, templates, large, invented)| Options {
            templates,
            numbers: if large { Numbers::Large } else { Numbers::Usual },
            invented,
            ..Options::new(split, seed)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_story_is_right_and_every_wrong_answer_wrong_once(options in options(), at in 0_u64..1_000_000) {
        for row in Rows::new(options).unwrap().at(at).take(4) {
            check(&row.unwrap());
        }
    }
}

#[test]
fn numbers_stay_in_range_and_splits_do_not_touch() {
    let split_of = |w: &Written| {
        let op = match w.op {
            '+' => Op::Add,
            '-' => Op::Sub,
            'x' => Op::Mul,
            _ => Op::Div,
        };
        Calc { left: w.left.try_into().unwrap(), op, right: w.right.try_into().unwrap() }.split()
    };
    for (split, count) in [(Split::Train, 1500), (Split::Valid, 300), (Split::Test, 300)] {
        for row in Rows::new(Options::new(split, 5)).unwrap().take(count) {
            let row = row.unwrap();
            let (right, _) = read_answer(&row.chosen);
            let (wrong, _) = read_answer(&row.rejected);
            for (_, w) in right.iter().chain(&wrong) {
                assert!((1..=999).contains(&w.result), "{row:#?}");
            }
            match split {
                Split::Train => {
                    assert!(right.iter().chain(&wrong).all(|(_, w)| split_of(w) == Split::Train), "{row:#?}");
                }
                held_out => assert!(right.iter().any(|(_, w)| split_of(w) == held_out), "{row:#?}"),
            }
        }
    }
    let large = Options { numbers: Numbers::Large, ..Options::new(Split::Test, 5) };
    for row in Rows::new(large).unwrap().take(200) {
        let row = row.unwrap();
        let problem = read_problem(&row.prompt);
        let totals = problem.solve(problem.asked).into_iter().filter(|(_, w)| w.op != 'x');
        assert!(totals.clone().all(|(_, w)| (1000..=9999).contains(&w.result)), "{row:#?}");
    }
}

#[test]
fn there_are_sixty_templates_and_all_are_used() {
    let library = library().unwrap();
    let count = |unseen: Option<Split>| -> usize {
        library.scenes.iter().filter(|s| s.unseen == unseen).map(|s| s.event.len()).sum()
    };
    assert!(count(None) >= 60, "{}", count(None));
    let used = |split: Split, templates: Templates| -> BTreeSet<String> {
        let options = Options { templates, ..Options::new(split, 1) };
        Rows::new(options)
            .unwrap()
            .take(4000)
            .flat_map(|row| row.unwrap().templates)
            .filter(|t| t.contains(": "))
            .collect()
    };
    let seen = used(Split::Train, Templates::Seen);
    let valid = used(Split::Valid, Templates::Unseen);
    let test = used(Split::Test, Templates::Unseen);
    assert_eq!(seen.len(), count(None), "a template is never used");
    assert_eq!(valid.len(), count(Some(Split::Valid)), "a template is never used");
    assert_eq!(test.len(), count(Some(Split::Test)), "a template is never used");
    let wider: BTreeSet<String> =
        Rows::new(Options { templates: Templates::Wider(1.0), ..Options::new(Split::Train, 1) })
            .unwrap()
            .take(12_000)
            .flat_map(|row| row.unwrap().templates)
            .filter(|t| t.contains(": "))
            .collect();
    let all: usize = library.wider.iter().map(|scene| scene.event.len()).sum();
    println!("wider: {} scenes, {all} templates, {} used", library.wider.len(), wider.len());
    assert!(library.wider.iter().all(|scene| scene.unseen.is_none()) && all >= 600);
    assert_eq!(wider.len(), all, "a template is never used");
    // An unseen sentence is not one of another set in another scene.
    let sentences = |set: &BTreeSet<String>| -> BTreeSet<String> {
        set.iter().map(|t| t.split_once(": ").unwrap().1.to_owned()).collect()
    };
    let (seen, valid, test) = (sentences(&seen), sentences(&valid), sentences(&test));
    let wider = sentences(&wider);
    for (a, b) in
        [(&seen, &valid), (&seen, &test), (&valid, &test), (&wider, &seen), (&wider, &valid), (&wider, &test)]
    {
        let shared: Vec<&String> = a.intersection(b).collect();
        assert!(shared.is_empty(), "{shared:?}");
    }
}

#[test]
fn noisy_stories_have_the_same_kind_of_answers_and_words_in_between() {
    let options = Options { noise: 1.0, ..Options::new(Split::Train, 5) };
    let rows: Vec<_> = Rows::new(options).unwrap().take(200).map(Result::unwrap).collect();
    assert!(rows.iter().all(|row| row.kind == Kind::Noisy));
    let mut mixed = 0;
    for row in &rows {
        let scenes: BTreeSet<&str> =
            row.templates.iter().filter_map(|t| t.split_once(": ")).map(|(scene, _)| scene).collect();
        mixed += usize::from(scenes.len() > 1);
        for (critique, key) in
            [(&row.chosen_feedback, &row.chosen_key), (&row.rejected_feedback, &row.rejected_key)]
        {
            assert!(judge(critique, key.as_ref().unwrap()).all_right(), "{row:#?}");
        }
    }
    // Without noise, the rows of the same seed are stories of one scene.
    let plain = Rows::new(Options::new(Split::Train, 5)).unwrap().take(200).map(Result::unwrap);
    assert!(plain.into_iter().all(|row| row.kind == Kind::Story));
    println!("{mixed} of 200 noisy stories have sentences of several scenes");
    assert!(mixed > 100);
}

#[test]
fn restated_critiques_say_each_sentence_before_its_sum() {
    let plain = Options::new(Split::Train, 6);
    let restated = Options { restated: true, ..plain };
    for (plain, restated) in Rows::new(plain).unwrap().zip(Rows::new(restated).unwrap()).take(100) {
        let (plain, restated) = (plain.unwrap(), restated.unwrap());
        assert_eq!(
            (&plain.prompt, &plain.chosen, &plain.rejected),
            (&restated.prompt, &restated.chosen, &restated.rejected)
        );
        for row in [&plain, &restated] {
            assert!(judge(&row.chosen_feedback, row.chosen_key.as_ref().unwrap()).all_right());
            assert!(judge(&row.rejected_feedback, row.rejected_key.as_ref().unwrap()).all_right());
        }
        let first = restated.chosen_feedback.lines().next().unwrap();
        let sentence = first.split([':', '.']).next().unwrap().split(", so ").next().unwrap();
        assert!(restated.prompt.contains(sentence), "{sentence} / {}", restated.prompt);
        assert!(plain.chosen_feedback.len() < restated.chosen_feedback.len());
    }
}

#[test]
fn kinds_steps_and_operations_are_all_frequent() {
    for (split, templates) in [
        (Split::Train, Templates::Seen),
        (Split::Test, Templates::Seen),
        (Split::Train, Templates::Wider(1.0)),
    ] {
        let mut kinds: BTreeMap<Fault, usize> = BTreeMap::new();
        let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
        let mut ops: BTreeMap<char, usize> = BTreeMap::new();
        let rows = 3000;
        for row in Rows::new(Options { templates, ..Options::new(split, 2) }).unwrap().take(rows) {
            let row = row.unwrap();
            *kinds.entry(row.error.unwrap()).or_default() += 1;
            *steps.entry(row.steps).or_default() += 1;
            for (_, w) in read_answer(&row.chosen).0 {
                *ops.entry(w.op).or_default() += 1;
            }
        }
        println!("{split:?} {templates:?} kinds {kinds:?} steps {steps:?} operations {ops:?}");
        assert_eq!(kinds.len(), Fault::ALL.len());
        assert!(kinds.values().all(|n| *n * 10 >= rows), "{kinds:?}");
        assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let all: usize = ops.values().sum();
        assert!(ops.values().all(|n| n * 100 >= all * 12), "{ops:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_is_taken() {
    let mut options = Options::new(Split::Train, 7);
    options.drills = 0.4;
    let lines = |from: u64, count: usize| -> Vec<String> {
        let rows = Rows::new(options).unwrap().at(from).take(count);
        rows.map(|row| serde_json::to_string(&row.unwrap()).unwrap()).collect()
    };
    let all = lines(0, 60);
    assert_eq!(all, lines(0, 60));
    assert_eq!(all[40..], lines(40, 20));
    let row: Row = serde_json::from_str(&all[0]).unwrap();
    assert_eq!(serde_json::to_string(&row).unwrap(), all[0]);
    options.seed = 8;
    let other: Vec<String> = Rows::new(options).unwrap().take(60).map(|r| r.unwrap().prompt).collect();
    assert!(!all.iter().zip(&other).any(|(line, prompt)| line.contains(prompt)));
    // Bytes of another build or platform: changes only with the stories' version.
    let digest = <sha2::Sha256 as sha2::Digest>::digest(all.join("\n"));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "e5c7e6e333b905a2");
}

/// The first 50 rows of the demo model's first rounds: scenes added since do not touch them.
#[test]
fn wider_scenes_do_not_change_other_rows() {
    let train = |seed| Options::new(Split::Train, seed);
    let first = Options { drills: 0.1, noise: 0.4, invented: 0.5, ..train(14) };
    for (options, expected) in [
        (Options { drills: 0.2, restated: true, ..train(12) }, "e6e54c229bf2b65e"),
        (first, "f041e62ceab8f80b"),
        (Options { noise: 0.45, invented: 0.4, verbs: 0.3, seed: 15, ..first }, "3b859af79dd573a4"),
    ] {
        let lines: String = Rows::new(options)
            .unwrap()
            .take(50)
            .map(|row| serde_json::to_string(&row.unwrap()).unwrap() + "\n")
            .collect();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(lines);
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "{options:?}");
    }
}

#[test]
fn a_share_of_stories_comes_from_wider_scenes() {
    let names: BTreeSet<&str> = library().unwrap().wider.iter().map(|scene| scene.name.as_str()).collect();
    assert!(library().unwrap().scenes.iter().all(|scene| !names.contains(scene.name.as_str())));
    for (share, noise) in [(0.0, 0.0), (0.6, 0.4), (1.0, 1.0)] {
        let options = Options { templates: Templates::Wider(share), noise, ..Options::new(Split::Train, 3) };
        let rows: Vec<Row> = Rows::new(options).unwrap().take(1500).map(Result::unwrap).collect();
        let wider = rows.iter().filter(|row| names.contains(row.templates[0].as_str())).count() as f64;
        println!("share {share}: {wider} of {}", rows.len());
        assert!((wider / rows.len() as f64 - share).abs() < 0.05);
        for row in &rows {
            let set = |template: &String| names.contains(template.split(": ").next().unwrap());
            assert!(row.templates.iter().all(|t| set(t) == set(&row.templates[0])), "{row:#?}");
        }
    }
    assert!(
        Rows::new(Options { templates: Templates::Wider(1.5), ..Options::new(Split::Train, 3) }).is_err()
    );
}

#[test]
fn steps_outside_one_to_six_are_refused() {
    for steps in [(0, 3), (2, 7), (4, 3)] {
        let error = Rows::new(Options { steps, ..Options::new(Split::Train, 1) }).unwrap_err();
        assert!(error.to_string().contains("1 to 6"), "{error}");
    }
}
