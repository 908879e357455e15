//! Ctrl-C: the first asks to stop and keep what is finished, the second ends the process at once (130).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{Error, Result};

/// A signal so soon after the first is its echo: wrappers send it to the process and to its group.
const ECHO: Duration = Duration::from_millis(300);

/// True once the user wants to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT and SIGTERM, on a thread of its own: the process may be waiting for a pipe.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> Result<Self> {
        let asked = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|e| Error::io("<signal handler>", e))?;
        let flag = asked.clone();
        std::thread::spawn(move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                if first.get_or_insert_with(Instant::now).elapsed() > ECHO {
                    signal_hook::low_level::exit(130);
                }
                flag.ask();
            }
        });
        Ok(asked)
    }

    /// Whether to stop.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop, as the signal does.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
