//! A take: one (prompt, answer, critique, reward) and how it came about.

use std::sync::Arc;
use std::time::Duration;

use super::Side;
use crate::engine::{Alternative, CritiqueText, CritiqueToken, Input, ModelId, TokenCount, Verdict};
use crate::session::EventId;

/// Names a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TakeId(pub usize);

/// How a take came about.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// The answer was edited; not yet run when its phase is [`Phase::Draft`].
    Edited,
    /// A greedy critique.
    Greedy,
    /// A sampled critique.
    Sampled {
        /// Its seed.
        seed: u64,
        /// Its temperature.
        temperature: f64,
    },
    /// The critique was edited by hand; its reward is that of the words as they stand.
    Rewritten,
    /// The model went on from given words.
    Continued,
    /// Another token was taken at a place of the critique.
    Steered {
        /// Index of the token.
        at: usize,
        /// The text taken there.
        to: String,
    },
}

impl How {
    /// In a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Edited => "answer edited".into(),
            Self::Greedy => "greedy".into(),
            Self::Sampled { seed, .. } => format!("seed {seed}"),
            Self::Rewritten => "critique edited".into(),
            Self::Continued => "continued".into(),
            Self::Steered { at, to } => format!("steered at {} to ‘{}’", at + 1, to.trim()),
        }
    }
}

/// How far a take is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Not run.
    Draft,
    /// Handed to the engine.
    Waiting,
    /// The prompt is being read.
    Prefill {
        /// Tokens computed.
        done: usize,
        /// Tokens to compute.
        total: usize,
    },
    /// The critique is arriving.
    Streaming,
    /// Its words are there; their reward is being read. Tokens and verdict are of the words before.
    Scoring,
    /// Complete; the verdict is there.
    Complete,
    /// Stopped by the user; what had arrived stays.
    Stopped,
    /// Failed.
    Failed(String),
}

impl Phase {
    /// The engine still works on it.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Waiting | Self::Prefill { .. } | Self::Streaming | Self::Scoring)
    }
}

/// The second reading of a complete take.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum ReEncoded {
    /// Not asked for.
    #[default]
    Not,
    /// Asked for.
    Waiting,
    /// There.
    Read(Box<Verdict>),
    /// Could not be read.
    Failed(String),
}

/// A token of a critique.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Id.
    pub id: u32,
    /// Text that became complete with it.
    pub text: String,
    /// Reward read at it, in place.
    pub reward: f32,
    /// Reward if the critique ended after it.
    pub stop_here: Option<f32>,
    /// Probability the model gave it; `None` for the closing end-of-turn and given critiques.
    pub probability: Option<f32>,
    /// What else could have stood here, best first.
    pub alternatives: Vec<Alternative>,
}

impl From<CritiqueToken> for Token {
    fn from(t: CritiqueToken) -> Self {
        Self {
            id: t.id,
            text: t.text,
            reward: t.reward,
            stop_here: None,
            probability: Some(t.probability),
            alternatives: t.alternatives,
        }
    }
}

/// One (prompt, answer, critique, reward).
#[derive(Clone, Debug, PartialEq)]
pub struct Take {
    /// Its name.
    pub id: TakeId,
    /// The take it was made from.
    pub parent: Option<TakeId>,
    /// Index of its example.
    pub example: usize,
    /// Which answer of the example.
    pub side: Side,
    /// Prompt and answer as they were judged.
    pub input: Input,
    /// How it came about.
    pub how: How,
    /// As the user calls it.
    pub name: Option<String>,
    /// Its name in a session that it came from.
    pub kept: Option<EventId>,
    /// By which model.
    pub model: ModelId,
    /// In place of the reference's critique prompt.
    pub rubric: Option<Arc<str>>,
    /// Words of the critique that were given: its beginning or, when it was rewritten, all of it.
    pub given: CritiqueText,
    /// How far it is.
    pub phase: Phase,
    /// The critique so far, closing end-of-turn included.
    pub tokens: Vec<Token>,
    /// The complete verdict, in place.
    pub verdict: Option<Box<Verdict>>,
    /// The second reading.
    pub re_encoded: ReEncoded,
    /// Token counts, from the start of the critique.
    pub counts: TokenCount,
    /// Special tokens that stood in the texts.
    pub specials: Vec<String>,
    /// When the first and the newest token came, and how many had come at `rate_at`.
    pub clock: TakeClock,
}

/// When tokens came, for the rate on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct TakeClock {
    /// When the first token came.
    pub first: Option<Duration>,
    /// When the rate was computed.
    pub rated: Duration,
    /// Tokens per second then.
    pub rate: Option<f64>,
    /// Live and stop-here reward as the large number and the meter show them.
    pub shown: Option<(f32, Option<f32>)>,
    /// Since when.
    pub shown_at: Duration,
}

impl Take {
    /// A take of an input, not run.
    pub fn new(example: usize, side: Side, input: Input, how: How) -> Self {
        Self {
            id: TakeId(usize::MAX),
            parent: None,
            example,
            side,
            input,
            how,
            name: None,
            kept: None,
            model: ModelId(0),
            rubric: None,
            given: CritiqueText::None,
            phase: Phase::Draft,
            tokens: Vec::new(),
            verdict: None,
            re_encoded: ReEncoded::Not,
            counts: TokenCount::default(),
            specials: Vec::new(),
            clock: TakeClock::default(),
        }
    }

    /// A take made from `parent`: the same example, input, model and rubric.
    pub fn from(parent: &Self, how: How) -> Self {
        let mut take = Self::new(parent.example, parent.side, parent.input.clone(), how);
        (take.parent, take.model, take.rubric) = (Some(parent.id), parent.model, parent.rubric.clone());
        take
    }

    /// Its verdict, if that is of the words as they stand.
    pub fn settled(&self) -> Option<&Verdict> {
        self.verdict.as_deref().filter(|_| self.phase == Phase::Complete)
    }

    /// The critique's words: as typed if it was rewritten, else as the verdict tells, else as far as they have come.
    pub fn words(&self) -> String {
        match (&self.given, self.verdict.as_ref().and_then(|v| v.critique.as_ref())) {
            (CritiqueText::Text(text), _) if self.how == How::Rewritten => text.clone(),
            (_, Some(text)) => text.clone(),
            _ => {
                let text: String = self.tokens.iter().map(|t| t.text.as_str()).collect();
                text.trim_start_matches(' ').to_owned()
            }
        }
    }

    /// Ids of its first `count` tokens.
    pub fn ids(&self, count: usize) -> Vec<u32> {
        self.tokens.iter().take(count).map(|t| t.id).collect()
    }

    /// How many tokens at the beginning have a stop-here reward and a probability.
    pub fn detailed(&self) -> usize {
        self.tokens.iter().take_while(|t| t.stop_here.is_some() && t.probability.is_some()).count()
    }

    /// What sets this take apart from a greedy one of the text as it came: for a number shown away from its critique.
    pub fn manner(&self) -> String {
        match (&self.how, self.phase.is_running()) {
            (_, true) => " live".into(),
            (How::Sampled { seed, .. }, _) => format!(" seed {seed}"),
            _ => String::new(),
        }
    }

    /// The reward to show: final, or live.
    pub fn reward(&self) -> Option<f32> {
        match &self.verdict {
            Some(verdict) => Some(verdict.reward),
            None => self.tokens.last().map(|t| t.reward),
        }
    }

    /// The reward and stop-here reward to show large: a live one follows a few times a second, so that it can be read.
    pub fn large(&self) -> Option<(f32, Option<f32>)> {
        match &self.verdict {
            Some(verdict) => Some((verdict.reward, None)),
            None if self.phase.is_running() => self.clock.shown,
            None => self.reward().map(|r| (r, self.stop_here())),
        }
    }

    /// The newest stop-here reward.
    pub fn stop_here(&self) -> Option<f32> {
        self.tokens.iter().rev().find_map(|t| t.stop_here)
    }

    /// How much token `index` moved the live reward; `None` for the first.
    pub fn change(&self, index: usize) -> Option<f32> {
        let before = self.tokens.get(index.checked_sub(1)?)?;
        Some(self.tokens.get(index)?.reward - before.reward)
    }

    /// How much token `index` moved the stop-here reward.
    pub fn stop_here_change(&self, index: usize) -> Option<f32> {
        let before = self.tokens.get(index.checked_sub(1)?)?.stop_here?;
        Some(self.tokens.get(index)?.stop_here? - before)
    }

    /// Token indices by how much each moved the reward (stop-here where known everywhere, else live), most first.
    pub fn by_change(&self) -> Vec<usize> {
        let all = 1..self.tokens.len();
        let by = |f: &dyn Fn(usize) -> Option<f32>| {
            let mut known: Vec<(usize, f32)> =
                all.clone().filter_map(|i| f(i).map(|c| (i, c.abs()))).collect();
            known.sort_by(|a, b| b.1.total_cmp(&a.1));
            known.into_iter().map(|(i, _)| i).collect::<Vec<_>>()
        };
        let stop_here = by(&|i| self.stop_here_change(i));
        if stop_here.is_empty() { by(&|i| self.change(i)) } else { stop_here }
    }
}
