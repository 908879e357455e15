//! The paper's order as one run folder: csft on the given critiques, the model's own critiques of the same pairs, then cloud.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use super::on_policy;
use super::stages::{Stage, Work, create, write_text};
use crate::data::{Map, Options, PairRow, pairs};
use crate::{Error, Result, disk};

/// The recipe's name.
pub const NAME: &str = "cloud-onpolicy";

/// What a run of it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OnPolicy {
    /// The starting model, as MODEL is written.
    pub model: String,
    /// Rows with critiques.
    pub data: Vec<PathBuf>,
    /// Rows held out.
    pub valid: Vec<PathBuf>,
    /// What columns of the rows mean.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub map: String,
    /// How the model writes its own critiques.
    pub critique: Sampling,
    /// Words of `outloud train` for both runs.
    pub words: Vec<String>,
    /// Keys of the first run.
    pub csft: Table,
    /// Keys of the last run.
    pub cloud: Table,
}

/// `[critique]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sampling {
    /// Temperature.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Longest critique; a pair with one that does not end by then is left out.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
    /// Of the sampling.
    #[serde(default)]
    pub seed: u32,
}

fn temperature() -> f64 {
    0.7
}
fn max_tokens() -> usize {
    1024
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: temperature(), max_tokens: max_tokens(), seed: 0 }
    }
}

impl OnPolicy {
    /// Sorts the keys of a configuration: `[critique]`, `[csft]` and `[cloud]` are for their stages, all others for both runs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a stage that is no table, or an unknown key of `[critique]`.
    pub fn keys(place: &str, mut all: Table) -> Result<(Sampling, Table, Table)> {
        let mut take = |name: &str| match all.remove(name) {
            None => Ok(Table::new()),
            Some(toml::Value::Table(table)) => Ok(table),
            Some(other) => Err(Error::invalid(
                format!("{place}, {name}"),
                other.to_string(),
                "a table of keys",
                "Correct it.",
            )),
        };
        let (critique, csft, cloud) = (take("critique")?, take("csft")?, take("cloud")?);
        let critique = critique.try_into().map_err(|e: toml::de::Error| {
            Error::invalid(
                format!("{place}, critique"),
                e.message().trim(),
                "temperature, max-tokens, seed",
                "Correct it.",
            )
        })?;
        let over = |stage: Table| {
            let mut table = all.clone();
            super::plan::merge(&mut table, stage);
            table
        };
        Ok((critique, over(csft), over(cloud)))
    }

    /// The stages in the folder `out`; each run's own folder is in it, and so is, at the end, `result/`.
    ///
    /// # Errors
    /// When the settings have no TOML form.
    pub fn stages(&self, out: &Path) -> Result<Vec<Stage>> {
        let text = |path: &Path| path.display().to_string();
        let at = |path: &str| out.join(path);
        let config = |name: &'static str, table: &Table| -> Result<Stage> {
            Ok(Stage {
                name: "configuration",
                makes: at(&format!("{name}.toml")),
                work: write_text(toml(table)?),
            })
        };
        let mapped = Map::parse(&self.map)?;
        let own_valid = !mapped.is_empty() && !self.valid.is_empty();
        let valid = if own_valid { vec![at("valid.jsonl")] } else { self.valid.clone() };
        let train = |name: &'static str, model: String, data: &Path| {
            let valid = valid.iter().flat_map(|file| ["--valid".to_owned(), text(file)]);
            let words = ["train", "--recipe", name, "--model"].map(str::to_owned).to_vec();
            let rest =
                ["--data".to_owned(), text(data), "--config".into(), text(&at(&format!("{name}.toml")))];
            let place = ["--out".to_owned(), text(&at(name))];
            Stage {
                name,
                makes: at(&format!("{name}/result/config.json")),
                work: Work::Command(
                    words
                        .into_iter()
                        .chain([model])
                        .chain(rest)
                        .chain(valid)
                        .chain(self.words.clone())
                        .chain(place)
                        .collect(),
                ),
            }
        };
        let (rows, critiques, own) = (at("rows.jsonl"), at("critiques.jsonl"), at("on-policy.jsonl"));
        let critic = text(&at("csft/result"));
        let sampling = &self.critique;
        let critique = [
            vec!["critique".to_owned(), "--model".into(), critic.clone()],
            vec![
                "--temperature".into(),
                sampling.temperature.to_string(),
                "--seed".into(),
                sampling.seed.to_string(),
            ],
            vec!["--max-tokens".into(), sampling.max_tokens.to_string(), "--out".into(), text(&critiques)],
            vec!["--resume".into(), text(&rows)],
        ]
        .concat();
        let (data, from, pairs) = (self.data.clone(), at("cloud/result"), rows.clone());
        let (joined, map) = (critiques.clone(), mapped.clone());
        let held = self.valid.clone();
        let held = Stage {
            name: "rows held out",
            makes: at("valid.jsonl"),
            work: Work::Write(Box::new(move |path| numbered(&held, &mapped, path))),
        };
        let mut stages = vec![
            Stage { name: "recipe", makes: at("recipe.toml"), work: write_text(toml(self)?) },
            config("csft", &self.csft)?,
            config("cloud", &self.cloud)?,
            Stage {
                name: "rows",
                makes: rows.clone(),
                work: Work::Write(Box::new(move |path| numbered(&data, &map, path))),
            },
            train("csft", self.model.clone(), &rows),
            Stage {
                name: "the model's own critiques",
                makes: at("critiques.done"),
                work: Work::Command(critique),
            },
            Stage {
                name: "on-policy rows",
                makes: own.clone(),
                work: Work::Write(Box::new(move |path| {
                    let mut file = std::io::BufWriter::new(create(path)?);
                    let kept = on_policy::join(&pairs, &joined, &mut file)?;
                    file.flush().map_err(|e| Error::io(path, e))?;
                    kept.check(&joined)
                })),
            },
            train("cloud", critic, &own),
            Stage {
                name: "result",
                makes: at("result"),
                work: Work::Write(Box::new(move |path| disk::copy_dir(&from, path, &|_| true))),
            },
        ];
        if own_valid {
            stages.insert(3, held);
        }
        Ok(stages)
    }
}

fn toml(value: &impl Serialize) -> Result<String> {
    toml::to_string(value)
        .map_err(|e| Error::invalid("the recipe", e.to_string(), "values TOML can hold", "Correct it."))
}

/// All rows in one file, each with an id.
fn numbered(files: &[PathBuf], map: &Map, to: &Path) -> Result<()> {
    let failed = |e| Error::io(to, e);
    let mut out = std::io::BufWriter::new(create(to)?);
    let mut number = 0;
    for file in files {
        let found = pairs(file, Options { map: map.clone(), ..Options::default() })?;
        if let Some((place, why)) = found.bad.first() {
            return Err(Error::invalid(
                place,
                format!("{why} ({} bad rows)", found.bad.len()),
                "rows with prompt, chosen, rejected, and the feedback of both",
                "Correct or remove these rows.",
            ));
        }
        for PairRow { mut row, .. } in found.rows {
            row.insert("id".into(), number.to_string().into());
            number += 1;
            serde_json::to_writer(&mut out, &row).map_err(|e| failed(e.into()))?;
            out.write_all(b"\n").map_err(failed)?;
        }
    }
    out.flush().map_err(failed)
}
