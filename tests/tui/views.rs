//! What the view does by itself: search, counts, the clipboard's text, views that hold their place, lines for screen readers.

use outloud::app::{Effect, Example, Focus, Layer, Msg};
use outloud::screens::plain::Lines;
use outloud::widgets::{Depth, Theme};

use crate::stage::Stage;

/// An example whose answer is long enough to scroll.
fn long() -> Stage {
    let words: Vec<String> = (0..600).map(|n| format!("word{n}")).collect();
    let mut stage = Stage::on(vec![
        Example::text("first", "Say many words.", words.join(" ")),
        Example::text("second", "Another prompt with zebra in it", "short"),
        Example::text("third", "A third", "Zebra crossing"),
    ]);
    stage.play();
    stage
}

#[test]
fn a_resize_keeps_the_words_at_the_top_where_they_are() {
    let mut stage = long();
    stage.press("tab tab").draw(80, 24, Depth::None);
    assert_eq!(stage.state.focus, Focus::Text);
    stage.press("1 0 j");
    let top = |stage: &mut Stage, width, height| {
        stage.send(Msg::Size(width, height));
        let text = stage.text(width, height);
        let row = text.lines().find(|row| row.contains("word")).unwrap().to_owned();
        row.split_whitespace().find(|w| w.starts_with("word")).unwrap().to_owned()
    };
    let first = {
        let text = stage.text(80, 24);
        let row = text.lines().find(|row| row.contains("word")).unwrap().to_owned();
        row.split_whitespace().find(|w| w.starts_with("word")).unwrap().to_owned()
    };
    assert_ne!(first, "word0", "it is scrolled");
    for (width, height) in [(160, 45), (60, 16), (133, 30), (97, 50)] {
        let row = top(&mut stage, width, height);
        let number = |w: &str| w.trim_start_matches("word").parse::<i32>().unwrap();
        assert!((0..25).contains(&(number(&first) - number(&row))), "{width}x{height}: {row}, not {first}");
    }
    assert_eq!(top(&mut stage, 80, 24), first, "and back it is as it was");
    stage.press("j");
    assert_eq!(stage.state.text_anchor, None, "scrolling lets go");
}

#[test]
fn a_scrolled_critique_stays_while_tokens_come_and_says_how_many_are_new() {
    let mut stage = Stage::demo();
    for recording in &mut stage.script.recordings {
        let (end, words) = recording.tokens.split_last().unwrap();
        recording.tokens = words.iter().cycle().take(600).chain([end]).cloned().collect();
    }
    stage.step(2 + 3 + 2 * 300);
    stage.draw(80, 24, Depth::None);
    stage.send(Msg::Scroll(Some(Focus::Critique), -3));
    let row = |stage: &mut Stage| {
        let text = stage.text(80, 24);
        let mut rows = text.lines().skip_while(|l| !l.contains("Critique"));
        (rows.nth(1).unwrap().to_owned(), text)
    };
    let (before, _) = row(&mut stage);
    stage.step(2 * 60);
    let (after, text) = row(&mut stage);
    assert_eq!(before, after);
    assert!(text.contains(" new"), "{text}");
    stage.press("G");
    assert_ne!(row(&mut stage).0, before, "at its end it follows again");
}

#[test]
fn slash_looks_for_words_in_prompt_answer_and_critique() {
    let mut stage = Stage::finished();
    stage.press("/ '22'");
    let screen = stage.text(80, 24);
    assert!(screen.contains("/22▏"), "{screen}");
    stage.press("enter");
    let note = stage.state.note.clone().unwrap();
    assert!(
        note.contains("match") && note.contains(" of 3"),
        "twice in the answer, once in the critique: {note}"
    );
    let take = stage.state.take().unwrap();
    assert_eq!(
        take.tokens[stage.state.cursor.unwrap()].text.trim(),
        "22",
        "first in the pane with the focus"
    );
    stage.press("ctrl-n");
    assert_eq!(stage.state.focus, Focus::Text, "round to the first");
    stage.press("ctrl-p");
    assert_eq!(stage.state.focus, Focus::Critique);
    stage.press("/ 'no_such_words' enter");
    assert!(stage.state.note.as_ref().unwrap().contains("not in the texts"));
    stage.press("esc");
    assert_eq!(stage.state.search, None);
    stage.press("ctrl-n");
    assert!(stage.state.note.as_ref().unwrap().contains("nothing is looked for"));
}

#[test]
fn matches_stand_out_without_colour() {
    let mut stage = Stage::finished();
    let plain = stage.draw(80, 24, Depth::None);
    stage.press("/ 'coins' enter");
    let marked = stage.draw(80, 24, Depth::None);
    let underlined = |b: &ratatui::buffer::Buffer| {
        b.content().iter().filter(|c| c.modifier.contains(ratatui::style::Modifier::UNDERLINED)).count()
    };
    assert!(underlined(&marked) >= underlined(&plain) + 15, "three times five letters");
}

#[test]
fn in_the_list_slash_finds_the_example() {
    let mut stage = long();
    stage.press("tab");
    assert_eq!(stage.state.focus, Focus::Examples);
    stage.press("/ 'zebra' enter");
    assert_eq!(stage.state.selected, 1);
    stage.press("ctrl-n");
    assert_eq!(stage.state.selected, 2);
    stage.press("ctrl-n");
    assert_eq!(stage.state.selected, 1, "and round again");
    stage.press("ctrl-p");
    assert_eq!(stage.state.selected, 2);
}

#[test]
fn slash_filters_the_help() {
    let mut stage = Stage::finished();
    stage.press("? / 'theme'");
    let screen = stage.text(80, 24);
    assert!(screen.contains("next theme") && !screen.contains("previous token"), "{screen}");
    stage.press("enter");
    assert!(stage.text(80, 24).contains("Keys with ‘theme’"));
    stage.press("/ 'qqq'");
    assert!(stage.text(80, 24).contains("no key with these words"));
    stage.press("esc");
    assert!(stage.text(80, 24).contains("previous token"), "closed: all keys again");
    stage.press("?");
    assert!(stage.state.layers.is_empty());
}

#[test]
fn help_is_wrapped_not_cut() {
    let mut stage = Stage::finished();
    stage.press("? / 'rank' enter");
    let screen = stage.text(80, 24);
    let words: Vec<&str> = screen.split_whitespace().collect();
    assert!(words.join(" ").replace("│ │ ", "").contains("again: the next in rank"), "{screen}");
}

#[test]
fn a_number_before_a_motion_repeats_it() {
    let mut stage = Stage::finished();
    stage.press("3 J");
    assert_eq!(stage.state.selected, 3);
    stage.press("1 0");
    assert!(stage.text(80, 24).contains("10 ×"));
    stage.press("J");
    assert_eq!(stage.state.selected, 11, "not further than the last");
    stage.press("tab 2 G");
    assert_eq!((stage.state.focus, stage.state.selected), (Focus::Examples, 1));
    stage.press("5 esc J");
    assert_eq!(stage.state.selected, 2, "esc forgets the number");
    stage.press("9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 K");
    assert_eq!(stage.state.selected, 0);
    stage.press("shift-tab 3 h");
}

#[test]
fn y_copies_the_pane_and_shift_y_a_row_that_score_reads() {
    let mut stage = Stage::finished();
    stage.press("y");
    let (what, text) = stage.copied.last().unwrap();
    assert_eq!(what, "critique");
    assert!(text.starts_with("We check") && text.ends_with("bad ."), "{text}");
    stage.press("shift-tab y");
    assert_eq!(stage.copied.last().unwrap().1, "7 * 3 = 22\n\nSo the box holds 22 coins.");
    stage.press("Y");
    let (what, text) = stage.copied.last().unwrap();
    assert_eq!(what, "row");
    let rows: Vec<_> = outloud::rows::Reader::over("clipboard", std::io::Cursor::new(text.clone())).collect();
    let Ok(row) = &rows[0] else { panic!("{text}") };
    assert!(row.content.is_ok(), "{:?}", row.content);
    assert!(text.contains("\"reward\":-1.6889"), "{text}");
}

#[test]
fn the_log_opens_at_its_end() {
    let mut stage = Stage::finished();
    let lines: Vec<String> = (0..200).map(|n| format!("line {n}\x1b[31m")).collect();
    stage.send(Msg::Page("the log".into(), lines.join("\n")));
    let screen = stage.text(80, 24);
    assert!(screen.contains("line 199␛[31m") && !screen.contains("line 100"), "{screen}");
    stage.press("k");
    assert!(!stage.text(80, 24).contains("line 199"), "the first key moves it");
    assert!(matches!(stage.press("g L").effects.last(), Some(Effect::ShowLog)));
    stage.press("q");
    assert!(!matches!(stage.state.layers.last(), Some(Layer::Detail(..))));
}

#[test]
fn slash_looks_through_the_log_and_every_page() {
    let mut stage = Stage::finished();
    let lines: Vec<String> =
        (0..200).map(|n| format!("line {n}{}", if n % 50 == 7 { " a needle" } else { "" })).collect();
    stage.send(Msg::Page("the log".into(), lines.join("\n")));
    stage.press("/ 'needle' enter");
    let screen = stage.text(80, 24);
    assert!(screen.contains("line 157 a needle") || screen.contains("line 7 a needle"), "{screen}");
    assert!(stage.state.note.as_ref().unwrap().contains("of 4"), "{:?}", stage.state.note);
    stage.press("g g / 'needle' enter");
    assert!(stage.text(80, 24).contains("line 7 a needle"));
    stage.press("ctrl-n");
    assert!(stage.text(80, 24).contains("line 57 a needle"));
    stage.press("ctrl-p ctrl-p");
    assert!(stage.text(80, 24).contains("line 157 a needle"), "round the end");
    stage.press("/ 'nowhere' enter");
    assert!(stage.state.note.as_ref().unwrap().contains("not in this text"));
    stage.press("q");
    assert_eq!(stage.state.search, None, "the texts below were not looked through");
}

#[test]
fn a_bad_row_shows_its_reason_where_it_is_selected() {
    let text = "{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"c\", \"answer\": 3}\n";
    let rows = outloud::rows::Reader::over("rows.jsonl", std::io::Cursor::new(text));
    let examples =
        rows.map(|r| outloud::app::Example::from_row(r.unwrap(), outloud::app::Origin::File)).collect();
    let mut stage = Stage::on(examples);
    stage.play();
    for focus in ["tab", "tab", "tab"] {
        stage.press(focus).press("J");
        let screen = stage.text(80, 24);
        assert!(screen.contains("cannot be judged") && screen.contains("found"), "{screen}");
    }
}

#[test]
fn the_bottom_line_keeps_the_useful_keys_and_help_at_80_columns() {
    let mut stage = Stage::finished();
    let screen = stage.text(80, 24);
    let last = screen.lines().last().unwrap();
    for hint in ["space run", "e edit", "a answer", "m biggest", "n new", "tab pane", "? help"] {
        assert!(last.contains(hint), "{hint}: {last}");
    }
    assert!(stage.text(60, 16).lines().last().unwrap().ends_with("? help"));
}

/// Everything a screen reader is given while keys are pressed.
fn told(stage: &mut Stage, lines: &mut Lines) -> String {
    lines.append(&stage.state, &Theme::built_in("dark", Depth::None).unwrap())
}

#[test]
fn lines_for_screen_readers_only_ever_append_what_is_new() {
    let mut lines = Lines::default();
    let mut stage = Stage::demo();
    let mut all = told(&mut stage, &mut lines);
    let mut pieces = 0;
    while stage.step(1).state.take().is_none_or(|t| t.verdict.is_none()) {
        let more = told(&mut stage, &mut lines);
        pieces += usize::from(!more.is_empty());
        all.push_str(&more);
    }
    stage.play();
    all.push_str(&told(&mut stage, &mut lines));
    assert!(pieces > 20, "word by word");
    assert_eq!(all.matches("We check").count(), 1, "{all}");
    for part in [
        "The model is loading.",
        "Example 1 of 12: rows-wrong.",
        "Prompt: A box holds 7 rows",
        "We check : 7 * 3 = 21 . The answer says 22 , and that is n't right !",
        "Reward -1.6889, in-place.",
        "Reward -1.6880, re-encoded.",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert_eq!(told(&mut stage, &mut lines), "", "nothing new, nothing told");
    stage.press("h");
    assert!(told(&mut stage, &mut lines).contains("Token 29"));
    stage.press("?");
    assert!(told(&mut stage, &mut lines).contains("run the critique, or stop it"));
    stage.press("?");
    assert_eq!(told(&mut stage, &mut lines), "Closed.\r\n");
    stage.press("n 'Hel'");
    told(&mut stage, &mut lines);
    stage.press("'lo'");
    assert_eq!(told(&mut stage, &mut lines), "lo", "what is typed is appended");
    assert!(!all.contains('\x1b') && !all.contains("\n\n\n"));
}
