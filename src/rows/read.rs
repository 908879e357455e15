//! Rows of files and streams, in order: examples of `data` as the engine takes them.

use std::collections::VecDeque;
use std::io::Read;

use serde_json::{Map, Value};

use super::{Content, Item, Row};
use crate::data::{Answer, Example, Fault, Options, Place, Source, Stream, StreamRow};
use crate::engine::Input;
use crate::{Error, Result};

/// Yields rows in order; an `Err` is a source that could not be read (to its end), the next ones go on.
///
/// A row with more than two answers, or two of which none is better, gives a row for each answer, `id#1`, `id#2`, ...
pub struct Reader {
    stream: Option<Stream>,
    failed: Option<Error>,
    /// Rows for the other answers of a row.
    waiting: VecDeque<Row>,
}

impl Reader {
    /// Reads the sources one after the other.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Self {
        Self::mapped(sources, Options::default())
    }

    /// [`Reader::new`] with names for columns.
    pub fn mapped(sources: impl IntoIterator<Item = Source>, options: Options) -> Self {
        Self { stream: Some(Stream::new(sources, options)), failed: None, waiting: VecDeque::new() }
    }

    /// Reads one stream, called `name` in messages.
    pub fn over(name: &str, input: impl Read + Send + 'static) -> Self {
        let (stream, failed) = match Stream::over(name, input, Options::default()) {
            Ok(stream) => (Some(stream), None),
            Err(error) => (None, Some(error)),
        };
        Self { stream, failed, waiting: VecDeque::new() }
    }
}

impl Reader {
    /// More answers of the last row follow.
    pub fn is_within(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Iterator for Reader {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        if let Some(row) = self.waiting.pop_front() {
            return Some(Ok(row));
        }
        let stream = self.stream.as_mut()?;
        let row = match stream.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let StreamRow { number, place, example, row, repeats, .. } = row;
        let repeats = repeats.map(|repeat| {
            let (name, first) = (stream.name(), stream.name_of(repeat.first_file));
            format!("{name}{place}: the id {} is that of {first}{} as well", repeat.id, repeat.first)
        });
        match example {
            Ok(example) => self.waiting.extend(rows(example)),
            Err(fault) => self.waiting.push_back(bad(number, stream.name(), Some(place), fault, row)),
        }
        let mut row = self.waiting.pop_front()?;
        row.repeats = repeats;
        Some(Ok(row))
    }
}

/// Columns of our own rows, which are not passed through.
const KNOWN: [&str; 13] = [
    "id",
    "prompt",
    "answer",
    "critique",
    "critique_token_ids",
    "chosen",
    "rejected",
    "chosen_critique",
    "rejected_critique",
    "chosen_critique_token_ids",
    "rejected_critique_token_ids",
    "chosen_feedback",
    "rejected_feedback",
];

/// A row that is none: file, place, column, what was found and expected.
pub fn bad(
    number: usize,
    name: &str,
    place: Option<Place>,
    fault: Fault,
    row: Option<Map<String, Value>>,
) -> Row {
    let place = place.map_or_else(|| name.to_owned(), |place| format!("{name}{place}"));
    let (place, fix) = match &fault.column {
        Some(column) => (format!("{place}: field `{column}`"), "Correct the field."),
        None => (place, "Correct or remove the row."),
    };
    let error = Error::invalid(place, fault.found, fault.expected, fix).to_string();
    let id = fault.id.map(|id| *id).filter(|id| !id.is_null()).unwrap_or_else(|| Value::from(number));
    let mut extra = row.unwrap_or_default();
    extra.retain(|key, _| !KNOWN.contains(&key.as_str()));
    Row { number, id, content: Err(error), extra, repeats: None }
}

/// The rows of an example: one answer, a pair, or each answer by itself.
pub fn rows(example: Example) -> Vec<Row> {
    let items: Vec<Item> = example.answers.iter().map(|answer| item(&example, answer)).collect();
    let Example { number, id, pairs, rest, .. } = example;
    let row = |id: Value, content: Content| {
        let extra = rest.clone();
        Row { number, id, content: Ok(content), extra, repeats: None }
    };
    if let ([(better, worse)], true) = (pairs.as_slice(), items.len() == 2)
        && let (Some(chosen), Some(rejected)) = (items.get(*better), items.get(*worse))
    {
        return vec![row(id, Content::Pair { chosen: chosen.clone(), rejected: rejected.clone() })];
    }
    if items.len() == 1 {
        return items.into_iter().map(|item| row(id.clone(), Content::One(item))).collect();
    }
    let name = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let one = |(i, item)| row(format!("{name}#{i}").into(), Content::One(item));
    (1..).zip(items).map(one).collect()
}

fn item(example: &Example, answer: &Answer) -> Item {
    let reading = example.rest.get("reading").and_then(|r| serde_json::from_value(r.clone()).ok());
    Item {
        input: Input { prompt: example.prompt_of(answer), answer: answer.text.clone() },
        critique: answer.critiques.first().cloned(),
        critique_token_ids: answer.critique_token_ids.clone(),
        reading,
    }
}
