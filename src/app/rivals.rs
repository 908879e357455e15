//! Rows of several answers of which none is said to be better: the answers two by two, for those who are to say it.

use super::{Answers, Example};
use crate::label::order;

/// Pairs of the single answers that came of one row, from an example on, each with the indices of its two examples. Of two
/// answers the pair has the name of the row, of more `id#1-3`; which ones are held against each other: [`order::rounds`].
pub fn rivals(examples: &[Example], from: usize) -> Vec<(Example, [usize; 2])> {
    let mut found = Vec::new();
    let mut at = from;
    let of_a_row =
        |a: &Example, b: &Example| a.number.is_some() && a.number == b.number && !a.is_pair() && !b.is_pair();
    for row in examples.get(from..).unwrap_or_default().chunk_by(of_a_row) {
        let first = at;
        at += row.len();
        let Some(name) = row.first().map(|e| e.id.strip_suffix("#1").unwrap_or(&e.id)) else { continue };
        for (i, j) in order::rounds(row.len(), name) {
            let (Some(a), Some(b)) = (row.get(i), row.get(j)) else { continue };
            let (Answers::One(one), Answers::One(other)) = (&a.answers, &b.answers) else { continue };
            // Chats that part before the last turn are no answers to one prompt; the same words need no choice.
            if a.prompt != b.prompt || (row.len() > 2 && one == other) {
                continue;
            }
            let id = if row.len() > 2 { format!("{name}#{}-{}", i + 1, j + 1) } else { name.to_owned() };
            let answers = Answers::Pair { chosen: one.clone(), rejected: other.clone() };
            found.push((Example { id, answers, open: true, ..a.clone() }, [first + i, first + j]));
        }
    }
    found
}
