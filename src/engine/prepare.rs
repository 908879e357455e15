//! From a request to a job: texts to ids, limits checked, earlier work found.

use std::time::{Duration, Instant};

use super::job::{Job, Lane, Phase, Sample, Task, Waiting};
use super::{CritiqueText, load::Loaded};
use crate::checkpoint::{Formatted, Method, Part, Prompt, Reading};
use crate::{Error, Result};

/// Makes the job of a waiting ticket.
///
/// # Errors
/// An empty prompt, a text longer than the context, a critique that is missing, a template that refuses the messages.
pub fn prepare(waiting: Waiting, loaded: &mut Loaded) -> Result<Job> {
    let Waiting { ticket, model, input, critique, task } = waiting;
    let empty = match &input.prompt {
        Prompt::Text(text) => text.trim().is_empty(),
        Prompt::Messages(messages) => messages.iter().all(|m| m.content.trim().is_empty()),
    };
    if empty {
        return Err(Error::Usage("the prompt is empty; give the text that was asked".into()));
    }
    let options = task.score().clone();
    let cloud = loaded.spec.method == Method::Cloud;
    let critique_prompt =
        cloud.then(|| options.critique_prompt.as_deref().unwrap_or(&loaded.spec.prompt.critique_prompt));
    let text = &loaded.text;
    let formatted = text.format(&input.prompt, &input.answer, critique_prompt, options.raw_special)?;
    let eot = loaded.spec.prompt.end_of_turn.id;

    let mut given = match &critique {
        CritiqueText::Text(critique) if cloud => text.critique_ids(critique, options.raw_special)?,
        CritiqueText::Ids(ids) if cloud => ids.clone(),
        _ => Vec::new(),
    };
    if given.last() == Some(&eot) {
        given.pop();
    }
    let vocab = loaded.spec.backbone.vocab_size;
    if let Some(id) = given.iter().find(|id| **id as usize >= vocab) {
        return Err(Error::invalid(
            "critique_token_ids",
            format!("id {id}"),
            format!("ids below the vocabulary's size {vocab}"),
            "Use ids made by this model's tokenizer.",
        ));
    }

    let mut job = Job {
        ticket,
        model,
        formatted,
        given,
        given_text: None,
        prompt: None,
        samples: Vec::new(),
        reused: 0,
        started: Instant::now(),
        prefill: Duration::ZERO,
        task,
    };
    if let Task::Critique(_) = &job.task
        && cloud
    {
        let mut ids = job.formatted.ids.clone();
        ids.extend(&job.given);
        fits(loaded, &job.formatted, &input.answer, ids.len() + 2)?;
        let lane = lane(loaded, ids);
        job.reused = lane.cache.len();
        job.prompt = Some(lane);
        return Ok(job);
    }
    let (ids, start) = if !cloud {
        (job.formatted.ids.clone(), job.formatted.ids.len().saturating_sub(1))
    } else {
        job.given_text = match critique {
            CritiqueText::None => {
                return Err(Error::Usage(
                    "this is a CLoud model: it reads the reward after a critique, and the row has none. \
                     Give `critique`, or let the model write one with `outloud critique`"
                        .into(),
                ));
            }
            CritiqueText::Text(text) => Some(text),
            CritiqueText::Ids(_) if options.reading == Reading::ReEncoded => Some(clean(loaded, &job.given)?),
            CritiqueText::Ids(_) => None,
        };
        reading_ids(loaded, &job, options.reading)?
    };
    fits(loaded, &job.formatted, &input.answer, ids.len())?;
    let lane = lane(loaded, ids);
    job.reused = lane.cache.len();
    let critique = if cloud { job.given.iter().copied().chain([eot]).collect() } else { Vec::new() };
    let mut sample = Sample::new(lane, start, critique);
    sample.phase = Phase::Reading;
    catch_up(&mut sample, loaded)?;
    job.samples.push(sample);
    Ok(job)
}

impl Sample {
    /// A sample whose trace begins at position `start` of `lane`.
    pub fn new(lane: Lane, start: usize, critique: Vec<u32>) -> Self {
        Self {
            lane,
            phase: Phase::Choosing,
            chooser: None,
            seed: None,
            detokenizer: None,
            critique,
            stopped: None,
            start,
            trace: Vec::new(),
            stop_here: Vec::new(),
            choices: Vec::new(),
            on_tree: false,
            reused: 0,
            clean: None,
            chosen: None,
            finished: None,
        }
    }
}

/// The text of generated ids as the reference returns it: cut at the first end-of-text or end-of-turn, cleaned up, stripped.
///
/// # Errors
/// When the tokenizer cannot decode.
pub fn clean(loaded: &Loaded, ids: &[u32]) -> Result<String> {
    let rule = &loaded.spec.prompt;
    let mut text = loaded.text.decode(ids)?;
    for end in rule.eos.iter().chain([&rule.end_of_turn]) {
        if let Some(at) = text.find(&end.text) {
            text.truncate(at);
        }
    }
    Ok(loaded.text.clean_up(&text))
}

/// The whole text of a final reading and where its trace begins.
fn reading_ids(loaded: &Loaded, job: &Job, reading: Reading) -> Result<(Vec<u32>, usize)> {
    match reading {
        Reading::InPlace => {
            let mut ids = job.formatted.ids.clone();
            let start = ids.len();
            ids.extend(&job.given);
            ids.push(loaded.spec.prompt.end_of_turn.id);
            Ok((ids, start))
        }
        Reading::ReEncoded => {
            let text = job.given_text.as_deref().unwrap_or_default();
            let again = loaded.text.re_encode(&job.formatted, text, job.task.score().raw_special)?;
            Ok((again.ids, again.critique_start))
        }
    }
}

/// A lane over `ids` that goes on from the longest prefix computed before.
pub fn lane(loaded: &mut Loaded, ids: Vec<u32>) -> Lane {
    let cache = loaded.prefixes.longest(&ids).unwrap_or_else(|| loaded.model.new_cache());
    Lane::new(ids, cache)
}

/// Reads the rewards of trace positions that are computed already, and moves on when all are.
///
/// # Errors
/// From the tensor library.
pub fn catch_up(sample: &mut Sample, loaded: &Loaded) -> Result<()> {
    let from = sample.start + sample.trace.len();
    let to = sample.lane.cache.len();
    if from < to {
        let hidden = sample.lane.cache.hidden(from, to)?;
        sample.trace.extend(loaded.model.rewards(&hidden)?.to_vec1::<f32>()?);
    }
    Ok(())
}

fn fits(loaded: &Loaded, formatted: &Formatted, answer: &str, tokens: usize) -> Result<()> {
    let limit = loaded.spec.backbone.max_position_embeddings;
    if tokens <= limit {
        return Ok(());
    }
    let over = tokens - limit;
    let ids = loaded.text.critique_ids(answer, false).unwrap_or_default();
    let tail = ids.get(ids.len().saturating_sub(over)..).unwrap_or_default();
    let cut: String = loaded.text.decode(tail).unwrap_or_default().trim_start().chars().take(40).collect();
    let what = if over >= ids.len() && formatted.parts.iter().any(|(part, _)| *part == Part::Prompt) {
        format!("more than the whole answer ({} tokens)", ids.len())
    } else {
        format!("the end of the answer from «{cut}» on would not fit")
    };
    Err(Error::invalid(
        "context",
        format!("{tokens} tokens (prompt, answer, critique and end-of-turn), {over} too many: {what}"),
        format!("at most {limit} tokens"),
        "Nothing was cut. Shorten the prompt or the answer, or use a model with a longer context.",
    ))
}
