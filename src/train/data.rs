//! Training rows: JSON lines `prompt, chosen, rejected, chosen_feedback, rejected_feedback, margin?`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::Loss;
use crate::checkpoint::{Message, Prompt};
use crate::{Error, Result};

/// Bad rows named in an error; the rest are counted.
const NAMED: usize = 10;

/// A prompt with the better and the worse answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// `file:line`.
    pub place: String,
    /// What was asked.
    pub prompt: Prompt,
    /// The better answer.
    pub chosen: Answer,
    /// The worse answer.
    pub rejected: Answer,
    /// Column `margin`: how far the rewards are to be apart; 0 without.
    pub margin: f64,
}

/// An answer and its critique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// Its critique, as in the file; empty for a classic model.
    pub feedback: String,
}

/// The rows of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The rows, in order.
    pub pairs: Vec<Pair>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// SHA-256 over all bytes, hexadecimal.
    pub sha256: String,
    /// Pairs whose answers are the same text: they teach no preference.
    pub ties: usize,
}

impl Data {
    /// Reads all rows of some files for a loss.
    ///
    /// # Errors
    /// [`Error::Io`] for an unreadable file; [`Error::Invalid`] naming the first bad rows by file and line, or when
    /// there are no rows, or no preference in any of them.
    pub fn read(files: &[PathBuf], loss: Loss) -> Result<Self> {
        let mut hash = Sha256::new();
        let (mut pairs, mut bad) = (Vec::new(), Vec::new());
        for file in files {
            let bytes = std::fs::read(file).map_err(|e| Error::io(file, e))?;
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
            read_lines(file, &bytes, loss, &mut pairs, &mut bad);
        }
        let sha256 = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let names = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        Self::checked(pairs, files.to_vec(), sha256, &names, &bad, loss)
    }

    fn checked(
        pairs: Vec<Pair>,
        files: Vec<PathBuf>,
        sha256: String,
        names: &str,
        bad: &[String],
        loss: Loss,
    ) -> Result<Self> {
        if !bad.is_empty() {
            let more =
                if bad.len() > NAMED { format!("; and {} more", bad.len() - NAMED) } else { String::new() };
            let named = bad.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
            return Err(Error::invalid(
                names,
                format!("{} bad rows of {}: {named}{more}", bad.len(), bad.len() + pairs.len()),
                "objects with prompt, chosen, rejected, and the feedback of both for a model that critiques",
                "Correct or remove these rows.",
            ));
        }
        if pairs.is_empty() {
            return Err(Error::invalid(names, "no rows", "at least one pair", "Give a file with rows."));
        }
        let ties = pairs.iter().filter(|p| p.chosen.text == p.rejected.text).count();
        if ties == pairs.len() && loss.has_reward() {
            return Err(Error::invalid(
                names,
                format!("{ties} pairs whose two answers are the same text"),
                "a better and a worse answer in each pair",
                "Give pairs with a preference; one-sided data can train only `csft`.",
            ));
        }
        Ok(Self { pairs, files, sha256, ties })
    }
}

fn read_lines(file: &Path, bytes: &[u8], loss: Loss, pairs: &mut Vec<Pair>, bad: &mut Vec<String>) {
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = format!("{}:{}", file.display(), i + 1);
        match pair(&place, line, loss) {
            Ok(pair) => pairs.push(pair),
            Err(reason) => bad.push(format!("{place} ({reason})")),
        }
    }
}

fn pair(place: &str, line: &[u8], loss: Loss) -> Result<Pair, String> {
    let value: Value = serde_json::from_slice(line).map_err(|e| format!("no JSON: {e}"))?;
    let Value::Object(row) = value else { return Err("no JSON object".into()) };
    let answer = |name: &str| {
        let text = string(&row, name)?;
        let feedback = if loss.has_critique() { feedback(&row, name)? } else { String::new() };
        Ok::<_, String>(Answer { text, feedback })
    };
    Ok(Pair {
        place: place.to_owned(),
        prompt: prompt(&row)?,
        chosen: answer("chosen")?,
        rejected: answer("rejected")?,
        margin: match row.get("margin") {
            None | Some(Value::Null) => 0.0,
            Some(value) => value.as_f64().ok_or("margin: no number")?,
        },
    })
}

fn prompt(row: &Map<String, Value>) -> Result<Prompt, String> {
    match row.get("prompt") {
        Some(Value::String(text)) => Ok(Prompt::Text(text.clone())),
        Some(Value::Array(turns)) if !turns.is_empty() => {
            let message = |turn: &Value| {
                let part = |key| turn.get(key).and_then(Value::as_str).map(str::to_owned);
                let (Some(role), Some(content)) = (part("role"), part("content")) else {
                    return Err("prompt: a message without `role` or `content`".to_owned());
                };
                Ok(Message { role, content })
            };
            Ok(Prompt::Messages(turns.iter().map(message).collect::<Result<_, _>>()?))
        }
        None | Some(Value::Null) => Err("prompt: missing".into()),
        Some(_) => Err("prompt: neither text nor messages".into()),
    }
}

fn string(row: &Map<String, Value>, key: &str) -> Result<String, String> {
    match row.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        None | Some(Value::Null) => Err(format!("{key}: missing")),
        Some(_) => Err(format!("{key}: no text")),
    }
}

/// A string, or a list of which the first item counts, as in the reference.
fn feedback(row: &Map<String, Value>, answer: &str) -> Result<String, String> {
    let key = format!("{answer}_feedback");
    match row.get(&key) {
        Some(Value::Array(items)) => match items.first() {
            Some(Value::String(text)) => Ok(text.clone()),
            None => Err(format!("{key}: an empty list")),
            Some(_) => Err(format!("{key}: a list that does not begin with text")),
        },
        _ => string(row, &key),
    }
}
