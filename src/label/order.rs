//! Orders: which answer is A for an annotator, in which order pairs come, which pairs two people label.

use rand::SeedableRng;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

use crate::session::{Choice, Digest};

/// In which order pairs come.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// As they stand in the data.
    #[default]
    File,
    /// Drawn by the seed and the annotator.
    Random,
    /// One of each value of a column in turn, each value's drawn by the seed.
    Stratified(String),
    /// The most useful first.
    Useful(Useful),
}

/// What makes a pair useful to label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Useful {
    /// The model can hardly tell: the smallest |margin|.
    #[default]
    Margin,
    /// Its critiques do not agree with each other: the largest spread of the margin over sampled critiques.
    Spread,
    /// Its critiques say one thing and its rewards another: tone against margin.
    Tone,
    /// It contradicts a label that is there: the largest margin the other way.
    Contradiction,
}

impl std::str::FromStr for Order {
    type Err = String;

    /// `file`, `random`, `by:COLUMN`, `margin`, `spread`, `tone`, `contradiction`.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "file" => Self::File,
            "random" => Self::Random,
            "margin" => Self::Useful(Useful::Margin),
            "spread" => Self::Useful(Useful::Spread),
            "tone" => Self::Useful(Useful::Tone),
            "contradiction" => Self::Useful(Useful::Contradiction),
            _ => match text.strip_prefix("by:").filter(|column| !column.is_empty()) {
                Some(column) => Self::Stratified(column.to_owned()),
                None => {
                    return Err("file, random, by:COLUMN, margin, spread, tone or contradiction".to_owned());
                }
            },
        })
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Random => f.write_str("random"),
            Self::Stratified(column) => write!(f, "by:{column}"),
            Self::Useful(Useful::Margin) => f.write_str("margin"),
            Self::Useful(Useful::Spread) => f.write_str("spread"),
            Self::Useful(Useful::Tone) => f.write_str("tone"),
            Self::Useful(Useful::Contradiction) => f.write_str("contradiction"),
        }
    }
}

/// What the model found of a pair, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Scores {
    /// Reward of the first answer minus that of the other.
    pub margin: Option<f64>,
    /// Standard deviation of the margin over sampled critiques.
    pub spread: Option<f64>,
    /// Tone of the first answer's critique minus that of the other's.
    pub tone: Option<f64>,
    /// The newest label of anybody.
    pub label: Option<Choice>,
}

impl Scores {
    /// How useful a label is, more is better; `None` when that is not known (yet).
    pub fn useful(&self, by: Useful) -> Option<f64> {
        match by {
            Useful::Margin => self.margin.map(|m| -m.abs()),
            Useful::Spread => self.spread,
            // Only where they point apart; the more so, the surer both are.
            Useful::Tone => self.margin.zip(self.tone).map(|(m, t)| -(m.signum() * t)),
            Useful::Contradiction => {
                let (margin, label) = self.margin.zip(self.label)?;
                Some(-(margin * f64::from(label.ordinal().signum())))
            }
        }
    }
}

/// How good or bad the words of a critique find an answer: from -1 to 1, 0 without such words. A rule of thumb: it counts
/// words of praise and of blame, a negation before one turns it.
pub fn tone(critique: &str) -> f64 {
    const PRAISE: &[&str] = &[
        "correct",
        "right",
        "good",
        "accurate",
        "clear",
        "helpful",
        "excellent",
        "true",
        "valid",
        "complete",
        "concise",
        "relevant",
        "well",
        "great",
        "precise",
        "correctly",
        "agrees",
        "matches",
    ];
    const BLAME: &[&str] = &[
        "wrong",
        "incorrect",
        "bad",
        "inaccurate",
        "unclear",
        "error",
        "errors",
        "mistake",
        "mistakes",
        "false",
        "invalid",
        "incomplete",
        "irrelevant",
        "fails",
        "fail",
        "misleading",
        "missing",
        "poor",
        "incorrectly",
        "instead",
        "slip",
        "contradicts",
        "confusing",
        "unhelpful",
        "misses",
    ];
    const NEGATION: &[&str] = &["not", "no", "never", "isn't", "doesn't", "without", "nothing"];
    let (mut sum, mut count, mut negated) = (0.0, 0.0, false);
    for word in critique.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()) {
        let word = word.to_lowercase();
        let value = if PRAISE.contains(&word.as_str()) {
            1.0
        } else if BLAME.contains(&word.as_str()) {
            -1.0
        } else {
            // A negation reaches over one word that says nothing: "not quite right".
            negated = NEGATION.contains(&word.as_str());
            continue;
        };
        sum += if negated { -value } else { value };
        count += 1.0;
        negated = false;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// A generator of its own for each use of a seed.
fn generator(seed: u64, parts: &[&str]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Indices of `count` answers as an annotator sees them, A first.
pub fn sides(seed: u64, annotator: &str, example: &Digest, count: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..count).collect();
    shown.shuffle(&mut generator(seed, &["sides", annotator, example.as_str()]));
    shown
}

/// Which of a row's answers are held against each other: each against the next two of a ring drawn by the row's name. Of up
/// to five answers these are all pairs, of n more they are 2n. In drawn order, the earlier answer of a pair first.
pub fn rounds(count: usize, row: &str) -> Vec<(usize, usize)> {
    let mut rng = generator(0, &["rounds", row]);
    let mut ring: Vec<usize> = (0..count).collect();
    ring.shuffle(&mut rng);
    let next = |step: usize| ring.iter().zip(ring.iter().cycle().skip(step));
    let pairs = next(1).chain(next(2)).filter(|(a, b)| a != b).map(|(a, b)| (*a.min(b), *a.max(b)));
    let mut all: Vec<(usize, usize)> = pairs.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    all.shuffle(&mut rng);
    all
}

/// Whether a pair is one of the share that two people label.
pub fn twice(seed: u64, example: &Digest, share: f64) -> bool {
    use rand::Rng as _;
    generator(seed, &["twice", example.as_str()]).random::<f64>() < share
}

/// `items` in an order; `value` gives the column's value of one.
pub fn queue<T: Copy>(
    items: &[T],
    order: &Order,
    seed: u64,
    annotator: &str,
    value: impl Fn(T) -> Option<String>,
) -> Vec<T> {
    let mut all = items.to_vec();
    match order {
        Order::File | Order::Useful(_) => {}
        Order::Random => all.shuffle(&mut generator(seed, &["queue", annotator])),
        Order::Stratified(column) => {
            let mut strata: std::collections::BTreeMap<String, Vec<T>> = std::collections::BTreeMap::new();
            for item in items {
                strata.entry(value(*item).unwrap_or_default()).or_default().push(*item);
            }
            let mut strata: Vec<Vec<T>> = strata.into_values().collect();
            for (at, stratum) in strata.iter_mut().enumerate() {
                stratum.shuffle(&mut generator(seed, &["stratum", annotator, column, &at.to_string()]));
            }
            let longest = strata.iter().map(Vec::len).max().unwrap_or(0);
            all = (0..longest)
                .flat_map(|turn| strata.iter().filter_map(move |s| s.get(turn).copied()))
                .collect();
        }
    }
    all
}

/// The most useful first, those not known last, in the order they had.
pub fn by_use<T: Copy>(items: &mut [T], use_of: impl Fn(T) -> Option<f64>) {
    items.sort_by(|a, b| {
        let (a, b) = (use_of(*a), use_of(*b));
        b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY))
    });
}
