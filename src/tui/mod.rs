//! The terminal and the loop: input, engine events, signals and the clock in; frames out.
//!
//! Owns: raw mode and its undoing (quit, panic, signal, suspend), the bytes of a frame, pacing, colour detection, the
//! log file, the user's configuration. The only room that knows a terminal. Imports `app`, `screens`, `widgets`, `engine`.
//!
//! ```text
//! input | signals | engine events | clock ─> Msg ─> app::update ─> Effect ─> engine, terminal
//!                                                └─> dirty ─> screens::draw ─> diff ─> bytes
//! ```

pub mod clipboard;
pub mod colour;
mod config;
mod editor;
mod input;
mod keep;
mod keyboard;
mod label;
pub mod log;
pub mod output;
mod pace;
mod progress;
mod run;
mod signals;
mod suspend;
mod teach;
pub mod terminal;
mod terminfo;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::app::{Example, Msg, Origin};
use crate::browse::{self, Ask};
use crate::data::{Map, Options};
use crate::engine::{Client, DeviceChoice, Events, ModelSource};
use crate::rows::{Reader, Source};
use crate::session::Opened;
use crate::{Error, Result};

pub use colour::ColorChoice;
pub use keep::{SessionOptions, kept, session_of};
pub use label::LabelOptions;

/// What the screen is opened on.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The model.
    pub model: ModelSource,
    /// Where it computes.
    pub device: DeviceChoice,
    /// Files of rows (`-` is standard input); none: the demo's examples.
    pub files: Vec<PathBuf>,
    /// What their columns mean.
    pub map: Map,
    /// How many colours; as `config.toml` says otherwise, or the terminal.
    pub color: Option<ColorChoice>,
    /// A theme's name; as `config.toml` says otherwise, or by the terminal's background.
    pub theme: Option<String>,
    /// Leave the mouse to the terminal. Taken, a click focuses and the wheel scrolls.
    pub no_mouse: bool,
    /// Append lines of text in place of a screen: for screen readers.
    pub plain: bool,
    /// Where takes are kept; `None`: nowhere.
    pub session: Option<SessionOptions>,
    /// The session that is opened when labels are given and there is none.
    pub label_session: Option<SessionOptions>,
    /// What is set for labelling; `config.toml` has the rest.
    pub labelling: LabelOptions,
    /// Begin with the Label screen.
    pub label: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            model: ModelSource::DEMO,
            device: DeviceChoice::Auto,
            files: Vec::new(),
            map: Map::default(),
            color: None,
            theme: None,
            no_mouse: false,
            plain: false,
            session: None,
            label_session: None,
            labelling: LabelOptions::default(),
            label: false,
        }
    }
}

/// Rows handed over at once.
const BATCH: usize = 256;
/// How long rows are gathered.
const GATHER: Duration = Duration::from_millis(10);
/// Rows in the list of examples; the Data screen has them all.
const MOST_ROWS: usize = 10_000;
/// The demo's examples.
pub(crate) const DEMO: &str = include_str!("../../sessions/demo/examples.jsonl");

/// How the screen was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// With the process's exit status: 0, or 128 + the signal that ended it.
    Exit(u8),
    /// To be opened again, by a new process, with this model.
    Reopen(PathBuf),
}

/// Opens the screen with an engine; returns how it was left.
///
/// # Errors
/// `Usage` when there is no terminal, a wrong theme or key map; I/O errors of the terminal.
pub fn run_with(options: &OpenOptions, engine: (Client, Events)) -> Result<Left> {
    check_terminal(options)?;
    let keymap = config::keymap()?;
    let config = config::Config::read()?;
    let depth = colour::depth(options.color.or(config.color).unwrap_or_default(), &colour::env);
    // A wrong name is told before the terminal is taken.
    let theme = options.theme.as_deref().or(config.theme.as_deref());
    let theme = theme.map(|name| config::theme(name, depth)).transpose()?;
    let taken = match (
        options.plain || config.plain == Some(true) || terminal::is_dumb(),
        options.no_mouse || config.mouse == Some(false),
    ) {
        (true, _) => terminal::Taken::Lines,
        (false, true) => terminal::Taken::Screen,
        (false, false) => terminal::Taken::ScreenAndMouse,
    };
    let setup = options.labelling.clone().or(config.label.clone()).setup()?;
    let log = log::start();
    let examples = if options.files.is_empty() { demo() } else { Vec::new() };
    let sources = Source::expand(options.files.iter().cloned())?;
    // The list and the Data screen both read what comes through a pipe.
    let sources = sources.into_iter().map(Source::kept).collect::<Result<Vec<_>>>()?;
    let reading = Options { map: options.map.clone(), strict: false };
    let (rows, back) = read(sources.clone(), reading.clone())?;
    let browse = browse(sources, reading, back.clone())?;
    let opened = Opened {
        data: options.files.iter().map(|file| file.canonicalize().unwrap_or_else(|_| file.clone())).collect(),
        model: match &options.model {
            ModelSource::Bundled(which) => which.name().into(),
            ModelSource::Folder(path) => path.display().to_string(),
        },
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let open = |session| keep::Keep::open(session, opened.clone(), false, back);
    let session = options.session.as_ref().map(open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("the event loop", e))?;
    let session_path = match &options.session {
        Some(session) => Ok(session.path.clone()),
        None => session_of(&options.files),
    };
    let places = session_path.ok().map(|session| teach::Places {
        session,
        files: options
            .files
            .iter()
            .filter(|file| file.as_os_str() != "-")
            .map(|file| absolute(file))
            .collect(),
        map: options.map.text(),
        launchers: config::folder().map(|folder| folder.join("launchers")),
    });
    let progress = config.progress.filter(|_| taken != terminal::Taken::Lines);
    let quiet = taken == terminal::Taken::Lines && config.progress != Some(true);
    runtime.block_on(run::run(run::Start {
        places,
        progress: !quiet && progress::shows(progress, &colour::env),
        bell: config.bell != Some(false),
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
        engine,
        log,
    }))
}

fn absolute(file: &std::path::Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf())
}

/// Indexes all rows for the Data screen on a thread of its own, once all of standard input is there.
fn browse(
    sources: Vec<Source>,
    options: Options,
    back: mpsc::Sender<Msg>,
) -> Result<std::sync::mpsc::Sender<Ask>> {
    let from = match sources.is_empty() {
        true => browse::From::Text(DEMO),
        false => browse::From::Files(sources, options),
    };
    browse::start(from, move |news| back.blocking_send(Msg::Data(Box::new(news))).is_ok())
}

/// Whether there is a terminal to draw on and to read keys from.
///
/// # Errors
/// `Usage` when there is none, with the commands that need none.
pub fn check_terminal(options: &OpenOptions) -> Result<()> {
    let piped = options.files.iter().any(|f| f.as_os_str() == "-");
    if std::io::stdout().is_terminal() && (piped || std::io::stdin().is_terminal()) {
        return Ok(());
    }
    Err(Error::Usage(
        "the screen needs a terminal; without one use `outloud critique` or `outloud score`".into(),
    ))
}

/// The examples compiled in.
pub fn demo() -> Vec<Example> {
    let rows = Reader::over("sessions/demo/examples.jsonl", DEMO.as_bytes());
    rows.filter_map(std::result::Result::ok).map(|row| Example::from_row(row, Origin::Demo)).collect()
}

/// Reads files on a thread of its own, so that the screen is there at once.
fn read(sources: Vec<Source>, options: Options) -> Result<(mpsc::Receiver<Msg>, mpsc::Sender<Msg>)> {
    let (send, receive) = mpsc::channel(4);
    let back = send.clone();
    if sources.is_empty() {
        return Ok((receive, back));
    }
    let (found, rows) = std::sync::mpsc::sync_channel(BATCH);
    let note = send.clone();
    let read = move || {
        let mut all = Reader::mapped(sources, options);
        let (mut count, mut answers) = (0, Vec::new());
        while let Some(row) = all.next() {
            answers.push(row.map_or_else(
                |error| Example {
                    fault: Some(error.to_string()),
                    origin: Origin::File,
                    ..Example::text("unreadable", "", "")
                },
                |row| Example::from_row(row, Origin::File),
            ));
            // The answers of one row come together.
            if all.is_within() {
                continue;
            }
            count += answers.len();
            if found.send(std::mem::take(&mut answers)).is_err() {
                return;
            }
            if count >= MOST_ROWS {
                let text = format!("the list has the first {MOST_ROWS} rows; g d goes to all of them");
                let _ = note.blocking_send(Msg::Note(text));
                return;
            }
        }
    };
    // What comes slowly is handed over as it comes.
    let hand_over = move || {
        while let Ok(mut batch) = rows.recv() {
            let end = Instant::now() + GATHER;
            while batch.len() < BATCH
                && let Ok(next) = rows.recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                batch.extend(next);
            }
            if send.blocking_send(Msg::Examples(batch)).is_err() {
                return;
            }
        }
        let _ = send.blocking_send(Msg::Examples(Vec::new()));
    };
    let spawn = |work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name("rows".into()).spawn(work);
    spawn(Box::new(read))
        .and_then(|_thread| spawn(Box::new(hand_over)))
        .map(|_thread| (receive, back))
        .map_err(|e| Error::io("the thread that reads rows", e))
}
