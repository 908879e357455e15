//! What a session says of each example: every annotator's label, the one that counts by a rule, conflicts, corrected critiques.

use std::collections::BTreeMap;

use super::choices::from_ordinal;
use crate::session::{Book, Choice, Digest, EventId, Label, Placed, Progress, Review};

/// Which label of several counts. An adjudication counts before all rules but [`Rule::Annotator`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Rule {
    /// The newest, in the order of the session.
    #[default]
    Latest,
    /// The side most annotators are for, as strongly as the middle one of them; none when two sides have as many.
    Majority,
    /// The label of one annotator.
    Annotator(String),
}

/// A submitted label, by whom and under which event.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// The annotator.
    pub by: String,
    /// The event that says so.
    pub event: EventId,
    /// Its wall-clock time, RFC 3339.
    pub time: String,
    /// What it says.
    pub label: Label,
    /// Its place in the session's order.
    clock: u64,
}

impl Stated {
    /// The choice on the ordinal scale, if one was made.
    pub fn ordinal(&self) -> Option<i8> {
        self.label.choice.map(Choice::ordinal)
    }
}

/// A review of one answer's critique, by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Critic {
    /// The annotator.
    pub by: String,
    /// The event that says so.
    pub event: EventId,
    /// What it says; `correction` is the text to train on.
    pub review: Review,
    /// Its place in the session's order.
    clock: u64,
}

/// All that a session says of an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The example.
    pub example: Digest,
    /// Its row's `id` and place in the data, where the session knows them.
    pub placed: Option<Placed>,
    /// Submitted labels, by annotator.
    pub labels: Vec<Stated>,
    /// The choice that counts; `None` when there is none or the rule cannot tell.
    pub choice: Option<Choice>,
    /// The label says that no answer is good: of the one that counts, of the majority.
    pub all_bad: bool,
    /// Rewards or critiques were known before the choice: of the label that counts, of any of the majority's.
    pub revealed: bool,
    /// Annotators are for different sides (first answer, tie, other answer) and nobody has adjudicated.
    pub conflict: bool,
    /// Who adjudicated.
    pub adjudicated: Option<String>,
    /// Reviews of critiques, by answer and annotator.
    pub critics: Vec<Critic>,
}

impl Outcome {
    /// The corrected critique of an answer: of the annotator the rule names, else the newest one that holds a text.
    pub fn correction(&self, answer: usize, rule: &Rule) -> Option<&Critic> {
        let wanted = |c: &&Critic| {
            let by = !matches!(rule, Rule::Annotator(name) if *name != c.by);
            by && c.review.answer == answer
                && c.review.correction.as_ref().is_some_and(|t| !t.trim().is_empty())
        };
        self.critics.iter().filter(wanted).max_by_key(|c| (c.clock, &c.event))
    }

    /// 1 when the first answer counts as better, 0 when the other does, 0.5 for a tie; `None` without a choice.
    pub fn preference(&self) -> Option<f64> {
        self.choice.map(|choice| (f64::from(choice.ordinal().signum()) + 1.0) / 2.0)
    }
}

/// Everything a session says, one for each example that has a submitted label or a review, in the order of the data.
pub fn outcome(book: &Book, rule: &Rule) -> Vec<Outcome> {
    let mut all: BTreeMap<Digest, Outcome> = BTreeMap::new();
    let fresh = |example: &Digest| Outcome {
        example: example.clone(),
        placed: book.placed(example).cloned(),
        labels: Vec::new(),
        choice: None,
        all_bad: false,
        revealed: false,
        conflict: false,
        adjudicated: None,
        critics: Vec::new(),
    };
    let clock = |id: &EventId| book.get(id).map_or(0, |entry| entry.clock);
    for (example, by, standing) in book.labels() {
        if standing.value.state == Progress::Submitted {
            let outcome = all.entry(example.clone()).or_insert_with(|| fresh(example));
            outcome.labels.push(Stated {
                by: by.to_owned(),
                event: standing.id.clone(),
                time: standing.time.clone(),
                label: standing.value.clone(),
                clock: clock(&standing.id),
            });
        }
    }
    for (by, standing) in book.reviews() {
        let example = &standing.value.example;
        let outcome = all.entry(example.clone()).or_insert_with(|| fresh(example));
        outcome.critics.push(Critic {
            by: by.to_owned(),
            event: standing.id.clone(),
            review: standing.value.clone(),
            clock: clock(&standing.id),
        });
    }
    let mut all: Vec<Outcome> = all.into_values().map(|outcome| settle(outcome, rule)).collect();
    let row = |o: &Outcome| o.placed.as_ref().and_then(|p| p.row).unwrap_or(usize::MAX);
    all.sort_by(|a, b| row(a).cmp(&row(b)).then_with(|| a.example.cmp(&b.example)));
    all
}

/// What the submitted labels of one example come to.
pub fn outcome_of(book: &Book, example: &Digest, rule: &Rule) -> Outcome {
    let mine = book.labels_of(example).filter(|(_, s)| s.value.state == Progress::Submitted);
    let labels = mine.map(|(by, standing)| Stated {
        by: by.to_owned(),
        event: standing.id.clone(),
        time: standing.time.clone(),
        label: standing.value.clone(),
        clock: book.get(&standing.id).map_or(0, |entry| entry.clock),
    });
    let outcome = Outcome {
        example: example.clone(),
        placed: book.placed(example).cloned(),
        labels: labels.collect(),
        choice: None,
        all_bad: false,
        revealed: false,
        conflict: false,
        adjudicated: None,
        critics: Vec::new(),
    };
    settle(outcome, rule)
}

fn settle(mut outcome: Outcome, rule: &Rule) -> Outcome {
    let newest = |stated: &mut dyn Iterator<Item = &Stated>| -> Option<Stated> {
        stated.max_by_key(|s| (s.clock, &s.event)).cloned()
    };
    let adjudication = newest(&mut outcome.labels.iter().filter(|s| s.label.adjudicates));
    let sides: Vec<i8> = outcome.labels.iter().filter_map(Stated::ordinal).map(i8::signum).collect();
    let apart = sides.iter().any(|side| Some(side) != sides.first());
    outcome.conflict = apart && adjudication.is_none();
    outcome.adjudicated = adjudication.as_ref().map(|s| s.by.clone());
    let counts = match rule {
        Rule::Annotator(name) => outcome.labels.iter().find(|s| s.by == *name).cloned(),
        Rule::Latest | Rule::Majority if adjudication.is_some() => adjudication,
        Rule::Latest => newest(&mut outcome.labels.iter().filter(|s| s.label.choice.is_some())),
        Rule::Majority => {
            outcome.choice = majority(&outcome.labels);
            let bad = outcome.labels.iter().filter(|s| s.label.all_bad).count();
            outcome.all_bad = 2 * bad > outcome.labels.len();
            outcome.revealed = outcome.labels.iter().any(|s| s.label.choice.is_some() && s.label.revealed);
            return outcome;
        }
    };
    outcome.choice = counts.as_ref().and_then(|s| s.label.choice);
    outcome.all_bad = counts.as_ref().is_some_and(|s| s.label.all_bad);
    outcome.revealed = counts.is_some_and(|s| s.label.revealed);
    outcome
}

fn majority(labels: &[Stated]) -> Option<Choice> {
    let ordinals: Vec<i8> = labels.iter().filter_map(Stated::ordinal).collect();
    let count = |side: i8| ordinals.iter().filter(|o| o.signum() == side).count();
    let most = [-1, 0, 1].into_iter().max_by_key(|side| count(*side))?;
    let alone = [-1, 0, 1].iter().filter(|side| count(**side) == count(most)).count() == 1;
    if !alone || count(most) == 0 {
        return None;
    }
    let mut of_side: Vec<i8> = ordinals.into_iter().filter(|o| o.signum() == most).collect();
    of_side.sort_unstable_by_key(|o| o.abs());
    // Of an even number the weaker one of the two in the middle.
    let middle = of_side.get(of_side.len().checked_sub(1)? / 2)?;
    from_ordinal(i64::from(*middle))
}
