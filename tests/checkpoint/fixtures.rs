//! Where the fixtures are, and what the reference computed on them.

use std::path::PathBuf;

use outloud::checkpoint::Checkpoint;
use serde_json::Value;

pub const CLOUD: [&str; 4] =
    ["cloud-llama-tiny", "cloud-llama-tiny-bf16-sharded", "cloud-qwen2-tiny", "cloud-gemma3-tiny"];
pub const ALL: [&str; 5] = [CLOUD[0], CLOUD[1], CLOUD[2], CLOUD[3], "classic-llama-tiny"];

pub fn dir(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn open(name: &str) -> Checkpoint {
    Checkpoint::open_with(&dir(name), &[]).unwrap()
}

pub fn expected(name: &str) -> Value {
    let path = dir("expected").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub fn str<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// Every example under `key`, if the file has it.
pub fn examples(expected: &Value, key: &str) -> Vec<Value> {
    expected[key].as_array().cloned().unwrap_or_default()
}
