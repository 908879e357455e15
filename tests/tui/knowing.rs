//! Who knows the model's rewards before a label: other screens keep them back, or the label says that they were seen.

use outloud::app::{Effect, Msg, Screen};
use outloud::browse::Worker;
use outloud::data::{Dataset, Options, Source};
use outloud::session::{Book, Event, Pen};

use crate::labelling::Desk;
use crate::stage::Stage;

/// The recorded examples as a file too, for the Data screen.
fn with_rows(mut stage: Stage) -> Stage {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    std::io::Write::write_all(&mut file, include_bytes!("examples.jsonl")).unwrap();
    stage.rows = Some(Worker::new(Dataset::open(vec![Source::File(file.path().into())], Options::default())));
    stage.file = Some(file);
    stage.work();
    stage
}

/// An annotator on the Label screen; the model has found what it finds ahead.
fn desk() -> Desk {
    let mut desk = Desk::on(with_rows(Stage::demo()), "ana", Vec::new());
    desk.stage.play();
    desk
}

fn seen(desk: &Desk) -> usize {
    let told = |entry: &&outloud::session::Entry| matches!(entry.event, Event::Seen { .. });
    desk.saved.iter().filter(told).count()
}

#[test]
fn the_table_of_rows_keeps_rewards_of_pairs_that_wait_back() {
    let mut desk = desk();
    desk.press("1 2").save();
    desk.press("g d");
    desk.stage.work();
    let text = desk.stage.text(200, 45);
    let row = |text: &str, id: &str| text.lines().find(|l| l.contains(id)).unwrap().to_owned();
    assert!(!row(&text, "rows-wrong").contains("hidden"), "labelled already: {text}");
    assert!(row(&text, "hello-pair").contains("hidden") && !row(&text, "hello-pair").contains('+'), "{text}");
    assert_eq!(text.matches("hidden while pairs wait").count(), 3, "no chart tells of them: {text}");
    // Neither order nor filter nor outlier tells either.
    for keys in ["l l l l s", "l s", "f 'margin>0' enter", "m"] {
        desk.press(keys);
        desk.stage.work();
        assert!(desk.note().contains("rewards are hidden"), "{keys}: {}", desk.note());
        desk.press("esc esc");
    }
    assert_eq!(desk.stage.state.screen, Screen::Data);
    // What was labelled blind stays so; a pair that was never shown is labelled blind.
    desk.press("g l").save();
    let waiting = desk.at();
    desk.press("1").save();
    assert!(!desk.mine(0).unwrap().revealed && !desk.mine(waiting).unwrap().revealed);
}

#[test]
fn rewards_of_the_table_are_shown_by_a_key_and_labels_say_so() {
    let mut desk = desk();
    desk.press("1 g d");
    desk.stage.work();
    desk.press("R").save();
    desk.stage.work();
    let text = desk.stage.text(200, 45);
    assert!(!text.contains("hidden") && text.contains("Pearson"), "{text}");
    desk.press("j").save();
    assert!(seen(&desk) > 0);
    desk.press("g l 1").save();
    assert!(!desk.mine(0).unwrap().revealed && desk.mine(1).unwrap().revealed);
    // Whoever opens the session again is known to have seen them.
    let mut again = Desk::open("ana", desk.saved.clone());
    assert!(again.text().contains("its rewards were seen elsewhere"), "{}", again.text());
    again.press("2").save();
    assert!(again.mine(2).unwrap().revealed);
    // Another annotator has not.
    let mut other = Desk::open("ben", desk.saved.clone());
    other.press("2");
    assert!(!other.mine(0).unwrap().revealed);
}

#[test]
fn inspect_records_what_it_shows_and_its_list_keeps_the_others_back() {
    let mut desk = desk();
    desk.press("1 g i").save();
    let text = desk.stage.text(160, 45);
    let list = |text: &str, id: &str| {
        text.lines().find(|l| l.contains(id)).unwrap().chars().take(60).collect::<String>()
    };
    assert!(list(&text, "hello-pair").contains("hidden"), "{text}");
    assert!(!list(&text, "rows-wrong").contains("hidden"), "{text}");
    assert_eq!(seen(&desk), 1);
    let mut book = Book::default();
    book.insert(desk.saved.clone());
    let state = &desk.stage.state;
    assert!(book.has_seen("ana", state.desk.digest(state.selected).unwrap()));
    assert!(!book.has_seen("ben", state.desk.digest(state.selected).unwrap()));
}

#[test]
fn where_nothing_is_shown_nothing_is_recorded() {
    // No critique was made of anything.
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.state.desk.ahead_done = true;
    desk.press("g i J J g l").save();
    assert_eq!(seen(&desk), 0);
    desk.press("K K 1").save();
    assert!(!desk.mine(0).unwrap().revealed);
}

#[test]
fn a_choice_that_was_looked_up_undone_and_made_again_is_not_blind() {
    let mut desk = desk();
    desk.press("1 K").save();
    assert!(desk.text().contains("CRITIQUE"));
    desk.press("u 2").save();
    assert!(desk.mine(0).unwrap().revealed);
}

#[test]
fn who_does_not_label_sees_everything() {
    let mut stage = with_rows(Stage::finished());
    stage.press("J space").play();
    stage.press("g d").work();
    let text = stage.text(200, 45);
    assert!(!text.contains("hidden") && text.contains("Pearson"), "{text}");
    stage.press("l l l l s").work();
    assert!(stage.state.note.is_none(), "{:?}", stage.state.note);
    assert!(!stage.effects.iter().any(|e| matches!(e, Effect::Write(_))), "{:?}", stage.effects);
    // Later they label: what they saw before is known.
    stage.send(Msg::Session(Pen::new("ana")));
    stage.send(Msg::Journal(Vec::new(), true));
    stage.press("g l");
    let desk = &stage.state.desk;
    assert!(desk.has_seen(0) && desk.has_seen(1) && !desk.has_seen(4));
}
