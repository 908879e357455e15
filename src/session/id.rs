//! Names that need no server: writers, events, contents.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Hex digits of SHA-256 kept in a [`Digest`].
const DIGEST: usize = 32;

/// Names one process that writes: the annotator as a file name, and 12 random hex digits. Its journal is its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WriterId(Arc<str>);

impl WriterId {
    /// A new one for an annotator.
    pub fn new(annotator: &str) -> Self {
        let slug: String = annotator
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(24)
            .collect();
        let slug = slug.trim_matches('-');
        let slug = if slug.is_empty() { "writer" } else { slug };
        Self(format!("{slug}-{:012x}", rand::random::<u64>() >> 16).into())
    }

    /// Its text, fit for a file's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WriterId {
    type Err = String;

    /// Only what is safe as a file's name.
    fn from_str(text: &str) -> Result<Self, String> {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > 100 || !text.chars().all(safe) {
            return Err(format!("{text:?} is no writer: expected letters, digits, `-`"));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for WriterId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<WriterId> for String {
    fn from(id: WriterId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// Names an event: its writer and the writer's count. Written `writer:seq`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// Who wrote it.
    pub writer: WriterId,
    /// From 1.
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.writer, self.seq)
    }
}

impl FromStr for EventId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} names no event: expected WRITER:NUMBER");
        let (writer, seq) = text.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self { writer: writer.parse()?, seq: seq.parse().ok().ok_or_else(wrong)? })
    }
}

impl TryFrom<String> for EventId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

/// Names a content: the first 32 hex digits of the SHA-256 of its file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Arc<str>);

impl Digest {
    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hex: String =
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).take(DIGEST / 2).collect();
        Self(hex.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != DIGEST || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(format!("{text:?} names no content: expected {DIGEST} hex digits"));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.as_ref().to_owned()
    }
}
