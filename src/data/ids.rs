//! Ids that stand for more than one row: told as rows are read, with 16 bytes kept for each id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};

use serde_json::{Map, Value};

use super::example::{Fault, Place};

/// A row whose id is that of an earlier row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The id.
    pub id: String,
    /// Which of the sources the row is in.
    pub file: usize,
    /// Where in it.
    pub place: Place,
    /// Which of the sources the first row with this id is in.
    pub first_file: usize,
    /// Where in it.
    pub first: Place,
}

/// The ids of the rows so far.
#[derive(Debug, Default)]
pub struct Ids {
    /// By hash: an id that seems to be repeated but is not has a chance of 1 in 30 million among a million ids.
    first: HashMap<u64, Seen>,
    hasher: RandomState,
    /// Source, rows before it, whether its rows are elements of a document.
    files: Vec<(usize, usize, bool)>,
    /// Rows without an id have their numbers: from, to.
    numbered: Vec<(usize, usize)>,
}

/// The first row with an id.
#[derive(Clone, Copy, Debug)]
struct Seen {
    number: u32,
    line: u32,
}

impl Ids {
    /// Takes note of the next row; what it repeats.
    pub fn see(
        &mut self,
        file: usize,
        number: usize,
        place: Place,
        row: &Result<Map<String, Value>, Fault>,
    ) -> Option<Repeat> {
        if self.files.last().is_none_or(|(last, ..)| *last != file) {
            self.files.push((file, number - 1, matches!(place, Place::Element(..))));
        }
        let id = match row {
            Ok(row) => row.get("id"),
            Err(fault) => fault.id.as_deref(),
        };
        let (id, seen) = match id.filter(|id| !id.is_null()) {
            Some(id) => {
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                let seen = self.given(&id, number, place);
                (id, seen?)
            }
            None => {
                match self.numbered.last_mut() {
                    Some((_, to)) if *to + 1 == number => *to = number,
                    _ => self.numbered.push((number, number)),
                }
                if self.first.is_empty() {
                    return None;
                }
                let id = number.to_string();
                let seen = self.first.get(&self.hasher.hash_one(&id)).copied();
                (id, seen?)
            }
        };
        let (first_file, first) = self.place_of(seen);
        Some(Repeat { id, file, place, first_file, first })
    }

    /// The first row of an id that is given.
    fn given(&mut self, id: &str, number: usize, place: Place) -> Option<Seen> {
        let numbered = |n: &usize| self.numbered.iter().any(|(from, to)| (from..=to).contains(&n));
        if let Some(n) = id.parse().ok().filter(numbered) {
            return Some(Seen { number: small(n), line: 0 });
        }
        let line = match place {
            Place::Line(line) | Place::Element(_, line) => usize::try_from(line).unwrap_or(usize::MAX),
            Place::Row(_) => 0,
        };
        match self.first.entry(self.hasher.hash_one(id)) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(Seen { number: small(number), line: small(line) });
                None
            }
        }
    }

    fn place_of(&self, seen: Seen) -> (usize, Place) {
        let of = self.files.iter().rev().find(|(_, before, _)| *before < seen.number as usize);
        let (file, before, document) = of.copied().unwrap_or_default();
        let row = (seen.number as usize).saturating_sub(before) as u64;
        let place = match (seen.line, document) {
            (0, _) => Place::Row(row),
            (line, true) => Place::Element(row, line.into()),
            (line, false) => Place::Line(line.into()),
        };
        (file, place)
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
