//! Work for the engine: asking for it, stopping it.

use crate::app::{
    Effect, Example, How, Job, Keymap, ModelState, Phase, ReEncoded, Side, State, Take, TakeId,
};
use crate::checkpoint::{Method, Reading};
use crate::engine::{
    CritiqueOptions, CritiqueText, DeviceChoice, ModelSource, Request, Sampling, ScoreOptions, Ticket,
};

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
    let model = State::MODEL;
    let ticket = open(&mut state, Job::Load(model));
    (state, vec![send(Request::Load { ticket, model, source, device })])
}

pub(super) fn send(request: Request) -> Effect {
    Effect::Send(Box::new(request))
}

pub(super) fn open(state: &mut State, job: Job) -> Ticket {
    let ticket = Ticket(state.next_ticket);
    state.next_ticket += 1;
    state.running.insert(ticket, job);
    ticket
}

/// Critiques the shown example: both answers of a pair, else the one; `seed` samples at temperature 1.
pub(super) fn run(state: &mut State, seed: Option<u64>) -> Vec<Effect> {
    let Some(example) = judged(state) else { return Vec::new() };
    let sides = example.sides();
    let mut effects = Vec::new();
    for &side in sides {
        effects.extend(run_side(state, side, seed));
    }
    view_anew(state);
    effects
}

/// The shown example, if it can be judged; else the note says why not.
pub(super) fn judged(state: &mut State) -> Option<&Example> {
    let why = match state.example() {
        None => "no example: n types one",
        Some(example) if example.fault.is_some() => "this row cannot be judged: x shows why",
        Some(_) => return state.example(),
    };
    state.note = Some(why.into());
    None
}

/// Critiques only the answer on the screen.
pub(super) fn run_shown(state: &mut State) -> Vec<Effect> {
    view_anew(state);
    run_side(state, state.side, None).into_iter().collect()
}

fn view_anew(state: &mut State) {
    state.cursor = None;
    state.critique_top = None;
}

fn run_side(state: &mut State, side: Side, seed: Option<u64>) -> Option<Effect> {
    let index = state.selected;
    let how = seed.map_or(How::Greedy, |seed| How::Sampled { seed, temperature: 1.0 });
    let id = match state.take_of(index, side) {
        // An edited answer that is run is one take, not two.
        Some(take) if take.phase == Phase::Draft => {
            let id = take.id;
            let rubric = state.rubric.clone();
            if let Some(take) = state.takes.get_mut(id) {
                (take.how, take.phase, take.rubric) = (how, Phase::Waiting, rubric);
            }
            id
        }
        Some(take) => {
            let take = Take { model: State::MODEL, rubric: state.rubric.clone(), ..Take::from(take, how) };
            state.takes.add(take)
        }
        None => {
            let input = state.example()?.input(side);
            state.takes.add(Take { rubric: state.rubric.clone(), ..Take::new(index, side, input, how) })
        }
    };
    state.show(id);
    let sampling = sampling(seed);
    critique(state, id, 1, sampling)
}

fn sampling(seed: Option<u64>) -> Sampling {
    let temperature = if seed.is_some() { 1.0 } else { 0.0 };
    Sampling { temperature, seed: seed.unwrap_or(0), ..Sampling::default() }
}

/// Asks for the critiques of `count` takes from `first` on, which differ only in their seeds.
pub(super) fn critique(state: &mut State, first: TakeId, count: usize, sampling: Sampling) -> Option<Effect> {
    for id in (first.0..first.0 + count).map(TakeId) {
        state.takes.get_mut(id)?.phase = Phase::Waiting;
    }
    let ticket = open(state, Job::Critique(first, count));
    let take = state.takes.get(first)?;
    let given = take.given != CritiqueText::None;
    let options = CritiqueOptions {
        score: ScoreOptions {
            stop_here: true,
            // What the given words did is known, or asked for later.
            details_from: if given { usize::MAX } else { 0 },
            critique_prompt: take.rubric.as_deref().map(str::to_owned),
            ..ScoreOptions::default()
        },
        sampling,
        alternatives: ALTERNATIVES,
        samples: count,
        ..CritiqueOptions::default()
    };
    let (model, input, begin) = (take.model, take.input.clone(), take.given.clone());
    Some(send(Request::Critique { ticket, model, input, begin, options }))
}

/// Samples more critiques of what is on the screen: each a take.
pub(super) fn sample(state: &mut State, count: usize) -> Vec<Effect> {
    if judged(state).is_none() {
        return Vec::new();
    }
    let seed = fresh_seed(state);
    let how = |i: usize| How::Sampled { seed: seed.wrapping_add(i as u64), temperature: 1.0 };
    let rubric = state.rubric.clone();
    let ids: Vec<TakeId> = (0..count)
        .filter_map(|i| {
            let take = match state.take() {
                Some(parent) => Take { model: State::MODEL, ..Take::from(parent, how(i)) },
                None => Take::new(state.selected, state.side, state.input()?, how(i)),
            };
            Some(state.takes.add(Take { rubric: rubric.clone(), ..take }))
        })
        .collect();
    let Some(first) = ids.first() else { return Vec::new() };
    critique(state, *first, ids.len(), sampling(Some(seed))).into_iter().collect()
}

/// Lets the model go on from the given words of a new take, which is shown.
pub(super) fn go_on(state: &mut State, take: Take) -> Vec<Effect> {
    let id = state.takes.add(take);
    state.show(id);
    view_anew(state);
    critique(state, id, 1, sampling(None)).into_iter().collect()
}

/// Reads the reward of a take's words as they stand: of its ids if they are exactly known, else of its text.
pub(super) fn live(state: &mut State, id: TakeId) -> Vec<Effect> {
    let mut effects = forget(state, id);
    let Some(take) = state.takes.get_mut(id) else { return effects };
    take.phase = Phase::Scoring;
    take.re_encoded = ReEncoded::Not;
    let critique = take.given.clone();
    effects.extend(score(state, id, Job::Live(id), critique, ScoreOptions::default()));
    effects
}

/// Asks what is not known yet about the tokens of a complete take: stop-here rewards, probabilities, alternatives.
pub(super) fn details(state: &mut State, id: TakeId) -> Option<Effect> {
    let take = state.takes.get(id).filter(|t| t.settled().is_some())?;
    let (known, tokens) = (take.detailed(), take.tokens.len());
    if known + 1 >= tokens {
        return None;
    }
    let critique = CritiqueText::Ids(take.ids(tokens - 1));
    let options = ScoreOptions {
        stop_here: true,
        choices: ALTERNATIVES,
        details_from: known,
        ..ScoreOptions::default()
    };
    score(state, id, Job::Details(id), critique, options)
}

/// Asks for the re-encoded reading of a complete take of a CLoud model.
pub(super) fn re_encode(state: &mut State, id: TakeId) -> Option<Effect> {
    let take = state.takes.get(id)?;
    let critique = CritiqueText::Text(take.settled()?.critique.clone()?);
    if !state.is_cloud(take.model) || take.re_encoded != ReEncoded::Not {
        return None;
    }
    state.takes.get_mut(id)?.re_encoded = ReEncoded::Waiting;
    let options = ScoreOptions { reading: Reading::ReEncoded, ..ScoreOptions::default() };
    score(state, id, Job::ReEncode(id), critique, options)
}

/// Asks for the reward of a take's answer after a critique.
pub(super) fn score(
    state: &mut State,
    id: TakeId,
    job: Job,
    critique: CritiqueText,
    options: ScoreOptions,
) -> Option<Effect> {
    let ticket = open(state, job);
    let take = state.takes.get(id)?;
    let critique_prompt = take.rubric.as_deref().map(str::to_owned);
    let options = ScoreOptions { critique_prompt, ..options };
    let (model, input) = (take.model, take.input.clone());
    Some(send(Request::Score { ticket, model, input, critique, options }))
}

/// A seed no take of the shown example has used.
pub(super) fn fresh_seed(state: &State) -> u64 {
    let used = state.takes.iter().filter(|t| t.example == state.selected).filter_map(|t| match t.how {
        How::Sampled { seed, .. } => Some(seed),
        _ => None,
    });
    used.max().map_or(1, |seed| seed.wrapping_add(1))
}

/// Stops the critiques of the shown example; true in the second place if there were any.
pub(super) fn stop(state: &mut State) -> (Vec<Effect>, bool) {
    let index = state.selected;
    let mine = |state: &State, job: &Job| match job {
        Job::Critique(id, _) => state.takes.get(*id).is_some_and(|t| t.example == index),
        _ => false,
    };
    let tickets: Vec<(Ticket, Job)> =
        state.running.iter().filter(|(_, job)| mine(state, job)).map(|(t, job)| (*t, *job)).collect();
    let mut effects = Vec::new();
    for (ticket, job) in tickets {
        state.running.remove(&ticket);
        for id in job.takes() {
            state.takes.end(id, Phase::Stopped);
        }
        effects.push(Effect::Cancel(ticket));
    }
    let any = !effects.is_empty();
    (effects, any)
}

/// Stops what is being read about a take: its words have changed.
pub(super) fn forget(state: &mut State, id: TakeId) -> Vec<Effect> {
    let stale = |job: &Job| matches!(job, Job::Live(of) | Job::Details(of) | Job::ReEncode(of) if *of == id);
    let tickets: Vec<Ticket> =
        state.running.iter().filter(|(_, job)| stale(job)).map(|(ticket, _)| *ticket).collect();
    tickets
        .into_iter()
        .map(|ticket| {
            state.running.remove(&ticket);
            Effect::Cancel(ticket)
        })
        .collect()
}

/// Stops everything at the end of the engine.
pub(super) fn down(state: &mut State, reason: String) {
    state.data.batch = None;
    let error = format!("the engine stopped: {reason}");
    for (_, job) in std::mem::take(&mut state.running) {
        super::engine::came_to_nothing(state, job, &error);
    }
    state.model = ModelState::Down(reason);
}

impl State {
    /// Whether a model writes critiques.
    pub(super) fn is_cloud(&self, model: crate::engine::ModelId) -> bool {
        self.info_of(model).is_some_and(|i| i.spec.method == Method::Cloud)
    }
}
