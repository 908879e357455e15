//! The fields of `expected/*.json` that tests compare with.

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Expected {
    #[serde(alias = "checkpoint")]
    pub name: String,
    pub eot_token_id: u32,
    pub examples: Vec<Example>,
    pub batch: Option<Batch>,
    #[serde(default)]
    pub edits: Vec<Edit>,
    #[serde(default)]
    pub repetition_penalty_cases: Vec<Example>,
    #[serde(default)]
    pub truncated: Vec<Example>,
    #[serde(default)]
    pub custom_critique_prompt: Vec<Example>,
}

#[derive(Clone, Deserialize)]
pub struct Example {
    pub id: String,
    pub prompt: String,
    pub answer: String,
    pub critique_prompt: Option<String>,
    pub formatted_prompt: String,
    pub prompt_token_ids: Vec<u32>,
    #[serde(default)]
    pub max_tokens: usize,
    #[serde(default)]
    pub critique_token_ids: Vec<u32>,
    #[serde(default)]
    pub stopped: String,
    #[serde(default)]
    pub critique_decoded: String,
    #[serde(default)]
    pub critique: String,
    pub reward: f32,
    pub first_step_top8: Option<Top>,
    #[serde(default)]
    pub final_token_ids: Vec<u32>,
    #[serde(default)]
    pub critique_start: usize,
    #[serde(default)]
    pub trace: Vec<f32>,
    pub trace_all: Option<Vec<f32>>,
    pub stop_here_empty: Option<f32>,
    pub stop_here: Option<Vec<f32>>,
    pub generation_trace: Option<Vec<f32>>,
}

#[derive(Clone, Deserialize)]
pub struct Top {
    pub ids: Vec<u32>,
    pub logits: Vec<f32>,
}

#[derive(Deserialize)]
pub struct Batch {
    pub ids: Vec<String>,
    pub rewards: Vec<f32>,
    pub critiques: Vec<String>,
}

#[derive(Deserialize)]
pub struct Edit {
    pub id: String,
    pub edited_critique: String,
    pub edited_critique_token_ids: Vec<u32>,
    pub reward_edited_critique: f32,
    pub edited_answer: EditedAnswer,
}

#[derive(Deserialize)]
pub struct EditedAnswer {
    pub answer: String,
    pub prompt_token_ids: Vec<u32>,
    pub critique_token_ids: Vec<u32>,
    pub critique: String,
    pub final_token_ids: Vec<u32>,
    pub reward: f32,
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

impl Expected {
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    pub fn of(fixture: &str) -> Self {
        Self::read(&fixtures().join("expected").join(format!("{fixture}.json")))
    }

    pub fn example(&self, id: &str) -> &Example {
        self.examples.iter().find(|e| e.id == id).unwrap()
    }
}

impl Example {
    /// Special tokens stand in one of the texts: the reference takes them as tokens.
    pub fn raw_special(&self) -> bool {
        [&self.prompt, &self.answer, &self.critique_decoded].iter().any(|text| text.contains("<|"))
    }
}
