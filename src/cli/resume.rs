//! What an `--out` file holds already: which rows, where, whether they failed, and whether they were made the same way.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::result::Shape;
use crate::checkpoint::{Method, Reading};
use crate::{Error, Result};

/// One row of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct OldRow {
    /// Its id.
    pub id: Value,
    /// Where its line ends (after the newline), in bytes.
    pub end: u64,
    /// It failed and is to be tried again.
    pub failed: bool,
}

/// How a run's rows look; rows that look otherwise were made with other settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Of the run that is about to go on.
    pub fn of_run(shape: &Shape, method: Method, reading: Reading, stop_here: bool, critique: bool) -> Self {
        let cloud = method == Method::Cloud;
        let made_with = serde_json::to_value(&shape.made_with).unwrap_or_default();
        Self::new(
            made_with.as_object(),
            json!(reading),
            json!({
                "command": if critique && cloud { "critique" } else { "score" },
                "--stop-here": stop_here && cloud,
                "--tokens": shape.tokens,
                "--keep": shape.keep,
                "-n": shape.samples.filter(|_| cloud),
            }),
        )
    }

    /// Of a row that was written.
    fn of_row(row: &Value) -> Self {
        let side = row.get("chosen").unwrap_or(row);
        let has = |key: &str| side.get(key).is_some_and(|value| !value.is_null());
        Self::new(
            side.get("made_with").and_then(Value::as_object),
            side.get("reading").cloned().unwrap_or_default(),
            json!({
                "command": if has("stopped") { "critique" } else { "score" },
                "--stop-here": has("stop_here"),
                "--tokens": has("prompt_token_ids"),
                "--keep": row.get("input").is_some(),
                "-n": side.get("samples").and_then(Value::as_array).map(Vec::len),
            }),
        )
    }

    fn new(made_with: Option<&Map<String, Value>>, reading: Value, flags: Value) -> Self {
        let mut all = made_with.cloned().unwrap_or_default();
        // The model may be named by another path; the fingerprint tells whether it is the same.
        all.remove("model");
        all.insert("reading".into(), reading);
        if let Value::Object(flags) = flags {
            all.extend(flags);
        }
        Self(all)
    }

    /// The first difference: name, value in the file, value now.
    fn difference(&self, old: &Self) -> Option<String> {
        let names = self.0.keys().chain(old.0.keys());
        let value = |all: &Self, name: &str| all.0.get(name).cloned().unwrap_or_default();
        names
            .map(|name| (name, value(old, name), value(self, name)))
            .find(|(_, old, new)| old != new)
            .map(|(name, old, new)| format!("{name} (there {old}, now {new})"))
    }
}

/// Reads what is there. Returns the rows and the length of the whole lines: a torn last line is not part of it.
///
/// # Errors
/// When the file holds something else, or rows made with other settings.
pub fn read(path: &Path, file: &File, settings: &Settings) -> Result<(Vec<OldRow>, u64)> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut rows = Vec::new();
    let (mut end, mut number) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
        number += 1;
        let place = || format!("{}:{number}", path.display());
        let foreign = || {
            Error::Usage(format!(
                "{}: no result row; --resume goes on with a file that outloud wrote",
                place()
            ))
        };
        if line.last() != Some(&b'\n') {
            return if ours(&line) { Ok((rows, end)) } else { Err(foreign()) };
        }
        let row = serde_json::from_slice::<Value>(&line).ok();
        let Some((id, row)) = row.as_ref().and_then(|row| Some((row.get("id")?.clone(), row))) else {
            if ours(&line) && reader.fill_buf().map_err(|e| Error::io(path, e))?.is_empty() {
                // The last line of a file that was cut off by the system, not by us.
                return Ok((rows, end));
            }
            return Err(foreign());
        };
        // A failed row is `{"id", "error"}` (and with --keep its input), nothing else: data may have an `error`, too.
        let failed = row.get("error").is_some_and(Value::is_string)
            && row
                .as_object()
                .is_some_and(|row| row.keys().all(|k| matches!(k.as_str(), "id" | "error" | "input")));
        let result = ["made_with", "chosen"].iter().any(|key| row.get(*key).is_some_and(Value::is_object));
        if !failed && !result {
            return Err(foreign());
        }
        if !failed && let Some(difference) = settings.difference(&Settings::of_row(row)) {
            return Err(Error::Usage(format!(
                "{}: was made with another {difference}; use the same options and model, or another --out",
                place()
            )));
        }
        end += line.len() as u64;
        rows.push(OldRow { id, end, failed });
    }
}

/// Whether a line that is not whole is the beginning of a row that outloud wrote (or zeros that a crash left).
fn ours(line: &[u8]) -> bool {
    let begin = b"{\"id\":";
    line.starts_with(begin) || begin.starts_with(line) || line.iter().all(|b| matches!(b, 0 | b'\n'))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::cli::result::MadeWith;

    fn settings(seed: Option<u64>) -> Settings {
        let made_with = MadeWith { seed, model: "here".into(), ..MadeWith::default() };
        let shape = Shape { made_with, ..Shape::default() };
        Settings::of_run(&shape, Method::Cloud, Reading::InPlace, false, true)
    }

    fn row(id: u64, seed: Option<u64>) -> String {
        let made_with = MadeWith { seed, model: "there".into(), ..MadeWith::default() };
        json!({"id": id, "reading": "in-place", "stopped": "eot", "stop_here": null, "made_with": made_with})
            .to_string()
    }

    fn read_text(text: &str) -> Result<(Vec<OldRow>, u64)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(Path::new("out"), &file.reopen().unwrap(), &settings(Some(1)))
    }

    #[test]
    fn whole_rows_count_and_a_torn_line_does_not() {
        let good = row(1, Some(1));
        let text = format!("{good}\n{{\"id\":2,\"error\":\"no\"}}\n{{\"id\":3,\"rew");
        let (rows, end) = read_text(&text).unwrap();
        assert_eq!(
            rows.iter().map(|r| (r.id.clone(), r.failed)).collect::<Vec<_>>(),
            [(json!(1), false), (json!(2), true)]
        );
        assert_eq!(end as usize, text.rfind('\n').unwrap() + 1);
        assert_eq!(read_text("").unwrap(), (vec![], 0));
        assert_eq!(read_text(&format!("{good}\n\0\0\0\n")).unwrap().0.len(), 1);
    }

    #[test]
    fn other_settings_are_named() {
        let error = read_text(&format!("{}\n", row(1, Some(2)))).unwrap_err().to_string();
        assert!(error.contains("out:1: was made with another seed (there 2, now 1)"), "{error}");
        let scored = row(1, Some(1)).replace("\"eot\"", "null");
        let error = read_text(&format!("{scored}\n")).unwrap_err().to_string();
        assert!(error.contains("command (there \"score\", now \"critique\")"), "{error}");
        let error = read_text("not a row\n{}\n").unwrap_err().to_string();
        assert!(error.contains("out:1: no result row"), "{error}");
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let good = row(1, Some(1));
        for text in [
            "a line of notes\n",
            "a line of notes",
            "{\"id\":1,\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"error\":\"skipped-step\"}\n",
            "{\"id\":1,\"prompt\":\"p\",\"answer\":\"a\"}\n",
            &format!("{good}\nnotes"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains("no result row"), "{text}: {error}");
        }
    }
}
