//! All takes. They form a tree: every edit adds one, nothing is overwritten or removed.

use super::{Phase, Side, Take, TakeId};

/// What happened to a take, for whoever keeps takes beyond this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made; its text may still be typed.
    Made,
    /// It was named.
    Named,
    /// It reached its end: complete, stopped or failed.
    Ended,
}

/// All takes, and what has changed since it was last asked for.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Takes {
    all: Vec<Take>,
    changes: Vec<(TakeId, Change)>,
}

impl Takes {
    /// Adds a take; returns its id.
    pub fn add(&mut self, mut take: Take) -> TakeId {
        let id = TakeId(self.all.len());
        take.id = id;
        self.all.push(take);
        self.changes.push((id, Change::Made));
        id
    }

    /// Adds a take that is kept already.
    pub fn restore(&mut self, mut take: Take) -> TakeId {
        let id = TakeId(self.all.len());
        take.id = id;
        self.all.push(take);
        id
    }

    /// A take.
    pub fn get(&self, id: TakeId) -> Option<&Take> {
        self.all.get(id.0)
    }

    /// A take, to be changed.
    pub fn get_mut(&mut self, id: TakeId) -> Option<&mut Take> {
        self.all.get_mut(id.0)
    }

    /// Gives a take a name; an empty one takes it away.
    pub fn name(&mut self, id: TakeId, name: &str) {
        if let Some(take) = self.all.get_mut(id.0) {
            take.name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
            self.changes.push((id, Change::Named));
        }
    }

    /// Ends the work on a take.
    pub fn end(&mut self, id: TakeId, phase: Phase) {
        if let Some(take) = self.all.get_mut(id.0) {
            take.phase = phase;
            self.changes.push((id, Change::Ended));
        }
    }

    /// What has changed since this was last asked, in order.
    pub fn changes(&mut self) -> Vec<(TakeId, Change)> {
        std::mem::take(&mut self.changes)
    }

    /// All takes of an example's answer, oldest first.
    pub fn of(&self, example: usize, side: Side) -> impl DoubleEndedIterator<Item = &Take> {
        self.all.iter().filter(move |t| t.example == example && t.side == side)
    }

    /// Takes made from a take, oldest first.
    pub fn children(&self, id: TakeId) -> impl DoubleEndedIterator<Item = &Take> {
        self.all.iter().skip(id.0 + 1).filter(move |t| t.parent == Some(id))
    }

    /// The takes of an example as a tree: each after what it was made from, with its depth.
    pub fn tree(&self, example: usize) -> Vec<(usize, &Take)> {
        let mut children: std::collections::HashMap<Option<TakeId>, Vec<&Take>> =
            std::collections::HashMap::new();
        for take in self.all.iter().filter(|t| t.example == example) {
            let parent = take.parent.filter(|p| self.get(*p).is_some_and(|p| p.example == example));
            children.entry(parent).or_default().push(take);
        }
        let mut roots = children.remove(&None).unwrap_or_default();
        roots.sort_by_key(|t| (t.side == Side::Rejected, t.id));
        let mut open: Vec<(usize, &Take)> = roots.into_iter().rev().map(|t| (0, t)).collect();
        let mut out = Vec::new();
        while let Some((depth, take)) = open.pop() {
            out.push((depth, take));
            let below = children.remove(&Some(take.id)).unwrap_or_default();
            open.extend(below.into_iter().rev().map(|t| (depth + 1, t)));
        }
        out
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Take> {
        self.all.iter()
    }
}
