//! The rows a form names, as files: those that have to be made (stories, the session's labels, what was chosen) are made.

use std::path::{Path, PathBuf};

use super::Places;
use super::child::{Child, Left};
use crate::app::teach::{CHOSEN, Field, Form, Picked};
use crate::checkpoint::Prompt;
use crate::data::{self, Dataset, Options, Source};
use crate::session::Digest;
use crate::{Error, Result, disk};

/// The files of rows that a form names; those that have to be made are made.
fn rows(form: &Form, places: &Places) -> Result<Vec<PathBuf>> {
    let folder = places.runs().join("rows");
    let cwd = here()?;
    let mut files = Vec::new();
    for word in form.get(Field::Data).split_whitespace() {
        let file = match named_stories(word, places)? {
            Some(file) => file,
            None if word == "labels" => labels(form, places, &folder)?,
            None if word == CHOSEN => chosen(form, places, &folder)?,
            None => cwd.join(word),
        };
        files.push(file);
    }
    Ok(files)
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

/// The words of `outloud train` for a form; the files it names are made.
pub(super) fn words(form: &Form, out: &Path, places: &Places) -> Result<Vec<String>> {
    let mut words = form.words(&rows(form, places)?, out);
    if !places.map.is_empty() {
        words.extend(["--map".to_owned(), places.map.clone()]);
    }
    let named = |word: String| Ok(named_stories(&word, places)?.map_or(word, |file| text(&file)));
    words.into_iter().map(named).collect()
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
fn chosen(form: &Form, places: &Places, folder: &Path) -> Result<PathBuf> {
    let lines = match &form.picked {
        None => {
            return Err(Error::Usage("nothing is chosen: choose rows in Data (space), then ctrl-t".into()));
        }
        Some(Picked::Pairs(pairs)) => labelled(&labels(form, places, folder)?, pairs)?,
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
