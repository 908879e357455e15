//! The one unsafe line of this room: a file seen as memory.
#![allow(unsafe_code, reason = "memory mapping is unsafe by nature")]

use std::fs::File;

use memmap2::Mmap;

/// Maps a whole file for reading.
///
/// Weights are files nobody writes to while they are loaded; whoever truncates one in that time may stop the program
/// (SIGBUS), as with every program that maps files. Bytes changed meanwhile are only read as numbers.
pub fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is read-only and private to this process; see above for files changed by others.
    unsafe { Mmap::map(file) }
}
