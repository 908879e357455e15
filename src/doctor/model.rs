//! A checkpoint under the lamp: spec, tensors, the tokens of an example, both readings, the spread over variants.

use std::time::Instant;

use serde::Serialize;

use super::tensors;
use super::variants::{self, Outcome};
use crate::checkpoint::{Checkpoint, Formatted, Method, Part, Prompt, Spec};
use crate::engine::{self, DeviceChoice, ModelSource};
use crate::model::{Chunk, Model};
use crate::{Error, Result};

/// What is judged to see the model at work.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// The prompt.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// The critique; a classic model does not see it.
    pub critique: String,
}

impl Default for Example {
    fn default() -> Self {
        Self {
            prompt: "What is 3 plus 4?".into(),
            answer: "3 plus 4 is 7.".into(),
            critique: "The answer adds both numbers and gives 7, which is right. Verdict: good.".into(),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Folder name, or `demo`.
    pub model: String,
    /// Of configuration and weights.
    pub fingerprint: String,
    /// Where it computed.
    pub device: String,
    /// In which type.
    pub dtype: Option<&'static str>,
    /// Seconds to load.
    pub load_s: f64,
    /// What the checkpoint is, each value with its reason.
    pub spec: Spec,
    /// The weights.
    pub tensors: tensors::Report,
    /// What was judged.
    pub example: Example,
    /// Its tokens, in place.
    pub tokens: Vec<Token>,
    /// Index into `tokens` at which the reward is read.
    pub read_at: usize,
    /// The rewards; `None` if the weights are damaged.
    pub rewards: Option<Rewards>,
    /// What is wrong, in sentences; empty if nothing is.
    pub problems: Vec<String>,
    /// What may be wrong, in sentences.
    pub doubts: Vec<String>,
}

/// One token of the example.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// Position.
    pub index: usize,
    /// Id.
    pub id: u32,
    /// Text.
    pub text: String,
    /// `template`, `prompt`, `answer`, `critique_prompt`, `critique`, `end_of_turn`.
    pub part: &'static str,
}

/// Rewards of the example.
#[derive(Clone, Debug, Serialize)]
pub struct Rewards {
    /// Head at the end-of-turn after the tokens as they are.
    pub in_place: f32,
    /// Text tokenised again as one string; `None` for a classic model, which has one reading.
    pub re_encoded: Option<f32>,
    /// Re-encoded minus in place.
    pub gap: Option<f32>,
    /// From which token on the re-encoded ids differ from those in place.
    pub first_difference: Option<usize>,
    /// BOS and end done otherwise, in place.
    pub variants: Vec<Outcome>,
    /// Largest minus smallest reward over the variants and the right way.
    pub spread: f32,
}

/// Looks at a checkpoint.
///
/// # Errors
/// When it cannot be opened or computed: what was found, what was expected, what to do.
pub fn look(source: &ModelSource, device: DeviceChoice, example: Example) -> Result<Report> {
    let start = Instant::now();
    let device = engine::device(device)?;
    let checkpoint = source.open()?;
    let tensors = tensors::look(&checkpoint)?;
    let mut problems = tensors.damaged.clone();
    problems.extend(tensors.missing.iter().map(|name| format!("tensor {name} is missing")));
    let model = if problems.is_empty() {
        let spec = &checkpoint.spec;
        Some(Model::new(&spec.backbone, &spec.head, &checkpoint.tensors(&device)?, &device)?)
    } else {
        None
    };
    let load_s = start.elapsed().as_secs_f64();
    let (formatted, ids) = in_place(&checkpoint, &example)?;
    let rewards = match &model {
        Some(model) => Some(rewards(&checkpoint, model, &example, &formatted, &ids)?),
        None => None,
    };
    if let Some(rewards) = &rewards
        && !rewards.spread.is_finite()
    {
        problems.push("the reward of the example is not a number: the weights overflow".into());
    }
    Ok(Report {
        model: checkpoint.name.clone(),
        fingerprint: checkpoint.fingerprint.clone(),
        device: engine::device_name(&device),
        dtype: model.as_ref().map(|model| model.dtype().as_str()),
        load_s,
        tokens: tokens(&checkpoint, &formatted, &ids),
        read_at: ids.len().saturating_sub(1),
        doubts: checkpoint.spec.doubts(),
        spec: checkpoint.spec,
        tensors,
        example,
        rewards,
        problems,
    })
}

/// The example's ids; the reward is read at the last.
fn in_place(checkpoint: &Checkpoint, example: &Example) -> Result<(Formatted, Vec<u32>)> {
    let text = &checkpoint.text;
    let formatted = text.format(&Prompt::Text(example.prompt.clone()), &example.answer, None, false)?;
    let mut ids = formatted.ids.clone();
    if checkpoint.spec.method == Method::Cloud {
        ids.extend(text.critique_ids(&example.critique, false)?);
        ids.push(checkpoint.spec.prompt.end_of_turn.id);
    }
    Ok((formatted, ids))
}

fn rewards(
    checkpoint: &Checkpoint,
    model: &Model,
    example: &Example,
    formatted: &Formatted,
    ids: &[u32],
) -> Result<Rewards> {
    let in_place = reward(model, ids)?;
    let again = match checkpoint.spec.method {
        Method::Cloud => Some(checkpoint.text.re_encode(formatted, &example.critique, false)?.ids),
        Method::Classic => None,
    };
    let re_encoded = again.as_ref().map(|again| reward(model, again)).transpose()?;
    let first_difference = again.as_ref().filter(|again| *again != ids).map(|again| {
        let same = again.iter().zip(ids).take_while(|(a, b)| a == b);
        same.count()
    });
    let mut variants = Vec::new();
    for variant in variants::of(ids, &checkpoint.spec.prompt) {
        let reward = reward(model, &variant.ids)?;
        variants.push(Outcome { name: variant.name, what: variant.what, reward, delta: reward - in_place });
    }
    let all = || variants.iter().map(|v| v.reward).chain([in_place]);
    let spread = all().fold(f32::NEG_INFINITY, f32::max) - all().fold(f32::INFINITY, f32::min);
    Ok(Rewards {
        in_place,
        re_encoded,
        gap: re_encoded.map(|reward| reward - in_place),
        first_difference,
        variants,
        spread: if in_place.is_finite() { spread } else { in_place },
    })
}

/// The head at the last token.
fn reward(model: &Model, ids: &[u32]) -> Result<f32> {
    let mut cache = model.new_cache();
    let hidden = model.forward(&mut [Chunk { ids, cache: &mut cache, keep: 0 }])?;
    let last = ids.len().checked_sub(1).ok_or_else(|| Error::Usage("the example has no tokens".into()))?;
    let rewards = model.rewards(&hidden.narrow(0, last, 1)?)?;
    Ok(rewards.to_vec1::<f32>()?.into_iter().next().unwrap_or(f32::NAN))
}

fn tokens(checkpoint: &Checkpoint, formatted: &Formatted, ids: &[u32]) -> Vec<Token> {
    let last = ids.len().saturating_sub(1);
    let cloud = checkpoint.spec.method == Method::Cloud;
    let part = |index: usize| match formatted.ranges.get(index) {
        // A token belongs to the part it starts in.
        Some((start, _)) => {
            let part = formatted.parts.iter().find(|(_, range)| range.contains(start));
            part.map_or("template", |(part, _)| part_name(*part))
        }
        None if cloud && index == last => "end_of_turn",
        None => "critique",
    };
    let text = |index: usize, id: u32| {
        let range = formatted.ranges.get(index).and_then(|(a, b)| formatted.text.get(*a..*b));
        range.map_or_else(|| checkpoint.text.token_text(id), str::to_owned)
    };
    ids.iter()
        .enumerate()
        .map(|(index, &id)| Token { index, id, text: text(index, id), part: part(index) })
        .collect()
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Template => "template",
        Part::Prompt => "prompt",
        Part::Answer => "answer",
        Part::CritiquePrompt => "critique_prompt",
        Part::Critique => "critique",
    }
}
