//! A thread that reads the terminal. crossterm reads an ended input for ever without returning: on a thread of its own
//! that cannot hold up the loop, which sees the hangup itself and leaves. While another program has the terminal it rests.

use std::io::IsTerminal as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::Event;
use tokio::sync::mpsc;

use crate::{Error, Result};

/// Terminal events waiting at most; the thread waits then.
const WAITING: usize = 1024;
/// How often the thread looks whether it shall rest.
const LOOK: Duration = Duration::from_millis(100);
/// How long its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the terminal sends.
pub type Keys = mpsc::Receiver<std::io::Result<Event>>;

/// Lets the thread read, or rest.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Rest>, Condvar)>);

#[derive(Debug, Default, PartialEq)]
enum Rest {
    /// It reads.
    #[default]
    Not,
    /// It is asked to rest.
    Asked,
    /// It rests.
    Resting,
}

impl Gate {
    /// Makes the thread rest, and waits until it does; false when it does not answer.
    pub fn close(&self) -> bool {
        let (rest, changed) = &*self.0;
        let mut now = rest.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Rest::Asked;
        changed.notify_all();
        let (now, _) = changed
            .wait_timeout_while(now, PATIENCE, |now| *now == Rest::Asked)
            .unwrap_or_else(PoisonError::into_inner);
        *now == Rest::Resting
    }

    /// Lets it read again.
    pub fn open(&self) {
        let (rest, changed) = &*self.0;
        *rest.lock().unwrap_or_else(PoisonError::into_inner) = Rest::Not;
        changed.notify_all();
    }

    /// The thread's side: rests as long as it shall.
    fn pass(&self) {
        let (rest, changed) = &*self.0;
        let mut now = rest.lock().unwrap_or_else(PoisonError::into_inner);
        while *now != Rest::Not {
            *now = Rest::Resting;
            changed.notify_all();
            now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts the thread; it ends with the program, or after an error.
///
/// # Errors
/// When the system gives no thread.
pub fn listen(gate: Gate) -> Result<Keys> {
    let (sender, keys) = mpsc::channel(WAITING);
    let read = move || {
        loop {
            gate.pass();
            let event = match crossterm::event::poll(LOOK) {
                Ok(false) => continue,
                Ok(true) => crossterm::event::read(),
                Err(error) => Err(error),
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_rests_when_asked_and_goes_on() {
        let gate = Gate::default();
        let (thread, (send, passed)) = (gate.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            while send.send(()).is_ok() {
                thread.pass();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        passed.recv().unwrap();
        assert!(gate.close());
        while passed.try_recv().is_ok() {}
        assert!(passed.recv_timeout(Duration::from_millis(30)).is_err());
        gate.open();
        assert!(passed.recv_timeout(PATIENCE).is_ok());
    }
}
