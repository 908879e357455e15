//! A session at work: one thread that saves what is queued and looks for what others wrote. Nobody waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc as notices;

use super::line::now;
use super::{Entry, Event, EventId, Folder, Journal, Object, Problem, Reader, Store, WriterId};
use crate::{Error, Result};

/// Events that may wait for the disk.
const QUEUE: usize = 4096;
/// Events made durable by one fsync at most.
const TOGETHER: usize = 256;
/// How often other journals are looked at.
const POLL: Duration = Duration::from_millis(300);
/// How soon a failed write is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Names the events of one writer, without touching anything: `app` holds it. Clones count together; drafts are to be saved
/// in the order in which they were named.
#[derive(Clone, Debug)]
pub struct Pen {
    writer: WriterId,
    by: String,
    next: Arc<AtomicU64>,
}

impl Pen {
    /// A pen for a new writer.
    pub fn new(annotator: &str) -> Self {
        Self { writer: WriterId::new(annotator), by: annotator.to_owned(), next: Arc::new(AtomicU64::new(1)) }
    }

    /// The annotator.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Gives an event its name.
    pub fn write(&mut self, event: Event) -> Draft {
        self.write_with(event, Vec::new())
    }

    /// Gives an event its name, with the contents it refers to.
    pub fn write_with(&mut self, event: Event, objects: Vec<Object>) -> Draft {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let id = EventId { writer: self.writer.clone(), seq };
        Draft { id, event, objects }
    }
}

/// An event to be saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name.
    pub id: EventId,
    /// What happened.
    pub event: Event,
    /// Contents it refers to; they are made durable before it.
    pub objects: Vec<Object>,
}

/// What the session tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The journals there were are read.
    Loaded,
    /// Events of other writers.
    News(Vec<Entry>),
    /// Own events that are on the disk.
    Saved(Vec<Entry>),
    /// Own events wait: why, and how many. They are tried again until the session is closed.
    Failing {
        /// What is wrong.
        error: String,
        /// Events that are not on the disk.
        waiting: usize,
    },
    /// What cannot be read.
    Problems(Vec<Problem>),
}

/// The receiving end. Unbounded: what is queued is bounded, what others write is read once.
pub type Notices = notices::UnboundedReceiver<Notice>;

/// The sending end.
#[derive(Debug)]
pub struct Live {
    queue: SyncSender<Draft>,
    done: mpsc::Receiver<Closed>,
    store: Store,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Closed {
    /// Events that are not on the disk.
    pub unsaved: usize,
    /// Why.
    pub error: Option<String>,
}

/// Begins work in a folder. The journals are read first; what is queued before is saved after that, so that it orders after
/// all that could have been seen.
///
/// # Errors
/// When no thread can be started. A folder that cannot be written is told by `Failing` when something is to be saved.
pub fn open(folder: &Folder, pen: &Pen) -> Result<(Live, Notices)> {
    let (queue, drafts) = mpsc::sync_channel(QUEUE);
    let (tell, told) = notices::unbounded_channel();
    let (ended, done) = mpsc::channel();
    let mut work = Work {
        journal: Journal::new(folder, pen.writer.clone()),
        reader: Reader::new(folder, Some(pen.writer.clone())),
        store: folder.store(),
        by: pen.by.clone(),
        clock: 0,
        tell,
        waiting: Vec::new(),
        error: None,
        read_error: None,
    };
    std::thread::Builder::new()
        .name("session".into())
        .spawn(move || {
            work.load();
            // Nobody may wait for the end.
            let _ = ended.send(work.run(&drafts));
        })
        .map_err(|e| Error::io("the thread of the session", e))?;
    Ok((Live { queue, done, store: folder.store() }, told))
}

impl Live {
    /// Queues an event; returns at once.
    ///
    /// # Errors
    /// The draft, when thousands wait already: the disk does not answer.
    pub fn save(&self, draft: Draft) -> Result<(), Box<Draft>> {
        self.queue.try_send(draft).map_err(|error| match error {
            TrySendError::Full(draft) | TrySendError::Disconnected(draft) => Box::new(draft),
        })
    }

    /// The session's contents.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Saves what is queued and ends; waits at most so long.
    pub fn close(self, wait: Duration) -> Closed {
        drop(self.queue);
        let slow = || Closed { unsaved: 1, error: Some("the disk did not answer in time".into()) };
        self.done.recv_timeout(wait).unwrap_or_else(|_slow| slow())
    }
}

struct Work {
    journal: Journal,
    reader: Reader,
    store: Store,
    by: String,
    clock: u64,
    tell: notices::UnboundedSender<Notice>,
    waiting: Vec<(Entry, Vec<Object>)>,
    error: Option<String>,
    read_error: Option<String>,
}

impl Work {
    fn load(&mut self) {
        self.poll();
        let torn = self.reader.torn();
        if !torn.is_empty() {
            self.say(Notice::Problems(torn));
        }
        self.say(Notice::Loaded);
    }

    fn run(&mut self, drafts: &mpsc::Receiver<Draft>) -> Closed {
        let mut look = Instant::now() + POLL;
        let mut again: Option<Instant> = None;
        loop {
            let wake = again.map_or(look, |again| again.min(look));
            // A queue that is not emptied while the disk fails fills up and refuses: memory is bounded.
            let room = self.waiting.len() < QUEUE;
            let draft = if room {
                drafts.recv_timeout(wake.saturating_duration_since(Instant::now()))
            } else {
                std::thread::sleep(wake.saturating_duration_since(Instant::now()));
                Err(RecvTimeoutError::Timeout)
            };
            let closed = match draft {
                Ok(draft) => {
                    let more = drafts.try_iter().take(TOGETHER - 1);
                    let drafts: Vec<Draft> = std::iter::once(draft).chain(more).collect();
                    self.name(drafts);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            let now = Instant::now();
            if !self.waiting.is_empty() && (closed || again.is_none_or(|again| again <= now)) {
                again = if self.save() { None } else { Some(now + AGAIN) };
            }
            if closed {
                return Closed { unsaved: self.waiting.len(), error: self.error.take() };
            }
            if look <= now {
                self.poll();
                look = Instant::now() + POLL;
            }
        }
    }

    /// Gives drafts their place: after all that was seen.
    fn name(&mut self, drafts: Vec<Draft>) {
        for draft in drafts {
            self.clock = self.clock.saturating_add(1);
            let entry = Entry {
                id: draft.id,
                clock: self.clock,
                time: now(),
                by: self.by.clone(),
                event: draft.event,
            };
            self.waiting.push((entry, draft.objects));
        }
    }

    /// Makes what waits durable: contents, then lines. False when that failed.
    fn save(&mut self) -> bool {
        match self.try_save() {
            Ok(()) => {
                self.error = None;
                let saved = std::mem::take(&mut self.waiting).into_iter().map(|(entry, _)| entry).collect();
                self.say(Notice::Saved(saved));
                true
            }
            Err(error) => {
                self.error = Some(error.to_string());
                self.say(Notice::Failing { error: error.to_string(), waiting: self.waiting.len() });
                false
            }
        }
    }

    fn try_save(&mut self) -> Result<()> {
        self.journal.prepare()?;
        self.store.put(self.waiting.iter().flat_map(|(_, objects)| objects))?;
        let entries: Vec<&Entry> = self.waiting.iter().map(|(entry, _)| entry).collect();
        self.journal.append(&entries)
    }

    fn poll(&mut self) {
        match self.reader.poll() {
            Ok(news) => {
                self.read_error = None;
                let clock = news.entries.iter().map(|e| e.clock).max().unwrap_or(0);
                self.clock = self.clock.max(clock);
                if !news.problems.is_empty() {
                    self.say(Notice::Problems(news.problems));
                }
                if !news.entries.is_empty() {
                    self.say(Notice::News(news.entries));
                }
            }
            Err(error) => {
                let error = error.to_string();
                if self.read_error.as_ref() != Some(&error) {
                    let fix = "Other writers' events are not seen until it can be read.".to_owned();
                    let file = "journals".into();
                    self.say(Notice::Problems(vec![Problem { file, line: None, found: error.clone(), fix }]));
                    self.read_error = Some(error);
                }
            }
        }
    }

    fn say(&self, notice: Notice) {
        // The screen may be gone; what is queued is saved all the same.
        let _ = self.tell.send(notice);
    }
}
