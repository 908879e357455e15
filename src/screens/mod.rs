//! What the state looks like: pure drawing, `draw(&State, &Theme, Rect, &mut Buffer) -> Limits`.
//!
//! Owns: one file per pane and layer. Changes nothing, knows no terminal; what it finds about the layout (how far
//! things can be scrolled) it returns. Imports `app`'s data and `widgets`.

mod chrome;
mod compare;
mod critique;
mod data;
mod data_charts;
mod editor;
mod entry;
mod examples;
mod found;
mod inspect;
mod label;
mod label_layers;
mod label_strip;
mod layers;
pub mod plain;
mod reward;
mod samples;
mod takes;
mod teach;
mod teach_layers;
mod text;
mod token;
mod trace;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{Limits, Screen, State};
use crate::widgets::flow::{Flow, Run};
use crate::widgets::{Meaning, Theme};

/// The smallest screen that is laid out.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Draws everything into an empty buffer; returns how far things can be scrolled.
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Limits {
    let mut limits = Limits::default();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        let line = format!("outloud needs {width}x{height}, this is {}x{}", area.width, area.height);
        let run = Run::new(line, theme.style(Meaning::Warning), 0);
        Flow::wrap(&[run], usize::from(area.width), theme).draw(0, area, buffer);
        return limits;
    }
    buffer.set_style(area, theme.style(Meaning::Text));
    let body = chrome::draw(state, theme, area, buffer);
    match state.screen {
        Screen::Inspect => inspect::draw(state, theme, body, buffer, &mut limits),
        Screen::Teach => teach::draw(state, theme, body, buffer, &mut limits),
        Screen::Compare => compare::draw(state, theme, body, buffer, &mut limits),
        Screen::Data => data::draw(state, theme, body, buffer, &mut limits),
        Screen::Label => label::draw(state, theme, body, buffer, &mut limits),
    }
    layers::draw(state, theme, area, buffer, &mut limits);
    limits
}
