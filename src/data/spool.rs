//! Standard input kept in a file that has no name: read as it comes, and again from its beginning by others.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Error, Result};

/// A copy of a stream that grows while the stream goes on. It is gone when the process is, however that ends.
#[derive(Debug)]
pub struct Spool {
    file: File,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    len: u64,
    ended: bool,
    error: Option<(io::ErrorKind, String)>,
}

impl Spool {
    /// Copies standard input on a thread of its own.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub fn of_stdin() -> Result<Arc<Self>> {
        Self::of(io::stdin())
    }

    /// Copies a stream on a thread of its own.
    ///
    /// # Errors
    /// As [`of_stdin`](Self::of_stdin).
    pub fn of(input: impl Read + Send + 'static) -> Result<Arc<Self>> {
        let file = tempfile::tempfile().map_err(|e| Error::io("the temporary folder", e))?;
        let spool = Arc::new(Self { file, state: Mutex::default(), grown: Condvar::new() });
        let copy = Arc::clone(&spool);
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || copy.fill(input))
            .map_err(|e| Error::io("the thread that reads standard input", e))?;
        Ok(spool)
    }

    fn fill(&self, mut input: impl Read) {
        let mut block = vec![0; 1 << 16];
        loop {
            let read = match input.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            let at = self.state().len;
            let kept = read.and_then(|n| {
                self.file.write_all_at(block.get(..n).unwrap_or_default(), at)?;
                Ok(n)
            });
            let mut state = self.state();
            match kept {
                Ok(n) => (state.len, state.ended) = (at + n as u64, n == 0),
                Err(error) => (state.error, state.ended) = (Some((error.kind(), error.to_string())), true),
            }
            let ended = state.ended;
            drop(state);
            self.grown.notify_all();
            if ended {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the stream has ended.
    pub fn wait(&self) {
        let ended = self.grown.wait_while(self.state(), |state| !state.ended);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }

    /// The stream from its beginning; what is not there yet is waited for.
    pub fn follow(self: &Arc<Self>) -> Follow {
        Follow { spool: Arc::clone(self), at: 0 }
    }

    /// The file, for reading at offsets.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl PartialEq for Spool {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Spool {}

/// A reader of a [`Spool`].
pub struct Follow {
    spool: Arc<Spool>,
    at: u64,
}

impl Read for Follow {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let waiting = |state: &mut State| state.len <= self.at && !state.ended;
        let state = self.spool.grown.wait_while(self.spool.state(), waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let there = state.len.saturating_sub(self.at).min(out.len() as u64) as usize;
        if let (0, Some((kind, error)), false) = (there, &state.error, out.is_empty()) {
            return Err(io::Error::new(*kind, error.clone()));
        }
        drop(state);
        let n = self.spool.file.read_at(out.get_mut(..there).unwrap_or_default(), self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
