//! `outloud adapter merge`: a LoRA adapter and its base as one checkpoint in the reference's layout.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Exit;
use crate::checkpoint::{Checkpoint, LINEAGE};
use crate::{Error, Result, disk};

/// Arguments of `adapter`.
#[derive(Debug, Args)]
pub struct AdapterArgs {
    /// What to do with an adapter.
    #[command(subcommand)]
    pub command: AdapterCommand,
}

/// What to do with an adapter.
#[derive(Debug, Subcommand)]
pub enum AdapterCommand {
    /// Write base and adapter as one checkpoint, which needs neither
    Merge {
        /// The adapter's folder (adapter_config.json)
        #[arg(value_name = "DIR")]
        adapter: PathBuf,
        /// The new checkpoint's folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write f32, whatever the base's files hold
        #[arg(long)]
        f32: bool,
    },
}

impl AdapterArgs {
    /// Does it.
    ///
    /// # Errors
    /// When the folder is no adapter, its base is another, or the new folder is there already.
    pub fn run(self) -> Result<Exit> {
        let AdapterCommand::Merge { adapter, out, f32 } = self.command;
        let checkpoint = Checkpoint::open(&adapter)?;
        let Some(found) = &checkpoint.adapter else {
            return Err(Error::invalid(
                adapter.display().to_string(),
                "a whole checkpoint",
                "a folder with adapter_config.json and without model.safetensors",
                "Use it as it is.",
            ));
        };
        if out.exists() {
            return Err(Error::invalid(
                out.display().to_string(),
                "something that is there",
                "a new folder",
                "Give another --out.",
            ));
        }
        if let Some(parent) = out.parent().filter(|p| !p.as_os_str().is_empty()) {
            disk::create_dir(parent)?;
        }
        disk::publish(&out, "merged", |aside| {
            checkpoint.write_merged(aside, f32)?;
            match std::fs::copy(adapter.join(LINEAGE), aside.join(LINEAGE)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::io(adapter.join(LINEAGE), e))
                }
                _ => Ok(()),
            }
        })?;
        println!("{} and its base {}: {}", adapter.display(), found.base.name(), out.display());
        Ok(Exit::Ok)
    }
}
