//! The Data screen: many rows, what is seen of them, which are chosen, what is being done with them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Side, State};
use crate::browse::{Column, Index, Line, Query, Summary};
use crate::engine::Ticket;

/// A pane of the Data screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DataPane {
    /// The rows.
    #[default]
    Table,
    /// How rewards spread.
    Rewards,
    /// How margins spread.
    Margins,
    /// Length against reward.
    Scatter,
    /// Rows that are none.
    Bad,
}

impl DataPane {
    /// In the order of Tab.
    pub const ALL: [Self; 5] = [Self::Table, Self::Rewards, Self::Margins, Self::Scatter, Self::Bad];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Table => "Rows",
            Self::Rewards => "Rewards",
            Self::Margins => "Margins",
            Self::Scatter => "Length and reward",
            Self::Bad => "Bad rows",
        }
    }
}

/// A set of rows, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    bits: Vec<u64>,
    count: usize,
}

impl Chosen {
    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// None is chosen.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a row is chosen.
    pub fn has(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Chooses a row, or no longer.
    pub fn set(&mut self, row: u32, chosen: bool) {
        if self.has(row) == chosen {
            return;
        }
        let at = row as usize / 64;
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(at) {
            *word ^= 1 << (row % 64);
        }
        self.count = if chosen { self.count + 1 } else { self.count - 1 };
    }

    /// The rows, in the order of the data.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.bits).flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }
}

/// Rows being critiqued one after the other.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows that were not begun.
    pub waiting: VecDeque<u32>,
    /// Rows asked for.
    pub asked: usize,
    /// Tickets at work.
    pub open: Vec<Ticket>,
    /// Answers that are done.
    pub done: usize,
    /// Answers that failed.
    pub failed: usize,
    /// Rows in all.
    pub rows: usize,
}

impl Batch {
    /// Nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.asked == 0 && self.open.is_empty()
    }

    /// Rows that were begun.
    pub fn begun(&self) -> usize {
        self.rows - self.waiting.len()
    }
}

/// The Data screen.
#[derive(Clone, Debug)]
pub struct Data {
    /// Where the index stands; `None` without data.
    pub index: Option<Index>,
    /// What is to be seen.
    pub query: Query,
    /// Number of the newest query.
    pub asked: u64,
    /// How far the query or the export in hand is.
    pub share: Option<f64>,
    /// A query is under way.
    pub querying: bool,
    /// An export is under way.
    pub exporting: bool,
    /// Rows of the view; `None`: all, as they come.
    pub view: Option<Arc<Vec<u32>>>,
    /// The place under the cursor, in the view.
    pub at: usize,
    /// Columns of the table.
    pub columns: Vec<Column>,
    /// The column under the cursor.
    pub column: usize,
    /// Lines that are there.
    pub lines: HashMap<u32, Line>,
    /// What lines were last asked for: first and last place, view, columns.
    pub window: (usize, usize, u64),
    /// Changes with the view and the columns.
    pub generation: u64,
    /// Chosen rows.
    pub chosen: Chosen,
    /// Where a range begins, as a place in the view.
    pub range: Option<usize>,
    /// The pane with the focus.
    pub pane: DataPane,
    /// The charts.
    pub summary: Summary,
    /// The bin under the cursor of both histograms.
    pub bin: usize,
    /// The point under the cursor.
    pub point: usize,
    /// Rank of the last outlier gone to.
    pub rank: usize,
    /// Lines of bad rows from this one on.
    pub bad: (usize, Vec<(String, String)>),
    /// The bad row under the cursor.
    pub bad_at: usize,
    /// What is looked for, and the number of the search.
    pub words: String,
    /// Number of the newest search, and whether it is under way.
    pub finding: (u64, bool),
    /// Rows being critiqued.
    pub batch: Option<Batch>,
    /// Places of rows in the list of examples, by number.
    pub examples: HashMap<u32, usize>,
    /// Rewards that the rows' thread was told of.
    pub marks: HashMap<u32, [Option<f32>; 2]>,
    /// Labels that the rows' thread was told of.
    pub labels: HashMap<u32, &'static str>,
    /// Examples looked at for their numbers.
    pub looked: usize,
    /// The last export's name.
    pub path: String,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            index: None,
            query: Query::default(),
            asked: 0,
            share: None,
            querying: false,
            exporting: false,
            view: None,
            at: 0,
            columns: Column::FIRST.to_vec(),
            column: 0,
            lines: HashMap::new(),
            window: (0, 0, 0),
            generation: 1,
            chosen: Chosen::default(),
            range: None,
            pane: DataPane::default(),
            summary: Summary::default(),
            bin: crate::browse::BINS / 2,
            point: 0,
            rank: 0,
            bad: (0, Vec::new()),
            bad_at: 0,
            words: String::new(),
            finding: (0, false),
            batch: None,
            examples: HashMap::new(),
            marks: HashMap::new(),
            labels: HashMap::new(),
            looked: 0,
            path: String::new(),
        }
    }
}

impl Data {
    /// Rows of the view.
    pub fn len(&self) -> usize {
        match &self.view {
            Some(view) => view.len(),
            None => self.index.as_ref().map_or(0, |index| index.rows),
        }
    }

    /// Nothing is to be seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row at a place of the view.
    pub fn row(&self, place: usize) -> Option<u32> {
        match &self.view {
            Some(view) => view.get(place).copied(),
            None => u32::try_from(place).ok().filter(|_| place < self.len()),
        }
    }

    /// Whether a place is in the range that is being chosen.
    pub fn in_range(&self, place: usize) -> bool {
        self.range.is_some_and(|from| (from.min(self.at)..=from.max(self.at)).contains(&place))
    }

    /// Columns of the files that could be added.
    pub fn hidden(&self) -> Vec<Column> {
        let files = self.index.iter().flat_map(|index| &index.columns).map(|name| Column::File(name.clone()));
        Column::FIRST.into_iter().chain(files).filter(|column| !self.columns.contains(column)).collect()
    }
}

impl State {
    /// Rows chosen on the Data screen, by index among the good rows: what Label and Train may be given.
    pub fn chosen_rows(&self) -> impl Iterator<Item = u32> {
        self.data.chosen.iter()
    }

    /// Rewards of a row as they were found here; `None` where an answer has none yet.
    pub fn found_rewards(&self, number: u32) -> [Option<f32>; 2] {
        let Some(example) = self.data.examples.get(&number) else { return [None; 2] };
        [Side::Chosen, Side::Rejected].map(|side| {
            self.take_of(*example, side).and_then(super::Take::settled).map(|verdict| verdict.reward)
        })
    }

    /// Whether the engine works on a row.
    pub fn is_at_work(&self, number: u32) -> bool {
        let Some(example) = self.data.examples.get(&number) else { return false };
        [Side::Chosen, Side::Rejected]
            .iter()
            .any(|side| self.take_of(*example, *side).is_some_and(|take| take.phase.is_running()))
    }
}
