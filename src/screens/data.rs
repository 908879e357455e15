//! The Data screen: the table of rows (or the bad ones), the line that tells what is shown and how far the work is.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::data_charts as charts;
use super::inspect::WIDE;
use crate::app::{Data, DataPane, Limits, State, check_filter};
use crate::browse::{Column, Index, Line};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Draws the screen.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let [body, status] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    self::status(state, theme, status, buffer);
    let pane = state.data.pane;
    if area.width >= WIDE {
        let side = if area.width >= 150 { 58 } else { 46 };
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(body);
        let first = if pane == DataPane::Bad { DataPane::Bad } else { DataPane::Table };
        self::pane(state, first, Frame::Box, theme, left, buffer, limits);
        let shares = [Constraint::Fill(5), Constraint::Fill(5), Constraint::Fill(8)];
        let places = Layout::vertical(shares).areas::<3>(right);
        for (which, place) in
            [DataPane::Rewards, DataPane::Margins, DataPane::Scatter].into_iter().zip(places)
        {
            self::pane(state, which, Frame::Box, theme, place, buffer, limits);
        }
    } else {
        let [tabs, place] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(body);
        self::tabs(state, theme, tabs, buffer);
        self::pane(state, pane, Frame::Line, theme, place, buffer, limits);
    }
}

/// The panes by name, where one is shown at a time.
fn tabs(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x + 1;
    for pane in DataPane::ALL {
        let here = pane == state.data.pane;
        let bad = state.data.index.as_ref().map_or(0, Index::notes);
        let count = if pane == DataPane::Bad { format!(" {}", thousands(bad)) } else { String::new() };
        let text = match here {
            true => format!("▸{}{count}", pane.title()),
            false => format!(" {}{count}", pane.title()),
        };
        let meaning = match (here, pane == DataPane::Bad && bad > 0) {
            (true, _) => Meaning::Focus,
            (false, true) => Meaning::Warning,
            (false, false) => Meaning::Dim,
        };
        let room = usize::from(area.right().saturating_sub(x));
        buffer.set_stringn(x, area.y, &text, room, theme.style(meaning));
        x += text.width() as u16 + 2;
    }
}

fn pane(
    state: &State,
    which: DataPane,
    frame: Frame,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let focused = state.data.pane == which;
    let right = match which {
        DataPane::Table => place_text(&state.data),
        DataPane::Bad => notes_text(state.data.index.as_ref()),
        which => charts::right(state, which),
    };
    let inner = panel::draw(which.title(), &right, focused, frame, theme, area, buffer);
    let (rows, first) = match which {
        DataPane::Table => table(state, theme, inner, buffer),
        DataPane::Bad => (inner, bad(state, theme, inner, buffer)),
        which => {
            charts::draw(state, which, theme, inner, buffer);
            (area, 0)
        }
    };
    if let Some(slot) = limits.data.iter_mut().find(|slot| slot.is_none()) {
        *slot = Some((which, [rows.x, rows.y, rows.right(), rows.bottom()], first));
    }
}

/// How many rows are bad, and how many repeat an id.
fn notes_text(index: Option<&Index>) -> String {
    let (bad, repeated) = index.map_or((0, 0), |index| (index.bad, index.repeated));
    let ids = if repeated > 0 { format!(" and {} repeated ids", thousands(repeated)) } else { String::new() };
    format!("{}{ids}", thousands(bad))
}

fn place_text(data: &Data) -> String {
    if data.is_empty() {
        "0".into()
    } else {
        format!("{} of {}", thousands(data.at + 1), thousands(data.len()))
    }
}

/// The first place that is drawn, so that the cursor is in sight.
fn first_of(at: usize, count: usize, height: usize) -> usize {
    (at + 1 + height / 4).saturating_sub(height).min(count.saturating_sub(height))
}

fn width(column: &Column, rows: usize) -> u16 {
    match column {
        Column::Number => thousands(rows).len().max(4) as u16,
        Column::Id => 10,
        Column::Prompt | Column::Answer => 24,
        Column::Kind => 6,
        Column::Reward | Column::Margin => 8,
        Column::Length => 6,
        Column::Label => 8,
        Column::File(name) => (name.width() as u16).clamp(8, 16),
    }
}

/// Columns with their left edges and widths, the one under the cursor among them.
fn lay_out(data: &Data, area: Rect) -> Vec<(usize, u16, u16)> {
    let rows = data.index.as_ref().map_or(0, |index| index.rows);
    let widths: Vec<u16> = data.columns.iter().map(|column| width(column, rows)).collect();
    let needed = |from: usize| {
        widths.iter().skip(from).take(data.column + 1 - from.min(data.column)).map(|w| w + 1).sum::<u16>()
    };
    let room = area.width.saturating_sub(2);
    let all: u16 = widths.iter().map(|w| w + 1).sum();
    let fixed = all.saturating_sub(if data.columns.contains(&Column::Prompt) { 24 } else { 0 });
    // The prompt gives way first, then columns on the left.
    let prompt = room.saturating_sub(fixed).max(12);
    let fits = fixed + 12 <= room;
    let mut from = 0;
    while !fits && from < data.column && needed(from) > room {
        from += 1;
    }
    let mut x = area.x + 2;
    let mut out = Vec::new();
    for (at, (column, width)) in data.columns.iter().zip(widths).enumerate().skip(from) {
        let width = if *column == Column::Prompt { prompt } else { width };
        let width = width.min(area.right().saturating_sub(x));
        if width < 3 {
            break;
        }
        out.push((at, x, width));
        x += width + 1;
    }
    out
}

/// Draws the table; returns where its rows stand and which place is the first.
fn table(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) -> (Rect, usize) {
    let data = &state.data;
    let [head, rows] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let columns = lay_out(data, area);
    for (at, x, width) in &columns {
        let Some(column) = data.columns.get(*at) else { continue };
        let arrow = match &data.query.sort {
            Some((by, descending)) if by == column => {
                if *descending {
                    "▼"
                } else {
                    "▲"
                }
            }
            _ => "",
        };
        let mut style = theme.style(Meaning::Title);
        if *at == data.column && data.pane == DataPane::Table {
            style = theme.style(Meaning::Focus).add_modifier(Modifier::UNDERLINED);
        }
        let name = one_line(column.name());
        let text = if is_right(column) {
            format!("{:>w$}", format!("{name}{arrow}"), w = usize::from(*width))
        } else {
            format!("{name}{arrow}")
        };
        buffer.set_stringn(*x, head.y, text, usize::from(*width), style);
    }
    let first = first_of(data.at, data.len(), usize::from(rows.height));
    if data.is_empty() {
        let text = match &data.index {
            Some(index) if !index.done && !index.stopped => "rows are being read …",
            Some(index) if index.rows > 0 && data.querying => "looking for rows …",
            Some(index) if index.rows > 0 => "no row fits the filter: f changes it, F shows all",
            _ => "no rows",
        };
        buffer.set_stringn(rows.x, rows.y, text, usize::from(rows.width), theme.style(Meaning::Dim));
    }
    for (place, y) in (first..data.len()).zip(rows.y..rows.bottom()) {
        let Some(row) = data.row(place) else { continue };
        let here = place == data.at;
        let mark = match (here, data.chosen.has(row), data.in_range(place)) {
            (true, true, _) => "▸✓",
            (true, false, _) => "▸ ",
            (false, true, _) => " ✓",
            (false, false, true) => " •",
            _ => "  ",
        };
        buffer.set_string(rows.x, y, mark, theme.style(Meaning::Accent));
        let line = data.lines.get(&row);
        for (at, x, width) in &columns {
            let Some(column) = data.columns.get(*at) else { continue };
            let (text, style) = match line {
                Some(line) => cell(state, line, column, theme),
                None if *column == Column::Number => ("…".into(), theme.style(Meaning::Dim)),
                None => continue,
            };
            let w = usize::from(*width);
            let text = if is_right(column) { format!("{text:>w$}") } else { text };
            buffer.set_stringn(*x, y, text, w, style);
        }
        if here {
            buffer.set_style(Rect { y, height: 1, ..rows }, theme.style(Meaning::Selected));
        }
    }
    (rows, first)
}

fn is_right(column: &Column) -> bool {
    matches!(column, Column::Number | Column::Reward | Column::Margin | Column::Length)
}

/// A cell's text. Rewards found here stand out, those of the file are dim.
fn cell(state: &State, line: &Line, column: &Column, theme: &Theme) -> (String, Style) {
    let facts = &line.facts;
    let (text, dim) = (theme.style(Meaning::Text), theme.style(Meaning::Dim));
    let found = state.found_rewards(facts.number);
    let hidden = state.data.examples.get(&facts.number).is_some_and(|example| state.desk.hides(*example));
    let some = found.iter().any(Option::is_some) || facts.rewards.iter().any(|r| !r.is_nan());
    if hidden && some && matches!(column, Column::Reward | Column::Margin) {
        return ("hidden".into(), dim);
    }
    let value = |found: Option<f32>, file: f32| match (found, file.is_nan()) {
        _ if state.is_at_work(facts.number) => ("…".to_owned(), theme.style(Meaning::Accent)),
        (Some(value), _) => (format!("{value:+.3}"), theme.sign(value)),
        (None, false) => (format!("{file:+.3}"), dim),
        (None, true) => (String::new(), dim),
    };
    match column {
        Column::Number => (thousands(facts.number as usize), dim),
        Column::Id => (one_line(&line.id), text),
        Column::Prompt | Column::Answer => (one_line(&line.prompt), text),
        Column::Kind => (facts.kind.word(), dim),
        Column::Reward => value(found[0], facts.rewards[0]),
        Column::Margin => value(found[0].zip(found[1]).map(|(a, b)| a - b), facts.margin()),
        Column::Length => (facts.lengths[0].to_string(), text),
        Column::Label => (facts.label().to_owned(), text),
        Column::File(name) => {
            let cell = line.cells.iter().find(|(of, _)| of == name);
            (cell.map(|(_, value)| one_line(value)).unwrap_or_default(), text)
        }
    }
}

/// Draws bad rows; returns which is the first.
fn bad(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) -> usize {
    let data = &state.data;
    let count = data.index.as_ref().map_or(0, Index::notes);
    if count == 0 {
        buffer.set_stringn(
            area.x,
            area.y,
            "every row could be read",
            usize::from(area.width),
            theme.style(Meaning::Dim),
        );
        return 0;
    }
    let first = first_of(data.bad_at, count, usize::from(area.height));
    for (place, y) in (first..count).zip(area.y..area.bottom()) {
        let here = place == data.bad_at;
        let line = place.checked_sub(data.bad.0).and_then(|at| data.bad.1.get(at));
        let (at, reason) = line.map_or(("…", ""), |(at, reason)| (at.as_str(), reason.as_str()));
        // The end of a path is what tells files apart.
        let at = one_line(at);
        let most = usize::from(area.width / 3).max(16);
        let skip = at.chars().count().saturating_sub(most);
        let at: String =
            if skip > 0 { format!("…{}", at.chars().skip(skip + 1).collect::<String>()) } else { at };
        let mark = if here { "▸" } else { " " };
        let room = usize::from(area.width);
        let (x, _) = buffer.set_stringn(area.x, y, format!("{mark}{at}  "), room, theme.style(Meaning::Dim));
        let room = usize::from(area.right().saturating_sub(x));
        buffer.set_stringn(x, y, one_line(reason), room, theme.style(Meaning::Text));
        if here {
            buffer.set_style(Rect { y, height: 1, ..area }, theme.style(Meaning::Selected));
        }
    }
    first
}

/// Work in hand first, then what is shown.
fn status(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let data = &state.data;
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut parts: Vec<(String, Meaning)> = Vec::new();
    if let Some(index) = &data.index {
        match (index.done, index.stopped) {
            (true, _) => {}
            (false, true) => parts.push(("reading stopped: g d reads on".into(), Meaning::Warning)),
            (false, false) => {
                let share = index.share.map(|share| format!(" {}", percent(share))).unwrap_or_default();
                parts.push((format!("reading{share}"), Meaning::Accent));
            }
        }
    }
    if let Some(batch) = &data.batch {
        let failed = if batch.failed > 0 { format!(", {} failed", batch.failed) } else { String::new() };
        let text = format!("critiquing row {} of {}{failed} · esc stops", batch.begun(), batch.rows);
        parts.push((text, Meaning::Accent));
    }
    let work = match (data.finding.1, data.exporting, data.querying) {
        (true, ..) => Some("looking"),
        (_, true, _) => Some("writing"),
        (.., true) => Some(if data.query.sort.is_some() { "sorting" } else { "filtering" }),
        _ => None,
    };
    if let Some(work) = work {
        let share =
            data.share.filter(|_| work != "looking").map(|s| format!(" {}", percent(s))).unwrap_or_default();
        parts.push((format!("{work}{share} · esc stops"), Meaning::Accent));
    }
    if !data.chosen.is_empty() {
        parts.push((format!("{} chosen", thousands(data.chosen.len())), Meaning::Title));
    }
    if data.range.is_some() {
        parts.push(("choosing a range: V ends it".into(), Meaning::Title));
    }
    if let Some(filter) = &data.query.filter {
        parts.push((format!("where {}", one_line(&filter.to_string())), Meaning::Text));
    }
    if let Some((column, descending)) = &data.query.sort {
        let direction = if *descending { "down" } else { "up" };
        parts.push((format!("by {} {direction}", one_line(column.name())), Meaning::Text));
    }
    let bad = data.index.as_ref().map_or(0, |index| index.bad);
    if bad > 0 {
        parts.push((format!("{} bad: B", thousands(bad)), Meaning::Warning));
    }
    let repeated = data.index.as_ref().map_or(0, |index| index.repeated);
    if repeated > 0 {
        parts.push((format!("{} repeated ids: B", thousands(repeated)), Meaning::Warning));
    }
    let mut x = area.x + 1;
    for (at, (text, meaning)) in parts.iter().enumerate() {
        let dot = if at > 0 { " · " } else { "" };
        let room = usize::from(area.right().saturating_sub(x));
        let (to, _) = buffer.set_stringn(x, area.y, dot, room, theme.style(Meaning::Dim));
        let room = usize::from(area.right().saturating_sub(to));
        (x, _) = buffer.set_stringn(to, area.y, text, room, theme.style(*meaning));
    }
}

/// Under the filter being typed: what is wrong with it, or what can be written.
pub fn filter_help(state: &State, text: &str, theme: &Theme, inner: Rect, buffer: &mut Buffer) {
    let room = usize::from(inner.width);
    let mut put = |row: u16, text: &str, meaning: Meaning| {
        if inner.y + row < inner.bottom() {
            buffer.set_stringn(inner.x, inner.y + row, text, room, theme.style(meaning));
        }
    };
    match check_filter(state, text) {
        Err(wrong) => put(1, &one_line(&wrong), Meaning::Warning),
        Ok(None) => put(1, "nothing: all rows", Meaning::Dim),
        Ok(Some(_)) => put(1, "enter shows them", Meaning::Dim),
    }
    put(2, "margin < 0.5    label = tie    steps >= 3    prompt ~ word    id = none", Meaning::Hint);
    put(3, "= != < <= > >= ~ (has) !~   and or not ( )   \"two words\"", Meaning::Hint);
    put(4, "row id prompt answer kind reward margin length label, or a column", Meaning::Hint);
}

/// Columns that could be added.
pub fn columns(
    state: &State,
    picked: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let hidden = state.data.hidden();
    limits.list = hidden.len().saturating_sub(1);
    let height = u16::try_from(hidden.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inner = panel::popup("Add a column", 48, height, theme, area, buffer);
    let first = first_of(picked, hidden.len(), usize::from(inner.height));
    for ((at, column), y) in hidden.iter().enumerate().skip(first).zip(inner.y..inner.bottom()) {
        let mark = if at == picked { "▸" } else { " " };
        let text = format!("{mark}{}", one_line(column.name()));
        buffer.set_stringn(inner.x, y, text, usize::from(inner.width), theme.style(Meaning::Text));
        if at == picked {
            buffer.set_style(Rect { y, height: 1, ..inner }, theme.style(Meaning::Selected));
        }
    }
}

/// A count with a comma after each three digits.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
