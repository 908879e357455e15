//! The model's own critiques in place of the oracle's: rows of `outloud critique` joined to the pairs they judge.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value};

use crate::eval::lines;
use crate::{Error, Result};

/// What became of the pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Pairs with two finished critiques.
    pub kept: usize,
    /// Pairs left out: a critique failed or did not end.
    pub left_out: usize,
}

impl Joined {
    /// A critic that mostly does not finish its critiques has not learned enough to go on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when fewer than half of the pairs were kept.
    pub fn check(self, critiques: &Path) -> Result<()> {
        if self.kept > self.left_out {
            return Ok(());
        }
        Err(Error::invalid(
            critiques.display().to_string(),
            format!("two finished critiques for {} of {} pairs", self.kept, self.kept + self.left_out),
            "finished critiques for more than half of them",
            "The critic has not learned to end its critiques: train `csft` on more rows or longer.",
        ))
    }
}

/// Writes the rows of `pairs` that have two finished critiques in `critiques` (any order), these in place of the oracle's.
///
/// # Errors
/// When a file cannot be read or written, or a line of it is not what the command writes.
pub fn join(pairs: &Path, critiques: &Path, mut out: impl Write) -> Result<Joined> {
    let mut own: HashMap<String, (String, String)> = HashMap::new();
    for row in lines::read::<Value>(critiques)? {
        let finished = |answer: &str| -> Option<String> {
            let side = row.get(answer)?;
            (side.get("stopped")?.as_str()? == "eot")
                .then(|| side.get("critique")?.as_str().map(str::to_owned))?
        };
        if let (Some(id), Some(chosen), Some(rejected)) =
            (row.get("id").and_then(Value::as_str), finished("chosen"), finished("rejected"))
        {
            own.insert(id.to_owned(), (chosen, rejected));
        }
    }
    let mut joined = Joined::default();
    for mut row in lines::read::<Map<String, Value>>(pairs)? {
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        match own.remove(id) {
            Some((chosen, rejected)) => {
                row.insert("chosen_feedback".into(), chosen.into());
                row.insert("rejected_feedback".into(), rejected.into());
                joined.kept += 1;
                let line = serde_json::to_string(&row).unwrap_or_default();
                writeln!(out, "{line}").map_err(|e| Error::io("on-policy rows", e))?;
            }
            None => joined.left_out += 1,
        }
    }
    Ok(joined)
}
