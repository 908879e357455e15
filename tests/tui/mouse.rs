//! The mouse: clicks on rows, tokens, columns of the chart and letters; drawn over a text it selects.

use outloud::app::{Focus, Layer, Msg, Side};
use outloud::widgets::Depth;

use crate::stage::Stage;

/// The first cell at which a text stands on the screen.
fn cell(stage: &mut Stage, (width, height): (u16, u16), words: &str) -> (u16, u16) {
    let buffer = stage.draw(width, height, Depth::None);
    let rows = (0..height).map(|y| (y, (0..width).map(|x| buffer[(x, y)].symbol()).collect::<Vec<_>>()));
    let found = rows.into_iter().find_map(|(y, row)| {
        let starts = (0..row.len()).find(|x| row[*x..].concat().starts_with(words))?;
        Some((starts as u16, y))
    });
    found.unwrap_or_else(|| panic!("{words} is not on the screen:\n{}", stage.text(width, height)))
}

fn click_cell(stage: &mut Stage, (x, y): (u16, u16)) {
    let limits = stage.state.limits.clone();
    stage.send(Msg::Click(limits.pane_at(x, y), limits.target_at(x, y)));
}

/// Clicks where a text stands.
fn click(stage: &mut Stage, size: (u16, u16), words: &str) {
    let at = cell(stage, size, words);
    click_cell(stage, at);
}

fn drag(stage: &mut Stage, size: (u16, u16), words: &str) {
    let (x, y) = cell(stage, size, words);
    if let Some(target) = stage.state.limits.target_at(x, y) {
        stage.send(Msg::Drag(target));
    }
}

const WIDE: (u16, u16) = (160, 45);

#[test]
fn an_example_is_shown_and_a_token_gets_the_cursor() {
    for size in [(80, 24), WIDE] {
        let mut stage = Stage::finished();
        click(&mut stage, size, "right !");
        assert_eq!(stage.state.focus, Focus::Critique);
        let token = |s: &Stage| s.state.take().unwrap().tokens[s.state.cursor.unwrap()].text.clone();
        assert_eq!(token(&stage), " right");
        drag(&mut stage, size, "Verdict :");
        assert_eq!(token(&stage), " Verdict");
        if size == WIDE {
            click(&mut stage, size, "rows-good");
        } else {
            stage.press("tab");
            click(&mut stage, size, "rows-good");
        }
        assert_eq!((stage.state.selected, stage.state.focus), (1, Focus::Examples));
    }
}

#[test]
fn a_click_on_the_chart_goes_to_its_token() {
    let mut stage = Stage::finished();
    let (x, y) = cell(&mut stage, WIDE, "Trace");
    // Two cells a token; the axis takes five, the frame two.
    click_cell(&mut stage, (x + 5 + 2 * 7, y + 3));
    assert_eq!(stage.state.cursor, Some(7));
    assert_eq!(stage.state.focus, Focus::Critique);
}

#[test]
fn a_clicked_token_does_not_move_the_rows() {
    let mut stage = Stage::demo();
    for recording in &mut stage.script.recordings {
        let (end, words) = recording.tokens.split_last().unwrap();
        recording.tokens = words.iter().cycle().take(2000).chain([end]).cloned().collect();
    }
    stage.play();
    let before = stage.text(80, 24);
    let critique = |text: &str| text.lines().skip(12).take(5).map(str::to_owned).collect::<Vec<_>>();
    click(&mut stage, (80, 24), "Verdict");
    let after = stage.text(80, 24);
    // One row less: the token's own line.
    assert_eq!(critique(&before)[..4], critique(&after)[..4], "{before}\n{after}");
}

#[test]
fn in_a_text_the_mouse_puts_the_cursor_and_selects() {
    for size in [(80, 24), WIDE] {
        let mut stage = Stage::finished();
        stage.press("e");
        click(&mut stage, size, "answer says");
        drag(&mut stage, size, "22 ,");
        stage.press("'X'");
        let Some(Layer::Edit(edit)) = stage.state.layers.last() else { panic!() };
        assert!(edit.text().starts_with("We check : 7 * 3 = 21 . The X22 , and"), "{}", edit.text());
        let mut stage = Stage::finished();
        stage.press("n").send(Msg::Paste("one\n世界 two".into())).press("tab 'three'");
        click(&mut stage, size, "two");
        stage.press("'>'");
        let Some(Layer::Entry(entry)) = stage.state.layers.last() else { panic!() };
        assert_eq!(entry.texts(), ("one\n世界 >two".into(), "three".into()));
    }
}

#[test]
fn a_row_is_picked_by_a_click_and_taken_by_another() {
    let mut stage = Stage::finished();
    stage.press("N").play();
    let last = stage.state.samples().last().unwrap().id;
    let rows = stage.state.limits.clone();
    drop(rows);
    stage.draw(80, 24, Depth::None);
    let row = stage.state.limits.list;
    for _ in 0..2 {
        stage.send(Msg::Click(None, Some(outloud::app::Target::Row(row))));
    }
    assert_eq!((stage.state.take().unwrap().id, stage.state.layers.len()), (last, 0));
    stage.press(":");
    click(&mut stage, (80, 24), "next-example");
    click(&mut stage, (80, 24), "next-example");
    assert_eq!((stage.state.selected, stage.state.layers.len()), (1, 0));
}

#[test]
fn what_lies_under_a_layer_is_not_clicked() {
    let mut stage = Stage::finished();
    let at = cell(&mut stage, WIDE, "rows-good");
    stage.press("?");
    stage.draw(WIDE.0, WIDE.1, Depth::None);
    click_cell(&mut stage, at);
    assert_eq!(stage.state.selected, 0);
}

#[test]
fn of_a_pair_a_click_turns_to_that_answer() {
    let mut stage = Stage::finished();
    stage.press("J J space").play();
    assert_eq!(stage.state.side, Side::Chosen);
    let (_, y) = cell(&mut stage, WIDE, "Critique, rejected");
    click_cell(&mut stage, (130, y + 1));
    assert_eq!(stage.state.side, Side::Rejected);
    assert!(stage.text(160, 45).contains("▸ Critique, rejected"));
}
