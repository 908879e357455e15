//! What is done on the screen is kept in a session, and the next screen opens on it.

use std::path::Path;
use std::time::Duration;

use outloud::app::{How, Keeping, Ledger, Msg, Phase, ReEncoded, State, Take};
use outloud::session::{self, Book, Closed, Folder, Pen, Reader, check};
use tempfile::TempDir;

use crate::stage::Stage;

/// Writes all that the stage has to keep.
fn keep(stage: &mut Stage, ledger: &mut Ledger, dir: &Path, pen: &Pen) {
    for (id, _) in std::mem::take(&mut stage.kept) {
        ledger.touch(id);
    }
    let (live, _notices) = session::open(&Folder::open(dir).unwrap(), pen).unwrap();
    for draft in ledger.flush(&stage.state, true) {
        live.save(draft).unwrap();
    }
    assert_eq!(live.close(Duration::from_secs(60)), Closed::default());
}

fn book(dir: &Path) -> Book {
    let mut book = Book::default();
    book.insert(Reader::new(&Folder::open(dir).unwrap(), None).poll().unwrap().entries);
    book
}

/// A new screen on what a session holds; the model is there first, as the session is slow.
fn reopened(dir: &Path) -> (Stage, Ledger, Pen) {
    let mut stage = Stage::demo();
    stage.state.keeping = Keeping::Loading;
    stage.play();
    let pen = Pen::new("ana");
    let mut ledger = Ledger::new(pen.clone());
    let book = book(dir);
    ledger.know(book.takes(), book.examples().map(|p| p.example.clone()));
    let store = Folder::open(dir).unwrap().store();
    stage.send(Msg::Kept(Box::new(outloud::tui::kept(&book, "ana", &store, 0)))).play();
    (stage, ledger, pen)
}

/// What a take is, whatever it is called.
fn essence(state: &State, take: &Take) -> (String, How, Option<String>, Phase, Vec<outloud::app::Token>) {
    let phase = match &take.phase {
        Phase::Failed(_) => Phase::Draft,
        phase => phase.clone(),
    };
    let id = state.examples[take.example].id.clone();
    (format!("{id} {}", take.input.answer), take.how.clone(), take.name.clone(), phase, take.tokens.clone())
}

/// Critique, how it came about, name, phase, tokens of a take.
type Essence = (String, How, Option<String>, Phase, Vec<outloud::app::Token>);

fn essences(state: &State) -> Vec<Essence> {
    state.takes.iter().map(|take| essence(state, take)).collect()
}

#[test]
fn the_next_screen_shows_the_takes_and_opens_where_this_one_stood() {
    let dir = TempDir::new().unwrap();
    let pen = Pen::new("ana");
    let (mut stage, mut ledger) = (Stage::finished(), Ledger::new(pen.clone()));
    stage.press("] space").play();
    stage.press("r").play();
    stage.press("h h");
    keep(&mut stage, &mut ledger, dir.path(), &pen);
    let (selected, cursor, shown) =
        (stage.state.selected, stage.state.cursor, stage.state.take().unwrap().clone());
    assert!(stage.state.takes.iter().count() >= 2 && cursor.is_some());

    let (mut again, mut ledger, pen) = reopened(dir.path());
    assert_eq!(essences(&again.state), essences(&stage.state));
    assert_eq!((again.state.selected, again.state.cursor), (selected, cursor));
    let take = again.state.take().unwrap();
    assert_eq!(take.reward(), shown.reward());
    assert!(matches!(
        (&take.re_encoded, &shown.re_encoded),
        (ReEncoded::Read(a), ReEncoded::Read(b)) if a.reward == b.reward
    ));
    assert_eq!(again.requests.len(), 1, "the model; nothing is computed again");
    assert_eq!(again.text(120, 40).lines().nth(1), stage.text(120, 40).lines().nth(1));
    again.press("I").play();
    let screen = again.text(120, 40);
    assert!(screen.contains("its position: —") && !screen.contains("0 of the prompt"), "{screen}");
    again.press("esc");
    // Nothing has changed: nothing is written.
    let before = book(dir.path()).len();
    again.rest(10_000);
    keep(&mut again, &mut ledger, dir.path(), &pen);
    let new: Vec<_> = book(dir.path()).entries().skip(before).map(|e| e.event.kind().to_owned()).collect();
    assert!(new.is_empty() || new == ["view"], "{new:?}");
    let report = check(&Folder::open(dir.path()).unwrap(), true).unwrap();
    assert_eq!(report.problems, []);
}

#[test]
fn the_scale_holds_what_comes_back() {
    let dir = TempDir::new().unwrap();
    let pen = Pen::new("ana");
    let mut examples = Stage::demo().state.examples.clone();
    examples.retain(|e| format!("{:?}", e.prompt).contains("three red"));
    let (mut stage, mut ledger) = (Stage::on(examples), Ledger::new(pen.clone()));
    stage.play();
    assert_eq!(stage.state.bound, 5.0);
    keep(&mut stage, &mut ledger, dir.path(), &pen);
    let (again, ..) = reopened(dir.path());
    assert_eq!(again.state.bound, 5.0);
}

#[test]
fn typed_examples_and_names_come_back() {
    let dir = TempDir::new().unwrap();
    let pen = Pen::new("ana");
    let (mut stage, mut ledger) = (Stage::finished(), Ledger::new(pen.clone()));
    let first = stage.state.take().unwrap().id;
    stage.state.takes.name(first, "wrong product");
    stage.press("n 'Is_2_even?' tab 'Yes.' ctrl-s").play();
    let typed = stage.state.example().unwrap().clone();
    assert_eq!(typed.id, "typed-1");
    keep(&mut stage, &mut ledger, dir.path(), &pen);
    let (again, ..) = reopened(dir.path());
    assert_eq!(again.state.example(), Some(&typed));
    assert!(again.state.takes.iter().any(|t| t.name.as_deref() == Some("wrong product")));
    assert_eq!(again.state.at_stake(), None, "all is kept");
}

#[test]
fn takes_of_another_model_stay_in_the_session() {
    let dir = TempDir::new().unwrap();
    let pen = Pen::new("ana");
    let (mut stage, mut ledger) = (Stage::finished(), Ledger::new(pen.clone()));
    if let outloud::app::ModelState::Ready(info) = &mut stage.state.model {
        info.fingerprint = "another".into();
    }
    keep(&mut stage, &mut ledger, dir.path(), &pen);
    let (again, ..) = reopened(dir.path());
    assert!(again.state.takes.iter().all(|take| take.kept.is_none()));
    assert!(book(dir.path()).takes().len() == 1);
}

#[test]
fn until_the_session_is_read_nothing_runs_by_itself() {
    let mut stage = Stage::demo();
    stage.state.keeping = Keeping::Loading;
    stage.play();
    assert_eq!(stage.requests.len(), 1);
    stage.send(Msg::Kept(Box::default())).play();
    assert_eq!(
        stage.state.take().unwrap().phase,
        Phase::Complete,
        "an empty session: the first example runs"
    );
}

#[test]
fn a_full_disk_is_told_and_stands_in_the_way_of_leaving() {
    let mut stage = Stage::finished();
    stage.state.keeping = Keeping::Kept;
    stage.send(Msg::Saving(3, Some("No space left on device".into())));
    assert!(stage.text(120, 40).contains("NOT SAVED: No space left"));
    assert!(stage.state.at_stake().unwrap().contains("3 changes are not on the disk"));
    stage.send(Msg::Saving(0, None));
    assert_eq!(stage.state.at_stake(), None);
}
