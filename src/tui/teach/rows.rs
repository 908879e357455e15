//! The rows a form names, as files: those that have to be made (stories, the session's labels, what was chosen) are made.

use std::path::{Path, PathBuf};

use super::Places;
use super::child::{Child, Left};
use crate::app::teach::{CHOSEN, Field, Form, Picked};
use crate::checkpoint::Prompt;
use crate::data::{self, Dataset, Options, Source};
use crate::session::Digest;
use crate::{Error, Result, disk};

/// The files of rows that a form names, and what is to be said of them; those that have to be made are made.
fn rows(form: &Form, places: &Places) -> Result<(Vec<PathBuf>, Option<String>)> {
    let folder = places.runs().join("rows");
    let cwd = here()?;
    let (mut files, mut said) = (Vec::new(), None);
    for word in form.get(Field::Data).split_whitespace() {
        let file = match named_stories(word, places)? {
            Some(file) => file,
            None if word == "labels" => {
                let file = labels(form, places, &folder)?;
                let lines =
                    critiqued(form, std::fs::read(&file).map_err(|e| Error::io(&file, e))?, &mut said)?;
                disk::replace(&file, &lines)?;
                file
            }
            None if word == CHOSEN => chosen(form, places, &folder, &mut said)?,
            None => cwd.join(word),
        };
        files.push(file);
    }
    Ok((files, said))
}

/// Of the session's labels as rows those whose answers both have a critique, where critiques are learned from; `said` tells how
/// many have none: a model that learns from them learns to say nothing.
fn critiqued(form: &Form, lines: Vec<u8>, said: &mut Option<String>) -> Result<Vec<u8>> {
    if form.get(Field::Recipe) == "classic" {
        return Ok(lines);
    }
    let (mut kept, mut all, mut left) = (Vec::new(), 0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let row: serde_json::Value =
            serde_json::from_slice(line).map_err(|e| Error::Usage(format!("the session's labels: {e}")))?;
        let none = |side: &str| row.get(side).and_then(|from| from.as_str()) == Some("none");
        all += 1;
        if none("chosen_feedback_from") || none("rejected_feedback_from") {
            left += 1;
        } else {
            kept.extend_from_slice(line);
        }
    }
    if left > 0 {
        let have = if left == 1 { "has" } else { "have" };
        let count = format!("{left} of {all} pairs {have} no critique yet");
        if left == all {
            return Err(Error::Usage(format!(
                "{count}, and this recipe learns from critiques; they are being written: try again in a moment"
            )));
        }
        let (are, they) = if left == 1 { ("is", "it is") } else { ("are", "they are") };
        *said = Some(format!("{count} and {are} left out; {they} being written"));
    }
    Ok(kept)
}

/// The file of `stories:N`; `None` for another word.
fn named_stories(word: &str, places: &Places) -> Result<Option<PathBuf>> {
    let Some(count) = word.strip_prefix("stories:") else { return Ok(None) };
    let count: u32 = count
        .parse()
        .map_err(|_other| Error::Usage(format!("rows `{word}`: expected stories:N, such as stories:200")))?;
    stories(&places.runs().join("rows").join(format!("stories-{count}.jsonl")), "train", "2026", count)
        .map(Some)
}

/// The words of `outloud train` for a form, and what is to be said of its rows; the files it names are made.
pub(super) fn words(form: &Form, out: &Path, places: &Places) -> Result<(Vec<String>, Option<String>)> {
    let (files, said) = rows(form, places)?;
    let mut words = form.words(&files, out);
    if !places.map.is_empty() {
        words.extend(["--map".to_owned(), places.map.clone()]);
    }
    let named = |word: String| Ok(named_stories(&word, places)?.map_or(word, |file| text(&file)));
    Ok((words.into_iter().map(named).collect::<Result<_>>()?, said))
}

/// A file of stories, made unless it is there.
pub(super) fn stories(file: &Path, split: &str, seed: &str, count: u32) -> Result<PathBuf> {
    if !file.exists() {
        if let Some(folder) = file.parent() {
            crate::disk::create_dir(folder)?;
        }
        let count = count.to_string();
        let words = ["stories", "--split", split, "--seed", seed, "--count", &count].map(str::to_owned);
        let left = finished(Child::start(&words, &here()?)?.wait()?, "stories")?;
        crate::disk::replace(file, left.out.as_bytes())?;
    }
    Ok(file.to_path_buf())
}

/// The session's labels as rows.
fn labels(form: &Form, places: &Places, folder: &Path) -> Result<PathBuf> {
    let file = folder.join(format!("labels-{}.jsonl", form.get(Field::Name).trim()));
    disk::create_dir(folder)?;
    let (session, out) = (text(&places.session), text(&file));
    let words = ["export", "--session", &session, "--to", "cloud", "--overwrite", "--out", &out];
    finished(Child::start(&words.map(str::to_owned), folder)?.wait()?, "the session's labels")?;
    Ok(file)
}

/// What was chosen on the screen as rows; made once for the same choice among the same files.
fn chosen(form: &Form, places: &Places, folder: &Path, said: &mut Option<String>) -> Result<PathBuf> {
    let lines = match &form.picked {
        None => {
            return Err(Error::Usage("nothing is chosen: choose rows in Data (space), then ctrl-t".into()));
        }
        Some(Picked::Pairs(pairs)) => {
            critiqued(form, labelled(&labels(form, places, folder)?, pairs)?, said)?
        }
        Some(Picked::Rows(rows)) => {
            let name = key(rows, &places.files);
            let file = folder.join(format!("chosen-{name}.jsonl"));
            if file.exists() {
                return Ok(file);
            }
            disk::create_dir(folder)?;
            let lines = copied(rows, places, folder)?;
            disk::replace(&file, &lines)?;
            return Ok(file);
        }
    };
    let name: String = Digest::of(&lines).as_str().chars().take(12).collect();
    let file = folder.join(format!("chosen-{name}.jsonl"));
    disk::replace(&file, &lines)?;
    Ok(file)
}

/// A name for some rows of some files as they are now.
fn key(rows: &[u32], files: &[PathBuf]) -> String {
    let mut what = Vec::new();
    for file in files {
        let about = std::fs::metadata(file).ok().map(|m| (m.len(), m.modified().ok()));
        what.extend(format!("{} {about:?}\n", file.display()).into_bytes());
    }
    what.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
    Digest::of(&what).as_str().chars().take(12).collect()
}

/// Rows of the opened files, as they stand there.
fn copied(rows: &[u32], places: &Places, folder: &Path) -> Result<Vec<u8>> {
    let files = if places.files.is_empty() {
        let demo = folder.join("demo.jsonl");
        disk::replace(&demo, crate::tui::DEMO.as_bytes())?;
        vec![demo]
    } else {
        places.files.clone()
    };
    let mut all = Dataset::open(files.into_iter().map(Source::from_path).collect(), places.options()?);
    all.index_all(|_| false);
    let mut lines = Vec::new();
    for row in rows {
        let row = all.row(*row as usize)?;
        serde_json::to_writer(&mut lines, &row).map_err(|e| Error::Usage(e.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Of the labels those of some pairs.
fn labelled(file: &Path, pairs: &[(Prompt, [String; 2])]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for data::PairRow { row, .. } in data::pairs(file, Options::default())?.rows {
        let prompt = row.get("prompt").and_then(|p| serde_json::from_value::<Prompt>(p.clone()).ok());
        let [a, b] =
            ["chosen", "rejected"].map(|side| row.get(side).and_then(|v| v.as_str()).unwrap_or_default());
        let same = |(wanted, [one, other]): &(Prompt, [String; 2])| {
            Some(wanted) == prompt.as_ref() && ((a == one && b == other) || (a == other && b == one))
        };
        if pairs.iter().any(same) {
            serde_json::to_writer(&mut lines, &row).map_err(|e| Error::Usage(e.to_string()))?;
            lines.push(b'\n');
        }
    }
    if lines.is_empty() {
        let count = pairs.len();
        return Err(Error::Usage(format!(
            "none of the {count} marked pairs has a label that prefers an answer"
        )));
    }
    Ok(lines)
}

fn finished(left: Left, what: &str) -> Result<Left> {
    if left.code == Some(0) {
        return Ok(left);
    }
    Err(Error::Usage(format!("{what}: {}", left.err)))
}

pub(super) fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Error::io(".", e))
}

pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_without_both_critiques_are_left_out_and_counted() {
        let row = |chosen: &str, rejected: &str| {
            format!("{{\"chosen_feedback_from\":\"{chosen}\",\"rejected_feedback_from\":\"{rejected}\"}}\n")
        };
        let mut form = Form::new("demo", "labels", "a");
        let kept = |form: &Form, lines: &str| {
            let mut said = None;
            critiqued(form, lines.as_bytes().to_vec(), &mut said)
                .map(|kept| (String::from_utf8(kept).unwrap(), said))
        };
        let good = row("model", "corrected");
        let lines = format!("{good}{}{}", row("none", "model"), row("model", "none"));
        let (rows, said) = kept(&form, &lines).unwrap();
        assert_eq!(rows, good);
        assert_eq!(
            said.as_deref(),
            Some("2 of 3 pairs have no critique yet and are left out; they are being written")
        );
        assert_eq!(kept(&form, &good).unwrap(), (good.clone(), None));
        let refused = kept(&form, &row("none", "none")).unwrap_err().to_string();
        assert!(refused.contains("1 of 1 pairs has no critique yet"), "{refused}");
        form.set(Field::Recipe, "classic");
        assert_eq!(kept(&form, &lines).unwrap(), (lines.clone(), None));
    }
}
