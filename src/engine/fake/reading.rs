//! What the scripted engine says of words that were never recorded: made up, but the same for the same beginning.

use super::{RecordedToken, Recording};
use crate::engine::CritiqueText;

impl Recording {
    /// The tokens of a given critique, its closing end-of-turn not included. As far as it begins as the recorded one does,
    /// these are the recorded tokens; what follows depends on nothing but the words up to there.
    pub(super) fn given(&self, critique: &CritiqueText) -> Vec<RecordedToken> {
        let pieces: Vec<(Option<u32>, String)> = match critique {
            CritiqueText::None => Vec::new(),
            CritiqueText::Text(text) => self.pieces(text).into_iter().map(|piece| (None, piece)).collect(),
            CritiqueText::Ids(ids) => ids.iter().map(|id| (Some(*id), self.text_of(*id))).collect(),
        };
        let body = self.tokens.split_last().map_or(&[][..], |(_, body)| body);
        let mut seen = self.answer_seed();
        let mut on_record = true;
        let mut out = Vec::new();
        for (at, (id, text)) in pieces.into_iter().enumerate() {
            let recorded = body.get(at).filter(|t| t.text == text && id.is_none_or(|id| id == t.id));
            on_record &= recorded.is_some();
            seen = mix(seen, &text);
            out.push(match recorded.filter(|_| on_record) {
                Some(token) => token.clone(),
                None => RecordedToken {
                    id: id.unwrap_or_else(|| 1000 + (mix(0, &text) % 1000) as u32),
                    reward: made_up(seen),
                    stop_here: Some(made_up(seen ^ 1)),
                    probability: 0.25,
                    alternatives: vec![(1, " other".into(), 0.5)],
                    text,
                },
            });
        }
        out
    }

    /// The closing end-of-turn after given tokens: the recorded one after the recorded critique, else a made-up one.
    pub(super) fn closing(&self, given: &[RecordedToken]) -> Option<RecordedToken> {
        let (last, body) = self.tokens.split_last()?;
        if given == body {
            return Some(last.clone());
        }
        let seen = given.iter().fold(self.answer_seed(), |seen, token| mix(seen, &token.text));
        Some(RecordedToken { reward: made_up(seen ^ 1), ..last.clone() })
    }

    /// The text of an id, as far as it was recorded.
    pub(super) fn text_of(&self, id: u32) -> String {
        let alternatives = self.tokens.iter().flat_map(|t| &t.alternatives).map(|(id, text, _)| (*id, text));
        let mut all = self.tokens.iter().map(|t| (t.id, &t.text)).chain(alternatives);
        all.find(|(known, _)| *known == id).map_or_else(|| format!("[{id}]"), |(_, text)| text.clone())
    }

    /// A text cut as the recorded critique is, as long as it is the same; then into words with the white space before them.
    fn pieces(&self, text: &str) -> Vec<String> {
        let space = if text.starts_with(char::is_whitespace) || text.is_empty() { "" } else { " " };
        let text = format!("{space}{text}");
        let mut rest = text.as_str();
        let mut out: Vec<String> = Vec::new();
        for token in &self.tokens {
            match rest.strip_prefix(token.text.as_str()) {
                Some(after) if !token.text.is_empty() => rest = after,
                _ => break,
            }
            out.push(token.text.clone());
        }
        let recorded = out.len();
        let mut white = false;
        for c in rest.chars() {
            let grows = out.len() > recorded && (!c.is_whitespace() || white);
            match out.last_mut().filter(|_| grows) {
                Some(last) => last.push(c),
                None => out.push(c.into()),
            }
            white = c.is_whitespace();
        }
        out
    }

    /// Another answer is another reward; the recorded one counts for nothing.
    fn answer_seed(&self) -> u64 {
        mix(7, &self.answer)
    }
}

fn mix(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Between -2 and 2.
fn made_up(seen: u64) -> f32 {
    ((seen.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 24) as f32).mul_add(4.0, -2.0)
}
