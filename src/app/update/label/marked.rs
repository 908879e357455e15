//! Marks in the list of pairs, and what is said of all marked ones at once: one event, one undo.

use super::{current, place, write};
use crate::app::{Effect, Layer, State};
use crate::session::{Choice, Event, Label, Progress};

/// Examples that a bulk action is for: the marked ones, else the picked one.
fn chosen(state: &State) -> Vec<usize> {
    let Some(Layer::Pairs(pairs)) = state.layers.iter().rev().find(|l| matches!(l, Layer::Pairs(_))) else {
        return Vec::new();
    };
    if !state.desk.marked.is_empty() {
        return state.desk.queue.iter().copied().filter(|e| state.desk.marked.contains(e)).collect();
    }
    let rows = state.desk.rows(pairs.filter);
    rows.get(pairs.picked.min(rows.len().saturating_sub(1))).copied().into_iter().collect()
}

/// Changes all labels they are for as one step.
pub(super) fn change(state: &mut State, what: &str, change: impl Fn(&mut Label)) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut events = Vec::new();
    for example in chosen(state) {
        effects.extend(place(state, example));
        if let Some(mut label) = current(state, example) {
            change(&mut label);
            label.revealed |= label.state == Progress::Submitted && state.desk.has_seen(example);
            events.push(Event::Label(Box::new(label)));
        }
    }
    if events.is_empty() {
        state.note = Some("no pair".into());
        return effects;
    }
    state.note = Some(format!("{what}: {} pairs, one step; u undoes it", events.len()));
    effects.extend(write(state, Event::Bulk { events }, Vec::new()));
    effects
}

pub(super) fn choose(state: &mut State) -> Vec<Effect> {
    change(state, "a tie", |label| (label.state, label.choice) = (Progress::Submitted, Some(Choice::Tie)))
}

pub(super) fn skip(state: &mut State) -> Vec<Effect> {
    change(state, "skipped", |label| (label.state, label.choice) = (Progress::Skipped, None))
}

pub(super) fn clear(state: &mut State) -> Vec<Effect> {
    change(state, "taken back", |label| (label.state, label.choice) = (Progress::Draft, None))
}

/// On for all, unless it is on for all already.
pub(super) fn flag(state: &mut State) -> Vec<Effect> {
    let on = !chosen(state).into_iter().all(|e| state.desk.mine(e).is_some_and(|l| l.flag));
    change(state, if on { "flagged" } else { "flag off" }, |label| label.flag = on)
}

pub(super) fn all_bad(state: &mut State) -> Vec<Effect> {
    let on = !chosen(state).into_iter().all(|e| state.desk.mine(e).is_some_and(|l| l.all_bad));
    change(state, if on { "both bad" } else { "both bad off" }, |label| label.all_bad = on)
}

pub(super) fn tag(state: &mut State, tag: &str) -> Vec<Effect> {
    let has = |label: &Label| label.reasons.iter().any(|r| r == tag);
    let on = !chosen(state).into_iter().all(|e| state.desk.mine(e).is_some_and(has));
    change(state, tag, |label| {
        label.reasons.retain(|r| r != tag);
        if on {
            label.reasons.push(tag.to_owned());
        }
    })
}

fn picked(state: &State) -> Option<(usize, Vec<usize>)> {
    let Some(Layer::Pairs(pairs)) = state.layers.last() else { return None };
    let rows = state.desk.rows(pairs.filter);
    Some((pairs.picked.min(rows.len().saturating_sub(1)), rows))
}

/// Puts a mark on the picked pair or takes it off, and goes one down.
pub(super) fn mark(state: &mut State) -> Vec<Effect> {
    let Some((at, rows)) = picked(state) else { return Vec::new() };
    if let Some(example) = rows.get(at)
        && !state.desk.marked.remove(example)
    {
        state.desk.marked.insert(*example);
    }
    super::step(state, 1);
    Vec::new()
}

/// The first time, remembers where a range begins; the second time, marks it.
pub(super) fn range(state: &mut State) -> Vec<Effect> {
    let Some((at, rows)) = picked(state) else { return Vec::new() };
    let Some(Layer::Pairs(pairs)) = state.layers.last_mut() else { return Vec::new() };
    match pairs.from.take() {
        None => {
            pairs.from = Some(at);
            state.note = Some("v again marks up to there".into());
        }
        Some(from) => {
            let (first, last) = (from.min(at), from.max(at));
            state.desk.marked.extend(rows.iter().skip(first).take(last - first + 1));
        }
    }
    Vec::new()
}

/// Marks all that are shown; if all are, takes the marks off.
pub(super) fn all(state: &mut State) -> Vec<Effect> {
    let Some((_, rows)) = picked(state) else { return Vec::new() };
    if rows.iter().all(|e| state.desk.marked.contains(e)) {
        state.desk.marked.clear();
    } else {
        state.desk.marked.extend(rows);
    }
    Vec::new()
}
