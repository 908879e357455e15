//! The wording of stories, as data: scenes with their openings, events, asides and questions (`templates/*.toml`).

use std::sync::LazyLock;

use serde::Deserialize;

use super::Split;
use super::numbers::Op;
use crate::{Error, Result};

/// A setting in which a number changes from event to event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Short name.
    pub name: String,
    /// Kept out of training, for choosing or for the report (`valid`, `test`).
    #[serde(default)]
    pub unseen: Option<Split>,
    /// Whom it is about (`the library`); empty: a person.
    #[serde(default)]
    pub names: Vec<String>,
    /// What is counted, in the plural.
    pub items: Vec<String>,
    /// First sentence; `{name}`, `{start}`, `{items}`.
    pub open: Vec<String>,
    /// Sentences with a number that does not matter; also `{other}`, `{k}`.
    pub aside: Vec<String>,
    /// Last sentence; also `{when}`.
    pub ask: Vec<String>,
    /// What can happen.
    pub event: Vec<EventTemplate>,
}

/// Scenes that stories are drawn from together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Those of training whose words the tokenizer knows.
    Seen,
    /// More of training ([`Library::wider`]).
    Wider,
    /// Those kept out of training for a split.
    Unseen(Split),
}

/// One sentence that changes the number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTemplate {
    /// What it does.
    pub op: EventOp,
    /// The sentence without its day; `{n}` the operand, `{m}` the number of packs of `{n}`, `{she}`, `{her}`, `{other}`.
    pub text: String,
    /// The operand where the words give it (`half`: 2).
    pub by: Option<u32>,
}

/// How an event changes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EventOp {
    /// `value + n`.
    #[serde(rename = "+")]
    Add,
    /// `value - n`.
    #[serde(rename = "-")]
    Sub,
    /// `value x n`.
    #[serde(rename = "x")]
    Mul,
    /// `value / n`.
    #[serde(rename = "/")]
    Div,
    /// `n x m`, then `value + that`.
    #[serde(rename = "+x")]
    AddPacks,
    /// `n x m`, then `value - that`.
    #[serde(rename = "-x")]
    SubPacks,
}

impl EventOp {
    /// The operation on the running total.
    pub const fn op(self) -> Op {
        match self {
            Self::Add | Self::AddPacks => Op::Add,
            Self::Sub | Self::SubPacks => Op::Sub,
            Self::Mul => Op::Mul,
            Self::Div => Op::Div,
        }
    }

    /// Whether a product comes first.
    pub const fn packs(self) -> bool {
        matches!(self, Self::AddPacks | Self::SubPacks)
    }
}

/// A person with pronouns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// First name.
    pub name: String,
    /// `she` or `he`.
    pub she: String,
    /// `her` or `him`; only as an object.
    pub her: String,
}

/// A row of days or months, each later than the one before, going round.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Markers {
    /// `On` or `In`.
    pub preposition: String,
    /// The names in order.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    person: Vec<Person>,
    markers: Vec<Markers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFile {
    scene: Vec<Scene>,
}

/// Everything a story is worded with.
#[derive(Clone, Debug)]
pub struct Library {
    /// People.
    pub people: Vec<Person>,
    /// Days and months.
    pub markers: Vec<Markers>,
    /// Scenes of training, and those kept out of it.
    pub scenes: Vec<Scene>,
    /// More scenes of training, for the rounds that ask for them: without words in the tokenizer or noise of their own.
    pub wider: Vec<Scene>,
    /// Words of seen scenes that tell of no change: names, things, words of openings and asides. Sorted, each once.
    pub filler: Vec<String>,
    /// Words of seen sentences that add or take away. Sorted, each once.
    pub verbs: Vec<String>,
}

const COMMON: &str = include_str!("templates/common.toml");
const SCENES: [(&str, &str); 5] = [
    ("people.toml", include_str!("templates/people.toml")),
    ("places.toml", include_str!("templates/places.toml")),
    ("nature.toml", include_str!("templates/nature.toml")),
    ("unseen-valid.toml", include_str!("templates/unseen-valid.toml")),
    ("unseen-test.toml", include_str!("templates/unseen-test.toml")),
];

const WIDER: [(&str, &str); 6] = [
    ("wider-1.toml", include_str!("templates/wider-1.toml")),
    ("wider-2.toml", include_str!("templates/wider-2.toml")),
    ("wider-3.toml", include_str!("templates/wider-3.toml")),
    ("wider-4.toml", include_str!("templates/wider-4.toml")),
    ("wider-5.toml", include_str!("templates/wider-5.toml")),
    ("wider-6.toml", include_str!("templates/wider-6.toml")),
];

static LIBRARY: LazyLock<std::result::Result<Library, String>> = LazyLock::new(load);

fn load() -> std::result::Result<Library, String> {
    let common: Common = toml::from_str(COMMON).map_err(|e| format!("common.toml: {e}"))?;
    let (scenes, wider) = (read(&SCENES)?, read(&WIDER)?);
    let (filler, verbs) = (filler(&common.person, &scenes), verbs(&scenes));
    Ok(Library { people: common.person, markers: common.markers, scenes, wider, filler, verbs })
}

fn read(files: &[(&str, &str)]) -> std::result::Result<Vec<Scene>, String> {
    let mut scenes = Vec::new();
    for (file, text) in files {
        let file: SceneFile = toml::from_str(text).map_err(|e| format!("{file}: {e}"))?;
        scenes.extend(file.scene);
    }
    Ok(scenes)
}

impl Library {
    /// The scenes of a set.
    pub fn of(&self, set: Set) -> Vec<&Scene> {
        let unseen = match set {
            Set::Wider => return self.wider.iter().collect(),
            Set::Seen => None,
            Set::Unseen(split) => Some(split),
        };
        self.scenes.iter().filter(|scene| scene.unseen == unseen).collect()
    }
}

fn verbs(scenes: &[Scene]) -> Vec<String> {
    let events = scenes.iter().filter(|scene| scene.unseen.is_none()).flat_map(|scene| &scene.event);
    let plain = events.filter(|event| matches!(event.op, EventOp::Add | EventOp::Sub));
    let words =
        plain.flat_map(|event| event.text.split(' ')).filter(|word| word.chars().all(char::is_lowercase));
    let all: std::collections::BTreeSet<&str> = words.collect();
    all.into_iter().map(str::to_owned).collect()
}

fn filler(people: &[Person], scenes: &[Scene]) -> Vec<String> {
    let seen = || scenes.iter().filter(|scene| scene.unseen.is_none());
    let texts = seen().flat_map(|scene| [&scene.items, &scene.open, &scene.aside]).flatten();
    let words = texts.flat_map(|text| text.split(' ')).map(|word| word.trim_matches(['.', ',', '?']));
    let words = words.filter(|word| !word.is_empty() && word.chars().all(char::is_lowercase));
    let names = people.iter().map(|person| person.name.as_str());
    let all: std::collections::BTreeSet<&str> = words.chain(names).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// The templates compiled in.
///
/// # Errors
/// When a template file is malformed (a defect of the build; a test reads them all).
pub fn library() -> Result<&'static Library> {
    LIBRARY.as_ref().map_err(|why| {
        Error::invalid(
            "story templates",
            why.clone(),
            "scenes as in templates.rs",
            "Mend the file and build again.",
        )
    })
}
