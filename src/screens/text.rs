//! Prompt and answer, as light markdown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{editor, found};
use crate::app::{Focus, How, Limits, Part, Phase, Side, State};
use crate::checkpoint::Prompt;
use crate::widgets::flow::{Flow, Run};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, markdown};

/// Draws them, one under the other, scrolled together: the shown answer, or those of `sides`.
pub fn draw(
    state: &State,
    sides: &[Side],
    theme: &Theme,
    area: Rect,
    frame: Frame,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    if let Some(edit) = state.edit_of(&[Part::Answer, Part::Rubric]) {
        let (title, right) = match edit.part {
            Part::Rubric => ("Critique prompt · editing", "ctrl-s takes it"),
            _ => ("Answer · editing", "ctrl-s runs it"),
        };
        let inner = panel::draw(title, right, true, frame, theme, area, buffer);
        limits.spots.extend(editor::draw(edit.area.area(), true, &|_| None, theme, inner, buffer));
        return;
    }
    let Some(input) = state.input() else {
        let inner =
            panel::draw("Prompt and answer", "", state.focus == Focus::Text, frame, theme, area, buffer);
        let text = "no example: n types one";
        buffer.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.style(Meaning::Dim));
        return;
    };
    if let Some(fault) = state.example().and_then(|e| e.fault.as_ref()) {
        let inner = panel::draw("A bad row", "", state.focus == Focus::Text, frame, theme, area, buffer);
        let flow = Flow::wrap(
            &[Run::new(fault.as_str(), theme.style(Meaning::Error), 0)],
            usize::from(inner.width),
            theme,
        );
        flow.draw(0, inner, buffer);
        return;
    }
    let specials = specials(state);
    let take = state.take();
    let escaped = take.map_or(0, |t| t.specials.len());
    let right = match (escaped, take.map(|t| &t.phase)) {
        (_, Some(Phase::Draft)) => "not run".to_owned(),
        (0, _) => String::new(),
        (n, _) => format!("{n} special escaped"),
    };
    let right =
        [right, takes(state)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    let focused = state.focus == Focus::Text;
    let inner = panel::draw("Prompt and answer", &right, focused, frame, theme, area, buffer);
    let label = theme.style(Meaning::Dim);
    // Few rows: no blank lines, labels beside their texts.
    let (gap, after) = if frame == Frame::Line { ("\n", "  ") } else { ("\n\n", "\n") };
    let answers: Vec<_> = sides.iter().filter_map(|side| Some((*side, state.input_of(*side)?))).collect();
    let mut runs = Vec::new();
    match &input.prompt {
        Prompt::Text(prompt) => {
            runs.push(Run::new(format!("PROMPT{after}"), label, 0));
            runs.extend(markdown::runs(prompt, &specials, theme));
        }
        Prompt::Messages(turns) => {
            for turn in turns {
                runs.push(Run::new(format!("{}\n", turn.role.to_uppercase()), label, 0));
                runs.extend(markdown::runs(&turn.content, &specials, theme));
                runs.push(Run::new("\n\n", label, 0));
            }
        }
    }
    if state.rubric.is_some() {
        runs.push(Run::new(format!("{gap}CRITIQUE PROMPT (edited){after}"), label, 0));
        let rubric = state.rubric.as_deref().unwrap_or_default();
        runs.push(Run::new(rubric, theme.style(Meaning::Text), 0));
    }
    for (side, input) in &answers {
        let take = state.take_of(state.selected, *side);
        let edited = take.is_some_and(|t| t.how == How::Edited) || Some(input) != base(state, *side).as_ref();
        let mut name = format!("{gap}ANSWER");
        if state.is_pair() {
            name.push_str(", ");
            name.push_str(state.side_name(*side));
        }
        name.push_str(if edited { " (edited)" } else { "" });
        // Which of them the keys go to.
        name.push_str(if sides.len() > 1 && *side == state.side { " ◂" } else { "" });
        name.push_str(after);
        runs.push(Run::new(name, label, 0));
        if input.answer.is_empty() {
            runs.push(Run::new("(empty)", theme.style(Meaning::Stale), 0));
        }
        runs.extend(markdown::runs(&input.answer, &specials, theme));
    }
    let mut flow = Flow::wrap(&runs, usize::from(inner.width), theme);
    limits.text_found = found::mark(state, theme, &mut flow).into_iter().map(|(at, _)| at).collect();
    limits.text = flow.len().saturating_sub(usize::from(inner.height));
    let anchored = state.text_anchor.map(|a| flow.row_at(a.at).saturating_sub(a.above));
    let top = anchored.unwrap_or(state.text_scroll).min(limits.text);
    (limits.text_top, limits.text_at) = (top, flow.at_row(top));
    flow.draw(top, inner, buffer);
    if top < limits.text {
        let more = format!("↓ {} ", limits.text - top);
        panel::right(&more, theme.style(Meaning::Accent), area, area.bottom() - 1, buffer);
    }
}

/// Prompt and answer of the example as it came.
fn base(state: &State, side: Side) -> Option<crate::engine::Input> {
    state.example().map(|example| example.input(side))
}

/// Which take of how many.
fn takes(state: &State) -> String {
    let all: Vec<_> = state.takes.of(state.selected, state.side).map(|t| t.id).collect();
    match state.take().and_then(|t| all.iter().position(|id| *id == t.id)) {
        Some(at) if all.len() > 1 => {
            let name =
                state.take().and_then(|t| t.name.as_ref()).map(|name| format!(" ‘{}’", one_line(name)));
            format!("take {} of {}{}", at + 1, all.len(), name.unwrap_or_default())
        }
        _ => String::new(),
    }
}

/// Texts that are special tokens of the model.
fn specials(state: &State) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    if let Some(info) = state.info() {
        let rule = &info.spec.prompt;
        let named = [Some(&rule.end_of_turn), rule.bos.as_ref(), rule.eos.as_ref(), rule.pad.as_ref()];
        all.extend(named.into_iter().flatten().map(|t| t.text.clone()));
    }
    for take in [Side::Chosen, Side::Rejected].iter().filter_map(|side| state.take_of(state.selected, *side))
    {
        all.extend(take.specials.iter().cloned());
    }
    all
}
