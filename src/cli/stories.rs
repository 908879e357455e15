//! `outloud stories`: arithmetic stories as training rows, one JSON line each.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};

use super::Exit;
use crate::stories::{Numbers, Options, Rows, Split, Templates};
use crate::{Error, Result};

/// Arguments of `stories`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each row: prompt, chosen, rejected, chosen_feedback, rejected_feedback (oracle critiques), steps, error, error_step
(calculations counted from 1; the final line is steps + 1), chosen_key and rejected_key (true and said value of each
step), kind, templates, id. The same options give the same bytes everywhere; row n does not depend on --count.

Splits: train contains no calculation kept for valid or test; a valid or test problem has at least one that training
never saw. Test sets of the paper's claims:
  outloud stories --split test --seed 1 --count 1000
  outloud stories --split test --templates unseen --seed 1 --count 1000
  outloud stories --split test --numbers large --seed 1 --count 1000")]
pub struct StoriesArgs {
    /// Which numbers: those of training, or those kept out of it
    #[arg(long, value_enum, default_value = "train")]
    pub split: SplitArg,
    /// Everything follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub count: usize,
    /// Templates of training, with more scenes (wider), or those kept out of it
    #[arg(long, value_enum, default_value = "seen")]
    pub templates: TemplatesArg,
    /// With --templates wider: share of stories from the added scenes, the others from those of seen
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub wider: f64,
    /// Numbers up to 999, or 1000 to 9999 (larger than in training)
    #[arg(long, value_enum, default_value = "usual")]
    pub numbers: NumbersArg,
    /// Fewest and most steps, 1 to 6
    #[arg(long, value_name = "A-B", default_value = "1-6", value_parser = range)]
    pub steps: (usize, usize),
    /// Share of rows that are drills (bare calculations, comparisons, answers wrong in many places)
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub drills: f64,
    /// Share of stories with a made-up word; default 0.08 in training, 0 otherwise
    #[arg(long, value_name = "SHARE")]
    pub invented: Option<f64>,
    /// Share of stories whose sentences come from all scenes, with words put in that do not belong there
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub noise: f64,
    /// Of the words put into sentences of products and quotients, the share taken from sentences that add or take away
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub verbs: f64,
    /// Critiques restate each sentence before its sum (the first part of the demo model's curriculum)
    #[arg(long)]
    pub restated: bool,
}

/// `--split`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SplitArg {
    /// For training
    Train,
    /// For choosing
    Valid,
    /// For reporting
    Test,
}

/// `--templates`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TemplatesArg {
    /// Those of training
    Seen,
    /// More of training, with words the tokenizer spells
    Wider,
    /// Those kept out of training
    Unseen,
}

/// `--numbers`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NumbersArg {
    /// Up to 999
    Usual,
    /// 1000 to 9999
    Large,
}

fn range(text: &str) -> std::result::Result<(usize, usize), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let number =
        |part: &str| part.trim().parse().map_err(|e| format!("`{text}` is no range such as 1-6: {e}"));
    Ok((number(low)?, number(high)?))
}

/// Writes the rows to standard output.
///
/// # Errors
/// Usage, when steps or shares are out of range; I/O, when standard output cannot be written.
pub fn stories(args: &StoriesArgs) -> Result<Exit> {
    let split = match args.split {
        SplitArg::Train => Split::Train,
        SplitArg::Valid => Split::Valid,
        SplitArg::Test => Split::Test,
    };
    let mut options = Options::new(split, args.seed);
    options.templates = match args.templates {
        TemplatesArg::Seen => Templates::Seen,
        TemplatesArg::Wider => Templates::Wider(args.wider),
        TemplatesArg::Unseen => Templates::Unseen,
    };
    options.numbers = match args.numbers {
        NumbersArg::Usual => Numbers::Usual,
        NumbersArg::Large => Numbers::Large,
    };
    options.steps = args.steps;
    options.drills = args.drills;
    options.invented = args.invented.unwrap_or(options.invented);
    options.noise = args.noise;
    options.verbs = args.verbs;
    options.restated = args.restated;

    let failed = |source| Error::io("standard output", source);
    let mut out = BufWriter::new(io::stdout().lock());
    for row in Rows::new(options)?.take(args.count) {
        serde_json::to_writer(&mut out, &row?).map_err(|error| failed(error.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    Ok(Exit::Ok)
}
