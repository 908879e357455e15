//! Estimates by number of steps and kind of error, and their Markdown.

use std::fmt::Write as _;

use serde::Serialize;

use super::outcomes::Outcome;
use super::statistics::{Estimate, share};
use crate::stories::Fault;

/// A row of a table: one measure over all pairs and by number of steps.
#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    /// What is measured, of which model.
    pub name: String,
    /// Over all pairs.
    pub all: Estimate,
    /// By steps 1 to 6.
    pub by_steps: Vec<Estimate>,
}

impl Measure {
    /// The share of values (0 to 1) that each pair gives.
    pub fn over<T>(
        name: impl Into<String>,
        items: &[T],
        steps: impl Fn(&T) -> usize,
        values: impl Fn(&T) -> Vec<f64>,
    ) -> Self {
        let of = |wanted: Option<usize>| {
            share(
                items
                    .iter()
                    .filter(|item| wanted.is_none_or(|wanted| steps(item) == wanted))
                    .flat_map(&values),
            )
        };
        Self { name: name.into(), all: of(None), by_steps: (1..=6).map(|steps| of(Some(steps))).collect() }
    }
}

/// Preference accuracy.
pub fn accuracy(name: &str, outcomes: &[Outcome]) -> Measure {
    Measure::over(name, outcomes, |o| o.steps, |o| vec![o.preferred()])
}

/// Shares of critiques: every verdict right (of each step, the final line and the whole), the overall verdict right, every
/// true value named.
pub fn verdicts(name: &str, outcomes: &[Outcome]) -> Vec<Measure> {
    let count = |yes: bool| f64::from(u8::from(yes));
    let measure = |what: &str, f: fn(&crate::stories::Judgement) -> bool| {
        Measure::over(
            format!("{name}: {what}"),
            outcomes,
            |o| o.steps,
            |o| o.judgements().map(|j| count(f(j))).collect(),
        )
    };
    vec![
        measure("every verdict right", |j| j.all_right()),
        measure("overall verdict right", |j| j.verdict),
        measure("every true value named", |j| j.all_values()),
    ]
}

/// Preference accuracy by what is wrong with the wrong answer.
pub fn by_fault(outcomes: &[Outcome]) -> Vec<(Fault, Estimate)> {
    Fault::ALL
        .into_iter()
        .map(|fault| {
            let of = outcomes.iter().filter(|o| o.fault == Some(fault));
            (fault, share(of.map(Outcome::preferred)))
        })
        .collect()
}

/// `99.5 (98.8-99.8)`, in percent.
pub fn percent(estimate: &Estimate) -> String {
    if estimate.n == 0 {
        return "-".into();
    }
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|v| v * 100.0);
    format!("{value:.1} ({low:.1} to {high:.1})")
}

/// A Markdown table.
pub fn markdown(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Measures as a table with a column for each number of steps.
pub fn by_steps(measures: &[Measure]) -> String {
    let rows = measures.iter().map(|measure| {
        let cells = std::iter::once(&measure.all).chain(&measure.by_steps).map(percent);
        std::iter::once(measure.name.clone()).chain(cells).collect()
    });
    markdown(&["", "all", "1 step", "2", "3", "4", "5", "6"], rows)
}
