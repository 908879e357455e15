//! What stands: labels by annotator, takes, undo and redo without limit and after a crash, the history of an example.

use std::path::Path;

use outloud::session::{Book, Choice, Entry, Event, Label, Progress, WriterId, default_path, named_path};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::{all_kinds, book, entry, example, label, live, saved};

fn writer(name: &str) -> WriterId {
    name.parse().unwrap()
}

fn is_label(event: &Event) -> bool {
    matches!(event, Event::Label(_) | Event::Bulk { .. })
}

/// A book written to as a screen does.
struct Desk {
    book: Book,
    seq: u64,
    by: &'static str,
}

impl Desk {
    fn new(by: &'static str) -> Self {
        Self { book: Book::default(), seq: 0, by }
    }

    fn write(&mut self, event: Event) {
        self.seq += 1;
        let clock = self.book.clock() + 1;
        let entry = entry(&writer(&format!("{}-0", self.by)), self.seq, clock, self.by, event);
        assert_eq!(self.book.insert([entry]), 1);
    }

    fn label(&mut self, n: usize, note: &str) {
        self.write(Event::Label(Box::new(label(n, note))));
    }

    fn undo(&mut self) -> bool {
        let Some(id) = self.book.undo(self.by, is_label).map(|e| e.id.clone()) else { return false };
        self.write(Event::Undo { events: vec![id] });
        true
    }

    fn redo(&mut self) -> bool {
        let Some(id) = self.book.redo(self.by, is_label).map(|e| e.id.clone()) else { return false };
        self.write(Event::Undo { events: vec![id] });
        true
    }

    fn note(&self, n: usize) -> Option<&str> {
        let label = self.book.label(&example(n).object().digest, self.by)?;
        Some(&label.value.note)
    }
}

#[test]
fn undo_goes_back_label_by_label_and_redo_forward_again() {
    let mut desk = Desk::new("ana");
    desk.label(1, "a");
    desk.label(1, "b");
    desk.label(2, "c");
    assert!(desk.undo());
    assert_eq!((desk.note(1), desk.note(2)), (Some("b"), None));
    assert!(desk.undo());
    assert_eq!(desk.note(1), Some("a"));
    assert!(desk.redo());
    assert_eq!((desk.note(1), desk.note(2)), (Some("b"), None));
    assert!(desk.redo());
    assert_eq!(desk.note(2), Some("c"));
    assert!(!desk.redo());
    assert!(desk.undo() && desk.undo() && desk.undo());
    assert!(!desk.undo());
    assert_eq!((desk.note(1), desk.note(2)), (None, None));
    assert!(desk.redo());
    desk.label(2, "d");
    assert!(!desk.redo(), "a new label ends what can be redone");
    assert_eq!((desk.note(1), desk.note(2)), (Some("a"), Some("d")));
}

#[test]
fn a_bulk_action_is_one_step() {
    let mut desk = Desk::new("ana");
    desk.label(1, "before");
    let many = (1..5).map(|n| Event::Label(Box::new(label(n, "bulk")))).collect();
    desk.write(Event::Bulk { events: many });
    assert_eq!((1..5).map(|n| desk.note(n)).collect::<Vec<_>>(), [Some("bulk"); 4]);
    assert!(desk.undo());
    assert_eq!((1..5).map(|n| desk.note(n)).collect::<Vec<_>>(), [Some("before"), None, None, None]);
}

#[test]
fn annotators_do_not_undo_each_other() {
    let (mut ana, mut bo) = (Desk::new("ana"), Desk::new("bo"));
    ana.label(1, "ana's");
    bo.book.insert(ana.book.entries().cloned().collect::<Vec<_>>());
    bo.label(1, "bo's");
    assert!(bo.undo());
    assert!(!bo.undo());
    let digest = example(1).object().digest;
    assert_eq!(bo.book.labels_of(&digest).map(|(by, _)| by).collect::<Vec<_>>(), ["ana"]);
}

#[test]
fn undo_goes_on_after_a_crash_and_the_screen_opens_where_it_stood() {
    let dir = TempDir::new().unwrap();
    let (live_, mut notices, mut pen) = live(dir.path(), "ana");
    let drafts = all_kinds(&mut pen, 3);
    let count = drafts.len();
    for draft in drafts {
        live_.save(draft).unwrap();
    }
    saved(&mut notices, count);
    // No farewell: the process is gone.
    std::mem::forget(live_);

    let found = book(dir.path());
    let view = found.view("ana").unwrap();
    assert_eq!((view.screen.as_str(), view.example.as_ref()), ("inspect", Some(&example(3).object().digest)));
    let take = found.take(view.take.as_ref().unwrap()).unwrap();
    assert_eq!(take.name.as_deref(), Some("the \"better\" one\n"));
    assert_eq!(take.judged[0].reward, 0.1);
    assert_eq!(take.made.text.as_deref(), Some("edited again"));
    // The bulk step is undone already: undo goes on with the review, then the label.
    assert_eq!(found.undo("ana", |_| true).unwrap().event.kind(), "review");
    assert_eq!(found.undo("ana", is_label).unwrap().event.kind(), "label");
    assert_eq!(found.redo("ana", is_label).unwrap().event.kind(), "undo");
    let kinds: Vec<&str> =
        found.history(&example(3).object().digest).iter().map(|e| e.event.kind()).collect();
    let all = ["example", "take", "judged", "retyped", "named", "label", "review", "bulk", "undo", "view"];
    assert_eq!(kinds, all);
    assert_eq!(found.placed(&example(3).object().digest).unwrap().row, Some(3));
}

#[test]
fn choices_are_about_answers_not_about_the_screen() {
    let choices =
        [Choice::MuchBetter(0), Choice::Better(0), Choice::Tie, Choice::Better(1), Choice::MuchBetter(1)];
    assert_eq!(choices.map(Choice::ordinal), [2, 1, 0, -1, -2]);
    let label = Label { choice: Some(Choice::MuchBetter(1)), ..Label::draft(example(1).object().digest) };
    let json = serde_json::to_value(&label).unwrap();
    assert_eq!((&json["choice"], &json["state"]), (&serde_json::json!({"much-better": 1}), &"draft".into()));
    assert_eq!(label.state, Progress::Draft);
}

#[test]
fn a_word_is_a_name_and_a_path_a_path() {
    assert_eq!(
        named_path(Path::new("no-such-session")).unwrap(),
        default_path().unwrap().join("no-such-session")
    );
    assert_eq!(named_path(Path::new("/some/where")).unwrap(), Path::new("/some/where"));
    assert_eq!(named_path(Path::new("./here")).unwrap(), Path::new("./here"));
}

/// Labels, undos and redos of two annotators in a random order, applied at once, in another order and one by one.
fn story() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0..2_usize, 0..4_usize, 0..10_u8), 1..40).prop_map(|steps| {
        let mut desks = [Desk::new("ana"), Desk::new("bo")];
        for (who, n, what) in steps {
            let seen: Vec<Entry> = desks[1 - who].book.entries().cloned().collect();
            let desk = &mut desks[who];
            desk.book.insert(seen);
            match what {
                0..6 => desk.label(n, &format!("{what}")),
                6..8 => drop(desk.undo()),
                _ => drop(desk.redo()),
            }
        }
        let [ana, bo] = desks;
        let mut all = ana.book;
        all.insert(bo.book.entries().cloned().collect::<Vec<_>>());
        all.entries().cloned().collect()
    })
}

fn stands(book: &Book) -> Vec<(String, String, Label)> {
    book.labels().map(|(e, by, l)| (e.to_string(), by.to_owned(), l.value.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stands_does_not_depend_on_the_order_of_reading(
        (entries, shuffled) in story().prop_flat_map(|e| (Just(e.clone()), Just(e).prop_shuffle())),
    ) {
        let mut at_once = Book::default();
        at_once.insert(entries.clone());
        let mut one_by_one = Book::default();
        for entry in shuffled.iter().chain(&entries) {
            one_by_one.insert([entry.clone()]);
        }
        prop_assert_eq!(stands(&at_once), stands(&one_by_one));
        prop_assert!(at_once.entries().eq(one_by_one.entries()));
        prop_assert_eq!(at_once.len(), entries.len());
    }
}
