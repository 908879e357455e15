//! What differs between two texts, word by word.

use similar::{Algorithm, ChangeTag, TextDiff};

/// A piece of a text, and whether the other text has it too.
pub type Piece = (String, bool);

/// Longest texts that are compared word by word, bytes of both: a frame has to draw them.
const LONGEST: usize = 20_000;

/// Both texts in pieces: words and the white space between them, neighbours of one kind joined.
pub fn words(left: &str, right: &str) -> [Vec<Piece>; 2] {
    if left.len() + right.len() > LONGEST {
        let same = left == right;
        return [vec![(left.to_owned(), same)], vec![(right.to_owned(), same)]];
    }
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_words(left, right);
    let mut out = [Vec::new(), Vec::new()];
    let [a, b] = &mut out;
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => {
                push(a, change.value(), true);
                push(b, change.value(), true);
            }
            ChangeTag::Delete => push(a, change.value(), false),
            ChangeTag::Insert => push(b, change.value(), false),
        }
    }
    out
}

fn push(pieces: &mut Vec<Piece>, text: &str, same: bool) {
    match pieces.last_mut() {
        Some((last, kind)) if *kind == same => last.push_str(text),
        _ => pieces.push((text.to_owned(), same)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_digit_is_one_changed_word() {
        let [a, b] = words("7 * 3 = 22 , so bad", "7 * 3 = 21 , so bad");
        let changed = |pieces: &[Piece]| -> Vec<String> {
            pieces.iter().filter(|(_, same)| !same).map(|(text, _)| text.clone()).collect()
        };
        assert_eq!((changed(&a), changed(&b)), (vec!["22".to_owned()], vec!["21".to_owned()]));
        let all: String = a.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(all, "7 * 3 = 22 , so bad");
    }
}
