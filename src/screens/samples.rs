//! Several critiques of one answer: how their rewards spread, and the list to open one from.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{How, Limits, Phase, Spot, State, Target};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, histogram, panel};

/// Rows of the histogram.
const BARS: u16 = 5;

/// Draws histogram and list over the body.
pub fn draw(
    state: &State,
    picked: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let samples = state.samples();
    limits.list = samples.len().saturating_sub(1);
    let inner = panel::popup("Critiques of this answer", 100, area.height, theme, area, buffer);
    let (greedy, sampled): (Vec<_>, Vec<_>) = samples
        .iter()
        .filter_map(|t| Some((*t, t.settled()?.reward)))
        .partition(|(take, _)| take.how == How::Greedy);
    let rewards: Vec<f32> = sampled.iter().map(|(_, reward)| *reward).collect();
    let room = usize::from(inner.width);
    let waiting = samples.iter().filter(|t| t.phase.is_running()).count();
    let mut line = match spread(&rewards) {
        Some((mean, sd)) => {
            let words: Vec<String> = sampled.iter().map(|(take, _)| take.words()).collect();
            let alike = words.len() > 1 && words.iter().all(|w| Some(w) == words.first());
            let alike = if alike { ", all the same words" } else { "" };
            let sd = sd.map_or_else(|| "–".to_owned(), |sd| format!("{sd:.3}"));
            format!("{} sampled{alike}: mean {mean:+.3}, sd {sd}", rewards.len())
        }
        None => "none sampled yet".to_owned(),
    };
    if let Some((_, reward)) = greedy.first() {
        let _ = write!(line, " · apart: greedy {reward:+.3}");
    }
    if waiting > 0 {
        let _ = write!(line, " · {waiting} being written");
    }
    buffer.set_stringn(inner.x, inner.y, line, room, theme.style(Meaning::Text));
    let bars = if inner.height > BARS + 7 { BARS } else { 2 };
    let place = Rect { y: inner.y + 1, height: bars + 1, ..inner };
    histogram::draw(&rewards, state.bound, theme, place, buffer);
    let list = Rect { y: place.bottom() + 1, height: inner.height.saturating_sub(bars + 3), ..inner };
    let picked = picked.min(limits.list);
    let first = (picked + 1).saturating_sub(usize::from(list.height));
    for ((index, take), y) in samples.iter().enumerate().skip(first).zip(list.y..list.bottom()) {
        let mark = if index == picked { "▸" } else { " " };
        let (value, style) = match (&take.phase, take.settled()) {
            (Phase::Failed(_), _) => ("      ✗".to_owned(), theme.style(Meaning::Error)),
            (Phase::Stopped, _) => ("stopped".to_owned(), theme.style(Meaning::Dim)),
            (_, Some(verdict)) => (format!("{:+.4}", verdict.reward), theme.sign(verdict.reward)),
            (_, None) => (format!("{:>4} …", take.tokens.len()), theme.style(Meaning::Accent)),
        };
        let row = Rect { y, height: 1, ..list };
        limits.spots.push(Spot::row(y, row.x, row.right(), Target::Row(index)));
        buffer.set_stringn(row.x, y, format!("{mark}{:<9}", take.how.words()), 11, theme.style(Meaning::Dim));
        buffer.set_stringn(row.x + 11, y, value, 8, style);
        let text = one_line(&take.words().chars().take(200).collect::<String>());
        buffer.set_stringn(row.x + 20, y, text, room.saturating_sub(20), theme.style(Meaning::Text));
        if index == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
}

/// Mean and standard deviation (of a sample, so of two values or more).
fn spread(values: &[f32]) -> Option<(f32, Option<f32>)> {
    let n = values.len() as f32;
    let mean = (!values.is_empty()).then(|| values.iter().sum::<f32>() / n)?;
    let square: f32 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| (square / (n - 1.0)).sqrt())))
}
