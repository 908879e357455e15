//! What stands where on the screen, for the mouse: drawing tells, a click asks.

use super::{Field, Side};

/// What a cell stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An example of the list.
    Example(usize),
    /// An answer of a pair, or its critique.
    Side(Side),
    /// A token of the critique of an answer.
    Token(Side, usize),
    /// A row of the topmost list.
    Row(usize),
    /// A place in a text that is being typed (in which field, where there are two): line and character, counted from 0.
    Letter(Option<Field>, usize, usize),
}

/// Cells that stand for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Left, top, right, bottom (exclusive).
    pub area: [u16; 4],
    /// For what.
    pub target: Target,
}

impl Spot {
    /// Cells of one row.
    pub fn row(y: u16, left: u16, right: u16, target: Target) -> Self {
        Self { area: [left, y, right, y + 1], target }
    }

    /// Whether a cell is among them.
    pub fn has(&self, x: u16, y: u16) -> bool {
        let [left, top, right, bottom] = self.area;
        (left..right).contains(&x) && (top..bottom).contains(&y)
    }
}
