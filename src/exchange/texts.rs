//! Prompts and answers as columns: text or messages, one way in a whole file.

use serde_json::{Map, Value, json};

use crate::checkpoint::{Message, Prompt};

/// One turn, as chat columns have it.
pub fn turn(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// The turns of a prompt; a text is one turn of the user.
pub fn turns(prompt: &Prompt) -> Vec<Value> {
    match prompt {
        Prompt::Text(text) => vec![turn("user", text)],
        Prompt::Messages(messages) => messages.iter().map(|m| turn(&m.role, &m.content)).collect(),
    }
}

/// A prompt as a column; `chat` if any prompt of the file is one.
pub fn prompt(prompt: &Prompt, chat: bool) -> Value {
    match prompt {
        Prompt::Text(text) if !chat => text.clone().into(),
        other => turns(other).into(),
    }
}

/// The same for a prompt as text and as the one turn it is.
pub fn key(prompt: &Prompt) -> String {
    Value::from(turns(prompt)).to_string()
}

/// Reads messages.
pub fn messages(value: &Value) -> Option<Vec<Message>> {
    let text = |turn: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| turn.get(name)?.as_str()).map(str::to_owned)
    };
    let role = |name: String| match name.as_str() {
        "human" => "user".to_owned(),
        "gpt" => "assistant".to_owned(),
        _ => name,
    };
    let turns = value.as_array()?.iter();
    turns
        .map(|turn| {
            Some(Message {
                role: role(text(turn, ["role", "from"])?),
                content: text(turn, ["content", "value"])?,
            })
        })
        .collect()
}

/// Reads a prompt: text or messages; `cell`: of a table, where messages are JSON in a text.
pub fn as_prompt(value: &Value, cell: bool) -> Option<Prompt> {
    let inner = in_cell(value, cell);
    match inner.as_ref().unwrap_or(value) {
        Value::String(text) => Some(Prompt::Text(text.clone())),
        other => messages(other).filter(|m| !m.is_empty()).map(Prompt::Messages),
    }
}

/// Reads an answer: text, or messages that end with it; then what stands before it is the prompt, if it is more than nothing.
pub fn as_answer(value: &Value, cell: bool) -> Option<(Option<Prompt>, String)> {
    let inner = in_cell(value, cell);
    let value = inner.as_ref().unwrap_or(value);
    if let Value::String(text) = value {
        return Some((None, text.clone()));
    }
    let mut turns = messages(value)?;
    let last = turns.pop().filter(|turn| turn.role == "assistant")?;
    Some(((!turns.is_empty()).then_some(Prompt::Messages(turns)), last.content))
}

fn in_cell(value: &Value, cell: bool) -> Option<Value> {
    let text = value.as_str().filter(|text| cell && text.trim_start().starts_with('['))?;
    serde_json::from_str(text).ok().filter(|inner| messages(inner).is_some_and(|m| !m.is_empty()))
}

/// What prompts are called.
const PROMPTS: [&str; 6] = ["prompt", "question", "instruction", "query", "input", "messages"];
/// What the two answers of a comparison are called.
const ANSWERS: [[&str; 2]; 11] = [
    ["chosen", "rejected"],
    ["answer_1", "answer_2"],
    ["answer_a", "answer_b"],
    ["response_a", "response_b"],
    ["response_1", "response_2"],
    ["response1", "response2"],
    ["answer1", "answer2"],
    ["completion_a", "completion_b"],
    ["output_1", "output_2"],
    ["text1", "text2"],
    ["answer", ""],
];

/// Prompt and answers among named values, and whether the answers are called chosen and rejected.
///
/// # Errors
/// The value that is no text.
pub fn find(row: &Map<String, Value>, cell: bool) -> Result<(Option<Prompt>, Vec<String>, bool), String> {
    let given = |name: &&str| row.get(*name).filter(|value| !value.is_null());
    let mut prompt = None;
    if let Some((name, value)) = PROMPTS.iter().find_map(|name| Some((name, given(name)?))) {
        let read = as_prompt(value, cell)
            .ok_or_else(|| format!("{name}: found {}, expected text or messages", short(value)))?;
        prompt = Some(read);
    }
    let Some(names) = ANSWERS.iter().find(|names| names.first().is_some_and(|name| given(name).is_some()))
    else {
        return Ok((prompt, Vec::new(), false));
    };
    let mut answers = Vec::new();
    for name in names {
        let Some(value) = given(name) else { continue };
        let (before, text) = as_answer(value, cell)
            .ok_or_else(|| format!("{name}: found {}, expected an answer", short(value)))?;
        prompt = prompt.or(before);
        answers.push(text);
    }
    Ok((prompt, answers, names.first() == Some(&"chosen")))
}

/// A value for a message.
pub fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
