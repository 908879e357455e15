//! The first line (where am I, which model), the error line and the last line (keys, notes).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::app::{Action, Binding, Context, Layer, ModelState, Screen, State};
use crate::checkpoint::{Bundled, Method};
use crate::engine::ModelSource;
use crate::widgets::untrusted::one_line;
use crate::widgets::{Meaning, Theme, panel};

/// Draws them; returns the area between.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    header(state, theme, area, buffer);
    let last = area.bottom() - 1;
    hints(state, theme, Rect { y: last, height: 1, ..area }, buffer);
    let mut body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    if let Some(error) = state.error() {
        body.height -= 1;
        let line = Rect { y: last - 1, height: 1, ..area };
        let key = " x: all of it ";
        let room = usize::from(area.width).saturating_sub(key.width() + 1);
        buffer.set_stringn(
            line.x,
            line.y,
            format!(" ✗ {}", one_line(error)),
            room,
            theme.style(Meaning::Error),
        );
        panel::right(key, theme.style(Meaning::Accent), line, line.y, buffer);
    }
    body
}

fn header(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x + 1;
    let room = |x: u16| usize::from(area.right().saturating_sub(x));
    let screen = match state.screen {
        Screen::Inspect => "  Inspect",
        Screen::Compare => "  Compare",
        Screen::Teach => "  Teach",
        Screen::Data => "  Data",
        Screen::Label => "  Label",
    };
    for (text, meaning) in [("outloud", Meaning::Focus), (screen, Meaning::Title)] {
        buffer.set_stringn(x, area.y, text, room(x), theme.style(meaning));
        x += text.width() as u16;
    }
    if state.screen == Screen::Data {
        let rows = state.data.index.as_ref().map_or(0, |index| index.rows);
        let text = format!("  {} rows", super::data::thousands(rows));
        buffer.set_stringn(x, area.y, &text, room(x), theme.style(Meaning::Dim));
        x += text.width() as u16;
    } else if let Some(example) = state.example().filter(|_| state.screen != Screen::Teach && !nothing(state))
    {
        let label = state.screen == Screen::Label;
        let (place, of) = match label {
            true => (state.desk.at, state.desk.queue.len()),
            false => (state.selected, state.examples.len()),
        };
        let at = format!("  {}/{of} ", place + 1);
        buffer.set_stringn(x, area.y, &at, room(x), theme.style(Meaning::Dim));
        x += at.width() as u16;
        let side = if example.is_pair() && !label {
            format!(" ({})", example.side_name(state.side))
        } else {
            String::new()
        };
        let id = format!("{}{side}", one_line(&example.id));
        let most = usize::from(area.width / 3);
        buffer.set_stringn(x, area.y, &id, most, theme.style(Meaning::Text));
        x += id.width().min(most) as u16;
    }
    let (model, meaning) = match &state.model {
        ModelState::Loading => (format!("loading {} … ", source(&state.source)), Meaning::Warning),
        ModelState::Failed(_) => ("no model ".to_owned(), Meaning::Error),
        ModelState::Down(_) => ("engine stopped ".to_owned(), Meaning::Error),
        ModelState::Ready(info) => {
            let method = match info.spec.method {
                Method::Cloud => "CLoud",
                Method::Classic => "classic",
            };
            let size = size(info.parameters);
            let name = one_line(&info.name);
            (
                format!(
                    "{name} · {method} · {} {size} · {} {} ",
                    info.spec.backbone.family, info.dtype, info.device
                ),
                Meaning::Dim,
            )
        }
    };
    let left = Rect { x: x + 2, width: area.right().saturating_sub(x + 2), ..area };
    panel::right(&model, theme.style(meaning), left, area.y, buffer);
}

/// Whether there is nothing to label on the Label screen.
fn nothing(state: &State) -> bool {
    state.screen == Screen::Label && state.desk.example().is_none()
}

fn source(source: &ModelSource) -> String {
    match source {
        ModelSource::Bundled(Bundled::Demo) => "the demo model".into(),
        ModelSource::Bundled(Bundled::Classic) => "the demo's classic twin".into(),
        ModelSource::Folder(path) => one_line(&path.display().to_string()),
    }
}

fn size(parameters: usize) -> String {
    let n = parameters as f64;
    if n >= 1e9 {
        format!("{:.1}B", n / 1e9)
    } else if n >= 1e6 {
        format!("{:.1}M", n / 1e6)
    } else {
        format!("{:.0}k", n / 1e3)
    }
}

/// The keys of what is topmost, the most useful first, cut at the end, help always at the right; or a note, or what is
/// being typed.
fn hints(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x + 1;
    let mut put = |text: &str, meaning: Meaning, room: u16| {
        let (to, _) =
            buffer.set_stringn(x, area.y, text, usize::from(room.saturating_sub(x)), theme.style(meaning));
        x = to;
    };
    if let Some(Layer::Search(typing)) = state.layers.last() {
        put(&format!("/{}▏", one_line(&typing.query)), Meaning::Focus, area.right());
        put("   ", Meaning::Hint, area.right());
    } else if let Some(note) = &state.note {
        return put(&one_line(note), Meaning::Warning, area.right());
    }
    if let Some(count) = state.count {
        put(&format!("{count} × "), Meaning::Focus, area.right());
    }
    // In the file's order, the most useful first; but on Inspect, what is for everywhere comes last.
    let contexts = state.contexts();
    let inspect = contexts.contains(&Context::Inspect);
    let mut bindings: Vec<&Binding> =
        state.keymap.bindings().iter().filter(|b| contexts.contains(&b.context)).collect();
    bindings.sort_by_key(|b| !inspect && b.context == Context::Global);
    let help = bindings.iter().find(|b| b.action == Action::Help);
    let mut end = area.right();
    if let Some(text) = help.map(|b| format!("{} help ", b.first_key())) {
        end -= text.width() as u16;
        buffer.set_string(end, area.y, &text, theme.style(Meaning::Hint));
        if let Some(binding) = help {
            buffer.set_string(end, area.y, binding.first_key(), theme.style(Meaning::Accent));
        }
    }
    let waits = |b: &&&Binding| b.action == Action::ShowAll && state.is_behind();
    let first = bindings.iter().find(waits).map(|b| (b.first_key(), "show all"));
    let hinted = bindings.iter().filter(|b| b.action != Action::Help);
    // One answer has no A and B.
    let single = contexts.contains(&Context::Label) && state.shown_sides().len() == 1;
    let empty = nothing(state);
    let rest = hinted.filter(|b| !(empty && b.context == Context::Label)).filter_map(|b| {
        let hint = match b.action {
            Action::Choose1 if single => "very good",
            Action::Choose2 if single => "good",
            Action::Choose3 if single => "neither",
            Action::Choose4 if single => "bad",
            Action::Choose5 if single => "very bad",
            Action::AllBad if single => return None,
            _ => b.hint.as_deref()?,
        };
        Some((b.first_key(), hint))
    });
    for (key, hint) in first.into_iter().chain(rest) {
        let width = (key.width() + hint.width() + 3) as u16;
        if x + width > end + 1 {
            break;
        }
        buffer.set_string(x, area.y, &key, theme.style(Meaning::Accent));
        buffer.set_string(x + key.width() as u16 + 1, area.y, hint, theme.style(Meaning::Hint));
        x += width;
    }
}
