//! The critique, token by token, coloured by what each did to the reward.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::editor::{self, Painted};
use super::found;
use crate::app::{Edit, Focus, How, Limits, Paint, Part, Phase, Side, Spot, State, Take, Target};
use crate::checkpoint::Method;
use crate::engine::Stopped;
use crate::widgets::flow::{Cells, Flow, Run};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Draws the critique of an answer. On the side that keys go to it follows the cursor or the newest token; on the other
/// one it follows the newest token while it is written.
pub fn draw(
    state: &State,
    side: Side,
    theme: &Theme,
    area: Rect,
    frame: Frame,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let shown = state.critique_take_of(side);
    let active = side == state.side;
    let focused = active && state.focus == Focus::Critique;
    let right = shown.map(|(take, stale)| status(take, stale)).unwrap_or_default();
    let mut title = match state.is_pair() {
        true => format!("Critique, {}", state.side_name(side)),
        false => "Critique".to_owned(),
    };
    limits.spots.push(Spot { area: panel::edges(area), target: Target::Side(side) });
    if let Some(edit) = state.edit_of(&[Part::Critique]).filter(|_| active) {
        title.push_str(" · editing");
        let inner = panel::draw(&title, &right, true, frame, theme, area, buffer);
        editing(state, edit, theme, inner, buffer, limits);
        return;
    }
    if area.width >= 70 {
        title.push_str(match state.paint {
            Paint::Reward => " · by live reward",
            Paint::Change => " · by change",
            Paint::StopHere => " · by stop-here",
            Paint::Plain => "",
        });
    }
    let title = title.as_str();
    let inner = panel::draw(title, &right, focused, frame, theme, area, buffer);
    if inner.height == 0 {
        return;
    }
    let Some((take, stale)) = shown else {
        idle(state, theme, inner, buffer);
        return;
    };
    match &take.phase {
        Phase::Waiting => line(buffer, inner, "waiting for the engine …", theme.style(Meaning::Dim)),
        Phase::Prefill { done, total } => prefill(*done, *total, theme, inner, buffer),
        _ if take.tokens.is_empty() && take.how == How::Rewritten => {
            let text = take.words();
            let text = if text.is_empty() { "(empty)" } else { text.as_str() };
            let run = Run::new(text, theme.style(Meaning::Stale), 0);
            Flow::wrap(&[run], usize::from(inner.width), theme).draw(0, inner, buffer);
        }
        Phase::Failed(_) if take.tokens.is_empty() => {
            line(buffer, inner, "failed: x shows the whole error", theme.style(Meaning::Error));
        }
        _ if take.tokens.is_empty() => {
            let classic = state.info().is_some_and(|i| i.spec.method == Method::Classic);
            let text = match (&take.phase, classic) {
                (Phase::Complete, true) => "a classic reward model: it writes no critique",
                (Phase::Stopped, _) => "stopped: space runs it again",
                _ => "…",
            };
            line(buffer, inner, text, theme.style(Meaning::Dim));
        }
        _ => words(state, theme, take, stale, inner, buffer, limits),
    }
}

/// The text with its cursor, coloured as far as the tokens that were scored last spell it.
fn editing(state: &State, edit: &Edit, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let scored = state.critique_take().map(|(take, _)| take);
    let words = scored.map_or(&[][..], |take| take.tokens.split_last().map_or(&[][..], |(_, words)| words));
    let painted = Painted::new(words, &edit.text());
    let paint = |at: usize| {
        let value = value(state, scored?, painted.token(at)?)?;
        Some(theme.heat(value / state.bound))
    };
    limits.spots.extend(editor::draw(edit.area.area(), true, &paint, theme, area, buffer));
}

fn line(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    buffer.set_stringn(area.x, area.y, text, usize::from(area.width), style);
}

fn idle(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if let Some(fault) = state.example().and_then(|e| e.fault.as_ref()) {
        let why = format!("This row cannot be judged.\n\n{fault}");
        let run = Run::new(why, theme.style(Meaning::Error), 0);
        return Flow::wrap(&[run], usize::from(area.width), theme).draw(0, area, buffer);
    }
    let text = match state.model {
        crate::app::ModelState::Loading => "the model is loading …",
        crate::app::ModelState::Ready(_) => "space runs the critique",
        _ => "no model",
    };
    line(buffer, area, text, theme.style(Meaning::Dim));
}

fn prefill(done: usize, total: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    line(buffer, area, &format!("reading the prompt: {done} of {total} tokens"), theme.style(Meaning::Dim));
    if area.height > 1 && total > 0 {
        let cells = usize::from(area.width.min(40));
        let full = cells * done.min(total) / total;
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(cells - full));
        buffer.set_string(area.x, area.y + 1, bar, theme.style(Meaning::Accent));
    }
}

fn words(
    state: &State,
    theme: &Theme,
    take: &Take,
    stale: bool,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let closing = state.info().map(|i| i.spec.prompt.end_of_turn.id);
    let base = theme.style(if stale { Meaning::Stale } else { Meaning::Text });
    let last = take.tokens.len() - 1;
    let active = take.side == state.side;
    let cursor = state.cursor.filter(|_| active).map(|c| c.min(last));
    let runs: Vec<Run<'_>> = take
        .tokens
        .iter()
        .enumerate()
        .map(|(index, token)| {
            let mut style = base;
            if let Some(value) = value(state, take, index).filter(|_| !stale) {
                style = style.patch(theme.heat(value / state.bound));
            }
            let end = Some(token.id) == closing && index == last;
            let text: &str = if end { " ∎" } else { &token.text };
            let text = if index == 0 { text.trim_start() } else { text };
            if cursor == Some(index) {
                style = style.patch(theme.style(Meaning::Cursor)).remove_modifier(Modifier::UNDERLINED);
            }
            if end {
                style = style.patch(theme.style(Meaning::Dim));
            }
            Run::new(text, style, index)
        })
        .collect();
    let mut flow = Flow::wrap(&runs, usize::from(area.width), theme);
    let found = found::mark(state, theme, &mut flow);
    let height = usize::from(area.height);
    let most = flow.len().saturating_sub(height);
    let top = if active {
        let follow = cursor.and_then(|c| flow.row_of(c)).map_or(most, |row| row.saturating_sub(height / 2));
        let anchored = state.critique_anchor.map(|a| flow.row_at(a.at));
        let top = state.critique_top.map_or(follow, |top| anchored.unwrap_or(top)).min(most);
        limits.critique_found = found.into_iter().map(|(_, token)| token).collect();
        (limits.critique, limits.critique_top, limits.critique_at) = (most, top, flow.at_row(top));
        top
    } else if take.phase.is_running() {
        most
    } else {
        0
    };
    flow.draw(top, area, buffer);
    let token = |c: Cells| Spot::row(c.y, c.left, c.right, Target::Token(take.side, c.tag));
    limits.spots.extend(flow.cells(top, area).into_iter().map(token));
    if top < most {
        // While it is written: the tokens below, so that it is seen that there are new ones.
        let more = match flow.tag_of(top + height) {
            Some(below) if take.phase.is_running() => format!(" ↓ {} new ", last + 1 - below.min(last)),
            _ => format!(" ↓ {} more ", most - top),
        };
        panel::right(&more, theme.style(Meaning::Accent), area, area.bottom() - 1, buffer);
    }
}

/// What colours a token.
fn value(state: &State, take: &Take, index: usize) -> Option<f32> {
    let token = take.tokens.get(index)?;
    match state.paint {
        Paint::Reward => Some(token.reward),
        Paint::Change => take.stop_here_change(index).or_else(|| take.change(index)),
        Paint::StopHere => token.stop_here,
        Paint::Plain => None,
    }
}

/// How it ended, seed, counts, speed: the most important first, since the end is left out where room is short.
fn status(take: &Take, stale: bool) -> String {
    let mut parts = Vec::new();
    if stale {
        parts.push("stale".to_owned());
    }
    match (&take.phase, take.verdict.as_ref().and_then(|v| v.stopped)) {
        (Phase::Stopped, _) => parts.push("stopped".into()),
        (_, Some(Stopped::MaxTokens)) => parts.push("cut at the limit".into()),
        (_, Some(Stopped::Eos)) => parts.push("ended the text".into()),
        _ => {}
    }
    if take.phase == Phase::Scoring {
        parts.push("scoring …".into());
    }
    if !matches!(take.how, How::Greedy | How::Edited) {
        parts.push(one_line(&take.how.words()));
    }
    if !take.tokens.is_empty() {
        parts.push(format!("{} tokens", take.tokens.len()));
        if let Some(rate) = take.clock.rate {
            parts.push(format!("{rate:.0}/s"));
        }
    }
    if take.counts.reused > 0 {
        parts.push(format!("{} reused", take.counts.reused));
    }
    parts.join(" · ")
}
