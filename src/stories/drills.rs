//! Drills for a curriculum: bare calculations worked out and judged, and numbers compared; in the stories' own format.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::critique::Phrasing;
use super::numbers::{Calc, Numbers, Op, Random, near_miss};
use super::rows::{Kind, Row, Split};

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// One line of a drill: what is asked, how it is worked out (if it is), the true value.
struct Task {
    ask: String,
    work: Option<Calc>,
    truth: u32,
}

/// Five calculations on five days; more products and quotients than in stories, for they are harder.
pub fn facts(rng: &mut Random, id: String, split: Split) -> Row {
    let mut tasks = Vec::new();
    while tasks.len() < 5 {
        let op = *[Op::Add, Op::Sub, Op::Mul, Op::Mul, Op::Div, Op::Div].choose(rng).unwrap_or(&Op::Add);
        let (big, small) = (Numbers::Usual.start(rng), rng.random_range(2..10));
        let calc = match op {
            Op::Add | Op::Sub => Calc { left: big, op, right: Numbers::Usual.operand(rng) },
            Op::Mul => Calc { left: Numbers::Usual.operand(rng), op, right: small },
            Op::Div => Calc { left: big - big % small, op, right: small },
        };
        let Some(truth) = calc.value().filter(|v| *v <= 999) else { continue };
        if calc.split() == split {
            tasks.push(Task { ask: calc.to_string(), work: Some(calc), truth });
        }
    }
    drill(rng, id, Kind::Facts, &tasks, "Work it out.")
}

/// Seven numbers to be compared.
pub fn compare(rng: &mut Random, id: String) -> Row {
    let tasks: Vec<Task> = (0..7)
        .map(|_| {
            let truth =
                if rng.random_bool(0.3) { Numbers::Usual.operand(rng) } else { Numbers::Usual.start(rng) };
            Task { ask: truth.to_string(), work: None, truth }
        })
        .collect();
    drill(rng, id, Kind::Compare, &tasks, "Copy it.")
}

fn drill(rng: &mut Random, id: String, kind: Kind, tasks: &[Task], ask: &str) -> Row {
    let first = rng.random_range(0..7_u32) as usize;
    let days: Vec<&str> = DAYS.iter().copied().cycle().skip(first).take(tasks.len()).collect();
    let truths: Vec<u32> = tasks.iter().map(|task| task.truth).collect();
    let mut spoilt: Vec<u32> = truths
        .iter()
        .map(|v| if rng.random_bool(0.5) { *v } else { near_miss(rng, *v, 999).unwrap_or(*v) })
        .collect();
    if spoilt == truths {
        // At least one is wrong.
        if let Some(last) = spoilt.last_mut() {
            *last = if *last < 999 { *last + 1 } else { *last - 1 };
        }
    }
    let sentences: Vec<String> =
        tasks.iter().zip(&days).map(|(task, day)| format!("On {day} {}.", task.ask)).collect();
    let answer = |said: &[u32]| {
        let lines: Vec<String> = said.iter().zip(&days).map(|(v, day)| format!("{day}: {v}.")).collect();
        lines.join("\n")
    };
    let mut critique = |said: &[u32]| {
        let phrasing = Phrasing::draw(rng);
        let mut lines: Vec<String> = Vec::with_capacity(tasks.len() + 1);
        for ((task, day), said) in tasks.iter().zip(&days).zip(said) {
            let work = match task.work {
                Some(calc) => phrasing.worked(calc),
                None => format!("{}.", task.truth),
            };
            lines.push(format!("On {day} {work}{}", phrasing.judged(task.truth, *said)));
        }
        lines.push(phrasing.verdict(said == truths));
        lines.join("\n")
    };
    Row {
        id,
        kind,
        prompt: format!("{} {ask}", sentences.join(" ")),
        chosen: answer(&truths),
        rejected: answer(&spoilt),
        chosen_feedback: critique(&truths),
        rejected_feedback: critique(&spoilt),
        steps: tasks.len(),
        error: None,
        error_step: None,
        templates: Vec::new(),
        chosen_key: None,
        rejected_key: None,
    }
}
