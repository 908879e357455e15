//! The full event log: contents first, then every line of every journal as it stands, in the order of the events.
//!
//! `{"content": "examples", "name": HASH, "text": ...}`, then the journals' own lines.

use serde_json::{Map, Value, json};

use crate::session::{Digest, Log, Object, decode};

/// As JSON lines.
pub fn lines(log: &Log) -> Vec<u8> {
    let mut bytes = Vec::new();
    for object in &log.contents {
        let text = String::from_utf8_lossy(&object.bytes);
        let line = json!({"content": object.folder, "name": object.digest.as_str(), "text": text});
        bytes.extend_from_slice(line.to_string().as_bytes());
        bytes.push(b'\n');
    }
    for line in &log.lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

/// As columns: `kind`, `name`, `clock`, `time`, `by`, `text` (a content's or the line).
pub fn rows(log: &Log) -> Vec<Map<String, Value>> {
    let row = |kind: &str, name: String, clock: Value, time: Value, by: Value, text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let values = [kind.into(), name.into(), clock, time, by, text.into()];
        ["kind", "name", "clock", "time", "by", "text"].map(str::to_owned).into_iter().zip(values).collect()
    };
    let contents = log.contents.iter().map(|object| {
        let kind = format!("content {}", object.folder);
        row(&kind, object.digest.to_string(), Value::Null, Value::Null, Value::Null, &object.bytes)
    });
    let events = log.lines.iter().filter_map(|line| {
        let entry = decode(line).ok()?;
        let (clock, time, by) = (entry.clock.into(), entry.time.into(), entry.by.into());
        Some(row(entry.event.kind(), entry.id.to_string(), clock, time, by, line))
    });
    contents.chain(events).collect()
}

/// Whether a row belongs to a log.
pub fn is_log(row: &Map<String, Value>) -> bool {
    let has = |names: &[&str]| names.iter().all(|name| row.contains_key(*name));
    has(&["content", "name", "text"])
        || has(&["v", "clock", "writer", "seq", "event", "sum"])
        || has(&["kind", "name", "clock", "text"])
}

/// Reads a row of a log; `line`: as it stands.
///
/// # Errors
/// What was found and what is expected.
pub fn read(row: &Map<String, Value>, line: Option<&[u8]>, log: &mut Log) -> Result<(), String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let kind = text("content").or_else(|| text("kind")?.strip_prefix("content "));
    if let Some(kind) = kind {
        let folder = ["examples", "critiques"].into_iter().find(|folder| *folder == kind);
        let folder =
            folder.ok_or_else(|| format!("content: found {kind}, expected examples or critiques"))?;
        let digest: Digest = text("name").unwrap_or_default().parse()?;
        let bytes = text("text").ok_or("text: found none, expected the content")?.as_bytes().to_vec();
        log.contents.push(Object { folder, digest, bytes });
        return Ok(());
    }
    let line = text("text").map(str::as_bytes).or(line).ok_or("found no line of a journal")?;
    decode(line).map_err(|bad| format!("found {bad:?}, expected an event as it was exported"))?;
    log.lines.push(line.to_vec());
    Ok(())
}
