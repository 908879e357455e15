//! Signals: leave, suspend, come back, another size.

#[cfg(unix)]
use crate::Error;
use crate::Result;

/// What a signal asks for.
pub(super) enum Signal {
    /// Leave, with this exit status.
    End(u8),
    /// Suspend.
    Stop,
    /// The shell has brought us back.
    Continue,
    /// The terminal has another size.
    Resize,
}

#[cfg(unix)]
pub(super) struct Signals {
    all: Vec<(tokio::signal::unix::Signal, u8)>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let all = [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::from_raw(libc::SIGTSTP),
            SignalKind::from_raw(libc::SIGCONT),
            SignalKind::window_change(),
        ];
        let all = all.into_iter().map(|kind| {
            let number = kind.as_raw_value() as u8;
            signal(kind).map(|s| (s, number)).map_err(|e| Error::io("signals", e))
        });
        Ok(Self { all: all.collect::<Result<_>>()? })
    }

    pub(super) async fn next(&mut self) -> Signal {
        let arrivals = self.all.iter_mut().map(|(signal, number)| {
            let number = *number;
            Box::pin(async move {
                signal.recv().await;
                number
            })
        });
        let (number, ..) = futures::future::select_all(arrivals).await;
        match i32::from(number) {
            libc::SIGTSTP => Signal::Stop,
            libc::SIGCONT => Signal::Continue,
            libc::SIGWINCH => Signal::Resize,
            _ => Signal::End(128 + number),
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End(130)
    }
}
