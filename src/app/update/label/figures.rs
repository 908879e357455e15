//! Figures of the labels there are: agreement, calibration; read anew when labels have changed, once a second at most.

use std::fmt::Write as _;
use std::time::Duration;

use crate::app::{Effect, Layer, Page, State};
use crate::eval::statistics::Estimate;
use crate::label::{self, Calibration, Rule};

/// How often figures are read anew, at most.
const EVERY: Duration = Duration::from_secs(1);

/// Reads the figures anew if it is time.
pub(in crate::app::update) fn look(state: &mut State) {
    let desk = &state.desk;
    let due = desk.agreement.is_none() || state.now.saturating_sub(desk.looked) >= EVERY;
    if !(desk.read && desk.stale && due) {
        return;
    }
    read(state);
}

fn read(state: &mut State) {
    let desk = &state.desk;
    let margin = |digest: &crate::session::Digest| desk.places.get(digest).and_then(|e| desk.margin(*e));
    let agreement = label::agreement(&desk.book, margin);
    let outcomes: Vec<(f64, f64)> = label::outcome(&desk.book, &Rule::Majority)
        .iter()
        .filter_map(|outcome| Some((margin(&outcome.example)?, outcome.preference()?)))
        .collect();
    let calibration = Calibration::of(&outcomes);
    let desk = &mut state.desk;
    (desk.agreement, desk.calibration) = (Some(agreement), calibration);
    (desk.stale, desk.looked) = (false, state.now);
}

/// Opens the table of agreement and calibration.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    if state.desk.read {
        read(state);
    }
    let text = table(state);
    state.layers.push(Layer::Detail(Page::new("Agreement and calibration", text)));
    Vec::new()
}

/// A figure with its interval: `0.71 [0.60, 0.80]`.
pub fn figure(e: &Estimate) -> String {
    if !e.value.is_finite() {
        return "—".into();
    }
    if e.low.is_finite() {
        format!("{:.2} [{:.2}, {:.2}]", e.value, e.low, e.high)
    } else {
        format!("{:.2}", e.value)
    }
}

fn table(state: &State) -> String {
    let mut text = String::new();
    let Some(found) = state.desk.agreement.as_ref() else { return "the session is being read".into() };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Sides are the chosen answer, a tie, the rejected one; never the A and B of a screen. In brackets: 95 % intervals.\n\n\
         all annotators, {} pairs with two labels or more\n    same side {}   Krippendorff's alpha (ordinal) {}",
        found.alpha.n,
        figure(&found.raw),
        figure(&found.alpha)
    );
    for two in found.between.iter().chain(&found.model) {
        let (raw, kappa) = (figure(&two.raw), figure(&two.kappa));
        let _ = write!(
            text,
            "\n{} and {}, {} pairs\n    same side {raw}   kappa {kappa}",
            two.a, two.b, two.raw.n
        );
        if let Some(weighted) = &two.weighted {
            let _ = write!(text, "   weighted {}", figure(weighted));
        }
    }
    if found.annotators.len() < 2 {
        text.push_str(
            "\nWith a second annotator (another --annotator on the same session) agreement is shown.",
        );
    }
    let conflicts = state.desk.conflicts();
    let _ = write!(text, "\n\n{conflicts} conflicts (C lists and settles them)\n\n");
    match &state.desk.calibration {
        None => text.push_str("Calibration: no pair has both a label and two rewards yet."),
        Some(c) => text.push_str(&calibration(c)),
    }
    text
}

fn calibration(c: &Calibration) -> String {
    let mut text = format!(
        "Calibration of sigma(margin) on {} labels, a tie as one half\n\
         temperature that fits best {:.3}: log loss {:.3} -> {:.3}, calibration error {:.3} -> {:.3}\n\n\
         predicted  observed  labels\n",
        c.n, c.temperature, c.log_loss.0, c.log_loss.1, c.ece.0, c.ece.1
    );
    for bin in &c.curve {
        let bar = "━".repeat((bin.observed * 30.0).round() as usize);
        let _ = writeln!(text, "{:>9.2} {:>9.2} {:>7}  {bar}", bin.predicted, bin.observed, bin.n);
    }
    if c.n < 50 {
        text.push_str("\nFew labels: take these figures as a first impression.");
    }
    text
}
