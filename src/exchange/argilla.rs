//! Argilla records, as `Record.to_dict` writes and `Record.from_dict` reads them; the flat columns of `to_datasets` are read too.
//!
//! Fields `prompt`, `answer_1`, `answer_2`; questions `preference` (`first-much` .. `second-much`), `all_bad`, `reasons`,
//! `note`, `flag`, `critique_1`, `critique_2` (the model's critique is the suggestion). Users are UUIDs made of the
//! annotators' names, which stand in `metadata.annotators`.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::case::{Case, Spoken};
use super::pairs::reward;
use super::record::{Meanings, Record, Said, ordinal_word};
use super::texts;
use crate::session::Progress;

/// A case as a record.
pub fn record(case: &Case, chat: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("prompt".into(), texts::prompt(&case.example.prompt, chat));
    for (index, answer) in case.example.answers.iter().enumerate() {
        fields.insert(format!("answer_{}", index + 1), answer.as_str().into());
    }
    let mut metadata = Map::new();
    let mut names: Vec<&str> = case.outcome.labels.iter().map(|stated| stated.by.as_str()).collect();
    names.extend(case.corrections().into_iter().map(|(_, by, _)| by));
    names.sort_unstable();
    names.dedup();
    metadata.insert("annotators".into(), json!(names));
    let settled: Vec<&str> =
        case.outcome.labels.iter().filter(|s| s.label.adjudicates).map(|s| s.by.as_str()).collect();
    if !settled.is_empty() {
        metadata.insert("adjudicated_by".into(), json!(settled));
    }
    let mut suggestions = Map::new();
    for (index, spoken) in case.critiques.iter().enumerate() {
        if let Some(spoken) = spoken {
            let agent = format!("{} {}", spoken.model, spoken.fingerprint);
            let suggestion = json!({"value": spoken.text, "score": null, "agent": agent});
            suggestions.insert(format!("critique_{}", index + 1), suggestion);
            metadata.insert(format!("reward_{}", index + 1), reward(spoken.reward));
        }
    }
    let mut object = Map::new();
    object.insert("id".into(), case.id.clone().into());
    object.insert("fields".into(), fields.into());
    object.insert("metadata".into(), metadata.into());
    object.insert("suggestions".into(), suggestions.into());
    object.insert("responses".into(), responses(case).into());
    object.insert("vectors".into(), json!({}));
    object
}

fn responses(case: &Case) -> Map<String, Value> {
    let mut responses = Map::new();
    let mut say = |question: &str, by: &str, value: Value| {
        let list = responses.entry(question.to_owned()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({"value": value, "user_id": user(by), "status": "submitted"}));
        }
    };
    for stated in &case.outcome.labels {
        let (by, label) = (stated.by.as_str(), &stated.label);
        if let Some(choice) = label.choice {
            say("preference", by, ordinal_word(choice).into());
        }
        say("all_bad", by, if label.all_bad { "yes" } else { "no" }.into());
        if !label.reasons.is_empty() {
            say("reasons", by, json!(label.reasons));
        }
        if !label.note.is_empty() {
            say("note", by, label.note.as_str().into());
        }
        if label.flag {
            say("flag", by, "yes".into());
        }
    }
    for (answer, by, text) in case.corrections() {
        say(&format!("critique_{}", answer + 1), by, text.into());
    }
    responses
}

/// The user that stands for an annotator: a UUID of the name.
pub fn user(name: &str) -> String {
    let hash = Sha256::digest(format!("outloud annotator {name}").as_bytes());
    let mut hex: Vec<char> =
        hash.iter().take(16).flat_map(|b| format!("{b:02x}").chars().collect::<Vec<_>>()).collect();
    // Version 8 (made by a rule of one's own), variant 1.
    for (at, digit) in [(12, '8'), (16, 'a')] {
        if let Some(place) = hex.get_mut(at) {
            *place = digit;
        }
    }
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().iter().collect::<String>();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Whether a row is a record.
pub fn is_record(row: &Map<String, Value>) -> bool {
    let nested = row.get("fields").is_some_and(Value::is_object)
        && (row.contains_key("responses") || row.contains_key("suggestions"));
    nested || row.keys().any(|key| key.ends_with(".responses"))
}

/// Reads a record.
///
/// # Errors
/// What was found and what is expected.
pub fn read(row: &Map<String, Value>, meanings: &Meanings) -> Result<Record, String> {
    let flat = !row.get("fields").is_some_and(Value::is_object);
    let empty = Map::new();
    let part = |name: &str| match flat {
        true => row,
        false => row.get(name).and_then(Value::as_object).unwrap_or(&empty),
    };
    let (fields, metadata) = (part("fields"), part("metadata"));
    let mut record = Record { id: id(row), ..Record::default() };
    (record.prompt, record.answers, _) = texts::find(fields, false)?;
    let known: Vec<String> = strings(metadata.get("annotators"));
    let name = |user: &str| known.iter().find(|name| self::user(name) == user).cloned();
    let settled = strings(metadata.get("adjudicated_by"));
    let mut said: Vec<Said> = Vec::new();
    for (question, user, status, value) in answers(row, flat)? {
        let by = name(&user).unwrap_or(user);
        if status.as_deref().is_some_and(|status| status == "draft" || status == "pending") {
            continue;
        }
        let at = said.iter().position(|said| said.by.as_deref() == Some(&by));
        let at = at.unwrap_or_else(|| {
            let adjudicates = (!known.is_empty()).then(|| settled.contains(&by));
            said.push(Said { by: Some(by.clone()), adjudicates, ..Said::default() });
            said.len() - 1
        });
        let Some(said) = said.get_mut(at) else { continue };
        if status.as_deref() == Some("discarded") {
            said.state = Some(Progress::Skipped);
            continue;
        }
        let text = || {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{question}: found {value}, expected text"))
        };
        match question.as_str() {
            "all_bad" => {
                said.state = Some(Progress::Submitted);
                said.all_bad = Some(text()? == "yes");
            }
            "reasons" => said.reasons = Some(strings(Some(&value))),
            "note" | "comment" => said.note = Some(text()?),
            "flag" => said.flag = Some(text()? == "yes"),
            "critique_1" => said.corrections.push((0, text()?)),
            "critique_2" => said.corrections.push((1, text()?)),
            "preference" | "label" | "choice" | "winner" | "chosen" | "best" => {
                said.state = Some(Progress::Submitted);
                said.choice = Some(meanings.choice(&value).map_err(|why| format!("{question}: {why}"))?);
            }
            _ => {}
        }
    }
    if !flat && !known.is_empty() {
        for said in said.iter_mut().filter(|said| said.state == Some(Progress::Submitted)) {
            said.reasons.get_or_insert_default();
            said.note.get_or_insert_default();
            said.flag.get_or_insert(false);
        }
    }
    record.said = said;
    record.critiques = suggestions(row, metadata);
    Ok(record)
}

/// Question, user, status and value of a response.
type Answer = (String, String, Option<String>, Value);

/// Every response.
fn answers(row: &Map<String, Value>, flat: bool) -> Result<Vec<Answer>, String> {
    let mut all = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if flat {
        for (key, values) in row {
            let Some(question) = key.strip_suffix(".responses") else { continue };
            let list = |key: String| row.get(&key).and_then(Value::as_array);
            let (users, states) = (list(format!("{key}.users")), list(format!("{key}.status")));
            for (at, value) in values.as_array().into_iter().flatten().enumerate() {
                let user = text(users.and_then(|users| users.get(at))).unwrap_or_default();
                all.push((question.to_owned(), user, text(states.and_then(|s| s.get(at))), value.clone()));
            }
        }
        return Ok(all);
    }
    for (question, responses) in row.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let Some(responses) = responses.as_array() else {
            return Err(format!("responses.{question}: found {responses}, expected a list of responses"));
        };
        for response in responses {
            let user = text(response.get("user_id")).unwrap_or_default();
            let value = response.get("value").cloned().unwrap_or_default();
            all.push((question.clone(), user, text(response.get("status")), value));
        }
    }
    Ok(all)
}

fn suggestions(row: &Map<String, Value>, metadata: &Map<String, Value>) -> Vec<(usize, Spoken)> {
    let one = |index: usize| {
        let suggestion = row.get("suggestions")?.get(format!("critique_{}", index + 1))?;
        let reward = metadata.get(&format!("reward_{}", index + 1))?.as_f64()? as f32;
        let (model, fingerprint) = critic(suggestion.get("agent")?.as_str()?);
        Some((
            index,
            Spoken { text: suggestion.get("value")?.as_str()?.to_owned(), reward, model, fingerprint },
        ))
    };
    (0..2).filter_map(one).collect()
}

/// Model and fingerprint, as they are written together.
pub fn critic(text: &str) -> (String, String) {
    let (model, fingerprint) = text.rsplit_once(' ').unwrap_or((text, ""));
    (model.to_owned(), fingerprint.to_owned())
}

/// An `id` as text.
pub fn id(row: &Map<String, Value>) -> Option<String> {
    match row.get("id")? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A list of texts, or one.
pub fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}
