//! Keeps the tree honest: imports go one way, files stay short, every file says what it is for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room -> rooms it may import. ARCHITECTURE.md tells why.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("disk", &["error"]),
    ("checkpoint", &["error"]),
    ("model", &["error", "checkpoint"]),
    ("engine", &["error", "checkpoint", "model"]),
    ("data", &["error", "disk", "checkpoint"]),
    ("rows", &["error", "checkpoint", "data", "engine"]),
    ("browse", &["error", "disk", "checkpoint", "data"]),
    ("doctor", &["error", "checkpoint", "model", "engine"]),
    ("session", &["error", "disk", "checkpoint"]),
    ("stories", &["error", "checkpoint"]),
    ("train", &["error", "disk", "checkpoint", "model", "engine", "stories", "data"]),
    ("runs", &["error", "disk", "train"]),
    ("eval", &["error", "stories"]),
    ("recipe", &["error", "disk", "data", "stories", "eval"]),
    ("label", &["error", "checkpoint", "session", "eval"]),
    ("exchange", &["error", "checkpoint", "data", "session", "label", "eval"]),
    (
        "app",
        &[
            "error",
            "checkpoint",
            "data",
            "browse",
            "engine",
            "rows",
            "train",
            "eval",
            "explain",
            "session",
            "label",
        ],
    ),
    ("widgets", &["error", "checkpoint", "browse", "engine", "app", "label"]),
    ("screens", &["error", "checkpoint", "browse", "engine", "app", "widgets", "session", "label"]),
    (
        "tui",
        &[
            "error",
            "checkpoint",
            "data",
            "browse",
            "engine",
            "rows",
            "app",
            "screens",
            "widgets",
            "train",
            "runs",
            "eval",
            "disk",
            "session",
            "label",
        ],
    ),
    (
        "cli",
        &[
            "error",
            "disk",
            "checkpoint",
            "model",
            "data",
            "browse",
            "engine",
            "rows",
            "session",
            "label",
            "exchange",
            "doctor",
            "stories",
            "disk",
            "train",
            "runs",
            "recipe",
            "eval",
            "app",
            "tui",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &["error"]),
];

/// Crates that only the screen's rooms may name.
const TERMINAL_CRATES: &[&str] = &["ratatui", "crossterm", "ratatui_textarea"];
const TERMINAL_ROOMS: &[&str] = &["screens", "widgets", "tui", "app"];
/// Longest file, in lines.
const LONGEST: usize = 600;

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// `src/engine/worker.rs` -> `engine`; `src/main.rs` -> `main`.
fn room(file: &Path) -> String {
    let inner = file.strip_prefix(src()).unwrap();
    let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_string()
}

/// Every `name::` that follows `prefix` in code (comments left out), groups in braces included.
fn named_after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let word = |s: &'a str| s.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                let (mut depth, mut start) = (0, true);
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            names.push(word(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn code_of(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_go_one_way() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources(&src()) {
        let room = room(&file);
        let allowed = arrows.get(room.as_str()).unwrap_or_else(|| panic!("src/{room} is not in ARROWS"));
        let code = code_of(&fs::read_to_string(&file).unwrap());
        for name in named_after(&code, "crate::").into_iter().chain(named_after(&code, "outloud::")) {
            let lower = name.chars().next().is_some_and(char::is_lowercase);
            if lower && name != room && !allowed.contains(&name) {
                wrong.push(format!("{}: {room} -> {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_screen_knows_the_terminal() {
    let mut wrong = Vec::new();
    for file in sources(&src()).into_iter().filter(|f| !TERMINAL_ROOMS.contains(&room(f).as_str())) {
        let code = code_of(&fs::read_to_string(&file).unwrap());
        for name in TERMINAL_CRATES {
            if code.contains(&format!("{name}::")) {
                wrong.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "terminal crates below the screen:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for file in sources(&src()).into_iter().chain(sources(&tests)) {
        let text = fs::read_to_string(&file).unwrap();
        if text.lines().count() > LONGEST {
            wrong.push(format!("{}: {} lines, at most {LONGEST}", file.display(), text.lines().count()));
        }
        if !text.starts_with("//! ") && !text.starts_with("/*!") {
            wrong.push(format!("{}: the first line is no `//!` doc", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_checker_sees_groups() {
    let code = "use crate::{Error, Result, engine::{A, b}, model::c}; crate::tui::run()";
    assert_eq!(named_after(code, "crate::"), ["Error", "Result", "engine", "model", "tui"]);
}
