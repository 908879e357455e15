//! Over the Label screen: the list of pairs, a critique under review, reason tags, a text being typed, the guidelines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::editor;
use crate::app::{Filter, Limits, Pairs, Purpose, Reviewing, Side, Stand, State, Writing};
use crate::checkpoint::Prompt;
use crate::label::sentences::{part, sentences};
use crate::session::Progress;
use crate::widgets::flow::{Flow, Run};
use crate::widgets::panel;
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, markdown};

/// The pairs, marked ones and the picked one.
pub fn pairs(
    state: &State,
    list: &Pairs,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let rows = state.desk.rows(list.filter);
    limits.list = rows.len().saturating_sub(1);
    let title = format!("Pairs · {} ({})", list.filter.name(), rows.len());
    let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(6);
    let inner = panel::popup(&title, 110, wanted.max(10), theme, area, buffer);
    let room = usize::from(inner.width);
    let tabs: Vec<String> = Filter::ALL
        .iter()
        .map(|f| if *f == list.filter { format!("[{}]", f.name()) } else { f.name().to_owned() })
        .collect();
    buffer.set_stringn(inner.x, inner.y, tabs.join("  "), room, theme.style(Meaning::Dim));
    let body = Rect { y: inner.y + 1, height: inner.height.saturating_sub(3), ..inner };
    let picked = list.picked.min(limits.list);
    let height = usize::from(body.height).max(1);
    let first = (picked + 1 + height / 4).saturating_sub(height).min(rows.len().saturating_sub(height));
    for ((at, index), y) in rows.iter().enumerate().skip(first).zip(body.y..body.bottom()) {
        let row = Rect { y, height: 1, ..body };
        let Some(example) = state.examples.get(*index) else { continue };
        let cursor = if at == picked { "▸" } else { " " };
        let mark = if state.desk.marked.contains(index) { "●" } else { " " };
        let from = if list.from == Some(at) { "┌" } else { " " };
        let (value, style) = status(state, theme, *index);
        let room = room.saturating_sub(value.width() + 1);
        let prompt = match &example.prompt {
            Prompt::Text(text) => text.as_str(),
            Prompt::Messages(turns) => turns.last().map_or("", |turn| turn.content.as_str()),
        };
        let prompt: String = prompt.chars().take(200).collect();
        let text = format!("{cursor}{mark}{from}{}  {}", one_line(&example.id), one_line(prompt.trim()));
        buffer.set_stringn(row.x, y, text, room, theme.style(Meaning::Text));
        panel::right(&value, style, row, y, buffer);
        if at == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
    if rows.is_empty() {
        buffer.set_stringn(body.x, body.y, "none", room, theme.style(Meaning::Dim));
    }
    let marked = state.desk.marked.len();
    let whom = if marked == 0 { "the picked one".to_owned() } else { format!("{marked} marked") };
    let lines = [
        "↵ go   space mark   v range   * all   s show others".to_owned(),
        format!("{whom}: 3 tie  0 skip  f flag  t tag  b both bad  ⌫ take back  u undo"),
    ];
    for (line, y) in lines.iter().zip(inner.bottom().saturating_sub(2)..inner.bottom()) {
        buffer.set_stringn(inner.x, y, line, room, theme.style(Meaning::Hint));
    }
}

/// What stands of a pair: blind ones stay blind, others' labels are told only where they are apart.
fn status(state: &State, theme: &Theme, index: usize) -> (String, ratatui::style::Style) {
    let label = state.desk.mine(index);
    let flag = if label.is_some_and(|l| l.flag) { "⚑ " } else { "" };
    let apart = if state.desk.conflict(index) { "≠ " } else { "" };
    let (text, meaning) = match state.desk.stand(index) {
        Stand::Pending => ("", Meaning::Dim),
        Stand::Taken => ("by others", Meaning::Dim),
        Stand::Is(Progress::Draft) => ("draft", Meaning::Stale),
        Stand::Is(Progress::Skipped) => ("skipped", Meaning::Dim),
        Stand::Is(Progress::Submitted) => {
            let words = |choice| Some(state.examples.get(index)?.choice_words(choice));
            (label.and_then(|l| l.choice).and_then(words).unwrap_or_default(), Meaning::Accent)
        }
    };
    (format!("{apart}{flag}{text}"), theme.style(meaning))
}

/// A critique: the whole and its sentences, with the verdicts.
pub fn review(
    state: &State,
    at: Reviewing,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let Some(index) = state.desk.example() else { return };
    let side = if at.answer == 1 { Side::Rejected } else { Side::Chosen };
    let letter = match state.shown_sides().iter().position(|s| *s == side) {
        Some(1) => "B",
        _ => "A",
    };
    let title = match state.shown_sides().len() {
        1 => "Critique of the answer".to_owned(),
        _ => {
            let name = state.examples.get(index).map_or("", |example| example.side_name(side));
            format!("Critique of {letter} ({name})")
        }
    };
    let inner = panel::popup(&title, 110, area.height, theme, area, buffer);
    let room = usize::from(inner.width);
    let take = state.found_take(index, side);
    let words = take.map(crate::app::Take::words).unwrap_or_default();
    let digest = take.and_then(|take| state.desk.critiques.get(&take.id));
    let review = digest.and_then(|d| state.desk.review(index, at.answer, Some(d)));
    let all = sentences(&words);
    limits.list = all.len();
    let mark = |agrees: Option<bool>| match agrees {
        Some(true) => ("✓ agree   ", Meaning::Positive),
        Some(false) => ("✗ disagree", Meaning::Negative),
        None => ("·         ", Meaning::Dim),
    };
    // A row of the list: verdict and words, wrapped.
    let mut lines: Vec<(String, Meaning, Flow)> = Vec::new();
    let wrap = |text: String, style| Flow::wrap(&[Run::new(text, style, 0)], room.saturating_sub(14), theme);
    let reward = take.and_then(crate::app::Take::reward).map(|r| format!("the whole; reward {r:+.4}"));
    let (text, meaning) = mark(review.and_then(|r| r.agrees));
    let whole = reward.unwrap_or_else(|| "not there yet".into());
    lines.push((text.into(), meaning, wrap(whole, theme.style(Meaning::Dim))));
    for range in &all {
        let of = review.and_then(|r| r.sentences.iter().find(|s| (s.start, s.end) == *range));
        let (text, meaning) = mark(of.map(|s| s.agrees));
        lines.push((text.into(), meaning, wrap(part(&words, *range), theme.style(Meaning::Text))));
    }
    let mut texts = Vec::new();
    let own = state.desk.review(index, at.answer, None);
    for (name, found) in [("YOUR CORRECTION  ", review), ("YOUR OWN CRITIQUE  ", own)] {
        if let Some(text) = found.and_then(|r| r.correction.clone()) {
            texts.push(Run::new(format!("{name}\n"), theme.style(Meaning::Dim), 0));
            texts.push(Run::new(format!("{text}\n\n"), theme.style(Meaning::Positive), 0));
        }
    }
    let below = Flow::wrap(&texts, room, theme);
    let keys = "y agree   n disagree   ⌫ neither   e correct   w write own   v other answer   ↵ back";
    let bottom = inner.bottom().saturating_sub(1);
    buffer.set_stringn(inner.x, bottom, keys, room, theme.style(Meaning::Hint));
    let under = if texts.is_empty() {
        0
    } else {
        u16::try_from(below.len()).unwrap_or(u16::MAX).min(inner.height / 3)
    };
    let end = bottom.saturating_sub(under + 1);
    // The picked one stays in sight.
    let picked = at.picked.min(limits.list);
    let rows_to = |n: usize| lines.iter().take(n).map(|(.., flow)| flow.len()).sum::<usize>();
    let height = usize::from(end.saturating_sub(inner.y));
    let mut skip = rows_to(picked + 1).saturating_sub(height);
    let mut y = inner.y;
    for (index, (text, meaning, flow)) in lines.iter().enumerate() {
        for row in 0..flow.len() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if y >= end {
                break;
            }
            let line = Rect { y, height: 1, ..inner };
            if row == 0 {
                let cursor = if index == picked { "▸" } else { " " };
                buffer.set_stringn(inner.x, y, format!("{cursor}{text}"), 13, theme.style(*meaning));
            }
            flow.draw(row, Rect { x: inner.x + 13, width: inner.width.saturating_sub(13), ..line }, buffer);
            if index == picked {
                buffer.set_style(line, theme.style(Meaning::Selected));
            }
            y += 1;
        }
    }
    if under > 0 {
        below.draw(0, Rect { y: end + 1, height: under, ..inner }, buffer);
    }
}

/// Reason tags with their digits.
pub fn tags(
    state: &State,
    picked: usize,
    all: bool,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let tags = &state.desk.setup.reasons;
    limits.list = tags.len().saturating_sub(1);
    let mine = state.desk.example().and_then(|index| state.desk.mine(index));
    let height = u16::try_from(tags.len()).unwrap_or(u16::MAX).saturating_add(4);
    let title = match all {
        true => format!("Tags for {} pairs", state.desk.marked.len().max(1)),
        false => "Tags".to_owned(),
    };
    let inner = panel::popup(&title, 44, height, theme, area, buffer);
    let picked = picked.min(limits.list);
    let first = (picked + 1).saturating_sub(usize::from(inner.height.saturating_sub(2)).max(1));
    for ((at, tag), y) in tags.iter().enumerate().skip(first).zip(inner.y..inner.bottom().saturating_sub(2)) {
        let on = !all && mine.is_some_and(|label| label.reasons.contains(tag));
        let digit = if at < 9 { (at + 1).to_string() } else { " ".into() };
        let (cursor, mark) = (if at == picked { "▸" } else { " " }, if on { "●" } else { "○" });
        let text = format!("{cursor}{digit} {mark} {}", one_line(tag));
        let mut style = theme.style(if on { Meaning::Accent } else { Meaning::Text });
        if on {
            style = style.add_modifier(Modifier::BOLD);
        }
        buffer.set_stringn(inner.x, y, text, usize::from(inner.width), style);
    }
    let keys = "1-9 or space: on, off   ↵ done";
    let y = inner.bottom().saturating_sub(1);
    buffer.set_stringn(inner.x, y, keys, usize::from(inner.width), theme.style(Meaning::Hint));
}

/// A note or a critique being typed.
pub fn writing(writing: &Writing, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let (title, height) = match &writing.purpose {
        Purpose::Note => ("Note", 10),
        Purpose::Correction(_, Some(_)) => ("The critique as it should be", area.height),
        Purpose::Correction(_, None) => ("A critique of your own", area.height),
    };
    let inner = panel::popup(title, 100, height, theme, area, buffer);
    let text = Rect { height: inner.height.saturating_sub(1), ..inner };
    limits.spots.extend(editor::draw(writing.area.area(), true, &|_| None, theme, text, buffer));
    let keys = "ctrl-s or esc: done, kept   ctrl-o: $EDITOR";
    let y = inner.bottom().saturating_sub(1);
    buffer.set_stringn(inner.x, y, keys, usize::from(inner.width), theme.style(Meaning::Hint));
}

/// The guidelines.
pub fn guidelines(
    state: &State,
    scroll: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let Some((name, text)) = &state.desk.setup.guidelines else { return };
    let width = area.width.min(100);
    let flow = Flow::wrap(&markdown::runs(text, &[], theme), usize::from(width.saturating_sub(4)), theme);
    let height = u16::try_from(flow.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let inner = panel::popup(&format!("Guidelines · {}", one_line(name)), width, height, theme, area, buffer);
    limits.layer = flow.len().saturating_sub(usize::from(inner.height));
    let top = scroll.min(limits.layer);
    flow.draw(top, inner, buffer);
    if top < limits.layer {
        let more = format!(" j ↓ {} more ", limits.layer - top);
        panel::right(&more, theme.style(Meaning::Accent), inner, inner.bottom(), buffer);
    }
}
