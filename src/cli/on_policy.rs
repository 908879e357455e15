//! `outloud train --recipe cloud-onpolicy`: three stages in one run folder, each a command of `outloud`.

use toml::Table;

use super::train::TrainArgs;
use super::{Exit, stages};
use crate::recipe::on_policy_run::OnPolicy;
use crate::{Error, Result};

/// Runs the stages that are not done.
///
/// # Errors
/// A folder of other settings; a stage that failed, with the command to look at.
pub fn run(args: &TrainArgs) -> Result<Exit> {
    let (place, keys) = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            let keys = text.parse::<Table>().map_err(|e| {
                Error::Usage(format!("{}: {}; expected TOML", path.display(), e.message().trim()))
            })?;
            (path.display().to_string(), keys)
        }
        None => ("--config".to_owned(), Table::new()),
    };
    let (critique, csft, cloud) = OnPolicy::keys(&place, keys)?;
    let mut words = args.words();
    // All rows go through one file, under our names.
    let map = args.map.map().text();
    if args.ignore_memory {
        words.push("--ignore-memory".into());
    }
    let run = OnPolicy {
        model: args.model.model.clone(),
        data: args.data.clone(),
        valid: args.valid.clone(),
        map,
        critique,
        words,
        csft,
        cloud,
    };
    // Keys are looked at before the first stage, which may take hours.
    for (name, keys) in [("csft", &run.csft), ("cloud", &run.cloud)] {
        let text = toml::to_string(keys).map_err(|e| Error::Usage(e.to_string()))?;
        crate::train::config::Config::layered(name, Some((&place, &text)), args.flags())
            .map_err(|error| Error::Usage(error.to_string()))?;
    }
    let stages = run.stages(&args.out)?;
    if let Some(first) = stages.first()
        && first.makes.exists()
    {
        let text = toml::to_string(&run).map_err(|e| Error::Usage(e.to_string()))?;
        stages::same_settings(&first.makes, &text)?;
    }
    stages::run(&stages, args.dry_run)
}
