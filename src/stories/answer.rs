//! Answers: worked steps, right or wrong in exactly one way.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use super::numbers::{Calc, Numbers, Op, Random, near_miss};
use super::story::{Change, Story};

/// The one thing that is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A result is not what its own calculation gives.
    Miscalculation,
    /// Another operation than the sentence asks for.
    WrongOperation,
    /// A number is not the one in the sentence or the line before.
    CopiedNumber,
    /// An event before the last one is left out.
    SkippedStep,
    /// The steps are right, the final line gives another number.
    WrongFinalLine,
    /// All steps are right, but one too many for the question: it answers another one.
    WrongQuestion,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Miscalculation,
        Self::WrongOperation,
        Self::CopiedNumber,
        Self::SkippedStep,
        Self::WrongFinalLine,
        Self::WrongQuestion,
    ];
}

/// A fault to be put into an answer, chosen before the story so that no kind or direction depends on its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What goes wrong.
    pub fault: Fault,
    /// With a wrong operation: the right one and the one used; both directions are equally frequent.
    pub swap: (Op, Op),
    /// With a line too few or too many: its operation, and whether it works out packs; equally frequent in both.
    pub line: (Op, bool),
}

impl Plan {
    /// Draws a plan for a problem of `steps` calculations. A line too few and a line too many are equally frequent.
    pub fn draw(rng: &mut Random, steps: usize, numbers: Numbers) -> Self {
        let fault = match rng.random_range(0..if steps > 1 { 100 } else { 66 }) {
            0..19 => Fault::Miscalculation,
            19..36 => Fault::WrongOperation,
            36..52 => Fault::CopiedNumber,
            52..66 => Fault::WrongFinalLine,
            66..83 => Fault::SkippedStep,
            _ => Fault::WrongQuestion,
        };
        let (a, b) = match rng.random_range(0..10) {
            0..5 => (Op::Add, Op::Sub),
            5..8 => (Op::Mul, Op::Div),
            _ if numbers == Numbers::Large => (Op::Add, Op::Sub),
            _ => (Op::Add, Op::Mul),
        };
        let line = match rng.random_range(0..20) {
            0..7 => Op::Add,
            7..13 => Op::Sub,
            13..16 => Op::Mul,
            _ => Op::Div,
        };
        let packs = steps > 2 && matches!(line, Op::Add | Op::Sub) && rng.random_bool(0.2);
        Self { fault, swap: if rng.random_bool(0.5) { (a, b) } else { (b, a) }, line: (line, packs) }
    }
}

/// One line: an event's marker and the calculations written for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into the story's events.
    pub event: usize,
    /// Calculations with the results as written.
    pub said: Vec<(Calc, u32)>,
}

/// Worked steps and a final number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lines, in the order of events.
    pub lines: Vec<Line>,
    /// The number in the final line.
    pub result: u32,
    /// What is wrong and at which calculation, counted from 1 along the right solution (final line: last + 1).
    pub fault: Option<(Fault, usize)>,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `Monday: 59 - 5 = 54.` line by line.
    Lines,
    /// `On Monday 59 - 5 = 54.` as prose.
    Prose,
    /// `Monday 59 - 5 = 54, Tuesday ...` in one sentence.
    Sentence,
}

impl Layout {
    /// Draws one.
    pub fn draw(rng: &mut Random) -> Self {
        *[Self::Lines, Self::Prose, Self::Sentence].choose(rng).unwrap_or(&Self::Lines)
    }
}

impl Answer {
    /// The right answer.
    pub fn right(story: &Story) -> Option<Self> {
        let (lines, result) = work(story, 0..story.asked, |_, calc| calc.value().map(|v| (calc, v)))?;
        Some(Self { lines, result, fault: None })
    }

    /// An answer wrong as planned; `None` where the story offers no place for it or its numbers lead nowhere.
    pub fn wrong(rng: &mut Random, story: &Story, plan: Plan, max: u32) -> Option<Self> {
        let steps = story.steps();
        let is_line = |event: usize| {
            story
                .events
                .get(event)
                .is_some_and(|e| (e.change.op(), e.change.product().is_some()) == plan.line)
        };
        let honest = |_: usize, calc: Calc| calc.value().map(|v| (calc, v));
        let (lines, result, step) = match plan.fault {
            Fault::WrongFinalLine => {
                let right = Self::right(story)?;
                (right.lines, near_miss(rng, right.result, max)?, steps + 1)
            }
            Fault::WrongQuestion => {
                let (lines, result) = work(story, 0..=story.asked, honest)?;
                if !is_line(story.asked) {
                    return None;
                }
                (lines, result, steps + 1)
            }
            Fault::SkippedStep => {
                let places: Vec<usize> = (0..story.asked.checked_sub(1)?).filter(|e| is_line(*e)).collect();
                let skipped = *places.choose(rng)?;
                let kept = (0..story.asked).filter(|event| *event != skipped);
                let (lines, result) = work(story, kept, honest)?;
                let before: usize = story.events.iter().take(skipped).map(|e| e.change.steps()).sum();
                (lines, result, before + 1)
            }
            Fault::Miscalculation | Fault::WrongOperation | Fault::CopiedNumber => {
                let step = place(rng, story, plan)?;
                let (lines, result) = work(story, 0..story.asked, |index, calc| {
                    if index == step { spoilt(rng, story, plan, calc, max) } else { honest(index, calc) }
                })?;
                (lines, result, step + 1)
            }
        };
        let fits = result <= max && lines.iter().flat_map(|l| &l.said).all(|(_, value)| *value <= max);
        (fits && result != story.answer()).then_some(Self { lines, result, fault: Some((plan.fault, step)) })
    }

    /// An answer in which every result is wrong with chance 1/2 and carried on: nothing in it can be trusted.
    pub fn shaken(rng: &mut Random, story: &Story, max: u32) -> Option<Self> {
        let (lines, mut result) = work(story, 0..story.asked, |_, calc| {
            let value = calc.value()?;
            Some((calc, if rng.random_bool(0.5) { value } else { near_miss(rng, value, max)? }))
        })?;
        if rng.random_bool(0.2) {
            result = near_miss(rng, result, max)?;
        }
        let fits = result <= max && lines.iter().flat_map(|l| &l.said).all(|(_, value)| *value <= max);
        (fits && result != story.answer()).then_some(Self { lines, result, fault: None })
    }

    /// The answer as text.
    pub fn text(&self, story: &Story, layout: Layout) -> String {
        let mut parts: Vec<String> = Vec::new();
        for line in &self.lines {
            let Some(event) = story.events.get(line.event) else { continue };
            let said: Vec<String> =
                line.said.iter().map(|(calc, value)| format!("{calc} = {value}")).collect();
            let said = said.join(", ");
            parts.push(match layout {
                Layout::Lines => format!("{}: {said}.", event.marker),
                Layout::Prose => format!("{} {} {said}.", event.preposition, event.marker),
                Layout::Sentence => format!("{} {said}", event.marker),
            });
        }
        let (result, items) = (self.result, &story.items);
        match layout {
            Layout::Lines => format!("{}\nAnswer: {result} {items}.", parts.join("\n")),
            Layout::Prose => format!("{} The answer is {result} {items}.", parts.join(" ")),
            Layout::Sentence => format!("{}. So {result} {items}.", parts.join(", ")),
        }
    }
}

/// Works through `events`, each calculation passed through `say` (with its index along the way): what stands in the line.
fn work(
    story: &Story,
    events: impl IntoIterator<Item = usize>,
    mut say: impl FnMut(usize, Calc) -> Option<(Calc, u32)>,
) -> Option<(Vec<Line>, u32)> {
    let (mut total, mut index, mut lines) = (story.start, 0, Vec::new());
    for place in events {
        let Some(event) = story.events.get(place) else { break };
        let mut said = Vec::with_capacity(2);
        let mut right = match event.change {
            Change::One { by, .. } => by,
            Change::Packs { size, .. } => size,
        };
        if let Some(product) = event.change.product() {
            let (calc, value) = say(index, product)?;
            said.push((calc, value));
            right = value;
            index += 1;
        }
        let (calc, value) = say(index, Calc { left: total, op: event.change.op(), right })?;
        said.push((calc, value));
        total = value;
        index += 1;
        lines.push(Line { event: place, said });
    }
    Some((lines, total))
}

/// A calculation where the plan can go wrong.
fn place(rng: &mut Random, story: &Story, plan: Plan) -> Option<usize> {
    let places: Vec<usize> = story
        .calcs()
        .iter()
        .take(story.asked)
        .flatten()
        .enumerate()
        .filter(|(_, calc)| plan.fault != Fault::WrongOperation || calc.op == plan.swap.0)
        .map(|(index, _)| index)
        .collect();
    places.choose(rng).copied()
}

fn spoilt(rng: &mut Random, story: &Story, plan: Plan, calc: Calc, max: u32) -> Option<(Calc, u32)> {
    let truth = calc.value()?;
    let (written, value) = match plan.fault {
        Fault::Miscalculation => (calc, near_miss(rng, truth, max)?),
        Fault::WrongOperation => {
            let written = Calc { op: plan.swap.1, ..calc };
            (written, written.value()?)
        }
        Fault::CopiedNumber => {
            let left = rng.random_bool(0.5);
            let number = if left { calc.left } else { calc.right };
            let alike = |aside: &u32| aside.ilog10() == number.ilog10();
            let other = match story.aside.filter(alike).filter(|_| rng.random_bool(0.5)) {
                Some(aside) => aside,
                None => near_miss(rng, number, max)?,
            };
            // What was misread as 1 or as the number itself would not look like work.
            if other == number || other < 2 {
                return None;
            }
            let written = if left { Calc { left: other, ..calc } } else { Calc { right: other, ..calc } };
            (written, written.value()?)
        }
        Fault::SkippedStep | Fault::WrongFinalLine | Fault::WrongQuestion => return None,
    };
    (value != truth).then_some((written, value))
}
