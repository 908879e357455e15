//! Chosen rows critiqued in the background: a few at a time, kept as takes like any other.

use super::{jobs, ready};
use crate::app::{Batch, Effect, How, Job, Phase, Side, State, Take, TakeId};
use crate::browse::{Ask, For};
use crate::engine::{Sampling, Ticket};

/// Answers that the engine works on at a time.
const AT_ONCE: usize = 8;

/// Begins with the chosen rows, or the one under the cursor.
pub(super) fn start(state: &mut State) -> Vec<Effect> {
    if !ready(state) {
        return Vec::new();
    }
    if state.data.batch.is_some() {
        state.note = Some("rows are being critiqued: esc stops".into());
        return Vec::new();
    }
    let rows: Vec<u32> = match state.data.chosen.is_empty() {
        true => super::data::under_cursor(state).into_iter().collect(),
        false => state.data.chosen.iter().collect(),
    };
    if rows.is_empty() {
        return Vec::new();
    }
    state.data.batch = Some(Batch { rows: rows.len(), waiting: rows.into(), ..Batch::default() });
    go_on(state)
}

/// Asks for as many rows as the engine can take.
fn go_on(state: &mut State) -> Vec<Effect> {
    let Some(batch) = &mut state.data.batch else { return Vec::new() };
    if batch.is_over() {
        let text = match batch.failed {
            0 => format!("{} rows are critiqued", batch.rows),
            failed => format!("{} rows are critiqued, {failed} answers failed", batch.rows),
        };
        state.note = Some(text);
        state.data.batch = None;
        return Vec::new();
    }
    let room =
        AT_ONCE.saturating_sub(batch.open.len() + 2 * batch.asked).div_ceil(2).min(batch.waiting.len());
    if room == 0 {
        return Vec::new();
    }
    batch.asked += room;
    let rows = batch.waiting.drain(..room).collect();
    vec![Effect::Browse(Box::new(Ask::Rows(rows, For::Batch)))]
}

/// A row that was asked for is there, as this example.
pub(super) fn next(state: &mut State, example: Option<usize>) -> Vec<Effect> {
    let Some(batch) = &mut state.data.batch else { return Vec::new() };
    batch.asked = batch.asked.saturating_sub(1);
    let sides =
        example.and_then(|at| state.examples.get(at)).filter(|e| e.fault.is_none()).map(|e| e.sides());
    let mut effects = Vec::new();
    if let (Some(example), Some(sides)) = (example, sides) {
        for side in sides {
            effects.extend(critique(state, example, *side));
        }
    } else {
        batch.failed += 1;
    }
    effects.extend(go_on(state));
    effects
}

/// A greedy critique of an answer, unless there is one.
fn critique(state: &mut State, example: usize, side: Side) -> Option<Effect> {
    if state.take_of(example, side).is_some_and(|take| take.settled().is_some() || take.phase.is_running()) {
        return None;
    }
    let input = state.examples.get(example)?.input(side);
    let rubric = state.rubric.clone();
    let id = state.takes.add(Take { rubric, ..Take::new(example, side, input, How::Greedy) });
    state.show(id);
    let effect = jobs::critique(state, id, 1, Sampling::default());
    let ticket =
        state.running.iter().find(|(_, job)| **job == Job::Critique(id, 1)).map(|(ticket, _)| *ticket);
    if let (Some(batch), Some(ticket)) = (&mut state.data.batch, ticket) {
        batch.open.push(ticket);
    }
    effect
}

/// Whether a ticket is of the batch: its takes are read in detail when they are opened.
pub(super) fn has(state: &State, ticket: Ticket) -> bool {
    state.data.batch.as_ref().is_some_and(|batch| batch.open.contains(&ticket))
}

/// A ticket has ended.
pub(super) fn ended(state: &mut State, ticket: Ticket, job: Option<Job>) -> Vec<Effect> {
    let failed = |id| matches!(state.takes.get(id).map(|take| &take.phase), Some(Phase::Failed(_)));
    let failed = job.is_some_and(|job| job.takes().any(failed));
    let Some(batch) = &mut state.data.batch else { return Vec::new() };
    let before = batch.open.len();
    batch.open.retain(|open| *open != ticket);
    if batch.open.len() == before {
        return Vec::new();
    }
    batch.done += usize::from(!failed);
    batch.failed += usize::from(failed);
    go_on(state)
}

/// Stops; what is complete stays.
pub(super) fn stop(state: &mut State) -> Vec<Effect> {
    let Some(batch) = state.data.batch.take() else { return Vec::new() };
    let mut effects = Vec::new();
    for ticket in batch.open {
        if let Some(job) = state.running.remove(&ticket) {
            for id in job.takes() {
                state.takes.end(id, Phase::Stopped);
            }
            effects.push(Effect::Cancel(ticket));
        }
    }
    state.note = Some(format!("stopped: {} answers are critiqued", batch.done));
    effects
}

/// An opened example: what was left out of its takes while many were made.
pub(super) fn complete(state: &mut State, example: usize) -> Vec<Effect> {
    let ids: Vec<TakeId> = [Side::Chosen, Side::Rejected]
        .iter()
        .filter_map(|side| state.take_of(example, *side))
        .filter(|take| take.settled().is_some())
        .map(|take| take.id)
        .collect();
    let mut effects = Vec::new();
    for id in ids {
        effects.extend(jobs::re_encode(state, id));
        effects.extend(jobs::details(state, id));
    }
    effects
}

/// A take has ended: the rows' thread is told the reward of its row.
pub(super) fn marked(state: &mut State, id: TakeId) -> Option<Effect> {
    let take = state.takes.get(id)?;
    let (example, _) = (take.example, take.settled()?);
    let number = u32::try_from(state.examples.get(example)?.number?).ok()?;
    // Of a row with many answers only the first is its row's.
    if state.data.examples.get(&number) != Some(&example) {
        return None;
    }
    super::data::mark(state, number)
}
