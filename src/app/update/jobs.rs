//! Work for the engine: asking for it, stopping it.

use crate::app::{Effect, Example, How, Job, Keymap, ModelState, Phase, ReEncoded, Side, State, TakeId};
use crate::checkpoint::{Method, Reading};
use crate::engine::{
    CritiqueOptions, CritiqueText, DeviceChoice, ModelId, ModelSource, Request, Sampling, ScoreOptions,
    Ticket,
};

/// The only model of the first screen.
pub(super) const MODEL: ModelId = ModelId(0);
/// Alternatives asked for at each token.
const ALTERNATIVES: usize = 5;

/// The state at the start, and the request for the model.
pub fn start(
    keymap: Keymap,
    source: ModelSource,
    device: DeviceChoice,
    examples: Vec<Example>,
) -> (State, Vec<Effect>) {
    let mut state = State::new(keymap, source.clone(), device, examples);
    let ticket = open(&mut state, Job::Load);
    (state, vec![Effect::Send(Box::new(Request::Load { ticket, model: MODEL, source, device }))])
}

fn open(state: &mut State, job: Job) -> Ticket {
    let ticket = Ticket(state.next_ticket);
    state.next_ticket += 1;
    state.running.insert(ticket, job);
    ticket
}

/// Critiques the shown example: both answers of a pair, else the one; `seed` samples at temperature 1.
pub(super) fn run(state: &mut State, seed: Option<u64>) -> Vec<Effect> {
    let Some(example) = state.example() else {
        state.note = Some("no example: n types one".into());
        return Vec::new();
    };
    if example.fault.is_some() {
        state.note = Some("this row cannot be judged: x shows why".into());
        return Vec::new();
    }
    let sides = example.sides();
    let mut effects = Vec::new();
    for &side in sides {
        effects.extend(run_side(state, side, seed));
    }
    state.cursor = None;
    state.critique_top = None;
    effects
}

/// Critiques only the answer on the screen.
pub(super) fn run_shown(state: &mut State) -> Vec<Effect> {
    state.cursor = None;
    state.critique_top = None;
    run_side(state, state.side, None).into_iter().collect()
}

fn run_side(state: &mut State, side: Side, seed: Option<u64>) -> Option<Effect> {
    let index = state.selected;
    let shown = state.take_of(index, side).map(|t| (t.id, t.phase.clone(), t.input.clone()));
    let input = match &shown {
        Some((_, _, input)) => input.clone(),
        None => state.example()?.input(side),
    };
    let how = seed.map_or(How::Greedy, |seed| How::Sampled { seed, temperature: 1.0 });
    let id = match shown {
        // An edit that is run is one take, not two.
        Some((id, Phase::Draft, _)) => {
            if let Some(take) = state.takes.get_mut(id) {
                (take.how, take.phase) = (how, Phase::Waiting);
            }
            id
        }
        other => {
            let parent = other.map(|(id, ..)| id);
            state.takes.add(parent, index, side, input.clone(), how, Phase::Waiting)
        }
    };
    state.shown.insert((index, side), id);
    let ticket = open(state, Job::Critique(id));
    let temperature = if seed.is_some() { 1.0 } else { 0.0 };
    let options = CritiqueOptions {
        score: ScoreOptions { stop_here: true, ..ScoreOptions::default() },
        sampling: Sampling { temperature, seed: seed.unwrap_or(0), ..Sampling::default() },
        alternatives: ALTERNATIVES,
        ..CritiqueOptions::default()
    };
    let begin = CritiqueText::None;
    Some(Effect::Send(Box::new(Request::Critique { ticket, model: MODEL, input, begin, options })))
}

/// A seed no take of the shown example has used.
pub(super) fn fresh_seed(state: &State) -> u64 {
    let used = state.takes.iter().filter(|t| t.example == state.selected).filter_map(|t| match t.how {
        How::Sampled { seed, .. } => Some(seed),
        _ => None,
    });
    used.max().map_or(1, |seed| seed.wrapping_add(1))
}

/// Asks for the re-encoded reading of a complete take of a CLoud model.
pub(super) fn re_encode(state: &mut State, id: TakeId) -> Option<Effect> {
    let cloud = state.info().is_some_and(|i| i.spec.method == Method::Cloud);
    let take = state.takes.get_mut(id)?;
    let critique = take.verdict.as_ref()?.critique.clone()?;
    if !cloud {
        return None;
    }
    take.re_encoded = ReEncoded::Waiting;
    let input = take.input.clone();
    let ticket = open(state, Job::ReEncode(id));
    Some(Effect::Send(Box::new(Request::Score {
        ticket,
        model: MODEL,
        input,
        critique: CritiqueText::Text(critique),
        options: ScoreOptions { reading: Reading::ReEncoded, ..ScoreOptions::default() },
    })))
}

/// Stops the critiques of the shown example; true in the second place if there were any.
pub(super) fn stop(state: &mut State) -> (Vec<Effect>, bool) {
    let index = state.selected;
    let mine = |state: &State, job: &Job| match job {
        Job::Critique(id) => state.takes.get(*id).is_some_and(|t| t.example == index),
        _ => false,
    };
    let tickets: Vec<(Ticket, Job)> =
        state.running.iter().filter(|(_, job)| mine(state, job)).map(|(t, job)| (*t, *job)).collect();
    let mut effects = Vec::new();
    for (ticket, job) in tickets {
        state.running.remove(&ticket);
        if let Job::Critique(id) = job
            && let Some(take) = state.takes.get_mut(id)
        {
            take.phase = Phase::Stopped;
        }
        effects.push(Effect::Cancel(ticket));
    }
    let any = !effects.is_empty();
    (effects, any)
}

/// Stops everything at the end of the engine.
pub(super) fn down(state: &mut State, reason: String) {
    for (_, job) in std::mem::take(&mut state.running) {
        match job {
            Job::Critique(id) => {
                if let Some(take) = state.takes.get_mut(id) {
                    take.phase = Phase::Failed(format!("the engine stopped: {reason}"));
                }
            }
            Job::ReEncode(id) => {
                if let Some(take) = state.takes.get_mut(id) {
                    take.re_encoded = ReEncoded::Failed(format!("the engine stopped: {reason}"));
                }
            }
            Job::Load => {}
        }
    }
    state.model = ModelState::Down(reason);
}
