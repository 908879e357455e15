//! Training rows: preference pairs of any file that `data` reads, with their critiques and perhaps a `margin`.

use std::fs::File;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config::Loss;
use crate::checkpoint::{Message, Prompt};
use crate::data::{self, Example, Map, Options, Source, Stream};
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
    /// Turns between the pair's prompt and this answer, where the two chats part before their last turn.
    pub before: Vec<Message>,
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
    /// Rows left out because neither answer is better.
    pub undecided: usize,
}

impl Data {
    /// Reads all rows of some files for a loss; `map` says what columns of other names mean.
    ///
    /// # Errors
    /// [`Error::Io`] for an unreadable file; [`Error::Invalid`] naming the first bad rows by file and line, or when
    /// there are no rows, or no preference in any of them.
    pub fn read(files: &[PathBuf], loss: Loss, map: &Map) -> Result<Self> {
        let options = Options { map: map.clone(), strict: false };
        let mut hash = Sha256::new();
        let (mut pairs, mut bad, mut undecided) = (Vec::new(), Vec::new(), 0);
        let mut singles = Singles::default();
        for path in files {
            let mut file = File::open(path).map_err(|e| data::missing(path, e))?;
            let bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
            hash.update(bytes.to_le_bytes());
            std::io::copy(&mut file, &mut hash).map_err(|e| Error::io(path, e))?;
            for row in Stream::new([Source::File(path.clone())], options.clone()) {
                let row = row?;
                let place = format!("{}{}", path.display(), row.place);
                let read = row.example.map_err(|fault| match &fault.column {
                    Some(column) => format!("{column}: {fault}"),
                    None => fault.to_string(),
                });
                if let Ok(example) = &read {
                    singles.count(example);
                }
                match read.and_then(|example| pairs_of(&place, &example, loss)) {
                    Ok(found) if found.is_empty() => undecided += 1,
                    Ok(found) => pairs.extend(found),
                    Err(_) if row.tie => undecided += 1,
                    Err(reason) => bad.push(format!("{place} ({reason})")),
                }
            }
        }
        let sha256 = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let names = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        let data = Self { pairs, files: files.to_vec(), sha256, ties: 0, undecided };
        singles.refuse(&names, &data)?;
        data.checked(&names, &bad, loss)
    }

    fn checked(mut self, names: &str, bad: &[String], loss: Loss) -> Result<Self> {
        let pairs = &self.pairs;
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
        if pairs.is_empty() && self.undecided > 0 {
            return Err(Error::invalid(
                names,
                format!("{} rows, all of them ties: in none is an answer better", self.undecided),
                "at least one pair with a better and a worse answer",
                "Label some of them with a preference.",
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
        self.ties = ties;
        Ok(self)
    }
}

/// Rows of one answer each, which make no pair.
#[derive(Default)]
struct Singles {
    good: usize,
    bad: usize,
    unlabelled: usize,
}

impl Singles {
    fn count(&mut self, example: &Example) {
        if let [answer] = example.answers.as_slice() {
            *match answer.label {
                Some(true) => &mut self.good,
                Some(false) => &mut self.bad,
                None => &mut self.unlabelled,
            } += 1;
        }
    }

    /// Where nothing but single answers was found, that is what is to be said, rather than each row's fault.
    fn refuse(&self, names: &str, data: &Data) -> Result<()> {
        let Self { good, bad, unlabelled } = *self;
        let all = good + bad + unlabelled;
        if all == 0 || !data.pairs.is_empty() || data.undecided > 0 {
            return Ok(());
        }
        let (found, todo) = match (good, bad) {
            (0, 0) => {
                (format!("{all} rows of one answer each, without labels"), "Label pairs of them (`g l`), or")
            }
            (_, 0) | (0, _) => (
                format!("{all} rows of one answer each, all of one class: {good} good, {bad} bad"),
                "One class holds no preference:",
            ),
            _ => (
                format!("{all} rows of one answer each: {good} good, {bad} bad, and no prompt with both"),
                "Both classes are there, but on different prompts:",
            ),
        };
        Err(Error::invalid(
            names,
            found,
            "pairs: a better and a worse answer to one prompt",
            format!("{todo} give rows with prompt, chosen and rejected."),
        ))
    }
}

/// The pairs of a row; none where neither answer is better.
fn pairs_of(place: &str, example: &Example, loss: Loss) -> Result<Vec<Pair>, String> {
    if example.pairs.is_empty() && !example.tie {
        return Err("found answers of which none is said to be better, expected a pair".into());
    }
    let answer = |at: usize, name: &str| {
        let data::Answer { before, text, critiques, .. } = example.answers.get(at).ok_or("no answer")?;
        let feedback = match critiques.first() {
            // Several are a list of which the first counts, as in the reference.
            Some(first) if loss.has_critique() => first.clone(),
            None if loss.has_critique() => return Err(format!("{name}_feedback: missing")),
            _ => String::new(),
        };
        Ok::<_, String>(Answer { before: before.clone(), text: text.clone(), feedback })
    };
    let margin = match example.rest.get("margin") {
        None | Some(Value::Null) => 0.0,
        Some(Value::String(text)) => text.trim().parse().ok().ok_or("margin: no number")?,
        Some(value) => value.as_f64().ok_or("margin: no number")?,
    };
    // The loss subtracts it: one without end or size makes every loss NaN or infinite.
    if !(margin as f32).is_finite() {
        return Err(format!("margin: {margin}, which is no finite number"));
    }
    let pair = |&(better, worse): &(usize, usize)| {
        Ok(Pair {
            place: place.to_owned(),
            prompt: example.prompt.clone(),
            chosen: answer(better, "chosen")?,
            rejected: answer(worse, "rejected")?,
            margin,
        })
    };
    example.pairs.iter().map(pair).collect()
}
