//! `outloud before-after`: the same pairs under an old and a new model.

use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::Value;

use super::Exit;
use crate::data::{self, PairRow};
use crate::eval::before_after::{Comparison, Lengths, compare};
use crate::{Error, Result, disk};

/// Rows left out that are named; the rest are counted.
const NAMED: usize = 10;

/// Arguments of `before-after`.
#[derive(Debug, Args)]
#[command(after_help = "\
Rows are pairs with `chosen` the better answer; several files are several sets (labelled, held out, untouched). Each model
judges each set with `outloud critique` (a classic model: `score`); with --out DIR these results are kept and gone on with.
Raw rewards of two models do not compare: margins are in units of each model's own spread.")]
pub struct BeforeAfterArgs {
    /// The model before: a folder, `demo`, or a file of results of `outloud critique`
    #[arg(long, value_name = "MODEL")]
    pub old: String,
    /// The model after
    #[arg(long, value_name = "MODEL")]
    pub new: String,
    /// Pairs: any file that `outloud data` reads
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Keep the models' results here, and go on with those that are there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Longest critique, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub max_tokens: u32,
    /// One JSON object a set, pairs included, instead of a table
    #[arg(long)]
    pub json: bool,
}

impl BeforeAfterArgs {
    /// Compares.
    ///
    /// # Errors
    /// When a file or model cannot be read, or a model judged nothing.
    pub fn run(self) -> Result<Exit> {
        let kept;
        let dir = match &self.out {
            Some(dir) => dir.as_path(),
            None => {
                kept = tempfile::tempdir().map_err(|e| Error::io("a temporary folder", e))?;
                kept.path()
            }
        };
        disk::create_dir(dir)?;
        let mut left_out = 0;
        let mut out = std::io::stdout().lock();
        for (number, file) in self.files.iter().enumerate() {
            let rows = dir.join(format!("{number}-rows.jsonl"));
            let prepared = prepare(file, &rows)?;
            let judge = |model: &str, which: &str| {
                let results = dir.join(format!("{number}-{which}.jsonl"));
                self.judge(model, &rows, &results, &prepared.places)
            };
            let (old, new) = (judge(&self.old, "old")?, judge(&self.new, "new")?);
            let found = compare(&file.display().to_string(), &prepared.lengths, &old, &new)?;
            left_out += found.left_out + prepared.left_out;
            let text = if self.json { json(&found)? } else { found.table() };
            writeln!(out, "{text}").map_err(|e| Error::io("<standard output>", e))?;
        }
        Ok(if left_out == 0 { Exit::Ok } else { Exit::Failed })
    }

    /// The results of a model over some rows; a file of results is taken as it is.
    fn judge(&self, model: &str, rows: &Path, results: &Path, places: &[String]) -> Result<PathBuf> {
        if Path::new(model).is_file() {
            return Ok(PathBuf::from(model));
        }
        let checkpoint = super::model::source(model)?.open()?;
        let classic = checkpoint.spec.method == crate::checkpoint::Method::Classic;
        let words: Vec<String> = if classic {
            vec!["score".into()]
        } else {
            vec!["critique".into(), "--max-tokens".into(), self.max_tokens.to_string()]
        };
        let program = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
        let mut child = Command::new(&program)
            .args(words)
            .args(["--model", model, "--resume", "--out"])
            .arg(results)
            .arg(rows)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::io(&program, e))?;
        if let Some(said) = child.stderr.take() {
            for line in BufReader::new(said).lines().map_while(std::result::Result::ok) {
                eprintln!("{}", translated(&line, rows, places));
            }
        }
        let status = child.wait().map_err(|e| Error::io(&program, e))?;
        match status.code() {
            Some(0 | 1) if results.exists() => Ok(results.to_path_buf()),
            Some(130) => Err(Error::Cancelled),
            _ => Err(Error::invalid(
                format!("--model {model}"),
                "no results",
                "a model that can judge these rows",
                "See the message above.",
            )),
        }
    }
}

fn json(found: &Comparison) -> Result<String> {
    serde_json::to_string(found)
        .map_err(|e| Error::invalid("the comparison", e.to_string(), "numbers", "Report this as a defect."))
}

/// Characters of both answers by id, and the place of each row of the written file.
struct Prepared {
    lengths: Lengths,
    places: Vec<String>,
    left_out: usize,
}

/// Writes the pairs of a file in any format with ids and without critiques. Rows that are none are said and left out.
fn prepare(file: &Path, to: &Path) -> Result<Prepared> {
    let found = data::pairs(file)?;
    for (place, why) in found.bad.iter().take(NAMED) {
        eprintln!("{place}: left out: {why}");
    }
    if !found.ties.is_empty() {
        let first = found.ties.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        eprintln!("{} ties left out, in which neither answer is better: {first}", found.ties.len());
    }
    if let Some(more) = found.bad.len().checked_sub(NAMED).filter(|more| *more > 0) {
        eprintln!("{}: {more} more rows left out", file.display());
    }
    if found.rows.is_empty() {
        let first = found.bad.first().map(|(place, why)| format!("; {place}: {why}")).unwrap_or_default();
        return Err(Error::invalid(
            file.display().to_string(),
            format!("no pairs in {} rows{first}", found.bad.len() + found.ties.len()),
            "rows with prompt, chosen and rejected",
            "Give a file of pairs; `outloud data` says what is in it.",
        ));
    }
    let (mut lengths, mut places, mut text) = (Lengths::new(), Vec::new(), Vec::new());
    for PairRow { place, mut row } in found.rows {
        row.retain(|key, _| ["id", "prompt", "chosen", "rejected"].contains(&key.as_str()));
        let length = |side: &str| match row.get(side) {
            Some(Value::String(text)) => text.chars().count(),
            Some(other) => other.to_string().chars().count(),
            None => 0,
        };
        let id = row.get("id").map(Value::to_string).unwrap_or_default();
        lengths.insert(id, (length("chosen"), length("rejected")));
        places.push(place);
        serde_json::to_writer(&mut text, &row).map_err(|e| Error::io(to, e.into()))?;
        text.push(b'\n');
    }
    disk::replace(to, &text)?;
    Ok(Prepared { lengths, places, left_out: found.bad.len() })
}

/// A message about a row of the written file, as one about the user's.
fn translated(line: &str, rows: &Path, places: &[String]) -> String {
    let name = rows.display().to_string();
    let Some((before, after)) = line.split_once(&name) else { return line.to_owned() };
    let digits: String =
        after.strip_prefix(':').unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    let place = digits.parse::<usize>().ok().and_then(|n| places.get(n.checked_sub(1)?));
    let rest = after.get(1 + digits.len()..).unwrap_or_default();
    match (place, places.first().and_then(|first| first.rsplit_once(':'))) {
        (Some(place), _) => format!("{before}{place}{rest}"),
        (None, Some((file, _))) => format!("{before}{file}{after}"),
        (None, None) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_users_file() {
        let places = ["pairs.csv:2".to_owned(), "pairs.csv:5".to_owned()];
        let said = |line: &str| translated(line, Path::new("/tmp/x/0-rows.jsonl"), &places);
        assert_eq!(said("warning: /tmp/x/0-rows.jsonl:2: too long"), "warning: pairs.csv:5: too long");
        assert_eq!(said("/tmp/x/0-rows.jsonl: unreadable"), "pairs.csv: unreadable");
        assert_eq!(said("done"), "done");
    }
}
