//! What reaches the terminal: pace, colours, resize storms, the clipboard, the mouse, lines for screen readers.

use std::time::Duration;

use crate::terminal::Terminal;
use crate::{FINISHED, finished};

#[test]
fn a_fast_model_is_shown_word_by_word_and_each_costs_few_bytes() {
    for size in [(80, 24), (160, 45)] {
        let mut terminal = finished(size);
        let mut frames = terminal.frames();
        // The first frames build the screen up.
        assert!(frames.len() > 20, "{frames:?}");
        frames.sort_unstable();
        let median = frames[frames.len() / 2];
        println!("{size:?}: {} frames, median {median} bytes", frames.len());
        assert!(median <= 200, "{size:?}: {frames:?}");
        terminal.keys("q");
        assert_eq!(terminal.exit(), 0);
    }
}

#[test]
fn a_key_shows_the_words_that_wait_at_once() {
    let mut terminal = Terminal::child("child_that_writes_at_once", (120, 40));
    terminal.wait_for("show all");
    terminal.keys(".");
    let start = std::time::Instant::now();
    terminal.wait_for(FINISHED);
    // At their pace they would take more than four seconds.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn a_resize_storm_is_laid_out_once() {
    let mut terminal = finished((80, 24));
    let clears = |t: &mut Terminal| t.sent().matches("\x1b[2J").count();
    let before = clears(&mut terminal);
    for step in 0..40 {
        terminal.resize((81 + step, 25));
        std::thread::sleep(Duration::from_millis(5));
    }
    terminal.wait_for("Examples");
    terminal.settle();
    let storms = clears(&mut terminal) - before;
    // One, but for a machine that was held up for more than 50 ms in between.
    assert!((1..=6).contains(&storms), "laid out {storms} times");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn stopped_from_outside_it_is_drawn_whole_again() {
    let mut terminal = finished((100, 30));
    terminal.signal("STOP");
    terminal.wait_until("stopped", |t| t.process_state() == 'T');
    let before = terminal.sent().matches("\x1b[2J").count();
    terminal.signal("CONT");
    terminal.wait_until("repaint", |t| t.sent().matches("\x1b[2J").count() > before);
    terminal.wait_for(FINISHED);
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_restored();
}

/// Numbers of all SGR sequences that were sent.
fn styles(sent: &str) -> Vec<String> {
    let parts = sent.split("\x1b[").skip(1);
    parts
        .filter_map(|p| p.split_once('m'))
        .map(|(n, _)| n)
        .filter(|n| n.chars().all(|c| c.is_ascii_digit() || c == ';'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn colours_are_what_was_asked_for() {
    let coloured =
        |n: &str| n.split(';').any(|c| matches!(c.parse::<u8>(), Ok(30..=48 | 90..=107)) && c != "39");
    let sent = |args: &[&str], env: &[(&str, &str)]| {
        let mut terminal = Terminal::start_in(args, (80, 24), env, &[]);
        terminal.wait_for(FINISHED);
        terminal.settle();
        terminal.keys("q");
        assert_eq!(terminal.exit(), 0);
        styles(&terminal.sent())
    };
    assert!(!sent(&[], &[("NO_COLOR", "1")]).iter().any(|n| coloured(n)));
    assert!(
        sent(&[], &[("NO_COLOR", "")]).iter().any(|n| n.contains("38;2")),
        "an empty NO_COLOR says nothing"
    );
    let sixteen = sent(&["--color", "16"], &[("NO_COLOR", "1")]);
    assert!(sixteen.iter().any(|n| coloured(n)), "--color wins");
    assert!(!sixteen.iter().any(|n| n.contains("38;") || n.contains("48;")));
    let some = sent(&[], &[("COLORTERM", ""), ("TERM", "xterm-256color")]);
    assert!(some.iter().any(|n| n.contains("38;5;")) && !some.iter().any(|n| n.contains("8;2;")));
}

#[test]
fn the_users_files_are_read() {
    let files = [
        ("config.toml", "theme = \"mine\"\nmouse = false\n"),
        (
            "themes/mine.toml",
            "heat_negative = []\nheat_positive = []\n[style]\nfocus = { fg = \"#123456\" }\n",
        ),
        ("keymap.toml", "[[binding]]\naction = \"next-example\"\ncontext = \"inspect\"\nkeys = [\"X\"]\n"),
    ];
    let mut terminal = Terminal::start_in(&[], (120, 40), &[], &files);
    terminal.wait_for(FINISHED);
    assert!(terminal.sent().contains("38;2;18;52;86") && !terminal.sent().contains("\x1b[?1000h"));
    terminal.keys("X");
    terminal.wait_for("2/12");
    terminal.keys("T");
    terminal.wait_for("theme dark");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn a_mistake_in_them_is_named_before_the_terminal_is_taken() {
    for (file, text, says) in [
        ("config.toml", "teme = \"dark\"", "Did you mean `theme`?"),
        ("config.toml", "theme = \"drak\"", "dark, light"),
        (
            "keymap.toml",
            "[[binding]]\naction = \"helpp\"\ncontext = \"global\"\nkeys = [\"H\"]\n",
            "Did you mean `help`?",
        ),
    ] {
        let mut terminal = Terminal::start_in(&[], (120, 40), &[], &[(file, text)]);
        assert!((1..=2).contains(&terminal.exit()));
        assert!(terminal.text().replace('\n', "").contains(says), "{}", terminal.text());
        assert!(!terminal.sent().contains("\x1b[?1049h"));
    }
}

#[test]
fn over_ssh_the_terminal_is_asked_to_copy() {
    let mut terminal = Terminal::start_in(&[], (120, 40), &[("SSH_CONNECTION", "a 1 b 2")], &[]);
    terminal.wait_for(FINISHED);
    terminal.keys("y");
    terminal.wait_for("by the terminal (OSC 52)");
    assert!(terminal.sent().contains("\x1b]52;c;"));
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn the_mouse_focuses_and_scrolls_and_its_moves_are_not_asked_for() {
    let mut terminal = finished((120, 40));
    let sent = terminal.sent();
    assert!(sent.contains("\x1b[?1000h") && !sent.contains("\x1b[?1003h"));
    // The row under it is the third of the list.
    terminal.keys("\x1b[<0;5;5M\x1b[<0;5;5m");
    terminal.wait_for("▸ Examples");
    terminal.wait_for("3/12");
    terminal.keys("\x1b[<65;5;5M");
    terminal.wait_for("4/12");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    let mut terminal = Terminal::start(&["--no-mouse"], (120, 40));
    terminal.wait_for(FINISHED);
    assert!(!terminal.sent().contains("\x1b[?1000h"));
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn plain_lines_are_appended_and_nothing_moves() {
    let mut terminal = Terminal::start(&["--plain"], (80, 24));
    terminal.wait_until("the end", |t| t.sent().contains(", re-encoded."));
    terminal.keys("J");
    terminal.wait_until("the next example", |t| t.sent().contains("Example 2 of 12"));
    terminal.settle();
    let before = terminal.bytes();
    std::thread::sleep(Duration::from_millis(600));
    terminal.read();
    assert_eq!(terminal.bytes(), before, "idle");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    let sent = terminal.sent();
    let rest = sent.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "");
    assert!(!rest.contains('\x1b'), "{rest:?}");
    terminal.assert_restored();
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let mut terminal = Terminal::start_in(&[], (80, 24), &[("TERM", "dumb")], &[]);
    terminal.wait_until("the end", |t| t.sent().contains(", re-encoded."));
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    assert!(!terminal.sent().contains('\x1b'));
}

#[test]
fn the_log_is_shown() {
    let mut terminal = finished((120, 40));
    terminal.keys("gl");
    terminal.wait_for("the screen opens");
    terminal.keys("qq");
    assert_eq!(terminal.exit(), 0);
}
