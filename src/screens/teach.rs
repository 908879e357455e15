//! The Teach screen: the runs there are, charts of the picked one and those laid over it, critiques as they change.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use crate::app::teach::{CURVES, Curve, Run, RunState, SMOOTH, TeachPane, Tint, clock, smoothed};
use crate::app::{Limits, State, diff};
use crate::widgets::flow::{Flow, Run as Words};
use crate::widgets::panel::{self, Frame};
use crate::widgets::plot::{Curve as Drawn, Plot, number};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme};

/// Colours of runs laid over one another.
const RUNS: [Meaning; 5] =
    [Meaning::Positive, Meaning::Negative, Meaning::Special, Meaning::Warning, Meaning::Heading];
/// Cells of a chart at least.
const CHART: (u16, u16) = (34, 7);

/// Draws the screen.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let teach = &state.teach;
    limits.list = teach.runs.len().saturating_sub(1);
    if teach.zoom && teach.run().is_some() {
        let [upper, chart] = Layout::vertical([Constraint::Length(4), Constraint::Fill(1)]).areas(area);
        runs(state, theme, upper, buffer);
        if let Some(curve) = CURVES.get(teach.chart) {
            self::chart(state, curve, true, theme, chart, buffer);
        }
        return;
    }
    if area.width >= 110 {
        let [left, right] = Layout::horizontal([Constraint::Length(54), Constraint::Fill(1)]).areas(area);
        let list = (teach.runs.len() as u16 + 3).clamp(6, left.height / 3);
        let rows = [Constraint::Length(list), Constraint::Length(8), Constraint::Fill(1)];
        let [list, about, texts] = Layout::vertical(rows).areas(left);
        runs(state, theme, list, buffer);
        facts(state, theme, about, buffer);
        critiques(state, theme, texts, buffer);
        charts(state, theme, right, buffer);
    } else {
        let list = (teach.runs.len() as u16 + 1).clamp(3, 6);
        let texts = if teach.pane == TeachPane::Critiques { 10 } else { 5 };
        let rows =
            [Constraint::Length(list), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(texts)];
        let [list, about, plots, texts] = Layout::vertical(rows).areas(area);
        runs(state, theme, list, buffer);
        if let Some(run) = teach.run() {
            let style = theme.style(meaning(run));
            buffer.set_stringn(
                about.x + 1,
                about.y,
                one_line(&run.meaning()),
                usize::from(about.width) - 2,
                style,
            );
        }
        charts(state, theme, plots, buffer);
        critiques(state, theme, texts, buffer);
    }
}

/// For a screen reader: the runs, without charts.
pub fn lines(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let [list, about, texts] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(8), Constraint::Length(12)]).areas(area);
    runs(state, theme, list, buffer);
    facts(state, theme, about, buffer);
    critiques(state, theme, texts, buffer);
}

fn frame(area: Rect) -> Frame {
    if area.height >= 6 && area.width >= 50 { Frame::Box } else { Frame::Line }
}

fn meaning(run: &Run) -> Meaning {
    match run.state {
        RunState::Failed | RunState::Dead | RunState::Silent => Meaning::Error,
        RunState::Slow => Meaning::Warning,
        RunState::Running | RunState::Queued => Meaning::Accent,
        _ => Meaning::Dim,
    }
}

fn runs(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let teach = &state.teach;
    let focused = teach.pane == TeachPane::Runs && state.layers.is_empty();
    let count = teach.runs.iter().filter(|run| run.is_at_work()).count();
    let right = match (teach.runs.len(), count) {
        (0, _) => String::new(),
        (all, 0) => format!("{all}"),
        (all, work) => format!("{work} at work · {all}"),
    };
    let inner = panel::draw("Runs", &right, focused, frame(area), theme, area, buffer);
    if teach.runs.is_empty() {
        let text = if teach.looked {
            "no run yet: n sets one up, f watches a folder of runs"
        } else {
            "looking …"
        };
        let text =
            Flow::wrap(&[Words::new(text, theme.style(Meaning::Dim), 0)], usize::from(inner.width), theme);
        text.draw(0, inner, buffer);
        return;
    }
    let picked = teach.place().unwrap_or(0);
    let height = usize::from(inner.height).max(1);
    let first = (picked + 1).saturating_sub(height);
    let names = teach.runs.iter().map(|run| run.name.width()).max().unwrap_or(0).clamp(6, 18);
    for ((at, run), y) in teach.runs.iter().enumerate().skip(first).zip(inner.y..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        let mark = if at == picked { "▸" } else { " " };
        let over = teach.shown().iter().position(|r| r.path == run.path).filter(|_| teach.shown().len() > 1);
        let letter = over.map_or(' ', letter);
        let name: String = one_line(&run.name).chars().take(names).collect();
        let text = format!("{mark}{letter}{name:names$} ");
        let (x, _) = buffer.set_stringn(row.x, y, text, usize::from(row.width), theme.style(Meaning::Text));
        let (x, _) = buffer.set_stringn(
            x,
            y,
            format!("{:8} ", run.word()),
            usize::from(row.right().saturating_sub(x)),
            theme.style(meaning(run)).add_modifier(Modifier::BOLD),
        );
        let last = run.records.last();
        let mut parts = vec![format!("{:>9}", format!("{}/{}", run.step, run.steps))];
        parts.extend(last.map(|r| format!("loss {:<6}", number(r.loss))));
        let accuracy = run.evaluated().and_then(|r| r.eval.as_ref()?.eval_accuracy).map(|a| (a, "held out"));
        let accuracy = accuracy.or_else(|| Some((last?.accuracy?, "")));
        parts.extend(accuracy.map(|(a, what)| format!("{:.0} % {what}", 100.0 * a).trim_end().to_owned()));
        parts.extend(run.eta_s.filter(|_| run.is_at_work()).map(|s| format!("{} to go", clock(s))));
        parts.push(run.recipe.clone());
        let mut room = usize::from(row.right().saturating_sub(x));
        let mut at_x = x;
        for part in parts {
            if part.width() > room {
                break;
            }
            let (to, _) = buffer.set_stringn(at_x, y, &part, room, theme.style(Meaning::Text));
            at_x = to + 2;
            room = usize::from(row.right().saturating_sub(at_x));
        }
        if at == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
}

/// What else is known of the picked run.
fn facts(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(run) = state.teach.run() else { return };
    let inner = panel::draw(&one_line(&run.name), &run.recipe, false, frame(area), theme, area, buffer);
    let mut words = vec![Words::new(format!("{}\n", one_line(&run.meaning())), theme.style(meaning(run)), 0)];
    let estimate = match (&run.corrected, &run.estimate) {
        (Some(real), _) if run.is_at_work() => format!("by the first steps: {real}"),
        (_, Some(guess)) => format!("estimated: {guess}"),
        _ => String::new(),
    };
    words.push(Words::new(one_line(&estimate), theme.style(Meaning::Text), 0));
    if let Some(record) = run.records.last() {
        let memory = record.peak_mib.map(|m| format!(" · {m:.0} MiB at most")).unwrap_or_default();
        let text = format!("\nepoch {} · {:.2} s a step{memory}", record.epoch, record.seconds);
        words.push(Words::new(text, theme.style(Meaning::Dim), 0));
    }
    Flow::wrap(&words, usize::from(inner.width), theme).draw(0, inner, buffer);
}

fn charts(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let columns = (area.width / CHART.0).clamp(1, 3);
    let rows = (area.height / CHART.1).clamp(1, 4);
    let lines = Layout::vertical((0..rows).map(|_| Constraint::Fill(1))).split(area);
    let mut at = state.teach.chart;
    for line in lines.iter() {
        for cell in Layout::horizontal((0..columns).map(|_| Constraint::Fill(1))).split(*line).iter() {
            let drawn = (at + CURVES.len() - state.teach.chart) < 2 * CURVES.len();
            if let Some(curve) = CURVES.get(at % CURVES.len()).filter(|_| drawn) {
                chart(state, curve, at == state.teach.chart, theme, *cell, buffer);
            }
            at += 1;
        }
    }
}

fn letter(at: usize) -> char {
    char::from(b'a' + (at % 26) as u8)
}

fn chart(state: &State, curve: &Curve, first: bool, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let teach = &state.teach;
    let log = teach.log && curve.log;
    let weight = SMOOTH.get(teach.smooth).copied().unwrap_or(0.0);
    let shown = teach.shown();
    let mut drawn = Vec::new();
    let mut values = Vec::new();
    for (at, run) in shown.iter().enumerate() {
        for line in curve.lines.iter().rev() {
            let several = shown.len() > 1;
            if several && line.tint == Tint::Part {
                continue;
            }
            let smooth = if line.tint == Tint::Held { 0.0 } else { weight };
            let points = smoothed(&run.records, line.value, smooth);
            if let (Some((_, value)), 0) = (points.last(), at) {
                values.push((line.name, *value));
            }
            let own = match line.tint {
                Tint::Train => theme.style(Meaning::Positive),
                Tint::Held => theme.style(Meaning::Negative),
                Tint::Part => theme.style(Meaning::Dim),
            };
            let style = if several {
                theme.style(RUNS.get(at % RUNS.len()).copied().unwrap_or(Meaning::Text))
            } else {
                own
            };
            let mark = match (several, line.tint) {
                (true, Tint::Train) => Some(letter(at)),
                (false, Tint::Train) if curve.lines.len() > 1 => Some('t'),
                (false, Tint::Held) => Some('h'),
                _ => None,
            };
            let joined = !several || line.tint != Tint::Held;
            drawn.push(Drawn { points, style, mark, joined });
        }
    }
    drawn.reverse();
    let said = match values.as_slice() {
        _ if shown.len() > 1 => String::new(),
        [.., (held, a), (_, b)] if held.starts_with("eval") => {
            format!("{} · held out {}", number(*b), number(*a))
        }
        [.., (_, value)] => number(*value),
        [] => String::new(),
    };
    let how = [log.then_some("log"), (weight > 0.0).then_some("smooth")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    let title = if how.is_empty() { curve.title.to_owned() } else { format!("{} ({how})", curve.title) };
    let focused = first && teach.pane == TeachPane::Charts && state.layers.is_empty();
    let inner = panel::draw(&title, &said, focused, Frame::Line, theme, area, buffer);
    Plot { curves: &drawn, log }.draw(theme, inner, buffer);
}

/// A held-out row's critique at an evaluation; words that the evaluation before had not are marked.
fn critiques(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let teach = &state.teach;
    let focused = teach.pane == TeachPane::Critiques && state.layers.is_empty();
    let samples = teach.run().map(|run| run.samples.as_slice()).unwrap_or_default();
    let mut steps: Vec<usize> = samples.iter().map(|s| s.step).collect();
    steps.dedup();
    let back = teach.sample.1.min(steps.len().saturating_sub(1));
    let step = steps.iter().rev().nth(back).copied();
    let at = |step: Option<usize>| samples.iter().filter(move |s| Some(s.step) == step).nth(teach.sample.0);
    let right = step
        .map(|step| format!("step {step} · {} of {}", steps.len() - back, steps.len()))
        .unwrap_or_default();
    let inner = panel::draw("Critiques held out", &right, focused, frame(area), theme, area, buffer);
    let Some(sample) = at(step) else {
        let text = match teach.run() {
            Some(run) if run.recipe == "classic" => "a classic model writes none",
            Some(_) => "none yet: a few rows held out are critiqued at each evaluation",
            None => "",
        };
        let text =
            Flow::wrap(&[Words::new(text, theme.style(Meaning::Dim), 0)], usize::from(inner.width), theme);
        text.draw(0, inner, buffer);
        return;
    };
    let reward = sample.reward.map(|r| format!(", reward {r:+.2}")).unwrap_or_default();
    let open = if sample.ended { "" } else { " …" };
    let place = sample.place.rsplit(['/', '\\']).next().unwrap_or_default();
    let head = format!("{} {}{reward}: ", one_line(place), sample.side);
    let mut words = vec![Words::new(head, theme.style(Meaning::Title), 0)];
    if inner.height > 5 {
        words.push(Words::new(format!("{}\n", one_line(&sample.answer)), theme.style(Meaning::Dim), 0));
    }
    let before = at(steps.iter().rev().nth(back + 1).copied());
    match before {
        Some(before) => {
            let [_, pieces] = diff::words(&before.critique, &sample.critique);
            words.extend(pieces.into_iter().map(|(text, same)| {
                let changed =
                    theme.style(Meaning::Warning).add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
                Words::new(text, if same { theme.style(Meaning::Text) } else { changed }, 0)
            }));
        }
        None => words.push(Words::new(sample.critique.as_str(), theme.style(Meaning::Text), 0)),
    }
    words.push(Words::new(open, theme.style(Meaning::Dim), 0));
    Flow::wrap(&words, usize::from(inner.width), theme).draw(0, inner, buffer);
}
