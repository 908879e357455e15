//! Rows of training and test data: one pair of answers with oracle critiques, as JSON lines; a function of the seed.

use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Fault, Layout, Plan};
use super::critique::{Phrasing, oracle};
use super::drills;
use super::key::Key;
use super::numbers::{Numbers, Random};
use super::story::{Story, Wish};
use super::templates::{Library, Set, library};
use crate::{Error, Result};

/// Which numbers a story may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// No calculation kept for validation or test, neither in the right nor in the wrong answer.
    Train,
    /// At least one calculation kept for validation.
    Valid,
    /// At least one calculation kept for the test.
    Test,
}

impl Split {
    const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// Which templates are used.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Templates {
    /// Those of training.
    #[default]
    Seen,
    /// Those of training, and for this share of stories, 0 to 1, the wider ones ([`Library::wider`]).
    Wider(f64),
    /// Those kept out of training: one set for the test, another for every other split.
    Unseen,
}

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Which numbers.
    pub split: Split,
    /// Everything follows from it.
    pub seed: u64,
    /// Seen, wider or unseen templates.
    pub templates: Templates,
    /// How large numbers are; large ones are in no split (none of them is trained on).
    pub numbers: Numbers,
    /// Fewest and most steps, 1 to 6.
    pub steps: (usize, usize),
    /// Share of rows that are drills, 0 to 1 (see [`drills`]).
    pub drills: f64,
    /// Share of stories with a made-up name or thing, which the tokenizer spells.
    pub invented: f64,
    /// Share of stories (drills aside) with sentences from all scenes and words put in that do not belong there, 0 to 1.
    pub noise: f64,
    /// Of the words put into sentences of products and quotients, the share taken from sentences that add or take away.
    pub verbs: f64,
    /// Whether critiques restate each sentence before its sum.
    pub restated: bool,
}

impl Options {
    /// Stories of a split as the issue asks for them: no drills; made-up words in one story of twelve in training only.
    pub const fn new(split: Split, seed: u64) -> Self {
        Self {
            split,
            seed,
            templates: Templates::Seen,
            numbers: Numbers::Usual,
            steps: (1, 6),
            drills: 0.0,
            invented: if matches!(split, Split::Train) { 0.08 } else { 0.0 },
            noise: 0.0,
            verbs: 0.0,
            restated: false,
        }
    }
}

/// A story with its right and its wrong answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The problem.
    pub story: Story,
    /// The right answer.
    pub right: Answer,
    /// The wrong one.
    pub wrong: Answer,
    /// How both are written.
    pub layout: Layout,
    /// How the critique of the right answer is worded, and of the wrong one.
    pub phrasing: (Phrasing, Phrasing),
}

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A story: an answer right, and one wrong in exactly one way.
    Story,
    /// Drill: bare calculations.
    Facts,
    /// Drill: numbers compared.
    Compare,
    /// Drill: a story whose sentences come from all scenes, with words put in: it has to be read, not recognised.
    Noisy,
    /// Drill: a story whose wrong answer is wrong in many places, so that nothing in it can be trusted.
    Shaken,
}

/// A training row (`outloud train`'s fields) and what is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Split, seed and number.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// The problem.
    pub prompt: String,
    /// The right answer.
    pub chosen: String,
    /// The wrong answer.
    pub rejected: String,
    /// Oracle critique of `chosen`.
    pub chosen_feedback: String,
    /// Oracle critique of `rejected`.
    pub rejected_feedback: String,
    /// Calculations of the right solution.
    pub steps: usize,
    /// What is wrong with `rejected`; null in drills.
    pub error: Option<Fault>,
    /// Where, counted from 1 along the right solution; the final line is `steps` + 1. Null in drills.
    pub error_step: Option<usize>,
    /// Scene, then the template of each event.
    pub templates: Vec<String>,
    /// What a critique of `chosen` has to judge; null in drills on bare numbers.
    pub chosen_key: Option<Key>,
    /// What a critique of `rejected` has to judge.
    pub rejected_key: Option<Key>,
}

/// Rows without end; row `n` does not depend on how many are taken.
#[derive(Clone, Debug)]
pub struct Rows {
    options: Options,
    library: &'static Library,
    next: u64,
}

const ATTEMPTS: usize = 20_000;

impl Rows {
    /// Starts at row 0.
    ///
    /// # Errors
    /// Usage, when `steps` or shares are out of range.
    pub fn new(options: Options) -> Result<Self> {
        let (low, high) = options.steps;
        if low < 1 || high > 6 || low > high {
            return Err(Error::Usage(format!(
                "steps {low}-{high}: a story has 1 to 6 steps, the fewest first"
            )));
        }
        let wider = if let Templates::Wider(share) = options.templates { share } else { 0.0 };
        for (name, share) in [
            ("wider", wider),
            ("drills", options.drills),
            ("invented", options.invented),
            ("noise", options.noise),
            ("verbs", options.verbs),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Usage(format!("{name} {share}: a share lies between 0 and 1")));
            }
        }
        Ok(Self { options, library: library()?, next: 0 })
    }

    /// Goes on at row `n`.
    #[must_use]
    pub const fn at(mut self, n: u64) -> Self {
        self.next = n;
        self
    }

    /// How large numbers are.
    pub(super) const fn numbers(&self) -> Numbers {
        self.options.numbers
    }

    pub(super) fn random(&self, n: u64, of: &str) -> Random {
        // Not the shares of drills and noise: stories are the same beside many of them and beside few, and under
        // critiques of either kind.
        let Options {
            split,
            seed,
            templates,
            numbers,
            steps,
            invented,
            drills: _,
            noise: _,
            verbs: _,
            restated: _,
        } = &self.options;
        let what =
            format!("{of} 1 {} {seed} {n} {templates:?} {numbers:?} {steps:?} {invented}", split.name());
        Random::from_seed(Sha256::digest(what).into())
    }

    /// The pair of row `n`, if it is no drill.
    ///
    /// # Errors
    /// When no story fits the options after many attempts.
    pub fn pair(&self, rng: &mut Random) -> Result<Pair> {
        self.pair_told(rng, false)
    }

    fn pair_told(&self, rng: &mut Random, noisy: bool) -> Result<Pair> {
        let steps = self.steps(rng);
        let plan = Plan::draw(rng, steps, self.options.numbers);
        // One story in four is told beyond the moment asked for, so that the question must be read.
        let further = plan.fault == Fault::WrongQuestion || rng.random_bool(0.15);
        let after = if further { rng.random_range(1..3) } else { 0 };
        self.try_often(rng, |rng| {
            let story = self.story(rng, steps, after, noisy)?;
            let right = Answer::right(&story)?;
            let wrong = Answer::wrong(rng, &story, plan, self.options.numbers.range().1)?;
            let layout = Layout::draw(rng);
            let phrasing = (Phrasing::draw(rng), Phrasing::draw(rng));
            self.allowed(&story, [&right, &wrong]).then_some(Pair { story, right, wrong, layout, phrasing })
        })
    }

    pub(super) fn try_often<T>(
        &self,
        rng: &mut Random,
        mut attempt: impl FnMut(&mut Random) -> Option<T>,
    ) -> Result<T> {
        (0..ATTEMPTS).find_map(|_| attempt(rng)).ok_or_else(|| {
            Error::Usage(format!(
                "no story fits {:?} after {ATTEMPTS} attempts; widen the options",
                self.options
            ))
        })
    }

    pub(super) fn story(&self, rng: &mut Random, steps: usize, after: usize, noisy: bool) -> Option<Story> {
        let scenes = match (self.options.templates, self.options.split) {
            (Templates::Wider(share), _) if rng.random_bool(share) => Set::Wider,
            (Templates::Seen | Templates::Wider(_), _) => Set::Seen,
            (Templates::Unseen, Split::Test) => Set::Unseen(Split::Test),
            (Templates::Unseen, Split::Train | Split::Valid) => Set::Unseen(Split::Valid),
        };
        let wish = Wish {
            steps,
            after,
            scenes,
            numbers: self.options.numbers,
            invented: rng.random_bool(self.options.invented),
            noisy,
            verbs: self.options.verbs,
        };
        Story::draw(rng, self.library, wish)
    }

    /// Long stories carry the last errors: training sees more of them; validation and test see all lengths alike.
    pub(super) fn steps(&self, rng: &mut Random) -> usize {
        let (low, high) = self.options.steps;
        let mut draw = || (low..=high).nth(rng.random_range(0..6_u32) as usize % (high - low + 1));
        let first = draw();
        let steps = if self.options.split == Split::Train && first.is_some_and(|s| s < 4) {
            first.max(draw())
        } else {
            first
        };
        steps.unwrap_or(low)
    }

    /// Whether the numbers belong to the split.
    pub(super) fn allowed<'a>(&self, story: &Story, answers: impl IntoIterator<Item = &'a Answer>) -> bool {
        if self.options.numbers == Numbers::Large {
            return true;
        }
        let truth = story.calcs();
        let mut said = answers.into_iter().flat_map(|a| &a.lines).flat_map(|l| &l.said).map(|(calc, _)| calc);
        match self.options.split {
            Split::Train => truth.iter().flatten().chain(said.by_ref()).all(|c| c.split() == Split::Train),
            held_out => truth.iter().take(story.asked).flatten().any(|c| c.split() == held_out),
        }
    }

    fn row(&self, n: u64) -> Result<Row> {
        let mut rng = self.random(n, "stories");
        let id = format!("{}-{}-{n}", self.options.split.name(), self.options.seed);
        if rng.random_bool(self.options.drills) {
            return match rng.random_range(0..20) {
                0..9 => Ok(drills::facts(&mut rng, id, self.options.split)),
                9..13 => Ok(drills::compare(&mut rng, id)),
                _ => self.shaken(&mut rng, id),
            };
        }
        let noisy = self.options.noise > 0.0 && rng.random_bool(self.options.noise);
        let pair = self.pair_told(&mut rng, noisy)?;
        let (error, error_step) = pair.wrong.fault.unzip();
        Ok(pair.row(
            self.options.restated,
            id,
            if noisy { Kind::Noisy } else { Kind::Story },
            error,
            error_step,
        ))
    }

    fn shaken(&self, rng: &mut Random, id: String) -> Result<Row> {
        let steps = self.steps(rng);
        let pair = self.try_often(rng, |rng| {
            let story = self.story(rng, steps, 0, false)?;
            let right = Answer::right(&story)?;
            let wrong = Answer::shaken(rng, &story, self.options.numbers.range().1)?;
            let phrasing = (Phrasing::draw(rng), Phrasing::draw(rng));
            let layout = Layout::draw(rng);
            self.allowed(&story, [&right, &wrong]).then_some(Pair { story, right, wrong, layout, phrasing })
        })?;
        Ok(pair.row(self.options.restated, id, Kind::Shaken, None, None))
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.row(self.next);
        self.next += 1;
        Some(row)
    }
}

impl Pair {
    fn row(
        self,
        restated: bool,
        id: String,
        kind: Kind,
        error: Option<Fault>,
        error_step: Option<usize>,
    ) -> Row {
        let Self { story, right, wrong, layout, phrasing } = self;
        Row {
            id,
            kind,
            chosen: right.text(&story, layout),
            rejected: wrong.text(&story, layout),
            chosen_feedback: oracle(&story, &right, phrasing.0, restated),
            rejected_feedback: oracle(&story, &wrong, phrasing.1, restated),
            steps: story.steps(),
            error,
            error_step,
            chosen_key: Some(Key::new(&story, &right)),
            rejected_key: Some(Key::new(&story, &wrong)),
            prompt: story.prompt,
            templates: story.templates,
        }
    }
}
