//! The terminal, taken and given back: on quit, on panic, on a signal, around a suspension.

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};

use crate::{Error, Result};

/// Clicks, drags and the wheel, as SGR. Not every move, which crossterm's own command asks for: over SSH each would be a
/// packet.
const MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";

/// True while the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// True while its other screen is shown.
static SCREEN: AtomicBool = AtomicBool::new(false);

/// What of the terminal is taken besides raw mode and bracketed paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its other screen.
    Screen,
    /// Its other screen, clicks and the wheel.
    ScreenAndMouse,
    /// Nothing: lines are appended.
    Lines,
}

/// The terminal is ours while this lives.
pub struct Guard {
    taken: Taken,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// What the terminal said.
    pub fn take(taken: Taken) -> Result<Self> {
        let guard = Self { taken };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes it again after it was given back (or lost).
    ///
    /// # Errors
    /// What the terminal said.
    pub fn enter(&self) -> Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        SCREEN.store(self.taken != Taken::Lines, Ordering::SeqCst);
        let enter = || -> io::Result<()> {
            enable_raw_mode()?;
            let mut out = io::stdout().lock();
            if self.taken != Taken::Lines {
                queue!(out, EnterAlternateScreen, Hide)?;
            }
            if !is_dumb() {
                queue!(out, EnableBracketedPaste)?;
            }
            if self.taken == Taken::ScreenAndMouse {
                out.write_all(MOUSE)?;
            }
            out.flush()
        };
        enter().map_err(|e| Error::io("the terminal", e))
    }

    /// Gives it back, to be taken again.
    pub fn leave(&self) {
        restore();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// A terminal that only appends what it is sent.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Leaves the terminal as it was found; once, whoever calls.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        if super::progress::was_shown() {
            let _ = out.write_all(super::progress::CLEAR);
        }
        // End of a frame that was cut, plain colours, then back to the shell's screen.
        if SCREEN.swap(false, Ordering::SeqCst) {
            let _ = out.write_all(b"\x1b[?2026l\x1b[0m\x1b[H\x1b[2J");
            let _ = queue!(out, DisableMouseCapture, LeaveAlternateScreen, Show);
        }
        if !is_dumb() {
            let _ = execute!(out, DisableBracketedPaste);
        }
        let _ = disable_raw_mode();
    }
}

/// Panics of this thread give the terminal back and say in two lines what happened and where the report is. Panics of
/// other threads (the engine's) only go to the report: the screen lives and tells.
pub fn report_panics(log: Option<PathBuf>) {
    let screen: ThreadId = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let report = write_report(info, log.as_ref());
        if std::thread::current().id() == screen || !TAKEN.load(Ordering::SeqCst) {
            restore();
            eprintln!("outloud: a fault of the program, not yours: {}", said(info));
            match report {
                Some(path) => eprintln!("The report is in {}.", path.display()),
                None => eprintln!("No report could be written."),
            }
        }
    }));
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text.to_owned(),
    }
}

/// Where a panic of this process is reported.
pub fn report_path(log: &Path) -> PathBuf {
    log.with_file_name(format!("panic-{}.txt", std::process::id()))
}

fn write_report(info: &PanicHookInfo<'_>, log: Option<&PathBuf>) -> Option<PathBuf> {
    let path = report_path(log?);
    let trace = std::backtrace::Backtrace::force_capture();
    let thread = std::thread::current();
    let text = format!(
        "outloud {}\nthread {}\n{}\n\n{trace}\n",
        env!("CARGO_PKG_VERSION"),
        thread.name().unwrap_or("?"),
        said(info)
    );
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).ok()?;
    file.write_all(text.as_bytes()).ok()?;
    tracing::error!(report = %path.display(), "{}", said(info));
    Some(path)
}
