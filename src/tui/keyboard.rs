//! A thread that reads the terminal. crossterm reads an ended input for ever without returning: on a thread of its own
//! that cannot hold up the loop, which sees the hangup itself and leaves.

use std::io::IsTerminal as _;

use crossterm::event::Event;
use tokio::sync::mpsc;

use crate::{Error, Result};

/// Terminal events waiting at most; the thread waits then.
const WAITING: usize = 1024;

/// What the terminal sends.
pub type Keys = mpsc::Receiver<std::io::Result<Event>>;

/// Starts the thread; it ends with the program, or after an error.
///
/// # Errors
/// When the system gives no thread.
pub fn listen() -> Result<Keys> {
    let (sender, keys) = mpsc::channel(WAITING);
    let read = move || {
        loop {
            let event = crossterm::event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("keyboard".into());
    thread.spawn(read).map_err(|e| Error::io("the keyboard's thread", e))?;
    Ok(keys)
}

/// Whether the terminal that the screen is drawn on has gone away (a hangup need not come with a signal).
pub fn gone() -> bool {
    !std::io::stdout().is_terminal()
}
