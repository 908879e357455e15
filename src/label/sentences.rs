//! The sentences of a critique, as code-point ranges: what single verdicts refer to.

use unicode_segmentation::UnicodeSegmentation;

/// Ranges of sentences in code points, white space at their ends left out; lines end sentences too.
pub fn sentences(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        for piece in line.split_sentence_bounds() {
            let count = piece.chars().count();
            let lead = piece.chars().take_while(|c| c.is_whitespace()).count();
            let tail = piece.chars().rev().take_while(|c| c.is_whitespace()).count();
            if lead < count {
                found.push((at + lead, at + count - tail));
            }
            at += count;
        }
    }
    found
}

/// The code points of a range.
pub fn part(text: &str, (start, end): (usize, usize)) -> String {
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}
