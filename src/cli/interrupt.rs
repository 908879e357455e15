//! Ctrl-C: the first asks to stop and keep what is finished, the second ends the process at once (130).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{Error, Result};

/// True once the user wants to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> Result<Self> {
        let asked = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // The order counts: a signal that finds the flag set ends the process.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked.0))
                .and_then(|_| flag::register(signal, Arc::clone(&asked.0)))
                .map_err(|e| Error::io("<signal handler>", e))?;
        }
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
