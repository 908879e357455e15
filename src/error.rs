//! The one error type of the library: each variant says where, what was found, what was expected and what to do.

use std::path::{Path, PathBuf};

/// `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong below the command line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {}", path.display(), said(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Content that is not what it should be.
    #[error("{place}: found {found}, expected {expected}. {fix}")]
    Invalid {
        /// File, line, field or tensor.
        place: String,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
        /// What to do about it, a full sentence.
        fix: String,
    },
    /// A request that cannot be carried out as it was put; exit status 2 on the command line.
    #[error("{0}")]
    Usage(String),
    /// Work was cancelled by whoever asked for it.
    #[error("cancelled")]
    Cancelled,
    /// An error from the tensor library, with its shapes and operation.
    #[error("tensor computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Work that the engine could not do, in its words.
    #[error("{0}")]
    Engine(String),
    /// The engine thread is gone.
    #[error("the engine stopped: {0}")]
    EngineDown(String),
}

impl Error {
    /// An I/O error with its path.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// Content that is not what it should be; see [`Error::Invalid`].
    pub fn invalid(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Invalid { place: place.into(), found: found.into(), expected: expected.into(), fix: fix.into() }
    }
}

/// What the operating system said; where that leaves one helpless, what to do.
fn said(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
    match error.kind() {
        AlreadyExists | NotADirectory => {
            "found a file, expected a folder. Give another path, or move the file away.".into()
        }
        IsADirectory => "found a folder, expected a file. Give the path of a file.".into(),
        _ => error.to_string(),
    }
}
