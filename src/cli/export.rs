//! `export`: a session's labels as rows for trainers and annotation tools, a data card beside them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Exit, say};
use crate::disk;
use crate::exchange::{self, Export, Format, Options, Part, To};
use crate::label::Rule;
use crate::session::{self, Folder};
use crate::{Error, Result};

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
cloud         prompt, chosen, rejected, chosen_feedback, rejected_feedback: `outloud train` reads it
trl           prompt, chosen, rejected: text, or messages where a prompt is messages
rewardbench   prompt, chosen, chosen_model, rejected, rejected_model, subset, id
argilla       records with every annotator's responses (JSON lines)
label-studio  tasks with annotations and predictions (a JSON list)
events        everything, as it stands; `outloud label --from` takes it in again

Ties, skipped, undecided and all-bad examples are no preference: they are left out of the first three, and counted.
FILE.card.md beside the file says what is in it. Exit status: 0 all well, 1 nothing to write or something could not be read.")]
pub struct ExportArgs {
    /// The session: a path, or a name in the default place
    #[arg(long, value_name = "SESSION")]
    session: PathBuf,
    /// For whom
    #[arg(long, value_name = "TO", value_parser = to)]
    to: To,
    /// A new file; `-` is standard output, without a card
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "jsonl")]
    format: FormatArg,
    /// Which label of several counts: latest, majority, annotator=NAME; an adjudication counts before the first two
    #[arg(long, value_name = "RULE", default_value = "latest", value_parser = rule)]
    rule: Rule,
    /// Share of the prompts in the test part; by a hash of the prompt, so that no prompt is in both
    #[arg(long, value_name = "SHARE", requires = "part", value_parser = share)]
    split: Option<f64>,
    /// Which part to write
    #[arg(long, value_name = "PART", requires = "split", value_enum)]
    part: Option<PartArg>,
    /// Also preferences between answers of which none is good
    #[arg(long)]
    keep_all_bad: bool,
    /// Only examples with so many labels
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_labels: usize,
    /// Only examples on which annotators agree, or that were adjudicated
    #[arg(long)]
    no_conflicts: bool,
    /// RewardBench's `subset`
    #[arg(long, value_name = "NAME", default_value = "outloud")]
    subset: String,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Jsonl,
    Parquet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PartArg {
    Train,
    Test,
}

fn to(word: &str) -> std::result::Result<To, String> {
    let names = || To::ALL.map(|(name, _)| name).join(", ");
    To::ALL
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, to)| *to)
        .ok_or_else(|| format!("expected one of {}", names()))
}

fn rule(word: &str) -> std::result::Result<Rule, String> {
    match (word, word.strip_prefix("annotator=")) {
        ("latest", _) => Ok(Rule::Latest),
        ("majority", _) => Ok(Rule::Majority),
        (_, Some(name)) if !name.is_empty() => Ok(Rule::Annotator(name.to_owned())),
        _ => Err("expected latest, majority or annotator=NAME".into()),
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "expected a number between 0 and 1, such as 0.1".into())
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the session, the options, or the file.
pub fn export(args: &ExportArgs) -> Result<Exit> {
    let folder = Folder::existing(&session::named_path(&args.session)?)?;
    let part = args.part.map(|part| match part {
        PartArg::Train => Part::Train,
        PartArg::Test => Part::Test,
    });
    let options = Options {
        format: match args.format {
            FormatArg::Jsonl => Format::JsonLines,
            FormatArg::Parquet => Format::Parquet,
        },
        rule: args.rule.clone(),
        split: args.split.zip(part),
        all_bad: args.keep_all_bad,
        min_labels: args.min_labels,
        no_conflicts: args.no_conflicts,
        subset: args.subset.clone(),
        ..Options::new(args.to)
    };
    let out = Some(args.out.as_path()).filter(|out| out.as_os_str() != "-");
    if let Some(out) = out.filter(|out| out.exists() && !args.overwrite) {
        return Err(Error::Usage(format!(
            "{}: there already; give another name or --overwrite",
            out.display()
        )));
    }
    let done = exchange::export(&folder, &options)?;
    match out {
        None => {
            std::io::stdout().lock().write_all(&done.bytes).map_err(|e| Error::io("<standard output>", e))?
        }
        Some(out) => write(out, &done)?,
    }
    for problem in &done.problems {
        say(problem);
    }
    let left: Vec<String> = done.left.iter().map(|(why, n)| format!("{n} {why}")).collect();
    let left = if left.is_empty() { String::new() } else { format!("; left out: {}", left.join(", ")) };
    say(&format!("{} rows{left}", done.rows));
    Ok(if done.rows == 0 || !done.problems.is_empty() { Exit::Failed } else { Exit::Ok })
}

fn write(out: &Path, done: &Export) -> Result<()> {
    let mut card = out.as_os_str().to_owned();
    card.push(".card.md");
    disk::replace(out, &done.bytes)?;
    disk::replace(Path::new(&card), done.card.as_bytes())
}
