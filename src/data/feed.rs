//! Bytes in, records out: a record is held, the file is not, and no byte is waited for that the record does not need.

use std::io::{self, Read};

/// Bytes asked for at once.
const STEP: usize = 1 << 16;

/// Finds where a record ends; told the record's bytes piece by piece.
pub trait Split {
    /// Begins a record; `first` for the first of the file.
    fn begin(&mut self);
    /// The next bytes of the record: how many of them belong to it, its end included, once the end is among them.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize>;
    /// Whether the end of the file may end the record here.
    fn may_end(&self) -> bool {
        true
    }
    /// Whether the first line of a record without end stands for it, and the next line begins a new one.
    fn resume_at_line(&self) -> bool {
        false
    }
}

/// Whether an archive ended as it should, and so did its last record, before bytes that are none: as flate2 and zstd say it.
fn follows_an_archive(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput || error.to_string().contains("Unknown frame descriptor")
}

/// A record and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte in the (unpacked, decoded) file.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Its length in bytes.
    pub len: u64,
    /// How it ended.
    pub end: End,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Whole,
    /// The file ended first.
    Cut,
    /// It is longer than the limit; its bytes are gone.
    TooLong,
}

/// A stream of bytes with its place.
pub struct Feed {
    input: Box<dyn Read + Send>,
    held: Vec<u8>,
    /// Bytes of `held` that are used up.
    used: usize,
    offset: u64,
    line: u64,
    /// The last byte taken was a carriage return: a line feed after it ends no other line.
    after_return: bool,
    ended: bool,
    /// What the stream said to who looked ahead.
    failed: Option<io::Error>,
}

impl Feed {
    /// A feed over a stream.
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            held: Vec::new(),
            used: 0,
            offset: 0,
            line: 1,
            after_return: false,
            ended: false,
            failed: None,
        }
    }

    /// A feed over the middle of a file.
    pub fn at(input: Box<dyn Read + Send>, offset: u64, line: u64) -> Self {
        Self { offset, line, ..Self::new(input) }
    }

    /// What has been read and not taken.
    pub fn window(&self) -> &[u8] {
        self.held.get(self.used..).unwrap_or_default()
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// [`more`](Self::more) for who looks ahead: an error is kept for who needs what is missing.
    pub fn ahead(&mut self) -> bool {
        match self.more() {
            Ok(more) => more,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// Reads more, as much as is there; false at the end.
    ///
    /// # Errors
    /// What the stream says.
    pub fn more(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Err(error);
        }
        if self.ended {
            return Ok(false);
        }
        if self.used > 0 && (self.used == self.held.len() || self.used >= STEP) {
            self.held.drain(..self.used);
            self.used = 0;
            if self.held.is_empty() && self.held.capacity() > 64 * STEP {
                self.held = Vec::new();
            }
        }
        let old = self.held.len();
        self.held.resize(old + STEP, 0);
        let read = loop {
            let room = self.held.get_mut(old..).unwrap_or_default();
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.held.truncate(old + *read.as_ref().unwrap_or(&0));
        let read = read?;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// Takes `n` bytes of the window.
    pub fn skip(&mut self, n: usize) {
        let taken = self.held.get(self.used..self.used + n).unwrap_or_default();
        for at in memchr::memchr2_iter(b'\n', b'\r', taken) {
            let byte = taken.get(at).copied();
            let before = match at.checked_sub(1) {
                Some(before) => taken.get(before) == Some(&b'\r'),
                None => self.after_return,
            };
            if byte == Some(b'\r') || !before {
                self.line += 1;
            }
        }
        self.after_return = taken.last().map_or(self.after_return, |last| *last == b'\r');
        let n = taken.len();
        self.used += n;
        self.offset += n as u64;
    }

    /// The next record, its bytes through `body`; none at the end of the file.
    ///
    /// # Errors
    /// What the stream says; what was read before stays read.
    pub fn record(
        &mut self,
        split: &mut dyn Split,
        limit: usize,
        body: &mut Vec<u8>,
    ) -> io::Result<Option<Piece>> {
        body.clear();
        if self.window().is_empty() && !self.more()? {
            return Ok(None);
        }
        split.begin();
        let (offset, line) = (self.offset, self.line);
        let mut seen = 0;
        let end = loop {
            let window = self.window();
            if let Some(n) = split.feed(window.get(seen..).unwrap_or_default()) {
                seen += n;
                break if seen > limit { End::TooLong } else { End::Whole };
            }
            seen = window.len();
            if seen > limit {
                return self.too_long(split, offset, line).map(Some);
            }
            let more = match self.more() {
                // It is told after the record.
                Err(error) if follows_an_archive(&error) => {
                    self.failed = Some(error);
                    false
                }
                other => other?,
            };
            if !more {
                if split.may_end() {
                    break End::Whole;
                }
                if split.resume_at_line() {
                    let first = memchr::memchr2(b'\n', b'\r', self.window()).map(|at| at + 1);
                    seen = first.unwrap_or(seen);
                }
                break End::Cut;
            }
        };
        if end != End::TooLong {
            body.extend_from_slice(self.window().get(..seen).unwrap_or_default());
        }
        self.skip(seen);
        Ok(Some(Piece { offset, line, len: seen as u64, end }))
    }

    /// Lets a record go by.
    fn too_long(&mut self, split: &mut dyn Split, offset: u64, line: u64) -> io::Result<Piece> {
        if split.resume_at_line()
            && !split.may_end()
            && let Some(at) = memchr::memchr2(b'\n', b'\r', self.window())
        {
            self.skip(at + 1);
            return Ok(Piece { offset, line, len: at as u64 + 1, end: End::Cut });
        }
        loop {
            let all = self.window().len();
            self.skip(all);
            if !self.more()? {
                break;
            }
            if let Some(n) = split.feed(self.window()) {
                self.skip(n);
                break;
            }
        }
        Ok(Piece { offset, line, len: self.offset - offset, end: End::TooLong })
    }
}
