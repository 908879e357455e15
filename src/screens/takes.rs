//! The takes of an example as a tree: how each came about, its reward, how far it moved from the one before.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::app::{Limits, Phase, Spot, State, Take, TakeList, Target};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, panel};

/// Draws the list over the body.
pub fn draw(
    state: &State,
    list: &TakeList,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let rows = state.takes.tree(state.selected);
    limits.list = rows.len().saturating_sub(1);
    let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(5);
    let inner = panel::popup("Takes", 96, wanted.max(8), theme, area, buffer);
    let shown = state.take().map(|t| t.id);
    let picked = list.picked.min(limits.list);
    let height = usize::from(inner.height.saturating_sub(2)).max(1);
    let first = (picked + 1).saturating_sub(height);
    let bottom = inner.bottom().saturating_sub(2);
    for ((index, (depth, take)), y) in rows.iter().enumerate().skip(first).zip(inner.y..bottom) {
        let row = Rect { y, height: 1, ..inner };
        limits.spots.push(Spot::row(y, row.x, row.right(), Target::Row(index)));
        let mark = match (index == picked, shown == Some(take.id)) {
            (true, _) => "▸",
            (false, true) => "•",
            _ => " ",
        };
        let held = if list.held == Some(take.id) { "⚑ " } else { "" };
        let branch =
            if *depth == 0 { String::new() } else { format!("{}└ ", "  ".repeat((depth - 1).min(16))) };
        let pair = state.example().is_some_and(crate::app::Example::is_pair) && *depth == 0;
        let side = if pair { format!("{}: ", take.side.name()) } else { String::new() };
        let name = take.name.as_ref().map(|name| format!("‘{}’ ", one_line(name))).unwrap_or_default();
        let how = one_line(&state.how(take));
        let text = format!("{mark}{held}{branch}{side}#{} {name}{how}", take.id.0 + 1);
        let (value, style) = reward(state, take, theme);
        let room = usize::from(inner.width).saturating_sub(value.width() + 1);
        buffer.set_stringn(row.x, y, text, room, theme.style(Meaning::Text));
        panel::right(&value, style, row, y, buffer);
        if index == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
    let keys = "↵ show   n name   space hold   c compare with the held (or shown •) one";
    let room = usize::from(inner.width);
    buffer.set_stringn(inner.x, inner.bottom().saturating_sub(1), keys, room, theme.style(Meaning::Hint));
}

fn reward(state: &State, take: &Take, theme: &Theme) -> (String, ratatui::style::Style) {
    match (&take.phase, take.settled()) {
        (Phase::Draft, _) => ("not run".into(), theme.style(Meaning::Stale)),
        (Phase::Failed(_), _) => ("✗".into(), theme.style(Meaning::Error)),
        (Phase::Stopped, _) => ("stopped".into(), theme.style(Meaning::Dim)),
        (_, None) => ("…".into(), theme.style(Meaning::Accent)),
        (_, Some(verdict)) => {
            let before = take.parent.and_then(|id| state.takes.get(id)).and_then(Take::settled);
            let change = before.map(|b| format!("({:+.2}) ", verdict.reward - b.reward)).unwrap_or_default();
            (format!("{change}{:+.4}", verdict.reward), theme.sign(verdict.reward))
        }
    }
}
