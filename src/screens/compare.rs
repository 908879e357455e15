//! Two takes side by side: rewards where they are comparable, critiques that scroll together, words that differ, the
//! swap table.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};

use crate::app::{Limits, ModelState, Phase, State, Swapped, Take, Versus, diff};
use crate::widgets::flow::{Flow, Run};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, digits, meter};

/// Draws the screen.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let roomy = area.height >= 34;
    let lanes = state.compared();
    let table = if matches!(lanes, [Some(_), Some(_)]) { 7 } else { 3 };
    let rows =
        [Constraint::Length(if roomy { 7 } else { 3 }), Constraint::Fill(1), Constraint::Length(table)];
    let [upper, middle, lower] = Layout::vertical(rows).areas(area);
    let half = |area: Rect| Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(area);
    for (at, place) in half(upper).into_iter().enumerate() {
        let take = lanes.get(at).copied().flatten();
        reward(state, at, take, theme, place, buffer);
    }
    critiques(state, lanes, theme, half(middle), buffer, limits);
    margin(state, lanes, theme, lower, buffer);
}

/// What a lane shows, in a few words.
fn name(state: &State, at: usize, take: Option<&Take>) -> String {
    let model = |info: Option<&crate::engine::ModelInfo>| {
        info.map_or_else(|| "no model".to_owned(), |i| format!("under {}", one_line(&i.name)))
    };
    match (state.compare.versus, take) {
        (Versus::Models, _) if at == 0 => model(state.info()),
        (Versus::Models, _) => model(state.info_of(State::OTHER)),
        (Versus::Sides, take) if state.example().is_some_and(crate::app::Example::is_pair) => {
            let side = if at == 0 { "chosen" } else { "rejected" };
            take.map_or_else(|| side.to_owned(), |t| format!("{side} · {}", one_line(&state.title(t))))
        }
        (_, Some(take)) => one_line(&state.title(take)),
        (_, None) => "nothing to compare with".to_owned(),
    }
}

fn reward(state: &State, at: usize, take: Option<&Take>, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let frame = if area.height >= 6 { Frame::Box } else { Frame::Line };
    let inner = panel::draw(&name(state, at, take), "", false, frame, theme, area, buffer);
    let value = take.and_then(Take::large).map(|(reward, _)| reward);
    let text = value.map_or_else(|| "−.−−".to_owned(), |v| format!("{v:+.2}"));
    let style = value.map_or_else(|| theme.style(Meaning::Track), |v| theme.sign(v));
    let status = take.map(|t| status(&t.phase)).unwrap_or_default();
    if inner.height >= 5 {
        let used = digits::draw(&text, false, inner, style, buffer) + 3;
        let room = usize::from(inner.width.saturating_sub(used));
        if let Some(verdict) = take.and_then(Take::settled) {
            let exact = format!("in-place {:+.4}", verdict.reward);
            buffer.set_stringn(inner.x + used, inner.y, exact, room, theme.style(Meaning::Text));
        }
        buffer.set_stringn(inner.x + used, inner.y + 1, status, room, theme.style(Meaning::Dim));
        let scale = Rect { y: inner.y + 3, height: inner.height - 3, ..inner };
        meter::draw(value, None, state.bound, theme, scale, buffer);
    } else {
        buffer.set_stringn(
            inner.x,
            inner.y,
            text,
            usize::from(inner.width),
            style.add_modifier(Modifier::BOLD),
        );
        let room = usize::from(inner.width.saturating_sub(8));
        buffer.set_stringn(inner.x + 8, inner.y, status, room, theme.style(Meaning::Dim));
        if inner.height > 1 {
            let scale = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
            meter::draw(value, None, state.bound, theme, scale, buffer);
        }
    }
}

fn status(phase: &Phase) -> String {
    match phase {
        Phase::Draft => "not run: space".into(),
        Phase::Waiting => "waiting".into(),
        Phase::Prefill { done, total } => format!("reading the prompt: {done} of {total}"),
        Phase::Streaming => "live".into(),
        Phase::Scoring => "being read".into(),
        Phase::Complete => String::new(),
        Phase::Stopped => "stopped".into(),
        Phase::Failed(error) => one_line(error),
    }
}

fn critiques(
    state: &State,
    lanes: [Option<&Take>; 2],
    theme: &Theme,
    areas: [Rect; 2],
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let texts = lanes.map(|take| take.map(Take::words));
    let differ = match &texts {
        [Some(left), Some(right)] if !state.compare.plain => Some(diff::words(left, right)),
        _ => None,
    };
    let mut flows = Vec::new();
    for ((at, text), area) in texts.iter().enumerate().zip(areas) {
        let frame =
            if areas.iter().any(|a| a.height >= 8 && a.width >= 50) { Frame::Box } else { Frame::Line };
        let take = lanes.get(at).copied().flatten();
        let tokens = take.map(|t| format!("{} tokens", t.tokens.len())).unwrap_or_default();
        let inner = panel::draw("Critique", &tokens, false, frame, theme, area, buffer);
        let runs: Vec<Run<'_>> = match (text, differ.as_ref().and_then(|d| d.get(at))) {
            (None, _) => vec![Run::new(missing(state, at), theme.style(Meaning::Dim), 0)],
            (Some(text), None) => vec![Run::new(text.as_str(), theme.style(Meaning::Text), 0)],
            (Some(_), Some(pieces)) => {
                pieces.iter().map(|(text, same)| Run::new(text.as_str(), changed(*same, theme), 0)).collect()
            }
        };
        let flow = Flow::wrap(&runs, usize::from(inner.width), theme);
        limits.compare = limits.compare.max(flow.len().saturating_sub(usize::from(inner.height)));
        flows.push((flow, inner));
    }
    let top = state.compare.top.min(limits.compare);
    for (flow, inner) in flows {
        flow.draw(top, inner, buffer);
        let below = flow.len().saturating_sub(top + usize::from(inner.height));
        if below > 0 && inner.height > 0 {
            let more = format!(" ↓ {below} more ");
            panel::right(&more, theme.style(Meaning::Accent), inner, inner.bottom() - 1, buffer);
        }
    }
}

fn changed(same: bool, theme: &Theme) -> Style {
    if same {
        theme.style(Meaning::Text)
    } else {
        theme.style(Meaning::Warning).add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }
}

/// Why a lane is empty.
fn missing(state: &State, at: usize) -> String {
    match (state.compare.versus, &state.compare.other) {
        (Versus::Models, Some((_, ModelState::Loading))) if at == 1 => "the other model is loading …".into(),
        (Versus::Models, Some((_, ModelState::Failed(error)))) if at == 1 => one_line(error),
        (Versus::Sides, _) if at == 1 && !state.example().is_some_and(crate::app::Example::is_pair) => {
            "edit the critique (g i, e), pick two takes (g i, t), or load another model (L)".into()
        }
        _ => "space runs the critique".into(),
    }
}

/// The margin where there is one, and the swap table.
fn margin(state: &State, lanes: [Option<&Take>; 2], theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let frame = if area.height >= 7 { Frame::Box } else { Frame::Line };
    let [Some(left), Some(right)] = lanes else {
        panel::draw("Margin", "", false, frame, theme, area, buffer);
        return;
    };
    let inner = panel::draw("Margin and swap", "left − right", false, frame, theme, area, buffer);
    let room = usize::from(inner.width);
    let line = match (state.incomparable(left, right), left.settled().zip(right.settled())) {
        (Some(why), _) => why.to_owned(),
        (None, Some((a, b))) => {
            let margin = a.reward - b.reward;
            format!("margin {margin:+.4} · P(left is better) {:.3}", state.sigma(margin))
        }
        (None, None) => "margin: when both critiques are complete".to_owned(),
    };
    buffer.set_stringn(inner.x, inner.y, line, room, theme.style(Meaning::Title));
    let asked = |a: &Take, b: &Take| state.compare.swaps.get(&(a.id, b.id));
    if asked(left, right).is_none() && asked(right, left).is_none() {
        let text = "x: each answer after the other one's critique: does the reward follow the answer or the critique?";
        let rest = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        Flow::wrap(&[Run::new(text, theme.style(Meaning::Dim), 0)], room, theme).draw(0, rest, buffer);
        return;
    }
    let table = state.swap_table(left, right);
    let cell = |row: usize, column: usize| {
        let known = table.rewards.get(row).and_then(|r| r.get(column)).copied().flatten();
        let failed = match (row, column) {
            (0, 1) => asked(left, right),
            (1, 0) => asked(right, left),
            _ => None,
        };
        match (known, failed) {
            (Some(reward), _) => format!("{reward:>+9.4}"),
            (None, Some(Swapped::Failed(_))) => "        ✗".into(),
            (None, _) => "        …".into(),
        }
    };
    let rows = [
        ("r(answer, critique)", "left's".to_owned(), "right's critique".to_owned()),
        ("left's answer", cell(0, 0), cell(0, 1)),
        ("right's answer", cell(1, 0), cell(1, 1)),
    ];
    for ((label, a, b), y) in rows.iter().zip(inner.y + 1..inner.bottom()) {
        let text = format!("{label:<20} {a:>9}  {b}");
        let style = theme.style(if y == inner.y + 1 { Meaning::Dim } else { Meaning::Text });
        buffer.set_stringn(inner.x, y, text, room, style);
    }
    if let (Some((answer, critique)), true) = (table.effects(), inner.height >= 5) {
        let share = critique.abs() / (critique.abs() + answer.abs()).max(f32::EPSILON);
        let what = if share >= 0.5 { "critique" } else { "answer" };
        let share = 100.0 * share.max(1.0 - share);
        let text = format!(
            "other answer {answer:+.3}, other critique {critique:+.3}: it follows the {what} ({share:.0} %)"
        );
        buffer.set_stringn(inner.x, inner.y + 4, text, room, theme.style(Meaning::Accent));
    }
}
