//! `outloud before-after`: the same pairs under an old and a new model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::{Map, Value};

use super::Exit;
use crate::eval::before_after::{Comparison, Lengths, compare};
use crate::eval::lines;
use crate::{Error, Result, disk};

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
    /// Pairs (JSON lines)
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
            let lengths = prepare(file, &rows)?;
            let judge = |model: &str, which: &str| {
                let results = dir.join(format!("{number}-{which}.jsonl"));
                self.judge(model, &rows, &results)
            };
            let (old, new) = (judge(&self.old, "old")?, judge(&self.new, "new")?);
            let found = compare(&file.display().to_string(), &lengths, &old, &new)?;
            left_out += found.left_out;
            let text = if self.json { json(&found)? } else { found.table() };
            writeln!(out, "{text}").map_err(|e| Error::io("<standard output>", e))?;
        }
        Ok(if left_out == 0 { Exit::Ok } else { Exit::Failed })
    }

    /// The results of a model over some rows; a file of results is taken as it is.
    fn judge(&self, model: &str, rows: &Path, results: &Path) -> Result<PathBuf> {
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
        let status = Command::new(&program)
            .args(words)
            .args(["--model", model, "--resume", "--out"])
            .arg(results)
            .arg(rows)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(|e| Error::io(&program, e))?;
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

/// Writes the rows with ids and without critiques; characters of both answers by id.
fn prepare(file: &Path, to: &Path) -> Result<Lengths> {
    let mut lengths = Lengths::new();
    let mut text = Vec::new();
    for (number, mut row) in lines::read::<Map<String, Value>>(file)?.into_iter().enumerate() {
        let id = row.get("id").cloned().unwrap_or_else(|| number.to_string().into());
        let length = |side: &str| match row.get(side) {
            Some(Value::String(text)) => text.chars().count(),
            Some(other) => other.to_string().chars().count(),
            None => 0,
        };
        lengths.insert(id.to_string(), (length("chosen"), length("rejected")));
        row.retain(|key, _| ["prompt", "chosen", "rejected"].contains(&key.as_str()));
        row.insert("id".into(), id);
        serde_json::to_writer(&mut text, &row).map_err(|e| Error::io(to, e.into()))?;
        text.push(b'\n');
    }
    disk::replace(to, &text)?;
    Ok(lengths)
}
