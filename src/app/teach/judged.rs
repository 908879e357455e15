//! Before and after: both models over the same rows, and which of them are looked at.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::checkpoint::Prompt;

use super::{Change, Comparison, Pair};

/// Which rows are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// Those whose preference changed, broken ones first.
    #[default]
    Changed,
    /// Those that are right now and were wrong.
    Fixed,
    /// The other way round.
    Broken,
    /// All of them.
    All,
}

impl Show {
    /// The next kind.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Changed => Self::Fixed,
            Self::Fixed => Self::Broken,
            Self::Broken => Self::All,
            Self::All => Self::Changed,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Fixed => "fixed",
            Self::Broken => "broken",
            Self::All => "all",
        }
    }
}

/// A set of rows under both models.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// What it is: rows learned from, rows held out, others.
    pub name: String,
    /// The numbers.
    pub comparison: Comparison,
    /// Prompt, chosen and rejected answer, by the rows' ids.
    pub texts: HashMap<String, (Prompt, String, String)>,
}

/// Both models over the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The run.
    pub run: PathBuf,
    /// How far it is; empty once it is done.
    pub way: String,
    /// Why there is none.
    pub error: Option<String>,
    /// A set of rows each.
    pub sets: Vec<Set>,
    /// The set that is shown.
    pub set: usize,
    /// Which rows are listed.
    pub show: Show,
    /// The picked row among those.
    pub picked: usize,
    /// Rows the critiques are scrolled.
    pub top: usize,
}

impl Judged {
    /// Being made.
    pub fn new(run: PathBuf) -> Self {
        let way = "both models judge the same rows".into();
        Self { run, way, error: None, sets: Vec::new(), set: 0, show: Show::default(), picked: 0, top: 0 }
    }

    /// The shown set.
    pub fn shown(&self) -> Option<&Set> {
        self.sets.get(self.set)
    }

    /// The listed rows: broken ones first, then fixed ones, the largest change of the scaled margin first.
    pub fn rows(&self) -> Vec<&Pair> {
        let wanted = |pair: &&Pair| match self.show {
            Show::Changed => matches!(pair.change, Change::Fixed | Change::Broken),
            Show::Fixed => pair.change == Change::Fixed,
            Show::Broken => pair.change == Change::Broken,
            Show::All => true,
        };
        let mut rows: Vec<&Pair> =
            self.shown().map(|set| &set.comparison.rows).into_iter().flatten().filter(wanted).collect();
        let rank = |pair: &Pair| match pair.change {
            Change::Broken => 0,
            Change::Fixed => 1,
            Change::StillWrong => 2,
            Change::StillRight => 3,
        };
        let moved = |pair: &Pair| (pair.new.scaled - pair.old.scaled).abs();
        rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| moved(b).total_cmp(&moved(a))));
        rows
    }

    /// The picked row.
    pub fn pair(&self) -> Option<&Pair> {
        let rows = self.rows();
        rows.get(self.picked.min(rows.len().saturating_sub(1))).copied()
    }
}
