//! What the engine tells. Events of tickets that are not open are stale and dropped.

use std::time::Duration;

use super::{batch, compare, jobs};
use crate::app::{Due, Keeping, Swapped};
use crate::app::{Effect, Job, Layer, ModelState, Phase, ReEncoded, State, Take, TakeId, Token};
use crate::engine::{Event, ModelId, ModelInfo, Ticket, Verdict};

/// How often the large number changes while tokens stream.
const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// How often tokens per second are computed anew.
const RATE_EVERY: Duration = Duration::from_millis(500);
/// Rest after a score before what its tokens did is read, while the text is still being edited.
const DETAILS_REST: Duration = Duration::from_millis(400);

pub(super) fn event(state: &mut State, event: Event) -> Vec<Effect> {
    let now = state.now;
    match event {
        Event::Loaded { ticket, info, .. } => return loaded(state, ticket, info),
        Event::Prefill { ticket, done, total } => {
            for id in critiques(state, ticket) {
                set(state, id, |take| take.phase = Phase::Prefill { done, total });
            }
        }
        Event::Started { ticket, tokens, specials } => {
            for id in critiques(state, ticket) {
                let specials = specials.clone();
                set(state, id, |take| {
                    (take.phase, take.counts, take.specials) = (Phase::Streaming, tokens, specials);
                });
            }
        }
        Event::Given { ticket, tokens, trace } => {
            for id in critiques(state, ticket) {
                let parent = parent(state, id);
                set(state, id, |take| take.tokens = rebuild(&tokens, &trace, &[], parent.as_ref()));
            }
        }
        Event::Token { ticket, sample, token } => {
            let behind = state.is_behind();
            if let Some(id) = critiques(state, ticket).nth(sample) {
                widen(state, token.reward);
                set(state, id, |take| {
                    take.phase = Phase::Streaming;
                    take.tokens.push(Token::from(*token));
                    rate(take, now, behind);
                    show(take, now);
                });
            }
        }
        Event::StopHere { ticket, sample, index, reward } => {
            if let Some(id) = critiques(state, ticket).nth(sample) {
                widen(state, reward);
                set(state, id, |take| {
                    if let Some(token) = take.tokens.get_mut(index) {
                        token.stop_here = Some(reward);
                        show(take, now);
                    }
                });
            }
        }
        Event::Critiqued { ticket, verdicts } => {
            let mut effects = Vec::new();
            let ids: Vec<TakeId> = critiques(state, ticket).collect();
            let ahead = matches!(state.running.get(&ticket), Some(Job::Ahead(..)));
            for (id, verdict) in ids.into_iter().zip(verdicts) {
                complete(state, id, verdict);
                if ahead || batch::has(state, ticket) {
                    continue;
                }
                effects.extend(jobs::re_encode(state, id));
                effects.extend(jobs::details(state, id));
            }
            return effects;
        }
        Event::Scored { ticket, verdict } => return scored(state, ticket, *verdict),
        Event::Named { ticket, texts } => {
            if let Some(Job::Tokens(id)) = state.running.get(&ticket).copied() {
                super::tokens::named(state, id, &texts);
            }
        }
        Event::Failed { ticket, error } => return failed(state, ticket, error),
        Event::Cancelled { ticket } => {
            for id in critiques(state, ticket) {
                state.takes.end(id, Phase::Stopped);
            }
        }
        Event::Done { ticket } => {
            let job = state.running.remove(&ticket);
            return batch::ended(state, ticket, job);
        }
        Event::Down { reason } => jobs::down(state, reason),
    }
    Vec::new()
}

/// The takes that a ticket writes critiques for; none if it is stale.
fn critiques(state: &State, ticket: Ticket) -> impl Iterator<Item = TakeId> + use<> {
    let job = state.running.get(&ticket).copied();
    let job = job.filter(|job| matches!(job, Job::Critique(..) | Job::Ahead(..)));
    job.into_iter().flat_map(Job::takes)
}

fn set(state: &mut State, id: TakeId, change: impl FnOnce(&mut Take)) {
    if let Some(take) = state.takes.get_mut(id) {
        change(take);
    }
}

/// The take that a take was made from, if what it knows of its tokens holds for the other one too.
fn parent(state: &State, id: TakeId) -> Option<Take> {
    let take = state.takes.get(id)?;
    let parent = state.takes.get(take.parent?)?;
    let alike = parent.input == take.input && parent.model == take.model && parent.rubric == take.rubric;
    alike.then(|| parent.clone())
}

fn loaded(state: &mut State, ticket: Ticket, info: Box<ModelInfo>) -> Vec<Effect> {
    match state.running.get(&ticket) {
        Some(Job::Load(State::MODEL)) => {
            state.model = ModelState::Ready(info);
            super::kept::fit(state, 0);
            run_first(state)
        }
        Some(Job::Load(_)) => compare::loaded(state, info),
        _ => Vec::new(),
    }
}

/// At the start the first example runs as soon as both it and the model are there.
pub(super) fn run_first(state: &mut State) -> Vec<Effect> {
    let there = state.info().is_some() && !state.examples.is_empty() && state.keeping != Keeping::Loading;
    if there && std::mem::take(&mut state.run_first) && state.take().is_none() {
        jobs::run(state, None)
    } else {
        Vec::new()
    }
}

fn scored(state: &mut State, ticket: Ticket, verdict: Verdict) -> Vec<Effect> {
    match state.running.get(&ticket).copied() {
        Some(Job::ReEncode(id)) => {
            widen(state, verdict.reward);
            set(state, id, |take| take.re_encoded = ReEncoded::Read(Box::new(verdict)));
        }
        Some(Job::Live(id)) => {
            complete(state, id, verdict);
            let open = matches!(state.layers.last(), Some(Layer::Edit(edit)) if edit.take == Some(id));
            if open {
                state.due.get_or_insert((state.now + DETAILS_REST, Due::Details(id)));
                return Vec::new();
            }
            return jobs::details(state, id).into_iter().chain(jobs::re_encode(state, id)).collect();
        }
        Some(Job::Details(id)) => details(state, id, &verdict),
        Some(Job::Swap(answer, critique)) => {
            widen(state, verdict.reward);
            state.compare.swaps.insert((answer, critique), Swapped::Reward(verdict.reward));
        }
        _ => {}
    }
    Vec::new()
}

/// A ticket came to nothing; only its own work is touched.
pub(super) fn failed(state: &mut State, ticket: Ticket, error: String) -> Vec<Effect> {
    if let Some(job) = state.running.get(&ticket).copied() {
        came_to_nothing(state, job, &error);
    }
    Vec::new()
}

/// What a failure leaves of a job.
pub(super) fn came_to_nothing(state: &mut State, job: Job, error: &str) {
    match job {
        Job::Load(ModelId(0)) => state.model = ModelState::Failed(error.to_owned()),
        Job::Load(_) => compare::failed(state, error),
        Job::Critique(..) | Job::Ahead(..) => {
            for id in job.takes() {
                state.takes.end(id, Phase::Failed(error.to_owned()));
            }
        }
        Job::Live(id) => {
            // What is there belongs to the words before.
            set(state, id, |take| (take.tokens, take.verdict) = (Vec::new(), None));
            state.takes.end(id, Phase::Failed(error.to_owned()));
        }
        Job::ReEncode(id) => set(state, id, |take| take.re_encoded = ReEncoded::Failed(error.to_owned())),
        Job::Swap(answer, critique) => {
            state.compare.swaps.insert((answer, critique), Swapped::Failed(error.to_owned()));
        }
        Job::Details(_) | Job::Tokens(_) => state.note = Some(error.to_owned()),
    }
}

/// The verdict is the truth: tokens are rebuilt from it, keeping what only the stream, or the take before, told.
fn complete(state: &mut State, id: TakeId, verdict: Verdict) {
    let known = verdict.stop_here.iter().flatten().filter(|r| !r.is_nan());
    let bound = verdict.trace.iter().chain(known).copied();
    let most = bound.chain([verdict.reward]).fold(0.0, |a: f32, b| a.max(b.abs()));
    widen(state, most);
    let parent = parent(state, id);
    set(state, id, |take| {
        let own = std::mem::take(&mut take.tokens);
        take.tokens = rebuild(&verdict.trace_tokens, &verdict.trace, &own, parent.as_ref());
        let stop_here = verdict.stop_here.iter().flatten().map(|r| Some(*r).filter(|r| !r.is_nan()));
        for (token, reward) in take.tokens.iter_mut().zip(stop_here) {
            token.stop_here = reward.or(token.stop_here);
        }
        take.counts = verdict.tokens;
        if verdict.stopped.is_some() && verdict.timing.decode_s > 0.0 && !take.tokens.is_empty() {
            take.clock.rate = Some(take.tokens.len() as f64 / verdict.timing.decode_s);
        }
        take.verdict = Some(Box::new(verdict));
    });
    state.takes.end(id, Phase::Complete);
}

/// Tokens with their rewards, and with what is known of them from tokens after the same words.
fn rebuild(tokens: &[(u32, String)], trace: &[f32], own: &[Token], parent: Option<&Take>) -> Vec<Token> {
    let parents = parent.map(|take| take.tokens.as_slice()).unwrap_or_default();
    let (mut own_alike, mut parents_alike) = (true, true);
    let all = tokens.iter().zip(trace).enumerate();
    all.map(|(index, ((id, text), reward))| {
        let alike = |known: &[Token], so_far: &mut bool| {
            let token = known.get(index).filter(|t| t.id == *id);
            *so_far &= token.is_some();
            token.filter(|_| *so_far).cloned()
        };
        let (mine, before) = (alike(own, &mut own_alike), alike(parents, &mut parents_alike));
        let known = || mine.iter().chain(&before);
        let weighed = known().find(|t| t.probability.is_some());
        Token {
            id: *id,
            text: text.clone(),
            reward: *reward,
            stop_here: known().find_map(|t| t.stop_here),
            probability: weighed.and_then(|t| t.probability),
            alternatives: weighed.map(|t| t.alternatives.clone()).unwrap_or_default(),
        }
    })
    .collect()
}

/// Fills in what was read of a take's tokens after its reward.
fn details(state: &mut State, id: TakeId, verdict: &Verdict) {
    for reward in verdict.stop_here.iter().flatten().filter(|r| !r.is_nan()) {
        widen(state, *reward);
    }
    set(state, id, |take| {
        let from = verdict.trace.len().saturating_sub(verdict.choices.len());
        let same = take.tokens.iter().map(|t| t.id).eq(verdict.trace_tokens.iter().map(|(id, _)| *id));
        if !same || take.phase != Phase::Complete {
            return;
        }
        for (index, token) in take.tokens.iter_mut().enumerate() {
            let reward = verdict.stop_here.as_ref().and_then(|all| all.get(index)).filter(|r| !r.is_nan());
            token.stop_here = reward.copied().or(token.stop_here);
            let choice = index.checked_sub(from).and_then(|at| verdict.choices.get(at));
            if let Some(choice) = choice.filter(|_| token.probability.is_none()) {
                token.probability = Some(choice.probability);
                token.alternatives.clone_from(&choice.alternatives);
            }
        }
    });
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

/// Widens the scale to all that is known of a take.
pub(super) fn hold(state: &mut State, take: &Take) {
    let tokens = take.tokens.iter().flat_map(|t| [Some(t.reward), t.stop_here]).flatten();
    let most = tokens.chain(take.verdict.iter().map(|v| v.reward)).fold(0.0, |a: f32, b| a.max(b.abs()));
    widen(state, most);
    if let ReEncoded::Read(verdict) = &take.re_encoded {
        widen(state, verdict.reward);
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
        let mut state = State::new(keymap, ModelSource::DEMO, DeviceChoice::Cpu, Vec::new());
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
