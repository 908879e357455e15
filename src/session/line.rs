//! A line of a journal: one event, with a checksum over all that stands before the checksum.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Event, EventId, WriterId};

/// The format written; a line of a higher one is left alone and told of.
pub const FORMAT: u32 = 1;
/// How every line begins. Inside JSON text the quotes would be escaped, so this begins a line and nothing else.
const HEAD: &[u8] = b"{\"v\":";
/// What stands between the event and its checksum.
const MARK: &[u8] = b",\"sum\":\"";
/// Hex digits of the checksum: the first 64 bits of SHA-256.
const SUM: usize = 16;

/// An event as it stands in a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EventId,
    /// Higher than that of every event its writer had seen; orders events together with `id`.
    pub clock: u64,
    /// Wall clock of the writer, RFC 3339 in UTC; for people, orders nothing.
    pub time: String,
    /// The annotator.
    pub by: String,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// Order in the union: causes before effects, and the same everywhere.
    pub fn order(&self) -> (u64, &EventId) {
        (self.clock, &self.id)
    }
}

#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    v: u32,
    clock: u64,
    writer: WriterId,
    seq: u64,
    time: std::borrow::Cow<'a, str>,
    by: std::borrow::Cow<'a, str>,
    event: std::borrow::Cow<'a, Event>,
}

/// Why a line is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Written by a newer version, in this format.
    Newer(u32),
    /// The bytes are not those that were written, or are no event: what is wrong.
    Damaged(String),
}

/// The time now, RFC 3339, UTC, milliseconds.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

/// An entry as a line, line break included.
pub fn encode(entry: &Entry) -> Vec<u8> {
    let fields = Fields {
        v: FORMAT,
        clock: entry.clock,
        writer: entry.id.writer.clone(),
        seq: entry.id.seq,
        time: (&entry.time).into(),
        by: (&entry.by).into(),
        event: std::borrow::Cow::Borrowed(&entry.event),
    };
    // Plain structs with text keys always serialise.
    let mut line = serde_json::to_vec(&fields).unwrap_or_default();
    line.pop();
    let sum = sum(&line);
    line.extend_from_slice(MARK);
    line.extend_from_slice(sum.as_bytes());
    line.extend_from_slice(b"\"}\n");
    line
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(SUM / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a line, its line break left off.
///
/// # Errors
/// Why it is no event.
pub fn decode(line: &[u8]) -> Result<Entry, Bad> {
    let damaged = |what: &str| Bad::Damaged(what.to_owned());
    let body_len = line.len().checked_sub(MARK.len() + SUM + 2);
    let Some((body, tail)) = body_len.and_then(|at| line.split_at_checked(at)) else {
        return Err(damaged(if line.iter().all(|b| *b == 0) { "zero bytes" } else { "a piece of a line" }));
    };
    let written = tail.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(b"\"}"));
    let Some(written) = written else {
        return Err(damaged(if line.iter().all(|b| *b == 0) {
            "zero bytes"
        } else {
            "no checksum at its end"
        }));
    };
    if sum(body).as_bytes() != written {
        return Err(damaged("bytes that do not match their checksum"));
    }
    let json = [body, b"}"].concat();
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let not_json = |error: serde_json::Error| Bad::Damaged(format!("no event: {error}"));
    let version: Version = serde_json::from_slice(&json).map_err(not_json)?;
    if version.v > FORMAT {
        return Err(Bad::Newer(version.v));
    }
    let fields: Fields<'_> = serde_json::from_slice(&json).map_err(not_json)?;
    Ok(Entry {
        id: EventId { writer: fields.writer, seq: fields.seq },
        clock: fields.clock,
        time: fields.time.into_owned(),
        by: fields.by.into_owned(),
        event: fields.event.into_owned(),
    })
}

/// True if a whole line was written by a newer version.
pub fn is_newer(line: &[u8]) -> bool {
    matches!(decode(line), Err(Bad::Newer(_)))
}

/// Whole events inside a line that is none: a lost line break puts two into one line.
pub fn salvage(line: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let starts: Vec<usize> =
        line.windows(HEAD.len()).enumerate().filter(|(_, w)| *w == HEAD).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([line.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| {
            let piece = line.get(start..end)?;
            // The byte that was the line break may be anything now.
            let shorter = piece.split_last().map_or(piece, |(_, rest)| rest);
            [piece, shorter].into_iter().find_map(|p| Some((decode(p).ok()?, p.to_vec())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            id: "ana-0123456789ab:7".parse().unwrap(),
            clock: 12,
            time: "2026-11-24T11:20:00.123Z".into(),
            by: "Ana \"{\"v\":".into(),
            event: Event::Named { take: "bo-0:3".parse().unwrap(), name: "a\nb,\"sum\":\"".into() },
        }
    }

    #[test]
    fn a_line_reads_as_it_was_written() {
        let line = encode(&entry());
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(decode(line.trim_ascii_end()), Ok(entry()));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let line = encode(&entry());
        let line = line.trim_ascii_end();
        for bit in 0..line.len() * 8 {
            let mut flipped = line.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped), Err(Bad::Damaged(_))), "bit {bit}");
        }
    }

    #[test]
    fn two_events_in_one_line_are_both_read() {
        let (mut first, second) = (encode(&entry()), encode(&entry()));
        let last = first.len() - 1;
        first[last] = b'J';
        let joined = [first.as_slice(), second.trim_ascii_end()].concat();
        assert!(decode(&joined).is_err());
        assert_eq!(salvage(&joined).into_iter().map(|(e, _)| e).collect::<Vec<_>>(), [entry(), entry()]);
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let line = String::from_utf8(encode(&entry())).unwrap().replacen("\"v\":1", "\"v\":2", 1);
        let (body, _) = line.rsplit_once(",\"sum\":\"").unwrap();
        let newer = format!("{body},\"sum\":\"{}\"}}", sum(body.as_bytes()));
        assert_eq!(decode(newer.as_bytes()), Err(Bad::Newer(2)));
    }
}
