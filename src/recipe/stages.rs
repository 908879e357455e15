//! The stages in order: what each makes, from what, and when it is done.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use toml::Table;

use super::plan::Plan;
use super::{export, on_policy};
use crate::stories::blueprint;
use crate::stories::{Options, Rows, Split, Templates};
use crate::{Error, Result};

/// One stage.
pub struct Stage {
    /// Its name, as progress shows it.
    pub name: &'static str,
    /// What it makes; there already: the stage is done. A command that leaves no such file gets an empty one.
    pub makes: PathBuf,
    /// How.
    pub work: Work,
}

/// Makes a file or folder at a path.
pub type Make = Box<dyn Fn(&Path) -> Result<()>>;

/// How a stage is done.
pub enum Work {
    /// Writes to a path aside, which then becomes [`Stage::makes`].
    Write(Make),
    /// A command of `outloud` that resumes by itself.
    Command(Vec<String>),
}

/// All stages of a recipe in the folder `out`.
///
/// # Errors
/// When a training configuration has no TOML form (it came from TOML).
pub fn stages(plan: &Plan, out: &Path) -> Result<Vec<Stage>> {
    let at = |path: &str| out.join(path);
    let text = |path: &str| out.join(path).display().to_string();
    let seed = u64::from(plan.seed);
    let rows = plan.rows;
    // A run in runs/FOLDER, configured by config/NAME.toml.
    let train_in = |name: &'static str, folder: &str, recipe: &str, model: &str, data: &str| Stage {
        name,
        makes: out.join("runs").join(folder).join("result/config.json"),
        work: Work::Command(
            [
                ["train", "--recipe", recipe].map(str::to_owned).to_vec(),
                vec!["--model".into(), text(model), "--data".into(), text(data)],
                vec![
                    "--config".into(),
                    text(&format!("config/{name}.toml")),
                    "--seed".into(),
                    seed.to_string(),
                ],
                vec!["--out".into(), text(&format!("runs/{folder}"))],
            ]
            .concat(),
        ),
    };
    let train =
        |name: &'static str, recipe: &str, model: &str, data: &str| train_in(name, name, recipe, model, data);
    let config = |name: &'static str, table: &Table| -> Result<Stage> {
        let toml = toml::to_string(table).map_err(|e| {
            Error::invalid("the recipe", e.to_string(), "values TOML can hold", "Correct it.")
        })?;
        Ok(Stage { name: "configuration", makes: at(&format!("config/{name}.toml")), work: write_text(toml) })
    };
    // What the last round of varied stories gives.
    let critic = match plan.varied.len() {
        0 => "runs/csft/result".to_owned(),
        rounds => format!("runs/varied-{rounds}/result"),
    };
    let critique = [
        vec!["critique".to_owned(), "--model".into(), text(&critic)],
        vec!["--temperature".into(), plan.critique.temperature.to_string()],
        vec!["--max-tokens".into(), plan.critique.max_tokens.to_string(), "--seed".into(), seed.to_string()],
        vec!["--out".into(), text("data/critiques.jsonl"), "--resume".into(), text("data/pairs.jsonl")],
    ]
    .concat();
    let data = |name: &'static str, file: &str, count: usize, options: Options, critiques: bool| Stage {
        name,
        makes: at(&format!("data/{file}.jsonl")),
        work: Work::Write(Box::new(move |path| write_rows(path, options, count, critiques))),
    };
    // Different seeds, so that no two files share a story.
    let options = |part: u64, drills: f64| Options { drills, ..Options::new(Split::Train, seed * 10 + part) };
    let restated = Options { restated: true, ..options(2, rows.csft_drills) };
    let shape = plan.shape;
    let folder = |name: &'static str, makes: &str| Stage {
        name,
        makes: at(makes),
        work: Work::Write(Box::new(move |path| blueprint::write(path, shape, seed))),
    };
    let shipped = |name: &'static str, run: &str, makes: &str| {
        let from = at(&format!("runs/{run}/result"));
        let work = Work::Write(Box::new(move |path: &Path| export::half(&from, path).map(|_| ())));
        Stage { name, makes: at(makes), work }
    };
    let (pairs, critiques) = (at("data/pairs.jsonl"), at("data/critiques.jsonl"));
    let mut stages = vec![
        Stage { name: "recipe", makes: at("recipe.toml"), work: write_text(plan.to_toml()?) },
        config("drills", &plan.train.drills)?,
        config("csft", &plan.train.csft)?,
        config("varied", &plan.train.varied)?,
        config("cloud", &plan.train.cloud)?,
        config("off-policy", &plan.train.cloud)?,
        config("no-critique", &plan.train.cloud)?,
        config("classic", &plan.train.classic)?,
        folder("blueprint", "blueprint"),
        data("drill rows", "drills", rows.drills, options(1, 1.0), true),
        train("drills", "csft", "blueprint", "data/drills.jsonl"),
        data("stories with oracle critiques", "csft", rows.csft, restated, true),
        train("csft", "csft", "runs/drills/result", "data/csft.jsonl"),
    ];
    let mut before = "runs/csft/result".to_owned();
    for (part, round) in (1_u64..).zip(&plan.varied) {
        let varied = Options {
            noise: round.noise,
            invented: round.invented,
            verbs: round.verbs,
            templates: if round.wider > 0.0 { Templates::Wider(round.wider) } else { Templates::Seen },
            ..options(3 + part, round.drills)
        };
        let (name, file) = (format!("varied-{part}"), format!("data/varied-{part}.jsonl"));
        stages.push(data("varied stories", &name, round.rows, varied, true));
        stages.push(train_in("varied", &name, "csft", &before, &file));
        before = format!("runs/{name}/result");
    }
    stages.extend([
        data("pairs", "pairs", rows.pairs, options(3, 0.0), true),
        Stage {
            name: "self-generated critiques",
            makes: at("data/critiques.done"),
            work: Work::Command(critique),
        },
        Stage {
            name: "on-policy rows",
            makes: at("data/on-policy.jsonl"),
            work: Work::Write(Box::new(move |path| {
                let file = create(path)?;
                let mut out = BufWriter::new(file);
                let joined = on_policy::join(&pairs, &critiques, &mut out)?;
                out.flush().map_err(|e| Error::io(path, e))?;
                joined.check(&critiques)
            })),
        },
        train("cloud", "cloud", &critic, "data/on-policy.jsonl"),
        shipped("model in f16", "cloud", "model"),
        train("off-policy", "cloud", &critic, "data/pairs.jsonl"),
        data("pairs without critiques", "no-critique", rows.pairs, options(3, 0.0), false),
        train("no-critique", "cloud", &critic, "data/no-critique.jsonl"),
        data("stories for the classic twin", "classic", rows.classic, options(2, 0.0), false),
        train("classic", "classic", &critic, "data/classic.jsonl"),
        shipped("classic twin in f16", "classic", "classic-model"),
    ]);
    Ok(stages)
}

impl Stage {
    /// Marks a command's stage as done.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn mark(&self) -> Result<()> {
        if self.done() {
            return Ok(());
        }
        std::fs::write(&self.makes, "").map_err(|e| Error::io(&self.makes, e))
    }

    /// Whether it was done before.
    pub fn done(&self) -> bool {
        self.makes.exists()
    }

    /// Does a [`Work::Write`] stage: aside first, then renamed, so that what is there is whole.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn write(&self, work: &dyn Fn(&Path) -> Result<()>) -> Result<()> {
        let aside = self.makes.with_extension("part");
        if let Some(parent) = self.makes.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        if aside.is_dir() {
            std::fs::remove_dir_all(&aside).map_err(|e| Error::io(&aside, e))?;
        }
        work(&aside)?;
        std::fs::rename(&aside, &self.makes).map_err(|e| Error::io(&self.makes, e))
    }
}

pub(super) fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|e| Error::io(path, e))
}

pub(super) fn write_text(text: String) -> Work {
    Work::Write(Box::new(move |path| std::fs::write(path, &text).map_err(|e| Error::io(path, e))))
}

/// Rows of a data file; without critiques and keys where only the answers are read.
fn write_rows(path: &Path, options: Options, count: usize, critiques: bool) -> Result<()> {
    let failed = |e| Error::io(path, e);
    let mut out = BufWriter::new(create(path)?);
    for row in Rows::new(options)?.take(count) {
        let mut row = row?;
        if !critiques {
            (row.chosen_feedback, row.rejected_feedback) = (String::new(), String::new());
            (row.chosen_key, row.rejected_key) = (None, None);
        }
        serde_json::to_writer(&mut out, &row).map_err(|e| failed(e.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)
}
