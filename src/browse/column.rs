//! Columns of the table of rows, their values, and how values are ordered.

use std::cmp::Ordering;

use crate::checkpoint::Prompt;
use crate::data::Example;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// The row's number in the data, from 1.
    Number,
    /// Its id.
    Id,
    /// The prompt (of a chat, its last turn in the table, all turns where words are looked for).
    Prompt,
    /// Any of the answers; only where words are looked for.
    Answer,
    /// `single`, `pair`, or how many answers.
    Kind,
    /// The reward of the chosen (or only) answer: the model's if it was scored, else the file's score.
    Reward,
    /// Reward of the chosen answer less that of the rejected one.
    Margin,
    /// Characters of the chosen (or only) answer.
    Length,
    /// What a person says here, else the file: see [`LABELS`].
    Label,
    /// A column of the file.
    File(String),
}

const NAMES: [(&str, Column); 9] = [
    ("row", Column::Number),
    ("id", Column::Id),
    ("prompt", Column::Prompt),
    ("answer", Column::Answer),
    ("kind", Column::Kind),
    ("reward", Column::Reward),
    ("margin", Column::Margin),
    ("length", Column::Length),
    ("label", Column::Label),
];

impl Column {
    /// The columns of the table at first.
    pub const FIRST: [Self; 8] = [
        Self::Number,
        Self::Id,
        Self::Prompt,
        Self::Kind,
        Self::Reward,
        Self::Margin,
        Self::Length,
        Self::Label,
    ];

    /// The column of a name: ours, else the file's.
    pub fn named(name: &str) -> Self {
        NAMES.iter().find(|(n, _)| *n == name).map_or_else(|| Self::File(name.into()), |(_, c)| c.clone())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::File(name) => name,
            column => NAMES.iter().find(|(_, c)| c == column).map_or("", |(name, _)| name),
        }
    }
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Missing,
    /// A number.
    Number(f64),
    /// Text; lists and objects as JSON.
    Text(String),
}

/// Characters by which texts are ordered.
const KEY: usize = 64;

impl Value {
    /// A value of a file.
    pub fn of(value: Option<&serde_json::Value>) -> Self {
        match value {
            None | Some(serde_json::Value::Null) => Self::Missing,
            Some(serde_json::Value::Number(n)) => n.as_f64().map_or(Self::Missing, Self::Number),
            Some(serde_json::Value::String(text)) => Self::Text(text.clone()),
            Some(other) => Self::Text(other.to_string()),
        }
    }

    /// A number that may be missing (NaN).
    pub fn maybe(n: f64) -> Self {
        if n.is_nan() { Self::Missing } else { Self::Number(n) }
    }

    /// As text.
    pub fn text(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Number(n) => n.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// As a number; text that is one counts.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Number(n) => Some(*n),
            Self::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        }
    }

    /// As it is ordered: a text that is a number as that, others by their first 64 characters.
    pub fn key(self) -> Self {
        match self.number() {
            Some(n) => Self::Number(n),
            None => match self {
                Self::Text(text) if text.len() > KEY => Self::Text(text.chars().take(KEY).collect()),
                other => other,
            },
        }
    }

    /// Numbers before texts; what is missing comes last in both directions.
    pub fn order(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Missing, Self::Missing) => return Ordering::Equal,
            (Self::Missing, _) => return Ordering::Greater,
            (_, Self::Missing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        };
        if descending { order.reverse() } else { order }
    }
}

/// How many answers a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u16);

impl Kind {
    /// In a word.
    pub fn word(self) -> String {
        match self.0 {
            1 => "single".into(),
            2 => "pair".into(),
            n => format!("{n}"),
        }
    }
}

/// Labels; the first is none.
pub const LABELS: [&str; 8] =
    ["", "good", "bad", "tie", "chosen-much", "chosen", "rejected", "rejected-much"];

/// What is kept of each row: numbers by which it is shown, filtered and ordered without being read again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Its number, from 1.
    pub number: u32,
    /// How many answers.
    pub kind: Kind,
    /// What the file says of it, and a person: places in [`LABELS`].
    label: u8,
    by_hand: u8,
    /// Rewards of the chosen (or first) and the rejected (or second) answer; NaN where there is none.
    pub rewards: [f32; 2],
    /// Characters of both.
    pub lengths: [u32; 2],
}

impl Facts {
    /// Of a row as it was read.
    pub fn of(example: &Example) -> Self {
        let first = example.answers.first();
        let (a, b) = match example.pair() {
            Some((better, worse)) => (Some(better), Some(worse)),
            None => (first, example.answers.get(1)),
        };
        let score = |a: Option<&crate::data::Answer>| a.and_then(|a| a.score).map_or(f32::NAN, |s| s as f32);
        let length = |a: Option<&crate::data::Answer>| {
            a.map_or(0, |a| u32::try_from(a.text.chars().count()).unwrap_or(u32::MAX))
        };
        let mut rewards = [score(a), score(b)];
        if let (true, Some(reward)) =
            (b.is_none(), example.rest.get("reward").and_then(serde_json::Value::as_f64))
            && let Some(own) = rewards.first_mut()
        {
            *own = reward as f32;
        }
        Self {
            number: u32::try_from(example.number).unwrap_or(u32::MAX),
            kind: Kind(u16::try_from(example.answers.len()).unwrap_or(u16::MAX)),
            label: match (example.tie, first.and_then(|a| a.label)) {
                (true, _) => 3,
                (_, Some(true)) => 1,
                (_, Some(false)) => 2,
                (_, None) => 0,
            },
            by_hand: 0,
            rewards,
            lengths: [length(a), length(b)],
        }
    }

    /// The label in a word; empty without one.
    pub fn label(&self) -> &'static str {
        let label = if self.by_hand > 0 { self.by_hand } else { self.label };
        LABELS.get(usize::from(label)).copied().unwrap_or_default()
    }

    /// Takes a person's label in place of the file's; `None` gives that back.
    pub fn label_by_hand(&mut self, word: Option<&str>) {
        let place = word.and_then(|word| LABELS.iter().position(|label| *label == word));
        self.by_hand = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
    }

    /// Takes rewards that were found, where they are (not NaN), in place of the file's.
    pub fn mark(&mut self, rewards: [f32; 2]) {
        for (known, new) in self.rewards.iter_mut().zip(rewards) {
            *known = if new.is_nan() { *known } else { new };
        }
    }

    /// Reward of the chosen answer less that of the rejected one; NaN without.
    pub fn margin(&self) -> f32 {
        let [a, b] = self.rewards;
        a - b
    }

    /// The value of a column, where it is known without reading the row.
    pub fn value(&self, column: &Column) -> Option<Value> {
        Some(match column {
            Column::Number => Value::Number(self.number.into()),
            Column::Kind => Value::Text(self.kind.word()),
            Column::Reward => Value::maybe(self.rewards[0].into()),
            Column::Margin => Value::maybe(self.margin().into()),
            Column::Length => Value::Number(self.lengths[0].into()),
            Column::Label => match self.label() {
                "" => Value::Missing,
                word => Value::Text(word.into()),
            },
            Column::Id | Column::Prompt | Column::Answer | Column::File(_) => return None,
        })
    }
}

/// All turns of a prompt.
pub fn prompt_text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Messages(turns) => {
            turns.iter().map(|turn| turn.content.as_str()).collect::<Vec<_>>().join("\n")
        }
    }
}

/// How a prompt begins: of a chat, its last turn.
pub fn beginning(prompt: &Prompt) -> String {
    let text = match prompt {
        Prompt::Text(text) => text.as_str(),
        Prompt::Messages(turns) => turns.last().map_or("", |turn| turn.content.as_str()),
    };
    text.trim_start().chars().take(200).collect()
}
