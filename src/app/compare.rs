//! Two takes side by side: which two, whether their rewards can be compared, and what follows what.

use std::collections::HashMap;

use super::{ModelState, Side, State, Take, TakeId};
use crate::engine::ModelSource;

/// Which two are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Versus {
    /// The two answers of the shown pair, as they are shown; of a single answer, the shown take and the one it was made from.
    #[default]
    Sides,
    /// Any two takes.
    Takes(TakeId, TakeId),
    /// The shown answer under both models.
    Models,
}

/// A reward of one take's answer after another one's critique.
#[derive(Clone, Debug, PartialEq)]
pub enum Swapped {
    /// Asked for.
    Waiting,
    /// There.
    Reward(f32),
    /// Could not be read.
    Failed(String),
}

/// The Compare screen.
#[derive(Clone, Debug, Default)]
pub struct Compare {
    /// Which two.
    pub versus: Versus,
    /// Rows scrolled, of both.
    pub top: usize,
    /// Critiques as they are, without marks of what differs.
    pub plain: bool,
    /// The other model: where it comes from and how far it is.
    pub other: Option<(ModelSource, ModelState)>,
    /// The other model's takes by example and side.
    pub others: HashMap<(usize, Side), TakeId>,
    /// Rewards of answers after each other's critiques, by the takes of answer and critique.
    pub swaps: HashMap<(TakeId, TakeId), Swapped>,
}

/// The swap table r(answer i, critique j) of two takes; the diagonal is their own rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapTable {
    /// `rewards[i][j]`: of answer i after critique j.
    pub rewards: [[Option<f32>; 2]; 2],
}

impl SwapTable {
    /// How much the reward changes from the left answer to the right one, and from the left critique to the right one: each
    /// the mean over the other. `None` until all four are there.
    pub fn effects(&self) -> Option<(f32, f32)> {
        let [[aa, ab], [ba, bb]] = self.rewards;
        let (aa, ab, ba, bb) = (aa?, ab?, ba?, bb?);
        Some(((ba - aa + bb - ab) / 2.0, (ab - aa + bb - ba) / 2.0))
    }
}

impl State {
    /// The two takes that are compared, as far as they are there.
    pub fn compared(&self) -> [Option<&Take>; 2] {
        match self.compare.versus {
            Versus::Takes(left, right) => [self.takes.get(left), self.takes.get(right)],
            Versus::Models => {
                let other = self.compare.others.get(&(self.selected, self.side));
                [self.take(), other.and_then(|id| self.takes.get(*id))]
            }
            Versus::Sides if self.example().is_some_and(super::Example::is_pair) => {
                [Side::Chosen, Side::Rejected].map(|side| self.take_of(self.selected, side))
            }
            Versus::Sides => {
                let take = self.take();
                let before = take.and_then(|t| self.takes.get(t.parent?));
                if before.is_some() { [before, take] } else { [take, None] }
            }
        }
    }

    /// Why the rewards of two takes are on no common scale; `None` when they are.
    pub fn incomparable(&self, left: &Take, right: &Take) -> Option<&'static str> {
        if left.example != right.example || left.input.prompt != right.input.prompt {
            Some("two prompts: no common scale")
        } else if left.model != right.model {
            Some("two models: no common scale")
        } else if left.rubric != right.rubric {
            Some("two critique prompts: no common scale")
        } else {
            None
        }
    }

    /// The swap table of two takes, as far as it is known.
    pub fn swap_table(&self, left: &Take, right: &Take) -> SwapTable {
        let reward = |answer: &Take, critique: &Take| {
            if answer.id == critique.id || answer.input == critique.input {
                return critique.settled().map(|v| v.reward);
            }
            match self.compare.swaps.get(&(answer.id, critique.id)) {
                Some(Swapped::Reward(reward)) => Some(*reward),
                _ => None,
            }
        };
        SwapTable {
            rewards: [[reward(left, left), reward(left, right)], [reward(right, left), reward(right, right)]],
        }
    }
}
