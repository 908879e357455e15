//! Terminal events -> messages.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use crate::app::{Code, Key, Limits, Msg};

/// Lines a turn of the wheel scrolls.
const WHEEL: i32 = 3;

/// The message of an event; `None` for what means nothing. Sizes are handled by the loop.
pub fn message(event: Event, limits: &Limits) -> Option<Msg> {
    match event {
        Event::Key(key) => self::key(key).map(Msg::Key),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Mouse(mouse) => {
            let pane = limits.pane_at(mouse.column, mouse.row);
            let target = limits.target_at(mouse.column, mouse.row);
            match mouse.kind {
                MouseEventKind::ScrollUp => Some(Msg::Scroll(pane, -WHEEL)),
                MouseEventKind::ScrollDown => Some(Msg::Scroll(pane, WHEEL)),
                MouseEventKind::Down(_) if target.is_none() && limits.data.iter().any(Option::is_some) => {
                    Some(Msg::Press(mouse.column, mouse.row))
                }
                MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(pane, target)),
                MouseEventKind::Drag(MouseButton::Left) => target.map(Msg::Drag),
                _ => None,
            }
        }
        _ => None,
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let mut shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let code = match event.code {
        KeyCode::Char(c) => {
            shift = false;
            Code::Char(c)
        }
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => {
            shift = true;
            Code::Tab
        }
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(n) => Code::F(n),
        _ => return None,
    };
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    Some(Key { code, ctrl, alt, shift })
}
