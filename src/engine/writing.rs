//! How a critique is written: choosing tokens, telling of them, ending, going on to the final reading.

use std::time::Instant;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::choose::{Chooser, Picked};
use super::job::{Chosen, Job, Lane, Phase, Sample, Task};
use super::load::Loaded;
use super::prepare::{catch_up, clean, lane};
use super::{Alternative, Choice, CritiqueToken, Event, Stopped};
use crate::Result;
use crate::checkpoint::{Method, Reading};

/// Tokens weighed in one step at most.
const WEIGHED: usize = 32;

/// Chooses the next token of every sample that waits for one.
///
/// # Errors
/// From the tensor library, or when no logit is a number.
pub fn choose(jobs: &mut [Job], loaded: &Loaded) -> Result<()> {
    let limit = loaded.spec.backbone.max_position_embeddings;
    let eot = loaded.spec.prompt.end_of_turn.id;
    let eos = loaded.spec.prompt.eos.as_ref().map(|eos| eos.id);
    let mut waiting: Vec<(&mut Sample, usize, bool)> = Vec::new();
    let mut hidden = Vec::new();
    for job in jobs.iter_mut() {
        let Task::Critique(options) = &job.task else { continue };
        let in_place = options.score.reading == Reading::InPlace;
        let given = job.given.len();
        for sample in job.samples.iter_mut().filter(|s| s.phase == Phase::Choosing) {
            let written = sample.critique.len() - given;
            if written >= options.max_tokens || sample.lane.ids.len() + 1 >= limit {
                sample.close(Stopped::MaxTokens, in_place.then(|| Chosen::closing(eot)));
            } else {
                let at = sample.lane.cache.len();
                hidden.push(sample.lane.cache.hidden(at - 1, at)?);
                waiting.push((sample, options.alternatives, in_place));
            }
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let logits = loaded.model.logits(&Tensor::cat(&hidden, 0)?)?.to_dtype(DType::F32)?;
    let vocab = logits.dim(1)?;
    let logits = logits.flatten_all()?.to_vec1::<f32>()?;
    let choose = |((sample, alternatives, _), logits): (&mut (&mut Sample, usize, bool), &[f32])| {
        sample.chooser.as_mut().map(|chooser| chooser.choose(logits, *alternatives)).transpose()
    };
    let choices: Vec<Option<Picked>> = if waiting.len() > 1 {
        let rows = waiting.par_iter_mut().zip(logits.par_chunks(vocab));
        rows.with_min_len(4).map(choose).collect::<candle_core::Result<_>>()?
    } else {
        waiting.iter_mut().zip(logits.chunks(vocab)).map(choose).collect::<candle_core::Result<_>>()?
    };
    for ((sample, _, in_place), choice) in waiting.into_iter().zip(choices) {
        let (Some(chooser), Some(choice)) = (sample.chooser.as_mut(), choice) else { continue };
        let Picked { id, probability, alternatives } = choice;
        chooser.see(id);
        let chosen = Chosen { id, probability, alternatives, closing: id == eot };
        if id == eot {
            sample.critique.push(id);
            sample.close(Stopped::Eot, in_place.then_some(chosen));
        } else if in_place && Some(id) == eos {
            sample.close(Stopped::Eos, Some(Chosen::closing(eot)));
        } else {
            sample.critique.push(id);
            sample.chosen = Some(chosen);
            sample.phase = Phase::Writing;
        }
    }
    Ok(())
}

impl Chosen {
    /// An end-of-turn that the model did not choose.
    fn closing(id: u32) -> Self {
        Self { id, probability: f32::NAN, alternatives: Vec::new(), closing: true }
    }
}

impl Sample {
    /// Ends the writing: in place `last`, the end-of-turn, is computed; re-encoded, the text is read anew.
    fn close(&mut self, stopped: Stopped, last: Option<Chosen>) {
        self.stopped = Some(stopped);
        self.phase = if last.is_some() { Phase::Writing } else { Phase::Rereading };
        self.chosen = last;
    }
}

/// Tells of the token just computed and decides what comes next.
///
/// # Errors
/// When the tokenizer cannot decode.
pub fn land(job: &mut Job, s: usize, loaded: &Loaded, events: &mut Vec<Event>) -> Result<()> {
    let (ticket, from) = (job.ticket, job.details_from());
    let Some(sample) = job.samples.get_mut(s) else { return Ok(()) };
    let Some(chosen) = sample.chosen.take() else { return Ok(()) };
    let reward = sample.trace.last().copied().unwrap_or(f32::NAN);
    sample.phase = if !chosen.closing {
        Phase::Choosing
    } else if job.task.score().stop_here && sample.stop_here.len() + 1 < sample.trace.len() {
        // A critique that was begun with given words: their stop-here rewards are read now.
        sample.stop_here = vec![f32::NAN; from.min(sample.trace.len() - 1)];
        Phase::Stopping
    } else {
        Phase::Finished
    };
    if chosen.probability.is_nan() {
        return Ok(());
    }
    let text = match sample.detokenizer.as_mut() {
        Some(detokenizer) if !chosen.closing => detokenizer.push(chosen.id)?,
        _ => String::new(),
    };
    let token = CritiqueToken {
        index: sample.trace.len() - 1,
        id: chosen.id,
        text,
        reward,
        probability: chosen.probability,
        alternatives: named(chosen.alternatives, loaded),
    };
    events.push(Event::Token { ticket, sample: s, token: Box::new(token) });
    Ok(())
}

fn named(alternatives: Vec<(u32, f32)>, loaded: &Loaded) -> Vec<Alternative> {
    let named = |(id, probability)| Alternative { id, text: loaded.text.token_text(id), probability };
    alternatives.into_iter().map(named).collect()
}

/// What the model thought at the places of the next few tokens of a scored critique.
fn weigh(sample: &mut Sample, from: usize, alternatives: usize, loaded: &Loaded) -> Result<()> {
    let next = sample.start + from + sample.choices.len();
    let end = sample.lane.ids.len().min(next + WEIGHED);
    let Some(ids) = sample.lane.ids.get(next..end).filter(|ids| !ids.is_empty()) else { return Ok(()) };
    let hidden = sample.lane.cache.hidden(next - 1, end - 1)?;
    let logits = loaded.model.logits(&hidden)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    for (id, logits) in ids.iter().zip(logits) {
        let Picked { probability, alternatives, .. } = Picked::weigh(*id, &logits, alternatives);
        sample.choices.push(Choice { probability, alternatives: named(alternatives, loaded) });
    }
    Ok(())
}

/// Moves a job on where a stage is complete: prompt read, text to be read anew, reading complete.
///
/// # Errors
/// From the tensor library or the tokenizer.
pub fn advance(job: &mut Job, loaded: &mut Loaded, events: &mut Vec<Event>) -> Result<()> {
    if let Some(lane) = job.prompt.take_if(|lane| lane.complete()) {
        begin_writing(job, lane, loaded, events)?;
    }
    let options = job.task.score();
    let (choices, raw) = (options.choices, options.raw_special);
    let stop_here = options.stop_here && loaded.spec.method == Method::Cloud;
    let scored = matches!(job.task, Task::Score(_)) && options.reading == Reading::InPlace;
    let weighed = choices > 0 && scored && loaded.spec.method == Method::Cloud;
    let from = job.details_from();
    for sample in &mut job.samples {
        if sample.phase == Phase::Rereading {
            loaded.prefixes.insert(&sample.lane.ids, &sample.lane.cache);
            let text = clean(loaded, &sample.critique)?;
            let again = loaded.text.re_encode(&job.formatted, &text, raw)?;
            sample.lane = lane(loaded, again.ids);
            sample.start = again.critique_start;
            sample.trace.clear();
            sample.clean = Some(text);
            sample.phase = Phase::Reading;
        }
        if sample.phase == Phase::Reading {
            catch_up(sample, loaded)?;
            if sample.lane.complete() {
                sample.stop_here = vec![f32::NAN; from.min(sample.trace.len().saturating_sub(1))];
                sample.phase = if stop_here { Phase::Stopping } else { Phase::Weighing };
            }
        }
        if sample.phase == Phase::Stopping && sample.stop_here.len() + 1 >= sample.trace.len() {
            sample.phase = Phase::Weighing;
        }
        if sample.phase == Phase::Weighing {
            if weighed {
                weigh(sample, from, choices, loaded)?;
            }
            if !weighed || from + sample.choices.len() >= sample.trace.len() {
                sample.phase = Phase::Finished;
            }
        }
        if sample.phase == Phase::Finished && sample.finished.is_none() {
            sample.finished = Some(Instant::now());
        }
    }
    Ok(())
}

/// The prompt is read: the samples part from it.
fn begin_writing(job: &mut Job, lane: Lane, loaded: &mut Loaded, events: &mut Vec<Event>) -> Result<()> {
    let Task::Critique(options) = &job.task else { return Ok(()) };
    job.prefill = job.started.elapsed();
    loaded.prefixes.insert(&lane.ids, &lane.cache);
    let chance = options.sampling.temperature > 0.0;
    for i in 0..options.samples.max(1) {
        let own = Lane { ids: lane.ids.clone(), cache: lane.cache.fork(), total: lane.total };
        let mut sample = Sample::new(own, job.formatted.ids.len(), job.given.clone());
        let seed = options.sampling.seed.wrapping_add(i as u64);
        sample.seed = chance.then_some(seed);
        sample.chooser =
            Some(Chooser::new(&options.sampling, seed, loaded.spec.backbone.vocab_size, &lane.ids));
        let mut detokenizer = loaded.text.detokenizer();
        for &id in &job.given {
            detokenizer.push(id)?;
        }
        sample.detokenizer = Some(detokenizer);
        sample.on_tree = lane.total == 0;
        sample.stop_here = vec![f32::NAN; job.details_from().min(job.given.len())];
        catch_up(&mut sample, loaded)?;
        job.samples.push(sample);
    }
    let tokens = job.samples.first().map(|sample| job.tokens(sample)).unwrap_or_default();
    let ticket = job.ticket;
    events.push(Event::Started { ticket, tokens, specials: job.formatted.specials.clone() });
    if let Some(sample) = job.samples.first().filter(|_| !job.given.is_empty()) {
        let tokens = job.given.iter().copied().zip(loaded.text.token_texts(&job.given)).collect();
        events.push(Event::Given { ticket, tokens, trace: sample.trace.clone() });
    }
    Ok(())
}
