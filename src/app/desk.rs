//! The Label screen's data: the labels of everybody, the queue, what the model found ahead, what is on the screen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::{Example, Side, State, Take, TakeId, TextBox};
use crate::label::{Agreement, Calibration, Order, Pace, Scores, order};
use crate::session::{Book, Digest, Entry, Event, EventId, Label, Pen, Progress, Review};

/// What is set for labelling, by the command line or `config.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Reason tags.
    pub reasons: Vec<String>,
    /// Guidelines: where they come from, their Markdown.
    pub guidelines: Option<(String, String)>,
    /// Labels to be reached.
    pub goal: Option<usize>,
    /// In which order pairs come.
    pub order: Order,
    /// Seed of all that is drawn: orders, sides.
    pub seed: u64,
    /// Share of pairs that two people label, the others one; `None`: everybody labels all.
    pub twice: Option<f64>,
    /// Critiques sampled where their spread is asked for.
    pub samples: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let reasons = [
            "wrong fact",
            "wrong reasoning",
            "off topic",
            "incomplete",
            "too long",
            "unclear",
            "unsafe",
            "style",
        ];
        Self {
            reasons: reasons.map(str::to_owned).to_vec(),
            guidelines: None,
            goal: None,
            order: Order::File,
            seed: 0,
            twice: None,
            samples: 4,
        }
    }
}

/// What the model found of one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The greedy take.
    pub take: TakeId,
    /// Its reward.
    pub reward: f64,
    /// The tone of its critique.
    pub tone: f64,
}

/// A part of the Label screen that scrolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pane {
    /// What was asked.
    Prompt,
    /// The answer at the left.
    #[default]
    A,
    /// The answer at the right.
    B,
}

impl Pane {
    /// In the order that Tab turns.
    pub const ALL: [Self; 3] = [Self::Prompt, Self::A, Self::B];
}

/// Everything about labels.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// What is set.
    pub setup: Setup,
    /// Names this annotator's events, once there is a session.
    pub pen: Option<Pen>,
    /// A session is on its way.
    pub opening: bool,
    /// The session's journals have been read.
    pub read: bool,
    /// Label events of everybody, own ones before they are on the disk.
    pub book: Book,
    /// Contents of the examples by index; `None` for those that cannot be judged.
    pub digests: Vec<Option<Digest>>,
    /// The first example with a content.
    pub places: HashMap<Digest, usize>,
    /// Example indices in the order in which they come.
    pub queue: Vec<usize>,
    /// Place in the queue of the pair on the screen.
    pub at: usize,
    /// Somebody labels here: the Label screen was opened, or the session holds labels of this annotator.
    pub labelling: bool,
    /// Rewards of pairs that wait for a label are shown elsewhere too.
    pub unmasked: bool,
    /// Pairs made of single answers to one prompt, by the index of such an answer.
    pub rivals: HashMap<usize, Vec<usize>>,
    /// Examples looked at for such answers.
    pub paired: usize,
    /// Examples whose rewards or critiques were on the screen.
    pub seen: BTreeSet<usize>,
    /// Those of them that the session has not been told of.
    pub untold: BTreeSet<usize>,
    /// Its rewards and critiques are shown.
    pub revealed: bool,
    /// Since when it is on the screen.
    pub since: Option<Duration>,
    /// Seconds it was there before, by example.
    pub spent: HashMap<usize, f64>,
    /// The part with the focus.
    pub pane: Pane,
    /// Rows scrolled in prompt, A and B.
    pub scroll: [usize; 3],
    /// A conflict is being settled.
    pub adjudicating: bool,
    /// Greedy critiques of answers as they came.
    pub found: HashMap<(usize, Side), Found>,
    /// Rewards of sampled critiques of answers as they came.
    pub samples: HashMap<(usize, Side), Vec<f64>>,
    /// Critiques asked for ahead, so that a failed one is not asked for again.
    pub asked: HashSet<(usize, Side, bool)>,
    /// Nothing is left to be asked ahead.
    pub ahead_done: bool,
    /// Pairs came that are not in their order yet.
    pub late: bool,
    /// Contents of critiques that a session holds.
    pub critiques: HashMap<TakeId, Digest>,
    /// Agreement, as of the last look.
    pub agreement: Option<Agreement>,
    /// What margins are worth, as of the last look.
    pub calibration: Option<Calibration>,
    /// Labels or margins have changed since.
    pub stale: bool,
    /// When it was looked at last.
    pub looked: Duration,
    /// Examples marked in the list of pairs.
    pub marked: BTreeSet<usize>,
}

/// How far a pair is for this annotator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing was said.
    Pending,
    /// See [`Progress`].
    Is(Progress),
    /// Others have labelled it, as often as it is to be.
    Taken,
}

/// What the list of pairs shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Not labelled by this annotator.
    Open,
    /// Begun.
    Drafts,
    /// Passed over.
    Skipped,
    /// Labelled.
    Submitted,
    /// To be looked at again.
    Flagged,
    /// Annotators are apart.
    Conflicts,
}

impl Filter {
    /// In the order that Tab turns.
    pub const ALL: [Self; 7] =
        [Self::All, Self::Open, Self::Drafts, Self::Skipped, Self::Submitted, Self::Flagged, Self::Conflicts];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Drafts => "drafts",
            Self::Skipped => "skipped",
            Self::Submitted => "labelled",
            Self::Flagged => "flagged",
            Self::Conflicts => "conflicts",
        }
    }
}

/// The list of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Index of the picked row.
    pub picked: usize,
    /// Which are shown.
    pub filter: Filter,
    /// Where a range of marks begins.
    pub from: Option<usize>,
}

/// A critique that is being reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reviewing {
    /// Index of the answer.
    pub answer: usize,
    /// 0 for the whole, else the sentence's number.
    pub picked: usize,
}

/// What a text that is being typed is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The note of a label.
    Note,
    /// The critique of an answer as it should be; of a model's critique, or from nothing.
    Correction(usize, Option<Digest>),
}

/// A text that is being typed on the Label screen. It is kept as it stands at every rest.
#[derive(Clone, Debug)]
pub struct Writing {
    /// What for.
    pub purpose: Purpose,
    /// Of which example.
    pub example: usize,
    /// The text.
    pub area: TextBox,
    /// As it was in the beginning.
    pub was: String,
    /// As it was kept last.
    pub kept: String,
    /// Events that kept it on the way; they give way to the last one.
    pub on_the_way: Vec<EventId>,
}

impl Writing {
    /// The text as it stands.
    pub fn text(&self) -> String {
        self.area.text()
    }
}

/// Whether an event has a say in labels.
pub fn concerns_labels(entry: &Entry) -> bool {
    matches!(
        entry.event,
        Event::Label(_)
            | Event::Review(_)
            | Event::Undo { .. }
            | Event::Bulk { .. }
            | Event::Example(_)
            | Event::Seen { .. }
    )
}

/// Whether an event is a step that undo goes back over on the Label screen.
pub fn is_label_step(event: &Event) -> bool {
    match event {
        Event::Label(_) | Event::Review(_) => true,
        Event::Bulk { events } => events.iter().any(is_label_step),
        _ => false,
    }
}

/// How many pairs are how far, for one annotator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the queue.
    pub all: usize,
    /// Submitted.
    pub submitted: usize,
    /// Passed over.
    pub skipped: usize,
    /// Begun.
    pub drafts: usize,
    /// Labelled by others, as often as is asked for.
    pub taken: usize,
}

impl Tally {
    /// Pairs that wait for this annotator.
    pub fn open(&self) -> usize {
        self.all - self.submitted - self.skipped - self.taken
    }
}

impl Desk {
    /// This annotator.
    pub fn by(&self) -> &str {
        self.pen.as_ref().map_or("", Pen::by)
    }

    /// The example on the screen.
    pub fn example(&self) -> Option<usize> {
        self.queue.get(self.at).copied()
    }

    /// The content of an example.
    pub fn digest(&self, example: usize) -> Option<&Digest> {
        self.digests.get(example)?.as_ref()
    }

    /// This annotator's label of an example, whatever its state.
    pub fn mine(&self, example: usize) -> Option<&Label> {
        self.book.label(self.digest(example)?, self.by()).map(|standing| &standing.value)
    }

    /// How far an example is for this annotator.
    pub fn stand(&self, example: usize) -> Stand {
        if let Some(label) = self.mine(example) {
            return Stand::Is(label.state);
        }
        let (Some(share), Some(digest)) = (self.setup.twice, self.digest(example)) else {
            return Stand::Pending;
        };
        let wanted = if order::twice(self.setup.seed, digest, share) { 2 } else { 1 };
        let given = self.book.labels_of(digest).filter(|(_, s)| s.value.state == Progress::Submitted).count();
        if given < wanted { Stand::Pending } else { Stand::Taken }
    }

    /// Whether an example waits for a label of this annotator.
    pub fn is_open(&self, example: usize) -> bool {
        matches!(self.stand(example), Stand::Pending | Stand::Is(Progress::Draft))
    }

    /// How many pairs are how far.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { all: self.queue.len(), ..Tally::default() };
        // There may be many more pairs than labels.
        for (digest, by, standing) in self.book.labels() {
            if by == self.by() && self.places.contains_key(digest) {
                match standing.value.state {
                    Progress::Submitted => tally.submitted += 1,
                    Progress::Skipped => tally.skipped += 1,
                    Progress::Draft => tally.drafts += 1,
                }
            }
        }
        if self.setup.twice.is_some() {
            tally.taken = self.queue.iter().filter(|e| self.stand(**e) == Stand::Taken).count();
        }
        tally
    }

    /// How fast this annotator is.
    pub fn pace(&self) -> Option<Pace> {
        let mut seconds: Vec<(u64, f64)> = Vec::new();
        for (_, by, standing) in self.book.labels() {
            let (label, clock) = (&standing.value, self.book.get(&standing.id).map_or(0, |e| e.clock));
            if by == self.by() && label.state == Progress::Submitted {
                seconds.extend(label.seconds.map(|s| (clock, s)));
            }
        }
        seconds.sort_by_key(|(clock, _)| *clock);
        Pace::of(&seconds.into_iter().map(|(_, s)| s).collect::<Vec<_>>())
    }

    /// Whether annotators are apart over an example and nobody has settled it.
    pub fn conflict(&self, example: usize) -> bool {
        self.digest(example).is_some_and(|digest| self.apart(digest))
    }

    /// As [`crate::label::Outcome::conflict`], but made for asking often.
    fn apart(&self, digest: &Digest) -> bool {
        let mut side = None;
        let mut apart = false;
        for (_, standing) in self.book.labels_of(digest) {
            let label = &standing.value;
            if label.state == Progress::Submitted {
                if label.adjudicates {
                    return false;
                }
                let own = label.choice.map(|choice| choice.ordinal().signum());
                apart |= own.is_some() && side.is_some_and(|other| Some(other) != own);
                side = side.or(own);
            }
        }
        apart
    }

    /// How many pairs annotators are apart over.
    pub fn conflicts(&self) -> usize {
        let mut before = None;
        let mut count = 0;
        for (digest, ..) in self.book.labels() {
            if before.replace(digest) != Some(digest) && self.places.contains_key(digest) {
                count += usize::from(self.apart(digest));
            }
        }
        count
    }

    /// The pairs that an example stands for on the Label screen: itself, or those that its answer is in.
    pub fn pairs_of(&self, example: usize) -> Vec<usize> {
        self.rivals.get(&example).cloned().unwrap_or_else(|| vec![example])
    }

    /// Whether this annotator has had rewards or critiques of an example on the screen, before a label or without one.
    pub fn has_seen(&self, example: usize) -> bool {
        let told = |digest| self.book.has_seen(self.by(), digest);
        self.seen.contains(&example) || self.digest(example).is_some_and(told)
    }

    /// Whether rewards of an example are kept from this annotator on other screens: it waits for a blind label.
    pub fn hides(&self, example: usize) -> bool {
        let waits = |pair: usize| {
            let given = self.mine(pair).is_some_and(|l| l.state == Progress::Submitted || l.revealed);
            self.digest(pair).is_some() && !given && !self.has_seen(pair)
        };
        self.labelling && !self.unmasked && self.pairs_of(example).into_iter().any(waits)
    }

    /// Whether figures over many rows are kept from this annotator: some wait for a blind label.
    pub fn hides_some(&self) -> bool {
        // What waits is mostly from the pair on the screen on.
        let mut queue = self.queue.iter().skip(self.at).chain(self.queue.iter().take(self.at));
        self.labelling && !self.unmasked && queue.any(|example| self.hides(*example))
    }

    /// Whether rewards and critiques of an example are shown: once they were revealed, or a label is given.
    pub fn shows_scores(&self, example: usize) -> bool {
        let given = self.mine(example).is_some_and(|l| l.state == Progress::Submitted || l.revealed);
        self.revealed || given || self.adjudicating
    }

    /// The model's reward of the first answer minus that of the other.
    pub fn margin(&self, example: usize) -> Option<f64> {
        let reward = |side| self.found.get(&(example, side)).map(|found| found.reward);
        Some(reward(Side::Chosen)? - reward(Side::Rejected)?)
    }

    /// What the model found of an example.
    pub fn scores(&self, example: usize) -> Scores {
        let spread = |side| {
            let all = self.samples.get(&(example, side)).filter(|all| all.len() > 1)?;
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            Some(all.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64)
        };
        let tone = |side| self.found.get(&(example, side)).map(|found| found.tone);
        let newest = self.digest(example).and_then(|digest| {
            let all = self.book.labels_of(digest).filter(|(_, s)| s.value.state == Progress::Submitted);
            all.max_by_key(|(_, s)| self.book.get(&s.id).map_or(0, |e| e.clock))
                .and_then(|(_, s)| s.value.choice)
        });
        Scores {
            margin: self.margin(example),
            spread: spread(Side::Chosen).zip(spread(Side::Rejected)).map(|(a, b)| (a + b).sqrt()),
            tone: tone(Side::Chosen).zip(tone(Side::Rejected)).map(|(a, b)| a - b),
            label: newest,
        }
    }

    /// Indices of the answers as this annotator sees them, A first: as they were shown before, else as drawn.
    pub fn shown(&self, example: usize, answers: usize) -> Vec<usize> {
        let before =
            self.mine(example).map(|label| label.shown.clone()).filter(|shown| shown.len() == answers);
        before.unwrap_or_else(|| match self.digest(example) {
            Some(digest) => order::sides(self.setup.seed, self.by(), digest, answers),
            None => (0..answers).collect(),
        })
    }

    /// This annotator's review of a critique of an answer.
    pub fn review(&self, example: usize, answer: usize, critique: Option<&Digest>) -> Option<&Review> {
        let standing = self.book.review(self.digest(example)?, answer, critique, self.by())?;
        Some(&standing.value)
    }

    /// Rows of the list of pairs: examples in the order of the queue.
    pub fn rows(&self, filter: Filter) -> Vec<usize> {
        let wanted = |example: &usize| match filter {
            Filter::All => true,
            Filter::Open => self.is_open(*example),
            Filter::Drafts => self.stand(*example) == Stand::Is(Progress::Draft),
            Filter::Skipped => self.stand(*example) == Stand::Is(Progress::Skipped),
            Filter::Submitted => self.stand(*example) == Stand::Is(Progress::Submitted),
            Filter::Flagged => self.mine(*example).is_some_and(|label| label.flag),
            Filter::Conflicts => self.conflict(*example),
        };
        self.queue.iter().copied().filter(wanted).collect()
    }
}

impl State {
    /// The example on the Label screen.
    pub fn labelled(&self) -> Option<(usize, &Example)> {
        let index = self.desk.example()?;
        Some((index, self.examples.get(index)?))
    }

    /// Sides of the pair on the Label screen, A first; one for a single answer.
    pub fn shown_sides(&self) -> Vec<Side> {
        let Some((index, example)) = self.labelled() else { return Vec::new() };
        let sides = example.sides();
        self.desk.shown(index, sides.len()).into_iter().filter_map(|at| sides.get(at).copied()).collect()
    }

    /// The greedy take of an answer on the Label screen.
    pub fn found_take(&self, example: usize, side: Side) -> Option<&Take> {
        self.takes.get(self.desk.found.get(&(example, side))?.take)
    }
}
