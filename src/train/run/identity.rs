//! run.toml: what the run is. The same command goes on with it; another configuration is refused, with the difference.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::disk;
use crate::train::config::{Config, flatten, to_table};
use crate::{Error, Result};

/// Keys that may change from one start to the next: they do not touch the numbers.
const FREE: [&str; 9] = [
    "version",
    "model.source",
    "data.files",
    "valid.files",
    "replay.files",
    "config.save-every",
    "config.keep",
    "config.samples",
    "config.shards",
];

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Of `outloud`.
    pub version: String,
    /// Name of the recipe.
    pub recipe: String,
    /// Optimiser steps in all.
    pub steps: usize,
    /// Parts of a micro-batch.
    pub shards: usize,
    /// The starting checkpoint.
    pub model: ModelId,
    /// The rows.
    pub data: DataId,
    /// Rows that are held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<DataId>,
    /// Rows mixed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<DataId>,
    /// Every key.
    pub config: Config,
}

/// The starting checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelId {
    /// As given.
    pub source: String,
    /// Of its files.
    pub fingerprint: String,
}

/// The rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataId {
    /// As given.
    pub files: Vec<String>,
    /// Over all bytes.
    pub sha256: String,
    /// Number of pairs.
    pub pairs: usize,
}

impl Identity {
    /// Reads the file of an existing run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a file that is no run.toml.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path, e)),
        };
        let read = toml::from_str(&text).map_err(|e| {
            Error::invalid(
                path.display().to_string(),
                e.message().trim(),
                "the run.toml that a run wrote",
                "Give a new folder to `--out`.",
            )
        });
        read.map(Some)
    }

    /// Writes the file as a whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|e| Error::Usage(format!("run.toml: {e}")))?;
        disk::replace(path, text.as_bytes())
    }

    /// Refuses to go on with another configuration than the folder's.
    ///
    /// # Errors
    /// [`Error::Usage`] listing each key that differs.
    pub fn check(&self, folder: &Self, out: &Path) -> Result<()> {
        let (now, then) = (leaves(&to_table(self)?), leaves(&to_table(folder)?));
        let keys = now.keys().chain(then.keys()).collect::<std::collections::BTreeSet<_>>();
        let text = |v: Option<&Value>| v.map_or_else(|| "nothing".to_owned(), Value::to_string);
        let differences: Vec<String> = keys
            .into_iter()
            .filter(|key| now.get(*key) != then.get(*key))
            .map(|key| format!("{key}: {} in the folder, {} now", text(then.get(key)), text(now.get(key))))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        if self.model.fingerprint != folder.model.fingerprint && self.model.source == folder.model.source {
            return Err(Error::Usage(format!(
                "{}: the starting model {} was changed after this run began ({}). Put back the model of fingerprint {}, or \
                 begin a new run in another folder.",
                out.display(),
                self.model.source,
                differences.join("; "),
                folder.model.fingerprint
            )));
        }
        Err(Error::Usage(format!(
            "{}: a run of another configuration ({}). Give the same options to go on, or another folder to begin a new run.",
            out.display(),
            differences.join("; ")
        )))
    }
}

fn leaves(table: &Table) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    flatten("", table, &mut |key, value| {
        if !FREE.contains(&key.as_str()) {
            all.insert(key, value.clone());
        }
    });
    all
}
