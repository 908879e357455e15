//! `/`: words looked for in the visible texts, in the list of examples, in the help.

use super::act;
use crate::app::{
    Anchor, Code, Example, Focus, Help, Key, Layer, Page, Pattern, Search, Side, State, Typing,
};
use crate::checkpoint::Prompt;

/// Rows left above a match.
const ABOVE: usize = 3;

/// Begins to type what to look for.
pub(super) fn open(state: &mut State) {
    match state.layers.last() {
        None | Some(Layer::Help(_) | Layer::Detail(_)) => {
            let before = state.search.take();
            state.layers.push(Layer::Search(Typing { query: String::new(), before }));
        }
        Some(_) => state.note = Some("there is nothing to look through here".into()),
    }
}

/// A key of the query.
pub(super) fn type_key(state: &mut State, key: Key) {
    let Some(Layer::Search(typing)) = state.layers.last_mut() else { return };
    match key.code {
        Code::Char(c) if !key.ctrl && !key.alt => typing.query.push(c),
        Code::Backspace => drop(typing.query.pop()),
        _ => {}
    }
    typed(state);
}

/// Pasted text of the query.
pub(super) fn paste(state: &mut State, text: &str) {
    if let Some(Layer::Search(typing)) = state.layers.last_mut() {
        typing.query.push_str(text.lines().next().unwrap_or_default());
    }
    typed(state);
}

/// What was typed so far is looked for at once.
fn typed(state: &mut State) {
    let Some(Layer::Search(typing)) = state.layers.last() else { return };
    let query = typing.query.clone();
    let below = state.layers.len().saturating_sub(2);
    match state.layers.get_mut(below) {
        Some(Layer::Help(help)) => *help = Help { scroll: 0, query },
        Some(Layer::Detail(page)) => page.search = Pattern::new(&query).map(|_| Search { query, at: None }),
        _ if state.screen == crate::app::Screen::Data => {}
        _ => state.search = Pattern::new(&query).map(|_| Search { query, at: None }),
    }
}

/// The query is complete: to its first match; an empty one goes on with the words before.
pub(super) fn accept(state: &mut State) {
    let Some(Layer::Search(typing)) = state.layers.pop() else { return };
    if matches!(state.layers.last(), Some(Layer::Help(_))) {
        state.search = typing.before;
        return;
    }
    if matches!(state.layers.last(), Some(Layer::Detail(_))) || Pattern::new(&typing.query).is_none() {
        state.search = typing.before;
    }
    go(state, 1);
}

/// Typing ends without a search; what was looked for before is back.
pub(super) fn close(state: &mut State) {
    if let Some(Layer::Search(typing)) = state.layers.pop() {
        state.search = typing.before;
        match state.layers.last_mut() {
            Some(Layer::Help(help)) => help.query.clear(),
            Some(Layer::Detail(page)) => page.search = None,
            _ => {}
        }
    }
}

/// To another match: 1 is the next one, -1 the one before.
pub(super) fn go(state: &mut State, by: isize) {
    if let Some(Layer::Detail(page)) = state.layers.last_mut() {
        state.note = Some(in_page(page, &state.limits.layer_found, state.limits.layer, by));
        return;
    }
    let Some(search) = state.search.clone() else {
        state.note = Some("nothing is looked for: / types the words".into());
        return;
    };
    if state.focus == Focus::Examples {
        return example(state, &search.query, by);
    }
    let in_text = state.limits.text_found.len();
    let all = in_text + state.limits.critique_found.len();
    if all == 0 {
        state.note = Some(format!("‘{}’ is not in the texts on the screen", search.query));
        return;
    }
    let at = match search.at {
        Some(at) => (at as isize + by).rem_euclid(all as isize) as usize,
        // First in the pane with the focus.
        None if state.focus == Focus::Critique && in_text < all => in_text,
        None => 0,
    };
    if let Some(place) = state.limits.text_found.get(at) {
        state.focus = Focus::Text;
        state.text_anchor = Some(Anchor { at: *place, above: ABOVE });
    } else if let Some(token) = state.limits.critique_found.get(at - in_text) {
        state.focus = Focus::Critique;
        (state.cursor, state.critique_top) = (Some(*token), None);
    }
    state.note = Some(format!("‘{}’: match {} of {all}", search.query, at + 1));
    state.search = Some(Search { at: Some(at), ..search });
}

/// To another match in a page, the first one from where it stands; what is to be told.
fn in_page(page: &mut Page, found: &[usize], most: usize, by: isize) -> String {
    let Some(search) = &mut page.search else { return "nothing is looked for: / types the words".into() };
    let all = found.len();
    let top = page.scroll.min(most);
    let at = match search.at {
        Some(at) => (at as isize + by).rem_euclid(all.max(1) as isize) as usize,
        None => found.iter().position(|row| *row >= top).unwrap_or(0),
    };
    let Some(row) = found.get(at) else { return format!("‘{}’ is not in this text", search.query) };
    search.at = Some(at);
    page.scroll = row.saturating_sub(ABOVE).min(most);
    format!("‘{}’: match {} of {all}", search.query, at + 1)
}

/// To the next example that has the words.
fn example(state: &mut State, query: &str, by: isize) {
    let Some(pattern) = Pattern::new(query) else { return };
    let count = state.examples.len();
    let there =
        (1..=count).map(|n| (state.selected as isize + by * n as isize).rem_euclid(count as isize) as usize);
    let has = |at: &usize| state.examples.get(*at).is_some_and(|e| example_has(e, &pattern));
    match there.into_iter().find(has) {
        Some(index) => {
            act::select(state, index);
            state.note = Some(format!("‘{query}’: example {} of {count}", index + 1));
        }
        None => state.note = Some(format!("no example has ‘{query}’")),
    }
}

fn example_has(example: &Example, pattern: &Pattern) -> bool {
    let prompt = match &example.prompt {
        Prompt::Text(text) => pattern.is_in(text),
        Prompt::Messages(turns) => turns.iter().any(|turn| pattern.is_in(&turn.content)),
    };
    pattern.is_in(&example.id)
        || prompt
        || [Side::Chosen, Side::Rejected].iter().any(|side| pattern.is_in(example.answer(*side)))
}
