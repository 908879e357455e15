//! What several annotators' labels come to.

use outloud::label::{Outcome, Rule, agreement, outcome, outcome_of};
use outloud::session::Choice::{Better, MuchBetter, Tie};
use outloud::session::{Draft, Entry, Event, Label, Pen, Progress};

use crate::book::{Writing, digest};

fn of(w: &Writing, rule: &Rule) -> Outcome {
    let all = outcome(&w.book, rule);
    assert_eq!(all.len(), 1);
    let single = outcome_of(&w.book, &all[0].example, rule);
    assert_eq!(
        (single.choice, single.conflict, single.all_bad),
        (all[0].choice, all[0].conflict, all[0].all_bad)
    );
    all[0].clone()
}

#[test]
fn latest_majority_and_one_annotator() {
    let mut w = Writing::default();
    w.label("ana", "p", MuchBetter(0));
    w.label("ben", "p", Better(0));
    w.label("cleo", "p", Better(1));
    assert_eq!(of(&w, &Rule::Latest).choice, Some(Better(1)));
    assert_eq!(
        of(&w, &Rule::Majority).choice,
        Some(Better(0)),
        "two for the first; the weaker of two in the middle"
    );
    assert_eq!(of(&w, &Rule::Annotator("ana".into())).choice, Some(MuchBetter(0)));
    assert_eq!(of(&w, &Rule::Annotator("nobody".into())).choice, None);
    assert!(of(&w, &Rule::Latest).conflict);
    // As many for each side: nobody has a majority.
    w.label("dan", "p", Better(1));
    assert_eq!(of(&w, &Rule::Majority).choice, None);
    // Somebody settles it.
    w.adjudicate("eve", "p", Tie);
    for rule in [Rule::Latest, Rule::Majority] {
        let settled = of(&w, &rule);
        assert_eq!((settled.choice, settled.conflict), (Some(Tie), false));
        assert_eq!((settled.adjudicated.as_deref(), settled.preference()), (Some("eve"), Some(0.5)));
    }
    // A later label of another does not undo that; an undo does.
    w.label("ana", "p", Better(0));
    assert_eq!(of(&w, &Rule::Latest).choice, Some(Tie));
}

#[test]
fn much_and_slightly_are_no_conflict_and_drafts_no_labels() {
    let mut w = Writing::default();
    w.label("ana", "p", MuchBetter(0));
    w.label("ben", "p", Better(0));
    assert!(!of(&w, &Rule::Majority).conflict);
    for state in [Progress::Draft, Progress::Skipped] {
        let label = Label { state, choice: Some(Better(1)), ..Label::draft(digest("q")) };
        w.event("ana", Event::Label(Box::new(label)));
        assert_eq!(outcome(&w.book, &Rule::Latest).len(), 1);
    }
}

#[test]
fn the_newest_correction_counts_or_that_of_the_annotator() {
    let mut w = Writing::default();
    w.correct("ana", "p", 0, "By ana.");
    w.correct("ben", "p", 0, "By ben.");
    w.correct("ben", "p", 1, "  ");
    let outcome = of(&w, &Rule::Latest);
    let text =
        |answer, rule: &Rule| outcome.correction(answer, rule).map(|c| c.review.correction.clone().unwrap());
    assert_eq!(text(0, &Rule::Majority).as_deref(), Some("By ben."));
    assert_eq!(text(0, &Rule::Annotator("ana".into())).as_deref(), Some("By ana."));
    assert_eq!(text(1, &Rule::Latest), None, "an empty text is none");
}

#[test]
fn agreement_counts_sides_and_the_scale() {
    let mut w = Writing::default();
    let choices = [MuchBetter(0), Better(0), Tie, Better(1), MuchBetter(1)];
    for (i, choice) in choices.iter().cycle().take(20).enumerate() {
        w.label("ana", &format!("p{i}"), *choice);
        // Ben never says much.
        let other = match choice {
            MuchBetter(side) => Better(*side),
            same => *same,
        };
        w.label("ben", &format!("p{i}"), other);
    }
    let model = |example: &outloud::session::Digest| {
        (0..20).find(|i| digest(&format!("p{i}")) == *example).map(|i| if i % 5 < 3 { 1.0 } else { -1.0 })
    };
    let found = agreement(&w.book, model);
    assert_eq!(found.annotators, ["ana", "ben"]);
    assert_eq!((found.raw.value, found.raw.n), (1.0, 20));
    assert!(found.alpha.value > 0.8 && found.alpha.value < 1.0, "{:?}", found.alpha);
    let [two] = found.between.as_slice() else { panic!() };
    assert_eq!(two.kappa.value, 1.0);
    assert!(two.weighted.unwrap().value > 0.8);
    assert_eq!(found.model.len(), 2);
    assert_eq!(found.model[0].raw.value, 0.8, "four ties of twenty are none of the model's");
}

#[test]
fn an_expected_event_counts_at_once_and_the_saved_one_in_its_place() {
    let mut w = Writing::default();
    w.label("ben", "p", Tie);
    let mut pen = Pen::new("ana");
    let label = Label { state: Progress::Submitted, choice: Some(Better(0)), ..Label::draft(digest("p")) };
    let said = pen.write(Event::Label(Box::new(label)));
    let undone = pen.write(Event::Undo { events: vec![said.id.clone()] });
    w.book.expect(&said, "ana");
    assert_eq!((w.book.expected(), w.book.label(&digest("p"), "ana").is_some()), (1, true));
    w.book.expect(&undone, "ana");
    assert!(w.book.label(&digest("p"), "ana").is_none());
    // Others were faster: the saved ones stand at later clocks than was thought.
    w.label("ben", "q", Tie);
    w.label("ben", "r", Tie);
    let saved = |draft: &Draft, clock| Entry {
        id: draft.id.clone(),
        clock,
        time: "2026-01-01T00:00:00Z".into(),
        by: "ana".into(),
        event: draft.event.clone(),
    };
    w.book.insert([saved(&said, 50), saved(&undone, 51)]);
    assert_eq!((w.book.expected(), w.book.len(), w.book.conflicts().len()), (0, 5, 0));
    assert!(w.book.label(&digest("p"), "ana").is_none());
    let again = pen.write(Event::Undo { events: vec![undone.id.clone()] });
    w.book.expect(&again, "ana");
    w.book.insert([saved(&again, 52)]);
    assert_eq!(w.book.label(&digest("p"), "ana").unwrap().time, "2026-01-01T00:00:00Z");
    assert_eq!(of_all(&w), 3);
}

fn of_all(w: &Writing) -> usize {
    outcome(&w.book, &Rule::Latest).len()
}
