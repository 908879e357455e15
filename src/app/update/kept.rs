//! What a session gives back at the start: examples that were typed, takes with their critiques, where the screen stood.

use super::{act, engine, label};
use crate::app::ledger::BY_USER;
use crate::app::{
    Answers, Effect, Example, How, Keeping, Origin, Phase, ReEncoded, Screen, Side, State, Take, TakeId,
    Token,
};
use crate::checkpoint::Reading;
use crate::engine::{Alternative, CritiqueText, Input, Stopped, Timing, TokenCount, Verdict};
use crate::session::{self, Critique, TakeRecord, View};

/// What a session holds for the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Examples typed by hand: id, content.
    pub typed: Vec<(String, session::Example)>,
    /// Takes, parents first.
    pub takes: Vec<KeptTake>,
    /// Where the screen stood, with its example.
    pub view: Option<(View, session::Example)>,
    /// What could not be read.
    pub problems: usize,
}

/// A take with what is needed to show it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptTake {
    /// What was said of it.
    pub record: TakeRecord,
    /// Its example's place in the data when it was made.
    pub row: Option<usize>,
    /// Its example.
    pub example: session::Example,
    /// Its critiques, one a reading.
    pub critiques: Vec<Critique>,
}

/// Takes in what the session holds; it is shown once its examples and the model are there.
pub(super) fn arrived(state: &mut State, kept: Kept) -> Vec<Effect> {
    for (id, example) in &kept.typed {
        if find(state, None, example, 0).is_none() {
            state.examples.push(typed(id, example));
        }
    }
    if kept.problems > 0 {
        state.note =
            Some(format!("{} things in the session cannot be read: `outloud session check`", kept.problems));
    }
    state.returned = kept;
    state.keeping = Keeping::Kept;
    fit(state, 0);
    engine::run_first(state)
}

/// Shows what was waiting for examples (new ones from `from` on) or the model.
pub(super) fn fit(state: &mut State, from: usize) {
    let Some(fingerprint) = state.info().map(|info| info.fingerprint.clone()) else { return };
    let waiting = std::mem::take(&mut state.returned.takes);
    let mut others = 0;
    for kept in waiting {
        if kept.critiques.iter().any(|c| c.made_with.fingerprint != fingerprint) {
            others += 1;
            continue;
        }
        match find(state, kept.row, &kept.example, from) {
            Some(index) => {
                let take = take(state, index, &kept);
                engine::hold(state, &take);
                let id = state.takes.restore(take);
                let judged = &kept.record.judged;
                if let Some(judged) = judged.iter().find(|j| j.reading == Reading::InPlace) {
                    state.desk.critiques.insert(id, judged.critique.clone());
                }
                label::scored(state, id);
                state.show(id);
            }
            None => state.returned.takes.push(kept),
        }
    }
    if others > 0 {
        state.note = Some(format!("{others} takes of another model stay in the session"));
    }
    if let Some((view, example)) = state.returned.view.take() {
        match find(state, view.row, &example, from) {
            Some(index) => resume(state, index, &view),
            None => state.returned.view = Some((view, example)),
        }
    }
}

fn resume(state: &mut State, index: usize, view: &View) {
    let label = view.screen == "label";
    if label || state.screen == Screen::Label {
        state.run_first = false;
        state.screen = Screen::Label;
        return label::resume(state, Some(index).filter(|_| label));
    }
    act::select(state, index);
    if view.answer == 1 && state.example().is_some_and(Example::is_pair) {
        state.side = Side::Rejected;
    }
    if let Some(id) = view.take.as_ref().and_then(|id| of(state, id)) {
        state.show(id);
    }
    state.text_scroll = view.scroll;
    state.critique_top = view.critique_scroll;
    state.cursor = view.cursor;
    state.run_first = false;
}

fn of(state: &State, id: &session::EventId) -> Option<TakeId> {
    state.takes.iter().find(|take| take.kept.as_ref() == Some(id)).map(|take| take.id)
}

/// The example with this content: at its place, or among those from `from` on.
fn find(state: &State, row: Option<usize>, kept: &session::Example, from: usize) -> Option<usize> {
    let same = |e: &Example| {
        let sides = e.sides();
        e.fault.is_none()
            && e.prompt == kept.prompt
            && sides.len() == kept.answers.len()
            && sides.iter().zip(&kept.answers).all(|(side, answer)| **e.answer(*side) == **answer)
    };
    let at = row.filter(|row| state.examples.get(*row).is_some_and(same));
    at.or_else(|| state.examples.iter().skip(from).position(same).map(|at| at + from))
}

fn typed(id: &str, kept: &session::Example) -> Example {
    let answers = match kept.answers.as_slice() {
        [chosen, rejected] => {
            Answers::Pair { chosen: chosen.as_str().into(), rejected: rejected.as_str().into() }
        }
        [answer, ..] => Answers::One(answer.as_str().into()),
        [] => Answers::One("".into()),
    };
    Example {
        number: None,
        id: id.into(),
        prompt: kept.prompt.clone(),
        answers,
        origin: Origin::Typed,
        hint: None,
        extra: std::sync::Arc::default(),
        fault: None,
        open: false,
    }
}

fn take(state: &State, index: usize, kept: &KeptTake) -> Take {
    let made = &kept.record.made;
    let side = if made.answer == 1 { Side::Rejected } else { Side::Chosen };
    let answer = made.text.clone().or_else(|| kept.example.answers.get(made.answer).cloned());
    let input = Input {
        prompt: made.prompt.clone().unwrap_or_else(|| kept.example.prompt.clone()),
        answer: answer.unwrap_or_default(),
    };
    let mut take = Take::new(index, side, input, how(kept.record.how()));
    take.kept = Some(kept.record.id.clone());
    take.parent = made.parent.as_ref().and_then(|id| of(state, id));
    take.name.clone_from(&kept.record.name);
    take.rubric = made.critique_prompt.as_deref().map(Into::into);
    take.given = made.critique.clone().map_or(CritiqueText::None, CritiqueText::Text);
    for critique in &kept.critiques {
        let verdict = Box::new(verdict(critique));
        match critique.reading {
            Reading::InPlace => {
                take.tokens = critique.tokens.iter().map(token).collect();
                if critique.stopped.as_deref() == Some(BY_USER) {
                    take.phase = Phase::Stopped;
                } else {
                    (take.phase, take.verdict) = (Phase::Complete, Some(verdict));
                }
            }
            Reading::ReEncoded => take.re_encoded = ReEncoded::Read(verdict),
        }
    }
    take
}

fn how(how: &session::How) -> How {
    match how.way.as_str() {
        "greedy" => How::Greedy,
        "sampled" => {
            How::Sampled { seed: how.seed.unwrap_or_default(), temperature: how.temperature.unwrap_or(1.0) }
        }
        "rewritten" => How::Rewritten,
        "continued" => How::Continued,
        "steered" => How::Steered { at: how.at.unwrap_or_default(), to: how.to.clone().unwrap_or_default() },
        _ => How::Edited,
    }
}

fn token(token: &session::TokenAt) -> Token {
    let alternatives = token.alternatives.iter();
    Token {
        id: token.id,
        text: token.text.clone(),
        reward: token.reward,
        stop_here: token.stop_here,
        probability: token.probability,
        alternatives: alternatives
            .map(|a| Alternative { id: a.0, text: a.1.clone(), probability: a.2 })
            .collect(),
    }
}

fn verdict(critique: &Critique) -> Verdict {
    let tokens = &critique.tokens;
    let stop_here: Vec<f32> = tokens.iter().map_while(|t| t.stop_here).collect();
    Verdict {
        reward: critique.reward,
        reading: critique.reading,
        critique: critique.text.clone(),
        critique_token_ids: critique.token_ids.clone(),
        text_is_exact: false,
        stopped: match critique.stopped.as_deref() {
            Some("eot") => Some(Stopped::Eot),
            Some("eos") => Some(Stopped::Eos),
            Some("max_tokens") => Some(Stopped::MaxTokens),
            _ => None,
        },
        trace: tokens.iter().map(|t| t.reward).collect(),
        trace_tokens: tokens.iter().map(|t| (t.id, t.text.clone())).collect(),
        stop_here: (!stop_here.is_empty()).then_some(stop_here),
        choices: Vec::new(),
        prompt_token_ids: Vec::new(),
        tokens: TokenCount { critique: critique.token_ids.len(), ..TokenCount::default() },
        seed: critique.made_with.seed,
        timing: Timing::default(),
    }
}
