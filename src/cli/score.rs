//! `score`: reads the reward of each row's critique, word for word (of the answer alone for a classic model).

use clap::Args;

use super::batch::Task;
use super::model::ModelArgs;
use super::options::{OutArgs, ReadingArgs, RowArgs};
use super::{Exit, run};
use crate::Result;

/// Arguments of `score`.
#[derive(Debug, Args)]
#[command(after_help = "A row's `critique_token_ids` count before its `critique`; a pair's critiques are \
                        `chosen_critique` and `rejected_critique`. A row without an `id` gets its number, from 1.")]
pub struct ScoreArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    rows: RowArgs,
    /// One row by hand: the critique
    #[arg(long, value_name = "TEXT", requires = "prompt", allow_hyphen_values = true)]
    critique: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl ScoreArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// Wrong usage, a model that cannot be loaded, results that cannot be written.
    pub fn run(&self) -> Result<Exit> {
        let task = Task::Score(self.reading.options()?);
        let rows = || self.rows.rows(self.critique.as_deref());
        run::over_rows(&self.model, rows, task, None, self.reading.tokens, &self.out)
    }
}
