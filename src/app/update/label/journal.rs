//! What the session tells: who works here, what everybody has said, under which name it knows a take.

use std::collections::BTreeSet;

use super::{begin, place, write};
use crate::app::desk::is_label_step;
use crate::app::ledger::side_index;
use crate::app::rivals::rivals;
use crate::app::update::kept;
use crate::app::{Effect, Keeping, Screen, State, TakeId};
use crate::session::{Entry, Event, EventId, Pen, Progress, Review};

/// A session is there.
pub(in crate::app::update) fn session(state: &mut State, pen: Pen) {
    (state.desk.pen, state.desk.opening) = (Some(pen), false);
    state.keeping = Keeping::Loading;
}

/// Events came: of others, own ones that are saved, or all there were.
pub(in crate::app::update) fn journal(state: &mut State, entries: Vec<Entry>, all: bool) -> Vec<Effect> {
    let mine = |entry: &Entry| entry.by == state.desk.by() && is_label_step(&entry.event);
    state.desk.labelling |= entries.iter().any(mine);
    if state.desk.book.insert(entries) > 0 {
        state.desk.stale = true;
    }
    if all {
        state.desk.read = true;
        if state.screen == Screen::Label {
            begin(state, None);
        } else {
            examples(state);
        }
    }
    Vec::new()
}

/// Examples that came since: their contents, and their places at the end of the queue.
pub(in crate::app::update) fn examples(state: &mut State) {
    if state.desk.pen.is_none() {
        return;
    }
    let made = pair_up(state);
    let from = state.desk.digests.len();
    for (index, example) in state.examples.iter().enumerate().skip(from) {
        let whole = example.fault.is_none() && !state.desk.rivals.contains_key(&index);
        let digest = whole.then(|| example.kept().object().digest);
        if let Some(digest) = &digest
            && !state.desk.places.contains_key(digest)
        {
            state.desk.places.insert(digest.clone(), index);
            // At the end for now; the order is made when the next pair is asked for.
            state.desk.queue.push(index);
            (state.desk.late, state.desk.ahead_done) = (true, false);
        }
        state.desk.digests.push(digest);
    }
    if let Some(made) = made {
        kept::fit(state, made);
    }
    if from == 0 && !state.examples.is_empty() && state.screen == Screen::Label && state.desk.read {
        begin(state, None);
    }
}

/// Makes pairs of single answers to one prompt, which stand for them in the queue; the first one that is new.
fn pair_up(state: &mut State) -> Option<usize> {
    if !state.desk.labelling {
        return None;
    }
    let first = state.examples.len();
    let found = rivals(&state.examples, state.desk.paired);
    for ((pair, of), at) in found.into_iter().zip(first..) {
        state.examples.push(pair);
        for single in of {
            state.desk.rivals.entry(single).or_default().push(at);
            if let Some(digest) = state.desk.digests.get_mut(single) {
                *digest = None;
            }
        }
    }
    let desk = &mut state.desk;
    desk.paired = state.examples.len();
    if desk.paired == first {
        return None;
    }
    desk.queue.retain(|example| !desk.rivals.contains_key(example));
    desk.places.retain(|_, example| !desk.rivals.contains_key(example));
    // What was on the screen of an answer was so of its pairs.
    let of = |seen: &BTreeSet<usize>| seen.iter().flat_map(|e| desk.pairs_of(*e)).collect();
    (desk.seen, desk.untold) = (of(&desk.seen), of(&desk.untold));
    Some(first)
}

/// The session's name of a take: the label takes it over, and its words are what to train on.
pub(in crate::app::update) fn adopted(state: &mut State, id: TakeId, name: Option<EventId>) -> Vec<Effect> {
    let Some(name) = name else {
        state.note = Some("the take is not kept yet: once more, please".into());
        return Vec::new();
    };
    super::examples(state);
    let Some((example, answer, words)) =
        state.takes.get(id).map(|take| (take.example, side_index(take.side), take.words()))
    else {
        return Vec::new();
    };
    let Some(mut label) = super::current(state, example) else { return Vec::new() };
    label.adopted = Some(name);
    // The rewards were on the screen.
    label.revealed |= label.state != Progress::Submitted;
    let review = Review {
        example: label.example.clone(),
        answer,
        critique: None,
        agrees: None,
        sentences: Vec::new(),
        correction: Some(words),
    };
    let mut effects = place(state, example);
    let events = vec![Event::Label(Box::new(label)), Event::Review(Box::new(review))];
    effects.extend(write(state, Event::Bulk { events }, Vec::new()));
    state.note = Some("adopted: this critique is yours in Label (u there takes it back)".into());
    effects
}
