//! Judges a critique by code: which of its step verdicts are right, whatever its phrasing.
//!
//! The critique is read as words. Each step's marker (a day or month) must come in the order of the story; between one
//! marker and the next must stand exactly as many verdict words (`right`, `wrong`, ...) as the step has parts; after
//! the last step follow one for the final line and the overall verdict. A restated sentence, other words and
//! punctuation do not matter.

use super::key::Key;

/// What a critique got right.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Judgement {
    /// For each step of the key: whether its verdict is right. A missing, doubled or misplaced verdict is not.
    pub steps: Vec<bool>,
    /// For each step: whether the value it names (`so 54`, `which makes 54`, `giving 54`) is the true one.
    pub values: Vec<bool>,
    /// Whether the verdict on the final line is right.
    pub final_line: bool,
    /// Whether the overall verdict (the last verdict word) is right.
    pub verdict: bool,
}

impl Judgement {
    /// Every step verdict, the final line's and the overall one are right.
    pub fn all_right(&self) -> bool {
        self.steps.iter().all(|right| *right) && self.final_line && self.verdict
    }

    /// Every step's true value is named.
    pub fn all_values(&self) -> bool {
        self.values.iter().all(|right| *right)
    }
}

enum Word<'a> {
    Verdict(bool),
    Number(u32),
    Other(&'a str),
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let negated = matches!(words.last(), Some(Word::Other(before)) if before.eq_ignore_ascii_case("not"));
        let lower = word.to_lowercase();
        words.push(match lower.as_str() {
            "right" | "correct" | "true" => Word::Verdict(!negated),
            "wrong" | "incorrect" | "false" => Word::Verdict(negated),
            _ => lower.parse().map_or(Word::Other(word), Word::Number),
        });
    }
    words
}

/// A stretch of the critique: its verdicts, each with the value named last before it.
#[derive(Default)]
struct Part {
    verdicts: Vec<(bool, Option<u32>)>,
    named: Option<u32>,
}

/// Words after which a value is named.
const NAMING: [&str; 7] = ["so", "makes", "giving", "gives", "is", "equals", "be"];

/// Reads `critique` against the key of the answer it judges.
pub fn judge(critique: &str, key: &Key) -> Judgement {
    let mut days: Vec<(&str, usize)> = Vec::new();
    for step in &key.steps {
        match days.last_mut() {
            Some((at, parts)) if *at == step.at => *parts += 1,
            _ => days.push((&step.at, 1)),
        }
    }
    let words = words(critique);
    let last = words.iter().rev().find_map(|word| match word {
        Word::Verdict(right) => Some(*right),
        Word::Number(_) | Word::Other(_) => None,
    });
    let parts = split(&words, &days);

    let mut judgement = Judgement { verdict: last == Some(key.correct()), ..Judgement::default() };
    let mut steps = key.steps.iter();
    for (index, (_, count)) in days.iter().enumerate() {
        let part = parts.get(index);
        let is_last = index + 1 == days.len();
        let expected = if is_last { count + 2 } else { *count };
        let whole = part.is_some_and(|part| part.verdicts.len() == expected);
        let verdicts = part.map_or(&[][..], |part| &part.verdicts);
        for (place, step) in steps.by_ref().take(*count).enumerate() {
            let verdict = verdicts.get(place);
            let right = whole && verdict.is_some_and(|(right, _)| *right == step.right());
            judgement.steps.push(right);
            judgement.values.push(verdict.is_some_and(|(_, named)| *named == Some(step.truth)));
        }
        if is_last {
            let right = key.said == key.truth;
            judgement.final_line =
                whole && verdicts.get(*count).is_some_and(|(verdict, _)| *verdict == right);
        }
    }
    judgement
}

/// One part for each marker, in order; empty where a marker is missing or out of order.
fn split(words: &[Word<'_>], days: &[(&str, usize)]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(days.len());
    let mut naming = false;
    for word in words {
        match word {
            Word::Other(word) => {
                naming = NAMING.contains(word);
                let next = days.get(parts.len()).map(|(at, _)| *at);
                if next.is_some_and(|next| next.eq_ignore_ascii_case(word)) {
                    parts.push(Part::default());
                }
            }
            Word::Verdict(right) => {
                if let Some(part) = parts.last_mut() {
                    part.verdicts.push((*right, part.named.take()));
                }
            }
            Word::Number(number) => {
                if let Some(part) = parts.last_mut().filter(|_| naming) {
                    part.named = Some(*number);
                }
                naming = false;
            }
        }
    }
    parts
}
