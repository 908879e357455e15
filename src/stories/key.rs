//! The answer key: for each step of an answer the true value and the one it says.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::story::Story;

/// One step a critique has to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStep {
    /// The day or month of the event.
    pub at: String,
    /// The true value.
    pub truth: u32,
    /// What the answer says; `None` where it leaves the event out.
    pub said: Option<u32>,
}

impl KeyStep {
    /// Whether the answer is right here.
    pub fn right(&self) -> bool {
        self.said == Some(self.truth)
    }
}

/// Everything a critique of one answer has to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The steps in order. An event with two calculations has two, or one if the answer leaves it out.
    pub steps: Vec<KeyStep>,
    /// The value asked for.
    pub truth: u32,
    /// What the final line says.
    pub said: u32,
}

impl Key {
    /// The key of an answer: every event up to the moment asked for, and any further one the answer works on.
    pub fn new(story: &Story, answer: &Answer) -> Self {
        let mut steps = Vec::new();
        for (index, (event, calcs)) in judged(story, answer).enumerate() {
            let line = answer.lines.iter().find(|line| line.event == index);
            match line {
                Some(line) => {
                    for (calc, (_, said)) in calcs.iter().zip(&line.said) {
                        let truth = calc.value().unwrap_or_default();
                        steps.push(KeyStep { at: event.marker.clone(), truth, said: Some(*said) });
                    }
                }
                None => steps.push(KeyStep { at: event.marker.clone(), truth: event.value, said: None }),
            }
        }
        Self { steps, truth: story.answer(), said: answer.result }
    }

    /// Whether the answer as a whole is right.
    pub fn correct(&self) -> bool {
        self.said == self.truth && self.steps.iter().all(KeyStep::right)
    }
}

/// The events a critique goes through, with their calculations.
pub(super) fn judged<'a>(
    story: &'a Story,
    answer: &Answer,
) -> impl Iterator<Item = (&'a super::story::Event, Vec<super::numbers::Calc>)> {
    let answered = answer.lines.last().map_or(0, |line| line.event + 1);
    story.events.iter().zip(story.calcs()).take(story.asked.max(answered))
}
