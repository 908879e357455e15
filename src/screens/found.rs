//! What `/` looks for, marked in a laid-out text.

use ratatui::style::Modifier;

use crate::app::{Pattern, State};
use crate::widgets::flow::Flow;
use crate::widgets::{Meaning, Theme};

/// Marks the matches; where each begins: the visible character's number and its tag.
pub fn mark(state: &State, theme: &Theme, flow: &mut Flow) -> Vec<(usize, usize)> {
    let Some(pattern) = state.search.as_ref().and_then(|s| Pattern::new(&s.query)) else { return Vec::new() };
    flow.mark_all(&pattern, theme.style(Meaning::Found).add_modifier(Modifier::UNDERLINED))
}
