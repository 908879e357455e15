//! Rows written to a file, in slices: aside first, under its name when it is whole.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::Export;
use crate::data::Dataset;
use crate::{Error, Result};

/// A file being written.
pub struct Writing {
    what: Export,
    path: PathBuf,
    /// None once the file has its name.
    out: Option<BufWriter<tempfile::NamedTempFile>>,
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
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let aside = tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(path, e))?;
        Ok(Self { what, path: path.into(), out: Some(BufWriter::new(aside)), done: 0 })
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
        let failed = |e: std::io::Error| Error::io(&self.path, e);
        if let Some(out) = self.out.take() {
            let aside = out.into_inner().map_err(|e| failed(e.into_error()))?;
            aside.as_file().sync_all().map_err(failed)?;
            aside.persist_noclobber(&self.path).map_err(|e| failed(e.error))?;
        }
        let what = if self.what == Export::Bad { "bad rows" } else { "rows" };
        Ok(format!("{} {what} are in {}", self.done, self.path.display()))
    }
}
