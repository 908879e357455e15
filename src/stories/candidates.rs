//! Many answers to one problem, right and wrong: what best-of-N chooses from.

use rand::Rng;

use super::answer::{Answer, Layout, Plan};
use super::numbers::Random;
use super::rows::Rows;
use super::story::Story;
use crate::Result;

/// A problem with answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The problem.
    pub prompt: String,
    /// Steps of the right solution.
    pub steps: usize,
    /// Answers and whether each is right, in the order drawn.
    pub answers: Vec<(String, bool)>,
}

const ATTEMPTS: usize = 4000;

impl Rows {
    /// Problem `n` with `count` answers, each right with chance `right`; the wrong ones are wrong in one way each, and
    /// how an answer is laid out does not depend on whether it is right.
    ///
    /// # Errors
    /// When no story fits the options after many attempts.
    pub fn problem(&self, n: u64, count: usize, right: f64) -> Result<Problem> {
        let mut rng = self.random(n, "candidates");
        let steps = self.steps(&mut rng);
        self.try_often(&mut rng, |rng| {
            // Told on beyond the question, so that an answer can go on too far.
            let story = self.story(rng, steps, 1, false)?;
            let honest = Answer::right(&story)?;
            if !self.allowed(&story, [&honest]) {
                return None;
            }
            let answers: Option<Vec<(String, bool)>> = (0..count)
                .map(|_| {
                    let is_right = rng.random_bool(right);
                    let layout = Layout::draw(rng);
                    let answer =
                        if is_right { honest.clone() } else { wrong(rng, &story, self.numbers().range().1)? };
                    Some((answer.text(&story, layout), is_right))
                })
                .collect();
            Some(Problem { steps: story.steps(), answers: answers?, prompt: story.prompt })
        })
    }
}

fn wrong(rng: &mut Random, story: &Story, max: u32) -> Option<Answer> {
    (0..ATTEMPTS).find_map(|_| {
        let plan = Plan::draw(rng, story.steps(), super::Numbers::Usual);
        Answer::wrong(rng, story, plan, max)
    })
}
