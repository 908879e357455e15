//! Progress of training in the terminal's tab or task bar (OSC 9;4), where the terminal is known to show it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two reports.
const EVERY: Duration = Duration::from_secs(1);
/// What takes it away.
pub const CLEAR: &[u8] = b"\x1b]9;4;0\x1b\\";

/// Whether a report stands in the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether it has to be taken away; true once.
pub fn was_shown() -> bool {
    SHOWN.swap(false, Ordering::SeqCst)
}

/// Whether this terminal shows it: as the settings say, else by its name. Under tmux and screen it would not get through.
pub fn shows(wanted: Option<bool>, env: &dyn Fn(&str) -> Option<String>) -> bool {
    if let Some(wanted) = wanted {
        return wanted;
    }
    if env("TMUX").is_some()
        || env("STY").is_some()
        || env("NO_COLOR").is_some()
        || env("TERM").as_deref() == Some("dumb")
    {
        return false;
    }
    let program = env("TERM_PROGRAM").unwrap_or_default();
    env("WT_SESSION").is_some()
        || env("ConEmuANSI").as_deref() == Some("ON")
        || ["ghostty", "WezTerm"].contains(&program.as_str())
        || program == "iTerm.app" && env("TERM_FEATURES").is_some_and(|features| features.contains('P'))
}

/// What is reported.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whether anything is.
    on: bool,
    last: Option<(Instant, u8)>,
}

impl Progress {
    /// Reports, if `on`.
    pub fn new(on: bool) -> Self {
        Self { on, last: None }
    }

    /// The bytes that report a share from 0 to 1, or that nothing goes on any more; at most one report a second.
    pub fn bytes(&mut self, share: Option<f64>, now: Instant) -> Vec<u8> {
        if !self.on {
            return Vec::new();
        }
        let Some(share) = share else {
            self.last = None;
            return if was_shown() { CLEAR.to_vec() } else { Vec::new() };
        };
        let percent = (100.0 * share).clamp(0.0, 100.0) as u8;
        if self.last.is_some_and(|(at, before)| before == percent || now < at + EVERY) {
            return Vec::new();
        }
        self.last = Some((now, percent));
        SHOWN.store(true, Ordering::SeqCst);
        format!("\x1b]9;4;1;{percent}\x1b\\").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_that_are_known_to_show_it() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert!(!shows(None, &with(&[("TERM", "xterm-256color")])), "unknown");
        assert!(shows(None, &with(&[("TERM_PROGRAM", "ghostty")])));
        assert!(
            !shows(None, &with(&[("TERM_PROGRAM", "ghostty"), ("TMUX", "x")])),
            "it would not get through"
        );
        assert!(!shows(Some(false), &with(&[("WT_SESSION", "1")])), "switched off");
        assert!(shows(Some(true), &with(&[])), "switched on");
    }

    #[test]
    fn one_report_a_second_and_it_is_taken_away() {
        let begin = Instant::now();
        let mut progress = Progress::new(true);
        assert_eq!(progress.bytes(Some(0.1), begin), b"\x1b]9;4;1;10\x1b\\");
        assert!(progress.bytes(Some(0.2), begin + EVERY / 2).is_empty());
        assert_eq!(progress.bytes(Some(0.2), begin + EVERY), b"\x1b]9;4;1;20\x1b\\");
        assert!(progress.bytes(Some(0.201), begin + 3 * EVERY).is_empty(), "the same percent");
        assert_eq!(progress.bytes(None, begin + 4 * EVERY), CLEAR);
        assert!(progress.bytes(None, begin + 5 * EVERY).is_empty());
    }
}
