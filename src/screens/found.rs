//! What `/` looks for, marked in a laid-out text.

use ratatui::style::Modifier;

use crate::app::{Pattern, Search, State};
use crate::widgets::flow::Flow;
use crate::widgets::{Meaning, Theme};

/// Marks the matches; where each begins: the visible character's number and its tag.
pub fn mark(state: &State, theme: &Theme, flow: &mut Flow) -> Vec<(usize, usize)> {
    mark_in(state.search.as_ref(), theme, flow)
}

/// The same for one search.
pub fn mark_in(search: Option<&Search>, theme: &Theme, flow: &mut Flow) -> Vec<(usize, usize)> {
    let Some(pattern) = search.and_then(|s| Pattern::new(&s.query)) else { return Vec::new() };
    flow.mark_all(&pattern, theme.style(Meaning::Found).add_modifier(Modifier::UNDERLINED))
}
