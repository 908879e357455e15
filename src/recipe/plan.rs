//! The recipe's numbers: `demo.toml`, with a file of the user's over it.

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::stories::blueprint::Shape;
use crate::{Error, Result};

/// Everything a run of the recipe depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// Everything drawn follows from it.
    pub seed: u32,
    /// The model.
    pub shape: Shape,
    /// How many rows are written.
    pub rows: RowCounts,
    /// Rounds of varied stories.
    pub varied: Vec<Round>,
    /// How the model writes its own critiques.
    pub critique: Sampling,
    /// Configurations of `outloud train`, as it reads them.
    pub train: Train,
}

/// Rows of each data file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RowCounts {
    /// Drills before any story.
    pub drills: usize,
    /// Stories with oracle critiques.
    pub csft: usize,
    /// Share of drills among them.
    pub csft_drills: f64,
    /// Stories the model writes its own critiques on.
    pub pairs: usize,
    /// Stories for the classic twin.
    pub classic: usize,
}

/// Critiques of stories that have to be read, not recognised (see [`crate::stories::Options`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Round {
    /// Pairs.
    pub rows: usize,
    /// Share of drills.
    pub drills: f64,
    /// Share of noisy stories among the others.
    pub noise: f64,
    /// Share of stories with made-up words.
    pub invented: f64,
    /// Share of verbs among noise in sentences of products and quotients.
    pub verbs: f64,
    /// Share of stories from the wider scenes.
    #[serde(default)]
    pub wider: f64,
}

/// Sampling of the model's own critiques.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sampling {
    /// Temperature.
    pub temperature: f64,
    /// Longest critique; one that does not end by then is not learned from.
    pub max_tokens: usize,
}

/// `--config` of each training stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Train {
    /// Critiques of drills, from random weights.
    pub drills: Table,
    /// Oracle critiques of stories.
    pub csft: Table,
    /// Oracle critiques of varied stories.
    pub varied: Table,
    /// CLoud, on-policy and off-policy alike.
    pub cloud: Table,
    /// The classic twin, from random weights.
    pub classic: Table,
}

const DEMO: &str = include_str!("demo.toml");

impl Plan {
    /// The recipe as shipped.
    ///
    /// # Errors
    /// When the file compiled in is malformed (a test reads it).
    pub fn demo() -> Result<Self> {
        Self::layered(None)
    }

    /// The recipe with the keys of a file (its place and text) over it.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the file for what is no TOML, an unknown key or a bad value.
    pub fn layered(file: Option<(&str, &str)>) -> Result<Self> {
        let place = file.map_or("demo.toml", |(place, _)| place);
        let invalid = |found: &toml::de::Error| {
            Error::invalid(
                place,
                found.to_string().trim().to_owned(),
                "keys and values as in src/recipe/demo.toml",
                "Correct the file.",
            )
        };
        let mut table: Table = DEMO.parse().map_err(|e| invalid(&e))?;
        if let Some((_, text)) = file {
            merge(&mut table, text.parse().map_err(|e| invalid(&e))?);
        }
        table.try_into().map_err(|e| invalid(&e))
    }

    /// The plan as TOML: what `recipe.toml` of a run holds.
    ///
    /// # Errors
    /// None in practice; every field has a TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|e| Error::invalid("the recipe", e.to_string(), "values TOML can hold", "Correct it."))
    }
}

pub(super) fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(outer)) => merge(inner, outer),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
