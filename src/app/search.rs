//! Looking for words in what is on the screen: white space is one space, case counts only where the query has a capital.

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The words.
    pub query: String,
    /// The match on which the view stands, counted over the prompt and answer, then the critique.
    pub at: Option<usize>,
}

/// A query made ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    needle: Vec<char>,
    fold: bool,
}

impl Pattern {
    /// `None` for a query without any words.
    pub fn new(query: &str) -> Option<Self> {
        let fold = !query.chars().any(char::is_uppercase);
        let words: Vec<&str> = query.split_whitespace().collect();
        let needle = words.join(" ").chars().collect();
        (!words.is_empty()).then_some(Self { needle, fold })
    }

    /// Whether a text has it.
    pub fn is_in(&self, text: &str) -> bool {
        !self.find(&text.chars().collect::<Vec<_>>()).is_empty()
    }

    /// Where it stands in a text, as ranges of characters, none inside another.
    pub fn find(&self, text: &[char]) -> Vec<std::ops::Range<usize>> {
        // Runs of white space become one space; `place` keeps where each character stood.
        let mut plain: Vec<char> = Vec::with_capacity(text.len());
        let mut place = Vec::with_capacity(text.len());
        for (at, c) in text.iter().enumerate() {
            let c = if c.is_whitespace() { ' ' } else { *c };
            if c == ' ' && plain.last() == Some(&' ') {
                continue;
            }
            plain.push(if self.fold { folded(c) } else { c });
            place.push(at);
        }
        let mut found: Vec<std::ops::Range<usize>> = Vec::new();
        let mut free = 0;
        for (at, window) in plain.windows(self.needle.len()).enumerate() {
            if at >= free && window == self.needle {
                free = at + self.needle.len();
                if let (Some(first), Some(last)) = (place.get(at), place.get(free - 1)) {
                    found.push(*first..*last + 1);
                }
            }
        }
        found
    }
}

fn folded(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, text: &str) -> Vec<std::ops::Range<usize>> {
        let text: Vec<char> = text.chars().collect();
        Pattern::new(query).map(|p| p.find(&text)).unwrap_or_default()
    }

    #[test]
    fn case_counts_only_with_a_capital_and_space_is_space() {
        assert_eq!(found("the", "The other the"), [0..3, 5..8, 10..13]);
        assert_eq!(found("The", "The other the"), vec![0..3; 1]);
        assert_eq!(found("a  b", "xa\n\t b a b"), [1..6, 7..10]);
        assert_eq!(found("世", "世界"), vec![0..1; 1]);
        assert_eq!(found("aa", "aaaa"), [0..2, 2..4]);
        assert!(Pattern::new(" \n").is_none() && found("long", "lo").is_empty());
        assert!(Pattern::new("MUR").is_some_and(|p| !p.is_in("murmur")));
    }
}
