//! One ticket's work as a state machine: read the prompt, write critiques, read the reward.

use std::time::{Duration, Instant};

use super::choose::Chooser;
use super::{
    Choice, CritiqueOptions, CritiqueText, Input, ModelId, ScoreOptions, Stopped, Ticket, TokenCount,
};
use crate::checkpoint::{Formatted, Reading};
use crate::model::KvCache;

/// What a ticket asked for.
pub enum Task {
    /// Write critiques, then read.
    Critique(CritiqueOptions),
    /// Read.
    Score(ScoreOptions),
}

impl Task {
    /// How the reward is read.
    pub fn score(&self) -> &ScoreOptions {
        match self {
            Self::Critique(options) => &options.score,
            Self::Score(options) => options,
        }
    }

    /// How many rows of a batch this needs.
    pub fn width(&self) -> usize {
        match self {
            Self::Critique(options) => options.samples.max(1),
            Self::Score(_) => 1,
        }
    }
}

/// A ticket waiting for its turn.
pub struct Waiting {
    /// Its name.
    pub ticket: Ticket,
    /// By which model.
    pub model: ModelId,
    /// What to judge.
    pub input: Input,
    /// The critique, or its beginning.
    pub critique: CritiqueText,
    /// What to do.
    pub task: Task,
}

/// A ticket at work.
pub struct Job {
    /// Its name.
    pub ticket: Ticket,
    /// By which model.
    pub model: ModelId,
    /// What to do.
    pub task: Task,
    /// The prompt as the model reads it.
    pub formatted: Formatted,
    /// Ids of the critique that the caller began or gave.
    pub given: Vec<u32>,
    /// Text of the critique that the caller gave, if it was text.
    pub given_text: Option<String>,
    /// The prompt's own computation (with the begun critique), until the samples part from it.
    pub prompt: Option<Lane>,
    /// One per critique.
    pub samples: Vec<Sample>,
    /// Tokens taken from earlier work while the prompt was read.
    pub reused: usize,
    /// When work on it began.
    pub started: Instant,
    /// Until the prompt was read.
    pub prefill: Duration,
}

/// A text being computed: its ids, and the computation of the first `cache.len()` of them.
pub struct Lane {
    /// The whole text so far.
    pub ids: Vec<u32>,
    /// What is computed.
    pub cache: KvCache,
    /// What had to be computed when this lane began.
    pub total: usize,
}

impl Lane {
    /// A lane over `ids` that goes on from `cache`.
    pub fn new(ids: Vec<u32>, cache: KvCache) -> Self {
        let total = ids.len() - cache.len();
        Self { ids, cache, total }
    }

    /// Ids not computed yet, at most `limit`.
    pub fn pending(&self, limit: usize) -> &[u32] {
        let rest = self.ids.get(self.cache.len()..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }

    /// True when everything is computed.
    pub fn complete(&self) -> bool {
        self.cache.len() == self.ids.len()
    }
}

/// One critique being written and read.
pub struct Sample {
    /// The text and its computation.
    pub lane: Lane,
    /// Where it stands.
    pub phase: Phase,
    /// Chooses its tokens; `None` when the critique was given.
    pub chooser: Option<Chooser>,
    /// Its seed, if chance is involved.
    pub seed: Option<u64>,
    /// Turns ids into text as they come.
    pub detokenizer: Option<crate::checkpoint::Detokenizer>,
    /// The critique's ids, generated or given, with the closing end-of-turn if it came.
    pub critique: Vec<u32>,
    /// Why the writing ended.
    pub stopped: Option<Stopped>,
    /// First position the trace runs over.
    pub start: usize,
    /// Rewards from `start` on.
    pub trace: Vec<f32>,
    /// Stop-here rewards by position after `start`.
    pub stop_here: Vec<f32>,
    /// What the model thought at each place, from `details_from` on.
    pub choices: Vec<Choice>,
    /// Whether everything so far was found in the prefix tree, so that the next token may be, too.
    pub on_tree: bool,
    /// Tokens of the critique taken from earlier work.
    pub reused: usize,
    /// The re-encoded critique's text.
    pub clean: Option<String>,
    /// Chosen, not yet computed: with the choice's probability and alternatives.
    pub chosen: Option<Chosen>,
    /// When it ended.
    pub finished: Option<Instant>,
}

/// A token that was chosen and now has to be computed.
pub struct Chosen {
    /// Id.
    pub id: u32,
    /// Its probability.
    pub probability: f32,
    /// Likely tokens at its place.
    pub alternatives: Vec<(u32, f32)>,
    /// Whether it is the end-of-turn that closes the critique.
    pub closing: bool,
}

/// Where a sample stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A token has to be chosen.
    Choosing,
    /// The chosen token (in `chosen`) has to be computed.
    Writing,
    /// The text is complete and has to be tokenised anew (re-encoded reading).
    Rereading,
    /// The rest of the lane has to be computed for the final reading.
    Reading,
    /// Stop-here rewards have to be read, one fork per position.
    Stopping,
    /// What the model thought at each place has to be computed, if wanted.
    Weighing,
    /// All numbers are there.
    Finished,
}

impl Job {
    /// True when every sample is finished.
    pub fn finished(&self) -> bool {
        self.prompt.is_none() && self.samples.iter().all(|s| s.phase == Phase::Finished)
    }

    /// The first critique token whose details are wanted; re-encoded, all are.
    pub fn details_from(&self) -> usize {
        let options = self.task.score();
        if options.reading == Reading::InPlace { options.details_from } else { 0 }
    }

    /// Token counts of one sample.
    pub fn tokens(&self, sample: &Sample) -> TokenCount {
        TokenCount {
            prompt: self.formatted.ids.len(),
            critique: sample.critique.len(),
            reused: self.reused + sample.reused,
        }
    }
}
