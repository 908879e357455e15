//! The Label screen: going through pairs, saying which answer is better, undoing it. Every step is an event; what stands is
//! read from the events.

mod ahead;
mod figures;
mod journal;
mod marked;
mod seen;
mod text;

use super::act;
use crate::app::desk::is_label_step;
use crate::app::{Action, Effect, Filter, Layer, Line, LineFor, Pairs, Pane, Reviewing, Screen, State};
use crate::label::{Given, Order, order};
use crate::session::{Event, Label, Placed, Progress};

pub(super) use ahead::{ahead, scored};
pub use figures::figure;
pub(super) use figures::look;
pub(super) use journal::{adopted, examples, journal, session};
pub(super) use seen::see;
pub(super) use text::{changed, edited, keep as keep_text, toggle_tag};

/// Does what belongs to labels; `None` when the action is none of theirs.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let top = state.layers.last();
    Some(match (action, top) {
        (Action::ShowLabel, _) => show(state),
        (Action::ShowInspect, None) if state.screen == Screen::Label => return leave(state),
        (Action::Adopt, _) => adopt(state),
        (Action::Choose3, Some(Layer::Pairs(_))) => marked::choose(state),
        (Action::Skip, Some(Layer::Pairs(_))) => marked::skip(state),
        (Action::AllBad, Some(Layer::Pairs(_))) => marked::all_bad(state),
        (Action::Flag, Some(Layer::Pairs(_))) => marked::flag(state),
        (Action::ClearLabel, _) => marked::clear(state),
        (Action::Tags, Some(Layer::Pairs(_))) => open_tags(state, true),
        (Action::Choose1, _) => choose(state, Given(1)),
        (Action::Choose2, _) => choose(state, Given(2)),
        (Action::Choose3, _) => choose(state, Given(3)),
        (Action::Choose4, _) => choose(state, Given(4)),
        (Action::Choose5, _) => choose(state, Given(5)),
        (Action::Skip, _) => skip(state),
        (Action::AllBad, _) => change(state, |label| label.all_bad = !label.all_bad),
        (Action::Flag, _) => change(state, |label| label.flag = !label.flag),
        (Action::Tags, _) => open_tags(state, false),
        (Action::Note, _) => text::open_note(state),
        (Action::Reveal, _) if state.screen == Screen::Label => reveal(state),
        (Action::UndoLabel, _) => undo(state),
        (Action::RedoLabel, _) => redo(state),
        (Action::NextPair, _) => step_pair(state, 1),
        (Action::PreviousPair, _) => step_pair(state, -1),
        (Action::NextOpen, _) => next_open(state),
        (Action::Guidelines, _) => guidelines(state),
        (Action::ListPairs, _) => list(state, Filter::All),
        (Action::Conflicts, _) => list(state, Filter::Conflicts),
        (Action::Agreement, _) => figures::show(state),
        (Action::PairOrder, _) => {
            let text = state.desk.setup.order.to_string();
            state.layers.push(Layer::Line(Line { purpose: LineFor::Order, text }));
            Vec::new()
        }
        (Action::Critiques, _) => text::open_review(state),
        (Action::Agree, _) => text::verdict(state, Some(true)),
        (Action::Disagree, _) => text::verdict(state, Some(false)),
        (Action::NoVerdict, _) => text::verdict(state, None),
        (Action::Correct, _) => text::correct(state, true),
        (Action::WriteOwn, _) => text::correct(state, false),
        (Action::OtherAnswer | Action::FocusNext | Action::FocusPrevious, Some(Layer::Review(_))) => {
            text::other_answer(state)
        }
        (Action::Mark, Some(Layer::Tags(..))) => text::toggle_tag(state, None),
        (Action::Mark, _) => marked::mark(state),
        (Action::MarkRange, _) => marked::range(state),
        (Action::MarkAll, _) => marked::all(state),
        (Action::NextFilter | Action::FocusNext, Some(Layer::Pairs(_))) => next_filter(state, 1),
        (Action::FocusPrevious, Some(Layer::Pairs(_))) => next_filter(state, Filter::ALL.len() - 1),
        (Action::Accept, Some(Layer::Pairs(_))) => go_picked(state),
        (Action::FocusNext, None) if state.screen == Screen::Label => turn(state, 1),
        (Action::FocusPrevious, None) if state.screen == Screen::Label => turn(state, Pane::ALL.len() - 1),
        (Action::Cancel | Action::Close | Action::Submit, Some(Layer::Writing(_))) => text::close(state),
        (Action::Cancel, None) if state.screen == Screen::Label => {
            if std::mem::take(&mut state.desk.adjudicating) {
                state.note = Some("no longer settling conflicts".into());
            }
            Vec::new()
        }
        _ => return None,
    })
}

/// Opens the screen: the session first, if there is none.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    state.layers.clear();
    state.screen = Screen::Label;
    if state.desk.pen.is_none() {
        let opening = std::mem::replace(&mut state.desk.opening, true);
        return if opening { Vec::new() } else { vec![Effect::OpenSession] };
    }
    begin(state, Some(state.selected));
    Vec::new()
}

/// Puts the queue together and goes to a pair: the wanted example, else the first draft, else the first open one.
pub(super) fn begin(state: &mut State, wanted: Option<usize>) {
    if !state.desk.read {
        return;
    }
    state.desk.labelling = true;
    examples(state);
    requeue(state);
    let desk = &state.desk;
    // Of an answer among several, the first of its pairs that waits.
    let wanted = wanted.and_then(|wanted| {
        let pairs = desk.pairs_of(wanted);
        pairs.iter().copied().find(|pair| desk.is_open(*pair)).or_else(|| pairs.first().copied())
    });
    let place = |wanted: &dyn Fn(usize) -> bool| desk.queue.iter().position(|e| wanted(*e));
    let draft = |e| desk.stand(e) == crate::app::Stand::Is(Progress::Draft);
    let at = place(&|e| Some(e) == wanted)
        .or_else(|| place(&draft))
        .or_else(|| place(&|e| desk.is_open(e)))
        .unwrap_or(0);
    go(state, at);
}

/// Goes back to where the screen stood, if that pair is still open.
pub(super) fn resume(state: &mut State, wanted: Option<usize>) {
    examples(state);
    let open = wanted.filter(|e| state.desk.is_open(*e));
    begin(state, open);
}

/// The queue in its order, the pair on the screen kept.
fn requeue(state: &mut State) {
    let desk = &state.desk;
    let first = |e: &usize| desk.digest(*e).is_some_and(|d| desk.places.get(d) == Some(e));
    let mut items: Vec<usize> = (0..state.examples.len()).filter(first).collect();
    // Pairs made of a row's answers stand where the row does.
    items.sort_by_key(|e| state.examples.get(*e).and_then(|example| example.number).unwrap_or(usize::MAX));
    let column = match &desk.setup.order {
        Order::Stratified(column) => column.clone(),
        _ => String::new(),
    };
    let value = |e: usize| state.examples.get(e).and_then(|example| example.column(&column));
    let (setup, by) = (&desk.setup, desk.by());
    let queue = order::queue(&items, &setup.order, setup.seed, by, value);
    let here = desk.example();
    state.desk.at = queue.iter().position(|e| Some(*e) == here).unwrap_or(0);
    state.desk.queue = queue;
    (state.desk.late, state.desk.ahead_done) = (false, false);
}

/// Most useful first: what comes after the pair on the screen, by what is known now.
fn by_use(state: &mut State) {
    if state.desk.late {
        requeue(state);
    }
    let Order::Useful(by) = state.desk.setup.order else { return };
    let mut rest = state.desk.queue.split_off((state.desk.at + 1).min(state.desk.queue.len()));
    order::by_use(&mut rest, |e| state.desk.scores(e).useful(by));
    state.desk.queue.extend(rest);
}

/// Takes another order.
pub(super) fn set_order(state: &mut State, text: &str) {
    match text.trim().parse::<Order>() {
        Ok(Order::Stratified(column)) if !state.examples.iter().any(|e| e.column(&column).is_some()) => {
            state.note = Some(format!("no row has a column `{column}`"));
        }
        Ok(order) => {
            state.desk.setup.order = order;
            // From the beginning of the new order.
            requeue(state);
            state.desk.at = 0;
            by_use(state);
            let first = state.desk.queue.iter().position(|e| state.desk.is_open(*e));
            go(state, first.unwrap_or(0));
            state.note = Some(format!("order: {}", state.desk.setup.order));
        }
        Err(expected) => state.note = Some(format!("the order is one of: {expected}")),
    }
}

/// Goes to a place of the queue.
pub(super) fn go(state: &mut State, at: usize) {
    pause(state);
    let now = state.now;
    let desk = &mut state.desk;
    desk.at = at.min(desk.queue.len().saturating_sub(1));
    (desk.revealed, desk.pane, desk.scroll) = (false, Pane::default(), [0; 3]);
    (desk.since, desk.ahead_done) = (Some(now), false);
    if let Some(example) = desk.example() {
        act::select(state, example);
    }
}

/// Time on the screen is put on the pair's account.
fn pause(state: &mut State) {
    if let (Some(since), Some(example)) = (state.desk.since.take(), state.desk.example()) {
        let passed = state.now.saturating_sub(since).as_secs_f64();
        *state.desk.spent.entry(example).or_default() += passed;
    }
}

/// Leaves for Inspect, which shows everything of the pair.
fn leave(state: &mut State) -> Option<Vec<Effect>> {
    pause(state);
    state.note = None;
    state.screen = Screen::Inspect;
    Some(Vec::new())
}

fn step_pair(state: &mut State, by: isize) -> Vec<Effect> {
    let to = state.desk.at.saturating_add_signed(by).min(state.desk.queue.len().saturating_sub(1));
    if to != state.desk.at {
        if by > 0 {
            by_use(state);
        }
        go(state, to);
    }
    Vec::new()
}

/// To the next pair without a label: forth from here, then from the beginning.
fn next_open(state: &mut State) -> Vec<Effect> {
    by_use(state);
    let desk = &state.desk;
    let wanted = |at: &usize| {
        let example = desk.queue.get(*at).copied();
        match desk.adjudicating {
            true => example.is_some_and(|e| desk.conflict(e)),
            false => example.is_some_and(|e| desk.is_open(e)),
        }
    };
    let next = (desk.at + 1..desk.queue.len()).find(wanted).or_else(|| (0..=desk.at).find(wanted));
    match next {
        Some(at) => go(state, at),
        None if std::mem::take(&mut state.desk.adjudicating) => {
            state.note = Some("all conflicts are settled".into());
        }
        None => state.note = Some("every pair has a label: l lists them, a shows the agreement".into()),
    }
    Vec::new()
}

fn turn(state: &mut State, by: usize) -> Vec<Effect> {
    let at = Pane::ALL.iter().position(|p| *p == state.desk.pane).unwrap_or(0);
    let pair = state.shown_sides().len() > 1;
    let all = if pair { Pane::ALL.len() } else { Pane::ALL.len() - 1 };
    if let Some(pane) = Pane::ALL.get((at + by) % all) {
        state.desk.pane = *pane;
    }
    Vec::new()
}

/// The pair's index, if something can be said of it; else the note says why not.
fn here(state: &mut State) -> Option<usize> {
    let why = match (state.desk.read, state.desk.example()) {
        (true, Some(example)) => return Some(example),
        (false, _) => "the session is being read",
        (true, None) => "there is nothing to label",
    };
    state.note = Some(why.into());
    None
}

/// This annotator's label of an example as it stands, or the draft of one.
fn current(state: &State, example: usize) -> Option<Label> {
    let mut label = match state.desk.mine(example) {
        Some(label) => label.clone(),
        None => Label::draft(state.desk.digest(example)?.clone()),
    };
    if label.shown.is_empty() {
        label.shown = state.desk.shown(example, state.examples.get(example)?.sides().len());
        label.seed = Some(state.desk.setup.seed);
    }
    Some(label)
}

/// Names an event, takes it in and has it saved.
pub(super) fn write(state: &mut State, event: Event, objects: Vec<crate::session::Object>) -> Vec<Effect> {
    let Some(pen) = &mut state.desk.pen else { return Vec::new() };
    let (draft, by) = (pen.write_with(event, objects), pen.by().to_owned());
    state.desk.book.expect(&draft, &by);
    (state.desk.stale, state.desk.ahead_done) = (true, false);
    vec![Effect::Write(Box::new(draft))]
}

/// The example's content and place, where the session does not know them.
pub(super) fn place(state: &mut State, example: usize) -> Vec<Effect> {
    let (Some(digest), Some(content)) = (state.desk.digest(example).cloned(), state.examples.get(example))
    else {
        return Vec::new();
    };
    if state.desk.book.placed(&digest).is_some() {
        return Vec::new();
    }
    let row = (content.origin != crate::app::Origin::Typed).then_some(example);
    let placed = Placed { example: digest, id: content.id.clone(), row };
    let object = content.kept().object();
    write(state, Event::Example(placed), vec![object])
}

/// Saves a label.
fn label(state: &mut State, example: usize, label: Label) -> Vec<Effect> {
    let mut effects = place(state, example);
    effects.extend(write(state, Event::Label(Box::new(label)), Vec::new()));
    effects
}

/// Changes something beside the choice; what was pending becomes a draft.
fn change(state: &mut State, change: impl FnOnce(&mut Label)) -> Vec<Effect> {
    let Some(mut now) = here(state).and_then(|example| current(state, example)) else { return Vec::new() };
    change(&mut now);
    match state.desk.example() {
        Some(example) => label(state, example, now),
        None => Vec::new(),
    }
}

/// Whether this annotator knows what the model holds of an example.
fn knows(state: &State, example: usize) -> bool {
    let shown = state.desk.example() == Some(example) && state.desk.shows_scores(example);
    let before = state.desk.mine(example).is_some_and(|label| label.revealed);
    shown || before || state.desk.has_seen(example)
}

/// The choice: it is given, and the next pair comes.
fn choose(state: &mut State, given: Given) -> Vec<Effect> {
    let Some(example) = here(state) else { return Vec::new() };
    let Some(mut now) = current(state, example) else { return Vec::new() };
    now.state = Progress::Submitted;
    now.choice = Some(given.choice(&now.shown));
    now.revealed = knows(state, example);
    now.adjudicates = state.desk.adjudicating;
    now.seconds = seconds(state, example);
    let effects = label(state, example, now);
    next_open(state);
    effects
}

fn skip(state: &mut State) -> Vec<Effect> {
    let Some(example) = here(state) else { return Vec::new() };
    let Some(mut now) = current(state, example) else { return Vec::new() };
    (now.state, now.choice) = (Progress::Skipped, None);
    now.seconds = seconds(state, example);
    let effects = label(state, example, now);
    next_open(state);
    effects
}

/// Seconds an example was on the screen so far.
fn seconds(state: &State, example: usize) -> Option<f64> {
    let before = state.desk.spent.get(&example).copied().unwrap_or_default();
    let now = state.desk.since.map_or(0.0, |since| state.now.saturating_sub(since).as_secs_f64());
    // To the millisecond.
    Some(((before + now) * 1e3).round() / 1e3)
}

/// Shows rewards and critiques; before the choice, that is an event.
fn reveal(state: &mut State) -> Vec<Effect> {
    let Some(example) = here(state) else { return Vec::new() };
    let known = state.desk.shows_scores(example);
    state.desk.revealed = true;
    if known {
        return Vec::new();
    }
    change(state, |label| label.revealed = true)
}

/// Goes back over the last step, and to its pair.
fn undo(state: &mut State) -> Vec<Effect> {
    let step = state.desk.book.undo(state.desk.by(), is_label_step);
    let Some((id, example)) = step.map(|e| (e.id.clone(), first_example(&e.event).cloned())) else {
        state.note = Some("nothing of yours to undo".into());
        return Vec::new();
    };
    let effects = write(state, Event::Undo { events: vec![id] }, Vec::new());
    to_example(state, example.as_ref(), "undone");
    effects
}

/// Takes the last undo back.
fn redo(state: &mut State) -> Vec<Effect> {
    let undo = state.desk.book.redo(state.desk.by(), is_label_step);
    let found = undo.map(|entry| {
        let step = match &entry.event {
            Event::Undo { events } => events.first().and_then(|id| state.desk.book.get(id)),
            _ => None,
        };
        (entry.id.clone(), step.and_then(|e| first_example(&e.event).cloned()))
    });
    let Some((id, example)) = found else {
        state.note = Some("nothing to redo".into());
        return Vec::new();
    };
    let effects = write(state, Event::Undo { events: vec![id] }, Vec::new());
    to_example(state, example.as_ref(), "done again");
    effects
}

fn first_example(event: &Event) -> Option<&crate::session::Digest> {
    match event {
        Event::Bulk { events } => events.iter().find_map(first_example),
        event => event.example(),
    }
}

fn to_example(state: &mut State, digest: Option<&crate::session::Digest>, what: &str) {
    let example = digest.and_then(|d| state.desk.places.get(d)).copied();
    let at = example.and_then(|e| state.desk.queue.iter().position(|other| *other == e));
    if let Some(at) = at.filter(|at| state.layers.is_empty() && *at != state.desk.at) {
        go(state, at);
    }
    let id = example.and_then(|e| state.examples.get(e)).map_or("", |e| e.id.as_str());
    state.note = Some(format!("{what}: {id}"));
}

fn guidelines(state: &mut State) -> Vec<Effect> {
    if state.desk.setup.guidelines.is_some() {
        state.layers.push(Layer::Guidelines(0));
    } else {
        state.note =
            Some("no guidelines: --guidelines FILE.md, or `guidelines` under [label] in config.toml".into());
    }
    Vec::new()
}

fn open_tags(state: &mut State, marked: bool) -> Vec<Effect> {
    if state.desk.setup.reasons.is_empty() {
        state.note = Some("no tags: `reasons` under [label] in config.toml lists them".into());
    } else if here(state).is_some() {
        state.layers.push(Layer::Tags(0, marked));
    }
    Vec::new()
}

fn list(state: &mut State, filter: Filter) -> Vec<Effect> {
    if here(state).is_none() {
        return Vec::new();
    }
    let rows = state.desk.rows(filter);
    if filter == Filter::Conflicts && rows.is_empty() {
        state.note = Some("no conflicts: nobody is apart over a pair, or all are settled".into());
        return Vec::new();
    }
    let picked = rows.iter().position(|e| Some(*e) == state.desk.example()).unwrap_or(0);
    state.layers.push(Layer::Pairs(Pairs { picked, filter, from: None }));
    Vec::new()
}

fn next_filter(state: &mut State, by: usize) -> Vec<Effect> {
    if let Some(Layer::Pairs(pairs)) = state.layers.last_mut() {
        let at = Filter::ALL.iter().position(|f| *f == pairs.filter).unwrap_or(0);
        let filter = Filter::ALL.get((at + by) % Filter::ALL.len()).copied().unwrap_or_default();
        *pairs = Pairs { picked: 0, filter, from: None };
    }
    Vec::new()
}

fn go_picked(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Pairs(pairs)) = state.layers.last() else { return Vec::new() };
    let pairs = *pairs;
    let rows = state.desk.rows(pairs.filter);
    let example = rows.get(pairs.picked.min(rows.len().saturating_sub(1))).copied();
    let at = example.and_then(|e| state.desk.queue.iter().position(|other| *other == e));
    if let Some(at) = at {
        state.layers.pop();
        state.desk.adjudicating = pairs.filter == Filter::Conflicts;
        go(state, at);
        if state.desk.adjudicating {
            state.note = Some("settle it: your choice counts for all; esc stops settling".into());
        }
    }
    Vec::new()
}

/// Takes the take on the screen of Inspect over; first its name in the session is asked for.
fn adopt(state: &mut State) -> Vec<Effect> {
    match state.take() {
        _ if state.desk.pen.is_none() => {
            state.note = Some("there is no session: g l opens one".into());
            Vec::new()
        }
        Some(take) if take.settled().is_some_and(|v| v.critique.is_some()) => vec![Effect::NameOf(take.id)],
        _ => {
            state.note = Some("no complete critique to adopt: space makes one".into());
            Vec::new()
        }
    }
}

/// Moves in what lies on top; false when that is nothing of labels.
pub(super) fn step(state: &mut State, by: i32) -> bool {
    let (list, layer) = (state.limits.list, state.limits.layer);
    let moved = |at: usize, most: usize| at.min(most).saturating_add_signed(by as isize).min(most);
    match state.layers.last_mut() {
        Some(Layer::Pairs(Pairs { picked, .. }) | Layer::Tags(picked, _)) => *picked = moved(*picked, list),
        Some(Layer::Review(Reviewing { picked, .. })) => *picked = moved(*picked, list),
        Some(Layer::Guidelines(scroll)) => *scroll = moved(*scroll, layer),
        None if state.screen == Screen::Label => {
            let at = state.desk.pane as usize;
            let most = state.limits.label.get(at).copied().unwrap_or(0);
            if let Some(scroll) = state.desk.scroll.get_mut(at) {
                *scroll = moved(*scroll, most);
            }
        }
        _ => return false,
    }
    true
}
