//! A pane's frame: a rounded box, or only a line with the title where rows are few.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Block, BorderType, Borders, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::{Meaning, Theme};

/// How a pane is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A box.
    Box,
    /// A line on top.
    Line,
}

/// Draws the frame; returns the area inside. `right` stands at the right end of the title's line.
pub fn draw(
    title: &str,
    right: &str,
    focused: bool,
    frame: Frame,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Rect {
    if area.height == 0 || area.width < 4 {
        return Rect { height: 0, ..area };
    }
    let border = theme.style(if focused { Meaning::Focus } else { Meaning::Border });
    let title_style = theme.style(if focused { Meaning::Focus } else { Meaning::Title });
    // The focus is told without colour too.
    let title = if focused { format!(" ▸ {title} ") } else { format!(" {title} ") };
    let inner = match frame {
        Frame::Box => {
            let block =
                Block::new().borders(Borders::ALL).border_type(BorderType::Rounded).border_style(border);
            let inner = block.inner(area);
            block.render(area, buffer);
            Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
        }
        Frame::Line => {
            buffer.set_string(area.x, area.y, "─".repeat(usize::from(area.width)), border);
            Rect {
                y: area.y + 1,
                height: area.height - 1,
                x: area.x + 1,
                width: area.width.saturating_sub(2),
            }
        }
    };
    let room = usize::from(area.width).saturating_sub(4);
    buffer.set_stringn(area.x + 2, area.y, &title, room, title_style);
    // What does not fit is left out part by part, the last first.
    let used = title.width();
    let mut right = right;
    while !right.is_empty() && used + right.width() + 2 >= room {
        right = right.rsplit_once(" · ").map_or("", |(first, _)| first);
    }
    let wide = right.width() + 2;
    if !right.is_empty() {
        let x = area.right().saturating_sub(2 + u16::try_from(wide).unwrap_or(0));
        buffer.set_string(x, area.y, format!(" {right} "), theme.style(Meaning::Dim));
    }
    inner
}

/// Left, top, right and bottom (exclusive) of an area.
pub fn edges(area: Rect) -> [u16; 4] {
    [area.x, area.y, area.right(), area.bottom()]
}

/// An empty box in the middle of the screen; returns the area inside.
pub fn popup(title: &str, width: u16, height: u16, theme: &Theme, screen: Rect, buffer: &mut Buffer) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    draw(title, "", true, Frame::Box, theme, area, buffer)
}

/// Text at the right end of a row.
pub fn right(text: &str, style: Style, area: Rect, y: u16, buffer: &mut Buffer) {
    let width = u16::try_from(text.width()).unwrap_or(u16::MAX).min(area.width);
    buffer.set_stringn(area.right() - width, y, text, usize::from(width), style);
}
