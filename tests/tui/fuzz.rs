//! Random keys, pastes and engine events: no panic, no lost take.

use std::collections::HashMap;

use outloud::app::{Layer, Msg, TakeId};
use outloud::engine::{Event, Input};
use outloud::widgets::Depth;
use proptest::prelude::*;

use crate::stage::Stage;

const KEYS: &[&str] = &[
    "space",
    "r",
    "J",
    "K",
    "e",
    "n",
    "v",
    "{",
    "}",
    "m",
    "c",
    "s",
    "x",
    "i",
    "?",
    ":",
    "tab",
    "shift-tab",
    "esc",
    "q",
    "g",
    "G",
    "home",
    "end",
    "j",
    "k",
    "h",
    "l",
    "w",
    "b",
    "pageup",
    "pagedown",
    "ctrl-s",
    "enter",
    "backspace",
    "up",
    "down",
    "left",
    "right",
    "ctrl-u",
    "ctrl-y",
    "y",
    "a",
    "/",
    "ctrl-n",
    "ctrl-p",
    "Y",
    "T",
    ".",
    "3",
    "0",
    "世",
    "p",
    "u",
    "U",
    "t",
    "N",
    "H",
    "M",
    "I",
    "o",
    "d",
    "L",
    "c",
    "ctrl-g",
    "ctrl-z",
    "ctrl-a",
    "ctrl-x",
    "ctrl-v",
    "alt-c",
    "shift-left",
    "1",
    "2",
    "5",
    "f",
    "C",
    "*",
    "[",
    "]",
    "A",
    "delete",
    // Whole sequences, so that every screen and layer is met often.
    "g c",
    "g i",
    "g l",
    "g L",
    "g l n 'note' ctrl-s",
    "g l 1",
    "J J space",
    "e 'some_words' backspace",
    "e ctrl-a",
    "a 'x' ctrl-s",
    "p 'y' ctrl-s",
    "m enter j enter",
    "t j c",
    "t n 'name' enter",
    "g c x d v",
    "g c L 'demo' enter",
    "N j enter",
    "/ 'the' enter ctrl-n",
    "E",
    "A",
    "ctrl-o",
    "e ctrl-home ctrl-g",
];

/// What a run begins with.
const BEGINNINGS: &[&str] =
    &["", "e", "a", "J J space", "J J space g c", "t", "N", "g g l l enter", "n", "p", ":", "g l"];

/// What must never change of a take that is complete and in no editor: its answer, its critique, its reward.
type Fixed = (Input, Vec<u32>, f32);

fn fixed(stage: &Stage) -> HashMap<TakeId, Fixed> {
    let open = stage.state.layers.iter().find_map(|layer| match layer {
        Layer::Edit(edit) => edit.take,
        _ => None,
    });
    let whole = stage.state.takes.iter().filter(|t| Some(t.id) != open);
    let settled =
        whole.filter_map(|t| Some((t.id, (t.input.clone(), t.ids(usize::MAX), t.settled()?.reward))));
    settled.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_key_sequence_panics_or_loses_a_take(
        begin in 0..BEGINNINGS.len(),
        moves in proptest::collection::vec((0..KEYS.len() + 12, 0usize..6, 0u16..170, 0u16..50), 1..80),
        width in 1u16..170,
        height in 1u16..50,
    ) {
        let mut stage = Stage::finished();
        // Labels have a session, so that every key does something.
        stage.send(Msg::Session(outloud::session::Pen::new("ana"))).send(Msg::Journal(Vec::new(), true));
        stage.send(Msg::Kept(Box::default()));
        stage.press(BEGINNINGS[begin]);
        let mut kept = fixed(&stage);
        let mut most = 0;
        let mut lines = outloud::screens::plain::Lines::default();
        let theme = outloud::widgets::Theme::built_in("dark", Depth::None).unwrap();
        for (index, events, x, y) in moves {
            let (pane, target) = (stage.state.limits.pane_at(x, y), stage.state.limits.target_at(x, y));
            match (KEYS.get(index), index.saturating_sub(KEYS.len()), target) {
                (Some(keys), ..) => drop(stage.press(keys)),
                (None, 0, _) => drop(stage.send(Msg::Paste("a\u{202e}\x1b[2J\n世界".into()))),
                (None, 1, _) => drop(stage.send(Msg::Edited("from an editor\r\nof the user's\n".into()))),
                (None, 2, _) => drop(stage.send(Msg::Page("a page".into(), "of\nlines".into()))),
                (None, 3, _) if events == 0 => drop(stage.send(Msg::Engine(Event::Down { reason: "gone".into() }))),
                (None, 4..7, Some(target)) => drop(stage.send(Msg::Drag(target))),
                (None, 4..9, _) => drop(stage.send(Msg::Click(pane, target))),
                (None, ..) => drop(stage.send(Msg::Scroll(pane, events as i32 - 3))),
            }
            stage.step(events * 5);
            stage.rest(40 * events as u64);
            let takes = stage.state.takes.iter().count();
            prop_assert!(takes >= most);
            most = takes;
            let now = fixed(&stage);
            for (id, before) in &kept {
                // A take in the editor may change; it is looked at again once that is closed.
                if let Some(take) = now.get(id) {
                    prop_assert_eq!(take, before, "take {:?} has changed", id);
                }
            }
            let open = stage.state.layers.iter().any(|layer| matches!(layer, Layer::Edit(_)));
            if !open {
                kept = now;
            }
            let (width, height) = if index % 7 == 0 { (width / 2 + 1, height / 2 + 1) } else { (width, height) };
            stage.send(Msg::Size(width, height));
            for (index, take) in stage.state.takes.iter().enumerate() {
                prop_assert_eq!(take.id.0, index);
                prop_assert!(take.parent.is_none_or(|p| p.0 < index));
            }
            let buffer = stage.draw(width, height, Depth::True);
            let told = lines.append(&stage.state, &theme);
            prop_assert!(!told.contains(|c: char| c.is_control() && c != '\r' && c != '\n'));
            for cell in buffer.content() {
                prop_assert!(!cell.symbol().contains(char::is_control));
            }
        }
    }
}
