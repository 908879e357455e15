//! `outloud before-after`: the same pairs under an old and a new model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::json;

use super::options::MapArgs;
use super::{Exit, say};
use crate::checkpoint::{Message, Prompt};
use crate::engine::Input;
use crate::eval::before_after::{Comparison, Lengths, Names, compare};
use crate::rows::{Content, Reader, Source};
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
    /// Pairs: any file that `outloud data` reads
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What columns mean.
    #[command(flatten)]
    pub map: MapArgs,
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
            let sources = Source::expand([file.clone()])?;
            let (lengths, bad) = prepare(Reader::mapped(sources, self.map.options(false)), &rows)?;
            let judge = |model: &str, which: &str| {
                let results = dir.join(format!("{number}-{which}.jsonl"));
                self.judge(model, &rows, &results)
            };
            let (old, new) = (judge(&self.old, "old")?, judge(&self.new, "new")?);
            let found = compare(&file.display().to_string(), &lengths, &old, &new)?;
            left_out += found.left_out + bad;
            let text = if self.json { text_of(&found)? } else { found.table() };
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

fn text_of(found: &Comparison) -> Result<String> {
    serde_json::to_string(found)
        .map_err(|e| Error::invalid("the comparison", e.to_string(), "numbers", "Report this as a defect."))
}

/// Writes the pairs with their ids and without critiques; characters of both answers, and how many rows are no pairs.
fn prepare(reader: Reader, to: &Path) -> Result<(Lengths, usize)> {
    let (mut lengths, mut names) = (Lengths::new(), Names::default());
    let (mut text, mut bad) = (Vec::new(), 0);
    for row in reader {
        let row = row?;
        let (chosen, rejected) = match row.content {
            Ok(Content::Pair { chosen, rejected }) => (chosen.input, rejected.input),
            Ok(Content::One(_)) => {
                say(&format!(
                    "row {}: found no preference, expected a chosen and a rejected answer",
                    row.number
                ));
                bad += 1;
                continue;
            }
            Err(error) => {
                say(&error);
                bad += 1;
                continue;
            }
        };
        let count = |input: &Input| input.answer.chars().count();
        lengths.insert(names.next(&row.id), (count(&chosen), count(&rejected)));
        let line = match chosen.prompt == rejected.prompt {
            true => json!({
                "id": row.id, "prompt": chosen.prompt, "chosen": chosen.answer, "rejected": rejected.answer,
            }),
            false => json!({"id": row.id, "chosen": chat(chosen), "rejected": chat(rejected)}),
        };
        serde_json::to_writer(&mut text, &line).map_err(|e| Error::io(to, e.into()))?;
        text.push(b'\n');
    }
    disk::replace(to, &text)?;
    Ok((lengths, bad))
}

/// Prompt and answer as one chat.
fn chat(input: Input) -> Vec<Message> {
    let message = |role: &str, content| Message { role: role.into(), content };
    let mut chat = match input.prompt {
        Prompt::Text(text) => vec![message("user", text)],
        Prompt::Messages(messages) => messages,
    };
    chat.push(message("assistant", input.answer));
    chat
}
