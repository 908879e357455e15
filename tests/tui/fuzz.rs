//! Random keys, pastes and engine events: no panic, no lost take.

use outloud::app::Msg;
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
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_key_sequence_panics_or_loses_a_take(
        moves in proptest::collection::vec((0..KEYS.len() + 3, 0usize..6), 1..80),
        width in 1u16..170,
        height in 1u16..50,
    ) {
        let mut stage = Stage::demo();
        // Labels have a session, so that every key does something.
        stage.send(Msg::Session(outloud::session::Pen::new("ana"))).send(Msg::Journal(Vec::new(), true));
        stage.send(Msg::Kept(Box::default()));
        let mut most = 0;
        let mut lines = outloud::screens::plain::Lines::default();
        let theme = outloud::widgets::Theme::built_in("dark", Depth::None).unwrap();
        for (index, events) in moves {
            match KEYS.get(index) {
                Some(key) => drop(stage.send(Msg::Key(key.parse().unwrap()))),
                None if index == KEYS.len() => drop(stage.send(Msg::Paste("a\u{202e}\x1b[2J\n世界".into()))),
                None => drop(stage.send(Msg::Scroll(None, events as i32 - 3))),
            }
            stage.step(events * 5);
            stage.rest(40 * events as u64);
            let takes = stage.state.takes.iter().count();
            prop_assert!(takes >= most);
            most = takes;
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
