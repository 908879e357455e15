//! The command line: one subcommand a file, each `Args` + `run(args) -> Result<Exit>`; results on standard output only.
//!
//! Owns: arguments, result rows, exit status (0 all well, 1 some rows failed or a file could not be read, 2 wrong
//! usage, 130 interrupted). Never draws; the screen is opened through `tui`.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{Error, Result};

pub mod adapter;
pub mod batch;
pub mod before_after;
pub mod critique;
pub mod data;
pub mod demo_model;
pub mod demo_report;
pub mod doctor;
mod doctor_text;
pub mod export;
pub mod host;
mod import;
pub mod interrupt;
pub mod label;
mod label_line;
pub mod model;
pub mod on_policy;
pub mod open;
pub mod options;
pub mod output;
pub mod progress;
pub mod result;
pub mod resume;
pub mod run;
pub mod runs;
pub mod score;
pub mod session;
pub mod shell;
mod stages;
pub mod stories;
mod threads;
pub mod train;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well: 0.
    Ok,
    /// Some rows failed or a file could not be read: 1.
    Failed,
    /// Wrong usage: 2.
    Usage,
    /// Interrupted: 130.
    Interrupted,
    /// The screen was ended by a signal: 128 + its number.
    Signal(u8),
}

impl Exit {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// Hear a reward model think: it writes a critique of an answer, then scores it.
#[derive(Debug, Parser)]
#[command(
    name = "outloud",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    after_help = "Without a subcommand the screen opens on the model and the files.\n\
                  MODEL is a checkpoint folder, or `demo` for the model compiled in."
)]
pub struct Cli {
    /// What to do; nothing opens the screen.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Model and device of the screen.
    #[command(flatten)]
    pub model: model::ModelArgs,
    /// Colours, theme, mouse.
    #[command(flatten)]
    pub screen: open::ScreenArgs,
    /// Rows to open: any file that `outloud data` reads, `-` for standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write critiques and read their rewards.
    Critique(critique::CritiqueArgs),
    /// Read the rewards of given critiques.
    Score(score::ScoreArgs),
    /// Say what data files hold: shape, rows, bad rows with their reasons.
    Data(data::DataArgs),
    /// Train a reward model in a folder; the same command resumes.
    Train(train::TrainArgs),
    /// Start runs as jobs, list them, watch them, pause, resume, stop, clone them.
    Runs(runs::RunsArgs),
    /// The same pairs under an old and a new model: what is fixed, broken, unchanged, and how sure that is.
    BeforeAfter(before_after::BeforeAfterArgs),
    /// Merge a LoRA adapter into its base.
    Adapter(adapter::AdapterArgs),
    /// Make the demo model and its twins from nothing.
    DemoModel(demo_model::DemoModelArgs),
    /// Test the demo model and its twins: tables and a chart.
    DemoReport(demo_report::DemoReportArgs),
    /// Print arithmetic stories as training rows.
    Stories(stories::StoriesArgs),
    /// Label pairs: on the screen, or by lines from standard input.
    Label(label::LabelArgs),
    /// List, describe, merge, check and back up sessions: takes, critiques, labels.
    Session(session::SessionArgs),
    /// Write a session's labels for trainers and other annotation tools.
    Export(export::ExportArgs),
    /// Look at this build and terminal, or at a model: spec, tensors, tokens, readings.
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell.
    Completions(shell::CompletionsArgs),
    /// Print the manual page (roff).
    Man,
}

/// Parses the process's arguments, runs the command, reports its error.
pub fn main() -> ExitCode {
    ExitCode::from(main_with(std::env::args_os()).code())
}

/// [`main`] over given arguments (the first is the program's name).
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // A closed pipe takes no help text; nothing is lost.
            let _ = error.print();
            return exit;
        }
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(Error::Cancelled) => Exit::Interrupted,
        Err(error) => {
            say(&error.to_string());
            if matches!(error, Error::Usage(_)) { Exit::Usage } else { Exit::Failed }
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit> {
    match cli.command {
        Some(Command::Critique(args)) => args.run(),
        Some(Command::Score(args)) => args.run(),
        Some(Command::Data(args)) => data::data(&args),
        Some(Command::Train(args)) => args.run(),
        Some(Command::Adapter(args)) => args.run(),
        Some(Command::Runs(args)) => args.run(),
        Some(Command::BeforeAfter(args)) => args.run(),
        Some(Command::DemoModel(args)) => demo_model::demo_model(&args),
        Some(Command::DemoReport(args)) => demo_report::demo_report(&args),
        Some(Command::Stories(args)) => stories::stories(&args),
        Some(Command::Label(args)) => label::label(args),
        Some(Command::Session(args)) => session::session(&args),
        Some(Command::Export(args)) => export::export(&args),
        Some(Command::Doctor(args)) => args.run(),
        Some(Command::Completions(args)) => shell::completions(&args, &mut Cli::command()),
        Some(Command::Man) => shell::man(Cli::command()),
        None => {
            check_files(&cli.files)?;
            open::open(&cli.model, &cli.screen, cli.files)
        }
    }
}

/// A first word that is no file is most likely a mistyped subcommand.
fn check_files(files: &[PathBuf]) -> Result<()> {
    let pattern = |f: &PathBuf| f.to_string_lossy().contains(['*', '?', '[']);
    let missing = files.iter().find(|f| f.as_os_str() != "-" && !f.exists() && !pattern(f));
    let Some(missing) = missing else { return Ok(()) };
    let word = missing.to_string_lossy();
    let near = Cli::command()
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .find(|name| strsim::damerau_levenshtein(name, &word) <= 2);
    Err(Error::Usage(match near {
        Some(name) => format!("no file `{word}`; did you mean `outloud {name}`?"),
        None => format!("no file `{word}`; `outloud --help` lists the subcommands"),
    }))
}

/// A message to people, on standard error. Files and models have a say in messages: control characters are shown, not sent.
fn say(message: &str) {
    // Nobody listens: nothing to do about it.
    let _ = writeln!(std::io::stderr(), "outloud: {}", visible(message));
}

/// Control characters as they are written in code, line breaks left.
fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        shown
    })
}
