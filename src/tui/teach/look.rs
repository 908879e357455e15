//! What run folders say: their list, and of each what is new since it was looked at last.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::app::teach::{News, Run, RunState};
use crate::runs::{Known, Launch};
use crate::train::run::metrics::Tail;
use crate::train::run::{Identity, samples};
use crate::{Error, Result};

/// Bytes of a log's beginning and end that are looked through.
const LOG: u64 = 64 << 10;
/// Files of which one is in every run's folder.
const SIGNS: [&str; 3] = ["run.toml", "status.json", "launch.json"];
/// The runs inside a run in stages.
const STAGES: [&str; 2] = ["csft", "cloud"];

/// Looks at runs.
pub(super) struct Looker {
    home: PathBuf,
    more: Vec<PathBuf>,
    seen: HashMap<PathBuf, Seen>,
    first: bool,
}

/// How far a run was read.
#[derive(Default)]
struct Seen {
    run: Option<Run>,
    tail: Tail,
    samples: u64,
    /// When log and run.toml were last written, and what was in them.
    facts: Option<(Option<SystemTime>, Option<SystemTime>)>,
}

impl Looker {
    /// In a folder of runs.
    pub fn new(home: PathBuf) -> Self {
        Self { home, more: Vec::new(), seen: HashMap::new(), first: true }
    }

    /// True once: nothing was told yet.
    pub fn first(&mut self) -> bool {
        std::mem::take(&mut self.first)
    }

    /// Looks at another folder too: a run, or a folder of runs.
    pub fn add(&mut self, folder: &Path) -> Result<()> {
        let folder = std::path::absolute(folder).map_err(|e| Error::io(folder, e))?;
        if runs_in(&folder).is_empty() {
            return Err(Error::invalid(
                folder.display().to_string(),
                if folder.is_dir() { "a folder without runs" } else { "no folder" },
                "a run's folder (run.toml, metrics.jsonl), or a folder of such folders",
                "Give the `--out` of `outloud train`.",
            ));
        }
        if !self.more.contains(&folder) {
            self.more.push(folder);
        }
        Ok(())
    }

    /// A run is gone.
    pub fn forget(&mut self, run: &Path) {
        self.more.retain(|folder| folder != run);
        self.seen.remove(run);
    }

    /// A run, as it was seen last.
    pub fn run(&self, path: &Path) -> Option<&Run> {
        self.seen.get(path)?.run.as_ref()
    }

    /// All runs as they are now, without what they measured; those at work first, then those heard of last.
    pub fn list(&mut self) -> Vec<Run> {
        let mut all: Vec<(PathBuf, String)> = Vec::new();
        for folder in std::iter::once(&self.home).chain(&self.more) {
            for path in runs_in(folder) {
                if !all.iter().any(|(there, _)| *there == path) {
                    let near = path.strip_prefix(folder).ok().filter(|p| !p.as_os_str().is_empty());
                    let name = near.or_else(|| path.file_name().map(Path::new)).unwrap_or(&path);
                    all.push((path.clone(), name.display().to_string()));
                }
            }
        }
        let mut runs: Vec<(f64, Run)> = Vec::new();
        for (path, name) in all {
            let seen = self.seen.entry(path.clone()).or_default();
            let (heard, run) = look(&path, name, seen);
            seen.run = Some(run.clone());
            runs.push((heard, run));
        }
        runs.sort_by(|(a, x), (b, y)| {
            y.is_at_work().cmp(&x.is_at_work()).then(b.total_cmp(a)).then_with(|| x.path.cmp(&y.path))
        });
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// What the listed runs have measured and written since.
    pub fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for (path, seen) in &mut self.seen {
            if seen.run.is_none() {
                continue;
            }
            if let Some((from, records)) = seen.tail.read(&path.join("metrics.jsonl")) {
                news.push(News::Records(path.clone(), from, records));
            }
            let file = path.join(samples::SAMPLES);
            let bytes = std::fs::metadata(&file).map_or(0, |m| m.len());
            if bytes != seen.samples {
                seen.samples = bytes;
                news.push(News::Samples(path.clone(), samples::read(&file)));
            }
        }
        news
    }
}

/// The runs of a folder: itself, else those in it.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let is_run = |path: &Path| SIGNS.iter().any(|sign| path.join(sign).is_file());
    let of = |path: PathBuf| -> Vec<PathBuf> {
        let stages: Vec<PathBuf> = STAGES.iter().map(|s| path.join(s)).filter(|p| is_run(p)).collect();
        if stages.is_empty() { vec![path] } else { stages }
    };
    let staged = STAGES.iter().any(|stage| is_run(&folder.join(stage)));
    if is_run(folder) || staged {
        return of(folder.to_path_buf());
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_run(path) || STAGES.iter().any(|stage| is_run(&path.join(stage))))
        .flat_map(of)
        .collect();
    found.sort();
    found
}

/// How a run was started; a stage as the run it belongs to.
pub(super) fn launch_of(run: &Path) -> Option<Launch> {
    let own = Launch::read(run).ok().flatten();
    own.or_else(|| Launch::read(run.parent()?).ok().flatten())
}

fn look(path: &Path, name: String, seen: &mut Seen) -> (f64, Run) {
    let known = Known::look(path);
    let modified = |file: &str| std::fs::metadata(path.join(file)).and_then(|m| m.modified()).ok();
    let facts = (modified("log"), modified("run.toml"));
    let mut run = match seen.run.take() {
        Some(run) if seen.facts == Some(facts) => run,
        _ => {
            seen.facts = Some(facts);
            facts_of(path)
        }
    };
    run.name = name;
    run.state = known.state;
    if run.words.is_empty()
        && let Some(launch) = launch_of(path)
    {
        (run.words, run.launcher) = (launch.args, (launch.launcher, launch.set.into_iter().collect()));
    }
    run.kept = std::fs::read_to_string(path.join("kept")).ok().map(|text| text.trim().to_owned());
    let mut heard =
        facts.1.and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0.0, |d| d.as_secs_f64());
    match known.report {
        Some(report) => {
            (run.message, run.host, run.eta_s) = (report.message, report.process.host, report.eta_s);
            (run.step, run.steps) = (report.step, report.steps.max(run.steps));
            heard = report.updated;
        }
        // Of a run without reports (of an older version, or fetched without them) its numbers tell.
        None if path.join("result").is_dir() => run.state = RunState::Finished,
        None => {}
    }
    run.step = run.step.max(seen.tail.step());
    (heard, run)
}

/// What does not change while a run goes on.
fn facts_of(path: &Path) -> Run {
    let mut run = Run::new(path.to_path_buf(), String::new());
    if let Ok(Some(identity)) = Identity::read(&path.join("run.toml")) {
        run.recipe = identity.recipe;
        run.base = identity.model.source;
        run.steps = identity.steps;
        run.held_out = identity.config.held_out;
        let base = launch_of(path).map(|launch| launch.cwd);
        let place = |file: &String| base.as_ref().map_or_else(|| PathBuf::from(file), |cwd| cwd.join(file));
        run.data = identity.data.files.iter().map(place).collect();
    }
    for line in log(&path.join("log")).lines() {
        let Some((_, text)) = line.split_once(' ') else { continue };
        if text.starts_with("memory about ") {
            run.estimate = Some(text.to_owned());
        } else if text.starts_with("memory ") && text.contains(" a step, about ") {
            run.corrected = Some(text.to_owned());
        }
    }
    run
}

/// The beginning and the end of a log.
fn log(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut text = Vec::new();
        if bytes > 2 * LOG {
            (&mut file).take(LOG).read_to_end(&mut text)?;
            file.seek(SeekFrom::End(-(LOG as i64)))?;
            text.push(b'\n');
        }
        file.read_to_end(&mut text)?;
        Ok(text)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::teach::Record;
    use std::io::Write as _;

    fn line(step: usize) -> String {
        let record = Record { step, loss: step as f64, ..Record::default() };
        format!("{}\n", serde_json::to_string(&record).unwrap())
    }

    #[test]
    fn what_is_new_comes_once_torn_lines_wait_and_a_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("a");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("status.json"), "{}").unwrap();
        let metrics = run.join("metrics.jsonl");
        let mut looker = Looker::new(dir.path().to_path_buf());
        let mut news = || {
            assert_eq!(looker.list().len(), 1);
            let steps = |records: Vec<Record>| records.iter().map(|r| r.step).collect::<Vec<_>>();
            looker
                .news()
                .into_iter()
                .filter_map(|n| match n {
                    News::Records(_, from, records) => Some((from, steps(records))),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(news(), []);
        std::fs::write(&metrics, line(1) + &line(2) + "{\"step\":3,").unwrap();
        assert_eq!(news(), [(0, vec![1, 2])]);
        assert_eq!(news(), [], "a torn line is no news");
        std::fs::write(&metrics, line(1) + &line(2) + &line(3)).unwrap();
        assert_eq!(news(), [(2, vec![3])]);
        // Resumed at step 1, and already further than before.
        let again: String = [1, 2, 3, 4, 5].map(line).concat();
        std::fs::write(&metrics, line(1)).unwrap();
        assert_eq!(news(), [(0, vec![1])]);
        std::fs::write(&metrics, &again).unwrap();
        assert_eq!(news(), [(1, vec![2, 3, 4, 5])]);
        // The same between two looks.
        let mut cut = line(1) + &line(2);
        while cut.len() <= again.len() {
            let step = cut.lines().count() + 1;
            cut += &line(step);
        }
        std::fs::write(&metrics, cut.replace("\"loss\":2.0", "\"loss\":2.5")).unwrap();
        let told = news();
        assert_eq!(told.len(), 1);
        let mut file = std::fs::OpenOptions::new().append(true).open(&metrics).unwrap();
        file.write_all(line(99).as_bytes()).unwrap();
        assert_eq!(news()[0].0, 0, "steps that do not follow: all of it is read again");
    }

    #[test]
    fn runs_are_found_in_folders_and_in_stages() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["one", "staged/csft", "staged/cloud", "rows"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        for path in ["one/run.toml", "staged/csft/status.json", "staged/launch.json"] {
            std::fs::write(dir.path().join(path), "").unwrap();
        }
        let names = |folder: &Path| {
            let mut looker = Looker::new("nowhere".into());
            looker.add(folder).map(|()| looker.list().into_iter().map(|run| run.name).collect::<Vec<_>>())
        };
        let mut all = names(dir.path()).unwrap();
        all.sort();
        assert_eq!(all, ["one", "staged/csft"]);
        assert_eq!(names(&dir.path().join("one")).unwrap(), ["one"]);
        let error = names(&dir.path().join("rows")).unwrap_err().to_string();
        assert!(error.contains("a folder without runs"), "{error}");
    }
}
