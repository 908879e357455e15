//! `label --from`: labels made elsewhere, taken into a session.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Exit, say};
use crate::app::Example;
use crate::exchange::{self, Columns, Known, Meanings};
use crate::label::choices;
use crate::session::Folder;
use crate::{Error, Result};

/// Arguments of `label` for labels made elsewhere.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Take in labels made elsewhere: CSV, JSON lines or Parquet, an export of Argilla or Label Studio, or our own; no screen.
    /// The same file again adds nothing
    #[arg(long, value_name = "LABELS", conflicts_with_all = ["choices", "status"])]
    pub from: Vec<PathBuf>,
    /// Names for columns of the file: choice=winner,id=example_id,...
    #[arg(long, value_name = "NAME=COLUMN,...", requires = "from", value_delimiter = ',', value_parser = pair)]
    columns: Vec<(String, String)>,
    /// What the file's choices mean: 1=chosen,2=rejected,0=tie
    #[arg(long, value_name = "VALUE=CHOICE,...", requires = "from", value_delimiter = ',', value_parser = meaning)]
    meaning: Vec<(String, String)>,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (ours, theirs) = text.split_once('=').ok_or("expected NAME=COLUMN")?;
    Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
}

fn meaning(text: &str) -> std::result::Result<(String, String), String> {
    let (value, words) = text.rsplit_once('=').ok_or("expected VALUE=CHOICE")?;
    let known = choices::from_words(words.trim()).is_some();
    let expected = || format!("found {words}, expected chosen-much, chosen, tie, rejected or rejected-much");
    if known { Ok((value.trim().to_owned(), words.trim().to_owned())) } else { Err(expected()) }
}

/// Takes the files in. `annotator` is whose labels are that name nobody; `examples` are the rows of the data.
///
/// # Errors
/// What is wrong with the session, a file, or the disk.
pub fn import(
    args: &ImportArgs,
    folder: &Folder,
    annotator: Option<&str>,
    examples: Vec<Example>,
) -> Result<Exit> {
    let good = examples.into_iter().enumerate().filter(|(_, example)| example.fault.is_none());
    let known: Vec<Known> =
        good.map(|(row, example)| Known { id: example.id.clone(), row, example: example.kept() }).collect();
    let columns = Columns(args.columns.iter().cloned().collect());
    let meanings = Meanings(args.meaning.iter().cloned().collect());
    let mut exit = Exit::Ok;
    for path in &args.from {
        let read = match exchange::read(path, &columns, &meanings) {
            Ok(read) => read,
            Err(error) => {
                say(&error.to_string());
                exit = Exit::Failed;
                continue;
            }
        };
        let done = exchange::import(folder, &read, annotator, &known)?;
        for bad in &done.bad {
            say(bad);
            exit = Exit::Failed;
        }
        let line = json!({
            "file": path, "format": done.format, "records": done.records, "events": done.events, "labels": done.said,
            "already_there": done.there, "examples": done.examples, "critiques": done.critiques, "bad": done.bad.len(),
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").map_err(|e| Error::io("<standard output>", e))?;
    }
    Ok(exit)
}
