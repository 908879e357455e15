//! What is true now: plain data, and questions about it that need no drawing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Compare, Data, DataPane, Desk, Example, Kept, Key, Keymap, Layer, Search, Side, Spot, Take, TakeId,
    Takes, Target,
};
use crate::checkpoint::Method;
use crate::engine::{DeviceChoice, Input, ModelId, ModelInfo, ModelSource, Ticket};

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// One example, its critique and reward.
    Inspect,
    /// Two takes side by side.
    Compare,
    /// Training runs.
    Teach,
    /// Many rows.
    Data,
    /// Which answer is better, in the eyes of a person.
    Label,
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
    /// Loading a model.
    Load(ModelId),
    /// The critiques of a take and of those after it, so many in all.
    Critique(TakeId, usize),
    /// The same, ahead of an annotator.
    Ahead(TakeId, usize),
    /// The reward of a take's words as they stand.
    Live(TakeId),
    /// Stop-here rewards, probabilities and alternatives of a take's tokens.
    Details(TakeId),
    /// The reward of the first take's answer after the second one's critique.
    Swap(TakeId, TakeId),
    /// Names of a take's prompt tokens.
    Tokens(TakeId),
    /// The re-encoded reading of a take.
    ReEncode(TakeId),
}

impl Job {
    /// The takes it changes.
    pub fn takes(self) -> impl Iterator<Item = TakeId> {
        let (first, count) = match self {
            Self::Critique(id, count) | Self::Ahead(id, count) => (id.0, count),
            Self::Live(id) | Self::Details(id) | Self::ReEncode(id) | Self::Tokens(id) => (id.0, 1),
            Self::Load(_) | Self::Swap(..) => (0, 0),
        };
        (first..first + count).map(TakeId)
    }
}

/// Whether a session keeps what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keeping {
    /// None does: all is gone with the program.
    #[default]
    InMemory,
    /// One will, once it is read.
    Loading,
    /// One does.
    Kept,
}

/// Work that waits for a moment without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Read the reward of a take's words.
    Live(TakeId),
    /// Read what its tokens did.
    Details(TakeId),
    /// Keep the text that is being typed.
    Keep,
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
    /// Rows of the topmost layer with which matches of its search begin.
    pub layer_found: Vec<usize>,
    /// Index of the last row of the topmost list.
    pub list: usize,
    /// Most rows the compared critiques can be scrolled.
    pub compare: usize,
    /// Where the panes of the Data screen stand, and which place of theirs is in the first row.
    pub data: [Option<(DataPane, [u16; 4], usize)>; 4],
    /// Whether both answers of a pair are on the screen with their critiques.
    pub both_sides: bool,
    /// Most rows prompt, A and B of the Label screen can be scrolled.
    pub label: [usize; 3],
    /// Where the panes stand: left, top, right, bottom (exclusive).
    pub panes: Vec<(Focus, [u16; 4])>,
    /// What stands where in them, for the mouse.
    pub spots: Vec<Spot>,
}

impl Limits {
    /// What stands at a cell: the last drawn wins.
    pub fn target_at(&self, x: u16, y: u16) -> Option<Target> {
        self.spots.iter().rev().find(|spot| spot.has(x, y)).map(|spot| spot.target)
    }

    /// The pane at a cell.
    pub fn pane_at(&self, x: u16, y: u16) -> Option<Focus> {
        let inside =
            |[left, top, right, bottom]: [u16; 4]| (left..right).contains(&x) && (top..bottom).contains(&y);
        self.panes.iter().find(|(_, area)| inside(*area)).map(|(focus, _)| *focus)
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
    /// Takes that undo went back from, the last one last.
    pub redo: Vec<TakeId>,
    /// In place of the model's own critique prompt.
    pub rubric: Option<Arc<str>>,
    /// Whether a session keeps what is done.
    pub keeping: Keeping,
    /// What it gave back and that has no place yet.
    pub returned: Kept,
    /// Events that are not on the disk yet, and why if that is an error.
    pub unsaved: (usize, Option<String>),
    /// What is compared.
    pub compare: Compare,
    /// The Teach screen.
    pub teach: super::Teach,
    /// The Data screen.
    pub data: Data,
    /// The Label screen.
    pub desk: Desk,
    /// What is to be done when no key has come until then.
    pub due: Option<(Duration, Due)>,
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
    /// The model of every screen but where two are compared.
    pub const MODEL: ModelId = ModelId(0);
    /// The other one there.
    pub const OTHER: ModelId = ModelId(1);

    /// A state before anything was asked of the engine.
    pub fn new(keymap: Keymap, source: ModelSource, device: DeviceChoice, examples: Vec<Example>) -> Self {
        let run_first = source == ModelSource::DEMO;
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
            redo: Vec::new(),
            rubric: None,
            keeping: Keeping::default(),
            returned: Kept::default(),
            unsaved: (0, None),
            compare: Compare::default(),
            teach: super::Teach::default(),
            data: Data::default(),
            desk: Desk::default(),
            due: None,
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
        self.critique_take_of(self.side)
    }

    /// The same for an answer of the shown example.
    pub fn critique_take_of(&self, side: Side) -> Option<(&Take, bool)> {
        let mut take = self.take_of(self.selected, side)?;
        let stale = take.phase == super::Phase::Draft;
        while take.phase == super::Phase::Draft {
            take = self.takes.get(take.parent?)?;
        }
        Some((take, stale))
    }

    /// The tickets under which the critiques on the screen are being written.
    pub fn streaming(&self) -> Vec<Ticket> {
        let of = |side| self.critique_take_of(side).map(|(take, _)| take.id);
        let shown: Vec<TakeId> = match self.screen {
            Screen::Compare => self.compared().iter().flatten().map(|take| take.id).collect(),
            _ if self.limits.both_sides => {
                [of(Side::Chosen), of(Side::Rejected)].into_iter().flatten().collect()
            }
            _ => of(self.side).into_iter().collect(),
        };
        let writes = |(_, job): &(&Ticket, &Job)| {
            matches!(job, Job::Critique(..)) && job.takes().any(|id| shown.contains(&id))
        };
        self.running.iter().filter(writes).map(|(ticket, _)| *ticket).collect()
    }

    /// Whether the screen lags behind the engine by more than a blink: what is told of it would flicker otherwise.
    pub fn is_behind(&self) -> bool {
        self.waiting >= 16
    }

    /// Prompt and answer on the screen.
    pub fn input(&self) -> Option<Input> {
        self.input_of(self.side)
    }

    /// Prompt and an answer of the shown example.
    pub fn input_of(&self, side: Side) -> Option<Input> {
        match self.take_of(self.selected, side) {
            Some(take) => Some(take.input.clone()),
            None => self.example().map(|e| e.input(side)),
        }
    }

    /// Whether a pair is on the screen.
    pub fn is_pair(&self) -> bool {
        self.example().is_some_and(Example::is_pair)
    }

    /// The model's facts, once it is there.
    pub fn info(&self) -> Option<&ModelInfo> {
        match &self.model {
            ModelState::Ready(info) => Some(info),
            _ => None,
        }
    }

    /// The facts of a model, once it is there.
    pub fn info_of(&self, model: ModelId) -> Option<&ModelInfo> {
        match (model, &self.compare.other) {
            (Self::MODEL, _) => self.info(),
            (Self::OTHER, Some((_, ModelState::Ready(info)))) => Some(info),
            _ => None,
        }
    }

    /// Whether the model writes no critiques.
    pub fn is_classic(&self) -> bool {
        self.info().is_some_and(|i| i.spec.method == Method::Classic)
    }

    /// How a take came about, in a few words: also that its answer is another one than that of the take before.
    pub fn how(&self, take: &Take) -> String {
        let words = take.how.words();
        let before = take.parent.and_then(|id| self.takes.get(id));
        let edited = take.how != super::How::Edited && before.is_some_and(|b| b.input != take.input);
        if edited { format!("answer edited, {words}") } else { words }
    }

    /// A take's name, or its number with how it came about.
    pub fn title(&self, take: &Take) -> String {
        take.name.clone().unwrap_or_else(|| format!("#{} {}", take.id.0 + 1, self.how(take)))
    }

    /// Shows a take at its example's answer.
    pub fn show(&mut self, id: TakeId) {
        if let Some(take) = self.takes.get(id) {
            self.shown.insert((take.example, take.side), id);
        }
    }

    /// The margin of a pair and sigma(margin), when the critiques of both answers are complete.
    pub fn margin(&self, example: usize) -> Option<(f32, f32)> {
        let reward = |side| self.take_of(example, side)?.settled().map(|verdict| verdict.reward);
        let margin = reward(Side::Chosen)? - reward(Side::Rejected)?;
        Some((margin, self.sigma(margin)))
    }

    /// How likely the model holds that the better one is better.
    pub fn sigma(&self, margin: f32) -> f32 {
        let temperature = self.info().map_or(1.0, |i| i.spec.calibration.temperature) as f32;
        1.0 / (1.0 + (-margin / temperature).exp())
    }

    /// Where a take's reward stands among the rewards of all answers scored so far by the same model under the same
    /// critique prompt: the share of them (in percent) that are lower, equal ones counted half; and how many they are.
    pub fn percentile(&self, take: &Take) -> Option<(f32, usize)> {
        let reward = take.settled()?.reward;
        let alike = self.shown.values().filter_map(|id| self.takes.get(*id));
        let alike = alike.filter(|t| t.model == take.model && t.rubric == take.rubric);
        let (mut lower, mut count) = (0.0, 0);
        for other in alike.filter_map(|t| t.settled()) {
            count += 1;
            lower += match other.reward.partial_cmp(&reward) {
                Some(std::cmp::Ordering::Less) => 1.0,
                Some(std::cmp::Ordering::Equal) => 0.5,
                _ => 0.0,
            };
        }
        (count > 1).then(|| (100.0 * lower / count as f32, count))
    }

    /// Critiques of what is on the screen, by the same model under the same critique prompt, sampled or greedy: the highest
    /// reward first, those without one last; of equal ones the lower seed first. Greedy ones are the same: the newest that is
    /// complete stands for all.
    pub fn samples(&self) -> Vec<&Take> {
        let Some(shown) = self.take() else { return Vec::new() };
        let fresh = |t: &&Take| matches!(t.how, super::How::Greedy | super::How::Sampled { .. });
        let alike = |t: &&Take| t.input == shown.input && t.model == shown.model && t.rubric == shown.rubric;
        let mut all: Vec<&Take> =
            self.takes.of(shown.example, shown.side).filter(fresh).filter(alike).collect();
        let greedy = || all.iter().rev().filter(|t| t.how == super::How::Greedy);
        let best = greedy().find(|t| t.settled().is_some()).or_else(|| greedy().next()).map(|t| t.id);
        all.retain(|t| t.how != super::How::Greedy || Some(t.id) == best);
        let reward = |take: &Take| take.settled().map_or(f32::NEG_INFINITY, |v| v.reward);
        let seed = |take: &Take| match take.how {
            super::How::Sampled { seed, .. } => Some(seed),
            _ => None,
        };
        all.sort_by(|a, b| reward(b).total_cmp(&reward(a)).then_with(|| seed(a).cmp(&seed(b))));
        all
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

    /// What would be lost by quitting now, if anything.
    pub fn at_stake(&self) -> Option<String> {
        let critiques = self.running.values().filter(|j| matches!(j, Job::Critique(..))).count();
        let by_hand = |t: &&Take| matches!(t.how, super::How::Edited | super::How::Rewritten);
        let drafts = self.takes.iter().filter(by_hand).count();
        let typed = self.examples.iter().filter(|e| e.origin == super::Origin::Typed).count();
        let kept = self.keeping != Keeping::InMemory && self.unsaved.1.is_none();
        let (drafts, typed) = if kept { (0, 0) } else { (drafts, typed) };
        let parts: Vec<String> = [
            (critiques, "critique is running", "critiques are running"),
            (drafts, "edited take is not saved", "edited takes are not saved"),
            (typed, "typed example is not saved", "typed examples are not saved"),
        ]
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
        .chain(self.draft.iter().map(|_| "a draft is not saved".to_owned()))
        .chain(self.unsaved.1.iter().map(|_| format!("{} changes are not on the disk", self.unsaved.0)))
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
