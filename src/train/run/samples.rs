//! samples.jsonl: critiques of a few rows held out, written greedily at each evaluation, so that one sees them change.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checkpoint::Prompt;
use crate::disk::{self, failed};
use crate::model::{Chunk, Model};
use crate::train::data::Pair;
use crate::train::start::Start;
use crate::{Error, Result};

/// The file.
pub const SAMPLES: &str = "samples.jsonl";
/// Tokens of a critique at most: it is to be looked at, not to be trained on.
const LONGEST: usize = 256;

/// A critique a model wrote while it learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// After this step's update.
    pub step: usize,
    /// Number of the row among those held out.
    pub row: usize,
    /// Where the row is from: `file:line`.
    pub place: String,
    /// `chosen` or `rejected`.
    pub side: String,
    /// The last turn of the prompt.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// What the model wrote, without the token that ends it.
    pub critique: String,
    /// The reward read at the end-of-turn token, where it was written and the model has a head that learned.
    pub reward: Option<f64>,
    /// Whether it ended by itself.
    pub ended: bool,
}

/// Writes the critiques of some rows.
#[derive(Debug)]
pub struct Samples {
    path: PathBuf,
    /// Rows of which critiques are written; none for a model that writes none.
    pub rows: usize,
    has_reward: bool,
}

impl Samples {
    /// For a run that stands at `step`: what was written after it is of an earlier process, and goes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(out: &Path, step: usize, rows: usize, has_reward: bool) -> Result<Self> {
        let path = out.join(SAMPLES);
        let there = read(&path);
        let kept: Vec<&Sample> = there.iter().filter(|s| s.step <= step).collect();
        if kept.len() < there.len() {
            let mut text = Vec::new();
            for sample in kept {
                line(sample, &mut text)?;
            }
            disk::replace(&path, &text)?;
        }
        Ok(Self { path, rows, has_reward })
    }

    /// Has both answers of the first rows critiqued as the model is now.
    ///
    /// # Errors
    /// From the model or the disk.
    pub fn write(
        &self,
        step: usize,
        model: &Model,
        start: &Start,
        pairs: &[Pair],
        raw_special: bool,
    ) -> Result<()> {
        let mut text = Vec::new();
        for (at, pair) in pairs.iter().take(self.rows).enumerate() {
            for (side, answer) in [("chosen", &pair.chosen), ("rejected", &pair.rejected)] {
                let ask = Some(start.critique_prompt.as_str());
                let formatted = start.checkpoint.text.format(&pair.prompt, &answer.text, ask, raw_special)?;
                let (ids, reward, ended) = greedy(model, start, formatted.ids)?;
                let prompt = match &pair.prompt {
                    Prompt::Text(text) => text.clone(),
                    Prompt::Messages(turns) => turns.last().map(|t| t.content.clone()).unwrap_or_default(),
                };
                let sample = Sample {
                    step,
                    row: at,
                    place: pair.place.clone(),
                    side: side.into(),
                    prompt,
                    answer: answer.text.clone(),
                    critique: start.checkpoint.text.decode(&ids)?.trim().to_owned(),
                    reward: reward.filter(|_| self.has_reward),
                    ended,
                };
                line(&sample, &mut text)?;
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut open = OpenOptions::new();
        let mut file = open.create(true).append(true).open(&self.path).map_err(|e| failed(&self.path, e))?;
        file.write_all(&text).map_err(|e| failed(&self.path, e))
    }
}

fn line(sample: &Sample, text: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(&mut *text, sample).map_err(|e| Error::Usage(e.to_string()))?;
    text.push(b'\n');
    Ok(())
}

/// The likeliest tokens after a prompt; the reward at the end-of-turn token.
fn greedy(model: &Model, start: &Start, prompt: Vec<u32>) -> Result<(Vec<u32>, Option<f64>, bool)> {
    let rule = &start.checkpoint.spec.prompt;
    let end = rule.end_of_turn.id;
    let eos = rule.eos.as_ref().map(|eos| eos.id);
    let room = model.backbone().max_position_embeddings.saturating_sub(prompt.len() + 1).min(LONGEST);
    let mut cache = model.new_cache();
    let mut next = prompt;
    let mut written = Vec::new();
    loop {
        let keep = next.len();
        let hidden = model.forward(&mut [Chunk { ids: &next, cache: &mut cache, keep }])?;
        let last = hidden.narrow(0, keep.saturating_sub(1), 1)?;
        if written.last() == Some(&end) {
            let reward = model.rewards(&last)?.get(0)?.to_scalar::<f32>()?;
            written.pop();
            return Ok((written, Some(f64::from(reward)), true));
        }
        if written.len() >= room {
            return Ok((written, None, false));
        }
        let id = model.logits(&last)?.get(0)?.argmax(0)?.to_scalar::<u32>()?;
        if Some(id) == eos && id != end {
            return Ok((written, None, true));
        }
        written.push(id);
        next = vec![id];
    }
}

/// The samples of a file; a half-written last line counts as its end.
pub fn read(path: &Path) -> Vec<Sample> {
    let text = std::fs::read(path).unwrap_or_default();
    text.split(|&b| b == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect()
}
