//! One JSON object -> one [`Row`]: single answers, pairs, TRL's implicit prompts.

use serde_json::{Map, Value};

use super::chat::{self, Fault, kind};
use super::{Content, Item, Row, is_empty};
use crate::Error;
use crate::checkpoint::{Message, Prompt};
use crate::engine::Input;

/// Fields that mean something; all others are passed through.
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

/// Turns an object into a row; `place` is file and line.
pub fn row(number: usize, place: &str, mut object: Map<String, Value>) -> Row {
    let content = content(&object).map_err(|fault| {
        let Fault { field, found, expected } = fault;
        error(place, Some(&field), &found, expected, "Correct the field.")
    });
    let id = id(number, object.get("id").cloned());
    object.retain(|key, _| !KNOWN.contains(&key.as_str()));
    Row { number, id, content, extra: object }
}

/// A row that is no row.
pub fn bad(number: usize, found: Option<Value>, error: String) -> Row {
    Row { number, id: id(number, found), content: Err(error), extra: Map::new() }
}

fn id(number: usize, found: Option<Value>) -> Value {
    found.filter(|id| !id.is_null()).unwrap_or_else(|| Value::from(number))
}

/// The message of a bad row.
pub fn error(place: &str, field: Option<&str>, found: &str, expected: &str, fix: &str) -> String {
    let place = match field {
        Some(field) => format!("{place}: field `{field}`"),
        None => place.to_owned(),
    };
    Error::invalid(place, found, expected, fix).to_string()
}

fn content(object: &Map<String, Value>) -> Result<Content, Fault> {
    let (answer, chosen, rejected) =
        (present(object, "answer"), present(object, "chosen"), present(object, "rejected"));
    match (answer, chosen, rejected) {
        (Some(answer), None, None) => one(object, answer).map(Content::One),
        (None, Some(chosen), Some(rejected)) => pair(object, chosen, rejected),
        (Some(_), _, _) => {
            Err(Fault::new("answer", "an answer beside chosen or rejected", "an answer, or a pair"))
        }
        (None, Some(_), None) => Err(missing(object, "rejected", "the pair's other answer")),
        (None, None, Some(_)) => Err(missing(object, "chosen", "the pair's other answer")),
        (None, None, None) => Err(missing(object, "answer", "text (or a pair: chosen and rejected)")),
    }
}

fn one(object: &Map<String, Value>, answer: &Value) -> Result<Item, Fault> {
    let (before, text) = chat::answer("answer", answer)?;
    let prompt = match present(object, "prompt") {
        Some(prompt) => without_prompt(chat::prompt("prompt", prompt)?, &before, "answer")?,
        None if before.is_empty() => return Err(missing(object, "prompt", "text or messages")),
        None => Prompt::Messages(before),
    };
    item(object, prompt, text, ["critique", "", "critique_token_ids"])
}

fn pair(object: &Map<String, Value>, chosen: &Value, rejected: &Value) -> Result<Content, Fault> {
    let (chosen_before, chosen) = chat::answer("chosen", chosen)?;
    let (rejected_before, rejected) = chat::answer("rejected", rejected)?;
    let prompt = match present(object, "prompt") {
        Some(prompt) => {
            let prompt = without_prompt(chat::prompt("prompt", prompt)?, &chosen_before, "chosen")?;
            without_prompt(prompt, &rejected_before, "rejected")?
        }
        None if chosen_before.is_empty() || rejected_before.is_empty() => {
            return Err(missing(object, "prompt", "text or messages, or whole chats in chosen and rejected"));
        }
        None if chosen_before != rejected_before => {
            return Err(Fault::new(
                "rejected",
                "a chat that differs from chosen before the last message",
                "two chats that differ in their last message only",
            ));
        }
        None => Prompt::Messages(chosen_before),
    };
    let side = |text, keys| item(object, prompt.clone(), text, keys);
    Ok(Content::Pair {
        chosen: side(chosen, ["chosen_critique", "chosen_feedback", "chosen_critique_token_ids"])?,
        rejected: side(rejected, ["rejected_critique", "rejected_feedback", "rejected_critique_token_ids"])?,
    })
}

/// An answer's chat may repeat the prompt that is also given; anything else before the answer is a contradiction.
fn without_prompt(prompt: Prompt, before: &[Message], field: &str) -> Result<Prompt, Fault> {
    let same = match &prompt {
        _ if before.is_empty() => true,
        Prompt::Text(text) => matches!(before, [one] if one.role == "user" && one.content == *text),
        Prompt::Messages(messages) => messages == before,
    };
    if same {
        return Ok(prompt);
    }
    Err(Fault::new(
        field,
        "messages before the answer that are not those of the prompt",
        "the answer alone, or the prompt's messages and the answer",
    ))
}

fn item(
    object: &Map<String, Value>,
    prompt: Prompt,
    answer: String,
    [text, feedback, ids]: [&str; 3],
) -> Result<Item, Fault> {
    if is_empty(&prompt) {
        return Err(Fault::new("prompt", "an empty text", "what was asked"));
    }
    let critique = match (present(object, text), present(object, feedback)) {
        (Some(Value::String(text)), _) => Some(text.clone()),
        (Some(other), _) => return Err(Fault::new(text, kind(other), "text")),
        // Training rows hold feedback, one or several; the reference takes the first.
        (None, Some(Value::String(text))) => Some(text.clone()),
        (None, Some(Value::Array(several))) => several.first().and_then(Value::as_str).map(str::to_owned),
        (None, _) => None,
    };
    let critique_token_ids = present(object, ids).map(|value| token_ids(ids, value)).transpose()?;
    let reading = object.get("reading").and_then(|r| serde_json::from_value(r.clone()).ok());
    Ok(Item { input: Input { prompt, answer }, critique, critique_token_ids, reading })
}

fn token_ids(field: &str, value: &Value) -> Result<Vec<u32>, Fault> {
    const EXPECTED: &str = "a list of token ids (whole numbers from 0)";
    let Value::Array(items) = value else { return Err(Fault::new(field, kind(value), EXPECTED)) };
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let id = item.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| Fault::new(format!("{field}[{i}]"), item.to_string(), EXPECTED))
        })
        .collect()
}

fn present<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

fn missing(object: &Map<String, Value>, field: &str, expected: &'static str) -> Fault {
    Fault::new(field, if object.contains_key(field) { "null" } else { "nothing" }, expected)
}
