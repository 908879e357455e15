//! Rows written to a file, in slices: aside first, under its name when it is whole.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Export;
use crate::data::Dataset;
use crate::disk::Aside;
use crate::{Error, Result};

/// A file being written.
pub struct Writing {
    what: Export,
    path: PathBuf,
    /// None once the file has its name.
    out: Option<Aside>,
    done: usize,
}

impl Writing {
    /// Begins a file.
    ///
    /// # Errors
    /// One that exists already, a folder that cannot be written to.
    pub fn new(what: Export, path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(Error::invalid(
                path.display().to_string(),
                "a file that exists",
                "a new name",
                "Give another name, or remove it first.",
            ));
        }
        Ok(Self { what, path: path.into(), out: Some(Aside::create(path)?), done: 0 })
    }

    /// Writes one row more; at the end, what was written.
    ///
    /// # Errors
    /// What reading and writing say.
    pub fn step(&mut self, dataset: &Dataset, number: impl Fn(u32) -> u32) -> Result<Option<String>> {
        let failed = |e| Error::io(&self.path, e);
        let Some(out) = &mut self.out else { return Ok(None) };
        let (rows, is_rows) = match &self.what {
            Export::Bad => {
                dataset.write_bad(out).map_err(failed)?;
                self.done = dataset.bad().len();
                return self.end().map(Some);
            }
            Export::Rows(rows) => (rows, true),
            Export::Numbers(rows) => (rows, false),
        };
        let Some(row) = rows.get(self.done).copied() else { return self.end().map(Some) };
        if is_rows {
            let row = serde_json::Value::Object(dataset.row(row as usize)?);
            writeln!(out, "{row}").map_err(failed)?;
        } else {
            writeln!(out, "{}", number(row)).map_err(failed)?;
        }
        self.done += 1;
        Ok(None)
    }

    /// How much of it is there.
    pub fn share(&self) -> f64 {
        let all = match &self.what {
            Export::Rows(rows) | Export::Numbers(rows) => rows.len(),
            Export::Bad => 1,
        };
        self.done as f64 / all.max(1) as f64
    }

    fn end(&mut self) -> Result<String> {
        if let Some(out) = self.out.take() {
            out.publish()?;
        }
        let what = if self.what == Export::Bad { "bad rows" } else { "rows" };
        Ok(format!("{} {what} are in {}", self.done, self.path.display()))
    }
}
