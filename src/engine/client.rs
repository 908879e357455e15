//! The client's end of the engine: bounded channels, and cancelling that overtakes the queue.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::{Event, Request, Ticket};
use crate::{Error, Result};

/// Requests waiting at most.
pub const REQUESTS: usize = 1024;
/// Events waiting at most; a client that does not read stops the engine, nothing is dropped.
pub const EVENTS: usize = 4096;

/// Tickets that shall stop; seen by the engine before each step, not queued behind other requests.
#[derive(Clone, Debug, Default)]
pub struct Cancels(Arc<Mutex<HashSet<Ticket>>>);

impl Cancels {
    /// Ask for a ticket to stop.
    pub fn cancel(&self, ticket: Ticket) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket);
    }

    /// True once, if the ticket shall stop.
    pub fn take(&self, ticket: Ticket) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket)
    }

    /// True if the ticket shall stop (looked at within a step).
    pub fn contains(&self, ticket: Ticket) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&ticket)
    }
}

/// Sends requests to an engine (real, remote or scripted).
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    cancels: Cancels,
}

/// Receives events: `recv().await` in an async loop, `blocking_recv()` in a plain one; `None` when the engine has ended.
pub type Events = mpsc::Receiver<Event>;

/// The engine's ends of the channels.
pub struct Port {
    /// Requests in.
    pub requests: mpsc::Receiver<Request>,
    /// Events out.
    pub events: mpsc::Sender<Event>,
    /// Tickets to stop.
    pub cancels: Cancels,
}

/// A connected pair: the client's side and the engine's side.
pub fn channel() -> (Client, Events, Port) {
    let (requests, request_port) = mpsc::channel(REQUESTS);
    let (event_port, events) = mpsc::channel(EVENTS);
    let cancels = Cancels::default();
    let client = Client { requests, cancels: cancels.clone() };
    (client, events, Port { requests: request_port, events: event_port, cancels })
}

impl Client {
    /// Hands a request over without waiting.
    ///
    /// # Errors
    /// `Usage` when [`REQUESTS`] are waiting already, `EngineDown` when the engine has ended.
    pub fn send(&self, request: Request) -> Result<()> {
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Usage(format!(
                "{REQUESTS} requests are waiting for the engine; wait for some of them to finish"
            )),
            mpsc::error::TrySendError::Closed(_) => Error::EngineDown("its thread has ended".into()),
        })
    }

    /// Stops a ticket within one token; its last events are `Cancelled` and `Done`.
    pub fn cancel(&self, ticket: Ticket) {
        self.cancels.cancel(ticket);
    }
}
