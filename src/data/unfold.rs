//! One JSON object that stands for many rows: columns, an index, rows beside other things.

use serde_json::{Map, Value};

use super::chat;

/// The rows of an object that is a table: lists of equal length, pandas' `to_json` in its five orientations, or lists of
/// objects under names of their own (`{"data": [...]}`, `{"train": [...], "test": [...]}`).
pub fn rows(object: &Map<String, Value>) -> Option<Vec<Value>> {
    split(object).or_else(|| lists(object)).or_else(|| indexed(object)).or_else(|| beside(object))
}

/// `{"columns": [...], "index": [...], "data": [[...], ...]}`.
fn split(object: &Map<String, Value>) -> Option<Vec<Value>> {
    let names: Vec<&str> =
        object.get("columns")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let data = object.get("data")?.as_array()?;
    let row = |values: &Value| {
        let values = values.as_array()?;
        let row = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.clone()));
        (values.len() == names.len()).then(|| Value::Object(row.collect()))
    };
    data.iter().map(row).collect()
}

/// `{"prompt": ["a", "b"], "answer": ["c", "d"]}`.
fn lists(object: &Map<String, Value>) -> Option<Vec<Value>> {
    let len = object.values().next()?.as_array()?.len();
    let columns = object.iter().map(|(name, value)| {
        let values = value.as_array().filter(|values| values.len() == len && !chat::is_chat(value))?;
        Some((name, values))
    });
    let columns: Vec<_> = columns.collect::<Option<_>>()?;
    let row = |i: usize| {
        columns.iter().filter_map(|(name, values)| Some(((*name).clone(), values.get(i)?.clone()))).collect()
    };
    (len > 0).then(|| (0..len).map(|i| Value::Object(row(i))).collect())
}

/// `{"prompt": {"0": "a", "1": "b"}}`, and `{"0": {"prompt": "a"}, "1": {...}}`.
fn indexed(object: &Map<String, Value>) -> Option<Vec<Value>> {
    let number = |key: &String| key.parse::<u64>().is_ok();
    let columns: Vec<_> =
        object.iter().map(|(name, value)| Some((name, value.as_object()?))).collect::<Option<_>>()?;
    let (_, first) = columns.first()?;
    if object.keys().all(number) {
        return Some(object.values().cloned().collect());
    }
    let keyed =
        !first.is_empty() && columns.iter().all(|(_, c)| c.len() == first.len() && c.keys().all(number));
    let row = |key: &String| {
        columns
            .iter()
            .filter_map(|(name, column)| Some(((*name).clone(), column.get(key)?.clone())))
            .collect()
    };
    keyed.then(|| first.keys().map(|key| Value::Object(row(key))).collect())
}

/// `{"version": 1, "data": [{...}, {...}]}`.
fn beside(object: &Map<String, Value>) -> Option<Vec<Value>> {
    let rows = |value: &Value| {
        let items = value.as_array()?;
        let objects = !items.is_empty() && items.iter().all(Value::is_object) && !chat::is_chat(value);
        objects.then(|| items.clone())
    };
    let all: Vec<Value> = object.values().filter_map(rows).flatten().collect();
    (!all.is_empty()).then_some(all)
}
