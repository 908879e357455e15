//! Oracle critiques: each step worked out in writing, compared digit by digit and judged; then a verdict.
//!
//! `On Monday 59 - 5; 9 - 5 = 4, 5 - 0 = 5, so 54. Answer 54; 4 = 4, 5 = 5: right.` A critique runs on the true values
//! throughout and never takes over the answer's. For a curriculum the step's sentence can be restated before the sum:
//! `On Monday she sells 5: 59 - 5; ...`.

use rand::Rng;

use super::answer::Answer;
use super::columns::{columns, comparison};
use super::key::{Key, judged};
use super::numbers::{Calc, Random};
use super::story::Story;

/// A way of wording a critique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phrasing {
    /// Terse; six in ten critiques.
    Brief,
    /// `..., which makes 54. It says 54: ...`; one in four.
    Plain,
    /// `..., giving 54. The answer has 54; ...`; the longest.
    Wordy,
}

impl Phrasing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Brief, Self::Plain, Self::Wordy];

    /// Draws one.
    pub fn draw(rng: &mut Random) -> Self {
        match rng.random_range(0..20) {
            0..12 => Self::Brief,
            12..17 => Self::Plain,
            _ => Self::Wordy,
        }
    }

    const fn after_sentence(self) -> &'static str {
        match self {
            Self::Brief => ": ",
            Self::Plain => ", so ",
            Self::Wordy => ". Take ",
        }
    }

    const fn then(self) -> &'static str {
        match self {
            Self::Brief => " Then ",
            Self::Plain => " Next ",
            Self::Wordy => " Then take ",
        }
    }

    /// A calculation worked out up to its value.
    pub(super) fn worked(self, calc: Calc) -> String {
        let (work, value) = (columns(calc), calc.value().unwrap_or_default());
        match self {
            Self::Brief => format!("{calc}; {work}, so {value}."),
            Self::Plain => format!("{calc}: {work}, which makes {value}."),
            Self::Wordy => format!("{calc}; {work}, giving {value}."),
        }
    }

    /// What the answer says, compared with the truth and judged.
    pub(super) fn judged(self, truth: u32, said: u32) -> String {
        let (pairs, word) = (comparison(truth, said), if truth == said { "right" } else { "wrong" });
        match self {
            Self::Brief => format!(" Answer {said}; {pairs}: {word}."),
            Self::Plain => format!(" It says {said}: {pairs}, {word}."),
            Self::Wordy => format!(" The answer has {said}; {pairs}, that is {word}."),
        }
    }

    const fn left_out(self) -> &'static str {
        match self {
            Self::Brief => " Answer skips it: wrong.",
            Self::Plain => " It skips this, wrong.",
            Self::Wordy => " The answer skips it, that is wrong.",
        }
    }

    fn asked(self, when: &str, value: u32) -> String {
        let mut when: Vec<char> = when.chars().collect();
        if let Some(first) = when.first_mut() {
            first.make_ascii_uppercase();
        }
        let when: String = when.into_iter().collect();
        match self {
            Self::Brief => format!("{when} {value}."),
            Self::Plain => format!("{when} it is {value}."),
            Self::Wordy => format!("{when} there are {value}."),
        }
    }

    pub(super) fn verdict(self, correct: bool) -> String {
        let word = if correct { "correct" } else { "incorrect" };
        match self {
            Self::Brief => format!("Verdict: {word}."),
            Self::Plain => format!("The answer is {word}."),
            Self::Wordy => format!("All in all the answer is {word}."),
        }
    }
}

/// The critique that judges everything rightly; with `restated`, each sentence of the story stands before its sum.
pub fn oracle(story: &Story, answer: &Answer, phrasing: Phrasing, restated: bool) -> String {
    let mut lines = Vec::new();
    for (index, (event, calcs)) in judged(story, answer).enumerate() {
        let said = answer.lines.iter().find(|line| line.event == index).map(|line| &line.said);
        let mut line = format!("{} {} ", event.preposition, event.marker);
        if restated {
            line.push_str(&event.text);
            line.push_str(phrasing.after_sentence());
        }
        for (place, calc) in calcs.iter().enumerate() {
            if place > 0 {
                line.push_str(phrasing.then());
            }
            line.push_str(&phrasing.worked(*calc));
            if let Some((_, said)) = said.and_then(|said| said.get(place)) {
                line.push_str(&phrasing.judged(calc.value().unwrap_or_default(), *said));
            }
        }
        if said.is_none() {
            line.push_str(phrasing.left_out());
        }
        lines.push(line);
    }
    let truth = story.answer();
    lines.push(format!("{}{}", phrasing.asked(&story.when, truth), phrasing.judged(truth, answer.result)));
    lines.push(phrasing.verdict(Key::new(story, answer).correct()));
    lines.join("\n")
}
