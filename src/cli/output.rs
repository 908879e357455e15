//! Where result rows go: standard output, or a file that never loses a finished row and keeps their order.
//!
//! A resumed file is appended to. Where rows are missing in its middle or are tried again, it is rewritten beside
//! itself and takes its own place when the last old row has passed; until then the old file stands untouched.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::resume::{self, OldRow, Settings};
use crate::{Error, Result};

/// Rows between two fsyncs.
const SYNC_EVERY: usize = 64;

/// What is already there of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    New,
    /// A good result: nothing to do.
    Kept(usize),
    /// A failed one: try again.
    Again(usize),
}

/// Takes result rows in their order.
pub enum Output {
    /// Standard output, one write a row.
    Stdout(io::Stdout),
    /// `--out`.
    File(Box<Out>),
}

impl Output {
    /// Standard output, or a file: new, or with `resume` what it is.
    ///
    /// # Errors
    /// `Usage` when the file is there without `resume`, or is another run's.
    pub fn open(path: Option<&Path>, resume: bool, settings: &Settings) -> Result<Self> {
        match path {
            None => Ok(Self::Stdout(io::stdout())),
            Some(path) => Out::open(path, resume, settings).map(|out| Self::File(Box::new(out))),
        }
    }

    /// What is there of the next input row; to be asked for each input row, in order.
    pub fn known(&mut self, id: &Value) -> Known {
        match self {
            Self::Stdout(_) => Known::New,
            Self::File(out) => out.known(id),
        }
    }

    /// Writes a row (without its newline) that was `known` as told.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, line: &str, known: Known) -> Result<()> {
        match self {
            Self::Stdout(stdout) => {
                let row = [line, "\n"].concat();
                let written = stdout.write_all(row.as_bytes()).and_then(|()| stdout.flush());
                written.map_err(|e| Error::io("<standard output>", e))
            }
            Self::File(out) => out.write(line, known),
        }
    }

    /// Passes an old row whose result stays.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep(&mut self, old: usize) -> Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(out) => out.keep(old),
        }
    }

    /// Old rows that no input row matched.
    pub fn unmatched(&self) -> &[OldRow] {
        match self {
            Self::Stdout(_) => &[],
            Self::File(out) => out.old.get(out.matched..).unwrap_or_default(),
        }
    }

    /// Begins matching anew, after a look through the input.
    pub fn rewind(&mut self) {
        if let Self::File(out) = self {
            out.matched = 0;
        }
    }

    /// Makes everything durable; old rows not passed yet stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(out) => out.finish(),
        }
    }
}

/// An `--out` file.
pub struct Out {
    path: PathBuf,
    file: File,
    /// The copy that will take the file's place.
    copy: Option<BufWriter<File>>,
    old: Vec<OldRow>,
    /// Old rows matched to input rows.
    matched: usize,
    /// Old rows that have passed.
    passed: usize,
    unsynced: usize,
}

impl Out {
    fn open(path: &Path, resume: bool, settings: &Settings) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if resume {
            options.create(true).truncate(false)
        } else {
            options.create_new(true)
        };
        let mut file = options.open(path).map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => Error::Usage(format!(
                "{} is there already; go on with it with --resume, or give another --out",
                path.display()
            )),
            _ => Error::io(path, e),
        })?;
        lock(path, &file)?;
        let (old, end) = resume::read(path, &file, settings)?;
        let io = |e| Error::io(path, e);
        file.set_len(end).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        sync_folder(path);
        Ok(Self { path: path.into(), file, copy: None, old, matched: 0, passed: 0, unsynced: 0 })
    }

    fn known(&mut self, id: &Value) -> Known {
        match self.old.get(self.matched) {
            Some(old) if old.id == *id => {
                self.matched += 1;
                let index = self.matched - 1;
                if old.failed { Known::Again(index) } else { Known::Kept(index) }
            }
            _ => Known::New,
        }
    }

    fn write(&mut self, line: &str, known: Known) -> Result<()> {
        if self.copy.is_none() && self.passed < self.old.len() {
            self.begin_copy()?;
        }
        let row = [line, "\n"].concat();
        let written = match &mut self.copy {
            Some(copy) => copy.write_all(row.as_bytes()),
            None => self.file.write_all(row.as_bytes()),
        };
        written.map_err(|e| Error::io(&self.path, e))?;
        if let Known::Again(old) = known {
            self.passed = old + 1;
        }
        self.end_copy_when_complete()?;
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    fn keep(&mut self, old: usize) -> Result<()> {
        let (start, end) = (self.end_of(old), self.end_of(old + 1));
        self.passed = old + 1;
        self.copy_range(start, end)?;
        self.end_copy_when_complete()
    }

    /// Where the first `rows` old rows end.
    fn end_of(&self, rows: usize) -> u64 {
        rows.checked_sub(1).and_then(|last| self.old.get(last)).map_or(0, |row| row.end)
    }

    fn copy_range(&mut self, start: u64, end: u64) -> Result<()> {
        let Some(copy) = &mut self.copy else { return Ok(()) };
        let copied = self
            .file
            .seek(SeekFrom::Start(start))
            .and_then(|_| io::copy(&mut (&mut self.file).take(end - start), copy));
        copied.map(drop).map_err(|e| Error::io(&self.path, e))
    }

    fn begin_copy(&mut self) -> Result<()> {
        let path = self.copy_path();
        let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
        lock(&path, &file)?;
        self.copy = Some(BufWriter::new(file));
        self.copy_range(0, self.end_of(self.passed))
    }

    fn copy_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".resuming");
        self.path.with_file_name(name)
    }

    fn end_copy_when_complete(&mut self) -> Result<()> {
        if self.passed < self.old.len() {
            return Ok(());
        }
        let Some(copy) = self.copy.take() else { return Ok(()) };
        let path = self.copy_path();
        let file = copy.into_inner().map_err(|e| Error::io(&path, e.into_error()))?;
        file.sync_all().map_err(|e| Error::io(&path, e))?;
        std::fs::rename(&path, &self.path).map_err(|e| Error::io(&self.path, e))?;
        sync_folder(&self.path);
        self.file = file;
        self.unsynced = 0;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.unsynced = 0;
        if self.copy.is_none() { self.file.sync_data().map_err(|e| Error::io(&self.path, e)) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<()> {
        if self.copy.is_some() {
            let rest = (self.end_of(self.passed), self.end_of(self.old.len()));
            self.passed = self.old.len();
            self.copy_range(rest.0, rest.1)?;
            self.end_copy_when_complete()?;
        }
        self.sync()
    }
}

/// Two runs must not write one file.
fn lock(path: &Path, file: &File) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(Error::Usage(format!("{} is being written by another outloud", path.display())))
        }
        // A file system without locks (or the lock taken) does not stop the work.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Makes the file's name durable, where the system can.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if let Ok(folder) = File::open(folder) {
        // A file system that cannot do it has nothing better to offer.
        let _ = folder.sync_all();
    }
}
