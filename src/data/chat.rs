//! Text or messages: `"text"`, `[{"role", "content"}]`, ShareGPT's `[{"from", "value"}]`, content in parts
//! `[{"type": "text", "text"}]`, HH-RLHF's transcripts.

use serde_json::{Map, Value};

use super::example::Fault;
use crate::checkpoint::{Message, Prompt};

const TEXT_OR_MESSAGES: &str = "text, or messages [{\"role\", \"content\"}, ...]";

/// Reads text or messages.
///
/// # Errors
/// The field that is neither.
pub fn prompt(field: &str, value: &Value) -> Result<Prompt, Fault> {
    match value {
        Value::String(text) => Ok(Prompt::Text(text.clone())),
        Value::Array(items) if items.is_empty() => Err(Fault::new(field, "an empty list", TEXT_OR_MESSAGES)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| message(&format!("{field}[{i}]"), item))
            .collect::<Result<_, _>>()
            .map(Prompt::Messages),
        Value::Object(object) => match wrapped(object) {
            Some((key, inner)) if !inner.is_object() => prompt(&format!("{field}.{key}"), inner),
            _ if is_message(object) => Ok(Prompt::Messages(vec![message(field, value)?])),
            _ => Err(Fault::new(field, kind(value), TEXT_OR_MESSAGES)),
        },
        other => Err(Fault::new(field, kind(other), TEXT_OR_MESSAGES)),
    }
}

/// Objects that hold text or messages under a name of their own.
fn wrapped(object: &Map<String, Value>) -> Option<(&'static str, &Value)> {
    ["messages", "full_text", "post", "article", "text", "answer"].into_iter().find_map(|key| {
        object.get(key).filter(|value| value.is_string() || value.is_array()).map(|v| (key, v))
    })
}

/// True for a message's keys.
pub fn is_message(object: &Map<String, Value>) -> bool {
    (object.contains_key("role") && object.contains_key("content"))
        || (object.contains_key("from") && object.contains_key("value"))
}

/// True for a list of messages.
pub fn is_chat(value: &Value) -> bool {
    let Value::Array(items) = value else { return false };
    !items.is_empty() && items.iter().all(|item| item.as_object().is_some_and(is_message))
}

fn message(field: &str, value: &Value) -> Result<Message, Fault> {
    let Value::Object(object) = value else {
        return Err(Fault::new(field, kind(value), "a message {\"role\", \"content\"}"));
    };
    let (role_key, content_key) = if object.contains_key("from") && !object.contains_key("role") {
        ("from", "value")
    } else {
        ("role", "content")
    };
    let role = match object.get(role_key) {
        Some(Value::String(role)) if !role.is_empty() => role_of(role, role_key == "from"),
        other => {
            let found = other.map_or("nothing", kind);
            return Err(Fault::new(format!("{field}.{role_key}"), found, "user, assistant or system"));
        }
    };
    let content = content(&format!("{field}.{content_key}"), object.get(content_key))?;
    Ok(Message { role, content })
}

/// ShareGPT's names of who speaks, in chat templates' words.
fn role_of(role: &str, sharegpt: bool) -> String {
    let known = match role {
        "human" => "user",
        "gpt" | "chatgpt" | "bing" | "bard" | "bot" | "model" | "claude" if sharegpt => "assistant",
        "observation" | "function_response" if sharegpt => "tool",
        other => other,
    };
    known.to_owned()
}

fn content(field: &str, value: Option<&Value>) -> Result<String, Fault> {
    const EXPECTED: &str = "text, or text parts [{\"type\": \"text\", \"text\"}]";
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => parts
            .iter()
            .enumerate()
            .map(|(i, part)| match (part, part.get("type"), part.get("text")) {
                (Value::String(text), _, _) => Ok(text.as_str()),
                (_, None | Some(Value::Null), Some(Value::String(text))) => Ok(text.as_str()),
                (_, Some(Value::String(kind)), Some(Value::String(text))) if kind == "text" => {
                    Ok(text.as_str())
                }
                (_, Some(Value::String(kind)), _) => {
                    Err(Fault::new(format!("{field}[{i}]"), format!("a part of type {kind}"), EXPECTED))
                }
                (part, _, _) => Err(Fault::new(format!("{field}[{i}]"), kind(part), EXPECTED)),
            })
            .collect(),
        other => Err(Fault::new(field, other.map_or("nothing", kind), EXPECTED)),
    }
}

/// Reads an answer: text, or messages whose last is the assistant's. Returns what stands before it, if anything.
///
/// # Errors
/// The field that is neither.
pub fn answer(field: &str, value: &Value) -> Result<(Vec<Message>, String), Fault> {
    match prompt(field, value)? {
        Prompt::Text(text) => Ok((Vec::new(), text)),
        Prompt::Messages(mut messages) => match messages.pop() {
            Some(last) if last.role == "assistant" => Ok((messages, last.content)),
            last => {
                let found = match last {
                    Some(message) => format!("a last message of {}", message.role),
                    None => "no message".to_owned(),
                };
                Err(Fault::new(field, found, "messages that end with the assistant's answer"))
            }
        },
    }
}

/// True for an HH-RLHF transcript: `"\n\nHuman: ...\n\nAssistant: ..."`.
pub fn is_transcript(text: &str) -> bool {
    let start = text.trim_start();
    (start.starts_with("Human:") || start.starts_with("H:")) && text.contains(marker(start, true))
}

fn marker(start: &str, assistant: bool) -> &'static str {
    match (start.starts_with("Human:"), assistant) {
        (true, true) => "\n\nAssistant:",
        (true, false) => "\n\nHuman:",
        (false, true) => "\n\nA:",
        (false, false) => "\n\nH:",
    }
}

/// The turns of a transcript; its last may be the assistant's, still empty.
pub fn transcript(text: &str) -> Vec<Message> {
    let start = text.trim_start();
    let markers = [(marker(start, false), "user"), (marker(start, true), "assistant")];
    let text = format!("\n\n{start}");
    let mut turns: Vec<Message> = Vec::new();
    let mut rest = text.as_str();
    loop {
        let next =
            markers.iter().filter_map(|(mark, role)| rest.find(mark).map(|at| (at, *mark, *role))).min();
        let (before, after) = match next {
            Some((at, mark, _)) => {
                (rest.get(..at).unwrap_or_default(), rest.get(at + mark.len()..).unwrap_or_default())
            }
            None => (rest, ""),
        };
        if let Some(turn) = turns.last_mut() {
            turn.content = before.trim().to_owned();
        }
        let Some((_, _, role)) = next else { return turns };
        turns.push(Message { role: role.to_owned(), content: String::new() });
        rest = after;
    }
}

/// The kind of a value, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "an empty text",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
