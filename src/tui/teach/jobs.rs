//! What is done with runs: started, asked, estimated, judged. Everything a command of `outloud` can do is one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Places;
use super::child::Child;
use super::look::launch_of;
use super::rows::{here, stories, text, words};
use crate::app::teach::{Comparison, Field, Form, News, Run, Set};
use crate::checkpoint::Prompt;
use crate::data::{self, PairRow};
use crate::runs::{Launch, Registry};
use crate::train::run::is_held_out;
use crate::train::run::status::{self, Asked};
use crate::{Error, Result};

/// Rows of a set that both models judge: a comparison is to be looked at within minutes.
const MOST: usize = 60;
/// Longest critique there, in tokens.
const LONGEST: &str = "400";

// -- starting and asking

/// Begins what a form says; the run's folder, and what is to be said of its rows.
pub(super) fn start(form: &Form, places: &Places) -> Result<(PathBuf, Option<String>)> {
    let run = std::path::absolute(places.runs())
        .map_err(|e| Error::io(places.runs(), e))?
        .join(form.get(Field::Name).trim());
    if run.exists() {
        return Err(Error::Usage(format!("{}: there already; give the run another name", run.display())));
    }
    let (args, said) = words(form, &run, places)?;
    let launcher = form.get(Field::Launcher).to_owned();
    let set = form.set_values().map_err(Error::Usage)?;
    Ok((begin(Launch { args, cwd: here()?, launcher, set, job: None }, places)?, said))
}

/// Goes on with a run; its folder.
pub(super) fn resume(run: &Path, places: &Places) -> Result<(PathBuf, Option<String>)> {
    let launch = launch_of(run).ok_or_else(|| Error::Usage(format!("{}: no launch.json", run.display())))?;
    let _ = fs::remove_file(run.join(status::STATUS));
    begin(launch, places)?;
    Ok((run.to_path_buf(), None))
}

fn begin(launch: Launch, places: &Places) -> Result<PathBuf> {
    let run = crate::runs::run_folder(&launch.args, &launch.cwd)?;
    launch.start(places.launchers.as_deref())?;
    if let Err(error) = Registry::of_user().and_then(|registry| registry.add(&run)) {
        tracing::warn!(%error, "the list of runs");
    }
    Ok(run)
}

/// Asks something of a run; what to say.
pub(super) fn ask(run: &Path, what: Asked, places: &Places) -> Result<String> {
    if crate::runs::ask(run, launch_of(run).as_ref(), what, places.launchers.as_deref())? {
        return Ok("asked, and the launcher was told".into());
    }
    Ok(match what {
        Asked::Pause => "asked to pause: it ends after the step in hand, saved".into(),
        Asked::Stop => "asked to stop: it ends after the step in hand, with a result".into(),
    })
}

// -- what a form would take

/// A dry run.
pub(super) struct Planning {
    child: Child,
    /// What is to be said of the rows.
    said: Option<String>,
}

impl Planning {
    /// Begins to work out what a form would take.
    pub fn start(form: &Form, places: &Places) -> Result<Self> {
        let out = places.runs().join(form.get(Field::Name).trim());
        let mut form = form.clone();
        if form.get(Field::Recipe) == "cloud-onpolicy" {
            // Each of its two runs takes about what one of them does.
            form.set(Field::Recipe, "cloud");
        }
        let (mut words, said) = words(&form, &out, places)?;
        words.push("--dry-run".into());
        Ok(Self { child: Child::start(&words, &here()?)?, said })
    }

    /// What it takes, once that is known.
    pub fn poll(&mut self) -> Option<News> {
        let left = self.child.ended()?;
        let refused = left.out.lines().find_map(|line| line.strip_prefix("does not fit: "));
        Some(News::Planned(match (left.code, refused) {
            (_, Some(why)) => Err(format!("does not fit: {why}")),
            (Some(0), None) => {
                let said = self.said.iter().map(|said| format!("{said}. "));
                Ok(said.chain([left.out.trim().to_owned()]).collect())
            }
            _ => Err(left.err),
        }))
    }
}

// -- before and after

/// Both models judge the same rows.
pub(super) struct Judging {
    child: Child,
    names: Vec<String>,
    folder: PathBuf,
    /// Critiques to be written.
    total: usize,
    told: usize,
}

impl Judging {
    /// Chooses rows and begins.
    pub fn start(run: &Run, places: &Places) -> Result<Self> {
        let folder = run.path.join("before-after");
        crate::disk::create_dir(&folder)?;
        let mut prompts = HashSet::new();
        let (mut learned, mut held) = (Vec::new(), Vec::new());
        for row in run.data.iter().map(|file| pairs(file, places)).collect::<Result<Vec<_>>>()?.concat() {
            let prompt: Option<Prompt> =
                row.get("prompt").and_then(|p| serde_json::from_value(p.clone()).ok());
            prompts.insert(row.get("prompt").map(Value::to_string).unwrap_or_default());
            match prompt {
                Some(prompt) if run.held_out > 0.0 && is_held_out(&prompt, run.held_out) => held.push(row),
                _ => learned.push(row),
            }
        }
        let mut others = places.files.clone();
        if others.is_empty() && run.base == "demo" {
            others.push(stories(&places.runs().join("rows/untouched.jsonl"), "valid", "7", MOST as u32)?);
        }
        let mut untouched = Vec::new();
        for file in others.iter().filter(|file| !run.data.contains(file)) {
            let new = |row: &Map<String, Value>| {
                !prompts.contains(&row.get("prompt").map(Value::to_string).unwrap_or_default())
            };
            untouched.extend(pairs(file, places).unwrap_or_default().into_iter().filter(new));
        }
        let (mut names, mut files, mut total) = (Vec::new(), Vec::new(), 0);
        for (name, rows) in [("held out", held), ("untouched", untouched), ("learned from", learned)] {
            if rows.is_empty() {
                continue;
            }
            let all = rows.len();
            let mut text = Vec::new();
            for (at, mut row) in rows.into_iter().take(MOST).enumerate() {
                row.insert("id".into(), (at + 1).to_string().into());
                serde_json::to_writer(&mut text, &row).map_err(|e| Error::Usage(e.to_string()))?;
                text.push(b'\n');
                total += 4;
            }
            let file = folder.join(format!("{}.jsonl", name.replace(' ', "-")));
            crate::disk::replace(&file, &text)?;
            names.push(if all > MOST { format!("{name} ({MOST} of {all})") } else { name.to_owned() });
            files.push(text_of(&file));
        }
        if names.is_empty() {
            return Err(Error::Usage("no rows to judge: the run's files are gone".into()));
        }
        let judged = folder.join("judged");
        let mut words: Vec<String> =
            ["before-after", "--json", "--max-tokens", LONGEST].map(str::to_owned).into();
        words.extend([
            "--old".into(),
            run.base.clone(),
            "--new".into(),
            text(&run.result()),
            "--out".into(),
            text(&judged),
        ]);
        words.extend(files);
        let cwd = launch_of(&run.path).map_or_else(here, |launch| Ok(launch.cwd))?;
        Ok(Self { child: Child::start(&words, &cwd)?, names, folder: judged, total, told: usize::MAX })
    }

    /// How far it is, or what it came to.
    pub fn poll(&mut self) -> Option<News> {
        if let Some(left) = self.child.ended() {
            let found =
                if left.out.trim().is_empty() { Err(Error::Usage(left.err)) } else { self.sets(&left.out) };
            return Some(News::Judged(found.map_err(|e| e.to_string())));
        }
        // A result row has both answers.
        let done: usize = (0..self.names.len())
            .flat_map(|n| ["old", "new"].map(|which| self.folder.join(format!("{n}-{which}.jsonl"))))
            .map(|file| 2 * fs::read(file).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count()))
            .sum();
        if done == self.told {
            return None;
        }
        self.told = done;
        Some(News::Judging(format!("both models judge the same rows: {done} of {} critiques", self.total)))
    }

    fn sets(&self, out: &str) -> Result<Vec<Set>> {
        let mut sets = Vec::new();
        for (at, (line, name)) in out.lines().zip(&self.names).enumerate() {
            let comparison: Comparison = serde_json::from_str(line).map_err(|e| {
                Error::invalid("outloud before-after", e.to_string(), "a comparison", "Report this.")
            })?;
            let file = self.folder.join(format!("{at}-rows.jsonl"));
            let mut texts = HashMap::new();
            for PairRow { row, .. } in data::pairs(&file, data::Options::default())?.rows {
                let prompt = row.get("prompt").and_then(|p| serde_json::from_value::<Prompt>(p.clone()).ok());
                if let (Some(id), Some(prompt)) = (row.get("id"), prompt) {
                    let answer = |side: &str| row.get(side).map(answer).unwrap_or_default();
                    texts.insert(id.to_string(), (prompt, answer("chosen"), answer("rejected")));
                }
            }
            sets.push(Set { name: name.clone(), comparison, texts });
        }
        Ok(sets)
    }
}

fn text_of(path: &Path) -> String {
    std::path::absolute(path).map_or_else(|_| text(path), |path| text(&path))
}

/// An answer's text; of messages, the last one's.
fn answer(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(turns) => turns
            .last()
            .and_then(|turn| turn.get("content"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        other => other.to_string(),
    }
}

/// The pairs of a file in any format, each with its place; rows that are none are left out.
fn pairs(file: &Path, places: &Places) -> Result<Vec<Map<String, Value>>> {
    let rows = data::pairs(file, places.options()?)?.rows.into_iter().map(|PairRow { place, mut row }| {
        row.insert(data::PLACE.into(), place.into());
        row
    });
    Ok(rows.collect())
}
