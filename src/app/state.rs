//! What is true now: plain data, and questions about it that need no drawing.

use std::collections::HashMap;
use std::time::Duration;

use super::{Action, Binding, Context, Example, Key, Keymap, Layer, Search, Side, Take, TakeId, Takes};
use crate::engine::{DeviceChoice, Input, ModelInfo, ModelSource, Ticket};

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// One example, its critique and reward.
    Inspect,
}

/// A pane of the Inspect screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Focus {
    /// The list.
    Examples,
    /// Prompt and answer.
    Text,
    /// Critique and trace.
    Critique,
}

/// The model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelState {
    /// On its way.
    Loading,
    /// There.
    Ready(Box<ModelInfo>),
    /// Not to be had; the error.
    Failed(String),
    /// The engine thread ended; what it said.
    Down(String),
}

/// What colours the critique's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Paint {
    /// The stop-here reward.
    #[default]
    StopHere,
    /// The live reward at each token.
    Reward,
    /// How much each token moved the reward.
    Change,
    /// Nothing.
    Plain,
}

/// What the chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Series {
    /// The live reward.
    #[default]
    Live,
    /// The stop-here reward.
    StopHere,
}

/// What a running ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Loading the model.
    Load,
    /// The critique of a take.
    Critique(TakeId),
    /// The re-encoded reading of a take.
    ReEncode(TakeId),
}

/// A place in a text that stays on the screen when rows change: a view is anchored to its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Anchor {
    /// Visible characters before it (white space not counted).
    pub at: usize,
    /// Rows shown above it.
    pub above: usize,
}

/// How far things can be scrolled; drawing tells.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Most rows prompt and answer can be scrolled.
    pub text: usize,
    /// The first row of prompt and answer as it was drawn.
    pub text_top: usize,
    /// What stands there, as [`Anchor::at`].
    pub text_at: usize,
    /// Where matches of the search begin in prompt and answer, as [`Anchor::at`].
    pub text_found: Vec<usize>,
    /// The critique's first row as it was drawn.
    pub critique_top: usize,
    /// What stands there, as [`Anchor::at`].
    pub critique_at: usize,
    /// Tokens of the critique with which matches of the search begin.
    pub critique_found: Vec<usize>,
    /// Most rows the critique can be scrolled.
    pub critique: usize,
    /// Most rows the topmost layer can be scrolled.
    pub layer: usize,
    /// Where the panes stand: left, top, right, bottom (exclusive).
    pub panes: [Option<(Focus, [u16; 4])>; 3],
}

impl Limits {
    /// The pane at a cell.
    pub fn pane_at(&self, x: u16, y: u16) -> Option<Focus> {
        let inside =
            |[left, top, right, bottom]: [u16; 4]| (left..right).contains(&x) && (top..bottom).contains(&y);
        self.panes.iter().flatten().find(|(_, area)| inside(*area)).map(|(focus, _)| *focus)
    }
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    /// The keys.
    pub keymap: Keymap,
    /// Where the model comes from.
    pub source: ModelSource,
    /// Where it computes.
    pub device: DeviceChoice,
    /// The model.
    pub model: ModelState,
    /// What can be judged.
    pub examples: Vec<Example>,
    /// Index of the shown example.
    pub selected: usize,
    /// The shown answer of a pair.
    pub side: Side,
    /// All takes.
    pub takes: Takes,
    /// The take shown for each example's answer.
    pub shown: HashMap<(usize, Side), TakeId>,
    /// Open tickets. An event of any other ticket is stale.
    pub running: HashMap<Ticket, Job>,
    /// Bound of the reward's scale; grows with what is seen.
    pub bound: f32,
    /// The screen.
    pub screen: Screen,
    /// The pane with the focus.
    pub focus: Focus,
    /// Layers over it, topmost last.
    pub layers: Vec<Layer>,
    /// Keys of a sequence that is not complete.
    pub pending: Vec<Key>,
    /// The cursor over the critique's tokens; `None` follows the newest.
    pub cursor: Option<usize>,
    /// Rank of the last "biggest move".
    pub rank: usize,
    /// Lines scrolled in prompt and answer.
    pub text_scroll: usize,
    /// The critique's first row on the screen; `None` follows the cursor, or the newest token.
    pub critique_top: Option<usize>,
    /// What holds prompt and answer in place since the last resize or search; scrolling lets go.
    pub text_anchor: Option<Anchor>,
    /// The same of the critique, while `critique_top` is set.
    pub critique_anchor: Option<Anchor>,
    /// What is looked for in the visible texts.
    pub search: Option<Search>,
    /// Digits typed before a motion.
    pub count: Option<usize>,
    /// Tokens that are there but not yet shown.
    pub waiting: usize,
    /// How far things can be scrolled, as the last drawing found.
    pub limits: Limits,
    /// What colours the critique.
    pub paint: Paint,
    /// What the chart shows.
    pub series: Series,
    /// The line at the bottom, until the next key.
    pub note: Option<String>,
    /// Texts of an entry that was closed.
    pub draft: Option<(String, String)>,
    /// Run the first example as soon as the model is there.
    pub run_first: bool,
    /// Time since the start.
    pub now: Duration,
    /// Size of the terminal in cells.
    pub size: (u16, u16),
    /// Number of the next ticket.
    pub next_ticket: u64,
}

impl State {
    /// A state before anything was asked of the engine.
    pub fn new(keymap: Keymap, source: ModelSource, device: DeviceChoice, examples: Vec<Example>) -> Self {
        let run_first = source == ModelSource::Demo;
        Self {
            keymap,
            source,
            device,
            model: ModelState::Loading,
            examples,
            selected: 0,
            side: Side::Chosen,
            takes: Takes::default(),
            shown: HashMap::new(),
            running: HashMap::new(),
            bound: 2.0,
            screen: Screen::Inspect,
            focus: Focus::Critique,
            layers: Vec::new(),
            pending: Vec::new(),
            cursor: None,
            rank: 0,
            text_scroll: 0,
            critique_top: None,
            text_anchor: None,
            critique_anchor: None,
            search: None,
            count: None,
            waiting: 0,
            limits: Limits::default(),
            paint: Paint::default(),
            series: Series::default(),
            note: None,
            draft: None,
            run_first,
            now: Duration::ZERO,
            size: (0, 0),
            next_ticket: 0,
        }
    }

    /// The shown example.
    pub fn example(&self) -> Option<&Example> {
        self.examples.get(self.selected)
    }

    /// The take shown for an answer of an example.
    pub fn take_of(&self, example: usize, side: Side) -> Option<&Take> {
        self.takes.get(*self.shown.get(&(example, side))?)
    }

    /// The take on the screen.
    pub fn take(&self) -> Option<&Take> {
        self.take_of(self.selected, self.side)
    }

    /// The take whose critique is on the screen: the shown one or, while that is a draft, the one it was made from.
    pub fn critique_take(&self) -> Option<(&Take, bool)> {
        let mut take = self.take()?;
        let stale = take.phase == super::Phase::Draft;
        while take.phase == super::Phase::Draft {
            take = self.takes.get(take.parent?)?;
        }
        Some((take, stale))
    }

    /// The ticket under which the critique on the screen is being written.
    pub fn streaming(&self) -> Option<Ticket> {
        let (shown, _) = self.critique_take()?;
        let writes = |(_, job): &(&Ticket, &Job)| matches!(job, Job::Critique(id) if *id == shown.id);
        self.running.iter().find(writes).map(|(ticket, _)| *ticket)
    }

    /// Prompt and answer on the screen.
    pub fn input(&self) -> Option<Input> {
        match self.take() {
            Some(take) => Some(take.input.clone()),
            None => self.example().map(|e| e.input(self.side)),
        }
    }

    /// The model's facts, once it is there.
    pub fn info(&self) -> Option<&ModelInfo> {
        match &self.model {
            ModelState::Ready(info) => Some(info),
            _ => None,
        }
    }

    /// The margin of a pair and sigma(margin), when the critiques of both answers are complete.
    pub fn margin(&self, example: usize) -> Option<(f32, f32)> {
        let reward = |side| self.take_of(example, side)?.verdict.as_ref().map(|verdict| verdict.reward);
        let margin = reward(Side::Chosen)? - reward(Side::Rejected)?;
        let temperature = self.info().map_or(1.0, |i| i.spec.calibration.temperature) as f32;
        Some((margin, 1.0 / (1.0 + (-margin / temperature).exp())))
    }

    /// The token the inspector shows: under the cursor, or the newest.
    pub fn token_index(&self) -> Option<usize> {
        let (take, _) = self.critique_take()?;
        let last = take.tokens.len().checked_sub(1)?;
        Some(self.cursor.unwrap_or(last).min(last))
    }

    /// The first error to be told of: of the model, else of the shown take.
    pub fn error(&self) -> Option<&str> {
        match &self.model {
            ModelState::Failed(error) | ModelState::Down(error) => return Some(error),
            _ => {}
        }
        if let Some(fault) = self.example().and_then(|e| e.fault.as_ref()) {
            return Some(fault);
        }
        let take = self.take()?;
        match (&take.phase, &take.re_encoded) {
            (super::Phase::Failed(error), _) | (_, super::ReEncoded::Failed(error)) => Some(error),
            _ => None,
        }
    }

    /// Where keys have a meaning now, innermost first.
    pub fn contexts(&self) -> &'static [Context] {
        match (self.layers.last(), self.focus) {
            (Some(Layer::Entry(_)), _) => &[Context::Entry],
            (Some(Layer::Palette(_)), _) => &[Context::Palette],
            (Some(Layer::Search(_)), _) => &[Context::Search],
            (Some(Layer::Quit(_)), _) => &[Context::Confirm],
            (Some(Layer::Help(_) | Layer::Detail(..)), _) => &[Context::Global],
            (None, Focus::Critique) => &[Context::Critique, Context::Inspect, Context::Global],
            (None, _) => &[Context::Inspect, Context::Global],
        }
    }

    /// The palette's matches for what was typed: every action once, best first.
    pub fn palette(&self, query: &str) -> Vec<&Binding> {
        let contexts = [Context::Inspect, Context::Critique, Context::Global];
        let mut seen = Vec::<Action>::new();
        let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        self.keymap
            .of(&contexts)
            .into_iter()
            .filter(|b| !matches!(b.action, Action::Palette | Action::Cancel))
            .filter(|b| {
                let text = format!("{} {}", b.name, b.desc).to_lowercase();
                words.iter().all(|w| text.contains(w.as_str()))
            })
            .filter(|b| {
                let new = !seen.contains(&b.action);
                seen.push(b.action);
                new
            })
            .collect()
    }

    /// What would be lost by quitting now, if anything.
    pub fn at_stake(&self) -> Option<String> {
        let critiques = self.running.values().filter(|j| matches!(j, Job::Critique(_))).count();
        let drafts = self.takes.iter().filter(|t| t.how == super::How::Edited).count();
        let typed = self.examples.iter().filter(|e| e.origin == super::Origin::Typed).count();
        let parts: Vec<String> = [
            (critiques, "critique is running", "critiques are running"),
            (drafts, "edited answer is not saved", "edited answers are not saved"),
            (typed, "typed example is not saved", "typed examples are not saved"),
        ]
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
        .chain(self.draft.iter().map(|_| "a draft is not saved".to_owned()))
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
