//! Notes, reason tags, verdicts on critiques, corrected critiques. What is typed is kept at every rest, so that a crash in the
//! middle of it loses a second at most; when it is done it is one step.

use std::time::Duration;

use super::{change, current, here, label, marked, place, write};
use crate::app::{Due, Effect, Layer, Purpose, Reviewing, Side, State, TakeId, TextBox, Writing, ledger};
use crate::label::sentences::sentences;
use crate::session::{Digest, Event, Object, Review, Sentence};

/// Rest after the last key before the text is kept.
const REST: Duration = Duration::from_secs(1);

/// Opens the note of the pair.
pub(super) fn open_note(state: &mut State) -> Vec<Effect> {
    let Some(example) = here(state) else { return Vec::new() };
    let text = state.desk.mine(example).map(|label| label.note.clone()).unwrap_or_default();
    open(state, Purpose::Note, example, &text);
    Vec::new()
}

fn open(state: &mut State, purpose: Purpose, example: usize, text: &str) {
    state.layers.push(Layer::Writing(Box::new(Writing {
        purpose,
        example,
        area: TextBox::new(text),
        was: text.to_owned(),
        kept: text.to_owned(),
        on_the_way: Vec::new(),
    })));
}

/// After a key in the text: it is kept when no other follows soon.
pub(in crate::app::update) fn changed(state: &mut State) {
    if matches!(state.layers.last(), Some(Layer::Writing(_))) {
        state.due = Some((state.now + REST, Due::Keep));
    }
}

/// The text came back from the user's editor.
pub(in crate::app::update) fn edited(state: &mut State, text: &str) -> Vec<Effect> {
    if let Some(Layer::Writing(writing)) = state.layers.last_mut() {
        writing.area.replace(text.replace("\r\n", "\n").trim_end_matches('\n'));
    }
    keep(state)
}

/// Keeps the text as it stands now.
pub(in crate::app::update) fn keep(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Writing(writing)) = state.layers.last() else { return Vec::new() };
    let text = writing.text();
    if text == writing.kept {
        return Vec::new();
    }
    let (purpose, example) = (writing.purpose.clone(), writing.example);
    let effects = put(state, &purpose, example, text.clone());
    let names = effects.iter().filter_map(|effect| match effect {
        Effect::Write(draft) if !matches!(draft.event, Event::Example(_)) => Some(draft.id.clone()),
        _ => None,
    });
    let names: Vec<_> = names.collect();
    if let Some(Layer::Writing(writing)) = state.layers.last_mut() {
        writing.kept = text;
        writing.on_the_way.extend(names);
    }
    effects
}

/// Closes the text. What kept it on the way gives way to one step, or to none if it is as it was.
pub(in crate::app::update) fn close(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Writing(_)) = state.layers.last() else { return Vec::new() };
    let Some(Layer::Writing(writing)) = state.layers.pop() else { return Vec::new() };
    if matches!(state.due, Some((_, Due::Keep))) {
        state.due = None;
    }
    let (text, mut effects) = (writing.text(), Vec::new());
    // Only what was kept last stands already, as one step.
    let mut before = writing.on_the_way;
    if text == writing.was {
        // All of them go.
    } else if text == writing.kept {
        before.pop();
    } else {
        effects.extend(put(state, &writing.purpose, writing.example, text));
    }
    if !before.is_empty() {
        effects.extend(write(state, Event::Undo { events: before }, Vec::new()));
    }
    effects
}

fn put(state: &mut State, purpose: &Purpose, example: usize, text: String) -> Vec<Effect> {
    match purpose {
        Purpose::Note => {
            let Some(mut now) = current(state, example) else { return Vec::new() };
            now.note = text;
            label(state, example, now)
        }
        Purpose::Correction(answer, critique) => {
            let Some(mut review) = review(state, example, *answer, critique.as_ref()) else {
                return Vec::new();
            };
            review.correction = (!text.trim().is_empty()).then_some(text);
            let objects = object(state, example, *answer).filter(|o| Some(&o.digest) == critique.as_ref());
            save(state, example, review, objects)
        }
    }
}

/// This annotator's review as it stands, or an empty one.
fn review(state: &State, example: usize, answer: usize, critique: Option<&Digest>) -> Option<Review> {
    let empty = || {
        Some(Review {
            example: state.desk.digest(example)?.clone(),
            answer,
            critique: critique.cloned(),
            agrees: None,
            sentences: Vec::new(),
            correction: None,
        })
    };
    state.desk.review(example, answer, critique).cloned().or_else(empty)
}

fn save(state: &mut State, example: usize, review: Review, object: Option<Object>) -> Vec<Effect> {
    let mut effects = place(state, example);
    effects.extend(write(state, Event::Review(Box::new(review)), object.into_iter().collect()));
    effects
}

fn side(answer: usize) -> Side {
    if answer == 1 { Side::Rejected } else { Side::Chosen }
}

fn take_id(state: &State, example: usize, answer: usize) -> Option<TakeId> {
    state.found_take(example, side(answer)).map(|take| take.id)
}

/// The content of an answer's critique, for the session; none if the session holds it already.
fn object(state: &State, example: usize, answer: usize) -> Option<Object> {
    let take = state.found_take(example, side(answer))?;
    ledger::critiques(take, state.info_of(take.model)).into_iter().next().map(|critique| critique.object())
}

/// The name of an answer's critique in the session.
fn digest(state: &mut State, example: usize, answer: usize) -> Option<Digest> {
    let id = take_id(state, example, answer)?;
    let known = state.desk.critiques.get(&id);
    // What is known of its tokens may still grow; once somebody spoke of it, or a session holds it, it is that one.
    let kept = state.takes.get(id).is_some_and(|take| take.kept.is_some());
    if let Some(known) =
        known.filter(|known| kept || state.desk.review(example, answer, Some(*known)).is_some())
    {
        return Some(known.clone());
    }
    let digest = object(state, example, answer)?.digest;
    state.desk.critiques.insert(id, digest.clone());
    Some(digest)
}

/// Opens the critiques: of the answer with the focus, or A.
pub(super) fn open_review(state: &mut State) -> Vec<Effect> {
    let Some(example) = here(state) else { return Vec::new() };
    if !state.desk.shows_scores(example) {
        state.note =
            Some("critiques are hidden until the choice: r reveals them, and the label records it".into());
        return Vec::new();
    }
    let at = usize::from(state.desk.pane == crate::app::Pane::B);
    let answer = state.desk.shown(example, 2).get(at).copied().unwrap_or(0);
    let pair = state.shown_sides().len() > 1;
    let answer = if pair { answer } else { 0 };
    // Its name is known from here on.
    let _ = digest(state, example, answer);
    state.layers.push(Layer::Review(Reviewing { answer, picked: 0 }));
    Vec::new()
}

pub(super) fn other_answer(state: &mut State) -> Vec<Effect> {
    let pair = state.shown_sides().len() > 1;
    let example = state.desk.example();
    if let Some(Layer::Review(reviewing)) = state.layers.last_mut()
        && pair
    {
        *reviewing = Reviewing { answer: 1 - reviewing.answer.min(1), picked: 0 };
        let answer = reviewing.answer;
        let _ = example.and_then(|e| digest(state, e, answer));
    }
    Vec::new()
}

fn reviewing(state: &State) -> Option<(usize, Reviewing)> {
    match state.layers.last() {
        Some(Layer::Review(reviewing)) => Some((state.desk.example()?, *reviewing)),
        _ => None,
    }
}

/// A verdict on the whole, or on the picked sentence; the next one is picked.
pub(super) fn verdict(state: &mut State, agrees: Option<bool>) -> Vec<Effect> {
    let Some((example, Reviewing { answer, picked })) = reviewing(state) else { return Vec::new() };
    let Some(digest) = digest(state, example, answer) else {
        state.note = Some("there is no critique of this answer yet".into());
        return Vec::new();
    };
    let words = state.found_take(example, side(answer)).map(|take| take.words()).unwrap_or_default();
    let Some(mut review) = review(state, example, answer, Some(&digest)) else { return Vec::new() };
    match picked.checked_sub(1) {
        None => review.agrees = agrees,
        Some(at) => {
            let Some((start, end)) = sentences(&words).get(at).copied() else { return Vec::new() };
            review.sentences.retain(|s| (s.start, s.end) != (start, end));
            review.sentences.extend(agrees.map(|agrees| Sentence { start, end, agrees }));
            review.sentences.sort_by_key(|s| s.start);
        }
    }
    let object = object(state, example, answer).filter(|object| object.digest == digest);
    let effects = save(state, example, review, object);
    super::step(state, 1);
    effects
}

/// Opens the critique's text to be corrected, or an own one.
pub(super) fn correct(state: &mut State, models: bool) -> Vec<Effect> {
    let Some((example, Reviewing { answer, .. })) = reviewing(state) else { return Vec::new() };
    let digest = if models { digest(state, example, answer) } else { None };
    if models && digest.is_none() {
        state.note = Some("there is no critique of this answer yet: w writes one".into());
        return Vec::new();
    }
    let before = review(state, example, answer, digest.as_ref()).and_then(|review| review.correction);
    let words = || state.found_take(example, side(answer)).map(|take| take.words()).unwrap_or_default();
    let text = before.unwrap_or_else(|| if models { words() } else { String::new() });
    open(state, Purpose::Correction(answer, digest), example, &text);
    Vec::new()
}

/// Puts a tag on the pair, or takes it off: the picked one, or that of a digit.
pub(in crate::app::update) fn toggle_tag(state: &mut State, number: Option<usize>) -> Vec<Effect> {
    let Some(Layer::Tags(picked, all)) = state.layers.last().cloned() else { return Vec::new() };
    let at = number.unwrap_or(picked);
    let Some(tag) = state.desk.setup.reasons.get(at).cloned() else { return Vec::new() };
    if let Some(Layer::Tags(picked, _)) = state.layers.last_mut() {
        *picked = at;
    }
    if all {
        return marked::tag(state, &tag);
    }
    change(state, |label| {
        let had = label.reasons.contains(&tag);
        label.reasons.retain(|r| *r != tag);
        if !had {
            label.reasons.push(tag);
        }
    })
}
