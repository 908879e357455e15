//! The user's editor takes the terminal: its keys reach it, its text comes back, and the screen with it.

use std::os::unix::fs::PermissionsExt as _;

use crate::terminal::Terminal;

fn with_editor(script: &str) -> (Terminal, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my editor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let editor = format!("'{}' --wait", path.display());
    let mut terminal = Terminal::start_in(&[], (120, 40), &[("VISUAL", &editor)], &[]);
    terminal.wait_for("re-encoded");
    terminal.settle();
    (terminal, folder)
}

#[test]
fn the_editor_reads_the_keys_and_its_text_is_scored() {
    let (mut terminal, _folder) =
        with_editor("printf 'line please: '; read line; printf '%s' \"$line\" > \"$2\"");
    terminal.keys("E");
    terminal.wait_for("line please:");
    terminal.assert_restored();
    terminal.keys("Wholly other words.\r");
    terminal.wait_for("Critique · editing");
    terminal.wait_for("Wholly other words.");
    assert!(terminal.screen().alternate_screen());
    terminal.keys("!");
    terminal.wait_for("Wholly other words.!");
    terminal.keys("\x1b");
    terminal.wait_for("critique edited");
    terminal.keys("qy");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn a_failed_editor_changes_nothing() {
    let (mut terminal, _folder) = with_editor("exit 3");
    terminal.keys("A");
    terminal.wait_for("the text stays as it was");
    terminal.keys("\x1b");
    terminal.wait_until("the editor in the pane closed", |t| !t.text().contains("editing"));
    terminal.keys("q");
    assert_eq!(terminal.exit(), 0);
    terminal.assert_restored();
}
