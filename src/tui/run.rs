//! The loop: input first, then at most 64 engine events, then a frame when one is due.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::Event as TermEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Left;
use super::clipboard::Way;
use super::keep::Keep;
use super::output::Painter;
use super::pace::{Frames, Tokens};
use super::signals::{Signal, Signals};
use super::terminal::{self, Guard, Taken};
use super::{OpenOptions, SessionOptions, colour, config, editor, input, keyboard, log, suspend};
use crate::app::{self, Effect, Example, Keymap, Msg, Screen, Setup, State};
use crate::browse::Ask;
use crate::engine::{Client, Event, Events, Request};
use crate::screens::plain::Lines;
use crate::session::{Notice, Notices, Opened};
use crate::widgets::{Depth, Theme};
use crate::{Error, Result, screens};

/// Engine events taken in one turn.
const EVENTS_A_TURN: usize = 64;
/// Terminal events taken in one turn.
const INPUT_A_TURN: usize = 1024;
/// Time between two frames.
const PACE: Duration = Duration::from_millis(16);
/// The same over SSH.
const SSH_PACE: Duration = Duration::from_millis(33);
/// The same where lines are appended: whole words, not pieces.
const LINES_PACE: Duration = Duration::from_millis(250);
/// How often the loop looks whether the terminal is still there.
const LOOK: Duration = Duration::from_secs(2);

/// What a run begins with.
pub(super) struct Start<'a> {
    pub places: Option<super::teach::Places>,
    /// Whether training's progress is told to the terminal.
    pub progress: bool,
    /// Whether the bell is rung when a run ends.
    pub bell: bool,
    pub options: &'a OpenOptions,
    pub taken: Taken,
    pub keymap: Keymap,
    pub depth: Depth,
    pub theme: Option<Theme>,
    pub examples: Vec<Example>,
    pub rows: mpsc::Receiver<Msg>,
    pub browse: std::sync::mpsc::Sender<Ask>,
    pub session: Option<(Keep, Notices)>,
    pub opened: Opened,
    pub setup: Setup,
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
    Told(Option<Msg>),
    Resized,
    TokenDue,
    FrameDue,
    Due,
    Back(Result<String>),
    Look,
}

pub(super) async fn run(start: Start<'_>) -> Result<Left> {
    let Start {
        places,
        progress,
        bell,
        options,
        taken,
        keymap,
        depth,
        theme,
        examples,
        rows,
        browse,
        session,
        opened,
        setup,
        engine: (client, events),
        log,
    } = start;
    terminal::report_panics(log.clone());
    let mut signals = Signals::new()?;
    let guard = Guard::take(taken)?;
    let plain = taken == Taken::Lines;
    let theme = match theme {
        Some(theme) => theme,
        None => {
            let light = !plain && depth > Depth::Sixteen && colour::is_light();
            config::theme(if light { "light" } else { "dark" }, depth)?
        }
    };
    let (mut state, effects) = app::start(keymap, options.model.clone(), options.device, examples);
    let (width, height) = crossterm::terminal::size().map_err(|e| Error::io("the terminal's size", e))?;
    let area = Rect::new(0, 0, width, height);
    let (keep, mut notices) = session.unzip();
    state.desk.setup = setup;
    if let Some(keep) = &keep {
        app::update(&mut state, Msg::Session(keep.pen()));
    }
    if options.label {
        (state.screen, state.run_first) = (Screen::Label, false);
    }
    let pace = match plain {
        true => LINES_PACE,
        false if colour::env("SSH_CONNECTION").is_some() => SSH_PACE,
        false => PACE,
    };
    let (tell, told) = mpsc::channel(8);
    let mut screen = Loop {
        state,
        theme,
        client,
        keep,
        browse,
        late: options.label_session.clone().map(|session| (session, opened)),
        late_notices: None,
        gate: keyboard::Gate::default(),
        outside: None,
        guard,
        painter: Painter::new(area),
        lines: plain.then(Lines::default),
        area,
        begun: Instant::now(),
        frames: Frames::new(pace),
        tokens: Tokens::default(),
        log,
        runs: places.map(|places| super::teach::Runs::start(places, tell.clone())).transpose()?,
        progress: super::progress::Progress::new(progress),
        bell,
        tell,
        exit: None,
        reopen: None,
        again: options.files.iter().all(|file| file.as_os_str() != "-"),
    };
    screen.carry_out(effects)?;
    screen.draw()?;
    let code = screen.turn(&mut signals, events, rows, told, &mut notices).await;
    let reopen = screen.reopen.take();
    let closed = screen.keep.take().map(|keep| keep.close(&screen.state)).unwrap_or_default();
    drop(screen);
    if let Some(error) = closed.error.filter(|_| closed.unsaved > 0) {
        // The terminal is the user's again; nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "outloud: {} changes are NOT SAVED: {error}", closed.unsaved);
    }
    Ok(match reopen {
        Some(model) => Left::Reopen(model),
        None => Left::Exit(code?),
    })
}

struct Loop {
    state: State,
    theme: Theme,
    client: Client,
    keep: Option<Keep>,
    /// The thread of the rows.
    browse: std::sync::mpsc::Sender<Ask>,
    /// The session that is opened when the Label screen asks for one.
    late: Option<(SessionOptions, Opened)>,
    late_notices: Option<Notices>,
    gate: keyboard::Gate,
    /// The user's editor has the terminal; what will come back.
    outside: Option<editor::Outcome>,
    guard: Guard,
    painter: Painter,
    /// Lines of text in place of a screen.
    lines: Option<Lines>,
    area: Rect,
    begun: Instant,
    frames: Frames,
    tokens: Tokens,
    log: Option<PathBuf>,
    /// Looks after training runs; without a home for a session there are none.
    runs: Option<super::teach::Runs>,
    progress: super::progress::Progress,
    bell: bool,
    /// For what threads of the loop have to tell.
    tell: mpsc::Sender<Msg>,
    exit: Option<u8>,
    /// The model to open again with.
    reopen: Option<std::path::PathBuf>,
    /// Whether the rows can be read again.
    again: bool,
}

impl Loop {
    async fn turn(
        &mut self,
        signals: &mut Signals,
        mut events: Events,
        mut rows: mpsc::Receiver<Msg>,
        mut told: mpsc::Receiver<Msg>,
        notices: &mut Option<Notices>,
    ) -> Result<u8> {
        let mut keys = keyboard::listen(self.gate.clone())?;
        let mut batch: Vec<Event> = Vec::with_capacity(EVENTS_A_TURN);
        let (mut engine_there, mut more_rows) = (true, true);
        let mut look = tokio::time::interval(LOOK);
        loop {
            if let Some(code) = self.exit {
                let _ = self.client.send(Request::Shutdown);
                send(self.lines.as_mut().map_or("", Lines::end).as_bytes())?;
                return Ok(code);
            }
            if let Some(late) = self.late_notices.take() {
                *notices = Some(late);
            }
            let now = Instant::now();
            let (layout, token, frame) = (self.frames.layout_due(), self.tokens.due(), self.frames.due(now));
            let due = self.state.due.map(|(at, _)| self.begun + at);
            let outside = self.outside.is_some();
            let woke = tokio::select! {
                biased;
                event = keys.recv() => Woke::Input(event),
                signal = signals.next() => Woke::Signal(signal),
                () = sleep_until(layout.unwrap_or(now)), if layout.is_some() => Woke::Resized,
                () = sleep_until(token.unwrap_or(now)), if token.is_some() => Woke::TokenDue,
                () = sleep_until(frame.unwrap_or(now)), if frame.is_some() && !outside => Woke::FrameDue,
                count = events.recv_many(&mut batch, EVENTS_A_TURN), if engine_there => {
                    engine_there = count > 0;
                    Woke::Engine
                }
                msg = rows.recv(), if more_rows => Woke::Rows(msg),
                notice = heard(notices), if notices.is_some() => Woke::Session(notice),
                msg = told.recv() => Woke::Told(msg),
                () = sleep_until(due.unwrap_or(self.begun)), if due.is_some() => Woke::Due,
                outcome = ended(&mut self.outside), if outside => Woke::Back(outcome),
                _ = look.tick() => Woke::Look,
            };
            let looked = self.state.desk.looked;
            self.update(Msg::Clock(self.begun.elapsed()))?;
            if self.state.desk.looked != looked {
                self.frames.dirty();
            }
            match woke {
                Woke::Input(None) => return Ok(129),
                Woke::Input(Some(first)) => self.input(first, &mut keys)?,
                // It is meant for the editor.
                Woke::Signal(Signal::End(130) | Signal::Continue | Signal::Resize) if outside => {}
                Woke::Signal(Signal::End(code)) => self.exit = Some(code),
                Woke::Signal(Signal::Resize) => self.frames.resized(Instant::now()),
                Woke::Signal(Signal::Stop) => suspend::suspend(&self.guard)?,
                Woke::Signal(Signal::Continue) => {
                    self.guard.enter()?;
                    self.resize()?;
                }
                Woke::Resized => self.resize()?,
                Woke::TokenDue => {
                    let due = self.tokens.release(&self.state.streaming(), Instant::now());
                    self.hear(due)?;
                }
                Woke::FrameDue => self.draw()?,
                // The clock has told the state.
                Woke::Due => self.frames.dirty(),
                Woke::Back(outcome) => self.back(outcome)?,
                Woke::Look if keyboard::gone() => return Ok(129),
                Woke::Look => {
                    if let Some(msg) = self.keep.as_mut().and_then(|keep| keep.flush(&self.state, false)) {
                        self.update(msg)?;
                        self.frames.dirty();
                    }
                }
                Woke::Session(None) => *notices = None,
                Woke::Session(Some(notice)) => {
                    let told = self.keep.as_mut().map(|keep| keep.hear(notice)).transpose()?;
                    for msg in told.unwrap_or_default() {
                        let label = self.state.screen == Screen::Label;
                        if label || matches!(msg, Msg::Saving(_, Some(_))) {
                            self.frames.dirty();
                        }
                        self.update(msg)?;
                    }
                }
                Woke::Engine => {
                    if !engine_there && !matches!(self.state.model, app::ModelState::Down(_)) {
                        batch.push(Event::Down { reason: "its thread has ended".into() });
                    }
                    for event in batch.drain(..) {
                        tracing::trace!(?event);
                        // A screen reader gets the words as they come.
                        let now = if self.lines.is_some() {
                            vec![event]
                        } else {
                            self.tokens.take(event, &self.state.streaming(), Instant::now())
                        };
                        self.hear(now)?;
                    }
                }
                Woke::Rows(Some(msg)) | Woke::Told(Some(msg)) => {
                    let runs = matches!(msg, Msg::Runs(_));
                    self.update(msg)?;
                    if runs {
                        let share = self.state.teach.progress();
                        send(&self.progress.bytes(share, std::time::Instant::now()))?;
                    }
                    self.frames.dirty();
                }
                Woke::Rows(None) => more_rows = false,
                Woke::Told(None) => {}
            }
        }
    }

    /// What came from the terminal: this, and what waits behind it.
    fn input(&mut self, first: std::io::Result<TermEvent>, keys: &mut keyboard::Keys) -> Result<()> {
        let mut next = Some(first);
        let mut taken = 0;
        let mut meant = false;
        while let Some(event) = next {
            match event.map_err(|e| Error::io("the terminal's input", e))? {
                TermEvent::Resize(..) => self.frames.resized(Instant::now()),
                event => {
                    if let Some(msg) = input::message(event, &self.state.limits) {
                        // What was typed to look for has to be drawn before a key goes to where it was found.
                        if meant && matches!(self.state.layers.last(), Some(app::Layer::Search(_))) {
                            self.draw()?;
                        }
                        self.update(msg)?;
                        self.frames.dirty();
                        meant = true;
                    }
                }
            }
            taken += 1;
            next = if taken < INPUT_A_TURN { keys.try_recv().ok() } else { None };
        }
        let left = self.tokens.left(&self.state.streaming());
        self.hear(left)?;
        // A key press is on the screen at once, whatever the pace.
        if meant && !self.frames.resting() && self.exit.is_none() {
            self.draw()?;
        }
        Ok(())
    }

    /// Events of the engine whose time has come.
    fn hear(&mut self, events: Vec<Event>) -> Result<()> {
        let waiting = self.tokens.waiting();
        if waiting != self.state.waiting {
            self.update(Msg::Waiting(waiting))?;
        }
        for mut event in events {
            if let Event::Down { reason } = &mut event
                && let Some(report) =
                    self.log.as_deref().map(terminal::report_path).filter(|path| path.exists())
            {
                *reason = format!("{reason}; the report is in {}", report.display());
            }
            self.update(Msg::Engine(event))?;
            self.frames.dirty();
        }
        Ok(())
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
                Effect::Browse(ask) => {
                    if self.browse.send(*ask).is_err() {
                        self.state.note =
                            Some("the thread that reads rows has ended: the log may tell why".into());
                    }
                }
                Effect::Keep(id, _) => {
                    if let Some(keep) = &mut self.keep {
                        keep.touch(id);
                    }
                }
                Effect::Write(draft) => {
                    if let Some(msg) = self.keep.as_mut().and_then(|keep| keep.write(*draft)) {
                        self.update(msg)?;
                    }
                }
                Effect::OpenSession => self.open_session()?,
                Effect::NameOf(id) => {
                    let name = self.keep.as_mut().and_then(|keep| keep.name_of(&self.state, id));
                    self.update(Msg::Adopted(id, name))?;
                }
                Effect::EditOutside(text) => self.edit_outside(text)?,
                Effect::Reopen(_) if !self.again => {
                    self.state.note =
                        Some("what came through a pipe cannot be read again: quit, and give --model".into());
                }
                Effect::Reopen(model) => (self.exit, self.reopen) = (Some(0), Some(model)),
                Effect::Quit => self.exit = Some(0),
                Effect::Suspend => suspend::suspend(&self.guard)?,
                Effect::Redraw => self.resize()?,
                Effect::ShowAll => {
                    let all = self.tokens.all();
                    self.hear(all)?;
                }
                Effect::Runs(what) => match &self.runs {
                    Some(runs) => runs.ask(*what),
                    None => {
                        self.state.note = Some("no home folder, no place for runs: give --session".into())
                    }
                },
                Effect::Bell if self.bell => send(b"\x07")?,
                Effect::Bell => {}
                Effect::Copy(what, text) => self.copy(what, text)?,
                Effect::NextTheme => self.next_theme()?,
                Effect::ShowLog => {
                    let (title, text) = match &self.log {
                        Some(path) => (path.display().to_string(), log::tail(path)),
                        None => ("Log".into(), "no log could be opened".into()),
                    };
                    self.update(Msg::Page(title, text))?;
                }
            }
        }
        Ok(())
    }

    /// Opens the session of the data, in which from now on all is kept.
    fn open_session(&mut self) -> Result<()> {
        let Some((session, opened)) = self.late.clone() else { return Ok(()) };
        match Keep::open(&session, opened, true, self.tell.clone()) {
            Ok((mut keep, notices)) => {
                self.state.takes.iter().for_each(|take| keep.touch(take.id));
                let pen = keep.pen();
                (self.keep, self.late_notices) = (Some(keep), Some(notices));
                self.update(Msg::Session(pen))
            }
            Err(error) => {
                self.state.desk.opening = false;
                self.state.screen = Screen::Inspect;
                self.update(Msg::Note(error.to_string()))
            }
        }
    }

    /// The clipboard; a program that has to be run does not hold up the screen.
    fn copy(&mut self, what: String, text: String) -> Result<()> {
        let way = Way::here();
        if let Some(bytes) = way.bytes(&text) {
            send(&bytes)?;
        }
        let tell = self.tell.clone();
        let work = move || drop(tell.blocking_send(Msg::Note(way.run(&what, &text))));
        let thread = std::thread::Builder::new().name("clipboard".into());
        thread.spawn(work).map(drop).map_err(|e| Error::io("the clipboard's thread", e))
    }

    /// The theme after this one; a broken one of the user's is told of and left out.
    fn next_theme(&mut self) -> Result<()> {
        let names = config::themes();
        let at = names.iter().position(|name| *name == self.theme.name).unwrap_or(names.len());
        for step in 1..=names.len() {
            let Some(name) = names.get((at + step) % names.len()) else { break };
            match config::theme(name, self.theme.depth) {
                // At sixteen colours all built-in themes are one.
                Ok(theme) if theme.name == self.theme.name => {}
                Ok(theme) => {
                    self.theme = theme;
                    return self.update(Msg::Note(format!("theme {name}; `theme` in config.toml keeps it")));
                }
                Err(error) => tracing::warn!("{error}"),
            }
        }
        self.update(Msg::Note("there is no other theme at this depth of colour".into()))
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
        self.update(Msg::Limits(limits))?;
        match &mut self.lines {
            Some(lines) => send(lines.append(&self.state, &self.theme).as_bytes())?,
            None => send(self.painter.frame(buffer))?,
        }
        self.frames.drawn(Instant::now());
        Ok(())
    }
}

/// Bytes for the terminal.
fn send(bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Error::io("the terminal", e))
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
