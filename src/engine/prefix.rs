//! A radix tree over token ids: what shares a prefix with earlier work is not computed again.

use std::collections::HashMap;

use crate::model::KvCache;

/// Nodes kept at most, however small they are.
const MAX_NODES: usize = 4096;

/// Remembers keys, values and hidden states by token ids, within a memory budget (least recently used leaves go first).
pub struct PrefixTree {
    nodes: HashMap<usize, Node>,
    roots: HashMap<u32, usize>,
    /// References and bytes of each cache segment held by the tree.
    segments: HashMap<usize, (usize, usize)>,
    bytes: usize,
    budget: usize,
    clock: u64,
    next: usize,
}

struct Node {
    /// Tokens of this edge; never empty.
    ids: Vec<u32>,
    /// Everything from the first token of the text to the end of this edge.
    cache: KvCache,
    parent: Option<usize>,
    children: HashMap<u32, usize>,
    used: u64,
}

impl PrefixTree {
    /// An empty tree that holds at most `budget` bytes of cache segments.
    pub fn new(budget: usize) -> Self {
        Self {
            nodes: HashMap::new(),
            roots: HashMap::new(),
            segments: HashMap::new(),
            bytes: 0,
            budget,
            clock: 0,
            next: 0,
        }
    }

    /// Bytes of cache segments held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The cache of the longest known prefix of `ids`, ready to be appended to; `None` when not even the first token is known.
    pub fn longest(&mut self, ids: &[u32]) -> Option<KvCache> {
        let (node, matched) = self.walk(ids)?;
        self.clock += 1;
        let clock = self.clock;
        let mut at = Some(node);
        while let Some(node) = at.and_then(|id| self.nodes.get_mut(&id)) {
            node.used = clock;
            at = node.parent;
        }
        let mut cache = self.nodes.get(&node)?.cache.fork();
        cache.truncate(matched);
        Some(cache)
    }

    /// Remembers `cache` as the computation of `ids` (`cache.len() == ids.len()`).
    pub fn insert(&mut self, ids: &[u32], cache: &KvCache) {
        debug_assert_eq!(ids.len(), cache.len());
        self.clock += 1;
        let (parent, matched) = match self.walk(ids) {
            None => (None, 0),
            Some((node, matched)) => {
                let end = self.nodes.get(&node).map_or(0, |n| n.cache.len());
                (Some(if matched < end { self.split(node, end - matched) } else { node }), matched)
            }
        };
        if let Some(node) = parent.and_then(|id| self.nodes.get_mut(&id)) {
            node.used = self.clock;
        }
        let Some(rest) = ids.get(matched..).filter(|rest| !rest.is_empty()) else { return };
        let mut cache = cache.fork();
        cache.truncate(ids.len());
        let id = self.add(rest.to_vec(), cache, parent);
        self.evict(id);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.budget);
    }

    /// The node in which the longest match of `ids` ends, and the match's length.
    fn walk(&self, ids: &[u32]) -> Option<(usize, usize)> {
        let mut children = &self.roots;
        let (mut last, mut matched) = (None, 0);
        while let Some((&id, node)) =
            ids.get(matched).and_then(|first| children.get(first)).and_then(|id| self.nodes.get_key_value(id))
        {
            let rest = ids.get(matched..).unwrap_or_default();
            let common = node.ids.iter().zip(rest).take_while(|(a, b)| a == b).count();
            matched += common;
            last = Some((id, matched));
            if common < node.ids.len() {
                break;
            }
            children = &node.children;
        }
        last
    }

    /// Cuts a node `tail` tokens before its end; returns the new upper part.
    fn split(&mut self, id: usize, tail: usize) -> usize {
        let Some(mut lower) = self.nodes.remove(&id) else { return id };
        let cut = lower.ids.len() - tail;
        let lower_ids = lower.ids.split_off(cut);
        let upper_ids = std::mem::replace(&mut lower.ids, lower_ids);
        let mut cache = lower.cache.fork();
        cache.truncate(lower.cache.len() - tail);
        let upper = self.add(upper_ids, cache, lower.parent);
        lower.parent = Some(upper);
        if let (Some(node), Some(&first)) = (self.nodes.get_mut(&upper), lower.ids.first()) {
            node.children.insert(first, id);
        }
        self.nodes.insert(id, lower);
        upper
    }

    fn add(&mut self, ids: Vec<u32>, cache: KvCache, parent: Option<usize>) -> usize {
        let id = self.next;
        self.next += 1;
        for (segment, bytes) in cache.segments() {
            let entry = self.segments.entry(segment).or_insert((0, bytes));
            entry.0 += 1;
            if entry.0 == 1 {
                self.bytes += bytes;
            }
        }
        if let Some(&first) = ids.first() {
            match parent.and_then(|parent| self.nodes.get_mut(&parent)) {
                Some(parent) => parent.children.insert(first, id),
                None => self.roots.insert(first, id),
            };
        }
        self.nodes.insert(id, Node { ids, cache, parent, children: HashMap::new(), used: self.clock });
        id
    }

    fn remove(&mut self, id: usize) {
        let Some(node) = self.nodes.remove(&id) else { return };
        for (segment, bytes) in node.cache.segments() {
            if let Some(entry) = self.segments.get_mut(&segment) {
                entry.0 -= 1;
                if entry.0 == 0 {
                    self.bytes -= bytes;
                    self.segments.remove(&segment);
                }
            }
        }
        if let Some(first) = node.ids.first() {
            match node.parent.and_then(|parent| self.nodes.get_mut(&parent)) {
                Some(parent) => parent.children.remove(first),
                None => self.roots.remove(first),
            };
        }
    }

    /// Removes least recently used leaves until the budget holds; the newest leaf stays.
    fn evict(&mut self, newest: usize) {
        while self.bytes > self.budget || self.nodes.len() > MAX_NODES {
            let oldest = self
                .nodes
                .iter()
                .filter(|(id, node)| node.children.is_empty() && **id != newest)
                .min_by_key(|(_, node)| node.used)
                .map(|(&id, _)| id);
            match oldest {
                Some(id) => self.remove(id),
                None => break,
            }
        }
    }
}
