//! Labels made elsewhere, as events: each record finds its example, each annotator has a journal, nothing is said twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::case::{IMPORTED, Spoken};
use super::read::Read;
use super::record::{Record, Said};
use super::texts;
use crate::session::{
    Book, Digest, Draft, Entry, Event, Example, Folder, How, Journal, Judged, Label, Object, Origin, Pen,
    Placed, Reader, Review, TakeMade, now, take_in,
};
use crate::{Error, Result};

/// An example of the data that labels may be about: its row's `id`, its row from 0, its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// `id` of the row.
    pub id: String,
    /// Row, from 0.
    pub row: usize,
    /// Prompt and answers.
    pub example: Example,
}

/// What importing did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The file's format.
    pub format: &'static str,
    /// Records read.
    pub records: usize,
    /// Events written, contents aside.
    pub events: usize,
    /// Labels and critiques taken in, by annotator.
    pub said: BTreeMap<String, usize>,
    /// Statements that were there.
    pub there: usize,
    /// Examples that were new to the session.
    pub examples: usize,
    /// Model's critiques taken in.
    pub critiques: usize,
    /// Records that could not be read or found: place and reason.
    pub bad: Vec<String>,
}

/// Takes a file's labels into a session. `annotator` is whose labels are that name nobody; `known` are the rows of the data.
/// The same file again adds nothing.
///
/// # Errors
/// `Usage` when labels name nobody and `annotator` is none; a session that cannot be read or written.
pub fn import(folder: &Folder, read: &Read, annotator: Option<&str>, known: &[Known]) -> Result<Imported> {
    if let Some(why) = folder.read_only() {
        return Err(Error::Usage(why.to_owned()));
    }
    let mut done = Imported { format: read.format, bad: read.bad.clone(), ..Imported::default() };
    if let Some(log) = &read.log {
        let merged = take_in(folder, log)?;
        done.records = log.lines.len();
        done.events = merged.events;
        done.there = log.lines.len() - merged.events.min(log.lines.len());
        done.bad.extend(merged.problems.iter().map(ToString::to_string));
        return Ok(done);
    }
    let nobody = |said: &Said| said.by.as_deref().is_none_or(|by| by.trim().is_empty());
    if annotator.is_none() && read.records.iter().flat_map(|r| &r.said).any(nobody) {
        return Err(Error::Usage(format!(
            "{}: it does not say whose labels these are; give --annotator NAME",
            read.name
        )));
    }
    let mut work = Work::new(folder, known)?;
    for record in &read.records {
        done.records += 1;
        match work.place(record) {
            Ok(place) => work.take(&place, record, read, annotator.unwrap_or_default(), &mut done),
            Err(why) => done.bad.push(format!("{}: {why}", record.place)),
        }
    }
    done.events = work.write(folder)?;
    Ok(done)
}

/// An event that is to be written, and the contents it refers to.
type Waiting = (Entry, Vec<Object>);

/// Where a record's example is, and whether its two answers stand the other way round there.
struct Place {
    digest: Digest,
    answers: usize,
    swap: bool,
}

struct Work {
    book: Book,
    clock: u64,
    time: String,
    /// By content: the examples of the session and of the data.
    examples: HashMap<Digest, Example>,
    by_id: HashMap<String, Vec<Digest>>,
    by_row: HashMap<usize, Digest>,
    /// By prompt and answers in order of the alphabet.
    by_texts: HashMap<(String, Vec<String>), Vec<Digest>>,
    placed: HashMap<Digest, Placed>,
    next_row: usize,
    said: HashSet<(String, Digest)>,
    pens: BTreeMap<String, (Pen, Vec<Waiting>)>,
}

impl Work {
    fn new(folder: &Folder, known: &[Known]) -> Result<Self> {
        let mut book = Book::default();
        book.insert(Reader::new(folder, None).poll()?.entries);
        let store = folder.store();
        let mut work = Self {
            clock: book.clock(),
            time: now(),
            examples: HashMap::new(),
            by_id: HashMap::new(),
            by_row: HashMap::new(),
            by_texts: HashMap::new(),
            placed: HashMap::new(),
            next_row: 0,
            said: said_before(&book),
            pens: BTreeMap::new(),
            book: Book::default(),
        };
        for placed in book.examples() {
            work.next_row = work.next_row.max(placed.row.map_or(0, |row| row + 1));
            if let Ok(example) = store.example(&placed.example) {
                work.know(&placed.example, &placed.id, placed.row, example);
            }
        }
        for Known { id, row, example } in known {
            work.next_row = work.next_row.max(row + 1);
            let digest = example.object().digest;
            if book.placed(&digest).is_none() {
                let placed = Placed { example: digest.clone(), id: id.clone(), row: Some(*row) };
                work.placed.entry(digest.clone()).or_insert(placed);
            }
            work.know(&digest, id, Some(*row), example.clone());
        }
        work.book = book;
        Ok(work)
    }

    fn know(&mut self, digest: &Digest, id: &str, row: Option<usize>, example: Example) {
        let all = self.by_id.entry(id.to_owned()).or_default();
        if !all.contains(digest) {
            all.push(digest.clone());
        }
        if let Some(row) = row {
            self.by_row.entry(row).or_insert_with(|| digest.clone());
        }
        let all = self.by_texts.entry(key(&example)).or_default();
        if !all.contains(digest) {
            all.push(digest.clone());
        }
        self.examples.insert(digest.clone(), example);
    }

    /// Finds a record's example: by its texts, else by name, `id` or row; texts that are nowhere are a new example.
    fn place(&mut self, record: &Record) -> Result<Place, String> {
        if let (Some(prompt), false) = (&record.prompt, record.answers.is_empty()) {
            let example = Example { prompt: prompt.clone(), answers: record.answers.clone() };
            let candidates = self.by_texts.get(&key(&example)).cloned().unwrap_or_default();
            let ids = record.id.as_ref().and_then(|id| self.by_id.get(id));
            let named = candidates.iter().find(|digest| ids.is_some_and(|ids| ids.contains(digest)));
            let alike =
                |digest: &&Digest| self.examples.get(*digest).is_some_and(|e| e.answers == example.answers);
            let found = named.or_else(|| candidates.iter().find(alike)).or_else(|| candidates.first());
            if let Some(digest) = found {
                let swap = self.examples.get(digest).is_some_and(|e| e.answers != example.answers);
                return Ok(Place { digest: digest.clone(), answers: example.answers.len(), swap });
            }
            // Not among those that a record may find swapped: what one record adds is not found by the next one but as it is.
            let digest = example.object().digest;
            if !self.examples.contains_key(&digest) {
                let row = self.next_row;
                self.next_row += 1;
                let id = record.id.clone().unwrap_or_else(|| (row + 1).to_string());
                let placed = Placed { example: digest.clone(), id, row: Some(row) };
                self.placed.insert(digest.clone(), placed);
                self.examples.insert(digest.clone(), example.clone());
            }
            return Ok(Place { digest, answers: example.answers.len(), swap: false });
        }
        let by_id = |id: &String| match self.by_id.get(id).map(Vec::as_slice) {
            Some([one]) => Ok(one.clone()),
            Some(several) => {
                Err(format!("id {id}: {} examples have it; give prompt and answers", several.len()))
            }
            None => Err(format!("id {id}: no example of the session or the data has it")),
        };
        let digest = match (&record.digest, &record.id, record.row) {
            (Some(digest), ..) => digest.clone(),
            (None, Some(id), _) => by_id(id)?,
            (None, None, Some(row)) => self
                .by_row
                .get(&row)
                .cloned()
                .ok_or_else(|| format!("row {row}: there is none in the session or the data"))?,
            (None, None, None) => {
                return Err("found a prompt without answers, an id or a row, expected one of them".into());
            }
        };
        let example = self
            .examples
            .get(&digest)
            .ok_or_else(|| format!("example {digest}: not in the session or the data"))?;
        Ok(Place { digest: digest.clone(), answers: example.answers.len(), swap: false })
    }

    fn take(&mut self, place: &Place, record: &Record, read: &Read, annotator: &str, done: &mut Imported) {
        for (answer, spoken) in &record.critiques {
            self.critique(place, *answer, spoken, record, annotator, done);
        }
        for said in &record.said {
            let by = said.by.as_deref().filter(|by| !by.trim().is_empty()).unwrap_or(annotator).to_owned();
            let outside = |choice: crate::session::Choice| match choice {
                crate::session::Choice::Tie => false,
                // Of a single answer 1 says that it is bad.
                crate::session::Choice::Better(index) | crate::session::Choice::MuchBetter(index) => {
                    index >= place.answers.max(2)
                }
            };
            if said.choice.is_some_and(outside)
                || said.corrections.iter().any(|(answer, _)| *answer >= place.answers)
            {
                done.bad.push(format!(
                    "{}: it speaks of more answers than there are ({})",
                    record.place, place.answers
                ));
                continue;
            }
            let digest = said_digest(place, said);
            if !self.said.insert((by.clone(), digest.clone())) {
                done.there += 1;
                continue;
            }
            let events = self.events(place, said, &by);
            if events.is_empty() {
                done.there += 1;
                continue;
            }
            self.meet(place, &by, done);
            *done.said.entry(by.clone()).or_default() += 1;
            let origin = Origin {
                file: read.name.clone(),
                format: read.format.to_owned(),
                record: record.place.clone(),
                digest,
            };
            let events = std::iter::once(Event::Imported(origin)).chain(events).collect();
            self.say(&by, Event::Bulk { events }, Vec::new());
        }
    }

    /// What is new in a statement.
    fn events(&self, place: &Place, said: &Said, by: &str) -> Vec<Event> {
        let mut events = Vec::new();
        let before = self.book.label(&place.digest, by).map(|standing| standing.value.clone());
        let after =
            said.label(before.clone().unwrap_or_else(|| Label::draft(place.digest.clone())), place.swap);
        if let Some(label) = after.filter(|label| Some(label) != before.as_ref()) {
            events.push(Event::Label(Box::new(label)));
        }
        for (answer, text) in &said.corrections {
            let answer = turned(*answer, place.swap);
            let mine = |review: &Review| review.example == place.digest && review.answer == answer;
            let same = |review: &Review| mine(review) && review.correction.as_ref() == Some(text);
            if !self.book.reviews().any(|(who, standing)| who == by && same(&standing.value)) {
                events.push(Event::Review(Box::new(Review {
                    example: place.digest.clone(),
                    answer,
                    critique: None,
                    agrees: None,
                    sentences: Vec::new(),
                    correction: Some(text.clone()),
                })));
            }
        }
        events
    }

    /// A model's critique becomes a take, unless the session has one of these words.
    fn critique(
        &mut self,
        place: &Place,
        answer: usize,
        spoken: &Spoken,
        record: &Record,
        annotator: &str,
        done: &mut Imported,
    ) {
        let answer = turned(answer, place.swap);
        if answer >= place.answers {
            return;
        }
        let object = spoken.critique().object();
        let of = |take: &&crate::session::TakeRecord| {
            take.made.example == place.digest && take.made.answer == answer
        };
        let same = |judged: &Judged| judged.critique == object.digest || judged.reward == spoken.reward;
        let there = self.book.takes().iter().filter(of).any(|take| take.judged.iter().any(same));
        if there || !self.said.insert((format!("answer {answer}"), place_digest(place, &object.digest))) {
            return;
        }
        let first = record.said.iter().find_map(|said| said.by.clone());
        let by = first.filter(|by| !by.trim().is_empty()).unwrap_or_else(|| annotator.to_owned());
        let by = if by.is_empty() { "import".to_owned() } else { by };
        self.meet(place, &by, done);
        let made = TakeMade {
            example: place.digest.clone(),
            answer,
            parent: None,
            how: How { way: IMPORTED.into(), ..How::default() },
            prompt: None,
            text: None,
            critique_prompt: None,
            critique: None,
        };
        let take = self.say(&by, Event::Take(Box::new(made)), Vec::new());
        let judged = Judged {
            take,
            reading: crate::checkpoint::Reading::InPlace,
            reward: spoken.reward,
            critique: object.digest.clone(),
            how: None,
        };
        self.say(&by, Event::Judged(judged), vec![object]);
        done.critiques += 1;
    }

    /// Brings an example into the session, once.
    fn meet(&mut self, place: &Place, by: &str, done: &mut Imported) {
        let Some(placed) = self.placed.remove(&place.digest) else { return };
        let Some(example) = self.examples.get(&place.digest) else { return };
        let object = example.object();
        self.say(by, Event::Example(placed), vec![object]);
        done.examples += 1;
    }

    fn say(&mut self, by: &str, event: Event, objects: Vec<Object>) -> crate::session::EventId {
        let (pen, waiting) = self.pens.entry(by.to_owned()).or_insert_with(|| (Pen::new(by), Vec::new()));
        let Draft { id, event, objects } = pen.write_with(event, objects);
        self.clock += 1;
        let entry =
            Entry { id: id.clone(), clock: self.clock, time: self.time.clone(), by: by.to_owned(), event };
        waiting.push((entry, objects));
        id
    }

    /// Contents first, then a journal for each annotator.
    fn write(self, folder: &Folder) -> Result<usize> {
        let mut events = 0;
        if !self.pens.is_empty() {
            folder.create()?;
        }
        let objects =
            self.pens.values().flat_map(|(_, waiting)| waiting.iter().flat_map(|(_, objects)| objects));
        folder.store().put(objects)?;
        for (_, waiting) in self.pens.into_values() {
            let entries: Vec<&Entry> = waiting.iter().map(|(entry, _)| entry).collect();
            let Some(first) = entries.first() else { continue };
            events += entries.len();
            Journal::new(folder, first.id.writer.clone()).append(&entries)?;
        }
        Ok(events)
    }
}

fn turned(answer: usize, swap: bool) -> usize {
    if swap && answer < 2 { 1 - answer } else { answer }
}

fn key(example: &Example) -> (String, Vec<String>) {
    let mut answers = example.answers.clone();
    answers.sort();
    (texts::key(&example.prompt), answers)
}

/// Names what was said of an example, whatever file says it.
fn said_digest(place: &Place, said: &Said) -> Digest {
    let anonymous = Said { by: None, ..said.clone() };
    let label = anonymous.label(Label::draft(place.digest.clone()), place.swap);
    let text = serde_json::json!([label, anonymous.corrections, place.swap]).to_string();
    place_digest(place, &Digest::of(text.as_bytes()))
}

fn place_digest(place: &Place, of: &Digest) -> Digest {
    Digest::of(format!("{} {of}", place.digest).as_bytes())
}

/// What was imported before and not undone: annotator and statement.
fn said_before(book: &Book) -> HashSet<(String, Digest)> {
    let mut said = HashSet::new();
    for entry in book.entries().filter(|entry| !book.is_undone(&entry.id)) {
        if let Event::Bulk { events } = &entry.event {
            for event in events {
                if let Event::Imported(origin) = event {
                    said.insert((entry.by.clone(), origin.digest.clone()));
                }
            }
        }
    }
    said
}
