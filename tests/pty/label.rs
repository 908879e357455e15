//! Labelling through a real terminal: no key lost at any speed, nothing lost to kill -9, two at once.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outloud::label::{Given, Rule, outcome};
use outloud::session::{Book, Choice, Folder, Label, Progress, Reader};

use crate::terminal::Terminal;

fn pairs(folder: &Path, count: usize) -> String {
    let mut rows = String::new();
    for i in 0..count {
        writeln!(
            rows,
            "{{\"id\":\"pair-{i}\",\"prompt\":\"What is {i} + {i}?\",\"chosen\":\"It is {}.\",\"rejected\":\"{}\"}}",
            2 * i,
            2 * i + 1
        )
        .unwrap();
    }
    let file = folder.join("pairs.jsonl");
    std::fs::write(&file, rows).unwrap();
    file.to_str().unwrap().to_owned()
}

fn book(session: &Path) -> Book {
    let mut book = Book::default();
    let Ok(folder) = Folder::existing(session) else { return book };
    if let Ok(news) = Reader::new(&folder, None).poll() {
        book.insert(news.entries);
    }
    book
}

/// An annotator's labels by row.
fn labels(session: &Path, by: &str) -> Vec<(usize, Label)> {
    let book = book(session);
    let mine = book.labels().filter(|(_, who, _)| *who == by);
    let mut all: Vec<(usize, Label)> =
        mine.map(|(d, _, s)| (book.placed(d).unwrap().row.unwrap(), s.value.clone())).collect();
    all.sort_by_key(|(row, _)| *row);
    all
}

#[test]
fn a_hundred_labels_a_minute_and_more_without_a_dropped_key() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let file = pairs(home.path(), 210);
    let mut terminal = Terminal::start_at(&home, &["label", "--annotator", "ana", &file], (120, 40));
    terminal.wait_for("0 of 210 labelled");
    let keys: String = (0..200).map(|i| char::from(b'1' + (i * 7 % 5) as u8)).collect();
    let start = Instant::now();
    // A hundred one by one, as fast as a machine types, then a hundred in one burst, as after a stall of the line.
    for key in keys.chars().take(100) {
        terminal.keys(&key.to_string());
        std::thread::sleep(Duration::from_millis(5));
    }
    terminal.keys(&keys[100..]);
    terminal.wait_for("200 of 210 labelled");
    terminal.wait_for("ana · saved");
    let took = start.elapsed();
    println!(
        "200 labels, 1 keystroke each, in {took:.1?}: {:.0} a minute",
        200.0 * 60.0 / took.as_secs_f64()
    );
    assert!(took < Duration::from_secs(120), "{took:?}");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    // By default the session has the data's name.
    let sessions = home.path().join("outloud/sessions");
    let session = std::fs::read_dir(sessions).unwrap().next().unwrap().unwrap().path();
    assert!(session.file_name().unwrap().to_str().unwrap().starts_with("pairs-"));
    let all = labels(&session, "ana");
    let given: String =
        all.iter().map(|(_, l)| char::from(b'0' + Given::of(l.choice.unwrap(), &l.shown).0)).collect();
    assert_eq!(given, keys);
    assert!(all.iter().map(|(row, _)| *row).eq(0..200), "each pair once, in order");
    assert!(all.iter().all(|(_, l)| l.state == Progress::Submitted && !l.revealed && l.seconds.is_some()));
    assert!(all.iter().any(|(_, l)| l.shown == [0, 1]) && all.iter().any(|(_, l)| l.shown == [1, 0]));
}

#[test]
fn killed_in_the_middle_of_a_label_it_goes_on_there_and_undo_goes_back_further() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let file = pairs(home.path(), 6);
    let session = home.path().join("session");
    let args = ["label", "--annotator", "ana", "--session", session.to_str().unwrap(), &file];
    let mut terminal = Terminal::start_at(&home, &args, (120, 40));
    terminal.wait_for("0 of 6 labelled");
    terminal.keys("14");
    terminal.wait_for("2 of 6 labelled");
    terminal.keys("fn");
    terminal.wait_for("Note");
    terminal.keys("half a note");
    terminal.wait_until("the note on the disk", |_| {
        labels(&session, "ana").last().is_some_and(|(row, l)| *row == 2 && l.note == "half a note")
    });
    terminal.signal("KILL");
    terminal.exit();
    let mut again = Terminal::start_at(&home, &args, (120, 40));
    again.wait_for("note: half a note");
    again.wait_for("draft");
    assert!(again.text().contains("flagged") && again.text().contains("pair-2"), "{}", again.text());
    // The note, the flag, the second label; the first stays.
    again.keys("uuu");
    again.wait_for("1 of 6 labelled");
    again.keys("U");
    again.wait_for("2 of 6 labelled");
    again.wait_for("ana · saved");
    again.signal("KILL");
    again.exit();
    let all = labels(&session, "ana");
    assert!(all.iter().map(|(row, _)| *row).eq(0..2), "{all:?}");
    let report = outloud::session::check(&Folder::existing(&session).unwrap(), true).unwrap();
    assert_eq!(report.problems, []);
}

#[test]
fn two_label_at_once_and_see_each_other() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let file = pairs(home.path(), 8);
    let session = home.path().join("session");
    let path = session.to_str().unwrap();
    let open = |by| {
        let args = ["label", "--session", path, "--annotator", by, &file];
        let mut terminal = Terminal::start_at(&home, &args, (160, 45));
        terminal.wait_for("0 of 8 labelled");
        terminal
    };
    let (mut ana, mut ben) = (open("ana"), open("ben"));
    for _ in 0..8 {
        ana.keys("3");
        ben.keys("3");
    }
    for (terminal, other) in [(&mut ana, "with ben: same side"), (&mut ben, "with ana: same side")] {
        terminal.wait_for("8 of 8 labelled");
        terminal.wait_for(other);
        terminal.wait_for("saved");
    }
    // Ben changes his mind; Ana sees the conflict, and settles it.
    ben.keys("\rK1");
    ana.wait_for("1 conflict (C)");
    ana.keys("C\r1");
    ana.wait_for("all conflicts are settled");
    ana.wait_for("ana · saved");
    for mut terminal in [ana, ben] {
        terminal.keys("q");
        assert_eq!(terminal.exit(), 0);
    }
    let all = outcome(&book(&session), &Rule::Majority);
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|o| o.labels.len() == 2 && !o.conflict));
    let settled: Vec<_> = all.iter().filter(|o| o.adjudicated.is_some()).collect();
    assert_eq!(settled.len(), 1);
    assert_ne!(settled[0].choice, Some(Choice::Tie));
}
