//! Options that `critique` and `score` share: rows in, how rewards are read, where results go.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::checkpoint::Reading;
use crate::data::{Map, Options};
use crate::engine::ScoreOptions;
use crate::rows::{Reader, Row, Source};
use crate::{Error, Result};

/// What columns mean.
#[derive(Clone, Debug, Default, Args)]
pub struct MapArgs {
    /// Names for columns that are called otherwise: prompt=question,chosen=best,...
    #[arg(long, value_name = "NAME=COLUMN,...", value_parser = map)]
    pub map: Option<Map>,
}

fn map(text: &str) -> std::result::Result<Map, String> {
    Map::parse(text).map_err(|error| error.to_string())
}

impl MapArgs {
    /// The names; none without the flag.
    pub fn map(&self) -> Map {
        self.map.clone().unwrap_or_default()
    }

    /// How rows are read for work; `strict`: an answer without text is none.
    pub fn options(&self, strict: bool) -> Options {
        Options { map: self.map(), strict }
    }
}

/// Which rows.
#[derive(Clone, Debug, Args)]
pub struct RowArgs {
    /// Rows: JSON lines {"prompt", "answer"} or {"prompt", "chosen", "rejected"}, or what else `outloud data` reads; `-` is
    /// standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["prompt", "answer"])]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    map: MapArgs,
    /// One row by hand: what was asked
    #[arg(long, value_name = "TEXT", requires = "answer", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// One row by hand: the answer
    #[arg(long, value_name = "TEXT", requires = "prompt", allow_hyphen_values = true)]
    pub answer: Option<String>,
}

/// Rows to work on, one at a time.
pub type Rows = Box<dyn Iterator<Item = Result<Row>> + Send>;

impl RowArgs {
    /// The rows, and whether they can be read a second time.
    ///
    /// # Errors
    /// `Usage` when nothing was given.
    pub fn rows(&self, critique: Option<&str>) -> Result<(Rows, bool)> {
        if let (Some(prompt), Some(answer)) = (&self.prompt, &self.answer) {
            return Ok((Box::new(std::iter::once(Ok(Row::by_hand(prompt, answer, critique)))), true));
        }
        if self.files.is_empty() && std::io::stdin().is_terminal() {
            return Err(Error::Usage(
                "no rows: give a FILE of JSON lines, `-` for standard input, or --prompt and --answer".into(),
            ));
        }
        let mut sources = Source::expand(self.files.iter().cloned())?;
        if sources.is_empty() {
            sources.push(Source::Stdin);
        }
        let again = sources.iter().all(|s| matches!(s, Source::File(path) if path.is_file()));
        Ok((Box::new(Reader::mapped(sources, self.map.options(false))), again))
    }
}

/// How rewards are read.
#[derive(Clone, Debug, Args)]
pub struct ReadingArgs {
    /// How the reward is read
    #[arg(long, value_enum, default_value_t)]
    pub reading: ReadingArg,
    /// In place of the model's critique prompt; @FILE reads it from a file
    #[arg(long, value_name = "TEXT|@FILE", allow_hyphen_values = true)]
    pub critique_prompt: Option<String>,
    /// Special tokens typed in texts act as tokens (default: they are escaped)
    #[arg(long)]
    pub raw_special: bool,
    /// Add prompt_token_ids and critique_token_ids
    #[arg(long)]
    pub tokens: bool,
    /// Add the reward if the critique ended after each of its tokens
    #[arg(long)]
    pub stop_here: bool,
}

impl ReadingArgs {
    /// As the engine takes it.
    ///
    /// # Errors
    /// When the file of the critique prompt cannot be read.
    pub fn options(&self) -> Result<ScoreOptions> {
        let critique_prompt = match self.critique_prompt.as_deref() {
            Some(text) => Some(match text.strip_prefix('@') {
                Some("") => {
                    return Err(Error::Usage(
                        "--critique-prompt @ names no file; write @FILE, or the text itself".into(),
                    ));
                }
                Some(path) => std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?,
                None => text.to_owned(),
            }),
            None => None,
        };
        if critique_prompt.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return Err(Error::Usage("--critique-prompt is empty; leave it out for the model's own".into()));
        }
        Ok(ScoreOptions {
            reading: self.reading.into(),
            critique_prompt,
            raw_special: self.raw_special,
            stop_here: self.stop_here,
            ..ScoreOptions::default()
        })
    }
}

/// [`Reading`] as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReadingArg {
    /// At the end-of-turn that follows the critique as it was written
    #[default]
    InPlace,
    /// The critique stripped, cleaned up and tokenized again, as the reference's `predict_reward` does
    ReEncoded,
}

impl From<ReadingArg> for Reading {
    fn from(reading: ReadingArg) -> Self {
        match reading {
            ReadingArg::InPlace => Self::InPlace,
            ReadingArg::ReEncoded => Self::ReEncoded,
        }
    }
}

/// Where results go.
#[derive(Clone, Debug, Args)]
pub struct OutArgs {
    /// Write results to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Go on with --out: rows that are there are skipped, failed ones tried again
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Rows worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub batch: u16,
    /// Pass unknown fields of a row through under "input"
    #[arg(long)]
    pub keep: bool,
}
