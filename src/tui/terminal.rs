//! The terminal, taken and given back: on quit, on panic, on a signal, around a suspension.

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};

use crate::{Error, Result};

/// True while the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal is ours while this lives.
pub struct Guard {
    mouse: bool,
}

impl Guard {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, the mouse if wanted.
    ///
    /// # Errors
    /// What the terminal said.
    pub fn take(mouse: bool) -> Result<Self> {
        let guard = Self { mouse };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes it again after it was given back (or lost).
    ///
    /// # Errors
    /// What the terminal said.
    pub fn enter(&self) -> Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        let enter = || -> io::Result<()> {
            enable_raw_mode()?;
            let mut out = io::stdout().lock();
            queue!(out, EnterAlternateScreen, Hide, EnableBracketedPaste)?;
            if self.mouse {
                queue!(out, EnableMouseCapture)?;
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

/// Leaves the terminal as it was found; once, whoever calls.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        // End of a frame that was cut, plain colours, then back to the shell's screen.
        let _ = out.write_all(b"\x1b[?2026l\x1b[0m");
        let _ = execute!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
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

fn write_report(info: &PanicHookInfo<'_>, log: Option<&PathBuf>) -> Option<PathBuf> {
    let path = log?.with_file_name(format!("panic-{}.txt", std::process::id()));
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
