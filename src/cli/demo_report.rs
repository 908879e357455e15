//! `outloud demo-report`: tests the demo model and its twins on stories nobody trained on; tables and a chart.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, model, stages};
use crate::Result;
use crate::checkpoint::Bundled;
use crate::recipe::evaluation::{Entrant, Evaluation, Reads, evaluation};

/// Arguments of `demo-report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Three test sets: unseen numbers, unseen numbers and templates, numbers above 999. Verdicts right, preference accuracy of
the model, its twins and baselines, self-consistency and best-of-N, by number of steps, with 95 % intervals. Each stage
is a command of outloud; the same command again goes on where it stopped. Result: report.md, report.svg, report.json.")]
pub struct DemoReportArgs {
    /// The folder for sets, results and the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A folder of `outloud demo-model`: its model and all twins [default: the models compiled in]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// The CLoud model, in place of that of --run or `demo`
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<String>,
    /// Pairs of each test set
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// Pairs for self-consistency
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub sampled: u32,
    /// Critiques of each of their answers
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub samples: u16,
    /// Temperature of those critiques
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Problems for best-of-N
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub problems: u32,
    /// Answers to each of them; one in four is right
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub answers: u16,
    /// Everything drawn follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u32,
    /// Only say what each stage would do
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the stages that are not done.
///
/// # Errors
/// A model that cannot be opened; a folder begun with other settings; a stage that failed.
pub fn demo_report(args: &DemoReportArgs) -> Result<Exit> {
    let plan = Evaluation {
        seed: u64::from(args.seed),
        count: args.count as usize,
        sampled: (args.sampled as usize, usize::from(args.samples)),
        temperature: args.temperature,
        problems: (args.problems as usize, usize::from(args.answers)),
        right: 0.25,
        max_tokens: 900,
        judges: entrants(args)?,
    };
    let stages = evaluation(&plan, &args.out)?;
    stages::same_settings(&args.out.join("settings.toml"), &plan.to_toml()?)?;
    stages::run(&stages, args.dry_run)
}

fn entrants(args: &DemoReportArgs) -> Result<Vec<Entrant>> {
    let within = |path: &str| args.run.as_ref().map(|run| run.join(path).display().to_string());
    let demo = args.model.clone().or_else(|| within("model")).unwrap_or_else(|| "demo".into());
    let mut entrants = vec![
        entrant("CLoud", "writes a critique, then the reward", demo.clone(), Reads::Critique)?,
        entrant("critique removed", "the same weights after an empty critique", demo, Reads::Nothing)?,
    ];
    for (name, about, path, reads) in [
        ("off-policy", "trained on oracle critiques only", "runs/off-policy/result", Reads::Critique),
        (
            "never a critique",
            "the same trunk, reward trained without critiques",
            "runs/no-critique/result",
            Reads::Nothing,
        ),
        (
            "classic",
            "the same trunk, then trained to reward the answer alone",
            "classic-model",
            Reads::Answer,
        ),
    ] {
        if let Some(path) = within(path).filter(|path| Path::new(path).exists()) {
            entrants.push(entrant(name, about, path, reads)?);
        }
    }
    if args.run.is_none() {
        let (name, about) = ("classic", "the same trunk, then trained to reward the answer alone");
        entrants.push(entrant(name, about, Bundled::Classic.name().into(), Reads::Answer)?);
    }
    Ok(entrants)
}

fn entrant(name: &str, about: &str, model: String, reads: Reads) -> Result<Entrant> {
    let checkpoint = model::source(&model)?.open()?;
    let fingerprint = checkpoint.fingerprint.clone();
    Ok(Entrant { name: name.into(), about: about.into(), model, reads, fingerprint })
}
