//! What the thread does: answers at once, and works on in slices.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::export::Writing;
use super::order::Order;
use super::{Ask, Column, Facts, Index, Line, News, Query, Summary, Value, beginning, filter, prompt_text};
use crate::data::{Dataset, Example};

/// How long a slice may take.
const SLICE: Duration = Duration::from_millis(8);
/// Rows read between two looks at the clock.
const STEP: usize = 64;
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How often the charts are made anew while rows still come.
const SUMMARY_EVERY: Duration = Duration::from_secs(3);
/// Rows for which charts are made while rows still come.
const SUMMARY_WHILE: usize = 100_000;

/// A query under way.
struct Scan {
    id: u64,
    query: Query,
    /// The next row to be looked at.
    next: usize,
    rows: Vec<u32>,
    order: Option<Order>,
    told: usize,
}

/// Words being looked for.
struct Find {
    id: u64,
    words: String,
    view: Option<Arc<Vec<u32>>>,
    at: usize,
    back: bool,
    left: usize,
}

/// The dataset, and what is being done with it.
pub struct Worker {
    dataset: Dataset,
    facts: Vec<Facts>,
    /// Rewards found for rows, by number; some of them may not be read yet.
    marks: HashMap<u32, [f32; 2]>,
    /// As it was last told.
    index: Index,
    done: bool,
    share: Option<f64>,
    stopped: bool,
    scan: Option<Scan>,
    /// Rows of the last complete query; `None`: all.
    view: Option<Arc<Vec<u32>>>,
    find: Option<Find>,
    writing: Option<Writing>,
    told: Instant,
    /// The charts do not show what is there.
    stale: bool,
    charted: Option<Instant>,
}

impl Worker {
    /// On a dataset that is not indexed yet.
    pub fn new(dataset: Dataset) -> Self {
        Self {
            dataset,
            facts: Vec::new(),
            marks: HashMap::new(),
            index: Index::default(),
            done: false,
            share: None,
            stopped: false,
            scan: None,
            view: None,
            find: None,
            writing: None,
            told: Instant::now(),
            stale: true,
            charted: None,
        }
    }

    fn reading(&self) -> bool {
        !self.done && !self.stopped
    }

    /// True when there is nothing to work on.
    pub fn is_idle(&self) -> bool {
        !self.reading() && self.scan.is_none() && self.find.is_none() && self.writing.is_none() && !self.stale
    }

    /// Answers a question, or takes it up.
    pub fn hear(&mut self, ask: Ask) -> Vec<News> {
        match ask {
            Ask::Query(id, query) => {
                self.scan = None;
                self.stale = true;
                if query.is_plain() {
                    self.view = None;
                    return vec![News::View { id, rows: None, share: None }];
                }
                let order = query.sort.as_ref().map(|(_, descending)| Order::new(*descending));
                self.scan = Some(Scan { id, query, next: 0, rows: Vec::new(), order, told: 0 });
            }
            Ask::Lines(rows, columns) => {
                let lines = rows.into_iter().filter_map(|row| Some((row, self.line(row, &columns)?)));
                return vec![News::Lines(lines.collect())];
            }
            Ask::Find { id, words, view, from, back } => {
                let left = view.as_ref().map_or(self.facts.len(), |view| view.len());
                self.find = Some(Find { id, words, view, at: from, back, left });
            }
            Ask::Rows(rows, purpose) => {
                let read =
                    |row: u32| self.dataset.example(row as usize).map(Box::new).map_err(|e| e.to_string());
                let rows = rows.into_iter().map(|row| (row, read(row))).collect();
                return vec![News::Rows(rows, purpose)];
            }
            Ask::Mark(number, rewards) => {
                if let Ok(at) = self.facts.binary_search_by_key(&number, |facts| facts.number)
                    && let Some(facts) = self.facts.get_mut(at)
                {
                    facts.mark(rewards);
                    self.stale = true;
                }
                self.marks.insert(number, rewards);
            }
            Ask::Label(number, word) => {
                if let Ok(at) = self.facts.binary_search_by_key(&number, |facts| facts.number)
                    && let Some(facts) = self.facts.get_mut(at)
                {
                    facts.label_by_hand(word);
                }
            }
            Ask::Bad(from, count) => {
                let files = self.dataset.files();
                let name = |at: usize| files.get(at).map_or("", |file| file.name.as_str());
                let bad = self.dataset.bad().iter().map(|bad| {
                    let name = name(bad.file);
                    let column = bad.fault.column.as_ref().map(|c| format!("{c}: ")).unwrap_or_default();
                    (format!("{name}{}", bad.place), format!("{column}{}", bad.fault))
                });
                let repeats = self.dataset.repeats().iter().map(|repeat| {
                    let reason = format!(
                        "the id {} is that of {}{} as well",
                        repeat.id,
                        name(repeat.first_file),
                        repeat.first
                    );
                    (format!("{}{}", name(repeat.file), repeat.place), reason)
                });
                return vec![News::Bad(from, bad.chain(repeats).skip(from).take(count).collect())];
            }
            Ask::Export(what, path) => match Writing::new(what, &path) {
                Ok(writing) => self.writing = Some(writing),
                Err(error) => return vec![News::Exported(Err(error.to_string()))],
            },
            Ask::Stop => {
                if self.writing.take().is_some() {
                    return vec![News::Exported(Err("stopped: nothing was written".into()))];
                }
                if self.find.take().is_none() && self.reading() {
                    self.stopped = true;
                    return vec![self.told_index()];
                }
            }
            Ask::Resume => self.stopped = false,
        }
        Vec::new()
    }

    /// A slice of the work in hand; what there is to tell.
    pub fn work(&mut self) -> Vec<News> {
        let end = Instant::now() + SLICE;
        let mut news = Vec::new();
        self.look(end, &mut news);
        self.scan(end, &mut news);
        self.write(end, &mut news);
        while self.reading() && Instant::now() < end {
            let (facts, marks) = (&mut self.facts, &self.marks);
            let progress = self.dataset.index_with(STEP, &mut |example| {
                let mut new = Facts::of(example);
                if let Some(rewards) = marks.get(&new.number) {
                    new.mark(*rewards);
                }
                facts.push(new);
            });
            (self.done, self.share) = (progress.done, progress.share);
            self.stale = true;
        }
        if self.told.elapsed() >= TOLD_EVERY || self.done {
            let index = self.told_index();
            if !matches!(&index, News::Index(index) if *index == self.index) {
                if let News::Index(index) = &index {
                    self.index.clone_from(index);
                }
                news.push(index);
                self.told = Instant::now();
            }
        }
        self.chart(&mut news);
        news
    }

    fn told_index(&self) -> News {
        let files = self.dataset.files();
        News::Index(Index {
            rows: self.facts.len(),
            bad: self.dataset.bad().len(),
            repeated: files.iter().map(|file| file.repeated).sum(),
            repeats: self.dataset.repeats().len(),
            share: self.share.filter(|_| !self.done),
            done: self.done,
            stopped: self.stopped,
            columns: self.dataset.columns().into_iter().map(str::to_owned).collect(),
            errors: files.iter().filter_map(|file| file.error.clone()).collect(),
        })
    }

    fn line(&self, row: u32, columns: &[String]) -> Option<Line> {
        let facts = *self.facts.get(row as usize)?;
        let (id, prompt) = match self.dataset.example(row as usize) {
            Ok(example) => (Value::of(Some(&example.id)).text(), beginning(&example.prompt)),
            Err(error) => (String::new(), error.to_string()),
        };
        let whole = if columns.is_empty() { None } else { self.dataset.row(row as usize).ok() };
        let cell = |name: &String| {
            let text = Value::of(whole.as_ref().and_then(|whole| whole.get(name))).text();
            (name.clone(), text.chars().take(200).collect())
        };
        Some(Line { facts, id, prompt, cells: columns.iter().map(cell).collect() })
    }

    /// Goes on with the query.
    fn scan(&mut self, end: Instant, news: &mut Vec<News>) {
        let Some(mut scan) = self.scan.take() else { return };
        let all = self.facts.len();
        'slice: while scan.next < all {
            for _ in 0..STEP {
                let Some(facts) = self.facts.get(scan.next) else { break };
                let row = scan.next as u32;
                let mut cells = Cells { dataset: &self.dataset, facts, row, example: None, whole: None };
                let filter = scan.query.filter.as_ref();
                if filter.is_none_or(|filter| filter.holds(&mut |column| cells.value(column))) {
                    match (&mut scan.order, &scan.query.sort) {
                        (Some(order), Some((column, _))) => order.push(row, cells.value(column)),
                        _ => scan.rows.push(row),
                    }
                }
                scan.next += 1;
            }
            if Instant::now() >= end {
                break 'slice;
            }
        }
        let read = scan.next as f64 / all.max(1) as f64;
        let mut complete = scan.next == all && !self.reading();
        if complete && let Some(order) = &mut scan.order {
            while !order.merge(STEP * 16) {
                if Instant::now() >= end {
                    complete = false;
                    break;
                }
            }
        }
        if complete {
            let rows = Arc::new(scan.order.map_or(scan.rows, Order::into_rows));
            self.view = Some(Arc::clone(&rows));
            self.stale = true;
            news.push(News::View { id: scan.id, rows: Some(rows), share: None });
            return;
        }
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            let share = match &scan.order {
                Some(order) => 0.8 * read + 0.2 * order.merged() as f64 / all.max(1) as f64,
                None => read,
            };
            // What is there of an unordered view is shown; each time twice as much, so that copying stays cheap.
            if scan.order.is_none() && scan.rows.len() >= 2 * scan.told.max(32) {
                scan.told = scan.rows.len();
                let rows = Some(Arc::new(scan.rows.clone()));
                news.push(News::View { id: scan.id, rows, share: Some(share) });
            } else {
                news.push(News::Progress(share));
            }
        }
        self.scan = Some(scan);
    }

    /// Goes on looking for words.
    fn look(&mut self, end: Instant, news: &mut Vec<News>) {
        let Some(mut find) = self.find.take() else { return };
        let all = find.view.as_ref().map_or(self.facts.len(), |view| view.len());
        while find.left > 0 && all > 0 {
            let row = match &find.view {
                Some(view) => view.get(find.at).copied(),
                None => Some(find.at as u32),
            };
            if row.is_some_and(|row| has(&self.dataset, row, &find.words)) {
                news.push(News::Found(find.id, Some(find.at)));
                return;
            }
            find.left -= 1;
            find.at = match find.back {
                true => find.at.checked_sub(1).unwrap_or(all - 1),
                false => (find.at + 1) % all,
            };
            if Instant::now() >= end {
                self.find = Some(find);
                return;
            }
        }
        news.push(News::Found(find.id, None));
    }

    /// Goes on with an export.
    fn write(&mut self, end: Instant, news: &mut Vec<News>) {
        let Some(writing) = &mut self.writing else { return };
        let facts = &self.facts;
        while Instant::now() < end {
            let number = |row: u32| facts.get(row as usize).map_or(0, |facts| facts.number);
            match writing.step(&self.dataset, number) {
                Ok(None) => {}
                ended => {
                    let ended = ended.map(Option::unwrap_or_default).map_err(|error| error.to_string());
                    self.writing = None;
                    return news.push(News::Exported(ended));
                }
            }
        }
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            news.push(News::Progress(writing.share()));
        }
    }

    /// The charts, when nothing else is to be done; now and then while rows come.
    fn chart(&mut self, news: &mut Vec<News>) {
        let busy = self.reading() || self.scan.is_some();
        let early = self.facts.len() <= SUMMARY_WHILE;
        let due = self.charted.is_none_or(|charted| charted.elapsed() >= SUMMARY_EVERY);
        if !self.stale || self.find.is_some() || self.writing.is_some() || (busy && !(early && due)) {
            return;
        }
        let summary = match &self.view {
            None => Summary::of((0..).zip(self.facts.iter().copied())),
            Some(view) => {
                let facts = |row: &u32| Some((*row, *self.facts.get(*row as usize)?));
                Summary::of(view.iter().filter_map(facts))
            }
        };
        self.stale = false;
        self.charted = Some(Instant::now());
        news.push(News::Summary(Box::new(summary)));
    }
}

/// The values of a row; it is read when one is asked for that needs it.
struct Cells<'a> {
    dataset: &'a Dataset,
    facts: &'a Facts,
    row: u32,
    example: Option<Option<Box<Example>>>,
    whole: Option<Option<serde_json::Map<String, serde_json::Value>>>,
}

impl Cells<'_> {
    fn value(&mut self, column: &Column) -> Value {
        if let Some(value) = self.facts.value(column) {
            return value;
        }
        let at = self.row as usize;
        if let Column::File(name) = column {
            let whole = self.whole.get_or_insert_with(|| self.dataset.row(at).ok());
            return Value::of(whole.as_ref().and_then(|whole| whole.get(name)));
        }
        let example = self.example.get_or_insert_with(|| self.dataset.example(at).ok().map(Box::new));
        let Some(example) = example else { return Value::Missing };
        match column {
            Column::Id => Value::of(Some(&example.id)),
            Column::Prompt => Value::Text(prompt_text(&example.prompt)),
            _ => {
                let answers: Vec<&str> = example.answers.iter().map(|a| a.text.as_str()).collect();
                Value::Text(answers.join("\n"))
            }
        }
    }
}

/// Whether words stand in a row's id, prompt or answers.
fn has(dataset: &Dataset, row: u32, words: &str) -> bool {
    let Ok(example) = dataset.example(row as usize) else { return false };
    filter::has(&Value::of(Some(&example.id)).text(), words)
        || filter::has(&prompt_text(&example.prompt), words)
        || example.answers.iter().any(|answer| filter::has(&answer.text, words))
}
