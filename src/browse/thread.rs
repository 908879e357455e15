//! The thread of the rows: questions first, then a slice of the work in hand.

use std::io::Write as _;
use std::sync::mpsc::{Sender, channel};

use super::{Ask, Index, News, Worker};
use crate::data::{Dataset, Options, Source};
use crate::{Error, Result};

/// Where the rows come from.
pub enum From {
    /// Files.
    Files(Vec<Source>, Options),
    /// Text compiled in, as JSON lines.
    Text(&'static str),
}

/// Begins to index on a thread of its own; what it tells goes to `tell`, which says whether anybody still listens.
///
/// # Errors
/// When there is no thread to be had, or no temporary file for a text.
pub fn start(from: From, mut tell: impl FnMut(News) -> bool + Send + 'static) -> Result<Sender<Ask>> {
    let (send, asked) = channel();
    let (sources, options, text) = match from {
        From::Files(sources, options) => (sources, options, None),
        From::Text(text) => {
            let failed = |e| Error::io("the temporary folder", e);
            let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().map_err(failed)?;
            file.write_all(text.as_bytes()).map_err(failed)?;
            (vec![Source::File(file.path().to_owned())], Options::default(), Some(file))
        }
    };
    let work = move || {
        // It is there as long as it may be opened.
        let _text = text;
        if !tell(News::Index(Index::default())) {
            return;
        }
        sources.iter().for_each(Source::wait);
        let mut worker = Worker::new(Dataset::open(sources, options));
        loop {
            let next = if worker.is_idle() { asked.recv().ok() } else { None };
            let more = std::iter::from_fn(|| asked.try_recv().ok());
            let asks: Vec<Ask> = next.into_iter().chain(more).collect();
            if asks.is_empty() && worker.is_idle() {
                return;
            }
            let mut news: Vec<News> = asks.into_iter().flat_map(|ask| worker.hear(ask)).collect();
            news.extend(worker.work());
            if !news.into_iter().all(&mut tell) {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("browse".into())
        .spawn(work)
        .map(|_thread| send)
        .map_err(|e| Error::io("the thread that reads rows", e))
}
