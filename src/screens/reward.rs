//! The reward, large, on its scale, with the name of its reading; margin and sigma(margin) of a pair.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use crate::app::{How, Phase, ReEncoded, Side, State, Take};
use crate::widgets::panel::{self, Frame};
use crate::widgets::{Meaning, Theme, digits, meter};

/// Draws the pane.
pub fn draw(state: &State, theme: &Theme, area: Rect, frame: Frame, buffer: &mut Buffer) {
    let shown = state.critique_take();
    let reading = shown.map(|(take, stale)| reading(take, stale)).unwrap_or_default();
    let percentile = shown.and_then(|(take, _)| state.percentile(take));
    let percentile = percentile.map(|(share, n)| format!(" · percentile {share:.0} of {n} scored"));
    let reading = format!("{reading}{}", percentile.unwrap_or_default());
    let inner = panel::draw("Reward", &reading, false, frame, theme, area, buffer);
    let take = shown.map(|(take, _)| take);
    let large = take.and_then(Take::large);
    let value = large.map(|(reward, _)| reward);
    let roomy = inner.height >= 8;
    let tall = roomy && inner.width >= 66;
    // Of a live value two decimals are enough; the rest would only flicker.
    let text = value.map_or_else(|| "−.−−".to_owned(), |v| format!("{v:+.2}"));
    let style = style(value, shown, theme);
    let mark = large.and_then(|(_, stop_here)| stop_here);
    let lines = readings(state, take);
    if roomy {
        let place = if tall { inner } else { Rect { y: inner.y + 1, height: 3, ..inner } };
        digits::draw(&text, tall, place, style, buffer);
        let beside = digits::width(&text, tall).max(if tall { 0 } else { 16 }) + 3;
        let column =
            Rect { x: inner.x + beside, width: inner.width.saturating_sub(beside), height: 5, ..inner };
        list(&lines, theme, column, buffer);
        let scale = Rect { y: inner.y + 6, height: inner.height - 6, ..inner };
        meter::draw(value, mark, state.bound, theme, scale, buffer);
    } else {
        digits::draw(&text, false, inner, style, buffer);
        let beside = 22.min(inner.width / 3).max(digits::width(&text, false) + 2);
        let column = Rect { x: inner.x + beside, width: inner.width.saturating_sub(beside), ..inner };
        // Whole readings only: a number that is cut reads as another number.
        let mut words = String::new();
        for (name, value) in &lines {
            let next = format!("{}{name} {value}", if words.is_empty() { "" } else { "  " });
            if words.width() + next.width() <= usize::from(column.width) {
                words.push_str(&next);
            }
        }
        buffer.set_string(column.x, column.y, words, theme.style(Meaning::Text));
        if column.height > 1 {
            let scale = Rect { y: column.y + 1, height: column.height - 1, ..column };
            meter::draw(value, mark, state.bound, theme, scale, buffer);
        }
    }
}

/// Draws the reward of an answer of a pair: beside it, that of the other one.
pub fn draw_side(state: &State, side: Side, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let shown = state.critique_take_of(side);
    let reading = shown.map(|(take, stale)| reading(take, stale)).unwrap_or_default();
    // Which of them the keys go to.
    let title = format!("Reward, {}{}", state.side_name(side), if side == state.side { " ◂" } else { "" });
    let inner = panel::draw(&title, reading, false, Frame::Box, theme, area, buffer);
    let take = shown.map(|(take, _)| take);
    let large = take.and_then(Take::large);
    let value = large.map(|(reward, _)| reward);
    let text = value.map_or_else(|| "−.−−".to_owned(), |v| format!("{v:+.2}"));
    digits::draw(&text, false, inner, style(value, shown, theme), buffer);
    let beside = digits::width(&text, false).max(16) + 2;
    let column = Rect { x: inner.x + beside, width: inner.width.saturating_sub(beside), height: 3, ..inner };
    list(&of_take(state, take), theme, column, buffer);
    let scale = Rect { y: inner.y + 3, height: inner.height.saturating_sub(3), ..inner };
    meter::draw(value, large.and_then(|(_, stop_here)| stop_here), state.bound, theme, scale, buffer);
}

/// Draws the margin of a pair.
pub fn draw_margin(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inner = panel::draw("Margin", "chosen − rejected", false, Frame::Box, theme, area, buffer);
    let [chosen, rejected] = [Side::Chosen, Side::Rejected].map(|side| state.critique_take_of(side));
    let (text, meaning) = match (state.margin(state.selected), chosen.zip(rejected)) {
        (Some((margin, probability)), _) => {
            let found = state.desk.calibration.as_ref();
            let calibrated = match found.map(|found| (found, found.wanting())) {
                Some((found, Some(enough))) => {
                    format!("    calibrated: {} of {enough} labels", found.n)
                }
                Some((found, None)) if found.tells() => {
                    format!("    calibrated {:.3}", found.probability(f64::from(margin)))
                }
                _ => String::new(),
            };
            (
                format!("{margin:+.4}    σ(margin) = P(chosen is better) {probability:.3}{calibrated}"),
                if margin < 0.0 { Meaning::Warning } else { Meaning::Title },
            )
        }
        // Of live rewards a margin is told as such.
        (None, Some(((a, _), (b, _)))) => match a.large().zip(b.large()) {
            Some((a, b)) => (format!("{:+.2} so far", a.0 - b.0), Meaning::Dim),
            None => ("when both critiques are complete".to_owned(), Meaning::Dim),
        },
        (None, None) => ("space runs both critiques".to_owned(), Meaning::Dim),
    };
    buffer.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.style(meaning));
}

fn style(value: Option<f32>, shown: Option<(&Take, bool)>, theme: &Theme) -> Style {
    match (value, shown) {
        (_, Some((_, true))) => theme.style(Meaning::Stale),
        (Some(v), _) => theme.sign(v),
        (None, _) => theme.style(Meaning::Track),
    }
}

fn reading(take: &Take, stale: bool) -> &'static str {
    match (&take.phase, stale) {
        (_, true) => "stale: of the take before",
        (Phase::Scoring, _) => "in-place, being read",
        (Phase::Complete, _) => "in-place",
        (Phase::Stopped, _) if !take.tokens.is_empty() => "in-place, where it was stopped",
        (Phase::Streaming, _) => "in-place, live",
        _ => "",
    }
}

/// Names and values beside the large number.
fn readings(state: &State, take: Option<&Take>) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let Some(take) = take else { return lines };
    let pair = state.is_pair();
    if let Some((margin, probability)) = state.margin(state.selected).filter(|_| pair) {
        lines.push(("margin", format!("{margin:+.2}")));
        lines.push(("P(chosen)", format!("{probability:.3}")));
        if let Some(found) = state.desk.calibration.as_ref().filter(|found| found.tells()) {
            let (p, t, n) = (found.probability(f64::from(margin)), found.temperature, found.n);
            let t = if t.is_finite() { format!("T {t:.2}") } else { "T ∞".into() };
            lines.push(("calibrated", format!("{p:.3} ({t}, {n} labels)")));
        }
    }
    lines.extend(of_take(state, Some(take)));
    if pair
        && let Some(other) = state.take_of(state.selected, state.side.other())
        && let Some(reward) = other.reward()
    {
        let side = state.side.other();
        let edited = state.example().is_some_and(|example| example.input(side) != other.input);
        let how = if edited { " edited" } else { "" };
        lines.push((state.side_name(side), format!("{reward:+.2}{how}{}", other.manner())));
    }
    lines
}

/// Its change, both readings, or how it stands while it is written.
fn of_take(state: &State, take: Option<&Take>) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let Some(take) = take else { return lines };
    if let Some(verdict) = &take.verdict {
        lines.extend(moved(state, take).map(|text| ("change", text)));
        lines.push(("in-place", format!("{:+.4}", verdict.reward)));
        match &take.re_encoded {
            ReEncoded::Read(other) => {
                let gap = other.reward - verdict.reward;
                lines.push(("re-encoded", format!("{:+.4} ({gap:+.4})", other.reward)));
            }
            ReEncoded::Waiting => lines.push(("re-encoded", "…".into())),
            ReEncoded::Failed(_) => lines.push(("re-encoded", "✗".into())),
            ReEncoded::Not => {}
        }
    } else {
        // Every token's value is here; the large number follows a few times a second.
        lines.extend(take.reward().map(|reward| ("live", format!("{reward:+.3}"))));
        lines.extend(take.stop_here().map(|reward| ("◆ stop-here", format!("{reward:+.3}"))));
    }
    lines
}

/// How the reward moved from the take before, where only the critique is another one.
fn moved(state: &State, take: &Take) -> Option<String> {
    let before = take.parent.and_then(|id| state.takes.get(id))?;
    if matches!(take.how, How::Greedy | How::Sampled { .. } | How::Edited)
        || state.incomparable(take, before).is_some()
        || take.phase == Phase::Scoring
    {
        return None;
    }
    let change = take.settled()?.reward - before.settled()?.reward;
    Some(format!("{change:+.4} from #{}", before.id.0 + 1))
}

fn list(lines: &[(&'static str, String)], theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.width);
    for ((name, value), y) in lines.iter().zip(area.y..area.bottom()) {
        // A number that is cut reads as another one: what stands in brackets is left out first, then the column.
        let short = value.split_once(" (").map_or(value.as_str(), |(number, _)| number);
        let value = if value.width() + COLUMN > room { short } else { value };
        let at = if value.width() + COLUMN > room { name.width() + 1 } else { COLUMN };
        if value.width() + at > room {
            continue;
        }
        buffer.set_string(area.x, y, name, theme.style(Meaning::Dim));
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        buffer.set_string(area.x.saturating_add(at), y, value, theme.style(Meaning::Text));
    }
}

/// Cells before the values.
const COLUMN: usize = 13;
