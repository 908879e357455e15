//! From a session to a file: rows of a format, counts, a card.

use serde_json::{Map, Value};

use super::case::{Case, cases};
use super::{argilla, card, label_studio, log, pairs, parquet, split};
use crate::checkpoint::Prompt;
use crate::label::Rule;
use crate::session::{Book, Folder, Progress, Reader};
use crate::{Error, Result};

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// CLoud's training rows.
    Cloud,
    /// TRL's preference rows.
    Trl,
    /// RewardBench's rows.
    RewardBench,
    /// Argilla's records.
    Argilla,
    /// Label Studio's tasks.
    LabelStudio,
    /// Ourselves: everything.
    Events,
}

impl To {
    /// All, with the names the command line has for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("cloud", Self::Cloud),
        ("trl", Self::Trl),
        ("rewardbench", Self::RewardBench),
        ("argilla", Self::Argilla),
        ("label-studio", Self::LabelStudio),
        ("events", Self::Events),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, to)| *to == self).map_or("", |(name, _)| name)
    }
}

/// How the rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line; of Label Studio's tasks a JSON list with a task a line.
    #[default]
    JsonLines,
    /// Parquet, zstd.
    Parquet,
}

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The larger one.
    Train,
    /// The share.
    Test,
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// For whom.
    pub to: To,
    /// How.
    pub format: Format,
    /// Which label of several counts.
    pub rule: Rule,
    /// Share of prompts in the test part, and which part to write.
    pub split: Option<(f64, Part)>,
    /// Also preferences between answers of which none is good.
    pub all_bad: bool,
    /// Only examples with so many labels.
    pub min_labels: usize,
    /// Only examples on which annotators agree or that were adjudicated.
    pub no_conflicts: bool,
    /// RewardBench's `subset`.
    pub subset: String,
}

impl Options {
    /// Everything, the newest label counts.
    pub fn new(to: To) -> Self {
        Self {
            to,
            format: Format::default(),
            rule: Rule::Latest,
            split: None,
            all_bad: false,
            min_labels: 0,
            no_conflicts: false,
            subset: "outloud".into(),
        }
    }
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The data card beside it, Markdown.
    pub card: String,
    /// Rows in it.
    pub rows: usize,
    /// Why examples were left out, and how many.
    pub left: pairs::Left,
    /// What could not be read, and is left out.
    pub problems: Vec<String>,
}

/// Reads a session and writes it for somebody.
///
/// # Errors
/// `Usage` for a format that nobody reads; a session that cannot be read.
pub fn export(folder: &Folder, options: &Options) -> Result<Export> {
    if options.format == Format::Parquet && matches!(options.to, To::Argilla | To::LabelStudio) {
        let name = options.to.name();
        return Err(Error::Usage(format!("--to {name}: written as JSON only; leave --format out")));
    }
    let news = Reader::new(folder, None).poll()?;
    let mut book = Book::default();
    book.insert(news.entries);
    let mut problems: Vec<String> = news.problems.iter().map(ToString::to_string).collect();
    if options.to == To::Events {
        return events(folder, &book, options);
    }
    let (cases, unreadable) = cases(&book, &folder.store(), &options.rule);
    problems.extend(unreadable);
    let (rows, mut left, chat) = match options.to {
        To::Argilla | To::LabelStudio => records(&cases, options),
        _ => pairs::rows(&cases, options.to, options),
    };
    for (_, _, standing) in book.labels() {
        match standing.value.state {
            Progress::Skipped => *left.entry("skipped by an annotator").or_default() += 1,
            Progress::Draft => *left.entry("a draft of an annotator").or_default() += 1,
            Progress::Submitted => {}
        }
    }
    let bytes = match options.format {
        Format::Parquet => parquet::write(&rows)?,
        Format::JsonLines => text(&rows, options.to == To::LabelStudio),
    };
    let card = card::card(&card::About {
        folder,
        book: &book,
        cases: &cases,
        options,
        rows: &rows,
        left: &left,
        chat,
    });
    Ok(Export { bytes, card, rows: rows.len(), left, problems })
}

fn text(rows: &[Map<String, Value>], list: bool) -> Vec<u8> {
    let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default()).collect();
    match (list, lines.is_empty()) {
        (true, true) => b"[]\n".to_vec(),
        (true, false) => format!("[\n{}\n]\n", lines.join(",\n")).into_bytes(),
        (false, _) => lines.into_iter().flat_map(|line| (line + "\n").into_bytes()).collect(),
    }
}

/// Records of annotation tools: everything annotators said, nothing is adjudicated.
fn records(cases: &[Case], options: &Options) -> (Vec<Map<String, Value>>, pairs::Left, bool) {
    let mut left = pairs::Left::new();
    let mut kept = Vec::new();
    for case in cases {
        let why = match case {
            _ if !(1..=2).contains(&case.example.answers.len()) => Some("more than two answers"),
            _ if case.outcome.labels.is_empty() && case.corrections().is_empty() => {
                Some("a review without words")
            }
            _ if case.outcome.labels.len() < options.min_labels => Some("fewer labels than asked for"),
            _ if options.no_conflicts && case.outcome.conflict => Some("annotators in conflict"),
            _ => None,
        };
        match why {
            Some(why) => *left.entry(why).or_default() += 1,
            None => kept.push(case),
        }
    }
    let chat = kept.iter().any(|case| matches!(case.example.prompt, Prompt::Messages(_)));
    let mut rows = Vec::new();
    for case in kept {
        let other = options
            .split
            .is_some_and(|(share, part)| split::is_test(&case.example.prompt, share) != (part == Part::Test));
        if other {
            *left.entry("in the other part of the split").or_default() += 1;
        } else if options.to == To::Argilla {
            rows.push(argilla::record(case, chat));
        } else {
            rows.push(label_studio::task(case, chat));
        }
    }
    (rows, left, chat)
}

fn events(folder: &Folder, book: &Book, options: &Options) -> Result<Export> {
    let all = crate::session::log(folder)?;
    let rows = log::rows(&all);
    let bytes = match options.format {
        Format::Parquet => parquet::write(&rows)?,
        Format::JsonLines => log::lines(&all),
    };
    let left = pairs::Left::new();
    let about = card::About { folder, book, cases: &[], options, rows: &rows, left: &left, chat: false };
    let problems = all.problems.iter().map(ToString::to_string).collect();
    Ok(Export { bytes, card: card::card(&about), rows: rows.len(), left, problems })
}
