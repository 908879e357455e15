//! What is set for labelling: by flags, by `[label]` in `config.toml`, else as it comes.

use std::path::PathBuf;

use serde::Deserialize;

use crate::app::Setup;
use crate::label::Order;
use crate::{Error, Result};

/// What is set for labelling; `None`: not set here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelOptions {
    /// Reason tags.
    pub reasons: Option<Vec<String>>,
    /// Guidelines: a file of Markdown.
    pub guidelines: Option<PathBuf>,
    /// Labels to be reached.
    pub goal: Option<usize>,
    /// In which order pairs come: see [`Order`].
    pub order: Option<String>,
    /// Seed of orders and sides.
    pub seed: Option<u64>,
    /// Share of pairs that two people label, the others one.
    pub twice: Option<f64>,
    /// Critiques sampled where their spread is asked for.
    pub samples: Option<usize>,
}

impl LabelOptions {
    /// These, where they are set, else the other ones.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            reasons: self.reasons.or(other.reasons),
            guidelines: self.guidelines.or(other.guidelines),
            goal: self.goal.or(other.goal),
            order: self.order.or(other.order),
            seed: self.seed.or(other.seed),
            twice: self.twice.or(other.twice),
            samples: self.samples.or(other.samples),
        }
    }

    /// With the guidelines read and everything checked.
    ///
    /// # Errors
    /// Guidelines that cannot be read; an order or a share that is none.
    pub fn setup(self) -> Result<Setup> {
        let base = Setup::default();
        let guidelines = match self.guidelines {
            Some(path) => {
                let text = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
                Some((path.display().to_string(), String::from_utf8_lossy(&text).into_owned()))
            }
            None => None,
        };
        let order: Order = match self.order {
            Some(text) => text
                .parse()
                .map_err(|expected| Error::Usage(format!("order `{text}`: expected {expected}")))?,
            None => base.order,
        };
        if let Some(share) = self.twice.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::Usage(format!("twice {share}: expected a share from 0 to 1")));
        }
        Ok(Setup {
            reasons: self.reasons.unwrap_or(base.reasons),
            guidelines,
            goal: self.goal,
            order,
            seed: self.seed.unwrap_or(base.seed),
            twice: self.twice,
            samples: self.samples.unwrap_or(base.samples),
        })
    }
}
