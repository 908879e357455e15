//! Label Studio tasks with annotations, and the labeling interface that shows them.
//!
//! The annotator's name is a text of the annotation: Label Studio takes only users it knows as `completed_by`. A settled
//! conflict is ground truth; the model's critiques are predictions.

use serde_json::{Map, Value, json};

use super::argilla::{critic, strings};
use super::case::{Case, Spoken};
use super::pairs::reward;
use super::record::{Meanings, Record, Said, ordinal_word};
use super::texts;
use crate::session::Progress;

/// A reward where Label Studio takes only numbers between 0 and 1; the reward itself is in the task's data.
fn sigma(reward: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(reward)).exp())
}

/// A case as a task.
pub fn task(case: &Case, chat: bool) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("id".into(), case.id.clone().into());
    data.insert("prompt".into(), texts::prompt(&case.example.prompt, chat));
    for (index, answer) in case.example.answers.iter().enumerate() {
        data.insert(format!("answer_{}", index + 1), answer.as_str().into());
    }
    for (index, spoken) in case.critiques.iter().enumerate() {
        if let Some(spoken) = spoken {
            data.insert(format!("reward_{}", index + 1), reward(spoken.reward));
        }
    }
    let spoken = case.critiques.iter().enumerate().filter_map(|(index, spoken)| {
        let spoken = spoken.as_ref()?;
        Some(json!({
            "model_version": format!("{} {}", spoken.model, spoken.fingerprint),
            "score": sigma(spoken.reward),
            "result": [text(&format!("critique_{}", index + 1), [spoken.text.as_str()])],
        }))
    });
    let predictions: Vec<Value> = spoken.collect();
    let mut names: Vec<&str> = case.outcome.labels.iter().map(|stated| stated.by.as_str()).collect();
    let corrections = case.corrections();
    names.extend(corrections.iter().map(|(_, by, _)| *by));
    names.sort_unstable();
    names.dedup();
    let annotations = names.into_iter().map(|name| {
        let mut results = vec![text("annotator", [name])];
        let mut annotation = Map::new();
        let label = case.outcome.labels.iter().find(|stated| stated.by == name).map(|stated| &stated.label);
        if let Some(label) = label {
            if let Some(choice) = label.choice {
                results.push(choices("preference", &[ordinal_word(choice)]));
            }
            let flags =
                [("submitted", label.choice.is_none()), ("all_bad", label.all_bad), ("flag", label.flag)];
            let flags: Vec<&str> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
            if !flags.is_empty() {
                results.push(choices("flags", &flags));
            }
            if !label.reasons.is_empty() {
                results.push(text("reasons", label.reasons.iter().map(String::as_str)));
            }
            if !label.note.is_empty() {
                results.push(text("note", [label.note.as_str()]));
            }
        }
        for (answer, _, words) in corrections.iter().filter(|(_, by, _)| *by == name) {
            results.push(text(&format!("critique_{}", answer + 1), [*words]));
        }
        annotation.insert("result".into(), results.into());
        annotation.insert("was_cancelled".into(), false.into());
        annotation.insert("ground_truth".into(), label.is_some_and(|label| label.adjudicates).into());
        if let Some(seconds) = label.and_then(|label| label.seconds) {
            annotation.insert("lead_time".into(), json!(seconds));
        }
        Value::from(annotation)
    });
    let mut task = Map::new();
    task.insert("annotations".into(), annotations.collect::<Vec<_>>().into());
    task.insert("predictions".into(), predictions.into());
    task.insert("data".into(), data.into());
    task
}

fn text<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({"from_name": name, "to_name": "prompt", "type": "textarea", "value": {"text": words}})
}

fn choices(name: &str, picked: &[&str]) -> Value {
    json!({"from_name": name, "to_name": "prompt", "type": "choices", "value": {"choices": picked}})
}

/// The labeling interface (XML) of the tasks.
pub fn interface(chat: bool) -> String {
    let prompt = match chat {
        true => r#"<Paragraphs name="prompt" value="$prompt" nameKey="role" textKey="content"/>"#,
        false => r#"<Text name="prompt" value="$prompt"/>"#,
    };
    let area = |name: &str| format!("  <TextArea name=\"{name}\" toName=\"prompt\" editable=\"true\"/>\n");
    let choice = |value: &&str| format!("    <Choice value=\"{value}\"/>\n");
    let scale =
        ["first-much", "first", "tie", "second", "second-much"].iter().map(choice).collect::<String>();
    let flags = ["submitted", "all_bad", "flag"].iter().map(choice).collect::<String>();
    let areas = ["reasons", "note", "critique_1", "critique_2", "annotator"].map(area).concat();
    format!(
        "<View>\n  {prompt}\n  <Text name=\"answer_1\" value=\"$answer_1\"/>\n  <Text name=\"answer_2\" value=\"$answer_2\"/>\n  \
         <Choices name=\"preference\" toName=\"prompt\" choice=\"single\">\n{scale}  </Choices>\n  \
         <Choices name=\"flags\" toName=\"prompt\" choice=\"multiple\">\n{flags}  </Choices>\n{areas}</View>\n"
    )
}

/// Whether a row is a task.
pub fn is_task(row: &Map<String, Value>) -> bool {
    row.get("data").is_some_and(Value::is_object)
        && ["annotations", "completions", "predictions"].iter().any(|name| row.contains_key(*name))
}

/// Reads a task.
///
/// # Errors
/// What was found and what is expected.
pub fn read(row: &Map<String, Value>, meanings: &Meanings) -> Result<Record, String> {
    let empty = Map::new();
    let data = row.get("data").and_then(Value::as_object).unwrap_or(&empty);
    let mut record = Record { id: super::argilla::id(data), ..Record::default() };
    (record.prompt, record.answers, _) = texts::find(data, false)?;
    let list = |name: &str| row.get(name).and_then(Value::as_array);
    for annotation in list("annotations").or_else(|| list("completions")).into_iter().flatten() {
        record.said.push(said(annotation, meanings)?);
    }
    for prediction in list("predictions").into_iter().flatten() {
        let spoken = || {
            let result = prediction.get("result")?.as_array()?.first()?;
            let index = match result.get("from_name")?.as_str()? {
                "critique_1" => 0,
                "critique_2" => 1,
                _ => return None,
            };
            let (model, fingerprint) = critic(prediction.get("model_version")?.as_str()?);
            let reward = data.get(&format!("reward_{}", index + 1)).or_else(|| prediction.get("score"))?;
            let reward = reward.as_f64()? as f32;
            Some((index, Spoken { text: words(result).concat(), reward, model, fingerprint }))
        };
        record.critiques.extend(spoken());
    }
    Ok(record)
}

fn said(annotation: &Value, meanings: &Meanings) -> Result<Said, String> {
    let by = annotation.get("completed_by").and_then(|by| match by {
        Value::Object(user) => user.get("email").and_then(Value::as_str).map(str::to_owned),
        Value::String(name) => Some(name.clone()),
        Value::Number(id) => Some(format!("user {id}")),
        _ => None,
    });
    let cancelled = annotation.get("was_cancelled").and_then(Value::as_bool).unwrap_or(false);
    let mut said = Said {
        by,
        state: cancelled.then_some(Progress::Skipped),
        seconds: annotation.get("lead_time").and_then(Value::as_f64),
        adjudicates: annotation.get("ground_truth").and_then(Value::as_bool),
        ..Said::default()
    };
    let mut ours = false;
    for result in annotation.get("result").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
        let value = |name: &str| result.get("value").and_then(|value| value.get(name));
        match (text("from_name"), text("type")) {
            ("annotator", _) => {
                said.by = words(result).into_iter().next().or(said.by);
                ours = true;
            }
            ("flags", _) => {
                let flags = strings(value("choices"));
                let has = |name: &str| flags.iter().any(|flag| flag == name);
                said.state = Some(Progress::Submitted);
                (said.all_bad, said.flag) = (Some(has("all_bad")), Some(has("flag")));
            }
            ("reasons", _) => said.reasons = Some([words(result), strings(value("choices"))].concat()),
            ("note" | "comment", _) => said.note = Some(words(result).join("\n")),
            ("critique_1", _) => said.corrections.push((0, words(result).join("\n"))),
            ("critique_2", _) => said.corrections.push((1, words(result).join("\n"))),
            (name, "pairwise" | "choices") if !cancelled => {
                let picked =
                    value("selected").or_else(|| value("choices")?.get(0)).cloned().unwrap_or_default();
                said.choice = Some(meanings.choice(&picked).map_err(|why| format!("{name}: {why}"))?);
                said.state = Some(Progress::Submitted);
            }
            _ => {}
        }
    }
    if ours && said.state == Some(Progress::Submitted) {
        said.all_bad.get_or_insert(false);
        said.flag.get_or_insert(false);
        said.reasons.get_or_insert_default();
        said.note.get_or_insert_default();
    }
    Ok(said)
}

/// The texts of a result.
fn words(result: &Value) -> Vec<String> {
    strings(result.get("value").and_then(|value| value.get("text")))
}
