//! The Data screen: keys, on real rows of a file and the scripted engine.

use outloud::app::teach::{CHOSEN, Field, Picked};
use outloud::app::{DataPane, Layer, Msg, Phase, Screen};
use outloud::browse::{Ask, News, Worker};
use outloud::data::{Dataset, Options, Source};
use outloud::widgets::Depth;

use crate::snapshots::{coloured, shots};
use crate::stage::Stage;

/// What was recorded, then rows with scores, then rows that are none.
fn rows() -> String {
    use std::fmt::Write as _;
    let mut text = include_str!("examples.jsonl").trim_end().to_owned();
    for n in 0..60 {
        let score = f64::from((n * 37) % 50) / 10.0 - 2.0;
        let words = "word ".repeat(n as usize % 12 + 1);
        write!(
            text,
            "\n{{\"id\": \"made-{n}\", \"prompt\": \"Question {n} of many\", \"chosen\": \"{words}{n}\", \"rejected\": \
             \"no {n}\", \"score_chosen\": {score}, \"score_rejected\": 0.5, \"steps\": {}}}",
            n % 5
        )
        .unwrap();
    }
    text + "\n{\"id\": \"broken\", \"prompt\": \"p\"}\nnot json\n"
}

fn stage() -> Stage {
    let mut stage = Stage::finished();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    std::io::Write::write_all(&mut file, rows().as_bytes()).unwrap();
    let sources = vec![Source::File(file.path().into())];
    stage.rows = Some(Worker::new(Dataset::open(sources, Options::default())));
    stage.file = Some(file);
    stage.work().press("g d").work();
    assert_eq!(stage.state.screen, Screen::Data);
    stage
}

#[test]
fn rows_are_shown_by_index_and_opened() {
    let mut stage = stage();
    let count = stage.state.data.len();
    assert!(count > 60, "{count}");
    assert!(stage.text(80, 24).contains("made-") || stage.text(80, 24).contains("rows-wrong"));
    stage.press("G").work();
    assert_eq!(stage.state.data.at, count - 1);
    assert!(stage.text(80, 24).contains("made-59"));
    stage.press("enter").work();
    assert_eq!(stage.state.screen, Screen::Inspect);
    assert_eq!(stage.state.example().unwrap().id, "made-59", "it is an example now");
    stage.press("g d 1 G enter").work();
    assert_eq!(
        (stage.state.selected, stage.state.screen),
        (0, Screen::Inspect),
        "one that was there is not added twice"
    );
}

#[test]
fn a_filter_is_typed_mended_and_dropped() {
    let mut stage = stage();
    let all = stage.state.data.len();
    stage.press("f 'margin_<' enter");
    assert!(stage.text(80, 24).contains("expected a number"), "{}", stage.text(80, 24));
    assert!(matches!(stage.state.layers.last(), Some(Layer::Line(_))), "it stays to be mended");
    stage.press("'_0_and_steps_>=_3' enter").work();
    assert!(stage.state.layers.is_empty());
    let some = stage.state.data.len();
    assert!(some > 0 && some < all / 2, "{some} of {all}");
    let text = stage.text(80, 24);
    assert!(text.contains("where margin < 0 and steps >= 3"), "{text}");
    stage.press("f backspace").press("esc f").press("ctrl-c f").press("esc");
    stage.press("F").work();
    assert_eq!(stage.state.data.len(), all);
    stage.press("f 'stpes_=_1' enter");
    assert!(stage.state.note.as_ref().unwrap().contains("did you mean `steps`"));
}

#[test]
fn sorted_by_the_column_under_the_cursor_missing_last() {
    let mut stage = stage();
    let column = stage.state.data.columns.iter().position(|c| c.name() == "margin").unwrap();
    for _ in 0..column {
        stage.press("l");
    }
    let margins = |stage: &mut Stage| -> Vec<f32> {
        let data = &stage.state.data;
        (0..20).map(|place| data.lines[&data.row(place).unwrap()].facts.margin()).collect()
    };
    stage.press("s").work();
    assert!(margins(&mut stage).is_sorted());
    stage.press("s").work();
    assert!(margins(&mut stage).iter().rev().is_sorted());
    assert!(stage.text(120, 40).contains("margin▼"));
    let last = stage.state.data.row(stage.state.data.len() - 1).unwrap();
    assert!(last < 30, "rows without a margin are last");
    stage.press("s").work();
    assert_eq!(stage.state.data.view, None, "as the rows come");
}

#[test]
fn rows_are_chosen_one_by_one_as_a_range_all_and_the_others() {
    let mut stage = stage();
    stage.press("space space j space");
    assert_eq!(stage.state.chosen_rows().collect::<Vec<_>>(), [0, 1, 3]);
    stage.press("X 1 0 G V 5 j V");
    assert_eq!(stage.state.chosen_rows().collect::<Vec<_>>(), (9..15).collect::<Vec<u32>>());
    stage.press("f 'row_<=_12' enter").work().press("i");
    assert_eq!(stage.state.chosen_rows().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14]);
    stage.press("X a");
    assert_eq!(stage.state.data.chosen.len(), 12);
    stage.press("V esc");
    assert_eq!(stage.state.data.range, None);
}

#[test]
fn chosen_rows_are_critiqued_in_the_background() {
    let mut stage = stage();
    let takes = stage.state.takes.iter().count();
    // The first is critiqued already; the second is recorded.
    stage.press("space space r").work().play();
    stage.work().play();
    assert!(stage.state.data.batch.is_none(), "it is over");
    assert!(stage.state.note.as_ref().unwrap().contains("2 rows are critiqued"), "{:?}", stage.state.note);
    assert_eq!(stage.state.takes.iter().count(), takes + 1, "what was there is not made again");
    let take = stage.state.take_of(1, outloud::app::Side::Chosen).unwrap();
    assert_eq!(take.phase, Phase::Complete);
    let reward = take.reward().unwrap();
    stage.work();
    let line = stage.text(120, 40);
    assert!(line.contains(&format!("{reward:+.3}")), "{line}");
    assert!(stage.state.data.summary.answers > 0);
    assert!(!stage.kept.is_empty(), "as Inspect keeps them");
    // Rows for which nothing is recorded fail, and the next ones go on.
    stage.script.recordings.clear();
    stage.press("X 3 0 G space space space r").work().play();
    for _ in 0..6 {
        stage.work().play();
    }
    assert!(
        stage.state.note.as_ref().unwrap().contains("3 rows are critiqued, 6 answers failed"),
        "{:?}",
        stage.state.note
    );
}

#[test]
fn what_is_chosen_or_shown_goes_to_the_train_dialog() {
    let dialog = |stage: &Stage| match stage.state.layers.last() {
        Some(Layer::Train(form)) => (form.get(Field::Data).to_owned(), form.picked.clone()),
        other => panic!("{other:?}"),
    };
    let mut stage = stage();
    stage.state.teach.files = vec!["/rows.jsonl".into()];
    assert!(stage.text(160, 45).contains("train"), "the footer names the key");
    // All rows: the file itself.
    stage.press("ctrl-t");
    assert_eq!((stage.state.screen, dialog(&stage)), (Screen::Teach, ("/rows.jsonl".into(), None)));
    // A filter: what is shown.
    stage.press("esc g d f").press("'steps_>=_3' enter").work();
    let shown: Vec<u32> = (0..stage.state.data.len()).filter_map(|at| stage.state.data.row(at)).collect();
    assert!(!shown.is_empty() && shown.len() < 40);
    stage.press("ctrl-t");
    assert_eq!(dialog(&stage), (CHOSEN.into(), Some(Picked::Rows(shown.clone()))));
    // Chosen ones among them.
    stage.press("esc g d g g space space ctrl-t");
    assert_eq!(dialog(&stage), (CHOSEN.into(), Some(Picked::Rows(shown[..2].to_vec()))));
    let Some(Layer::Train(form)) = stage.state.layers.last() else { panic!() };
    // Two rows: enough steps, none held out.
    let words = form.words(&["r.jsonl".into()], std::path::Path::new("/r")).join(" ");
    assert!(words.contains("--steps 20") && !words.contains("--held-out"), "{words}");
}

#[test]
fn esc_stops_the_critiques_and_keeps_what_is_complete() {
    let mut stage = stage();
    stage.press("a r").work();
    assert!(stage.state.data.batch.is_some());
    assert!(stage.text(80, 24).contains("critiquing row"), "{}", stage.text(80, 24));
    stage.press("esc");
    assert!(stage.state.data.batch.is_none());
    stage.work().play();
    assert!(stage.state.running.values().all(|job| !matches!(job, outloud::app::Job::Critique(..))));
}

#[test]
fn words_are_looked_for_in_the_background() {
    let mut stage = stage();
    stage.press("/ 'question_41' enter").work();
    let line = |stage: &Stage| {
        stage.state.data.lines[&stage.state.data.row(stage.state.data.at).unwrap()].id.clone()
    };
    assert_eq!(line(&stage), "made-41");
    stage.press("/ 'many' enter").work();
    let at = stage.state.data.at;
    stage.press("n").work();
    assert_eq!(stage.state.data.at, at + 1);
    stage.press("N").work();
    assert_eq!(stage.state.data.at, at);
    stage.press("/ 'nowhere' enter").work();
    assert!(stage.state.note.as_ref().unwrap().contains("no row has"));
}

#[test]
fn columns_are_added_moved_and_hidden() {
    let mut stage = stage();
    stage.press("+");
    assert!(matches!(stage.state.layers.last(), Some(Layer::Columns(0))));
    let at = stage.state.data.hidden().iter().position(|c| c.name() == "steps").unwrap();
    for _ in 0..at {
        stage.press("j");
    }
    stage.press("enter").work();
    assert_eq!(stage.state.data.columns[1].name(), "steps");
    stage.press("G").work();
    let row = stage.text(120, 40).lines().find(|l| l.contains("made-59")).unwrap().to_owned();
    assert!(row.contains(" 4 "), "{row}");
    stage.press("> > <");
    assert_eq!(stage.state.data.columns[2].name(), "steps");
    stage.press("minus");
    assert!(!stage.state.data.columns.iter().any(|c| c.name() == "steps"));
}

#[test]
fn an_outlier_and_a_bin_open_their_row() {
    let mut stage = stage();
    stage.press("m");
    assert_eq!(stage.state.data.pane, DataPane::Scatter);
    let point = stage.state.data.summary.points[stage.state.data.point];
    let most = stage.state.data.summary.points.iter().map(|p| p.residual.abs()).fold(0.0, f32::max);
    assert_eq!(point.residual.abs(), most);
    stage.press("enter").work();
    assert_eq!(stage.state.screen, Screen::Inspect);
    assert!(stage.state.example().unwrap().id.starts_with("made-"));
    stage.press("g d tab tab tab tab tab");
    assert_eq!(stage.state.data.pane, DataPane::Scatter);
    stage.press("shift-tab");
    assert_eq!(stage.state.data.pane, DataPane::Margins);
    stage.press("l l l l l l l l l l l l enter").work();
    assert_eq!(stage.state.screen, Screen::Inspect);
}

#[test]
fn bad_rows_are_listed_with_their_place_and_written() {
    let mut stage = stage();
    stage.press("B").work();
    let text = stage.text(120, 40);
    assert!(text.contains("Bad rows") && text.contains(".jsonl:"), "{text}");
    stage.press("j enter");
    assert!(matches!(stage.state.layers.last(), Some(Layer::Detail(..))));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    stage.press("esc w");
    let Some(Layer::Line(line)) = stage.state.layers.last_mut() else { panic!() };
    line.text = path.display().to_string();
    stage.press("enter").work();
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("not json\n"));
}

#[test]
fn a_click_goes_to_a_row_and_the_wheel_moves() {
    let mut stage = stage();
    stage.draw(80, 24, Depth::None);
    let (pane, [x, y, ..], first) = stage.state.limits.data[0].unwrap();
    assert_eq!((pane, first), (DataPane::Table, 0));
    stage.send(Msg::Press(x + 5, y + 4));
    assert_eq!(stage.state.data.at, 4);
    stage.send(Msg::Scroll(None, 3));
    assert_eq!(stage.state.data.at, 7);
}

#[test]
fn a_million_rows_are_drawn_as_fast_as_ten() {
    let mut stage = stage();
    let index =
        outloud::browse::Index { rows: 1_000_000, done: true, ..stage.state.data.index.clone().unwrap() };
    stage.send(Msg::Data(Box::new(News::Index(index))));
    stage.send(Msg::Data(Box::new(News::View { id: stage.state.data.asked, rows: None, share: None })));
    stage.press("5 0 0 0 0 0 G");
    let best = (0..21)
        .map(|_| {
            let start = std::time::Instant::now();
            stage.press("j");
            stage.draw(160, 45, Depth::True);
            start.elapsed()
        })
        .min()
        .unwrap();
    assert!(best < std::time::Duration::from_millis(8), "{best:?}");
    assert!(stage.state.data.lines.len() <= 512);
}

#[test]
fn looks() {
    let mut stage = stage();
    stage.press("space j j space");
    coloured("data", &mut stage);
    stage.press("f 'margin_<_1' enter").work().press("l l l l l s").work().press("m");
    shots("data-scatter", &mut stage);
    stage.press("shift-tab");
    shots("data-margins", &mut stage);
    stage.press("f backspace");
    shots("data-filter", &mut stage);
    let Some(worker) = &mut stage.rows else { panic!() };
    let _ = worker.hear(Ask::Stop);
}
