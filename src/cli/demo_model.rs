//! `outloud demo-model`: makes the demo model and its twins from nothing, one stage after the other.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use super::Exit;
use crate::recipe::{Plan, Work, stages};
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
    let kept = args.out.join("recipe.toml");
    if kept.exists() {
        let text = std::fs::read_to_string(&kept).map_err(|e| Error::io(&kept, e))?;
        if text != plan.to_toml()? {
            return Err(Error::invalid(
                kept.display().to_string(),
                "another recipe",
                "the recipe of this call",
                "Give another --out folder, or the --config this one was begun with.",
            ));
        }
    }
    let program = std::env::current_exe().map_err(|e| Error::io("the program itself", e))?;
    let stages = stages(&plan, &args.out)?;
    let count = stages.len();
    for (index, stage) in stages.iter().enumerate() {
        let state = if stage.done() { "done" } else { "to do" };
        eprintln!("[{}/{count}] {}: {state}", index + 1, stage.name);
        match &stage.work {
            Work::Command(command) if args.dry_run => eprintln!("    outloud {}", command.join(" ")),
            Work::Write(_) if args.dry_run => eprintln!("    {}", stage.makes.display()),
            _ if stage.done() => {}
            Work::Write(work) => stage.write(work)?,
            Work::Command(command) => {
                eprintln!("    outloud {}", command.join(" "));
                let mut child = Command::new(&program);
                child.args(command);
                if command.first().is_some_and(|word| word == "train") {
                    // The trainer's parts have a thread each; candle's own pool beside them only spins.
                    child.env("RAYON_NUM_THREADS", "1");
                }
                let status = child.stdin(Stdio::null()).status().map_err(|e| Error::io(&program, e))?;
                match status.code() {
                    Some(0) => {}
                    // Rows that failed are left out of what follows, and counted there.
                    Some(1) if command.first().is_some_and(|word| word == "critique") => {}
                    Some(130) | None => return Ok(Exit::Interrupted),
                    Some(code) => {
                        return Err(Error::Usage(format!(
                            "stage `{}` ended with status {code}; the same command goes on from there: outloud {}",
                            stage.name,
                            command.join(" ")
                        )));
                    }
                }
            }
        }
    }
    Ok(Exit::Ok)
}
