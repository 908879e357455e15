//! The session of the opened data: what the ledger writes is queued, what the session holds is read on a thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::app::desk::concerns_labels;
use crate::app::{Kept, KeptTake, Ledger, Msg, State, TakeId};
use crate::session::{
    Book, Closed, Digest, Draft, Entry, Event, EventId, Folder, Live, Notice, Notices, Opened, Pen, Store,
    default_path, open,
};
use crate::{Error, Result};

/// How long leaving waits for the disk.
const FAREWELL: Duration = Duration::from_secs(5);

/// Which session, and who works in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Its folder; it need not exist.
    pub path: PathBuf,
    /// The annotator.
    pub annotator: String,
}

/// The session that files have by default: by their names and places; `demo` without files.
///
/// # Errors
/// When there is no home folder.
pub fn session_of(files: &[PathBuf]) -> Result<PathBuf> {
    let Some(first) = files.first() else { return Ok(default_path()?.join("demo")) };
    if first.as_os_str() == "-" {
        return Ok(default_path()?.join("standard-input"));
    }
    let all: Vec<String> = files.iter().map(|file| absolute(file).display().to_string()).collect();
    let stem = first.file_stem().unwrap_or_default().to_string_lossy();
    let digest = Digest::of(all.join("\0").as_bytes());
    let short: String = digest.as_str().chars().take(8).collect();
    Ok(default_path()?.join(format!("{stem}-{short}")))
}

fn absolute(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_path_buf())
}

/// A session at work under the screen.
pub(super) struct Keep {
    live: Live,
    ledger: Ledger,
    book: Book,
    loaded: bool,
    queued: usize,
    problems: usize,
    /// Opened when there was something on the screen already.
    late: bool,
    back: Sender<Msg>,
}

impl Keep {
    /// Opens the session; what it holds comes as [`Msg::Kept`] through `back`.
    pub fn open(
        options: &SessionOptions,
        opened: Opened,
        late: bool,
        back: Sender<Msg>,
    ) -> Result<(Self, Notices)> {
        let folder = Folder::open(&options.path)?;
        let pen = Pen::new(&options.annotator);
        let (live, notices) = open(&folder, &pen)?;
        let ledger = Ledger::new(pen);
        let book = Book::default();
        let mut keep = Self { live, ledger, book, loaded: false, queued: 0, problems: 0, late, back };
        let opened = keep.ledger.opened(opened);
        keep.queue(vec![opened]);
        Ok((keep, notices))
    }

    /// Names events together with the ledger.
    pub fn pen(&self) -> Pen {
        self.ledger.pen()
    }

    /// Queues an event of another hand. What to tell of it.
    pub fn write(&mut self, draft: Draft) -> Option<Msg> {
        if let Event::Example(placed) = &draft.event {
            self.ledger.met(placed.example.clone());
        }
        self.queue(vec![draft])
    }

    /// The session's name of a take; one it does not know yet is written first.
    pub fn name_of(&mut self, state: &State, id: TakeId) -> Option<EventId> {
        self.touch(id);
        let told = self.flush(state, false);
        self.ledger.name_of(state, id).filter(|_| told.is_none())
    }

    /// A take has changed.
    pub fn touch(&mut self, id: TakeId) {
        self.ledger.touch(id);
    }

    /// Queues what is new. What to tell of it.
    pub fn flush(&mut self, state: &State, last: bool) -> Option<Msg> {
        let drafts = self.ledger.flush(state, last);
        self.queue(drafts)
    }

    fn queue(&mut self, drafts: Vec<Draft>) -> Option<Msg> {
        for draft in drafts {
            if self.live.save(draft).is_err() {
                return Some(Msg::Saving(self.queued, Some("the disk does not answer".into())));
            }
            self.queued += 1;
        }
        None
    }

    /// What the session told; what to tell the state.
    pub fn hear(&mut self, notice: Notice) -> Result<Vec<Msg>> {
        match notice {
            Notice::Saved(entries) => {
                self.queued = self.queued.saturating_sub(entries.len());
                let labels = of_labels(&entries);
                self.book.insert(entries);
                Ok(labels.into_iter().chain([Msg::Saving(self.queued, None)]).collect())
            }
            Notice::News(entries) => {
                let labels = of_labels(&entries);
                self.book.insert(entries);
                Ok(labels.into_iter().collect())
            }
            Notice::Failing { error, waiting } => Ok(vec![Msg::Saving(waiting, Some(error))]),
            Notice::Problems(problems) => {
                problems.iter().for_each(|problem| tracing::warn!(%problem, "session"));
                self.problems += problems.len();
                Ok(Vec::new())
            }
            Notice::Loaded => {
                self.loaded = true;
                self.restore()?;
                Ok(vec![Msg::Journal(Vec::new(), true)])
            }
        }
    }

    /// Reads the contents of what the session holds on a thread of its own.
    fn restore(&mut self) -> Result<()> {
        let examples = self.book.examples().map(|placed| placed.example.clone());
        self.ledger.know(self.book.takes(), examples.collect::<Vec<_>>());
        let (book, by, store) = (self.book.clone(), self.ledger.by().to_owned(), self.live.store().clone());
        let (back, problems, late) = (self.back.clone(), self.problems, self.late);
        std::thread::Builder::new()
            .name("restore".into())
            .spawn(move || {
                let mut kept = kept(&book, &by, &store, problems);
                // Where somebody stands already, nobody is moved.
                kept.view = kept.view.filter(|_| !late);
                // The screen may be gone.
                let _ = back.blocking_send(Msg::Kept(Box::new(kept)));
            })
            .map(drop)
            .map_err(|e| Error::io("the thread that reads the session", e))
    }

    /// Writes what is left and ends; what could not be saved.
    pub fn close(mut self, state: &State) -> Closed {
        if self.loaded {
            let drafts = self.ledger.flush(state, true);
            self.queue(drafts);
        }
        self.live.close(FAREWELL)
    }
}

/// The events that have a say in labels.
fn of_labels(entries: &[Entry]) -> Option<Msg> {
    let labels: Vec<Entry> = entries.iter().filter(|e| concerns_labels(e)).cloned().collect();
    (!labels.is_empty()).then_some(Msg::Journal(labels, false))
}

/// What a session holds for an annotator's screen.
pub fn kept(book: &Book, by: &str, store: &Store, problems: usize) -> Kept {
    let mut kept = Kept { problems, ..Kept::default() };
    for placed in book.examples().filter(|placed| placed.row.is_none()) {
        match store.example(&placed.example) {
            Ok(example) => kept.typed.push((placed.id.clone(), example)),
            Err(_) => kept.problems += 1,
        }
    }
    for record in book.takes() {
        let critiques: Result<Vec<_>> = record.judged.iter().map(|j| store.critique(&j.critique)).collect();
        let row = book.placed(&record.made.example).and_then(|placed| placed.row);
        match (store.example(&record.made.example), critiques) {
            (Ok(example), Ok(critiques)) => {
                kept.takes.push(KeptTake { record: record.clone(), row, example, critiques });
            }
            _ => kept.problems += 1,
        }
    }
    kept.view =
        book.view(by).and_then(|view| Some((view.clone(), store.example(view.example.as_ref()?).ok()?)));
    kept
}
