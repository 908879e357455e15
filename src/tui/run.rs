//! The loop: input first, then at most 64 engine events, then a frame when one is due.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::Event as TermEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::keep::Keep;
use super::output::Painter;
use super::terminal::{self, Guard};
use super::{OpenOptions, colour, config, editor, input, keyboard, suspend};
use crate::app::{self, Effect, Example, Keeping, Keymap, Msg, State};
use crate::engine::{Client, Event, Events, Request};
use crate::session::{Notice, Notices};
use crate::widgets::{Depth, Theme};
use crate::{Error, Result, screens};

/// Engine events taken in one turn.
const EVENTS_A_TURN: usize = 64;
/// Terminal events taken in one turn.
const INPUT_A_TURN: usize = 1024;
/// Quiet time after the last resize before the screen is laid out anew.
const RESIZE_REST: Duration = Duration::from_millis(50);
/// How often the loop looks whether the terminal is still there.
const LOOK: Duration = Duration::from_secs(2);

/// What a run begins with.
pub(super) struct Start<'a> {
    pub options: &'a OpenOptions,
    pub keymap: Keymap,
    pub depth: Depth,
    pub theme: Option<Theme>,
    pub examples: Vec<Example>,
    pub rows: mpsc::Receiver<Msg>,
    pub session: Option<(Keep, Notices)>,
    pub engine: (Client, Events),
    pub log: Option<PathBuf>,
}

/// What woke the loop.
enum Woke {
    Input(Option<std::io::Result<TermEvent>>),
    Signal(Signal),
    Engine,
    Rows(Option<Msg>),
    Session(Option<Notice>),
    Resized,
    FrameDue,
    Due,
    Back(Result<String>),
    Look,
}

pub(super) async fn run(start: Start<'_>) -> Result<u8> {
    let Start { options, keymap, depth, theme, examples, rows, session, engine: (client, events), log } =
        start;
    terminal::report_panics(log);
    let mut signals = Signals::new()?;
    let guard = Guard::take(options.mouse)?;
    let theme = match theme {
        Some(theme) => theme,
        None => {
            config::theme(if depth > Depth::Sixteen && colour::is_light() { "light" } else { "dark" }, depth)?
        }
    };
    let (mut state, effects) = app::start(keymap, options.model.clone(), options.device, examples);
    let (width, height) = crossterm::terminal::size().map_err(|e| Error::io("the terminal's size", e))?;
    let area = Rect::new(0, 0, width, height);
    let (keep, mut notices) = session.unzip();
    if keep.is_some() {
        state.keeping = Keeping::Loading;
    }
    let mut screen = Loop {
        state,
        theme,
        client,
        keep,
        gate: keyboard::Gate::default(),
        outside: None,
        guard,
        painter: Painter::new(area),
        area,
        begun: Instant::now(),
        last_frame: None,
        dirty: true,
        pace: Duration::from_millis(if colour::env("SSH_CONNECTION").is_some() { 33 } else { 16 }),
        exit: None,
    };
    screen.carry_out(effects)?;
    screen.draw()?;
    let code = screen.turn(&mut signals, events, rows, &mut notices).await;
    let closed = screen.keep.take().map(|keep| keep.close(&screen.state)).unwrap_or_default();
    drop(screen);
    if let Some(error) = closed.error.filter(|_| closed.unsaved > 0) {
        // The terminal is the user's again; nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "outloud: {} changes are NOT SAVED: {error}", closed.unsaved);
    }
    code
}

struct Loop {
    state: State,
    theme: Theme,
    client: Client,
    keep: Option<Keep>,
    gate: keyboard::Gate,
    /// The user's editor has the terminal; what will come back.
    outside: Option<editor::Outcome>,
    guard: Guard,
    painter: Painter,
    area: Rect,
    begun: Instant,
    last_frame: Option<Instant>,
    dirty: bool,
    pace: Duration,
    exit: Option<u8>,
}

impl Loop {
    async fn turn(
        &mut self,
        signals: &mut Signals,
        mut events: Events,
        mut rows: mpsc::Receiver<Msg>,
        notices: &mut Option<Notices>,
    ) -> Result<u8> {
        let mut keys = keyboard::listen(self.gate.clone())?;
        let mut batch: Vec<Event> = Vec::with_capacity(EVENTS_A_TURN);
        let (mut engine_there, mut more_rows) = (true, true);
        let mut resized: Option<Instant> = None;
        let mut look = tokio::time::interval(LOOK);
        loop {
            if let Some(code) = self.exit {
                let _ = self.client.send(Request::Shutdown);
                return Ok(code);
            }
            let frame = self.last_frame.map_or_else(Instant::now, |at| at + self.pace);
            let due = self.state.due.map(|(at, _)| self.begun + at);
            let outside = self.outside.is_some();
            let woke = tokio::select! {
                biased;
                event = keys.recv() => Woke::Input(event),
                signal = signals.next() => Woke::Signal(signal),
                () = sleep_until(resized.unwrap_or(self.begun)), if resized.is_some() => Woke::Resized,
                () = sleep_until(frame), if self.dirty && resized.is_none() && !outside => Woke::FrameDue,
                count = events.recv_many(&mut batch, EVENTS_A_TURN), if engine_there => {
                    engine_there = count > 0;
                    Woke::Engine
                }
                msg = rows.recv(), if more_rows => Woke::Rows(msg),
                notice = heard(notices), if notices.is_some() => Woke::Session(notice),
                () = sleep_until(due.unwrap_or(self.begun)), if due.is_some() => Woke::Due,
                outcome = ended(&mut self.outside), if outside => Woke::Back(outcome),
                _ = look.tick() => Woke::Look,
            };
            self.update(Msg::Clock(self.begun.elapsed()))?;
            match woke {
                Woke::Input(None) => return Ok(129),
                Woke::Input(Some(first)) => {
                    let mut next = Some(first);
                    let mut taken = 0;
                    while let Some(event) = next {
                        match event.map_err(|e| Error::io("the terminal's input", e))? {
                            TermEvent::Resize(..) => resized = Some(Instant::now() + RESIZE_REST),
                            event => {
                                if let Some(msg) = input::message(event, &self.state.limits) {
                                    self.update(msg)?;
                                    self.dirty = true;
                                }
                            }
                        }
                        taken += 1;
                        next = if taken < INPUT_A_TURN { keys.try_recv().ok() } else { None };
                    }
                    // A key press is on the screen at once, whatever the pace.
                    if resized.is_none() && self.exit.is_none() {
                        self.draw()?;
                    }
                }
                // It is meant for the editor.
                Woke::Signal(Signal::End(130) | Signal::Continue | Signal::Resize) if outside => {}
                Woke::Signal(Signal::End(code)) => self.exit = Some(code),
                Woke::Signal(Signal::Resize) => resized = Some(Instant::now() + RESIZE_REST),
                Woke::Signal(Signal::Stop) => suspend::suspend(&self.guard)?,
                Woke::Signal(Signal::Continue) => {
                    self.guard.enter()?;
                    self.resize()?;
                }
                Woke::Resized => {
                    resized = None;
                    self.resize()?;
                }
                Woke::FrameDue => self.draw()?,
                // The clock has told the state.
                Woke::Due => self.dirty = true,
                Woke::Back(outcome) => self.back(outcome)?,
                Woke::Look if keyboard::gone() => return Ok(129),
                Woke::Look => {
                    if let Some(msg) = self.keep.as_mut().and_then(|keep| keep.flush(&self.state, false)) {
                        self.update(msg)?;
                        self.dirty = true;
                    }
                }
                Woke::Session(None) => *notices = None,
                Woke::Session(Some(notice)) => {
                    if let Some(msg) = self.keep.as_mut().map(|keep| keep.hear(notice)).transpose()?.flatten()
                    {
                        self.dirty |= matches!(msg, Msg::Saving(_, Some(_)));
                        self.update(msg)?;
                    }
                }
                Woke::Engine => {
                    if !engine_there && !matches!(self.state.model, app::ModelState::Down(_)) {
                        batch.push(Event::Down { reason: "its thread has ended".into() });
                    }
                    for event in batch.drain(..) {
                        tracing::trace!(?event);
                        self.update(Msg::Engine(event))?;
                    }
                    self.dirty = true;
                }
                Woke::Rows(Some(msg)) => {
                    self.update(msg)?;
                    self.dirty = true;
                }
                Woke::Rows(None) => more_rows = false,
            }
        }
    }

    fn update(&mut self, msg: Msg) -> Result<()> {
        let effects = app::update(&mut self.state, msg);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Send(request) => {
                    let ticket = ticket(&request);
                    if let (Err(error), Some(ticket)) = (self.client.send(*request), ticket) {
                        self.update(Msg::Refused(ticket, error.to_string()))?;
                    }
                }
                Effect::Cancel(ticket) => self.client.cancel(ticket),
                Effect::Keep(id, _) => {
                    if let Some(keep) = &mut self.keep {
                        keep.touch(id);
                    }
                }
                Effect::EditOutside(text) => self.edit_outside(text)?,
                Effect::Quit => self.exit = Some(0),
                Effect::Suspend => suspend::suspend(&self.guard)?,
                Effect::Redraw => self.resize()?,
            }
        }
        Ok(())
    }

    /// Gives the terminal to the user's editor. The loop goes on: it draws nothing until the editor has ended.
    fn edit_outside(&mut self, text: String) -> Result<()> {
        if self.outside.is_some() {
            return Ok(());
        }
        if !self.gate.close() {
            self.gate.open();
            self.state.note = Some("the keyboard is still being read; once more, please".into());
            return Ok(());
        }
        self.guard.leave();
        self.outside = Some(editor::start(text)?);
        Ok(())
    }

    /// The editor has ended.
    fn back(&mut self, outcome: Result<String>) -> Result<()> {
        self.outside = None;
        self.guard.enter()?;
        self.gate.open();
        match outcome {
            Ok(text) => self.update(Msg::Edited(text))?,
            Err(error) => self.update(Msg::Note(error.to_string()))?,
        }
        self.resize()
    }

    /// Asks the terminal for its size and draws every cell.
    fn resize(&mut self) -> Result<()> {
        let (width, height) = crossterm::terminal::size().map_err(|e| Error::io("the terminal's size", e))?;
        self.area = Rect::new(0, 0, width, height);
        self.painter.forget(self.area);
        self.update(Msg::Size(width, height))?;
        self.draw()
    }

    fn draw(&mut self) -> Result<()> {
        if self.outside.is_some() {
            return Ok(());
        }
        let mut buffer = Buffer::empty(self.area);
        let limits = screens::draw(&self.state, &self.theme, self.area, &mut buffer);
        app::update(&mut self.state, Msg::Limits(limits));
        let bytes = self.painter.frame(buffer);
        if !bytes.is_empty() {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Error::io("the terminal", e))?;
        }
        self.last_frame = Some(Instant::now());
        self.dirty = false;
        Ok(())
    }
}

/// Waits for the editor's end; without one, for ever.
async fn ended(outside: &mut Option<editor::Outcome>) -> Result<String> {
    match outside {
        Some(outcome) => match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Usage("the editor's thread ended: the text stays as it was".into())),
        },
        None => std::future::pending().await,
    }
}

async fn heard(notices: &mut Option<Notices>) -> Option<Notice> {
    match notices {
        Some(notices) => notices.recv().await,
        None => std::future::pending().await,
    }
}

fn ticket(request: &Request) -> Option<crate::engine::Ticket> {
    match request {
        Request::Load { ticket, .. }
        | Request::Critique { ticket, .. }
        | Request::Score { ticket, .. }
        | Request::Name { ticket, .. } => Some(*ticket),
        Request::Unload { .. } | Request::Shutdown => None,
    }
}

/// What a signal asks for.
enum Signal {
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
struct Signals {
    all: Vec<(tokio::signal::unix::Signal, u8)>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
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

    async fn next(&mut self) -> Signal {
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
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End(130)
    }
}
