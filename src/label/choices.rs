//! Choices as people and scripts write them: in words, on the ordinal scale, as keys of a screen's A and B.

use crate::session::Choice;

/// What one of five keys says of the answers as they stand on the screen: 1 A much better .. 5 B much better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given(pub u8);

impl Given {
    /// As a choice among answers, when `shown` holds their indices, A first. Of a single answer, the left half is "good", the
    /// right one "bad" (written as better than it: index 1).
    pub fn choice(self, shown: &[usize]) -> Choice {
        let a = shown.first().copied().unwrap_or(0);
        let b = shown.get(1).copied().unwrap_or_else(|| usize::from(a == 0));
        match self.0 {
            1 => Choice::MuchBetter(a),
            2 => Choice::Better(a),
            4 => Choice::Better(b),
            5 => Choice::MuchBetter(b),
            _ => Choice::Tie,
        }
    }

    /// The key that says a choice, as the answers stand.
    pub fn of(choice: Choice, shown: &[usize]) -> Self {
        let is_a = |index: usize| shown.first().copied().unwrap_or(0) == index;
        Self(match choice {
            Choice::MuchBetter(index) if is_a(index) => 1,
            Choice::Better(index) if is_a(index) => 2,
            Choice::Tie => 3,
            Choice::Better(_) => 4,
            Choice::MuchBetter(_) => 5,
        })
    }
}

/// The words of a choice of a pair: `chosen-much`, `chosen`, `tie`, `rejected`, `rejected-much`.
pub fn words(choice: Choice) -> &'static str {
    match choice.ordinal() {
        2 => "chosen-much",
        1 => "chosen",
        0 => "tie",
        -1 => "rejected",
        _ => "rejected-much",
    }
}

/// A choice from its ordinal: 2, 1 the first answer is much, slightly better; 0 a tie; -1, -2 the other.
pub fn from_ordinal(ordinal: i64) -> Option<Choice> {
    Some(match ordinal {
        2 => Choice::MuchBetter(0),
        1 => Choice::Better(0),
        0 => Choice::Tie,
        -1 => Choice::Better(1),
        -2 => Choice::MuchBetter(1),
        _ => return None,
    })
}

/// A choice from its [`words`].
pub fn from_words(text: &str) -> Option<Choice> {
    let all = (-2..=2).filter_map(from_ordinal);
    all.into_iter().find(|choice| words(*choice) == text)
}
