//! `label`: the Label screen where there is a terminal; else choices from JSON lines, events into the session, status out.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::import::{self, ImportArgs};
use super::label_line::{self, Line, What};
use super::open::{ScreenArgs, open_on, session_of};
use super::{Exit, model::ModelArgs, say};
use crate::app::{Example, Origin, rivals::rivals};
use crate::eval::statistics::Estimate;
use crate::label::{self, Calibration, Rule, choices};
use crate::rows::{Reader, Source};
use crate::session::{
    self, Book, Draft, Event, Folder, Label, Live, Notice, Notices, Opened, Pen, Placed, Progress, Review,
};
use crate::tui::{self, LabelOptions};
use crate::{Error, Result};

/// How long leaving waits for the disk.
const FAREWELL: Duration = Duration::from_secs(30);

/// Arguments of `label`.
#[derive(Debug, Args)]
#[command(after_help = "\
With a terminal the Label screen opens. Without one, or with --choices or --status, choices are read as JSON lines:
  {\"id\": ID | \"row\": N | \"example\": HASH, \"choice\": \"chosen-much\"|\"chosen\"|\"tie\"|\"rejected\"|\"rejected-much\" or 2..-2,
   \"state\": \"submitted\"|\"skipped\"|\"draft\", \"all_bad\", \"reasons\", \"note\", \"flag\", \"seconds\", \"adjudicates\",
   \"correction\": {\"answer\": 0|1, \"text\": ...}, \"undo\": true}
Each is answered, once it is on the disk, by {\"id\",\"example\",\"event\",\"state\",\"choice\"} or {\"line\",\"error\"}; the last line is
{\"status\": ...}. Of a row of n answers without a preference the pairs are `id#1-2`, ..., of two answers `id`: the first one stands where chosen does.
With --from LABELS whole files made elsewhere are taken in, one JSON object a file. Choices are of the row's answers (chosen, rejected), never of the A and B of a screen.
The session is --session, else one under $XDG_DATA_HOME/outloud/sessions with the name of the data. Exit status: 0 all well,
1 some lines failed, 2 wrong usage.")]
pub struct LabelArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    screen: ScreenArgs,
    /// Rows to label (JSON lines); none: the demo's
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// In which order pairs come: file, random, by:COLUMN, margin, spread, tone, contradiction
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// Guidelines for annotators, a file of Markdown: `i` shows them
    #[arg(long, value_name = "FILE")]
    guidelines: Option<PathBuf>,
    /// Labels to be reached
    #[arg(long, value_name = "N")]
    goal: Option<usize>,
    /// Seed of the order of pairs and of which answer is A (0)
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Divide the pairs: this share is labelled by two annotators, the others by one; without it everybody labels all
    #[arg(long, value_name = "SHARE")]
    twice: Option<f64>,
    /// Reason tags
    #[arg(long, value_name = "TAG,...", value_delimiter = ',')]
    reasons: Option<Vec<String>>,
    /// Choices as JSON lines, `-` is standard input; no screen
    #[arg(long, value_name = "FILE")]
    choices: Option<PathBuf>,
    /// Only say how far the session is; no screen
    #[arg(long, conflicts_with = "choices")]
    status: bool,
    #[command(flatten)]
    import: ImportArgs,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the model, the session, the files, or the disk.
pub fn label(args: LabelArgs) -> Result<Exit> {
    if !args.import.from.is_empty() {
        let folder = Folder::open(&session_of(&args.screen, &args.files)?.path)?;
        let known = examples(&args)?;
        return import::import(&args.import, &folder, args.screen.annotator.as_deref(), known);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if terminal && args.choices.is_none() && !args.status {
        let label = LabelOptions {
            reasons: args.reasons,
            guidelines: args.guidelines,
            goal: args.goal,
            order: args.order,
            seed: args.seed,
            twice: args.twice,
            samples: None,
        };
        return open_on(&args.model, &args.screen, args.files, Some(label));
    }
    headless(&args)
}

fn headless(args: &LabelArgs) -> Result<Exit> {
    let options = session_of(&args.screen, &args.files)?;
    let examples = examples(args)?;
    let folder = Folder::open(&options.path)?;
    if let Some(why) = folder.read_only().filter(|_| !args.status) {
        return Err(Error::Usage(why.to_owned()));
    }
    let pen = Pen::new(&options.annotator);
    let (live, notices) = session::open(&folder, &pen)?;
    let places = Places::of(examples);
    let mut work = Work { pen, live, notices, book: Book::default(), places, opened: None };
    work.read()?;
    let mut exit = Exit::Ok;
    if !args.status {
        let source = args.choices.as_ref().filter(|path| path.as_os_str() != "-");
        let lines: Box<dyn std::io::BufRead> = match source {
            Some(path) => {
                Box::new(BufReader::new(std::fs::File::open(path).map_err(|e| Error::io(path, e))?))
            }
            None => Box::new(BufReader::new(std::io::stdin())),
        };
        let data = args.files.iter().map(|f| f.canonicalize().unwrap_or_else(|_| f.clone())).collect();
        work.opened = Some(Opened { data, model: String::new(), version: env!("CARGO_PKG_VERSION").into() });
        for (number, line) in lines.split(b'\n').enumerate() {
            let line = line.map_err(|e| Error::io("the choices", e))?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let answer = match label_line::parse(line.trim()).and_then(|line| work.take(line)) {
                Ok(answer) => answer,
                Err(Wrong::Line(error)) => {
                    exit = Exit::Failed;
                    json!({"line": number + 1, "error": error})
                }
                Err(Wrong::Disk(error)) => return Err(error),
            };
            print(&answer)?;
        }
    }
    print(&json!({"status": work.status(&folder)}))?;
    let closed = work.live.close(FAREWELL);
    if let Some(error) = closed.error.filter(|_| closed.unsaved > 0) {
        say(&format!("{} changes are NOT SAVED: {error}", closed.unsaved));
        exit = Exit::Failed;
    }
    Ok(exit)
}

/// The rows of files, answers that are to be held against each other two by two after them; the demo's without any.
fn examples(args: &LabelArgs) -> Result<Vec<Example>> {
    if args.files.is_empty() {
        return Ok(tui::demo());
    }
    let sources = Source::expand(args.files.iter().cloned())?;
    let rows = Reader::mapped(sources, args.screen.map.options(false));
    let rows = rows.map(|row| row.map(|row| Example::from_row(row, Origin::File)));
    let mut examples = rows.collect::<Result<Vec<_>>>()?;
    let pairs = rivals(&examples, 0).into_iter().map(|(pair, _)| pair).collect::<Vec<_>>();
    examples.extend(pairs);
    Ok(examples)
}

fn print(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|e| Error::io("<standard output>", e))
}

/// What is wrong: the line, or the disk.
pub(super) enum Wrong {
    Line(String),
    Disk(Error),
}

impl From<String> for Wrong {
    fn from(error: String) -> Self {
        Self::Line(error)
    }
}

/// Where examples are found.
struct Places {
    examples: Vec<Example>,
    /// The first, and how many different ones have the id.
    by_id: HashMap<String, (usize, usize)>,
    by_digest: HashMap<session::Digest, usize>,
    /// Single answers that stand in pairs.
    split: HashSet<usize>,
}

impl Places {
    fn of(examples: Vec<Example>) -> Self {
        let (mut by_id, mut by_digest) = (HashMap::new(), HashMap::new());
        let split: HashSet<usize> = rivals(&examples, 0).into_iter().flat_map(|(_, of)| of).collect();
        let whole = |(index, example): &(usize, &Example)| example.fault.is_none() && !split.contains(index);
        for (index, example) in examples.iter().enumerate().filter(whole) {
            let digest = example.kept().object().digest;
            if let Entry::Vacant(entry) = by_digest.entry(digest) {
                entry.insert(index);
                by_id.entry(example.id.clone()).or_insert((index, 0)).1 += 1;
            }
        }
        Self { examples, by_id, by_digest, split }
    }

    fn find(&self, line: &Line) -> Result<usize, String> {
        let found = match (&line.example, &line.id, line.row) {
            (Some(digest), ..) => digest.parse().ok().and_then(|d| self.by_digest.get(&d)).copied(),
            (None, Some(id), row) => {
                let same = |row: &usize| self.examples.get(*row).is_some_and(|example| example.id == *id);
                match (row.filter(same), self.by_id.get(id)) {
                    (None, Some((_, several @ 2..))) => {
                        return Err(format!(
                            "{id}: {several} pairs have this id; say which with row or example"
                        ));
                    }
                    (row, first) => row.or_else(|| first.map(|(index, _)| *index)),
                }
            }
            (None, None, Some(row)) => Some(row),
            (None, None, None) => {
                return Err("no id, row or example: expected one of them, to say which pair".into());
            }
        };
        let whole = |at: &usize| {
            self.examples.get(*at).is_some_and(|e| e.fault.is_none()) && !self.split.contains(at)
        };
        let there = found.filter(whole);
        there.ok_or_else(|| {
            let what = line.example.clone().or_else(|| line.id.clone());
            let what = what.unwrap_or_else(|| format!("row {}", line.row.unwrap_or_default()));
            format!("{what}: no such pair among {} rows", self.examples.len())
        })
    }
}

struct Work {
    pen: Pen,
    live: Live,
    notices: Notices,
    book: Book,
    places: Places,
    /// Written before the first event.
    opened: Option<Opened>,
}

impl Work {
    /// Takes in what the session holds.
    fn read(&mut self) -> Result<()> {
        while let Some(notice) = self.notices.blocking_recv() {
            if self.hear(notice)? {
                break;
            }
        }
        Ok(())
    }

    /// True when all journals were read.
    fn hear(&mut self, notice: Notice) -> Result<bool> {
        match notice {
            Notice::Loaded => return Ok(true),
            Notice::News(entries) | Notice::Saved(entries) => drop(self.book.insert(entries)),
            Notice::Problems(problems) => problems.iter().for_each(|problem| say(&problem.to_string())),
            Notice::Failing { error, .. } => return Err(Error::Usage(format!("NOT SAVED: {error}"))),
        }
        Ok(false)
    }

    /// Saves events; returns when they are on the disk.
    fn save(&mut self, drafts: Vec<Draft>) -> Result<()> {
        let mut drafts = drafts;
        let opened = self.opened.take().map(|opened| self.pen.write(Event::Opened(opened)));
        drafts.extend(opened);
        let last: Vec<_> = drafts.iter().map(|draft| draft.id.clone()).collect();
        for draft in drafts {
            let busy = || Error::Usage("NOT SAVED: the disk does not answer".into());
            self.live.save(draft).map_err(|_draft| busy())?;
        }
        while last.iter().any(|id| self.book.get(id).is_none()) {
            let Some(notice) = self.notices.blocking_recv() else { break };
            self.hear(notice)?;
        }
        Ok(())
    }

    /// Does what a line says; its answer.
    fn take(&mut self, line: Line) -> Result<Value, Wrong> {
        let by = self.pen.by().to_owned();
        if line.what == What::Undo {
            let step = self.book.undo(&by, crate::app::desk::is_label_step).map(|entry| entry.id.clone());
            let id = step.ok_or_else(|| format!("{by} has nothing to undo"))?;
            let draft = self.pen.write(Event::Undo { events: vec![id.clone()] });
            let event = draft.id.to_string();
            self.save(vec![draft]).map_err(Wrong::Disk)?;
            return Ok(json!({"undone": id.to_string(), "event": event}));
        }
        let index = self.places.find(&line)?;
        let Some(example) = self.places.examples.get(index) else {
            return Err(Wrong::Line("no such row".into()));
        };
        let (id, answers, object) = (example.id.clone(), example.sides().len(), example.kept().object());
        let digest = object.digest.clone();
        let mut drafts = Vec::new();
        if self.book.placed(&digest).is_none() {
            let placed = Placed { example: digest.clone(), id: id.clone(), row: Some(index) };
            drafts.push(self.pen.write_with(Event::Example(placed), vec![object]));
        }
        let before = self.book.label(&digest, &by).map(|standing| standing.value.clone());
        let mut label = line.apply(before.unwrap_or_else(|| Label::draft(digest.clone())));
        label.revealed |= self.book.has_seen(&by, &digest);
        let mut events = vec![Event::Label(Box::new(label.clone()))];
        if let Some((answer, text)) = line.correction {
            if answer >= answers {
                return Err(Wrong::Line(format!("correction: answer {answer} of {answers}, counted from 0")));
            }
            events.push(Event::Review(Box::new(Review {
                example: digest.clone(),
                answer,
                critique: None,
                agrees: None,
                sentences: Vec::new(),
                correction: Some(text),
            })));
        }
        let event = match events.len() {
            1 => events.remove(0),
            _ => Event::Bulk { events },
        };
        let draft = self.pen.write(event);
        let name = draft.id.to_string();
        drafts.push(draft);
        self.save(drafts).map_err(Wrong::Disk)?;
        let state = match label.state {
            Progress::Draft => "draft",
            Progress::Skipped => "skipped",
            Progress::Submitted => "submitted",
        };
        let choice = label.choice.map(choices::words);
        Ok(json!({"id": id, "example": digest.as_str(), "event": name, "state": state, "choice": choice}))
    }

    fn status(&self, folder: &Folder) -> Value {
        let by = self.pen.by();
        let mut count = std::collections::BTreeMap::new();
        for digest in self.places.by_digest.keys() {
            let state = self.book.label(digest, by).map(|standing| standing.value.state);
            *count.entry(state).or_insert(0_usize) += 1;
        }
        let of = |state: Option<Progress>| count.get(&state).copied().unwrap_or(0);
        let margins = label::margins(&self.book);
        let found = label::agreement(&self.book, |example| margins.get(example).copied());
        let outcomes = label::outcome(&self.book, &Rule::Majority);
        let with_margin = outcomes
            .iter()
            .filter_map(|o| Some((*margins.get(&o.example)?, o.preference()?)))
            .collect::<Vec<_>>();
        let between = |all: &[label::Between]| -> Vec<Value> {
            let one = |two: &label::Between| {
                json!({
                    "a": two.a, "b": two.b, "pairs": two.raw.n, "raw": estimate(&two.raw),
                    "kappa": estimate(&two.kappa), "weighted_kappa": two.weighted.as_ref().map(estimate),
                })
            };
            all.iter().map(one).collect()
        };
        json!({
            "session": folder.path(),
            "annotator": by,
            "pairs": self.places.by_digest.len(),
            "submitted": of(Some(Progress::Submitted)),
            "skipped": of(Some(Progress::Skipped)),
            "drafts": of(Some(Progress::Draft)),
            "pending": of(None),
            "conflicts": outcomes.iter().filter(|o| o.conflict).count(),
            "annotators": found.annotators,
            "agreement": {
                "raw": estimate(&found.raw),
                "alpha_ordinal": estimate(&found.alpha),
                "between": between(&found.between),
                "model": between(&found.model),
            },
            "calibration": Calibration::of(&with_margin).map(|c| json!({
                "labels": c.n,
                "temperature": Some(c.temperature).filter(|t| t.is_finite()),
                "log_loss": [c.log_loss.0, c.log_loss.1],
                "ece": [c.ece.0, c.ece.1],
            })),
        })
    }
}

/// `{"value","low","high","n"}`; null where there is no figure.
fn estimate(e: &Estimate) -> Value {
    if e.value.is_finite() { json!(e) } else { Value::Null }
}
