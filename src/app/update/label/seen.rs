//! Rewards and critiques that were on the screen, wherever: the session is told, so that a label says whether its author knew.

use crate::app::{DataPane, Effect, Screen, State, Take, Target};
use crate::browse::Column;
use crate::session::Event;

use super::write;

/// Takes note of what is on the screen, and tells the session of what is new.
pub(in crate::app::update) fn see(state: &mut State) -> Vec<Effect> {
    let shown = match state.screen {
        Screen::Label => on_label(state),
        Screen::Inspect | Screen::Compare => on_inspect(state),
        Screen::Data => on_data(state),
        Screen::Teach => Vec::new(),
    };
    let desk = &mut state.desk;
    let pairs = shown.into_iter().flat_map(|example| desk.pairs_of(example)).collect::<Vec<_>>();
    desk.untold.extend(pairs.into_iter().filter(|pair| desk.seen.insert(*pair)));
    if desk.untold.is_empty() || desk.pen.is_none() || !desk.read {
        return Vec::new();
    }
    super::examples(state);
    let desk = &mut state.desk;
    let digests: Vec<_> =
        std::mem::take(&mut desk.untold).iter().filter_map(|e| desk.digest(*e).cloned()).collect();
    let new: Vec<_> = digests.into_iter().filter(|digest| !desk.book.has_seen(desk.by(), digest)).collect();
    match new.is_empty() {
        true => Vec::new(),
        false => write(state, Event::Seen { examples: new }, Vec::new()),
    }
}

/// Whether a take has anything to show.
fn tells(take: &Take) -> bool {
    take.settled().is_some() || !take.tokens.is_empty()
}

fn has_takes(state: &State, example: usize) -> bool {
    let sides = state.examples.get(example).map(|e| e.sides()).unwrap_or_default();
    sides.iter().any(|side| state.take_of(example, *side).is_some_and(tells))
}

fn on_label(state: &State) -> Vec<usize> {
    let sides = state.shown_sides();
    let found = |e: &usize| sides.iter().any(|side| state.found_take(*e, *side).is_some());
    state.desk.example().filter(|e| state.desk.shows_scores(*e)).filter(found).into_iter().collect()
}

/// The example on the screen, and those in the list that show a figure.
fn on_inspect(state: &State) -> Vec<usize> {
    let listed = state.limits.spots.iter().filter_map(|spot| match spot.target {
        Target::Example(example) if state.screen == Screen::Inspect => Some(example),
        _ => None,
    });
    let listed = listed.filter(|example| *example != state.selected && !state.desk.hides(*example));
    listed.chain([state.selected]).filter(|example| has_takes(state, *example)).collect()
}

/// Rows of the table with a reward or a margin, and the one that a chart tells of.
fn on_data(state: &State) -> Vec<usize> {
    let data = &state.data;
    let figures = data.columns.iter().any(|column| matches!(column, Column::Reward | Column::Margin));
    let table = state.limits.data.iter().flatten().find(|(pane, ..)| *pane == DataPane::Table);
    let (first, height) =
        table.map_or((0, 0), |(_, [_, top, _, bottom], first)| (*first, usize::from(bottom - top)));
    let rows = (first..first + height).take_while(|_| figures).filter_map(|place| data.row(place));
    let chart = matches!(data.pane, DataPane::Rewards | DataPane::Margins | DataPane::Scatter)
        && !state.desk.hides_some();
    let chart = chart.then(|| super::super::data::under_cursor(state)).flatten();
    let number = |row: u32| data.lines.get(&row).map(|line| (line.facts.number, line.facts.rewards));
    rows.chain(chart)
        .filter_map(number)
        .filter(|(number, file)| {
            state.found_rewards(*number).iter().any(Option::is_some) || file.iter().any(|r| !r.is_nan())
        })
        .filter_map(|(number, _)| data.examples.get(&number).copied())
        .filter(|example| !state.desk.hides(*example))
        .collect()
}
