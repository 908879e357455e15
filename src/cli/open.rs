//! Without a subcommand: the screen, on a model and rows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use super::options::MapArgs;
use super::{Exit, model::ModelArgs};
use crate::engine::EngineConfig;
use crate::session;
use crate::tui::{self, ColorChoice, LabelOptions, OpenOptions, SessionOptions};
use crate::{Error, Result};

/// How the screen looks.
#[derive(Clone, Debug, Args)]
pub struct ScreenArgs {
    /// Colours: auto, never, 16, 256 or true
    #[arg(long, value_name = "COLORS")]
    pub color: Option<ColorChoice>,
    /// dark, light, high-contrast, or a file of yours in the configuration's `themes`
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Keep takes and labels in this session, and open where it stood: a path, or a name in the default place. Without it, or
    /// with `auto`: the one of these files under $XDG_DATA_HOME/outloud/sessions
    #[arg(long, value_name = "SESSION")]
    pub session: Option<PathBuf>,
    /// Keep nothing
    #[arg(long, conflicts_with = "session")]
    pub no_session: bool,
    /// Who works here, in the session's events
    #[arg(long, value_name = "NAME", env = "OUTLOUD_ANNOTATOR")]
    pub annotator: Option<String>,
    /// What columns mean.
    #[command(flatten)]
    pub map: MapArgs,
    /// Lines of text in place of a screen, nothing moves: for screen readers
    #[arg(long, env = "OUTLOUD_PLAIN", value_parser = clap::builder::FalseyValueParser::new())]
    pub plain: bool,
}

/// Opens the screen.
///
/// # Errors
/// `Usage` without a terminal; what is wrong with the model's path, the theme, the key map, the terminal.
pub fn open(model: &ModelArgs, screen: &ScreenArgs, files: Vec<PathBuf>) -> Result<Exit> {
    open_on(model, screen, files, None)
}

/// [`open`], on the Label screen if there is something set for it.
///
/// # Errors
/// As [`open`]; what is wrong with what is set.
pub(super) fn open_on(
    model: &ModelArgs,
    screen: &ScreenArgs,
    files: Vec<PathBuf>,
    label: Option<LabelOptions>,
) -> Result<Exit> {
    let asked = screen.session.is_some() || label.is_some();
    let session = match screen.no_session {
        true if label.is_some() => {
            return Err(Error::Usage("labels are kept in a session: leave --no-session out".into()));
        }
        true => None,
        false if asked => Some(session_of(screen, &files)?),
        false => default_session(screen, &files),
    };
    // The one that is opened when labels are given and there is none yet.
    let label_session = session_of(screen, &files).ok().filter(|_| !screen.no_session);
    let options = OpenOptions {
        model: model.source()?,
        device: model.device()?,
        files,
        map: screen.map.map(),
        color: screen.color,
        theme: screen.theme.clone(),
        no_mouse: screen.no_mouse,
        plain: screen.plain,
        session,
        label_session,
        label: label.is_some(),
        labelling: label.unwrap_or_default(),
    };
    tui::check_terminal(&options)?;
    let config = EngineConfig { model_bytes: memory(), ..EngineConfig::default() };
    let (client, events, engine) = crate::engine::start(config)?;
    let left = tui::run_with(&options, (client, events))?;
    // The engine's thread ends with its client; a step in hand is not waited for.
    drop(engine);
    let code = match left {
        tui::Left::Exit(code) => code,
        tui::Left::Reopen(model) => return reopen(&model),
    };
    Ok(match code.checked_sub(128) {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Ok,
    })
}

/// This process becomes one that was started with another model and the same words otherwise: nothing of the old one stays,
/// no thread that reads keys, no memory.
fn reopen(model: &Path) -> Result<Exit> {
    use std::os::unix::process::CommandExt as _;
    let exe = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
    let mut words: Vec<OsString> = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(word) = given.next() {
        match word.to_str() {
            Some("--model") => drop(given.next()),
            Some(text) if text.starts_with("--model=") => {}
            _ => words.push(word),
        }
    }
    let model = std::path::absolute(model).map_err(|e| Error::io(model, e))?;
    // Behind a subcommand that opens the screen, before its files.
    let at = usize::from(words.first().is_some_and(|word| word == "label"));
    words.splice(at..at, ["--model".into(), model.into_os_string()]);
    let error = std::process::Command::new(&exe).args(words).exec();
    Err(Error::io(exe, error))
}

/// The session that is named, else that of the files.
///
/// # Errors
/// When there is no home folder.
pub(super) fn session_of(screen: &ScreenArgs, files: &[PathBuf]) -> Result<SessionOptions> {
    let path = match &screen.session {
        Some(word) if word.as_os_str() != "auto" => session::named_path(word)?,
        _ => tui::session_of(files)?,
    };
    Ok(SessionOptions { path, annotator: annotator(screen) })
}

/// The session of the files, if it can be had: nobody asked for it, so nothing fails for it. What comes through a pipe is other data
/// each time.
fn default_session(screen: &ScreenArgs, files: &[PathBuf]) -> Option<SessionOptions> {
    if files.iter().any(|file| file.as_os_str() == "-") {
        return None;
    }
    let options = session_of(screen, files).and_then(|options| {
        let folder = session::Folder::open(&options.path)?;
        Ok((folder.read_only().is_none()).then_some(options))
    });
    options.unwrap_or_else(|error| {
        tracing::warn!(%error, "no session");
        None
    })
}

/// Bytes that models may take together: most of what is free now, where the system tells.
fn memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 10 * 9 * 1024)
}

/// The name in a session's events: as given, else the user's.
fn annotator(screen: &ScreenArgs) -> String {
    let user = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    screen
        .annotator
        .clone()
        .or_else(user)
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "me".into())
}
