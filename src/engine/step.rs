//! One step of every open row: plan the rows of a pass, compute them together, hand out what was learnt.

use candle_core::Tensor;

use super::job::{Job, Phase, Sample};
use super::load::Loaded;
use super::prepare::catch_up;
use super::writing::{advance, choose, land};
use super::{Cancels, Event, Ticket};
use crate::checkpoint::Reading;
use crate::model::{Chunk, KvCache};
use crate::{Error, Result};

/// Stop-here forks of one sample computed in one step at most.
const FORKS: usize = 32;
/// Tokens of a prompt computed in a step at least, however many critiques are being written.
const MIN_PREFILL: usize = 8;

/// One row of a pass: `cache` is taken out of the lane it belongs to, or is a fork of it.
struct Row {
    job: usize,
    /// `None`: the job's prompt lane.
    sample: Option<usize>,
    ids: Vec<u32>,
    cache: KvCache,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a prompt or of a final reading; all of it is kept.
    Prefill,
    /// A chosen token, which is kept, and perhaps an end-of-turn behind it, which is not.
    Token,
    /// An end-of-turn on a fork; nothing is kept.
    Fork,
}

impl Row {
    fn keep(&self) -> usize {
        match self.kind {
            Kind::Prefill => self.ids.len(),
            Kind::Token => 1,
            Kind::Fork => 0,
        }
    }
}

/// Takes one step of all `jobs` (of one model). Adds what happened to `events`; returns the number of tokens computed.
/// A cancel that arrives meanwhile ends the pass before its next layer: nothing is computed then, and nothing lost.
///
/// # Errors
/// From the tensor library or the tokenizer; the jobs are unusable then.
pub fn step(
    jobs: &mut [Job],
    loaded: &mut Loaded,
    cancels: &Cancels,
    events: &mut Vec<Event>,
) -> Result<usize> {
    choose(jobs, loaded)?;
    let mut rows = plan(jobs, loaded, events)?;
    let computed = rows.iter().map(|row| row.ids.len()).sum();
    if computed > 0 {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(rows.len());
        for row in &mut rows {
            let keep = row.keep();
            chunks.push(Chunk { ids: &row.ids, cache: &mut row.cache, keep });
        }
        let tickets: Vec<Ticket> = jobs.iter().map(|job| job.ticket).collect();
        let stop = || tickets.iter().any(|ticket| cancels.contains(*ticket));
        let hidden = match loaded.model.forward_unless(&mut chunks, &stop) {
            Ok(hidden) => hidden,
            Err(Error::Cancelled) => {
                give_back(jobs, rows);
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let rewards = rewards(&rows, &hidden, loaded)?;
        deal(jobs, rows, &rewards, loaded, events)?;
    }
    for job in jobs.iter_mut() {
        advance(job, loaded, events)?;
    }
    Ok(computed)
}

/// Puts the caches of a pass that did not happen back where they were.
fn give_back(jobs: &mut [Job], rows: Vec<Row>) {
    for row in rows.into_iter().filter(|row| row.kind != Kind::Fork) {
        let Some(job) = jobs.get_mut(row.job) else { continue };
        let lane = match row.sample {
            None => job.prompt.as_mut(),
            Some(s) => job.samples.get_mut(s).map(|sample| &mut sample.lane),
        };
        if let Some(lane) = lane {
            lane.cache = row.cache;
        }
    }
}

/// The rows of the next pass: every chosen token, then forks, then as much of prompts and readings as fits.
fn plan(jobs: &mut [Job], loaded: &mut Loaded, events: &mut Vec<Event>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let eot = loaded.spec.prompt.end_of_turn.id;
    for (j, job) in jobs.iter_mut().enumerate() {
        let options = job.task.score();
        let known = job.given.len() <= options.details_from;
        let live_stop = options.stop_here && options.reading == Reading::InPlace && known;
        for s in 0..job.samples.len() {
            let Some(sample) = job.samples.get_mut(s) else { continue };
            let Some(chosen) = sample.chosen.as_ref().filter(|_| sample.phase == Phase::Writing) else {
                continue;
            };
            let (id, closing) = (chosen.id, chosen.closing);
            let fork = live_stop && !closing;
            if replay(sample, id, loaded)? {
                if fork {
                    let cache = sample.lane.cache.fork();
                    rows.push(Row { job: j, sample: Some(s), ids: vec![eot], cache, kind: Kind::Fork });
                }
                land(job, s, loaded, events)?;
            } else {
                let ids = if fork { vec![id, eot] } else { vec![id] };
                let cache = std::mem::replace(&mut sample.lane.cache, loaded.model.new_cache());
                rows.push(Row { job: j, sample: Some(s), ids, cache, kind: Kind::Token });
            }
        }
        for (s, sample) in job.samples.iter().enumerate().filter(|(_, s)| s.phase == Phase::Stopping) {
            let done = sample.stop_here.len();
            for at in done..(done + FORKS).min(sample.trace.len().saturating_sub(1)) {
                let mut cache = sample.lane.cache.fork();
                cache.truncate(sample.start + at + 1);
                rows.push(Row { job: j, sample: Some(s), ids: vec![eot], cache, kind: Kind::Fork });
            }
        }
    }
    let written: usize = rows.iter().map(|row| row.ids.len()).sum();
    let mut budget = loaded.step_tokens.saturating_sub(written).max(MIN_PREFILL);
    for (j, job) in jobs.iter_mut().enumerate() {
        let prompt = job.prompt.as_mut().map(|lane| (None, lane));
        let readings = job.samples.iter_mut().enumerate().filter(|(_, s)| s.phase == Phase::Reading);
        for (sample, lane) in
            prompt.into_iter().chain(readings.map(|(s, sample)| (Some(s), &mut sample.lane)))
        {
            let ids = lane.pending(budget).to_vec();
            budget -= ids.len();
            if !ids.is_empty() {
                let cache = std::mem::replace(&mut lane.cache, loaded.model.new_cache());
                rows.push(Row { job: j, sample, ids, cache, kind: Kind::Prefill });
            }
        }
    }
    Ok(rows)
}

/// Takes a chosen token's computation from the prefix tree, as long as everything before it came from there.
fn replay(sample: &mut Sample, id: u32, loaded: &mut Loaded) -> Result<bool> {
    if !sample.on_tree {
        return Ok(false);
    }
    sample.lane.ids.push(id);
    match loaded.prefixes.longest(&sample.lane.ids) {
        Some(cache) if cache.len() == sample.lane.ids.len() => {
            sample.lane.cache = cache;
            sample.reused += 1;
            catch_up(sample, loaded)?;
        }
        _ => {
            sample.lane.ids.pop();
            sample.on_tree = false;
        }
    }
    Ok(sample.on_tree)
}

/// Rewards at the tokens of `Token` and `Fork` rows, in order.
fn rewards(rows: &[Row], hidden: &Tensor, loaded: &Loaded) -> Result<Vec<f32>> {
    let mut wanted = Vec::new();
    let mut offset = 0u32;
    for row in rows {
        let end = offset + row.ids.len() as u32;
        if row.kind != Kind::Prefill {
            wanted.extend(offset..end);
        }
        offset = end;
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let hidden = if wanted.len() == offset as usize {
        hidden.clone()
    } else {
        hidden.index_select(&Tensor::new(wanted, hidden.device())?, 0)?
    };
    Ok(loaded.model.rewards(&hidden)?.to_vec1::<f32>()?)
}

/// Gives caches back to their lanes and rewards to their samples.
fn deal(
    jobs: &mut [Job],
    rows: Vec<Row>,
    rewards: &[f32],
    loaded: &mut Loaded,
    events: &mut Vec<Event>,
) -> Result<()> {
    let mut rewards = rewards.iter().copied();
    for row in rows {
        let Some(job) = jobs.get_mut(row.job) else { continue };
        let ticket = job.ticket;
        let lane = match row.sample {
            None => job.prompt.as_mut(),
            Some(s) => job.samples.get_mut(s).map(|sample| &mut sample.lane),
        };
        match (row.kind, row.sample) {
            (Kind::Prefill, _) => {
                if let Some(lane) = lane {
                    lane.cache = row.cache;
                    let done = lane.total - (lane.ids.len() - lane.cache.len());
                    events.push(Event::Prefill { ticket, done, total: lane.total });
                }
            }
            (Kind::Token, Some(s)) => {
                let reward = rewards.next().unwrap_or(f32::NAN);
                if let (Some(sample), Some(&id)) = (job.samples.get_mut(s), row.ids.first()) {
                    sample.lane.cache = row.cache;
                    sample.lane.ids.push(id);
                    sample.trace.push(reward);
                }
                land(job, s, loaded, events)?;
                if row.ids.len() > 1 {
                    stop_here(job, s, rewards.next().unwrap_or(f32::NAN), events);
                }
            }
            (Kind::Fork, Some(s)) => stop_here(job, s, rewards.next().unwrap_or(f32::NAN), events),
            (Kind::Token | Kind::Fork, None) => {}
        }
    }
    Ok(())
}

fn stop_here(job: &mut Job, s: usize, reward: f32, events: &mut Vec<Event>) {
    let ticket = job.ticket;
    let Some(sample) = job.samples.get_mut(s) else { return };
    sample.stop_here.push(reward);
    if sample.phase != Phase::Stopping {
        events.push(Event::StopHere { ticket, sample: s, index: sample.stop_here.len() - 1, reward });
    }
}
