//! `critique`: writes a critique of each row's answer and reads its reward.

use clap::Args;

use super::batch::Task;
use super::model::ModelArgs;
use super::options::{OutArgs, ReadingArgs, RowArgs};
use super::{Exit, run};
use crate::engine::{CritiqueOptions, Sampling};
use crate::{Error, Result};

/// Arguments of `critique`.
#[derive(Debug, Args)]
#[command(
    after_help = "A row without an `id` gets its number, from 1. Exit status: 0 all well, 1 some rows failed or \
                        a file could not be read, 2 wrong usage, 130 interrupted."
)]
pub struct CritiqueArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// How critiques are written.
#[derive(Debug, Args)]
struct SamplingArgs {
    /// Longest critique, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_tokens: usize,
    /// 0 takes the likeliest token [default: 0; 1 with --seed or -n above 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Sample from the likeliest tokens that make up this share
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Sample from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    top_k: Option<usize>,
    /// Sample from tokens at least this share as likely as the likeliest
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Seed of the first sample; sample i uses S + i [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Critiques of each answer; the reward is their mean
    #[arg(short, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    n: Option<usize>,
}

impl SamplingArgs {
    fn sampling(&self) -> Result<Sampling> {
        let chance = self.seed.is_some() || self.n.is_some_and(|n| n > 1);
        let temperature = self.temperature.unwrap_or(if chance { 1.0 } else { 0.0 });
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::Usage(format!("--temperature {temperature}: expected 0 or more")));
        }
        for (name, share) in [("--top-p", self.top_p), ("--min-p", self.min_p)] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err(Error::Usage(format!("{name} {share}: expected a share from 0 to 1")));
            }
        }
        Ok(Sampling {
            temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            seed: self.seed.unwrap_or(0),
            ..Sampling::default()
        })
    }
}

impl CritiqueArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// Wrong usage, a model that cannot be loaded, results that cannot be written.
    pub fn run(&self) -> Result<Exit> {
        let task = Task::Critique(CritiqueOptions {
            score: self.reading.options()?,
            max_tokens: self.sampling.max_tokens,
            sampling: self.sampling.sampling()?,
            samples: self.sampling.n.unwrap_or(1),
            alternatives: 0,
        });
        let rows = || self.rows.rows(None);
        run::over_rows(&self.model, rows, task, self.sampling.n, self.reading.tokens, &self.out)
    }
}
