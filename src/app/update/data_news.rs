//! What the thread of the rows tells the Data screen, and rows that become examples.

use super::{act, batch};
use crate::app::{Effect, Example, Origin, Screen, State};
use crate::browse::{For, News};
use crate::rows;

/// What the rows' thread told.
pub(super) fn news(state: &mut State, news: News) -> Vec<Effect> {
    let data = &mut state.data;
    match news {
        News::Index(index) => {
            if let (Some(error), 0) = (index.errors.last(), data.index.as_ref().map_or(0, |i| i.errors.len()))
            {
                state.note = Some(error.clone());
            }
            // Bad rows stand before repeated ids: the places of these move.
            if data.index.as_ref().is_some_and(|i| i.repeats > 0 && i.notes() != index.notes()) {
                data.bad = (0, Vec::new());
            }
            data.index = Some(index);
        }
        News::Lines(lines) => data.lines.extend(lines),
        News::View { id, rows, share } if id == data.asked => {
            data.view = rows;
            (data.share, data.querying) = (share, share.is_some());
            data.at = data.at.min(data.len().saturating_sub(1));
            data.range = None;
            data.generation += 1;
        }
        News::View { .. } => {}
        News::Progress(share) => data.share = Some(share),
        News::Found(id, place) if id == data.finding.0 && data.finding.1 => {
            data.finding.1 = false;
            match place {
                Some(place) => {
                    data.at = place;
                    state.note = Some(format!("‘{}’: row {} of {}", data.words, place + 1, data.len()));
                }
                None => state.note = Some(format!("no row has ‘{}’", data.words)),
            }
        }
        News::Found(..) => {}
        News::Rows(rows, purpose) => return rows_came(state, rows, purpose),
        News::Bad(from, lines) => data.bad = (from, lines),
        News::Summary(summary) => {
            data.summary = *summary;
            data.point = data.point.min(data.summary.points.len().saturating_sub(1));
        }
        News::Exported(outcome) => {
            (data.exporting, data.share) = (false, None);
            state.note = Some(outcome.unwrap_or_else(|error| error));
        }
    }
    Vec::new()
}

type Rows = Vec<(u32, Result<Box<crate::data::Example>, String>)>;

/// Whole rows: to be opened, or to be critiqued.
fn rows_came(state: &mut State, rows: Rows, purpose: For) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (_, row) in rows {
        let at = match row {
            Ok(example) => place_of(state, *example),
            Err(error) => {
                state.note = Some(error);
                None
            }
        };
        match (purpose, at) {
            (For::Open, Some(at)) => {
                act::select(state, at);
                state.layers.clear();
                state.screen = Screen::Inspect;
                effects.extend(batch::complete(state, at));
            }
            (For::Open, None) => {}
            (For::Batch, at) => effects.extend(batch::next(state, at)),
        }
    }
    effects
}

/// The place of a row among the examples; it is added when it is not there. Of a row with many answers, that of the first.
fn place_of(state: &mut State, example: crate::data::Example) -> Option<usize> {
    let number = u32::try_from(example.number).ok()?;
    look(state);
    if let Some(at) = state.data.examples.get(&number) {
        return Some(*at);
    }
    let from = state.examples.len();
    let new = rows::of_example(example).into_iter().map(|row| Example::from_row(row, Origin::File));
    state.examples.extend(new);
    super::kept::fit(state, from);
    super::label::examples(state);
    look(state);
    state.data.examples.get(&number).copied()
}

/// Takes note of the numbers of examples that are new.
pub(super) fn look(state: &mut State) {
    for (at, example) in state.examples.iter().enumerate().skip(state.data.looked) {
        if let Some(number) = example.number.and_then(|n| u32::try_from(n).ok()) {
            state.data.examples.entry(number).or_insert(at);
        }
    }
    state.data.looked = state.examples.len();
}
