//! Files of JSON lines, each line with its place for errors.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Reads every line of `path` as a `T`.
///
/// # Errors
/// When the file cannot be read, or a line is not what the command writes.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|e| Error::io(path, e))?;
        if line.trim().is_empty() {
            continue;
        }
        rows.push(serde_json::from_str(&line).map_err(|e| {
            Error::invalid(
                format!("{}:{}", path.display(), number + 1),
                e.to_string(),
                "a row as outloud writes it",
                "Remove the file; the same command makes it again.",
            )
        })?);
    }
    Ok(rows)
}
