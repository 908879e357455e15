//! The data card: what is in a file, from where, by which rule, and how far annotators agree.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::case::{Case, models};
use super::pairs::Left;
use super::{Format, Options, Part, To, label_studio};
use crate::eval::statistics::Estimate;
use crate::label::{Between, Rule, agreement};
use crate::session::{Book, Digest, Event, Folder, Opened, Progress};

/// What a card is made from.
pub struct About<'a> {
    pub folder: &'a Folder,
    pub book: &'a Book,
    pub cases: &'a [Case],
    pub options: &'a Options,
    pub rows: &'a [Map<String, Value>],
    pub left: &'a Left,
    pub chat: bool,
}

/// Writes it; the same session and options give the same text.
pub fn card(about: &About<'_>) -> String {
    let About { folder, book, options, rows, .. } = about;
    let format = match (options.to, options.format) {
        (To::LabelStudio, _) => "JSON",
        (_, Format::JsonLines) => "JSON lines",
        (_, Format::Parquet) => "Parquet",
    };
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!("# Labels of the session `{name}`\n\n");
    let part = options.split.map(|(share, part)| match part {
        Part::Train => format!("; train part of a split, {share} of the prompts are in the test part"),
        Part::Test => format!("; test part of a split, {share} of the prompts"),
    });
    let _ = writeln!(
        text,
        "{} rows for `{}`, {format}{}. Written by outloud {} from {} events.",
        rows.len(),
        options.to.name(),
        part.unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        book.len()
    );
    if options.to != To::Events {
        rule(about, &mut text);
        counts(about, &mut text);
        agreements(about, &mut text);
    }
    sources(about, &mut text);
    columns(about, &mut text);
    text
}

fn rule(about: &About<'_>, text: &mut String) {
    let Options { to, rule, all_bad, min_labels, no_conflicts, .. } = about.options;
    text.push_str("\n## Which label counts\n\n");
    if matches!(to, To::Argilla | To::LabelStudio) {
        text.push_str("Every annotator's submitted label is written; nothing is adjudicated.\n");
    } else {
        let counts = match rule {
            Rule::Latest => "The adjudication if there is one, else the newest submitted label.",
            Rule::Majority => "The adjudication if there is one, else the side most annotators are for.",
            Rule::Annotator(name) => &format!("The label of {name}."),
        };
        let _ = writeln!(text, "{counts}");
        text.push_str(
            "Feedback is the corrected critique, else the model's, else empty; `*_feedback_from` says which. Ties, skipped \
             and undecided examples are no preference and are left out.\n",
        );
        let bad = if *all_bad { "are kept" } else { "are left out" };
        let _ = writeln!(text, "Preferences between answers of which none is good {bad}.");
    }
    if *min_labels > 0 {
        let _ = writeln!(text, "Only examples with at least {min_labels} labels.");
    }
    if *no_conflicts {
        text.push_str("Only examples without a conflict between annotators.\n");
    }
}

fn counts(about: &About<'_>, text: &mut String) {
    text.push_str("\n## Counts\n\n| what | n |\n|---|---|\n");
    let mut line = |what: &str, n: usize| {
        let _ = writeln!(text, "| {} | {n} |", cell(what));
    };
    line("examples labelled or reviewed", about.cases.len());
    line("rows written", about.rows.len());
    for (why, n) in about.left {
        line(&format!("left out: {why}"), *n);
    }
    let mut from: BTreeMap<String, usize> = BTreeMap::new();
    for row in about.rows {
        for side in ["chosen", "rejected"] {
            if let Some(Value::String(of)) = row.get(&format!("{side}_feedback_from")) {
                *from.entry(format!("{side} feedback: {of}")).or_default() += 1;
            }
        }
        if let Some(Value::String(strength)) = row.get("strength") {
            *from.entry(format!("{strength} better")).or_default() += 1;
        }
    }
    from.iter().for_each(|(what, n)| line(what, *n));
    let mut annotators: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (_, by, standing) in about.book.labels() {
        let place = match standing.value.state {
            Progress::Submitted => 0,
            Progress::Skipped => 1,
            Progress::Draft => 2,
        };
        if let Some(n) = annotators.entry(by).or_default().get_mut(place) {
            *n += 1;
        }
    }
    for (by, [submitted, skipped, drafts]) in annotators {
        let _ =
            writeln!(text, "| labels of {} | {submitted} ({skipped} skipped, {drafts} drafts) |", cell(by));
    }
}

fn agreements(about: &About<'_>, text: &mut String) {
    let margins: HashMap<&Digest, f64> = about
        .cases
        .iter()
        .filter_map(|case| {
            let reward = |index: usize| Some(f64::from(case.critiques.get(index)?.as_ref()?.reward));
            Some((&case.outcome.example, reward(0)? - reward(1)?))
        })
        .collect();
    let found = agreement(about.book, |example| margins.get(example).copied());
    text.push_str("\n## Agreement\n\nOf all submitted labels of the session, with 95 % intervals.\n\n");
    text.push_str("| who | raw | kappa | weighted kappa | n |\n|---|---|---|---|---|\n");
    let mut line = |two: &Between| {
        let weighted = two.weighted.as_ref().map_or_else(|| "–".to_owned(), estimate);
        let (who, raw, kappa) =
            (format!("{} and {}", two.a, two.b), estimate(&two.raw), estimate(&two.kappa));
        let _ = writeln!(text, "| {} | {raw} | {kappa} | {weighted} | {} |", cell(&who), two.raw.n);
    };
    found.between.iter().chain(&found.model).for_each(&mut line);
    let _ = writeln!(text, "| all pairs of labels | {} | – | – | {} |", estimate(&found.raw), found.raw.n);
    let _ = writeln!(
        text,
        "\nKrippendorff's alpha (ordinal, five points): {}. Raw and kappa are over sides (first answer, tie, other), weighted \
         kappa over the five points; raw has a Wilson interval, the others bootstrap ones.",
        estimate(&found.alpha)
    );
}

fn estimate(e: &Estimate) -> String {
    match (e.value.is_finite(), e.low.is_finite() && e.high.is_finite()) {
        (true, true) => format!("{:.3} [{:.3}, {:.3}]", e.value, e.low, e.high),
        (true, false) => format!("{:.3} [–]", e.value),
        (false, _) => "–".into(),
    }
}

fn sources(about: &About<'_>, text: &mut String) {
    text.push_str("\n## Sources\n\n");
    let mut files: Vec<String> = Vec::new();
    let mut note = |what: String| {
        if !files.contains(&what) {
            files.push(what);
        }
    };
    for entry in about.book.entries().filter(|entry| !about.book.is_undone(&entry.id)) {
        match &entry.event {
            Event::Opened(Opened { data, .. }) => {
                for file in data {
                    note(format!("data: {}", file.file_name().unwrap_or_default().to_string_lossy()));
                }
            }
            Event::Bulk { events } => {
                for event in events {
                    if let Event::Imported(origin) = event {
                        note(format!("labels imported from {} ({})", origin.file, origin.format));
                    }
                }
            }
            _ => {}
        }
    }
    for (model, fingerprint) in models(about.cases) {
        note(format!("critiques of the model `{model}`, fingerprint `{fingerprint}`"));
    }
    if files.is_empty() {
        text.push_str("Nothing is noted.\n");
    }
    for file in files {
        let _ = writeln!(text, "- {}", file.replace('\n', " "));
    }
}

fn columns(about: &About<'_>, text: &mut String) {
    text.push_str("\n## Columns\n\n");
    let said = match about.options.to {
        To::Cloud => {
            "`id`, `prompt`, `chosen`, `rejected`; `chosen_feedback`, `rejected_feedback` and from whom they are (`corrected`, \
             `model`, `none`); `chosen_reward`, `rejected_reward` and `*_critic` (model and fingerprint) where the feedback is \
             the model's; `strength` (`much`, `slightly`); \
             `revealed` (the annotator had seen rewards or critiques before the choice)."
        }
        To::Trl => {
            "`prompt`, `chosen`, `rejected` (TRL's explicit preference format); `id`; `strength` (`much`, `slightly`); \
             `revealed` (the annotator had seen rewards or critiques before the choice)."
        }
        To::RewardBench => {
            "`prompt`, `chosen`, `chosen_model`, `rejected`, `rejected_model`, `subset`, `id`; `strength` (`much`, `slightly`); \
             `revealed` (the annotator had seen rewards or critiques before the choice)."
        }
        To::Argilla => {
            "Argilla records (`Record.from_dict`): fields `prompt`, `answer_1`, `answer_2`; questions `preference`, `all_bad`, \
             `reasons`, `note`, `flag`, `critique_1`, `critique_2`. Users are UUIDs of the names in `metadata.annotators`."
        }
        To::LabelStudio => "Label Studio tasks; the labeling interface is below.",
        To::Events => {
            "Contents (`content`, `name`, `text`), then the lines of all journals as they stand, in the order of the events."
        }
    };
    text.push_str(said);
    text.push('\n');
    let prompts = match (about.options.to, about.chat) {
        (To::Events, _) => "",
        (_, true) => "Prompts are messages (`role`, `content`).\n",
        (_, false) => "Prompts are text.\n",
    };
    text.push_str(prompts);
    if about.options.to == To::LabelStudio {
        let _ = write!(text, "\n```xml\n{}```\n", label_studio::interface(about.chat));
    }
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
