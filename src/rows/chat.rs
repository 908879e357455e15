//! Text or messages: `"text"`, `[{"role", "content"}]`, and content in parts `[{"type": "text", "text"}]`.

use serde_json::{Map, Value};

use crate::checkpoint::{Message, Prompt};

/// What is wrong with a field.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// `prompt[2].content`, ...
    pub field: String,
    /// What stands there.
    pub found: String,
    /// What should stand there.
    pub expected: &'static str,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, found: impl Into<String>, expected: &'static str) -> Self {
        Self { field: field.into(), found: found.into(), expected }
    }
}

const TEXT_OR_MESSAGES: &str = "text, or messages [{\"role\", \"content\"}, ...]";

/// Reads text or messages.
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
        other => Err(Fault::new(field, kind(other), TEXT_OR_MESSAGES)),
    }
}

fn message(field: &str, value: &Value) -> Result<Message, Fault> {
    let Value::Object(object) = value else {
        return Err(Fault::new(field, kind(value), "a message {\"role\", \"content\"}"));
    };
    let role = match object.get("role") {
        Some(Value::String(role)) if !role.is_empty() => role.clone(),
        other => {
            let found = other.map_or("nothing", kind);
            return Err(Fault::new(format!("{field}.role"), found, "user, assistant or system"));
        }
    };
    let content = content(&format!("{field}.content"), object)?;
    Ok(Message { role, content })
}

fn content(field: &str, message: &Map<String, Value>) -> Result<String, Fault> {
    const EXPECTED: &str = "text, or text parts [{\"type\": \"text\", \"text\"}]";
    match message.get("content") {
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
