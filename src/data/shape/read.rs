//! A row -> an example, as its shape says.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::find::turns;
use super::join::{Turns, join};
use super::names::{self, number};
use super::verdict::Outcome;
use super::{Asked, Kind, Shape, Side};
use crate::checkpoint::{Message, Prompt};
use crate::data::chat::{self, kind};
use crate::data::example::{Answer, Example, Fault};
use crate::data::json;

type Row = Map<String, Value>;

/// Reads a row.
pub fn example(shape: &Shape, number: usize, row: &Row, strict: bool) -> Result<Example, Fault> {
    let reader = Reader { shape, row };
    let mut found = match &shape.kind {
        Kind::Single(side) => reader.single(side)?,
        Kind::Pair { better, worse, transcript } => reader.pair(better, worse, *transcript)?,
        Kind::Lists { better, worse } => reader.lists(better, worse)?,
        Kind::Versus { a, b, verdict, turns } => {
            let mut found = if *turns { reader.turns(a, b)? } else { reader.two(a, b, false)? };
            match verdict.read(row, [&a.answer, &b.answer])? {
                Some(Outcome::A) => found.pairs.push((0, 1)),
                Some(Outcome::B) => found.pairs.push((1, 0)),
                Some(Outcome::Tie) => found.tie = true,
                None => {}
            }
            found
        }
        Kind::Many { answers, scores, choice, models } => {
            reader.many(answers, scores.as_ref(), choice.as_deref(), models.as_deref())?
        }
    };
    if is_empty(&found.prompt) && found.answers.iter().all(|a| is_silent(&a.before)) {
        let column = shape.asked.column.as_deref().unwrap_or("prompt");
        return Err(Fault::new(column, "an empty text", "what was asked"));
    }
    if strict && let Some(at) = found.answers.iter().position(|answer| answer.text.trim().is_empty()) {
        let column = found.columns.get(at).cloned().unwrap_or_default();
        return Err(Fault::new(column, "an empty text", "an answer"));
    }
    if let [(better, worse)] = found.pairs.as_slice()
        && let [Some(better), Some(worse)] = [found.answers.get(*better), found.answers.get(*worse)]
    {
        found.tie |= better.text == worse.text && better.before == worse.before;
    }
    let used = shape.used();
    let id = row.get("id").filter(|id| !id.is_null()).cloned().unwrap_or_else(|| Value::from(number));
    let rest = row.iter().filter(|(name, _)| *name != "id" && !used.contains(&name.as_str()));
    let rest = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    let Found { prompt, answers, pairs, tie, .. } = found;
    Ok(Example { number, id, prompt, answers, pairs, tie, rest })
}

/// True if a prompt holds nothing to answer.
fn is_empty(prompt: &Prompt) -> bool {
    match prompt {
        Prompt::Text(text) => text.trim().is_empty(),
        Prompt::Messages(messages) => is_silent(messages),
    }
}

fn is_silent(messages: &[Message]) -> bool {
    messages.iter().all(|m| m.content.trim().is_empty())
}

impl Shape {
    /// The columns that mean something.
    fn used(&self) -> Vec<&str> {
        let Asked { column, input, system } = &self.asked;
        let mut used: Vec<&str> = [column, input, system].into_iter().flatten().map(String::as_str).collect();
        match &self.kind {
            Kind::Single(side) => used.extend(side.columns()),
            Kind::Pair { better, worse, .. } => used.extend(better.columns().chain(worse.columns())),
            Kind::Lists { better, worse } => used.extend([better.as_str(), worse]),
            Kind::Versus { a, b, verdict, .. } => {
                used.extend(a.columns().chain(b.columns()));
                used.extend(verdict.columns());
            }
            Kind::Many { answers, scores, choice, models } => {
                used.push(answers);
                used.extend(scores.as_ref().map(|(column, _)| column.as_str()));
                used.extend(choice.as_deref().into_iter().chain(models.as_deref()));
            }
        }
        used
    }
}

impl Side {
    /// The columns whose content is in the answer; scores and models stay with the rest too.
    fn columns(&self) -> impl Iterator<Item = &str> {
        let columns = [Some(&self.answer), self.critique.as_ref(), self.feedback.as_ref(), self.ids.as_ref()];
        columns.into_iter().chain([self.label.as_ref()]).flatten().map(String::as_str)
    }
}

struct Found {
    prompt: Prompt,
    answers: Vec<Answer>,
    /// The answers' columns, for messages.
    columns: Vec<String>,
    pairs: Vec<(usize, usize)>,
    tie: bool,
}

struct Reader<'a> {
    shape: &'a Shape,
    row: &'a Row,
}

impl<'a> Reader<'a> {
    fn get(&self, column: &str) -> Option<&'a Value> {
        self.row.get(column).filter(|value| !value.is_null())
    }

    fn missing(&self, column: &str, expected: &str) -> Fault {
        Fault::new(column, if self.row.contains_key(column) { "null" } else { "nothing" }, expected)
    }

    /// A cell that holds messages, as messages.
    fn cell(&self, value: &'a Value) -> Cow<'a, Value> {
        let messages = |value: &Value| {
            chat::is_chat(value)
                || value.as_object().is_some_and(|o| chat::is_message(o) || o.contains_key("messages"))
        };
        let text = value.as_str().filter(|_| self.shape.cells);
        let within = text.and_then(json::cell).filter(messages);
        within.map_or(Cow::Borrowed(value), Cow::Owned)
    }

    /// A cell that holds a list, as a list.
    fn list(&self, column: &str, expected: &str) -> Result<Cow<'a, [Value]>, Fault> {
        let Some(value) = self.get(column) else { return Err(self.missing(column, expected)) };
        match value {
            Value::Array(items) => Ok(Cow::Borrowed(items)),
            Value::String(text) if self.shape.cells => match json::cell(text) {
                Some(Value::Array(items)) => Ok(Cow::Owned(items)),
                _ => Err(Fault::new(column, "text", expected)),
            },
            other => Err(Fault::new(column, kind(other), expected)),
        }
    }

    fn prompt(&self) -> Result<Option<Prompt>, Fault> {
        let Asked { column, input, system } = &self.shape.asked;
        let Some(column) = column else { return Ok(None) };
        let Some(value) = self.get(column) else { return Ok(None) };
        let mut prompt = match self.cell(value).as_ref() {
            Value::String(text) if chat::is_transcript(text) && self.is_transcript() => {
                let mut turns = chat::transcript(text);
                // The last turn is the one to come.
                if turns.last().is_some_and(|turn| turn.role == "assistant" && turn.content.is_empty()) {
                    turns.pop();
                }
                Prompt::Messages(turns)
            }
            value => chat::prompt(column, value)?,
        };
        let text = |column: &Option<String>| {
            let text = column.as_ref().and_then(|column| self.get(column)).and_then(Value::as_str);
            text.filter(|text| !text.trim().is_empty())
        };
        if let (Prompt::Text(prompt), Some(input)) = (&mut prompt, text(input)) {
            prompt.push_str("\n\n");
            prompt.push_str(input);
        }
        // A word alone is the name of a system, not its message.
        if let Some(system) = text(system).filter(|text| text.trim().contains(char::is_whitespace)) {
            let mut messages = match prompt {
                Prompt::Text(text) => vec![Message { role: "user".into(), content: text }],
                Prompt::Messages(messages) => messages,
            };
            if messages.first().is_none_or(|first| first.role != "system") {
                messages.insert(0, Message { role: "system".into(), content: system.to_owned() });
            }
            prompt = Prompt::Messages(messages);
        }
        Ok(Some(prompt))
    }

    fn is_transcript(&self) -> bool {
        matches!(self.shape.kind, Kind::Pair { transcript: true, .. }) || self.shape.name == "hh-rlhf"
    }

    /// The prompt's column, also where answers are whole chats.
    fn prompt_column(&self) -> &'a str {
        self.shape.asked.column.as_deref().unwrap_or("prompt")
    }

    fn joined(&self, columns: Vec<String>, mut turns: Vec<Turns>) -> Result<Found, Fault> {
        let column = self.prompt_column();
        let prompt = join(self.prompt()?, column, &columns, &mut turns).map_err(|mut fault| {
            if fault.column.as_deref() == Some(column) && self.row.contains_key(column) {
                fault.found = "null".into();
            }
            fault
        })?;
        let answers = turns.into_iter().map(|(before, text)| Answer { before, text, ..Answer::default() });
        Ok(Found { prompt, answers: answers.collect(), columns, pairs: Vec::new(), tie: false })
    }

    fn single(&self, side: &Side) -> Result<Found, Fault> {
        let Some(value) = self.get(&side.answer) else {
            return Err(self.missing(&side.answer, "text (or a pair: chosen and rejected)"));
        };
        let turns = chat::answer(&side.answer, self.cell(value).as_ref())?;
        let mut found = self.joined(vec![side.answer.clone()], vec![turns])?;
        if let Some(answer) = found.answers.first_mut() {
            self.complete(answer, side)?;
        }
        Ok(found)
    }

    fn pair(&self, better: &Side, worse: &Side, transcript: bool) -> Result<Found, Fault> {
        let mut found = self.two(better, worse, transcript)?;
        found.pairs.push((0, 1));
        Ok(found)
    }

    fn two(&self, a: &Side, b: &Side, transcript: bool) -> Result<Found, Fault> {
        let turns = |side: &Side| -> Result<Turns, Fault> {
            let column = &side.answer;
            let Some(value) = self.get(column) else {
                return Err(self.missing(column, "one of the two answers"));
            };
            match value {
                Value::String(text) if transcript && chat::is_transcript(text) => {
                    chat::answer(column, &messages(chat::transcript(text)))
                }
                _ => chat::answer(column, self.cell(value).as_ref()),
            }
        };
        let mut found = self.joined(vec![a.answer.clone(), b.answer.clone()], vec![turns(a)?, turns(b)?])?;
        for (answer, side) in found.answers.iter_mut().zip([a, b]) {
            self.complete(answer, side)?;
        }
        Ok(found)
    }

    /// Prompts and answers as lists of turns.
    fn turns(&self, a: &Side, b: &Side) -> Result<Found, Fault> {
        const EXPECTED: &str = "a list of turns, as many as the prompt has";
        let list = |column: &str| {
            let Some(value) = self.get(column) else { return Err(self.missing(column, EXPECTED)) };
            turns(value).ok_or_else(|| Fault::new(column, kind(value), EXPECTED))
        };
        let asked = list(self.prompt_column())?;
        let chat = |side: &Side| -> Result<Turns, Fault> {
            let mut answers = list(&side.answer)?;
            if answers.len() != asked.len() || answers.is_empty() {
                return Err(Fault::new(&side.answer, format!("{} turns", answers.len()), EXPECTED));
            }
            let last = answers.pop().unwrap_or_default();
            let mut before = Vec::new();
            for (i, question) in asked.iter().enumerate() {
                before.push(Message { role: "user".into(), content: question.clone() });
                if let Some(answer) = answers.get(i) {
                    before.push(Message { role: "assistant".into(), content: answer.clone() });
                }
            }
            Ok((before, last))
        };
        let mut chats = vec![chat(a)?, chat(b)?];
        let columns = vec![a.answer.clone(), b.answer.clone()];
        let prompt = join(None, self.prompt_column(), &columns, &mut chats)?;
        let answers = chats.into_iter().map(|(before, text)| Answer { before, text, ..Answer::default() });
        let mut found = Found { prompt, answers: answers.collect(), columns, pairs: Vec::new(), tie: false };
        for (answer, side) in found.answers.iter_mut().zip([a, b]) {
            self.complete(answer, side)?;
        }
        Ok(found)
    }

    /// Lists of better and worse answers.
    fn lists(&self, better: &str, worse: &str) -> Result<Found, Fault> {
        let (mut columns, mut chats, mut counts) = (Vec::new(), Vec::new(), [0, 0]);
        for (side, count) in [better, worse].into_iter().zip(&mut counts) {
            let items = match self.list(side, "a list of answers") {
                Ok(items) if items.is_empty() => {
                    return Err(Fault::new(side, "an empty list", "a list of answers"));
                }
                Err(_) if self.get(side).is_some_and(Value::is_string) => {
                    Cow::Owned(vec![self.get(side).cloned().unwrap_or_default()])
                }
                other => other?,
            };
            for (i, item) in items.iter().enumerate() {
                let column = format!("{side}[{i}]");
                chats.push(chat::answer(&column, item)?);
                columns.push(column);
                *count += 1;
            }
        }
        let mut found = self.joined(columns, chats)?;
        let [good, bad] = counts;
        found.pairs = (0..good).flat_map(|b| (good..good + bad).map(move |w| (b, w))).collect();
        Ok(found)
    }

    /// A list of answers with their scores.
    fn many(
        &self,
        column: &str,
        scores: Option<&(String, bool)>,
        choice: Option<&str>,
        models: Option<&str>,
    ) -> Result<Found, Fault> {
        const EXPECTED: &str = "a list of answers";
        let items = self.list(column, EXPECTED)?;
        if items.is_empty() {
            return Err(Fault::new(column, "an empty list", EXPECTED));
        }
        let (mut columns, mut chats, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (i, item) in items.iter().enumerate() {
            let place = format!("{column}[{i}]");
            let (text, object) = match item {
                Value::Object(object) if !chat::is_message(object) => {
                    let text =
                        names::TEXTS.iter().find_map(|name| object.get(*name).filter(|v| !v.is_null()));
                    (
                        text.ok_or_else(|| Fault::new(place.clone(), "an object without text", "an answer"))?,
                        Some(object),
                    )
                }
                other => (other, None),
            };
            chats.push(chat::answer(&place, text)?);
            known.push(object.map(within).unwrap_or_default());
            columns.push(place);
        }
        let mut found = self.joined(columns, chats)?;
        for (answer, known) in found.answers.iter_mut().zip(known) {
            *answer = Answer {
                before: std::mem::take(&mut answer.before),
                text: std::mem::take(&mut answer.text),
                ..known
            };
        }
        if let Some((scores, rank)) = scores
            && let Ok(values) = self.list(scores, "a list of scores")
        {
            for (answer, value) in found.answers.iter_mut().zip(values.iter()) {
                answer.score = number(value).map(|n| if *rank { -n } else { n });
            }
        }
        if let Some(models) = models
            && let Ok(values) = self.list(models, "a list of models")
        {
            for (answer, value) in found.answers.iter_mut().zip(values.iter()) {
                answer.model = value.as_str().map(str::to_owned);
            }
        }
        let all = 0..found.answers.len();
        let chosen = choice.and_then(|column| self.get(column)).and_then(number);
        if let Some(best) = chosen.and_then(|n| all.clone().find(|i| *i as f64 == n)) {
            found.pairs = all.filter(|other| *other != best).map(|other| (best, other)).collect();
        } else {
            (found.pairs, found.tie) = by_score(&found.answers);
        }
        Ok(found)
    }

    /// Critique, scores, label of an answer.
    fn complete(&self, answer: &mut Answer, side: &Side) -> Result<(), Fault> {
        if let Some(column) = &side.critique
            && let Some(value) = self.get(column)
        {
            let Value::String(text) = value else { return Err(Fault::new(column, kind(value), "text")) };
            answer.critiques.push(text.clone());
        } else if let Some(value) = side.feedback.as_ref().and_then(|column| self.get(column)) {
            let within = value.as_str().filter(|_| self.shape.cells).and_then(json::cell);
            answer.critiques = critiques(within.as_ref().unwrap_or(value));
        }
        if let Some(column) = &side.ids
            && self.get(column).is_some()
        {
            let ids = self.list(column, "a list of token ids (whole numbers from 0)")?;
            answer.critique_token_ids = Some(token_ids(column, &ids)?);
        }
        answer.score = side.scores.iter().filter_map(|column| self.get(column)).find_map(|value| {
            let within = value.as_str().filter(|_| self.shape.cells).and_then(json::cell);
            match within.as_ref().unwrap_or(value) {
                Value::Array(items) => mean(items),
                other => number(other),
            }
        });
        answer.label = side.label.as_ref().and_then(|column| self.get(column)).and_then(names::yes);
        answer.model =
            side.model.as_ref().and_then(|c| self.get(c)).and_then(Value::as_str).map(str::to_owned);
        Ok(())
    }
}

/// What an object says of the answer in it.
fn within(object: &Row) -> Answer {
    let find = |names: &[&str]| names.iter().find_map(|name| object.get(*name).and_then(number));
    let critique = names::CRITIQUES.iter().find_map(|name| object.get(*name).filter(|v| !v.is_null()));
    Answer {
        critiques: critique.map(critiques).unwrap_or_default(),
        score: find(&names::SCORES).or_else(|| find(&names::RANKS).map(|rank| -rank)),
        model: object.get("model").and_then(Value::as_str).map(str::to_owned),
        ..Answer::default()
    }
}

/// The best against all that are worse; a tie if all scores are the same.
fn by_score(answers: &[Answer]) -> (Vec<(usize, usize)>, bool) {
    let scores: Vec<(usize, f64)> =
        answers.iter().enumerate().filter_map(|(i, a)| Some((i, a.score?))).collect();
    let Some(best) = scores.iter().map(|(_, score)| *score).reduce(f64::max) else {
        return (Vec::new(), false);
    };
    let bests = scores.iter().filter(|(_, score)| *score == best);
    let pairs: Vec<_> = bests
        .flat_map(|(b, _)| scores.iter().filter(|(_, score)| *score < best).map(move |(w, _)| (*b, *w)))
        .collect();
    let tie = pairs.is_empty() && scores.len() > 1 && scores.len() == answers.len();
    (pairs, tie)
}

/// One critique or several: texts, or objects that hold them.
fn critiques(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(one_critique).collect(),
        other => one_critique(other).into_iter().collect(),
    }
}

fn one_critique(value: &Value) -> Option<String> {
    let names = ["critique", "feedback", "text", "content", "value"];
    let text =
        value.as_str().or_else(|| names.iter().find_map(|name| value.get(name).and_then(Value::as_str)));
    text.map(str::to_owned)
}

fn mean(items: &[Value]) -> Option<f64> {
    let numbers: Vec<f64> = items.iter().filter_map(number).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

fn messages(turns: Vec<Message>) -> Value {
    let turn = |m: Message| serde_json::json!({"role": m.role, "content": m.content});
    Value::Array(turns.into_iter().map(turn).collect())
}

fn token_ids(field: &str, items: &[Value]) -> Result<Vec<u32>, Fault> {
    const EXPECTED: &str = "a list of token ids (whole numbers from 0)";
    let id = |(i, item): (usize, &Value)| {
        let id = item.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Fault::new(format!("{field}[{i}]"), item.to_string(), EXPECTED))
    };
    items.iter().enumerate().map(id).collect()
}
