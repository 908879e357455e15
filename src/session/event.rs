//! What can happen in a session. Events are appended, never updated.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, EventId, Label, Review};
use crate::checkpoint::{Prompt, Reading};

/// One event; `kind` names it in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The session was opened on data and a model.
    Opened(Opened),
    /// An example was met: where it stands in the data.
    Example(Placed),
    /// A take was made; the event's id is the take's name for ever.
    Take(Box<TakeMade>),
    /// The words of a take were typed on: how it is now.
    Retyped {
        /// The take.
        take: EventId,
        /// All of it.
        made: Box<TakeMade>,
    },
    /// A take has a critique and a reward; one event for each reading.
    Judged(Judged),
    /// A take was named; an empty name takes the name away.
    Named {
        /// The take.
        take: EventId,
        /// Its name.
        name: String,
    },
    /// A label, whole.
    Label(Box<Label>),
    /// A review of a critique, whole.
    Review(Box<Review>),
    /// Events that shall not count; undone itself, they count again.
    Undo {
        /// Which.
        events: Vec<EventId>,
    },
    /// Several at once: saved as one, undone as one.
    Bulk {
        /// Which.
        events: Vec<Self>,
    },
    /// What stands beside it in a bulk was said elsewhere.
    Imported(Origin),
    /// Rewards or critiques of these examples were on the annotator's screen: labels given after it were not given blind.
    Seen {
        /// Which.
        examples: Vec<Digest>,
    },
    /// Where the screen stood.
    View(View),
    /// A training run belongs to the session.
    Run {
        /// Its folder; relative ones start from the session's.
        folder: PathBuf,
    },
    /// A trained model was kept with the session's, or dropped.
    Model(Box<Model>),
    /// Of a kind that this version does not know; kept as it is.
    #[serde(untagged)]
    Unknown(Value),
}

impl Event {
    /// Its kind, as it is written.
    pub fn kind(&self) -> &str {
        match self {
            Self::Opened(_) => "opened",
            Self::Example(_) => "example",
            Self::Take(_) => "take",
            Self::Retyped { .. } => "retyped",
            Self::Judged(_) => "judged",
            Self::Named { .. } => "named",
            Self::Label(_) => "label",
            Self::Review(_) => "review",
            Self::Undo { .. } => "undo",
            Self::Bulk { .. } => "bulk",
            Self::Imported(_) => "imported",
            Self::Seen { .. } => "seen",
            Self::View(_) => "view",
            Self::Run { .. } => "run",
            Self::Model(_) => "model",
            Self::Unknown(value) => value.get("kind").and_then(Value::as_str).unwrap_or("unknown"),
        }
    }

    /// Whether it is a step of a person that `undo` goes back over.
    pub fn is_step(&self) -> bool {
        matches!(
            self,
            Self::Take(_)
                | Self::Retyped { .. }
                | Self::Named { .. }
                | Self::Label(_)
                | Self::Review(_)
                | Self::Bulk { .. }
        )
    }

    /// The example it speaks of, where it names one itself.
    pub fn example(&self) -> Option<&Digest> {
        match self {
            Self::Example(placed) => Some(&placed.example),
            Self::Take(take) => Some(&take.example),
            Self::Retyped { made, .. } => Some(&made.example),
            Self::Label(label) => Some(&label.example),
            Self::Review(review) => Some(&review.example),
            Self::View(view) => view.example.as_ref(),
            _ => None,
        }
    }

    /// The contents it refers to: folder and name.
    pub fn contents(&self) -> Vec<(&'static str, &Digest)> {
        let example = |digest| (super::object::EXAMPLES, digest);
        let critique = |digest| (super::object::CRITIQUES, digest);
        match self {
            Self::Judged(judged) => vec![critique(&judged.critique)],
            Self::Review(review) => {
                let critiques = review.critique.iter().map(critique);
                critiques.chain([example(&review.example)]).collect()
            }
            Self::Bulk { events } => events.iter().flat_map(Self::contents).collect(),
            other => other.example().map(example).into_iter().collect(),
        }
    }

    /// The events it refers to.
    pub fn references(&self) -> Vec<&EventId> {
        match self {
            Self::Take(take) => take.parent.iter().collect(),
            Self::Judged(Judged { take, .. }) | Self::Named { take, .. } => vec![take],
            Self::Retyped { take, made } => made.parent.iter().chain([take]).collect(),
            Self::Label(label) => label.adopted.iter().collect(),
            Self::Undo { events } => events.iter().collect(),
            Self::Bulk { events } => events.iter().flat_map(Self::references).collect(),
            Self::View(view) => view.take.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Where something comes from that was not said here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The file's name.
    pub file: String,
    /// Its format: `argilla`, `label-studio`, `table`, ...
    pub format: String,
    /// The record: its place in the file.
    pub record: String,
    /// Of what was said: the same statement is taken in once.
    pub digest: Digest,
}

/// A trained model that was kept under a name, or dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name among the session's models; of a run that was dropped with its result, the run's.
    pub name: String,
    /// Kept; else dropped.
    pub kept: bool,
    /// Its folder; relative ones start from the session's.
    pub folder: PathBuf,
    /// Its lineage.json: base, parent, data with their hash, recipe, steps, run.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub lineage: Value,
}

impl Model {
    /// In a line: kept or dropped, run, base, data.
    pub fn describe(&self) -> String {
        let text = |path: &str| self.lineage.pointer(path).and_then(Value::as_str);
        let short = |text: &str| text.chars().take(12).collect::<String>();
        let mut parts = vec![if self.kept { "kept".to_owned() } else { "dropped".to_owned() }];
        parts.extend(text("/run").map(|run| format!("run {run}")));
        parts.extend(text("/base/model").map(|base| {
            let print = text("/base/fingerprint").map(|f| format!(" ({})", short(f))).unwrap_or_default();
            format!("base {base}{print}")
        }));
        let parent = text("/parent/source").filter(|parent| Some(*parent) != text("/base/model"));
        parts.extend(parent.map(|parent| format!("parent {parent}")));
        parts.extend(text("/data/sha256").map(|sha| format!("data {}", short(sha))));
        parts.join(", ")
    }
}

/// On what a session was opened.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Opened {
    /// Files of rows, absolute; none: the demo's examples.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// The model, as it was called.
    #[serde(default)]
    pub model: String,
    /// Version of this program.
    #[serde(default)]
    pub version: String,
}

/// Where an example stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Its content.
    pub example: Digest,
    /// Its row's `id`.
    pub id: String,
    /// Its place in the data, from 0; `None`: typed by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
}

/// A take as it was made. Texts are given where they differ from the example's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeMade {
    /// Its example.
    pub example: Digest,
    /// Index of the answer it began from.
    pub answer: usize,
    /// The take it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EventId>,
    /// How it came about.
    pub how: How,
    /// The prompt, edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// The answer, edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The critique prompt, edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique_prompt: Option<String>,
    /// The critique as it was edited, or the words it was continued from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique: Option<String>,
}

/// How a take came about.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct How {
    /// `greedy`, `sampled`, `edited` (the answer), `rewritten` (the critique), `continued`, `steered`, `imported`.
    pub way: String,
    /// Index of the token it was continued or steered from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
    /// The text put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Seed, where chance was involved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Temperature, where chance was involved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// A take's critique and reward in one reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The take.
    pub take: EventId,
    /// How the reward was read.
    pub reading: Reading,
    /// The reward.
    pub reward: f32,
    /// The critique with all that was measured on it.
    pub critique: Digest,
    /// How it came about in the end, where that is not what the take said: an edit that was run later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<How>,
}

/// Where the screen stood.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct View {
    /// The screen.
    pub screen: String,
    /// The pane with the focus.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub focus: String,
    /// The example, and its place in the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Digest>,
    /// See `example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// Index of the answer.
    #[serde(default)]
    pub answer: usize,
    /// The take on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<EventId>,
    /// Lines scrolled in prompt and answer.
    #[serde(default)]
    pub scroll: usize,
    /// First line of the critique; `None` follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique_scroll: Option<usize>,
    /// The cursor over the critique's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<usize>,
}
