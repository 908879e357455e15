//! The engine's whole contract: two enums and the data in them. One ticket = one row of work.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::checkpoint::{Bundled, Checkpoint, Message, Prompt, Reading, Spec};

/// Names one piece of work; chosen by the client, unique among its open tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Names a loaded model; chosen by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub u32);

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A model compiled into the binary.
    Bundled(Bundled),
    /// A folder in the reference's layout.
    Folder(PathBuf),
}

impl ModelSource {
    /// The demo model.
    pub const DEMO: Self = Self::Bundled(Bundled::Demo);

    /// Opens the checkpoint.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn open(&self) -> Result<Checkpoint> {
        match self {
            Self::Bundled(which) => Checkpoint::bundled(*which),
            Self::Folder(dir) => Checkpoint::open(dir),
        }
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best there is.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device by number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// What the engine is asked to do.
#[derive(Clone, Debug)]
pub enum Request {
    /// Load a model. Answers `Loaded` or `Failed`, then `Done`.
    Load {
        /// Names this work.
        ticket: Ticket,
        /// The name it will have; a model already there under this name is replaced.
        model: ModelId,
        /// Where it is.
        source: ModelSource,
        /// Where to compute.
        device: DeviceChoice,
    },
    /// Forget a model and everything cached for it.
    Unload {
        /// Which.
        model: ModelId,
    },
    /// Critique a row, then read the reward. A classic model gives the reward at once.
    /// Answers: `Prefill`*, `Started`, `Given`?, (`Token` | `StopHere`)*, `Critiqued` | `Failed` | `Cancelled`, `Done`.
    Critique {
        /// Names this work.
        ticket: Ticket,
        /// By which model.
        model: ModelId,
        /// What to judge.
        input: Input,
        /// Words the critique begins with, verbatim and in place (empty for a fresh critique); the model goes on from there.
        begin: CritiqueText,
        /// How.
        options: CritiqueOptions,
    },
    /// Read the reward of a given critique (or of no critique, for a classic model).
    /// Answers: `Prefill`*, `Started`, `Scored` | `Failed` | `Cancelled`, `Done`.
    Score {
        /// Names this work.
        ticket: Ticket,
        /// By which model.
        model: ModelId,
        /// What to judge.
        input: Input,
        /// The critique.
        critique: CritiqueText,
        /// How.
        options: ScoreOptions,
    },
    /// Name tokens of a loaded model. Answers `Named` or `Failed`, then `Done`, at once.
    Name {
        /// Names this work.
        ticket: Ticket,
        /// Of which model.
        model: ModelId,
        /// The ids.
        ids: Vec<u32>,
    },
    /// Stop and join. Open work answers `Cancelled`.
    Shutdown,
}

/// What is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// What was asked.
    pub prompt: Prompt,
    /// The answer.
    pub answer: String,
}

impl Input {
    /// One user turn and its answer.
    pub fn text(prompt: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { prompt: Prompt::Text(prompt.into()), answer: answer.into() }
    }

    /// The prompt as chat messages.
    pub fn messages(&self) -> Vec<Message> {
        match &self.prompt {
            Prompt::Text(content) => vec![Message { role: "user".into(), content: content.clone() }],
            Prompt::Messages(messages) => messages.clone(),
        }
    }
}

/// A critique given by the caller.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum CritiqueText {
    /// None (classic models), or nothing yet.
    #[default]
    None,
    /// Text, verbatim. In place it follows the critique prompt with a space between, unless it begins with whitespace.
    Text(String),
    /// Exactly these token ids; a closing end-of-turn is not counted twice.
    Ids(Vec<u32>),
}

/// How to read a reward.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ScoreOptions {
    /// Which reading.
    pub reading: Reading,
    /// In place of the reference's critique prompt.
    pub critique_prompt: Option<String>,
    /// Special tokens typed in texts act as tokens, as in the reference; otherwise they are escaped.
    pub raw_special: bool,
    /// Also the stop-here reward at every critique token.
    pub stop_here: bool,
    /// When a critique is scored in place: how many likely tokens [`Verdict::choices`] names at each of its tokens; 0: none.
    pub choices: usize,
    /// Stop-here rewards and choices of a critique scored in place only from this token on; what stands before was known.
    pub details_from: usize,
}

/// How to make critiques.
#[derive(Clone, Debug, PartialEq)]
pub struct CritiqueOptions {
    /// How to read the reward, and the prompt's rules.
    pub score: ScoreOptions,
    /// Most tokens of a critique.
    pub max_tokens: usize,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Number of critiques; sampled as one batch. Sample i uses seed `sampling.seed + i`.
    pub samples: usize,
    /// How many likely tokens each `Token` event carries.
    pub alternatives: usize,
}

impl Default for CritiqueOptions {
    fn default() -> Self {
        Self {
            score: ScoreOptions::default(),
            max_tokens: 1024,
            sampling: Sampling::default(),
            samples: 1,
            alternatives: 0,
        }
    }
}

/// How the next token is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus; `None` is off.
    pub top_p: Option<f64>,
    /// Only the k likeliest; `None` is off.
    pub top_k: Option<usize>,
    /// Only tokens at least this share of the likeliest one's probability; `None` is off.
    pub min_p: Option<f64>,
    /// Hugging Face semantics, over prompt and critique; the reference uses 1.01.
    pub repetition_penalty: f64,
    /// Seed of the first sample.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: None, top_k: None, min_p: None, repetition_penalty: 1.01, seed: 0 }
    }
}

/// What the engine tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model is there.
    Loaded {
        /// The request's ticket.
        ticket: Ticket,
        /// Its name.
        model: ModelId,
        /// What it is.
        info: Box<ModelInfo>,
    },
    /// The prompt is being read.
    Prefill {
        /// The request's ticket.
        ticket: Ticket,
        /// Tokens computed so far.
        done: usize,
        /// Tokens to compute.
        total: usize,
    },
    /// The prompt is read; tokens follow.
    Started {
        /// The request's ticket.
        ticket: Ticket,
        /// Tokens and where they come from.
        tokens: TokenCount,
        /// Special tokens that stood in the texts as text and were escaped (or acted, with `raw_special`).
        specials: Vec<String>,
    },
    /// The critique begins with given words: their tokens, read in place.
    Given {
        /// The request's ticket.
        ticket: Ticket,
        /// Ids and texts.
        tokens: Vec<(u32, String)>,
        /// Live reward at each.
        trace: Vec<f32>,
    },
    /// A critique grew by one token.
    Token {
        /// The request's ticket.
        ticket: Ticket,
        /// Which sample (from 0).
        sample: usize,
        /// The token.
        token: Box<CritiqueToken>,
    },
    /// The stop-here reward of a token already sent.
    StopHere {
        /// The request's ticket.
        ticket: Ticket,
        /// Which sample (from 0).
        sample: usize,
        /// Index into the critique's tokens.
        index: usize,
        /// Reward if the critique ended after it.
        reward: f32,
    },
    /// The critiques are complete: the authoritative texts and numbers.
    Critiqued {
        /// The request's ticket.
        ticket: Ticket,
        /// One verdict per sample, in order.
        verdicts: Vec<Verdict>,
    },
    /// The reward of a given critique.
    Scored {
        /// The request's ticket.
        ticket: Ticket,
        /// The reading.
        verdict: Box<Verdict>,
    },
    /// Texts of the ids of a `Name` request, in order.
    Named {
        /// The request's ticket.
        ticket: Ticket,
        /// One text for each id.
        texts: Vec<String>,
    },
    /// The work failed; nothing else was touched.
    Failed {
        /// The request's ticket.
        ticket: Ticket,
        /// What to tell the user.
        error: String,
    },
    /// The work was cancelled; what had been sent stands.
    Cancelled {
        /// The request's ticket.
        ticket: Ticket,
    },
    /// The last event of a ticket.
    Done {
        /// The request's ticket.
        ticket: Ticket,
    },
    /// The engine thread ended (a panic); no event follows.
    Down {
        /// What it said.
        reason: String,
    },
}

/// One generated token with what was known when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct CritiqueToken {
    /// Position in the critique, from 0.
    pub index: usize,
    /// Id.
    pub id: u32,
    /// Text that became complete with this token (may be empty inside a multi-byte character).
    pub text: String,
    /// Live reward: the head read at this token (in place).
    pub reward: f32,
    /// Probability the model gave it (softmax of the raw logits, temperature 1).
    pub probability: f32,
    /// The likeliest tokens at this place, best first.
    pub alternatives: Vec<Alternative>,
}

/// A token that could have stood here.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// Its probability.
    pub probability: f32,
}

/// What the model thought at the place of a token that it did not write.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Probability of the token that stands there (softmax of the raw logits, temperature 1).
    pub probability: f32,
    /// The likeliest tokens there, best first.
    pub alternatives: Vec<Alternative>,
}

/// A critique with its reward and how both came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The reward; equals the last item of `trace` when there is one.
    pub reward: f32,
    /// How it was read.
    pub reading: Reading,
    /// The critique's text; `None` for a classic model. In place: as generated, one leading space taken off;
    /// re-encoded: stripped and cleaned up.
    pub critique: Option<String>,
    /// Generated (or given) ids, with the closing end-of-turn if it came; empty for a classic model.
    pub critique_token_ids: Vec<u32>,
    /// Whether `critique` alone, fed back, gives these ids again.
    pub text_is_exact: bool,
    /// Why generation ended; `None` when the critique was given.
    pub stopped: Option<Stopped>,
    /// Head at each critique token and the closing end-of-turn; empty for a classic model.
    pub trace: Vec<f32>,
    /// Tokens `trace` runs over (end-of-turn included): id and text. In place: the critique's; re-encoded: from `critique_start`.
    pub trace_tokens: Vec<(u32, String)>,
    /// Stop-here rewards, one less than `trace`; `None` when not asked for. NaN before `details_from`.
    pub stop_here: Option<Vec<f32>>,
    /// What the model thought at the place of each token of a scored critique (end-of-turn included), from `details_from`
    /// on; empty when not asked for.
    pub choices: Vec<Choice>,
    /// Ids of the prompt.
    pub prompt_token_ids: Vec<u32>,
    /// Token counts.
    pub tokens: TokenCount,
    /// Seed that was used, if any chance was involved.
    pub seed: Option<u64>,
    /// Seconds.
    pub timing: Timing,
}

/// Why a critique ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The model closed its turn.
    Eot,
    /// The model ended the text.
    Eos,
    /// The limit was reached (of tokens, or of the context).
    MaxTokens,
}

/// How many tokens, and how many of them were not computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenCount {
    /// Of the prompt, answer and critique prompt.
    pub prompt: usize,
    /// Of the critique: the length of its `critique_token_ids`.
    pub critique: usize,
    /// Of these, taken from earlier work.
    pub reused: usize,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Reading the prompt (and a given critique), seconds.
    pub prefill_s: f64,
    /// Writing the critique, seconds.
    pub decode_s: f64,
}

/// What a loaded model is.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// As the user calls it.
    pub name: String,
    /// SHA-256 over configuration and weights, first 16 hex digits.
    pub fingerprint: String,
    /// The spec with its reasons.
    pub spec: Spec,
    /// Number of weights.
    pub parameters: usize,
    /// `f32`, ...
    pub dtype: String,
    /// `cpu`, `cuda:0`, ...
    pub device: String,
    /// Bytes of weights in memory.
    pub bytes: usize,
    /// Seconds to load.
    pub load_s: f64,
}
