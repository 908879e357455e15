//! The union of all journals: every event once, in an order that is the same everywhere; what stands after undo.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use super::{
    Digest, Draft, Entry, Event, EventId, How, Judged, Label, Model, Opened, Placed, Review, TakeMade, View,
    encode,
};

/// Something that stands: the event that says so, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<T> {
    /// The event.
    pub id: EventId,
    /// Its wall-clock time.
    pub time: String,
    /// What it says.
    pub value: T,
}

/// A take with all that was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeRecord {
    /// Its name for ever.
    pub id: EventId,
    /// The annotator who made it.
    pub by: String,
    /// How it was made.
    pub made: TakeMade,
    /// Its critiques and rewards, at most one a reading, the first reading first.
    pub judged: Vec<Judged>,
    /// The name it was given.
    pub name: Option<String>,
}

impl TakeRecord {
    /// How it came about in the end.
    pub fn how(&self) -> &How {
        self.judged.iter().find_map(|j| j.how.as_ref()).unwrap_or(&self.made.how)
    }
}

type Key = (u64, EventId);
type ByAnnotator<T> = BTreeMap<String, Standing<T>>;

/// All events and what they come to.
#[derive(Clone, Debug, Default)]
pub struct Book {
    entries: BTreeMap<Key, Entry>,
    clocks: HashMap<EventId, u64>,
    conflicts: Vec<Entry>,
    void: HashSet<EventId>,
    /// Own events that are not on the disk yet, in the place they will most likely have.
    expected: HashSet<EventId>,
    stands: Stands,
}

/// What stands, derived from the events.
#[derive(Clone, Debug, Default)]
struct Stands {
    placed: BTreeMap<Digest, Placed>,
    takes: Vec<TakeRecord>,
    take_index: HashMap<EventId, usize>,
    labels: BTreeMap<Digest, ByAnnotator<Label>>,
    /// By example, answer and critique.
    reviews: BTreeMap<(Digest, usize, Option<Digest>), ByAnnotator<Review>>,
    /// Examples whose rewards were on an annotator's screen.
    seen: HashMap<String, HashSet<Digest>>,
    views: BTreeMap<String, View>,
    opened: Option<Opened>,
    models: BTreeMap<String, Standing<Model>>,
}

impl Book {
    /// Takes events in, in any order and as often as they come; returns how many were new.
    pub fn insert(&mut self, entries: impl IntoIterator<Item = Entry>) -> usize {
        let (mut new, mut in_order) = (0, true);
        for entry in entries {
            if self.expected.remove(&entry.id) {
                if let Some(clock) = self.clocks.remove(&entry.id) {
                    self.entries.remove(&(clock, entry.id.clone()));
                }
                // A label said twice is the same label; whatever else it is, it is read anew.
                in_order &= matches!(entry.event, Event::Label(_) | Event::Review(_) | Event::Seen { .. });
            } else if !self.admit(&entry) {
                continue;
            }
            new += 1;
            let key = (entry.clock, entry.id.clone());
            in_order &= self.entries.last_key_value().is_none_or(|(last, _)| *last < key)
                && !matches!(entry.event, Event::Undo { .. });
            if in_order {
                self.stands.apply(&entry, &entry.event);
            }
            self.clocks.insert(entry.id.clone(), entry.clock);
            self.entries.insert(key, entry);
        }
        if !in_order {
            self.rebuild();
        }
        new
    }

    /// Takes in an own event that is on its way to the disk, after all that is known; once [`Book::insert`] brings it saved,
    /// that one counts in its place.
    pub fn expect(&mut self, draft: &Draft, by: &str) {
        let entry = Entry {
            id: draft.id.clone(),
            clock: self.clock().saturating_add(1),
            time: String::new(),
            by: by.to_owned(),
            event: draft.event.clone(),
        };
        self.insert([entry]);
        self.expected.insert(draft.id.clone());
    }

    /// Own events that are not on the disk yet.
    pub fn expected(&self) -> usize {
        self.expected.len()
    }

    /// Whether an event is not on the disk yet.
    pub fn is_expected(&self, id: &EventId) -> bool {
        self.expected.contains(id)
    }

    /// Whether an entry is new. Two contents under one name are a damage; the same one counts everywhere.
    fn admit(&mut self, entry: &Entry) -> bool {
        let Some(known) = self.get(&entry.id) else { return true };
        if known == entry || self.conflicts.contains(entry) {
            return false;
        }
        if (known.clock, encode(known)) <= (entry.clock, encode(entry)) {
            self.conflicts.push(entry.clone());
            return false;
        }
        let key = (known.clock, entry.id.clone());
        self.conflicts.extend(self.entries.remove(&key));
        self.rebuild();
        true
    }

    fn rebuild(&mut self) {
        self.void.clear();
        for entry in self.entries.values().rev() {
            if let Event::Undo { events } = &entry.event
                && !self.void.contains(&entry.id)
            {
                let before = |id: &&EventId| self.clocks.get(*id).is_some_and(|&c| (c, *id) < entry.order());
                self.void.extend(events.iter().filter(before).cloned());
            }
        }
        self.stands = Stands::default();
        for entry in self.entries.values().filter(|e| !self.void.contains(&e.id)) {
            self.stands.apply(entry, &entry.event);
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without events.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The highest clock seen.
    pub fn clock(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |((clock, _), _)| *clock)
    }

    /// All events in order, undone ones too.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }

    /// Events in order after a place.
    pub fn entries_after(&self, clock: u64, id: &EventId) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.range((Bound::Excluded((clock, id.clone())), Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// An event.
    pub fn get(&self, id: &EventId) -> Option<&Entry> {
        self.entries.get(&(*self.clocks.get(id)?, id.clone()))
    }

    /// Events that stand under the name of another one.
    pub fn conflicts(&self) -> &[Entry] {
        &self.conflicts
    }

    /// True if an event was undone.
    pub fn is_undone(&self, id: &EventId) -> bool {
        self.void.contains(id)
    }

    /// Everything that happened to an example, in order, undone events too.
    pub fn history(&self, example: &Digest) -> Vec<&Entry> {
        let mut mine: HashSet<&EventId> = HashSet::new();
        let mut found = Vec::new();
        for entry in self.entries.values() {
            let direct = match &entry.event {
                Event::Bulk { events } => events.iter().any(|e| e.example() == Some(example)),
                event => event.example() == Some(example),
            };
            if direct || entry.event.references().into_iter().any(|id| mine.contains(id)) {
                mine.insert(&entry.id);
                found.push(entry);
            }
        }
        found
    }

    /// The step of an annotator that undo would go back over, among those wanted.
    pub fn undo(&self, by: &str, wanted: impl Fn(&Event) -> bool) -> Option<&Entry> {
        let mut own = self.entries.values().rev().filter(|e| e.by == by && e.event.is_step());
        own.find(|e| wanted(&e.event) && !self.void.contains(&e.id))
    }

    /// The undo of an annotator that redo would take back, if no step came after it.
    pub fn redo(&self, by: &str, wanted: impl Fn(&Event) -> bool) -> Option<&Entry> {
        for entry in self.entries.values().rev().filter(|e| e.by == by && !self.void.contains(&e.id)) {
            match &entry.event {
                Event::Undo { events } => {
                    let step =
                        |id: &EventId| self.get(id).is_some_and(|e| e.event.is_step() && wanted(&e.event));
                    if events.iter().any(step) {
                        return Some(entry);
                    }
                }
                event if event.is_step() && wanted(event) => return None,
                _ => {}
            }
        }
        None
    }

    /// Where an example stands in the data.
    pub fn placed(&self, example: &Digest) -> Option<&Placed> {
        self.stands.placed.get(example)
    }

    /// All examples met.
    pub fn examples(&self) -> impl Iterator<Item = &Placed> {
        self.stands.placed.values()
    }

    /// All takes, oldest first.
    pub fn takes(&self) -> &[TakeRecord] {
        &self.stands.takes
    }

    /// A take.
    pub fn take(&self, id: &EventId) -> Option<&TakeRecord> {
        self.stands.takes.get(*self.stands.take_index.get(id)?)
    }

    /// The labels of an example, by annotator.
    pub fn labels_of(&self, example: &Digest) -> impl Iterator<Item = (&str, &Standing<Label>)> {
        self.stands.labels.get(example).into_iter().flatten().map(|(by, label)| (by.as_str(), label))
    }

    /// An annotator's label of an example.
    pub fn label(&self, example: &Digest, by: &str) -> Option<&Standing<Label>> {
        self.stands.labels.get(example)?.get(by)
    }

    /// All labels: example, annotator, label.
    pub fn labels(&self) -> impl Iterator<Item = (&Digest, &str, &Standing<Label>)> {
        let all = self.stands.labels.iter();
        all.flat_map(|(example, by)| by.iter().map(move |(by, label)| (example, by.as_str(), label)))
    }

    /// All reviews of critiques: annotator, review.
    pub fn reviews(&self) -> impl Iterator<Item = (&str, &Standing<Review>)> {
        self.stands.reviews.values().flatten().map(|(by, review)| (by.as_str(), review))
    }

    /// An annotator's review of a critique of an answer (of `None`: what was written from nothing).
    pub fn review(
        &self,
        example: &Digest,
        answer: usize,
        critique: Option<&Digest>,
        by: &str,
    ) -> Option<&Standing<Review>> {
        self.stands.reviews.get(&(example.clone(), answer, critique.cloned()))?.get(by)
    }

    /// Whether rewards or critiques of an example were on an annotator's screen.
    pub fn has_seen(&self, by: &str, example: &Digest) -> bool {
        self.stands.seen.get(by).is_some_and(|seen| seen.contains(example))
    }

    /// Where an annotator's screen stood.
    pub fn view(&self, by: &str) -> Option<&View> {
        self.stands.views.get(by)
    }

    /// On what the session was opened last.
    pub fn opened(&self) -> Option<&Opened> {
        self.stands.opened.as_ref()
    }

    /// Models that were kept, and what was dropped, by name: what was said last.
    pub fn models(&self) -> &BTreeMap<String, Standing<Model>> {
        &self.stands.models
    }

    /// All annotators.
    pub fn annotators(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.entries.values().map(|e| e.by.as_str()).collect::<HashSet<_>>().into_iter().collect();
        names.sort_unstable();
        names
    }
}

impl Stands {
    fn apply(&mut self, entry: &Entry, event: &Event) {
        let by = || entry.by.clone();
        match event {
            Event::Opened(opened) => self.opened = Some(opened.clone()),
            Event::Example(placed) => drop(self.placed.insert(placed.example.clone(), placed.clone())),
            Event::Take(made) => {
                self.take_index.insert(entry.id.clone(), self.takes.len());
                let (id, made) = (entry.id.clone(), made.as_ref().clone());
                self.takes.push(TakeRecord { id, by: by(), made, judged: Vec::new(), name: None });
            }
            Event::Retyped { take, made } => {
                if let Some(take) = self.take_mut(take) {
                    take.made = made.as_ref().clone();
                }
            }
            Event::Judged(judged) => {
                if let Some(take) = self.take_mut(&judged.take) {
                    take.judged.retain(|other| other.reading != judged.reading);
                    take.judged.push(judged.clone());
                }
            }
            Event::Named { take, name } => {
                if let Some(take) = self.take_mut(take) {
                    take.name = (!name.is_empty()).then(|| name.clone());
                }
            }
            Event::Label(label) => {
                let of = self.labels.entry(label.example.clone()).or_default();
                of.insert(by(), standing(entry, label.as_ref().clone()));
            }
            Event::Review(review) => {
                let key = (review.example.clone(), review.answer, review.critique.clone());
                self.reviews.entry(key).or_default().insert(by(), standing(entry, review.as_ref().clone()));
            }
            Event::Model(model) => {
                drop(self.models.insert(model.name.clone(), standing(entry, model.as_ref().clone())));
            }
            Event::Seen { examples } => {
                self.seen.entry(by()).or_default().extend(examples.iter().cloned());
            }
            Event::View(view) => drop(self.views.insert(by(), view.clone())),
            Event::Bulk { events } => events.iter().for_each(|event| self.apply(entry, event)),
            Event::Undo { .. } | Event::Run { .. } | Event::Imported(_) | Event::Unknown(_) => {}
        }
    }

    fn take_mut(&mut self, id: &EventId) -> Option<&mut TakeRecord> {
        self.takes.get_mut(*self.take_index.get(id)?)
    }
}

fn standing<T>(entry: &Entry, value: T) -> Standing<T> {
    Standing { id: entry.id.clone(), time: entry.time.clone(), value }
}
