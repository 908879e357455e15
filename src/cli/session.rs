//! `session`: what sessions there are, what one holds, merging, checking, backups.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, say, visible};
use crate::session::{self, Counts, Folder, Merged, Report};
use crate::{Error, Result};

/// Arguments of `session`.
#[derive(Debug, Args)]
#[command(after_help = "\
SESSION is a path, or the name of a session in the default place (`outloud session list` shows it). Every command may be
used while others write. Exit status: 0 all well, 1 something could not be read or does not fit, 2 wrong usage.")]
pub struct SessionArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The sessions in the default place, or in a folder
    List {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// One JSON object a session
        #[arg(long)]
        json: bool,
    },
    /// What a session holds
    Info {
        /// The session
        #[arg(value_name = "SESSION")]
        session: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add to a session every event and content of others that it lacks
    Merge {
        /// The session that is added to; it may be new
        #[arg(value_name = "INTO")]
        into: PathBuf,
        /// The sessions that are read
        #[arg(value_name = "FROM", required = true)]
        from: Vec<PathBuf>,
    },
    /// Read every byte of a session, or of a backup; what is damaged is told with file and line
    Check {
        /// The session, or a backup in one file
        #[arg(value_name = "SESSION")]
        session: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy a session as it is now, training runs included, whole or not at all
    Backup {
        /// The session
        #[arg(value_name = "SESSION")]
        session: PathBuf,
        /// A new folder, or a new file: .tar.zst, .tar.gz; it is read back before it gets its name
        #[arg(long, value_name = "DIR|FILE")]
        out: PathBuf,
        /// Leave training runs out
        #[arg(long)]
        no_runs: bool,
    },
    /// Unpack a backup in one file, checked, into a new folder
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        backup: PathBuf,
        /// A new folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When a session is not there, or cannot be read or written.
pub fn session(args: &SessionArgs) -> Result<Exit> {
    match &args.command {
        Command::List { dir, json } => list(dir.as_deref(), *json),
        Command::Info { session, json } => info(session, *json),
        Command::Merge { into, from } => {
            let from = from.iter().map(|path| existing(path)).collect::<Result<Vec<_>>>()?;
            let into = Folder::open(&session::named_path(into)?)?;
            let merged = session::merge(&into, &from)?;
            told(&merged, &format!("added to {}", into.path().display()))
        }
        Command::Check { session, .. } if session.is_file() => {
            let files = session::verify(session)?;
            print(&format!("{files} files, each as it was written\n"))?;
            Ok(Exit::Ok)
        }
        Command::Check { session, json } => check(session, *json),
        Command::Backup { session, out, no_runs } => {
            let done = session::backup(&existing(session)?, out, !no_runs)?;
            let runs = if done.runs > 0 { format!(", {} files of runs", done.runs) } else { String::new() };
            told(&done.merged, &format!("copied to {}{runs}", out.display()))
        }
        Command::Restore { backup, out } => {
            let files = session::restore(backup, out)?;
            let report = session::check(&Folder::existing(out)?, true)?;
            report.problems.iter().for_each(|problem| say(&problem.to_string()));
            print(&format!(
                "{files} files, {} events restored to {}\n",
                report.counts.events,
                out.display()
            ))?;
            Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed })
        }
    }
}

fn existing(path: &Path) -> Result<Folder> {
    Folder::existing(&session::named_path(path)?)
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .lock()
        .write_all(visible(text).as_bytes())
        .map_err(|e| Error::io("<standard output>", e))
}

fn told(merged: &Merged, what: &str) -> Result<Exit> {
    for problem in &merged.problems {
        say(&problem.to_string());
    }
    print(&format!("{} events and {} contents {what}\n", merged.events, merged.contents))?;
    Ok(if merged.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn list(dir: Option<&Path>, json: bool) -> Result<Exit> {
    let dir = match dir {
        Some(dir) => dir.to_path_buf(),
        None => session::default_path()?,
    };
    let mut exit = Exit::Ok;
    let all = session::list(&dir)?;
    if all.is_empty() && !json {
        say(&format!("no sessions in {}", dir.display()));
    }
    for path in all {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match Folder::existing(&path).and_then(|folder| session::check(&folder, false)) {
            Ok(report) if json => {
                print(&format!("{}\n", json!({"name": name, "path": path, "counts": report.counts})))?;
            }
            Ok(Report { counts, .. }) => {
                let labels: usize = counts.annotators.values().map(|a| a.submitted).sum();
                let last = counts.last.as_deref().unwrap_or("never");
                let who = counts.annotators.keys().cloned().collect::<Vec<_>>().join(", ");
                print(&format!(
                    "{name}\n    {} examples, {} takes, {labels} labels, {} events by {who}; last {last}\n",
                    counts.examples, counts.takes, counts.events
                ))?;
            }
            Err(error) => {
                say(&error.to_string());
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

fn info(path: &Path, json: bool) -> Result<Exit> {
    let folder = existing(path)?;
    let report = session::check(&folder, false)?;
    if json {
        print(&format!("{:#}\n", as_json(&folder, &report)))?;
    } else {
        print(&describe(&folder, &report.counts, report.read_only.as_deref()))?;
        if !report.problems.is_empty() {
            say(&format!("{} problems; `outloud session check` shows them", report.problems.len()));
        }
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn check(path: &Path, json: bool) -> Result<Exit> {
    let folder = existing(path)?;
    let report = session::check(&folder, true)?;
    if json {
        print(&format!("{:#}\n", as_json(&folder, &report)))?;
    } else {
        for problem in report.problems.iter().chain(&report.torn) {
            print(&format!("{problem}\n"))?;
        }
        let Counts { events, journals, .. } = report.counts;
        let (problems, torn) = (report.problems.len(), report.torn.len());
        print(&format!(
            "{events} events in {journals} journals; {problems} problems, {torn} unfinished last lines\n"
        ))?;
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn as_json(folder: &Folder, report: &Report) -> serde_json::Value {
    let problems = |all: &[session::Problem]| -> Vec<_> {
        all.iter().map(|p| json!({"file": p.file, "line": p.line, "found": p.found, "fix": p.fix})).collect()
    };
    json!({
        "path": folder.path(),
        "read_only": report.read_only,
        "counts": report.counts,
        "problems": problems(&report.problems),
        "torn": problems(&report.torn),
    })
}

fn describe(folder: &Folder, counts: &Counts, read_only: Option<&str>) -> String {
    let mut text = format!(
        "{}\n{} examples, {} takes, {} critiques; {} events in {} journals\n",
        folder.path().display(),
        counts.examples,
        counts.takes,
        counts.critiques,
        counts.events,
        counts.journals
    );
    if let (Some(first), Some(last)) = (&counts.first, &counts.last) {
        let _ = writeln!(text, "from {first} to {last}");
    }
    for file in &counts.data {
        let _ = writeln!(text, "data: {}", file.display());
    }
    for (by, a) in &counts.annotators {
        let _ = writeln!(
            text,
            "{by}: {} labels, {} drafts, {} skipped, {} reviews, {} events",
            a.submitted, a.drafts, a.skipped, a.reviews, a.events
        );
    }
    for (name, what) in &counts.models {
        let _ = writeln!(text, "model {name}: {what}");
    }
    let kinds: Vec<String> = counts.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let _ = writeln!(text, "events: {}", kinds.join(", "));
    if let Some(why) = read_only {
        let _ = writeln!(text, "{why}");
    }
    text
}
