//! `outloud demo-model`: makes the demo model and its twins from nothing, one stage after the other.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, stages};
use crate::recipe::{self, Plan};
use crate::{Error, Result};

/// Arguments of `demo-model`.
#[derive(Debug, Args)]
#[command(after_help = "\
Stages: drills, critiques of stories (csft), the model's own critiques, cloud; twins: off-policy, classic. Each is a
command of outloud, shown as it runs. The same command again goes on where it stopped. Result: DIR/model, f16, in the
reference's layout; DIR/classic-model; every run under DIR/runs.")]
pub struct DemoModelArgs {
    /// The folder for data, runs and the model
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Keys to change in the recipe (TOML, as src/recipe/demo.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only say what each stage would do
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the stages that are not done.
///
/// # Errors
/// A folder made with another recipe; a stage that failed, with the command to look at.
pub fn demo_model(args: &DemoModelArgs) -> Result<Exit> {
    let plan = match &args.config {
        None => Plan::demo()?,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            Plan::layered(Some((&path.display().to_string(), &text)))?
        }
    };
    stages::same_settings(&args.out.join("recipe.toml"), &plan.to_toml()?)?;
    stages::run(&recipe::stages(&plan, &args.out)?, args.dry_run)
}
