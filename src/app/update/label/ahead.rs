//! Scores ahead of the annotator: greedy critiques of the pairs that come next, sampled ones where their spread is asked for,
//! then of pairs that were labelled before their critiques came: labels teach with them.
//! Labelling never waits for them.

use crate::app::update::jobs;
use crate::app::{Effect, Found, How, Job, ModelState, Screen, Side, State, Take, TakeId};
use crate::engine::{CritiqueOptions, Request, Sampling};
use crate::label::order::{Order, Useful, tone};
use crate::session::Progress;

/// Requests under way at once: the engine batches them.
const AT_ONCE: usize = 4;
/// Pairs ahead whose critiques are made; all of them where the order depends on it.
const WINDOW: usize = 12;

/// Asks for what is wanted next.
pub(in crate::app::update) fn ahead(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let there = matches!(state.model, ModelState::Ready(_)) && state.desk.read;
    let here = match state.screen {
        Screen::Label => true,
        Screen::Teach => state.desk.labelling,
        _ => false,
    };
    if !here || !there || state.desk.ahead_done {
        return effects;
    }
    while state.running.values().filter(|job| matches!(job, Job::Ahead(..))).count() < AT_ONCE {
        let Some((example, side, sampled)) = wanted(state) else {
            state.desk.ahead_done = true;
            break;
        };
        state.desk.asked.insert((example, side, sampled));
        effects.extend(ask(state, example, side, sampled));
    }
    effects
}

/// The next answer that has no score.
fn wanted(state: &State) -> Option<(usize, Side, bool)> {
    let coming = if state.screen == Screen::Label { coming(state) } else { None };
    coming.or_else(|| labelled(state))
}

/// Whether an answer has no greedy critique and none was asked for.
fn lacks(state: &State, example: usize, side: Side) -> bool {
    let desk = &state.desk;
    !desk.found.contains_key(&(example, side)) && !desk.asked.contains(&(example, side, false))
}

/// Of the pairs that this annotator has labelled.
fn labelled(state: &State) -> Option<(usize, Side, bool)> {
    let desk = &state.desk;
    let own = desk
        .book
        .labels()
        .filter(|(_, by, standing)| *by == desk.by() && standing.value.state == Progress::Submitted);
    own.filter_map(|(digest, ..)| desk.places.get(digest).copied()).find_map(|example| {
        let sides = state.examples.get(example)?.sides();
        sides.iter().find(|side| lacks(state, example, **side)).map(|side| (example, *side, false))
    })
}

/// Of the pairs that come next.
fn coming(state: &State) -> Option<(usize, Side, bool)> {
    let desk = &state.desk;
    let all = matches!(desk.setup.order, Order::Useful(_));
    let spread = desk.setup.order == Order::Useful(Useful::Spread);
    let window = if all { usize::MAX } else { WINDOW };
    let coming = desk.queue.iter().skip(desk.at).filter(|e| desk.is_open(**e) || Some(**e) == desk.example());
    for example in coming.take(window) {
        for side in state.examples.get(*example)?.sides() {
            if lacks(state, *example, *side) {
                return Some((*example, *side, false));
            }
            if spread && !desk.asked.contains(&(*example, *side, true)) {
                return Some((*example, *side, true));
            }
        }
    }
    None
}

fn ask(state: &mut State, example: usize, side: Side, sampled: bool) -> Option<Effect> {
    let input = state.examples.get(example)?.input(side);
    let (count, sampling) = match sampled {
        false => (1, Sampling::default()),
        true => {
            let seed = state.desk.setup.seed.wrapping_add(1);
            (state.desk.setup.samples.max(2), Sampling { temperature: 1.0, seed, ..Sampling::default() })
        }
    };
    let how = |i: usize| match sampled {
        false => How::Greedy,
        true => How::Sampled { seed: sampling.seed.wrapping_add(i as u64), temperature: 1.0 },
    };
    let ids: Vec<TakeId> =
        (0..count).map(|i| state.takes.add(Take::new(example, side, input.clone(), how(i)))).collect();
    let first = *ids.first()?;
    if !sampled && state.take_of(example, side).is_none() {
        state.show(first);
    }
    let ticket = jobs::open(state, Job::Ahead(first, count));
    let options = CritiqueOptions { sampling, samples: count, ..CritiqueOptions::default() };
    let begin = crate::engine::CritiqueText::None;
    Some(jobs::send(Request::Critique { ticket, model: State::MODEL, input, begin, options }))
}

/// A take has ended, or came back from the session: what it says of an answer as it came.
pub(in crate::app::update) fn scored(state: &mut State, id: TakeId) {
    let Some(take) = state.takes.get(id) else { return };
    let Some(verdict) = take.settled().filter(|_| take.model == State::MODEL && take.rubric.is_none()) else {
        return;
    };
    let Some(example) = state.examples.get(take.example) else { return };
    if example.input(take.side) != take.input {
        return;
    }
    let (key, reward) = ((take.example, take.side), f64::from(verdict.reward));
    match take.how {
        How::Greedy => {
            let tone = tone(verdict.critique.as_deref().unwrap_or_default());
            state.desk.found.insert(key, Found { take: id, reward, tone });
        }
        How::Sampled { .. } => state.desk.samples.entry(key).or_default().push(reward),
        _ => return,
    }
    state.desk.stale = true;
}
