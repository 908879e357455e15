//! Over the Teach screen: the Train dialog; both models of a run over the same rows.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;

use crate::app::teach::{Change, Estimate, FIELDS, Form, Judged, Pair, Plan, Set};
use crate::app::{Limits, State, diff};
use crate::widgets::flow::{Flow, Run as Words};
use crate::widgets::panel::{self, Frame};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Cells of a setting's name.
const NAMES: u16 = 10;

/// Draws the dialog.
pub fn form(state: &State, form: &Form, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let height = FIELDS.iter().filter(|field| form.counts(**field)).count() as u16 + 8;
    let title = match &form.from {
        Some(from) => {
            format!("Train · like {}", one_line(&from.file_name().unwrap_or_default().to_string_lossy()))
        }
        None => "Train".to_owned(),
    };
    let inner = panel::popup(&title, 96, height, theme, area, buffer);
    let mut y = inner.y;
    for field in FIELDS.iter().filter(|field| form.counts(**field)) {
        let here = *field == form.field;
        let mark = if here { "▸" } else { " " };
        let name = theme.style(if here { Meaning::Focus } else { Meaning::Dim });
        buffer.set_stringn(inner.x, y, format!("{mark}{}", field.title()), usize::from(NAMES) + 1, name);
        let value = one_line(form.get(*field));
        let room = usize::from(inner.width.saturating_sub(NAMES + 4));
        let text = match (form.choices(*field).is_empty(), here) {
            (true, true) => {
                let skip = value.chars().count().saturating_sub(room.saturating_sub(1));
                format!("{}▏", value.chars().skip(skip).collect::<String>())
            }
            (false, true) => format!("‹ {value} ›"),
            (true, false) => value,
            (false, false) => format!("  {value}"),
        };
        let style = theme.style(if here { Meaning::Focus } else { Meaning::Text });
        buffer.set_stringn(inner.x + NAMES + 2, y, text, room, style);
        y += 1;
    }
    let below = Rect { y, height: inner.bottom().saturating_sub(y), ..inner };
    let about = format!("{}: {}\n", form.field.title(), form.about());
    let (plan, meaning) = match &state.teach.plan {
        Plan::Unknown => (String::new(), Meaning::Dim),
        Plan::Asked => ("estimate: being worked out …".to_owned(), Meaning::Dim),
        Plan::Takes(text) => {
            (format!("estimate, from the shapes; the first steps correct it: {text}"), Meaning::Text)
        }
        Plan::Refused(why) => (format!("✗ {why}"), Meaning::Error),
    };
    let words = [
        Words::new(about, theme.style(Meaning::Dim), 0),
        Words::new(one_line(&plan), theme.style(meaning), 0),
    ];
    Flow::wrap(&words, usize::from(inner.width), theme).draw(0, below, buffer);
}

/// Draws before and after.
pub fn judged(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let Some(judged) = &state.teach.judged else { return };
    let name = state.teach.run_at(&judged.run).map_or("", |run| run.name.as_str());
    let inner = panel::popup(
        &format!("Before and after · {}", one_line(name)),
        area.width,
        area.height,
        theme,
        area,
        buffer,
    );
    let waits = judged.error.as_deref().map(|e| (format!("✗ {e}"), Meaning::Error));
    let waits = waits.or_else(|| {
        (!judged.way.is_empty()).then(|| (format!("{} …   esc gives it up", judged.way), Meaning::Dim))
    });
    if let Some((text, meaning)) = waits {
        let text = Flow::wrap(&[Words::new(text, theme.style(meaning), 0)], usize::from(inner.width), theme);
        return text.draw(0, inner, buffer);
    }
    let (sets, said) =
        (judged.sets.len() as u16, said(judged, theme, inner.width.saturating_sub(2)).len() as u16);
    let rows = [Constraint::Length(sets + 1 + said), Constraint::Fill(1), Constraint::Fill(2)];
    let [upper, list, texts] = Layout::vertical(rows).areas(inner);
    numbers(judged, theme, upper, buffer);
    self::rows(judged, theme, list, buffer);
    critiques(judged, theme, texts, buffer, limits);
}

/// Draws the list of kept models.
pub fn models(
    state: &State,
    picked: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let models = &state.teach.models;
    limits.list = models.len().saturating_sub(1);
    let height = u16::try_from(models.len().max(1)).unwrap_or(u16::MAX).saturating_add(2);
    let inner = panel::popup("Models that were kept", 76, height, theme, area, buffer);
    if models.is_empty() {
        let text = "none yet: K on the Teach screen keeps a run's result under a name";
        buffer.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.style(Meaning::Dim));
    }
    let picked = picked.min(limits.list);
    let first = (picked + 1).saturating_sub(usize::from(inner.height).max(1));
    for ((at, model), y) in models.iter().enumerate().skip(first).zip(inner.y..inner.bottom()) {
        let mark = if at == picked { "▸" } else { " " };
        let name = format!("{mark}{}  ", one_line(&model.name));
        let (x, _) =
            buffer.set_stringn(inner.x, y, name, usize::from(inner.width), theme.style(Meaning::Text));
        let room = usize::from(inner.right().saturating_sub(x));
        buffer.set_stringn(x, y, one_line(&model.about), room, theme.style(Meaning::Dim));
        if at == picked {
            buffer.set_style(Rect { y, height: 1, ..inner }, theme.style(Meaning::Selected));
        }
    }
}

fn percent(e: &Estimate) -> String {
    if e.n == 0 {
        "−".into()
    } else {
        format!("{:.0} % [{:.0}, {:.0}]", 100.0 * e.value, 100.0 * e.low, 100.0 * e.high)
    }
}

/// What is said of the shown set beside its line: as many rows as it needs.
fn said(judged: &Judged, theme: &Theme, width: u16) -> Flow {
    let Some(Set { comparison: c, .. }) = judged.shown() else { return Flow::wrap(&[], 1, theme) };
    let l = &c.length;
    let signed = |e: &Estimate, scale: f64| {
        format!("{:+.1} [{:+.1}, {:+.1}]", scale * e.value, scale * e.low, scale * e.high)
    };
    let text = [
        format!(
            "accuracy {} points · margin {} sd of each model's own rewards",
            signed(&c.accuracy_change, 100.0),
            signed(&c.margin_change, 1.0)
        ),
        format!(
            "length: the longer is right {}; prefers the longer {} → {}; right where the shorter is {} → {}",
            percent(&l.longer_is_right),
            percent(&l.old_prefers_longer),
            percent(&l.new_prefers_longer),
            percent(&l.old_against_length),
            percent(&l.new_against_length)
        ),
    ]
    .join("\n");
    Flow::wrap(&[Words::new(text, theme.style(Meaning::Text), 0)], usize::from(width), theme)
}

fn numbers(judged: &Judged, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.width);
    // The names give way first, so that the test stays on the line.
    let names = (room.saturating_sub(72)).clamp(8, 24);
    let line = |mark: &str, [name, pairs, old, new, fixed, broken, test]: [&str; 7]| {
        let name: String = name.chars().take(names).collect();
        format!("{mark} {name:names$} {pairs:>5} {old:>14} → {new:14} {fixed:>5} {broken:>6}  {test}")
    };
    let head = line(" ", ["rows", "pairs", "before", "after", "fixed", "broken", "McNemar"]);
    buffer.set_stringn(area.x, area.y, head, room, theme.style(Meaning::Dim));
    for ((at, set), y) in judged.sets.iter().enumerate().zip(area.y + 1..area.bottom()) {
        let c = &set.comparison;
        let mark = if at == judged.set { "▸" } else { " " };
        let [pairs, fixed, broken] = [c.pairs, c.fixed, c.broken].map(|n| n.to_string());
        let (old, new) = (percent(&c.old_accuracy), percent(&c.new_accuracy));
        let test = format!("p = {:.3}", c.mcnemar_p);
        let text = line(mark, [&set.name, &pairs, &old, &new, &fixed, &broken, &test]);
        let style = theme.style(if at == judged.set { Meaning::Text } else { Meaning::Dim });
        buffer.set_stringn(area.x, y, text, room, style);
    }
    let below = 1 + judged.sets.len() as u16;
    let rest = Rect {
        x: area.x + 2,
        y: area.y + below,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(below),
    };
    said(judged, theme, rest.width).draw(0, rest, buffer);
}

fn word(pair: &Pair) -> (&'static str, Meaning) {
    match pair.change {
        Change::Fixed => ("fixed", Meaning::Positive),
        Change::Broken => ("broken", Meaning::Negative),
        Change::StillRight => ("right", Meaning::Dim),
        Change::StillWrong => ("wrong", Meaning::Dim),
    }
}

fn rows(judged: &Judged, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = judged.rows();
    let right = format!(
        "{} · {} of {}",
        judged.show.word(),
        rows.len(),
        judged.shown().map_or(0, |s| s.comparison.pairs)
    );
    let inner = panel::draw("Rows", &right, true, Frame::Line, theme, area, buffer);
    if rows.is_empty() {
        buffer.set_stringn(
            inner.x,
            inner.y,
            "none of these: f shows others",
            usize::from(inner.width),
            theme.style(Meaning::Dim),
        );
    }
    let picked = judged.picked.min(rows.len().saturating_sub(1));
    let first = (picked + 1).saturating_sub(usize::from(inner.height).max(1));
    for ((at, pair), y) in rows.iter().enumerate().skip(first).zip(inner.y..inner.bottom()) {
        let (what, meaning) = word(pair);
        let mark = if at == picked { "▸" } else { " " };
        let id = pair.id.as_str().map_or_else(|| pair.id.to_string(), str::to_owned);
        let (x, _) = buffer.set_stringn(
            inner.x,
            y,
            format!("{mark}{what:6} "),
            usize::from(inner.width),
            theme.style(meaning),
        );
        let text = format!(
            "#{id:5} margin {:+.2} → {:+.2} sd  rank {:.0} → {:.0} %  {}",
            pair.old.scaled,
            pair.new.scaled,
            100.0 * pair.old.rank,
            100.0 * pair.new.rank,
            judged
                .shown()
                .and_then(|s| s.texts.get(&pair.id.to_string()))
                .map(|t| one_line(&t.1))
                .unwrap_or_default(),
        );
        buffer.set_stringn(
            x,
            y,
            text,
            usize::from(inner.right().saturating_sub(x)),
            theme.style(Meaning::Text),
        );
        if at == picked {
            buffer.set_style(Rect { y, height: 1, ..inner }, theme.style(Meaning::Selected));
        }
    }
}

/// Critiques of the picked row's answers, old beside new; words the other has not are marked.
fn critiques(judged: &Judged, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let Some(pair) = judged.pair() else { return };
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(area);
    let (old, new) = (pair.old.critiques.as_ref(), pair.new.critiques.as_ref());
    let changed = theme.style(Meaning::Warning).add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    let mut flows = Vec::new();
    for (at, (verdict, half)) in [(&pair.old, halves[0]), (&pair.new, halves[1])].into_iter().enumerate() {
        let title = if at == 0 { "before" } else { "after" };
        let right = format!("margin {:+.2}", verdict.margin);
        let inner = panel::draw(title, &right, false, Frame::Line, theme, half, buffer);
        let mut words = Vec::new();
        for side in 0..2 {
            let name = if side == 0 { "chosen" } else { "rejected" };
            let reward = if side == 0 { verdict.chosen } else { verdict.rejected };
            words.push(Words::new(format!("{name} {reward:+.2}: "), theme.style(Meaning::Title), 0));
            match old.and_then(|o| o.get(side)).zip(new.and_then(|n| n.get(side))) {
                Some((old, new)) => {
                    let pieces = diff::words(old.trim(), new.trim());
                    words.extend(pieces.into_iter().nth(at).unwrap_or_default().into_iter().map(
                        |(text, same)| {
                            Words::new(text, if same { theme.style(Meaning::Text) } else { changed }, 0)
                        },
                    ));
                }
                None => words.push(Words::new("no critiques", theme.style(Meaning::Dim), 0)),
            }
            words.push(Words::new("\n", theme.style(Meaning::Text), 0));
        }
        let flow = Flow::wrap(&words, usize::from(inner.width.saturating_sub(1)), theme);
        limits.layer = limits.layer.max(flow.len().saturating_sub(usize::from(inner.height)));
        flows.push((flow, inner));
    }
    for (flow, inner) in flows {
        flow.draw(judged.top.min(limits.layer), inner, buffer);
    }
}
