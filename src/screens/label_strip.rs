//! Under A and B: the scale with its keys, what was said so far, progress, pace and agreement.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use crate::app::{Stand, State, figure};
use crate::label::{Given, span};
use crate::session::Progress;
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Rows it takes.
pub fn height(state: &State, area: Rect) -> u16 {
    let others = u16::from(state.desk.adjudicating);
    let agreement = u16::from(area.height >= 28);
    4 + others + agreement
}

/// Draws it.
pub fn draw(state: &State, index: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let right = saved(state);
    let title = title(state, index);
    let inner = panel::draw(&title, &right, false, Frame::Line, theme, area, buffer);
    let mut rows = (inner.y..inner.bottom()).map(|y| Rect { y, height: 1, ..inner });
    if let Some(row) = rows.next() {
        scale(state, index, theme, row, buffer);
    }
    if let Some(row) = rows.next() {
        said(state, index, theme, row, buffer);
    }
    if state.desk.adjudicating
        && let Some(row) = rows.next()
    {
        put(&others(state, index), Meaning::Accent, theme, row, buffer);
    }
    if let Some(row) = rows.next() {
        put(&progress(state, row.width), Meaning::Text, theme, row, buffer);
    }
    if let Some(row) = rows.next() {
        put(&agreement(state), Meaning::Dim, theme, row, buffer);
    }
}

fn put(text: &str, meaning: Meaning, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    buffer.set_stringn(row.x, row.y, text, usize::from(row.width), theme.style(meaning));
}

/// How far this pair is.
fn title(state: &State, index: usize) -> String {
    let stand = match state.desk.stand(index) {
        Stand::Pending => "pending",
        Stand::Taken => "labelled by others",
        Stand::Is(Progress::Draft) => "draft",
        Stand::Is(Progress::Skipped) => "skipped",
        Stand::Is(Progress::Submitted) => "submitted",
    };
    let blind = match state.desk.mine(index) {
        Some(label) if label.revealed => " · revealed before the choice",
        _ if state.desk.shows_scores(index) => "",
        _ if state.desk.has_seen(index) => " · its rewards were seen elsewhere",
        _ => " · blind",
    };
    let settling = if state.desk.adjudicating { " · settling a conflict" } else { "" };
    format!("{stand}{blind}{settling}")
}

/// Whether all is on the disk.
fn saved(state: &State) -> String {
    let by = one_line(state.desk.by());
    match (state.desk.book.expected(), &state.unsaved.1) {
        (_, Some(_)) => format!("{by} · NOT SAVED"),
        (0, None) => format!("{by} · saved"),
        (n, None) => format!("{by} · saving {n}"),
    }
}

/// The five choices, the given one marked.
fn scale(state: &State, index: usize, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    let pair = state.shown_sides().len() > 1;
    let names = match (pair, row.width >= 100) {
        (true, true) => ["A much better", "A slightly better", "equal", "B slightly better", "B much better"],
        (true, false) => ["A much", "A better", "equal", "B better", "B much"],
        (false, _) => ["very good", "good", "neither", "bad", "very bad"],
    };
    let given = state.desk.mine(index).and_then(|label| Some(Given::of(label.choice?, &label.shown).0));
    let mut x = row.x;
    for (name, key) in names.iter().zip(1_u8..) {
        let here = given == Some(key);
        let mark = if here { "▸" } else { " " };
        let text = format!("{mark}{key} {name} ");
        if x + text.width() as u16 > row.right() {
            break;
        }
        let mut style = theme.style(if here { Meaning::Focus } else { Meaning::Text });
        if here {
            style = style.add_modifier(Modifier::BOLD | Modifier::REVERSED);
        }
        buffer.set_string(x, row.y, &text, style);
        if !here {
            buffer.set_string(x + 1, row.y, key.to_string(), theme.style(Meaning::Accent));
        }
        x += text.width() as u16 + if row.width >= 100 { 3 } else { 1 };
    }
    let skip = "0 skip";
    if x + (skip.width() as u16) < row.right() {
        panel::right(skip, theme.style(Meaning::Accent), row, row.y, buffer);
    }
}

/// What was said beside the choice, or which keys say it.
fn said(state: &State, index: usize, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    let label = state.desk.mine(index);
    let mut parts: Vec<String> = Vec::new();
    if let Some(label) = label {
        if label.all_bad {
            parts.push(if state.shown_sides().len() > 1 { "BOTH BAD" } else { "BAD" }.into());
        }
        if label.flag {
            parts.push("⚑ flagged".into());
        }
        parts.extend((!label.reasons.is_empty()).then(|| one_line(&label.reasons.join(", "))));
        parts.extend((!label.note.is_empty()).then(|| format!("note: {}", one_line(&label.note))));
        parts.extend(label.adopted.as_ref().map(|_| "a take is adopted".to_owned()));
        parts.extend(label.adjudicates.then(|| "settles a conflict".to_owned()));
    }
    let reviews = state.desk.digest(index).map_or(0, |digest| {
        let mine = state.desk.book.reviews().filter(|(by, _)| *by == state.desk.by());
        mine.filter(|(_, s)| s.value.example == *digest).count()
    });
    parts.extend(
        (reviews > 0).then(|| format!("{reviews} critique{} reviewed", if reviews == 1 { "" } else { "s" })),
    );
    match parts.is_empty() {
        true if state.shown_sides().len() < 2 => {
            put("t tags · n note · f flag", Meaning::Hint, theme, row, buffer)
        }
        true => put("b both bad · t tags · n note · f flag", Meaning::Hint, theme, row, buffer),
        false => put(&parts.join(" · "), Meaning::Warning, theme, row, buffer),
    }
}

/// What all said, when a conflict is settled; in terms of the answers as they stand.
fn others(state: &State, index: usize) -> String {
    let Some(digest) = state.desk.digest(index) else { return String::new() };
    let shown = state.desk.shown(index, 2);
    let words = match state.shown_sides().len() {
        1 => ["very good", "good", "neither", "bad", "very bad"],
        _ => ["A much better", "A better", "equal", "B better", "B much better"],
    };
    let all = state.desk.book.labels_of(digest).filter_map(|(by, standing)| {
        let choice = standing.value.choice?;
        let at = usize::from(Given::of(choice, &shown).0.saturating_sub(1));
        let tags = if standing.value.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", standing.value.reasons.join(", "))
        };
        Some(format!("{}: {}{}", one_line(by), words.get(at).copied().unwrap_or_default(), one_line(&tags)))
    });
    all.collect::<Vec<_>>().join(" · ")
}

/// As much of it as fits.
fn progress(state: &State, width: u16) -> String {
    let tally = state.desk.tally();
    let all = tally.all - tally.taken;
    let mut parts = vec![format!("{} of {all} labelled", tally.submitted)];
    parts.extend((tally.skipped > 0).then(|| format!("{} skipped", tally.skipped)));
    parts.extend(
        (tally.drafts > 0)
            .then(|| format!("{} draft{}", tally.drafts, if tally.drafts == 1 { "" } else { "s" })),
    );
    let pace = state.desk.pace();
    if let Some(pace) = pace {
        parts.push(format!("{:.0} an hour, {} a pair", pace.per_hour, span(pace.seconds)));
    }
    let goal = state.desk.setup.goal.map(|goal| goal.saturating_sub(tally.submitted));
    let left = goal.unwrap_or_else(|| tally.open());
    if let Some(goal) = state.desk.setup.goal {
        parts.push(if left == 0 {
            format!("goal {goal} reached")
        } else {
            format!("{left} to the goal of {goal}")
        });
    }
    if let Some(pace) = pace.filter(|_| left > 0) {
        parts.push(format!("{} left", span(pace.eta(left))));
    }
    parts.push(format!("order: {}", one_line(&state.desk.setup.order.to_string())));
    let mut text = String::new();
    for part in parts {
        let next = if text.is_empty() { part } else { format!("{text} · {part}") };
        if next.width() > usize::from(width) {
            break;
        }
        text = next;
    }
    text
}

fn agreement(state: &State) -> String {
    let Some(found) = &state.desk.agreement else { return "a: agreement".into() };
    let mut parts = Vec::new();
    let mine = |two: &&crate::label::Between| two.a == state.desk.by() || two.b == state.desk.by();
    if found.annotators.len() > 2 && found.alpha.n > 0 {
        parts.push(format!("alpha {} over {} pairs", figure(&found.alpha), found.alpha.n));
    }
    for two in found.between.iter().filter(mine) {
        let other = if two.a == state.desk.by() { &two.b } else { &two.a };
        parts.push(format!(
            "with {}: same side {}, kappa {}",
            one_line(other),
            figure(&two.raw),
            figure(&two.kappa)
        ));
    }
    let conflicts = state.desk.conflicts();
    parts.extend(
        (conflicts > 0).then(|| format!("{conflicts} conflict{} (C)", if conflicts == 1 { "" } else { "s" })),
    );
    if parts.is_empty() {
        return "a: agreement with the model, and with others once they label in this session".into();
    }
    format!("{} · a: all of it", parts.join(" · "))
}
