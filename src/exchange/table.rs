//! Flat rows: training rows as we write them, and tables of choices as people keep them.

use serde_json::{Map, Value};

use super::argilla::{critic, id, strings};
use super::case::Spoken;
use super::pairs::{CORRECTED, MODEL, NOBODY};
use super::record::{Meanings, Record, Said};
use super::texts::{self, short};
use crate::session::{Choice, Progress};

/// What a choice is called.
const CHOICES: [&str; 6] = ["choice", "preference", "winner", "preferred", "verdict", "label"];
/// What an annotator is called.
const ANNOTATORS: [&str; 6] = ["annotator", "annotator_id", "annotated_by", "user", "rater", "labeler"];

/// Reads a row; `cell`: of a table, where everything is text.
///
/// # Errors
/// What was found and what is expected.
pub fn read(row: &Map<String, Value>, cell: bool, meanings: &Meanings) -> Result<Record, String> {
    let (prompt, answers, ordered) = texts::find(row, cell)?;
    let mut record = Record { id: id(row), prompt, answers, ..Record::default() };
    let given = |name: &str| row.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""));
    record.row = given("row").map(whole).transpose().map_err(|why| format!("row: {why}"))?;
    if let Some(digest) = given("example").and_then(Value::as_str) {
        record.digest = Some(digest.parse().map_err(|why| format!("example: {why}"))?);
    }
    if record.id.is_none() && record.row.is_none() && record.digest.is_none() && record.prompt.is_none() {
        let columns = row.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "found columns {columns}, expected one of id, row, example, prompt: nothing says which example this is about"
        ));
    }
    let mut said = Said { by: ANNOTATORS.iter().find_map(|name| given(name)).map(text), ..Said::default() };
    if let Some(state) = given("state").and_then(Value::as_str) {
        said.state = Some(match state {
            "submitted" => Progress::Submitted,
            "skipped" | "discarded" => Progress::Skipped,
            "draft" => Progress::Draft,
            other => return Err(format!("state: found {other}, expected submitted, skipped or draft")),
        });
    }
    if let Some((name, value)) = CHOICES.iter().find_map(|name| Some((name, given(name)?))) {
        said.choice = Some(meanings.choice(value).map_err(|why| format!("{name}: {why}"))?);
        said.state.get_or_insert(Progress::Submitted);
    } else if ordered && record.answers.len() == 2 {
        let much = given("strength").and_then(Value::as_str) == Some("much");
        said.choice = Some(if much { Choice::MuchBetter(0) } else { Choice::Better(0) });
        said.state.get_or_insert(Progress::Submitted);
    }
    said.all_bad = flag(row, &["all_bad", "both_bad"])?;
    said.flag = flag(row, &["flag"])?;
    said.adjudicates = flag(row, &["adjudicates"])?;
    said.note = ["note", "comment"].iter().find_map(|name| given(name)).map(text);
    said.reasons = given("reasons").map(|value| match value {
        Value::String(list) => {
            let parts = list.split([';', ',']).map(|tag| tag.trim().to_owned());
            parts.filter(|tag| !tag.is_empty()).collect()
        }
        other => strings(Some(other)),
    });
    said.seconds = given("seconds").map(number).transpose().map_err(|why| format!("seconds: {why}"))?;
    let feedback = [["chosen_feedback", "critique_1"], ["rejected_feedback", "critique_2"]];
    for (index, names) in feedback.into_iter().enumerate() {
        for name in names {
            let Some(value) = row.get(name) else { continue };
            let words = match value {
                Value::String(text) => text.clone(),
                Value::Array(_) => strings(Some(value)).into_iter().next().unwrap_or_default(),
                Value::Null => continue,
                other => return Err(format!("{name}: found {}, expected text", short(other))),
            };
            match row.get(&format!("{name}_from")).and_then(Value::as_str).unwrap_or(CORRECTED) {
                NOBODY => {}
                MODEL => {
                    let side = name.strip_suffix("_feedback").unwrap_or(name);
                    let reward = row.get(&format!("{side}_reward")).and_then(Value::as_f64);
                    let (model, fingerprint) =
                        critic(given(&format!("{side}_critic")).and_then(Value::as_str).unwrap_or_default());
                    let reward = reward
                        .ok_or_else(|| format!("{side}_reward: found none, expected the model's reward"))?
                        as f32;
                    record.critiques.push((index, Spoken { text: words, reward, model, fingerprint }));
                }
                _ if words.trim().is_empty() => {}
                _ => said.corrections.push((index, words)),
            }
        }
    }
    if said.state.is_none() && said.corrections.is_empty() {
        return Err(format!("found no choice, expected a column {}", CHOICES.join(", ")));
    }
    record.said = vec![said];
    Ok(record)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> Result<f64, String> {
    let parsed = value.as_str().map_or_else(|| value.as_f64(), |text| text.trim().parse().ok());
    parsed.filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("found {}, expected a number", short(value)))
}

fn whole(value: &Value) -> Result<usize, String> {
    let wrong = || format!("found {}, expected a number from 0", short(value));
    let number = number(value)?;
    if number < 0.0 || number.fract() != 0.0 || number > 1e15 { Err(wrong()) } else { Ok(number as usize) }
}

fn flag(row: &Map<String, Value>, names: &[&str]) -> Result<Option<bool>, String> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, row.get(*name)?))) else {
        return Ok(None);
    };
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        other => match text(other).to_lowercase().as_str() {
            "" => Ok(None),
            "true" | "yes" | "1" | "1.0" => Ok(Some(true)),
            "false" | "no" | "0" | "0.0" => Ok(Some(false)),
            _ => Err(format!("{name}: found {}, expected true or false", short(other))),
        },
    }
}
