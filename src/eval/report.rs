//! The whole report: what was measured on each test set, self-consistency, best-of-N; as Markdown and JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::baselines::{BagOfWords, longer};
use super::best_of::{self, Problem};
use super::outcomes::Outcome;
use super::self_consistency::{self, Sampled};
use super::statistics::{Estimate, difference, preferred};
use super::tables::{Measure, accuracy, by_fault, by_steps, markdown, percent, verdicts};
use crate::stories::{Fault, Row};

/// A model that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judge {
    /// What it is called in tables: `CLoud`, `classic`, ...
    pub name: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// How it came about.
    pub about: String,
}

/// A test set and what each model made of it.
pub struct Measured {
    /// `seen`, `unseen`, `large`.
    pub name: String,
    /// What is in it.
    pub about: String,
    /// The set.
    pub rows: Vec<Row>,
    /// By model, the CLoud model first.
    pub outcomes: Vec<(Judge, Vec<Outcome>)>,
}

/// Everything the report is made from.
pub struct Evidence {
    /// The test sets.
    pub sets: Vec<Measured>,
    /// Pairs the bag of words learns from.
    pub training: Vec<Row>,
    /// Sampled critiques, with the temperature.
    pub samples: (Vec<Sampled>, f64),
    /// Best-of-N, by model, and the share of right answers among those drawn.
    pub best_of: (Vec<(String, Vec<Problem>)>, f64),
}

/// What was found on one set.
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub about: String,
    /// Critiques, by number of steps.
    pub verdicts: Vec<Measure>,
    /// Preference accuracy of models and baselines, by number of steps.
    pub accuracy: Vec<Measure>,
    /// Preference accuracy by kind of error.
    pub by_fault: Vec<(String, Vec<(Fault, Estimate)>)>,
    /// Accuracy of the CLoud model minus that of each other one, on the same pairs.
    pub above: Vec<(String, Estimate)>,
    /// Mean tokens of a critique of the CLoud model.
    pub critique_tokens: f64,
}

/// A curve over N for one range of steps.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// Which problems, judged by what.
    pub name: String,
    /// N and the accuracy with it.
    pub points: Vec<(usize, Estimate)>,
    /// Accuracy with the largest N minus accuracy with N = 1, on the same pairs.
    pub gain: Option<Estimate>,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of `outloud`.
    pub version: String,
    /// The models.
    pub judges: Vec<Judge>,
    /// The test sets.
    pub sets: Vec<SetReport>,
    /// Temperature of the sampled critiques.
    pub temperature: f64,
    /// Mean reward over N sampled critiques.
    pub self_consistency: Vec<Curve>,
    /// Share of right answers among those drawn for best-of-N.
    pub right_share: f64,
    /// The answer with the highest reward of N.
    pub best_of: Vec<Curve>,
}

const GROUPS: [(&str, std::ops::RangeInclusive<usize>); 4] =
    [("all", 1..=6), ("1-2 steps", 1..=2), ("3-4 steps", 3..=4), ("5-6 steps", 5..=6)];

impl Report {
    /// Counts everything.
    pub fn new(evidence: &Evidence, seed: u64) -> Self {
        let words = BagOfWords::learn(&evidence.training);
        let judges = evidence
            .sets
            .first()
            .map_or_else(Vec::new, |set| set.outcomes.iter().map(|(judge, _)| judge.clone()).collect());
        let (samples, temperature) = &evidence.samples;
        let (best_of, right_share) = &evidence.best_of;
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            judges,
            sets: evidence.sets.iter().map(|set| set_report(set, &words, seed)).collect(),
            temperature: *temperature,
            self_consistency: GROUPS
                .iter()
                .map(|(name, steps)| {
                    let of: Vec<_> = samples.iter().filter(|s| steps.contains(&s.steps)).collect();
                    Curve {
                        name: (*name).into(),
                        points: self_consistency::curve(&of),
                        gain: Some(self_consistency::gain(&of, seed)),
                    }
                })
                .collect(),
            right_share: *right_share,
            best_of: best_of.iter().flat_map(|(judge, problems)| best_of_curves(judge, problems)).collect(),
        }
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# What the demo model shows\n\nMade by `outloud demo-report` {}. Accuracies and shares in percent with 95 % \
             Wilson intervals; a tie of two rewards counts one half. Critiques are greedy unless said otherwise, rewards \
             in place. Two critiques a pair; their intervals take them as independent.\n\n",
            self.version
        );
        let judges = self.judges.iter().map(|j| vec![j.name.clone(), j.fingerprint.clone(), j.about.clone()]);
        text += &markdown(&["model", "fingerprint", "what it is"], judges);
        for set in &self.sets {
            let _ = write!(
                text,
                "\n## {}\n\n{} A critique has {:.0} tokens on average.\n\n### Critiques\n\n{}\n### Preference accuracy\n\n{}",
                set.name,
                set.about,
                set.critique_tokens,
                by_steps(&set.verdicts),
                by_steps(&set.accuracy),
            );
            let differences = set.above.iter().map(|(name, e)| vec![name.clone(), percent(e)]);
            let _ = write!(
                text,
                "\nThe CLoud model's accuracy minus each other's on the same pairs, in points (bootstrap over pairs):\n\n{}",
                markdown(&["minus", "difference"], differences)
            );
            let _ = write!(text, "\n### By what is wrong\n\n{}", faults(&set.by_fault));
        }
        let _ = write!(
            text,
            "\n## Self-consistency\n\nPreference accuracy with the mean reward over N critiques sampled at temperature {}. \
             `gain`: the largest N minus N = 1, in points.\n\n{}",
            self.temperature,
            curves(&self.self_consistency)
        );
        let _ = write!(
            text,
            "\n## Best of N\n\nOf N answers to a problem ({:.0} % of all drawn are right), the share of problems on which the \
             one with the highest reward is right. `perfect judge`: at least one of the N is right.\n\n{}",
            self.right_share * 100.0,
            curves(&self.best_of)
        );
        text
    }
}

fn set_report(set: &Measured, words: &BagOfWords, seed: u64) -> SetReport {
    let mut accuracies: Vec<Measure> =
        set.outcomes.iter().map(|(judge, outcomes)| accuracy(&judge.name, outcomes)).collect();
    let baseline = |name: &str, margin: &dyn Fn(&Row) -> f64| {
        Measure::over(name, &set.rows, |row| row.steps, |row| vec![preferred(margin(row), 0.0)])
    };
    accuracies.push(baseline("bag of words", &|row| words.margin(row)));
    accuracies.push(baseline("longer answer", &longer));
    let first = set.outcomes.first().map_or(&[][..], |(_, outcomes)| outcomes);
    let above = set
        .outcomes
        .iter()
        .skip(1)
        .filter(|(_, other)| other.len() == first.len())
        .map(|(judge, other)| {
            let pairs: Vec<(f64, f64)> =
                first.iter().zip(other).map(|(a, b)| (a.preferred(), b.preferred())).collect();
            (judge.name.clone(), difference(&pairs, seed))
        })
        .collect();
    let written: Vec<usize> = first.iter().flat_map(|o| [o.chosen.tokens, o.rejected.tokens]).collect();
    SetReport {
        name: set.name.clone(),
        about: set.about.clone(),
        verdicts: set
            .outcomes
            .iter()
            .filter(|(_, outcomes)| outcomes.iter().flat_map(Outcome::judgements).any(|j| j.verdict))
            .flat_map(|(judge, outcomes)| verdicts(&judge.name, outcomes))
            .collect(),
        accuracy: accuracies,
        by_fault: set.outcomes.iter().map(|(judge, o)| (judge.name.clone(), by_fault(o))).collect(),
        above,
        critique_tokens: written.iter().sum::<usize>() as f64 / written.len().max(1) as f64,
    }
}

fn best_of_curves(judge: &str, problems: &[Problem]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (name, steps) in GROUPS {
        let of: Vec<_> = problems.iter().filter(|p| steps.contains(&p.steps)).collect();
        let points = best_of::curve(&of);
        let (best, perfect): (Vec<_>, Vec<_>) =
            points.into_iter().map(|(n, best, any)| ((n, best), (n, any))).unzip();
        curves.push(Curve { name: format!("{judge}, {name}"), points: best, gain: None });
        curves.push(Curve { name: format!("perfect judge, {name}"), points: perfect, gain: None });
    }
    curves
}

fn faults(rows: &[(String, Vec<(Fault, Estimate)>)]) -> String {
    let names: Vec<String> = Fault::ALL
        .iter()
        .map(|fault| serde_json::to_string(fault).unwrap_or_default().trim_matches('"').replace('-', " "))
        .collect();
    let header: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    markdown(
        &header,
        rows.iter().map(|(name, by_fault)| {
            std::iter::once(name.clone()).chain(by_fault.iter().map(|(_, e)| percent(e))).collect()
        }),
    )
}

fn curves(curves: &[Curve]) -> String {
    let sizes: Vec<String> = curves
        .iter()
        .map(|curve| curve.points.iter().map(|(n, _)| format!("N = {n}")).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let mut header: Vec<&str> = std::iter::once("").chain(sizes.iter().map(String::as_str)).collect();
    let gains = curves.iter().any(|curve| curve.gain.is_some());
    if gains {
        header.push("gain");
    }
    let mut seen: Vec<&str> = Vec::new();
    let rows = curves.iter().filter(|curve| {
        // A perfect judge is the same whoever is measured.
        let new = !seen.contains(&curve.name.as_str());
        seen.push(&curve.name);
        new
    });
    let rows: Vec<Vec<String>> = rows
        .map(|curve| {
            let mut row = vec![curve.name.clone()];
            row.extend(curve.points.iter().map(|(_, e)| percent(e)));
            row.extend(curve.gain.as_ref().map(percent));
            row
        })
        .collect();
    markdown(&header, rows)
}
