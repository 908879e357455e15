//! What lies over the screen: help, details, palette, the question before quitting, which-key.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::token::quoted;
use super::{data, entry, found, label_layers, samples, takes, teach_layers};
use crate::app::{
    Binding, Context, Help, Layer, Limits, Line, LineFor, Page, Palette, Spot, State, Steer, Target,
};
use crate::widgets::flow::{Flow, Run};
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, panel};

/// Draws all layers, the topmost last.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    for layer in &state.layers {
        // What lies under a layer cannot be clicked.
        if !matches!(layer, Layer::Search(_) | Layer::Edit(_)) {
            limits.spots.clear();
        }
        match layer {
            Layer::Help(keys) => help(state, keys, theme, body, buffer, limits),
            // Drawn in the last line, by `chrome`.
            Layer::Search(_) => {}
            Layer::Entry(text) => entry::draw(text, theme, body, buffer, limits),
            // Drawn in its pane.
            Layer::Edit(_) => {}
            Layer::Pairs(list) => label_layers::pairs(state, list, theme, body, buffer, limits),
            Layer::Review(at) => label_layers::review(state, *at, theme, body, buffer, limits),
            Layer::Tags(picked, all) => {
                label_layers::tags(state, *picked, *all, theme, body, buffer, limits);
            }
            Layer::Writing(text) => label_layers::writing(text, theme, body, buffer, limits),
            Layer::Guidelines(scroll) => {
                label_layers::guidelines(state, *scroll, theme, body, buffer, limits);
            }
            Layer::Takes(list) => takes::draw(state, list, theme, body, buffer, limits),
            Layer::Samples(picked) => samples::draw(state, *picked, theme, body, buffer, limits),
            Layer::Steer(steer) => self::steer(state, *steer, theme, body, buffer, limits),
            Layer::Train(form) => teach_layers::form(state, form, theme, body, buffer),
            Layer::Judged => teach_layers::judged(state, theme, body, buffer, limits),
            Layer::Models(picked) => teach_layers::models(state, *picked, theme, body, buffer, limits),
            Layer::Columns(picked) => data::columns(state, *picked, theme, body, buffer, limits),
            Layer::Line(typed) => line(state, typed, theme, body, buffer),
            Layer::Detail(page) => detail(page, theme, body, buffer, limits),
            Layer::Palette(typed) => palette(state, typed, theme, body, buffer, limits),
            Layer::Quit(what) => quit(what, theme, body, buffer),
        }
    }
    which_key(state, theme, body, buffer);
}

/// Cells for the keys.
const KEYS: u16 = 24;

/// The keys of what lies below, then those of everywhere and of typing; only those with the words typed.
fn help(state: &State, help: &Help, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let below = state.layers.iter().rev().find(|layer| !matches!(layer, Layer::Help(_) | Layer::Search(_)));
    let first: &[Context] = match below {
        Some(Layer::Edit(_) | Layer::Writing(_)) => &[Context::Edit],
        Some(Layer::Pairs(_)) => &[Context::Pairs, Context::Global],
        Some(Layer::Review(_)) => &[Context::Review, Context::Global],
        Some(Layer::Tags(..)) => &[Context::Tags, Context::Global],
        Some(Layer::Train(_)) => &[Context::Train],
        Some(Layer::Judged) => &[Context::Judged, Context::Global],
        Some(Layer::Models(_)) => &[Context::Models, Context::Global],
        Some(Layer::Takes(_)) => &[Context::Takes, Context::Global],
        Some(Layer::Samples(_)) => &[Context::Samples, Context::List, Context::Global],
        Some(Layer::Steer(_) | Layer::Columns(_)) => &[Context::List, Context::Global],
        _ => State::screen_contexts(state.screen, state.focus),
    };
    let typing = [Context::Edit, Context::Takes, Context::Entry];
    let contexts = first.iter().chain(typing.iter().filter(|c| !first.contains(c)));
    let title = match help.query.trim() {
        "" => "Keys · / looks for one".to_owned(),
        words => format!("Keys with ‘{}’", one_line(words)),
    };
    let inner = panel::popup(&title, area.width.min(104), area.height, theme, area, buffer);
    let words: Vec<String> = help.query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let wanted = |b: &Binding| {
        let text = format!("{} {} {}", b.name, b.keys_text(), b.desc).to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    // A row is keys beside rows of wrapped words.
    let mut rows: Vec<(String, Flow, Meaning)> = Vec::new();
    let wrap = |text: &str| {
        let run = Run::new(text.to_owned(), theme.style(Meaning::Text), 0);
        Flow::wrap(&[run], usize::from(inner.width.saturating_sub(KEYS)), theme)
    };
    for context in contexts {
        let bindings: Vec<&Binding> =
            state.keymap.of(&[*context]).into_iter().filter(|b| wanted(b)).collect();
        if bindings.is_empty() {
            continue;
        }
        if !rows.is_empty() {
            rows.push((String::new(), wrap(""), Meaning::Text));
        }
        rows.push((context.title().to_owned(), wrap(""), Meaning::Heading));
        rows.extend(
            bindings.iter().map(|b| (format!("  {}", b.keys_text()), wrap(&b.desc), Meaning::Accent)),
        );
    }
    if rows.is_empty() {
        buffer.set_string(inner.x, inner.y, "no key with these words", theme.style(Meaning::Dim));
    }
    let height = rows.iter().map(|(_, desc, _)| desc.len()).sum::<usize>();
    limits.layer = height.saturating_sub(usize::from(inner.height));
    let top = help.scroll.min(limits.layer);
    let lines = rows.iter().flat_map(|(keys, desc, meaning)| {
        (0..desc.len()).map(move |row| (if row == 0 { keys.as_str() } else { "" }, desc, row, *meaning))
    });
    for ((keys, desc, row, meaning), y) in lines.skip(top).zip(inner.y..inner.bottom()) {
        buffer.set_stringn(inner.x, y, keys, usize::from(inner.width), theme.style(meaning));
        let right = Rect { x: inner.x + KEYS, y, width: inner.width.saturating_sub(KEYS), height: 1 };
        desc.draw(row, right, buffer);
    }
    more(top, limits.layer, theme, inner, buffer);
}

fn more(top: usize, most: usize, theme: &Theme, inner: Rect, buffer: &mut Buffer) {
    if top < most {
        let text = format!(" j ↓ {} more ", most - top);
        panel::right(&text, theme.style(Meaning::Accent), inner, inner.bottom(), buffer);
    }
}

fn detail(page: &Page, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let width = area.width.min(100);
    let run = Run::new(page.text.as_str(), theme.style(Meaning::Text), 0);
    let mut flow = Flow::wrap(&[run], usize::from(width) - 4, theme);
    let found = found::mark_in(page.search.as_ref(), theme, &mut flow);
    limits.layer_found = found.into_iter().map(|(at, _)| flow.row_at(at)).collect();
    let height = u16::try_from(flow.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let inner = panel::popup(&page.title, width, height, theme, area, buffer);
    limits.layer = flow.len().saturating_sub(usize::from(inner.height));
    let top = page.scroll.min(limits.layer);
    flow.draw(top, inner, buffer);
    more(top, limits.layer, theme, inner, buffer);
}

fn palette(
    state: &State,
    typed: &Palette,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    limits: &mut Limits,
) {
    let inner = panel::popup("Every action by name", 72, 20, theme, area, buffer);
    buffer.set_stringn(
        inner.x,
        inner.y,
        format!(":{}▏", one_line(&typed.query)),
        usize::from(inner.width),
        theme.style(Meaning::Focus),
    );
    let matches = state.palette(&typed.query);
    let picked = typed.picked.min(matches.len().saturating_sub(1));
    let height = usize::from(inner.height.saturating_sub(1));
    let first = (picked + 1).saturating_sub(height);
    for ((index, binding), y) in matches.iter().enumerate().skip(first).zip(inner.y + 1..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        limits.spots.push(Spot::row(y, row.x, row.right(), Target::Row(index)));
        let mark = if index == picked { "▸" } else { " " };
        buffer.set_stringn(row.x, y, format!("{mark}{}", binding.name), 20, theme.style(Meaning::Accent));
        let room = usize::from(inner.width).saturating_sub(30);
        buffer.set_stringn(row.x + 20, y, &binding.desc, room, theme.style(Meaning::Text));
        panel::right(&binding.first_key(), theme.style(Meaning::Dim), row, y, buffer);
        if index == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
    if matches.is_empty() {
        buffer.set_string(inner.x, inner.y + 1, "nothing of that name", theme.style(Meaning::Dim));
    }
}

fn quit(what: &str, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = u16::try_from(what.width() + 8).unwrap_or(u16::MAX).max(40);
    let inner = panel::popup("Quit?", width, 5, theme, area, buffer);
    buffer.set_stringn(inner.x, inner.y, what, usize::from(inner.width), theme.style(Meaning::Text));
    let keys = "y: quit   n: stay";
    buffer.set_stringn(inner.x, inner.y + 2, keys, usize::from(inner.width), theme.style(Meaning::Accent));
}

/// The tokens that could stand at a place.
fn steer(state: &State, steer: Steer, theme: &Theme, area: Rect, buffer: &mut Buffer, limits: &mut Limits) {
    let token = state.takes.get(steer.take).and_then(|t| t.tokens.get(steer.at));
    let Some(token) = token else { return };
    limits.list = token.alternatives.len().saturating_sub(1);
    let height = token.alternatives.len() as u16 + 4;
    let title = format!("Instead of {} at {}", quoted(&token.text), steer.at + 1);
    let inner = panel::popup(&title, 56, height, theme, area, buffer);
    let picked = steer.picked.min(limits.list);
    for ((index, other), y) in token.alternatives.iter().enumerate().zip(inner.y..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        limits.spots.push(Spot::row(y, row.x, row.right(), Target::Row(index)));
        let mark = if index == picked { "▸" } else { " " };
        let here = if other.id == token.id { "  stands here" } else { "" };
        let room = usize::from(inner.width).saturating_sub(8);
        let text = format!("{mark}{}{here}", quoted(&other.text));
        buffer.set_stringn(row.x, y, text, room, theme.style(Meaning::Text));
        panel::right(&format!("{:.4}", other.probability), theme.style(Meaning::Dim), row, y, buffer);
        if index == picked {
            buffer.set_style(row, theme.style(Meaning::Selected));
        }
    }
    let keys = "↵ take it: the model goes on from there   esc close";
    let room = usize::from(inner.width);
    buffer.set_stringn(inner.x, inner.bottom().saturating_sub(1), keys, room, theme.style(Meaning::Hint));
}

/// A line being typed.
fn line(state: &State, typed: &Line, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let title = match typed.purpose {
        LineFor::Filter => "Show rows where".to_owned(),
        LineFor::Export => "Write to (.jsonl: rows, .txt: their numbers)".to_owned(),
        LineFor::Name(id) => format!("Name of take #{}", id.0 + 1),
        LineFor::Keep => "Keep the result under the name".to_owned(),
        LineFor::Runs => "A run's folder, or a folder of runs".to_owned(),
        LineFor::Model => "Folder of the other model, or demo".to_owned(),
        LineFor::Order => "Order: file, random, by:COLUMN, margin, spread, tone, contradiction".to_owned(),
    };
    let height = if typed.purpose == LineFor::Filter { 7 } else { 3 };
    let inner = panel::popup(&title, 72, height, theme, area, buffer);
    if typed.purpose == LineFor::Filter {
        data::filter_help(state, &typed.text, theme, inner, buffer);
    }
    let room = usize::from(inner.width).saturating_sub(1);
    let text = one_line(&typed.text);
    // The end is where one types.
    let skip = text.chars().count().saturating_sub(room);
    let shown: String = text.chars().skip(skip).collect();
    buffer.set_stringn(inner.x, inner.y, format!("{shown}▏"), room + 1, theme.style(Meaning::Focus));
}

/// What can follow the keys pressed so far.
fn which_key(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if state.pending.is_empty() {
        return;
    }
    let rows = state.keymap.continuations(state.contexts(), &state.pending);
    let width = rows.iter().map(|(_, desc)| desc.width()).max().unwrap_or(0) + 12;
    let (width, height) = (u16::try_from(width).unwrap_or(u16::MAX), rows.len() as u16 + 2);
    let corner = Rect {
        x: area.right().saturating_sub(width.min(area.width)),
        y: area.bottom().saturating_sub(height.min(area.height)),
        width: width.min(area.width),
        height: height.min(area.height),
    };
    let title = state.pending.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let inner = panel::popup(&title, width, height, theme, corner, buffer);
    for ((keys, desc), y) in rows.iter().zip(inner.y..inner.bottom()) {
        buffer.set_stringn(inner.x, y, keys, 4, theme.style(Meaning::Accent));
        buffer.set_stringn(
            inner.x + 4,
            y,
            desc,
            usize::from(inner.width).saturating_sub(4),
            theme.style(Meaning::Text),
        );
    }
}
