//! An engine with one loaded model, and its events with an eye on Ctrl-C.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::interrupt::Interrupt;
use crate::engine::{Client, DeviceChoice, Event, Events, ModelId, ModelInfo, ModelSource, Request, Ticket};
use crate::{Error, Result};

/// How often Ctrl-C is looked for while nothing happens.
const BEAT: Duration = Duration::from_millis(50);
/// The one model of a headless command.
pub const MODEL: ModelId = ModelId(0);
/// The ticket of loading; rows count from 0.
const LOADING: Ticket = Ticket(u64::MAX);

/// A loaded model behind an engine.
pub struct Host {
    /// Sends requests.
    pub client: Client,
    /// Receives events.
    pub events: Events,
    /// What was loaded.
    pub info: ModelInfo,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// A runtime for one thread that waits.
///
/// # Errors
/// When the system gives no timer.
pub fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_time().build().map_err(|e| Error::io("<runtime>", e))
}

impl Host {
    /// Loads a model into a running engine.
    ///
    /// # Errors
    /// What the engine says; `Cancelled` on Ctrl-C.
    pub async fn load(
        (client, mut events): (Client, Events),
        source: ModelSource,
        device: DeviceChoice,
        interrupt: Interrupt,
    ) -> Result<Self> {
        client.send(Request::Load { ticket: LOADING, model: MODEL, source, device })?;
        let mut info = None;
        loop {
            match next(&mut events, &interrupt).await? {
                Event::Loaded { info: loaded, .. } => info = Some(*loaded),
                Event::Failed { error, .. } => return Err(Error::Engine(error)),
                Event::Done { .. } => break,
                _ => {}
            }
        }
        let info = info.ok_or_else(|| Error::EngineDown("it loaded nothing".into()))?;
        Ok(Self { client, events, info, interrupt })
    }
}

/// The next event.
///
/// # Errors
/// `Cancelled` on Ctrl-C, `EngineDown` when the engine has ended.
pub async fn next(events: &mut Events, interrupt: &Interrupt) -> Result<Event> {
    loop {
        if interrupt.asked() {
            return Err(Error::Cancelled);
        }
        match tokio::time::timeout(BEAT, events.recv()).await {
            Ok(Some(Event::Down { reason })) => return Err(Error::EngineDown(reason)),
            Ok(Some(event)) => return Ok(event),
            Ok(None) => return Err(Error::EngineDown("its thread has ended".into())),
            Err(_elapsed) => {}
        }
    }
}
