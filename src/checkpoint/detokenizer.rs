//! Ids to text one by one, never a broken character.

use super::text::Text;
use crate::Result;

/// Text of a growing list of ids; what was handed out is never taken back.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    text: Text,
    /// Ids since the last place where text was complete but one step, so that decoders see what stands before.
    window: Vec<u32>,
    /// Of these, already handed out.
    told: usize,
}

impl Detokenizer {
    pub(super) fn new(text: Text) -> Self {
        Self { text, window: Vec::new(), told: 0 }
    }

    /// The text that became complete with this id; empty inside a character of several tokens.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.window.push(id);
        self.flush(false)
    }

    /// What is left, with U+FFFD for bytes that are no character.
    pub fn finish(&mut self) -> Result<String> {
        self.flush(true)
    }

    fn flush(&mut self, all: bool) -> Result<String> {
        let before = self.text.decode_after(self.window.get(..self.told).unwrap_or_default())?;
        let now = self.text.decode_after(&self.window)?;
        let Some(new) = now.strip_prefix(&before) else { return Ok(String::new()) };
        if new.is_empty() || (new.ends_with('\u{fffd}') && !all) {
            return Ok(String::new());
        }
        self.window.drain(..self.told);
        self.told = self.window.len();
        Ok(new.to_owned())
    }
}
