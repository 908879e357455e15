//! What the engine tells. Events of tickets that are not open are stale and dropped.

use std::time::Duration;

use super::jobs;
use crate::app::{Effect, Job, ModelState, Phase, ReEncoded, State, Take, TakeId, Token};
use crate::engine::{Event, Ticket, Verdict};

/// How often the large number changes while tokens stream.
const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// How often tokens per second are computed anew.
const RATE_EVERY: Duration = Duration::from_millis(500);

pub(super) fn event(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Loaded { ticket, info, .. } => return loaded(state, ticket, info),
        Event::Prefill { ticket, done, total } => {
            if let Some(take) = critique(state, ticket) {
                take.phase = Phase::Prefill { done, total };
            }
        }
        Event::Started { ticket, tokens, specials } => {
            if let Some(take) = critique(state, ticket) {
                take.phase = Phase::Streaming;
                take.counts = tokens;
                take.specials = specials;
            }
        }
        Event::Token { ticket, token, .. } => {
            let (now, behind) = (state.now, state.waiting > 0);
            if let Some(take) = critique(state, ticket) {
                take.phase = Phase::Streaming;
                let reward = token.reward;
                take.tokens.push(Token::from(*token));
                rate(take, now, behind);
                show(take, now);
                widen(state, reward);
            }
        }
        Event::StopHere { ticket, index, reward, .. } => {
            let now = state.now;
            let Some(take) = critique(state, ticket) else { return Vec::new() };
            if let Some(token) = take.tokens.get_mut(index) {
                token.stop_here = Some(reward);
                show(take, now);
                widen(state, reward);
            }
        }
        Event::Critiqued { ticket, verdicts } => {
            if let (Some(Job::Critique(id)), Some(verdict)) =
                (state.running.get(&ticket).copied(), verdicts.into_iter().next())
            {
                complete(state, id, verdict);
                return jobs::re_encode(state, id).into_iter().collect();
            }
        }
        Event::Scored { ticket, verdict } => {
            if let Some(Job::ReEncode(id)) = state.running.get(&ticket).copied() {
                widen(state, verdict.reward);
                if let Some(take) = state.takes.get_mut(id) {
                    take.re_encoded = ReEncoded::Read(verdict);
                }
            }
        }
        Event::Failed { ticket, error } => return failed(state, ticket, error),
        Event::Cancelled { ticket } => {
            if let Some(take) = critique(state, ticket) {
                take.phase = Phase::Stopped;
            }
        }
        Event::Done { ticket } => {
            state.running.remove(&ticket);
        }
        Event::Down { reason } => jobs::down(state, reason),
    }
    Vec::new()
}

fn critique(state: &mut State, ticket: Ticket) -> Option<&mut Take> {
    match state.running.get(&ticket)? {
        Job::Critique(id) => state.takes.get_mut(*id),
        _ => None,
    }
}

fn loaded(state: &mut State, ticket: Ticket, info: Box<crate::engine::ModelInfo>) -> Vec<Effect> {
    if state.running.get(&ticket) != Some(&Job::Load) {
        return Vec::new();
    }
    state.model = ModelState::Ready(info);
    run_first(state)
}

/// At the start the first example runs as soon as both it and the model are there.
pub(super) fn run_first(state: &mut State) -> Vec<Effect> {
    let there = state.info().is_some() && !state.examples.is_empty();
    if there && std::mem::take(&mut state.run_first) { jobs::run(state, None) } else { Vec::new() }
}

/// A ticket came to nothing; only its own work is touched.
pub(super) fn failed(state: &mut State, ticket: Ticket, error: String) -> Vec<Effect> {
    match state.running.get(&ticket).copied() {
        Some(Job::Load) => state.model = ModelState::Failed(error),
        Some(Job::Critique(id)) => {
            if let Some(take) = state.takes.get_mut(id) {
                take.phase = Phase::Failed(error);
            }
        }
        Some(Job::ReEncode(id)) => {
            if let Some(take) = state.takes.get_mut(id) {
                take.re_encoded = ReEncoded::Failed(error);
            }
        }
        None => {}
    }
    Vec::new()
}

/// The verdict is the truth: tokens are rebuilt from it, keeping what only the stream told.
fn complete(state: &mut State, id: TakeId, verdict: Verdict) {
    let bound = verdict.trace.iter().chain(verdict.stop_here.iter().flatten()).copied();
    let most = bound.chain([verdict.reward]).fold(0.0, |a: f32, b| a.max(b.abs()));
    widen(state, most);
    let Some(take) = state.takes.get_mut(id) else { return };
    let mut streamed = std::mem::take(&mut take.tokens).into_iter();
    let stop_here = verdict.stop_here.as_deref().unwrap_or_default();
    take.tokens = verdict
        .trace_tokens
        .iter()
        .zip(&verdict.trace)
        .enumerate()
        .map(|(index, ((id, text), reward))| {
            let known = streamed.next().filter(|t| t.id == *id);
            let (probability, alternatives) =
                known.map_or((None, Vec::new()), |t| (t.probability, t.alternatives));
            let stop_here = stop_here.get(index).copied();
            Token { id: *id, text: text.clone(), reward: *reward, stop_here, probability, alternatives }
        })
        .collect();
    take.counts = verdict.tokens;
    if verdict.timing.decode_s > 0.0 && !take.tokens.is_empty() {
        take.clock.rate = Some(take.tokens.len() as f64 / verdict.timing.decode_s);
    }
    take.phase = Phase::Complete;
    take.verdict = Some(Box::new(verdict));
}

fn show(take: &mut Take, now: Duration) {
    if take.clock.shown.is_none() || now.saturating_sub(take.clock.shown_at) >= SHOWN_EVERY {
        take.clock.shown = take.reward().map(|r| (r, take.stop_here()));
        take.clock.shown_at = now;
    }
}

/// Tokens per second; while tokens wait to be shown it would be the pace of the screen, not of the model.
fn rate(take: &mut Take, now: Duration, behind: bool) {
    match take.clock.first {
        _ if behind => take.clock.rate = None,
        None => {
            take.clock.first = Some(now);
            take.clock.rated = now;
        }
        Some(first) if now.saturating_sub(take.clock.rated) >= RATE_EVERY => {
            let passed = now.saturating_sub(first).as_secs_f64();
            take.clock.rate = Some((take.tokens.len() - 1) as f64 / passed);
            take.clock.rated = now;
        }
        Some(_) => {}
    }
}

/// The scale's bound: the next of 1, 2, 5, 10, ... that holds what is seen. It never shrinks, so the meter stays still.
fn widen(state: &mut State, reward: f32) {
    let reward = reward.abs();
    while reward.is_finite() && reward > state.bound {
        let lead = state.bound / 10f32.powf(state.bound.log10().floor());
        state.bound *= if (lead - 2.0).abs() < 0.1 { 2.5 } else { 2.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Keymap;
    use crate::engine::{DeviceChoice, ModelSource};

    #[test]
    fn the_scale_grows_in_ones_twos_and_fives() {
        let keymap = Keymap::built_in().unwrap();
        let mut state = State::new(keymap, ModelSource::Demo, DeviceChoice::Cpu, Vec::new());
        let bounds: Vec<f32> = [1.9, 2.1, 7.0, 19.0, 21.0, f32::NAN, f32::INFINITY, 3.0]
            .into_iter()
            .map(|r| {
                widen(&mut state, r);
                state.bound
            })
            .collect();
        assert_eq!(bounds, [2.0, 5.0, 10.0, 20.0, 50.0, 50.0, 50.0, 50.0]);
    }
}
