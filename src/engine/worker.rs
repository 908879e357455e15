//! The engine's thread: take requests, look for cancels, one step of every open row, emit.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::job::{Job, Task, Waiting};
use super::load::{Found, Loaded};
use super::prepare::prepare;
use super::step::step;
use super::verdict::verdict;
use super::{Cancels, Client, Event, Events, ModelId, Port, Request, Ticket, channel};
use crate::{Error, Result};

/// How the engine may use the machine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Rows computed together at most (critiques being written, texts being read).
    pub max_batch: usize,
    /// Bytes each model's prefix tree may hold.
    pub cache_bytes: usize,
    /// Bytes all loaded models' weights may take together; `None`: no limit.
    pub model_bytes: Option<usize>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_batch: 32, cache_bytes: 1 << 30, model_bytes: None }
    }
}

/// Counters of a running engine, readable from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Tokens that went through the decoder.
    pub computed: AtomicU64,
    /// Bytes in all prefix trees.
    pub cache_bytes: AtomicU64,
}

/// A running engine; ends when all its clients are gone or at [`Request::Shutdown`].
pub struct Handle {
    thread: JoinHandle<()>,
    /// Counters.
    pub counters: Arc<Counters>,
}

impl Handle {
    /// Waits for the thread to end; `false` if it panicked (the client saw [`Event::Down`]).
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

/// Starts the engine's thread.
///
/// # Errors
/// When the system gives no thread.
pub fn start(config: EngineConfig) -> Result<(Client, Events, Handle)> {
    let (client, events, port) = channel();
    let counters = Arc::new(Counters::default());
    let shared = Arc::clone(&counters);
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let last_words = port.events.clone();
            let mut worker = Worker {
                port,
                config,
                counters: shared,
                models: BTreeMap::new(),
                waiting: VecDeque::new(),
                jobs: Vec::new(),
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| worker.run())) {
                let reason = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "a panic without a message".into());
                // The client may be gone too; then nobody is left to tell.
                let _ = last_words.blocking_send(Event::Down { reason });
            }
        })
        .map_err(|error| Error::EngineDown(format!("its thread could not be started: {error}")))?;
    Ok((client, events, Handle { thread, counters }))
}

struct Worker {
    port: Port,
    config: EngineConfig,
    counters: Arc<Counters>,
    models: BTreeMap<ModelId, Loaded>,
    waiting: VecDeque<Waiting>,
    jobs: Vec<Job>,
}

/// The client is gone: nothing is left to do.
struct Gone;

impl Worker {
    fn run(&mut self) {
        while self.turn().is_ok() {}
    }

    fn emit(&self, event: Event) -> std::result::Result<(), Gone> {
        self.port.events.blocking_send(event).map_err(|_closed| Gone)
    }

    fn end(&self, ticket: Ticket, event: Event) -> std::result::Result<(), Gone> {
        self.port.cancels.take(ticket);
        self.emit(event)?;
        self.emit(Event::Done { ticket })
    }

    fn fail(&self, ticket: Ticket, error: &Error) -> std::result::Result<(), Gone> {
        self.end(ticket, Event::Failed { ticket, error: error.to_string() })
    }

    /// Everything between two looks at the request queue.
    fn turn(&mut self) -> std::result::Result<(), Gone> {
        if self.jobs.is_empty() && self.waiting.is_empty() {
            let request = self.port.requests.blocking_recv().ok_or(Gone)?;
            self.take(request)?;
        }
        while let Ok(request) = self.port.requests.try_recv() {
            self.take(request)?;
        }
        self.cancel()?;
        self.admit()?;
        let ids: Vec<ModelId> = self.models.keys().copied().collect();
        for id in ids {
            self.step(id)?;
        }
        Ok(())
    }

    fn take(&mut self, request: Request) -> std::result::Result<(), Gone> {
        match request {
            Request::Load { ticket, model, source, device } => {
                let found = Found::open(&source, device).and_then(|found| {
                    self.room_for(model, found.bytes())?;
                    Ok(found)
                });
                // The one that stood in its place goes before the new one is read: never both in memory.
                if found.is_ok() {
                    self.unload(model)?;
                }
                match found.and_then(|found| found.load(self.config.cache_bytes)) {
                    Ok(loaded) => {
                        let info = Box::new(loaded.info.clone());
                        self.models.insert(model, loaded);
                        self.end(ticket, Event::Loaded { ticket, model, info })
                    }
                    Err(error) => self.fail(ticket, &error),
                }
            }
            Request::Unload { model } => self.unload(model),
            Request::Critique { ticket, model, input, begin, options } => {
                let task = Task::Critique(options);
                self.waiting.push_back(Waiting { ticket, model, input, critique: begin, task });
                Ok(())
            }
            Request::Score { ticket, model, input, critique, options } => {
                let task = Task::Score(options);
                self.waiting.push_back(Waiting { ticket, model, input, critique, task });
                Ok(())
            }
            Request::Name { ticket, model, ids } => match self.models.get(&model) {
                Some(loaded) => {
                    let texts = loaded.text.token_texts(&ids);
                    self.end(ticket, Event::Named { ticket, texts })
                }
                None => self.fail(ticket, &Error::Usage("the model is not loaded".into())),
            },
            Request::Shutdown => {
                let open: Vec<Ticket> = self.jobs.iter().map(|job| job.ticket).collect();
                let waiting: Vec<Ticket> = self.waiting.iter().map(|job| job.ticket).collect();
                for ticket in open.into_iter().chain(waiting) {
                    self.end(ticket, Event::Cancelled { ticket })?;
                }
                Err(Gone)
            }
        }
    }

    fn unload(&mut self, model: ModelId) -> std::result::Result<(), Gone> {
        let unknown = Error::Usage("the model was unloaded".into());
        let tickets: Vec<Ticket> =
            self.jobs.iter().filter(|job| job.model == model).map(|job| job.ticket).collect();
        for ticket in tickets {
            self.fail(ticket, &unknown)?;
        }
        self.jobs.retain(|job| job.model != model);
        self.models.remove(&model);
        Ok(())
    }

    /// Whether a model of so many bytes may be read, in place of the one of the same name.
    fn room_for(&self, model: ModelId, bytes: usize) -> Result<()> {
        let others: usize =
            self.models.iter().filter(|(id, _)| **id != model).map(|(_, other)| other.info.bytes).sum();
        let Some(limit) = self.config.model_bytes.filter(|limit| others + bytes > *limit) else {
            return Ok(());
        };
        let mb = |bytes: usize| format!("{:.1} MB", bytes as f64 / 1e6);
        Err(Error::Usage(match others {
            0 => format!(
                "the model takes {} in memory, {} are free: take a smaller one, or a machine with more memory",
                mb(bytes),
                mb(limit)
            ),
            _ => format!(
                "the model takes {} in memory, {} are left beside the one that is loaded: unload that, or take a smaller one",
                mb(bytes),
                mb(limit.saturating_sub(others))
            ),
        }))
    }

    fn cancel(&mut self) -> std::result::Result<(), Gone> {
        let cancels = self.port.cancels.clone();
        let mut stopped = Vec::new();
        self.waiting.retain(|job| {
            let stop = cancels.contains(job.ticket);
            if stop {
                stopped.push(job.ticket);
            }
            !stop
        });
        self.jobs.retain_mut(|job| {
            let stop = cancels.contains(job.ticket);
            if stop {
                stopped.push(job.ticket);
                if let Some(loaded) = self.models.get_mut(&job.model) {
                    remember(job, loaded);
                }
            }
            !stop
        });
        for ticket in stopped {
            self.end(ticket, Event::Cancelled { ticket })?;
        }
        Ok(())
    }

    /// Begins waiting work while there are free rows.
    fn admit(&mut self) -> std::result::Result<(), Gone> {
        let mut open: usize = self.jobs.iter().map(|job| job.task.width()).sum();
        while let Some(next) = self.waiting.front() {
            if open > 0 && open + next.task.width() > self.config.max_batch {
                break;
            }
            let Some(next) = self.waiting.pop_front() else { break };
            let (ticket, model) = (next.ticket, next.model);
            let width = next.task.width();
            let job = match self.models.get_mut(&model) {
                Some(loaded) => prepare(next, loaded),
                None => Err(Error::Usage("the model is not loaded".into())),
            };
            match job {
                Ok(job) => {
                    open += width;
                    if let Some(sample) = job.samples.first() {
                        let (tokens, specials) = (job.tokens(sample), job.formatted.specials.clone());
                        self.emit(Event::Started { ticket, tokens, specials })?;
                    }
                    self.jobs.push(job);
                }
                Err(error) => self.fail(ticket, &error)?,
            }
        }
        Ok(())
    }

    /// One step of all rows of one model.
    fn step(&mut self, model: ModelId) -> std::result::Result<(), Gone> {
        let Some(loaded) = self.models.get_mut(&model) else { return Ok(()) };
        let (mut mine, others): (Vec<Job>, Vec<Job>) =
            std::mem::take(&mut self.jobs).into_iter().partition(|job| job.model == model);
        self.jobs = others;
        if mine.is_empty() {
            return Ok(());
        }
        let mut events = Vec::new();
        let outcome = take_step(&mut mine, loaded, &self.port.cancels, &mut events);
        let mut ended = Vec::new();
        match outcome {
            Ok(computed) => {
                self.counters.computed.fetch_add(computed as u64, Ordering::Relaxed);
                for job in mine {
                    if job.finished() {
                        remember(&job, loaded);
                        ended.push((job.ticket, conclude(&job, loaded)));
                    } else {
                        self.jobs.push(job);
                    }
                }
            }
            Err(error) => {
                let error = error.to_string();
                ended.extend(mine.into_iter().map(|job| {
                    let ticket = job.ticket;
                    (ticket, Event::Failed { ticket, error: error.clone() })
                }));
            }
        }
        let bytes: usize = self.models.values().map(|loaded| loaded.prefixes.bytes()).sum();
        self.counters.cache_bytes.store(bytes as u64, Ordering::Relaxed);
        for event in events {
            self.emit(event)?;
        }
        for (ticket, event) in ended {
            self.end(ticket, event)?;
        }
        Ok(())
    }
}

/// [`step`]; of several rows, on a thread of the pool, where each fork is a matter of microseconds.
fn take_step(
    jobs: &mut [Job],
    loaded: &mut Loaded,
    cancels: &Cancels,
    events: &mut Vec<Event>,
) -> Result<usize> {
    let rows: usize = jobs.iter().map(|job| job.task.width()).sum();
    if rows == 1 || !loaded.model.device().is_cpu() {
        return step(jobs, loaded, cancels, events);
    }
    let mut outcome = Ok(0);
    rayon::scope(|_| outcome = step(jobs, loaded, cancels, events));
    outcome
}

/// Keeps what a job computed for later work.
fn remember(job: &Job, loaded: &mut Loaded) {
    for lane in job.prompt.iter().chain(job.samples.iter().map(|sample| &sample.lane)) {
        if let Some(ids) = lane.ids.get(..lane.cache.len()) {
            loaded.prefixes.insert(ids, &lane.cache);
        }
    }
}

/// The last event but `Done` of a finished job.
fn conclude(job: &Job, loaded: &Loaded) -> Event {
    let ticket = job.ticket;
    let verdicts: Result<Vec<_>> = job.samples.iter().map(|sample| verdict(job, sample, loaded)).collect();
    match (verdicts, &job.task) {
        (Err(error), _) => Event::Failed { ticket, error: error.to_string() },
        (Ok(verdicts), Task::Critique(_)) => Event::Critiqued { ticket, verdicts },
        (Ok(verdicts), Task::Score(_)) => match verdicts.into_iter().next() {
            Some(verdict) => Event::Scored { ticket, verdict: Box::new(verdict) },
            None => {
                Event::Failed { ticket, error: "no reading was made; this is a defect of outloud".into() }
            }
        },
    }
}
