//! The Label screen: what was asked, A and B side by side (one under the other where it is narrow), and under them what is
//! said of them. Rewards and critiques are there only once they are revealed or a label is given.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::label_strip as strip;
use crate::app::{Example, Limits, ModelState, Pane, Side, State};
use crate::checkpoint::Prompt;
use crate::widgets::flow::{Flow, Run};
use crate::widgets::panel::{self, Frame};
use crate::widgets::{Meaning, Theme, markdown};

/// Columns from which A and B stand side by side.
const WIDE: u16 = 110;

/// Draws the screen.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let Some((index, example)) = state.labelled() else {
        let text = match (state.desk.read, state.examples.is_empty()) {
            (false, _) => "the session is being read …",
            (true, true) => "no examples: give a file of pairs, or type one in Inspect (g i, n)",
            (true, false) => "nothing here can be labelled: all rows are bad ones (g i shows why)",
        };
        let inner = panel::draw("Label", "", false, Frame::Box, theme, area, buffer);
        buffer.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.style(Meaning::Dim));
        return;
    };
    let sides = state.shown_sides();
    let wide = area.width >= WIDE;
    let roomy = area.height >= 34;
    let frame = if roomy || (wide && area.height >= 28) { Frame::Box } else { Frame::Line };
    let border = if frame == Frame::Box { 2 } else { 1 };
    let below = strip::height(state, area);
    let prompt = prompt(example, theme, area.width);
    let rest = area.height.saturating_sub(below);
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(area);
    let beside = wide && sides.len() > 1;
    let widths = if beside { halves.map(|half| half.width) } else { [area.width; 2] };
    let flow =
        |(side, width): (&Side, u16)| answer(state, index, example, *side, theme, width.saturating_sub(4));
    let flows: Vec<Flow> = sides.iter().zip(widths).map(flow).collect();
    let rows_of = |flow: &Flow| u16::try_from(flow.len()).unwrap_or(u16::MAX).saturating_add(border);
    let needs: Vec<u16> = flows.iter().map(rows_of).collect();
    let answers = match beside {
        true => needs.iter().copied().max().unwrap_or(0),
        false => needs.iter().fold(0, |sum: u16, rows| sum.saturating_add(*rows)),
    };
    let share = if state.desk.pane == Pane::Prompt { rest / 2 } else { (rest / 4).max(4) };
    // What the answers leave is the prompt's.
    let most = share.max(rest.saturating_sub(answers));
    let wanted = rows_of(&prompt);
    let rows = [Constraint::Length(wanted.min(most)), Constraint::Fill(1), Constraint::Length(below)];
    let [upper, middle, lower] = Layout::vertical(rows).areas(area);
    let title = if sides.len() > 1 { "Prompt" } else { "Prompt · is the answer good?" };
    text(state, title, "", &prompt, Pane::Prompt, frame, theme, upper, buffer, limits);
    let places: Vec<Rect> = match (needs.as_slice(), beside) {
        ([_, _], true) => {
            Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(middle).to_vec()
        }
        ([a, b], false) => {
            let share = |pane| Constraint::Fill(if state.desk.pane == pane { 3 } else { 2 });
            // A short one leaves its room to the other; of two long ones the one with the focus gets more.
            let rows = match (*a <= middle.height / 2, *b <= middle.height / 2) {
                (true, true) => [Constraint::Fill(1), Constraint::Fill(1)],
                (true, false) => [Constraint::Length(*a), Constraint::Fill(1)],
                (false, true) => [Constraint::Fill(1), Constraint::Length(*b)],
                (false, false) => [share(Pane::A), share(Pane::B)],
            };
            Layout::vertical(rows).areas::<2>(middle).to_vec()
        }
        _ => vec![middle],
    };
    let panes = [Pane::A, Pane::B];
    for (((side, flow), place), pane) in sides.iter().zip(&flows).zip(places).zip(panes) {
        let name = match (sides.len(), pane) {
            (1, _) => "Answer",
            (_, Pane::B) => "B",
            _ => "A",
        };
        let right = score(state, index, *side);
        text(state, name, &right, flow, pane, frame, theme, place, buffer, limits);
    }
    strip::draw(state, index, theme, lower, buffer);
}

fn prompt(example: &Example, theme: &Theme, width: u16) -> Flow {
    let label = theme.style(Meaning::Dim);
    let mut runs = Vec::new();
    match &example.prompt {
        Prompt::Text(text) => runs.extend(markdown::runs(text, &[], theme)),
        Prompt::Messages(turns) => {
            for (at, turn) in turns.iter().enumerate() {
                let gap = if at > 0 { "\n\n" } else { "" };
                runs.push(Run::new(format!("{gap}{}  ", turn.role.to_uppercase()), label, 0));
                runs.extend(markdown::runs(&turn.content, &[], theme));
            }
        }
    }
    Flow::wrap(&runs, usize::from(width.saturating_sub(4)), theme)
}

/// The answer and, once they are shown, its reward and critique.
fn answer<'a>(
    state: &'a State,
    index: usize,
    example: &'a Example,
    side: Side,
    theme: &Theme,
    width: u16,
) -> Flow {
    let text = example.answer(side);
    let mut runs = Vec::new();
    if text.trim().is_empty() {
        let what = if text.is_empty() { "(empty)" } else { "(only white space)" };
        runs.push(Run::new(what, theme.style(Meaning::Stale), 0));
    }
    runs.extend(markdown::runs(text, &[], theme));
    if state.desk.shows_scores(index) {
        runs.push(Run::new("\n\nCRITIQUE  ", theme.style(Meaning::Dim), 0));
        match state.found_take(index, side) {
            Some(take) => runs.push(Run::new(take.words(), theme.style(Meaning::Accent), 0)),
            None => runs.push(Run::new(waiting(state), theme.style(Meaning::Stale), 0)),
        }
    }
    Flow::wrap(&runs, usize::from(width), theme)
}

/// Why there is no critique yet.
fn waiting(state: &State) -> &'static str {
    match state.model {
        ModelState::Failed(_) | ModelState::Down(_) => "there is no model",
        ModelState::Loading => "the model is loading",
        ModelState::Ready(_) => "not there yet",
    }
}

fn score(state: &State, index: usize, side: Side) -> String {
    if !state.desk.shows_scores(index) {
        return String::new();
    }
    let Some(example) = state.examples.get(index) else { return String::new() };
    match (state.desk.found.get(&(index, side)), example.is_pair()) {
        (Some(found), true) => format!("{} · reward {:+.4}", example.side_name(side), found.reward),
        (Some(found), false) => format!("reward {:+.4}", found.reward),
        (None, true) => example.side_name(side).to_owned(),
        (None, false) => String::new(),
    }
}

#[allow(clippy::too_many_arguments, reason = "one scrolled pane: what, where, how")]
fn text(
    state: &State,
    title: &str,
    right: &str,
    flow: &Flow,
    pane: Pane,
    frame: Frame,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let focused = state.desk.pane == pane;
    let inner = panel::draw(title, right, focused, frame, theme, area, buffer);
    let most = flow.len().saturating_sub(usize::from(inner.height));
    let at = pane as usize;
    if let Some(limit) = limits.label.get_mut(at) {
        *limit = most;
    }
    let top = state.desk.scroll.get(at).copied().unwrap_or(0).min(most);
    flow.draw(top, inner, buffer);
    if top < most && area.height > 0 {
        let key = if focused { "j" } else { "tab, j" };
        let more = format!(" {key} ↓ {} ", most - top);
        panel::right(&more, theme.style(Meaning::Accent), area, area.bottom() - 1, buffer);
    }
}
