//! The Compare screen: what is compared, the other model, the swap table.

use std::path::PathBuf;

use super::{jobs, ready};
use crate::app::{Effect, How, Job, Layer, Line, LineFor, ModelState, Screen, State, Swapped, Take, Versus};
use crate::engine::{CritiqueText, ModelInfo, ModelSource, Request, Sampling, ScoreOptions};

/// Opens the screen.
pub(super) fn show(state: &mut State) {
    state.layers.clear();
    state.compare.top = 0;
    if let Versus::Takes(left, _) = state.compare.versus
        && state.takes.get(left).is_none_or(|t| t.example != state.selected)
    {
        state.compare.versus = Versus::Sides;
    }
    state.screen = Screen::Compare;
}

/// The two sides (or the take before), then both models.
pub(super) fn versus(state: &mut State) {
    state.compare.top = 0;
    state.compare.versus = match (state.compare.versus, &state.compare.other) {
        (Versus::Sides | Versus::Takes(..), Some(_)) => Versus::Models,
        (Versus::Takes(..) | Versus::Models, _) => Versus::Sides,
        (Versus::Sides, None) => {
            state.note = Some("L loads another model to compare with; t picks two takes".into());
            Versus::Sides
        }
    };
}

/// Runs what is compared: under both models, or what has no critique yet.
pub(super) fn run(state: &mut State) -> Vec<Effect> {
    let (effects, stopped) = jobs::stop(state);
    if stopped || !ready(state) {
        return effects;
    }
    if state.compare.versus != Versus::Models {
        return jobs::run(state, None);
    }
    let mut effects = jobs::run_shown(state);
    effects.extend(run_other(state));
    effects
}

/// The shown answer under the other model.
fn run_other(state: &mut State) -> Option<Effect> {
    if state.info_of(State::OTHER).is_none() {
        state.note = Some("the other model is not there".into());
        return None;
    }
    let shown = state.take()?;
    let take = Take { model: State::OTHER, ..Take::from(shown, How::Greedy) };
    let (key, rubric) = ((take.example, take.side), state.rubric.clone());
    let id = state.takes.add(Take { rubric, ..take });
    state.compare.others.insert(key, id);
    jobs::critique(state, id, 1, Sampling::default())
}

/// Types the folder of another model.
pub(super) fn ask_model(state: &mut State) {
    let text = match &state.compare.other {
        Some((ModelSource::Folder(path), _)) => path.display().to_string(),
        _ => String::new(),
    };
    state.layers.push(Layer::Line(Line { purpose: LineFor::Model, text }));
}

/// Loads the other model; one that is there already is replaced.
pub(super) fn load(state: &mut State, text: &str) -> Vec<Effect> {
    let source = match text.trim() {
        "" => return Vec::new(),
        "demo" => ModelSource::DEMO,
        path => ModelSource::Folder(PathBuf::from(path)),
    };
    if !ready(state) {
        return Vec::new();
    }
    let model = State::OTHER;
    state.compare.other = Some((source.clone(), ModelState::Loading));
    state.compare.others.clear();
    state.compare.versus = Versus::Models;
    state.screen = Screen::Compare;
    let ticket = jobs::open(state, Job::Load(model));
    vec![jobs::send(Request::Load { ticket, model, source, device: state.device })]
}

/// The other model is there: the shown answer runs under it at once.
pub(super) fn loaded(state: &mut State, info: Box<ModelInfo>) -> Vec<Effect> {
    if let Some((_, other)) = &mut state.compare.other {
        *other = ModelState::Ready(info);
    }
    run_other(state).into_iter().collect()
}

/// The other model is not to be had.
pub(super) fn failed(state: &mut State, error: &str) {
    if let Some((_, other)) = &mut state.compare.other {
        *other = ModelState::Failed(error.to_owned());
    }
}

/// Asks for the rewards of each answer after the other's critique.
pub(super) fn swap(state: &mut State) -> Vec<Effect> {
    let pair = |state: &State| match state.compared() {
        [Some(left), Some(right)] => Some((left.clone(), right.clone())),
        _ => None,
    };
    let Some((left, right)) = pair(state) else {
        state.note = Some("two critiques are needed: space runs them".into());
        return Vec::new();
    };
    let why = match (state.incomparable(&left, &right), left.settled().zip(right.settled())) {
        (Some(why), _) => Some(why),
        (None, None) => Some("both critiques must be complete: space runs them"),
        (None, Some((a, _))) if a.critique.is_none() => {
            Some("a classic model: there are no critiques to swap")
        }
        _ if left.input == right.input => Some("one answer: the reward follows the critique alone"),
        _ => None,
    };
    if let Some(why) = why {
        state.note = Some(why.into());
        return Vec::new();
    }
    let mut ask = |answer: &Take, critique: &Take| {
        if matches!(
            state.compare.swaps.get(&(answer.id, critique.id)),
            Some(Swapped::Reward(_) | Swapped::Waiting)
        ) {
            return None;
        }
        let words = critique.tokens.len().checked_sub(1)?;
        state.compare.swaps.insert((answer.id, critique.id), Swapped::Waiting);
        let job = Job::Swap(answer.id, critique.id);
        jobs::score(state, answer.id, job, CritiqueText::Ids(critique.ids(words)), ScoreOptions::default())
    };
    [ask(&left, &right), ask(&right, &left)].into_iter().flatten().collect()
}

/// Scrolls both critiques.
pub(super) fn scroll(state: &mut State, by: isize) {
    state.compare.top = state.compare.top.saturating_add_signed(by).min(state.limits.compare);
}
