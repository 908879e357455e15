//! A run set up in the dialog, trained by a process of its own, watched to its end.

use crate::terminal::Terminal;

#[test]
fn the_demo_model_is_trained_from_the_dialog_and_watched_to_its_end() {
    let mut terminal = Terminal::start(&[], (140, 42));
    terminal.wait_for("re-encoded");
    terminal.keys("gt");
    terminal.wait_for("no run yet");
    terminal.keys("n");
    terminal.wait_for("memory about");
    // Rows, share held out, epochs, steps; then: not queued, and an evaluation every second step.
    terminal.keys("\x1b[B\x1b[B\x1b[B\x1b[B\x15stories:16\x1b[B\x150.25\x1b[B\x1b[B4");
    terminal.keys("\x1b[B\x1b[B\x1b[B\x1b[B\x1b[D\x1b[B\x1b[B--eval-every=2 --ignore-memory");
    terminal.wait_for("--ignore-memory");
    terminal.keys("\x13");
    terminal.wait_for("run-1");
    terminal.wait_for("done");
    terminal.wait_for("step 4 · 2 of 2");
    let text = terminal.text();
    assert!(text.contains("4/4") && text.contains("stories-16.jsonl"), "{text}");
    assert!(terminal.sent().contains('\x07'), "the bell at the end");
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
}
