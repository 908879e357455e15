//! Editing in place. A changed critique is scored again shortly after the last key; a changed answer makes its critique
//! stale. From the first change on the text is a take of its own.

use std::sync::Arc;
use std::time::Duration;

use super::{jobs, label, ready};
use crate::app::{Due, Edit, Effect, Focus, How, Layer, Part, Phase, ReEncoded, State, Take, TakeId, Token};
use crate::engine::{CritiqueText, Input};

/// Rest after the last key before the critique is scored.
pub(super) const REST: Duration = Duration::from_millis(60);
/// A page step in a text, lines.
pub(super) const PAGE: usize = 10;

/// Opens the shown answer, its critique or the critique prompt in its pane.
pub(super) fn open(state: &mut State, part: Part) {
    if jobs::judged(state).is_none() {
        return;
    }
    let base = state.take().map(|t| t.id);
    let (text, at) = match part {
        Part::Answer => (state.input().map(|i| i.answer).unwrap_or_default(), None),
        Part::Rubric => (rubric(state), None),
        Part::Critique if state.is_classic() => {
            state.note = Some("a classic reward model: there is no critique to edit".into());
            return;
        }
        Part::Critique => match state.critique_take() {
            Some((take, _)) if take.phase.is_running() && take.phase != Phase::Scoring => {
                state.note = Some("the critique is still being written: space stops it".into());
                return;
            }
            Some((take, _)) => (take.words(), cursor_place(state, take)),
            None => (String::new(), None),
        },
    };
    state.focus = if part == Part::Critique { Focus::Critique } else { Focus::Text };
    state.critique_top = None;
    state.layers.push(Layer::Edit(Box::new(Edit::new(part, text, at, base))));
}

/// The critique prompt that is in force.
fn rubric(state: &State) -> String {
    let own = state.info().map(|i| i.spec.prompt.critique_prompt.clone());
    state.rubric.as_deref().map(str::to_owned).or(own).unwrap_or_default()
}

/// The character of the critique before which the cursor's token stands.
fn cursor_place(state: &State, take: &Take) -> Option<usize> {
    let cursor = state.cursor?;
    let before: String = take.tokens.iter().take(cursor).map(|t| t.text.as_str()).collect();
    let space = |text: &str| text.chars().take_while(|c| c.is_whitespace()).count();
    let own = take.tokens.get(cursor).map_or(0, |t| space(&t.text));
    let lead = take.tokens.first().map_or(0, |t| usize::from(t.text.starts_with(' ')));
    Some((before.chars().count() + own).saturating_sub(lead))
}

/// After any change of the text.
pub(super) fn changed(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Edit(edit)) = state.layers.last() else { return Vec::new() };
    let (part, text, base, take) = (edit.part, edit.text(), edit.base, edit.take);
    if take.is_none() && text == edit.was {
        return Vec::new();
    }
    match part {
        Part::Rubric => Vec::new(),
        Part::Answer => {
            let id = take.or_else(|| begin(state, base, How::Edited));
            if let Some(take) = id.and_then(|id| state.takes.get_mut(id)) {
                take.input.answer = text;
            }
            Vec::new()
        }
        Part::Critique => {
            let Some(id) = take.or_else(|| begin(state, base, How::Rewritten)) else { return Vec::new() };
            let given = CritiqueText::Text(text);
            if state.takes.get(id).is_some_and(|t| t.given == given && t.phase == Phase::Complete) {
                return Vec::new();
            }
            let there = state.info().is_some();
            let effects = jobs::forget(state, id);
            if let Some(take) = state.takes.get_mut(id) {
                take.given = given;
                take.re_encoded = ReEncoded::Not;
                if there {
                    take.phase = Phase::Scoring;
                } else {
                    (take.phase, take.tokens, take.verdict) = (Phase::Stopped, Vec::new(), None);
                }
            }
            state.due = there.then_some((state.now + REST, Due::Live(id)));
            effects
        }
    }
}

/// The take that an edit makes, made from `base` (or, where nothing was run yet, from the example).
fn begin(state: &mut State, base: Option<TakeId>, how: How) -> Option<TakeId> {
    let rewritten = how == How::Rewritten;
    let mut take = match base.and_then(|id| state.takes.get(id)) {
        Some(base) => Take::from(base, how),
        None => Take {
            rubric: state.rubric.clone(),
            ..Take::new(state.selected, state.side, state.example()?.input(state.side), how)
        },
    };
    if rewritten {
        take.phase = Phase::Scoring;
        // Until the first score the critique before stands there; of another answer its details do not hold.
        if let Some((before, _)) = state.critique_take() {
            take.verdict.clone_from(&before.verdict);
            take.tokens.clone_from(&before.tokens);
            take.counts = before.counts;
            if before.input != take.input {
                take.tokens.iter_mut().for_each(forget_details);
            }
        }
    }
    let id = state.takes.add(take);
    state.show(id);
    state.redo.clear();
    if let Some(Layer::Edit(edit)) = state.layers.last_mut() {
        edit.take = Some(id);
    }
    Some(id)
}

fn forget_details(token: &mut Token) {
    (token.stop_here, token.probability) = (None, None);
    token.alternatives.clear();
}

/// The time for what waited has come.
pub(super) fn due(state: &mut State) -> Vec<Effect> {
    let Some((_, due)) = state.due.filter(|(at, _)| *at <= state.now) else { return Vec::new() };
    state.due = None;
    carry_out(state, due)
}

fn carry_out(state: &mut State, due: Due) -> Vec<Effect> {
    match due {
        Due::Live(id) => jobs::live(state, id),
        Due::Details(id) => jobs::details(state, id).into_iter().chain(jobs::re_encode(state, id)).collect(),
        Due::Keep => label::keep_text(state),
    }
}

/// Ends the edit: what waited is done now. `run`: an answer is critiqued anew, and so is everything under a new rubric.
pub(super) fn close(state: &mut State, run: bool) -> Vec<Effect> {
    if !matches!(state.layers.last(), Some(Layer::Edit(_))) {
        return Vec::new();
    }
    let Some(Layer::Edit(edit)) = state.layers.pop() else { return Vec::new() };
    let mut effects = match state.due.take() {
        Some((_, due)) => carry_out(state, due),
        None => Vec::new(),
    };
    match edit.part {
        Part::Critique if edit.take.is_some() => {
            state.note = Some("a take of its own: u goes back, t shows all".into());
        }
        Part::Critique => {}
        Part::Answer if run => {
            if ready(state) {
                effects.extend(jobs::stop(state).0);
                effects.extend(jobs::run_shown(state));
            }
        }
        Part::Answer if edit.take.is_some() => {
            state.note = Some("kept as a take; space runs it, u goes back".into());
        }
        Part::Answer => {}
        Part::Rubric => {
            let text = edit.text();
            let own = state.info().map(|i| i.spec.prompt.critique_prompt.clone());
            let same = text.trim().is_empty() || Some(&text) == own.as_ref();
            let rubric: Option<Arc<str>> = (!same).then(|| text.into());
            if !run {
                state.note = Some("the critique prompt stays as it was; ctrl-s takes the new one".into());
            } else if rubric != state.rubric {
                state.rubric = rubric;
                if ready(state) {
                    effects.extend(jobs::stop(state).0);
                    effects.extend(jobs::run(state, None));
                }
            }
        }
    }
    effects
}

/// Lets the model go on from the words before the text's cursor.
pub(super) fn go_on(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Edit(edit)) = state.layers.last() else { return Vec::new() };
    if edit.part != Part::Critique {
        state.note = Some("only a critique is written by the model".into());
        return Vec::new();
    }
    // The model writes the space before its next word itself.
    let given = edit.area.before().trim_end_matches(' ').to_owned();
    let from = edit.take.or(edit.base);
    if !ready(state) {
        return Vec::new();
    }
    let mut effects = close(state, false);
    state.note = None;
    let given = if given.is_empty() { CritiqueText::None } else { CritiqueText::Text(given) };
    let how = How::Continued;
    let take = match from.and_then(|id| state.takes.get(id)) {
        Some(from) => Take { given, ..Take::from(from, how) },
        None => {
            let Some(input) = state.input() else { return effects };
            Take { given, rubric: state.rubric.clone(), ..Take::new(state.selected, state.side, input, how) }
        }
    };
    effects.extend(jobs::go_on(state, take));
    effects
}

/// Hands the text to the user's editor; it comes back as a message.
pub(super) fn outside(state: &mut State, part: Part) -> Vec<Effect> {
    if !matches!(state.layers.last(), Some(Layer::Edit(_) | Layer::Writing(_))) {
        open(state, part);
    }
    match state.layers.last() {
        Some(Layer::Edit(edit)) => vec![Effect::EditOutside(edit.text())],
        Some(Layer::Writing(writing)) => vec![Effect::EditOutside(writing.text())],
        _ => Vec::new(),
    }
}

/// The text came back from the user's editor. Editors end a file with a newline; one that was not there goes.
pub(super) fn edited(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(Layer::Edit(edit)) = state.layers.last_mut() else { return label::edited(state, text) };
    let text = text.replace("\r\n", "\n");
    let kept = edit.text().ends_with('\n');
    let text = text.strip_suffix('\n').filter(|_| !kept).unwrap_or(&text);
    if text == edit.text() {
        state.note = Some("unchanged".into());
        return Vec::new();
    }
    edit.area.replace(text);
    changed(state)
}

/// Lets the model go on from the tokens up to the cursor, that one included.
pub(super) fn go_on_here(state: &mut State) -> Vec<Effect> {
    let Some((take, at)) = at_cursor(state) else { return Vec::new() };
    let end = state.info().map(|i| i.spec.prompt.end_of_turn.id);
    let mut ids = take.ids(at + 1);
    if ids.last().copied() == end {
        ids.pop();
    }
    let take = Take { given: CritiqueText::Ids(ids), ..Take::from(&with_input(state, take), How::Continued) };
    branch(state, take, at)
}

/// The token under the cursor (or the newest), if the model can go on there.
fn at_cursor(state: &mut State) -> Option<(Take, usize)> {
    let found = state.critique_take().map(|(take, _)| take.clone()).zip(state.token_index());
    match found {
        None => state.note = Some("no critique yet: space makes one".into()),
        Some((take, _)) if take.phase.is_running() => {
            state.note = Some("the critique is still being written: space stops it".into());
        }
        Some(found) => return ready(state).then_some(found),
    }
    None
}

/// A take as it is continued: with the answer that is on the screen, which may be newer than its critique.
fn with_input(state: &State, take: Take) -> Take {
    let shown: Option<(TakeId, Input)> = state.take().map(|t| (t.id, t.input.clone()));
    match shown {
        Some((id, input)) => Take { id, input, ..take },
        None => take,
    }
}

fn branch(state: &mut State, take: Take, at: usize) -> Vec<Effect> {
    state.redo.clear();
    let effects = jobs::go_on(state, take);
    state.note = Some(format!("going on from token {}", at + 1));
    effects
}

/// Opens the choice of what could stand at the cursor's token.
pub(super) fn choose(state: &mut State) -> Vec<Effect> {
    let Some((take, at)) = at_cursor(state) else { return Vec::new() };
    let Some(token) = take.tokens.get(at) else { return Vec::new() };
    if token.alternatives.is_empty() {
        state.note = Some("what could stand here is not known yet".into());
        return jobs::details(state, take.id).into_iter().collect();
    }
    let picked = token.alternatives.iter().position(|a| a.id != token.id).unwrap_or(0);
    state.cursor = Some(at);
    state.layers.push(Layer::Steer(crate::app::Steer { take: take.id, at, picked }));
    Vec::new()
}

/// Takes the picked token and lets the model go on; after an end-of-turn the reward is read there.
pub(super) fn steer(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Steer(steer)) = state.layers.last().cloned() else { return Vec::new() };
    state.layers.pop();
    let Some(take) = state.takes.get(steer.take).cloned() else { return Vec::new() };
    let Some(token) = take.tokens.get(steer.at) else { return Vec::new() };
    let Some(other) = token.alternatives.get(steer.picked.min(token.alternatives.len().saturating_sub(1)))
    else {
        return Vec::new();
    };
    if other.id == token.id {
        state.note = Some("that is the token that stands there".into());
        return Vec::new();
    }
    let how = How::Steered { at: steer.at, to: other.text.clone() };
    let mut ids = take.ids(steer.at);
    let end = state.info().map(|i| i.spec.prompt.end_of_turn.id);
    if Some(other.id) == end {
        let new = Take { given: CritiqueText::Ids(ids), ..Take::from(&with_input(state, take), how) };
        let id = state.takes.add(new);
        state.show(id);
        state.redo.clear();
        state.cursor = None;
        return jobs::live(state, id);
    }
    ids.push(other.id);
    let new = Take { given: CritiqueText::Ids(ids), ..Take::from(&with_input(state, take), how) };
    branch(state, new, steer.at)
}
