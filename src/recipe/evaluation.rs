//! The test of the demo model as stages: sets drawn from a seed, `outloud`'s commands over them, then the report.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::stages::{Stage, Work, create, write_text};
use crate::eval::best_of::{self, Candidate};
use crate::eval::report::{Evidence, Judge, Measured};
use crate::eval::{Report, chart, lines, outcomes, self_consistency};
use crate::stories::{Numbers, Options, Row, Rows, Split, Templates};
use crate::{Error, Result};

/// What is tested and how much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evaluation {
    /// Everything drawn follows from it.
    pub seed: u64,
    /// Pairs of each test set.
    pub count: usize,
    /// Pairs of the first set on which critiques are sampled, and how many a side.
    pub sampled: (usize, usize),
    /// Temperature of those.
    pub temperature: f64,
    /// Problems of best-of-N, and answers to each.
    pub problems: (usize, usize),
    /// Chance of each of those answers to be right.
    pub right: f64,
    /// Longest critique, in tokens.
    pub max_tokens: usize,
    /// The CLoud model first, then the twins.
    pub judges: Vec<Entrant>,
}

/// A model to be tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entrant {
    /// Its name in tables.
    pub name: String,
    /// How it came about.
    pub about: String,
    /// Its folder, or the name of a model compiled in.
    pub model: String,
    /// How it judges.
    pub reads: Reads,
    /// Its fingerprint; the results are its own.
    pub fingerprint: String,
}

/// What a judge reads before its reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// A critique it writes.
    Critique,
    /// An empty critique.
    Nothing,
    /// The answer alone (a classic model).
    Answer,
}

/// Title and file of each set.
const SETS: [(&str, &str); 3] =
    [("unseen numbers", "seen"), ("unseen numbers and templates", "unseen"), ("numbers above 999", "large")];
/// Pairs the bag of words learns from.
const TRAINING: usize = 4000;

impl Evaluation {
    /// Who chooses among N answers: the CLoud model and classic ones.
    fn choosers(&self) -> impl Iterator<Item = &Entrant> {
        let first = self.judges.iter().take(1);
        first.chain(self.judges.iter().skip(1).filter(|entrant| entrant.reads == Reads::Answer))
    }

    /// The settings as TOML: what `settings.toml` of the folder holds.
    ///
    /// # Errors
    /// None in practice; every field has a TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|e| Error::invalid("the test", e.to_string(), "values TOML can hold", "Correct it."))
    }
}

impl Entrant {
    fn slug(&self) -> String {
        self.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    }
}

fn options(set: &str, seed: u64) -> Options {
    let plain = Options::new(Split::Test, seed);
    match set {
        "unseen" => Options { templates: Templates::Unseen, ..plain },
        "large" => Options { numbers: Numbers::Large, ..plain },
        _ => plain,
    }
}

/// All stages in the folder `out`; the last one writes `report.md`, `report.json` and `report.svg` there.
///
/// # Errors
/// When the settings have no TOML form.
pub fn evaluation(plan: &Evaluation, out: &Path) -> Result<Vec<Stage>> {
    let settings = plan.to_toml()?;
    let mut stages =
        vec![Stage { name: "settings", makes: out.join("settings.toml"), work: write_text(settings) }];
    for (_, set) in SETS {
        let options = options(set, plan.seed);
        let count = plan.count;
        for (empty, file) in [(false, set.to_owned()), (true, format!("{set}-empty"))] {
            let work = Work::Write(Box::new(move |path: &Path| write_set(path, options, count, empty)));
            stages.push(Stage { name: "test set", makes: out.join(format!("sets/{file}.jsonl")), work });
        }
    }
    let text = |path: &str| out.join(path).display().to_string();
    let judge = |name: &'static str, entrant: &Entrant, more: &[String], file: &str, set: &str| {
        let results = out.join(format!("results/{file}.jsonl"));
        let reads = match entrant.reads {
            Reads::Critique => {
                vec!["critique".to_owned(), "--max-tokens".into(), plan.max_tokens.to_string()]
            }
            Reads::Nothing | Reads::Answer => vec!["score".to_owned()],
        };
        let rest = ["--model", &entrant.model, "--out", &results.display().to_string(), "--resume"]
            .map(str::to_owned)
            .to_vec();
        Stage {
            name,
            makes: results.with_extension("done"),
            work: Work::Command(
                [reads, more.to_vec(), rest, vec![text(&format!("sets/{set}.jsonl"))]].concat(),
            ),
        }
    };
    let results = out.join("results");
    stages.push(Stage {
        name: "results",
        makes: results,
        work: Work::Write(Box::new(|path| std::fs::create_dir_all(path).map_err(|e| Error::io(path, e)))),
    });
    for entrant in &plan.judges {
        for (_, set) in SETS {
            let rows = if entrant.reads == Reads::Nothing { format!("{set}-empty") } else { set.to_owned() };
            stages.push(judge("pairs", entrant, &[], &format!("{set}-{}", entrant.slug()), &rows));
        }
    }
    let (sampled, samples) = plan.sampled;
    let few = options("seen", plan.seed);
    let work = Work::Write(Box::new(move |path: &Path| write_set(path, few, sampled, false)));
    stages.push(Stage { name: "sampled set", makes: out.join("sets/sampled.jsonl"), work });
    let problems = plan.clone();
    let work = Work::Write(Box::new(move |path: &Path| write_problems(path, &problems)));
    stages.push(Stage { name: "problems", makes: out.join("sets/problems.jsonl"), work });
    for entrant in plan.choosers() {
        let file = format!("problems-{}", entrant.slug());
        stages.push(judge("best of N", entrant, &[], &file, "problems"));
    }
    if let Some(first) = plan.judges.first() {
        let more = [
            "-n".to_owned(),
            samples.to_string(),
            "--temperature".into(),
            plan.temperature.to_string(),
            "--seed".into(),
            plan.seed.to_string(),
        ];
        stages.push(judge("self-consistency", first, &more, "sampled", "sampled"));
    }
    let (plan, from) = (plan.clone(), out.to_owned());
    let work = Work::Write(Box::new(move |path: &Path| write_report(&plan, &from, path)));
    stages.push(Stage { name: "report", makes: out.join("report.md"), work });
    Ok(stages)
}

fn write_rows<T: Serialize>(path: &Path, rows: impl Iterator<Item = Result<T>>) -> Result<()> {
    let failed = |e| Error::io(path, e);
    let mut out = BufWriter::new(create(path)?);
    for row in rows {
        serde_json::to_writer(&mut out, &row?).map_err(|e| failed(e.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.flush().map_err(failed)
}

/// The rows of a set; with empty critiques in place of the oracle's for a judge that shall read nothing.
fn write_set(path: &Path, options: Options, count: usize, empty: bool) -> Result<()> {
    let rows = Rows::new(options)?.take(count).map(|row| {
        let mut row = row?;
        if empty {
            (row.chosen_feedback, row.rejected_feedback) = (String::new(), String::new());
        }
        Ok(row)
    });
    write_rows(path, rows)
}

fn write_problems(path: &Path, plan: &Evaluation) -> Result<()> {
    let rows = Rows::new(options("seen", plan.seed))?;
    let (problems, answers) = plan.problems;
    let candidates = (0..problems).flat_map(|problem| {
        let drawn = match rows.problem(problem as u64, answers, plan.right) {
            Ok(drawn) => drawn,
            Err(error) => return vec![Err(error)],
        };
        let of = |(number, (answer, right)): (usize, (String, bool))| {
            Ok(Candidate {
                id: format!("{problem}/{number}"),
                problem,
                prompt: drawn.prompt.clone(),
                answer,
                right,
                steps: drawn.steps,
            })
        };
        drawn.answers.iter().cloned().enumerate().map(of).collect()
    });
    write_rows(path, candidates)
}

/// Reads every result and writes the report; Markdown last, for it says that the others are there.
fn write_report(plan: &Evaluation, out: &Path, markdown: &Path) -> Result<()> {
    let result = |file: &str| -> PathBuf { out.join(format!("results/{file}.jsonl")) };
    let mut sets = Vec::new();
    for (title, name) in SETS {
        let rows: Vec<Row> = lines::read(&out.join(format!("sets/{name}.jsonl")))?;
        let mut judged = Vec::new();
        for entrant in &plan.judges {
            let judge = Judge {
                name: entrant.name.clone(),
                fingerprint: entrant.fingerprint.clone(),
                about: entrant.about.clone(),
            };
            judged.push((judge, outcomes::read(&rows, &result(&format!("{name}-{}", entrant.slug())))?));
        }
        let about = format!("{} pairs.", rows.len());
        sets.push(Measured { name: title.into(), about, rows, outcomes: judged });
    }
    let sampled: Vec<Row> = lines::read(&out.join("sets/sampled.jsonl"))?;
    let candidates: Vec<Candidate> = lines::read(&out.join("sets/problems.jsonl"))?;
    let right = candidates.iter().filter(|c| c.right).count() as f64 / candidates.len().max(1) as f64;
    let mut judged = Vec::new();
    for entrant in plan.choosers() {
        let problems = best_of::read(&candidates, &result(&format!("problems-{}", entrant.slug())))?;
        judged.push((entrant.name.clone(), problems));
    }
    let training: Result<Vec<Row>> =
        Rows::new(Options::new(Split::Train, plan.seed))?.take(TRAINING).collect();
    let evidence = Evidence {
        sets,
        training: training?,
        samples: (self_consistency::read(&sampled, &result("sampled"))?, plan.temperature),
        best_of: (judged, right),
    };
    let report = Report::new(&evidence, plan.seed);
    let write = |path: &Path, text: String| std::fs::write(path, text).map_err(|e| Error::io(path, e));
    write(&out.join("report.svg"), chart::draw(&report)?)?;
    let json = serde_json::to_string_pretty(&report)
        .map_err(|e| Error::invalid("the report", e.to_string(), "numbers", "Report this as a defect."))?;
    write(&out.join("report.json"), json)?;
    write(markdown, report.markdown())
}
