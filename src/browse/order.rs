//! Ordering in slices: runs are sorted as they fill, then merged as far as time allows.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::vec::IntoIter;

use super::Value;

/// Rows of a run.
const RUN: usize = 16_384;

/// A row with what it is ordered by. Equal ones stay as they came.
struct Item {
    key: Value,
    row: u32,
    descending: bool,
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.order(&other.key, self.descending).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

/// Rows being ordered.
pub struct Order {
    descending: bool,
    filling: Vec<Item>,
    runs: Vec<IntoIter<Item>>,
    heap: BinaryHeap<Reverse<(Item, usize)>>,
    sorted: Vec<u32>,
}

impl Order {
    pub fn new(descending: bool) -> Self {
        Self {
            descending,
            filling: Vec::new(),
            runs: Vec::new(),
            heap: BinaryHeap::new(),
            sorted: Vec::new(),
        }
    }

    /// One more row, by its value; rows come in their order.
    pub fn push(&mut self, row: u32, value: Value) {
        self.filling.push(Item { key: value.key(), row, descending: self.descending });
        if self.filling.len() == RUN {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut run = std::mem::take(&mut self.filling);
        run.sort_unstable();
        let mut run = run.into_iter();
        if let Some(first) = run.next() {
            self.heap.push(Reverse((first, self.runs.len())));
            self.runs.push(run);
        }
    }

    /// Merges up to `count` rows; true at the end.
    pub fn merge(&mut self, count: usize) -> bool {
        if !self.filling.is_empty() {
            self.close();
        }
        for _ in 0..count {
            let Some(Reverse((item, run))) = self.heap.pop() else { return true };
            self.sorted.push(item.row);
            if let Some(next) = self.runs.get_mut(run).and_then(Iterator::next) {
                self.heap.push(Reverse((next, run)));
            }
        }
        self.heap.is_empty()
    }

    /// Rows merged so far.
    pub fn merged(&self) -> usize {
        self.sorted.len()
    }

    /// The rows in order.
    pub fn into_rows(self) -> Vec<u32> {
        self.sorted
    }
}
