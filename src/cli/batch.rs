//! Rows through the engine: up to `--batch` tickets at work, results in the order of the rows, memory bounded.

use std::collections::VecDeque;

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::host::{self, Host, MODEL};
use super::options::Rows;
use super::output::{Known, Output};
use super::progress::Progress;
use super::result::{self, Outcome, Shape};
use super::{Exit, say};
use crate::checkpoint::Method;
use crate::engine::{CritiqueOptions, CritiqueText, Event, Request, ScoreOptions, Ticket, Verdict};
use crate::rows::{Content, Item, Row};
use crate::{Error, Result};

/// Rows with the id of an earlier row that are named; the rest are counted.
const REPEATS: usize = 10;

/// What is done with each answer.
#[derive(Clone, Debug)]
pub enum Task {
    /// Write a critique, read the reward.
    Critique(CritiqueOptions),
    /// Read the reward of the row's critique.
    Score(ScoreOptions),
}

impl Task {
    fn request(&self, ticket: Ticket, item: &Item, method: Method) -> Result<Request, String> {
        let input = item.input.clone();
        match self {
            Self::Critique(options) => {
                let options = options.clone();
                Ok(Request::Critique { ticket, model: MODEL, input, begin: CritiqueText::None, options })
            }
            Self::Score(options) => {
                let critique = match (method, item.critique()) {
                    (Method::Classic, _) => CritiqueText::None,
                    (Method::Cloud, CritiqueText::None) => {
                        return Err(
                            "the row has no critique, and this model reads the reward after one: add a \
                                    `critique`, or let `outloud critique` write it"
                                .into(),
                        );
                    }
                    (Method::Cloud, critique) => critique,
                };
                Ok(Request::Score { ticket, model: MODEL, input, critique, options: options.clone() })
            }
        }
    }
}

/// A row under way; rows wait here for those before them.
struct Pending {
    id: Value,
    extra: Map<String, Value>,
    known: Known,
    items: Vec<Item>,
    outcomes: Vec<Option<Outcome>>,
}

impl Pending {
    fn finished(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }
}

/// A run over rows.
pub struct Batch {
    host: Host,
    task: Task,
    shape: Shape,
    output: Output,
    /// Tickets at work at most.
    width: usize,
    pending: VecDeque<Pending>,
    /// Sequence number of the first pending row.
    first: u64,
    open: usize,
    unread: usize,
    /// Rows with the id of an earlier row.
    repeats: usize,
    progress: Progress,
}

impl Batch {
    /// A run of `task` with at most `width` tickets at work.
    pub fn new(
        host: Host,
        task: Task,
        shape: Shape,
        output: Output,
        width: usize,
        progress: Progress,
    ) -> Self {
        progress.start();
        let pending = VecDeque::new();
        Self { host, task, shape, output, width, pending, first: 0, open: 0, unread: 0, repeats: 0, progress }
    }

    /// Works through the rows. What is finished is written whatever happens.
    ///
    /// # Errors
    /// When results cannot be written or the engine ends.
    pub async fn run(mut self, rows: Rows) -> Result<Exit> {
        let worked = self.work(reader(rows, self.width)).await;
        self.progress.end();
        let interrupted = match worked {
            Ok(()) => false,
            Err(Error::Cancelled) => true,
            Err(error) => {
                // The first error is the one to tell; finished rows are still kept where that is possible.
                let _ = self.write_finished();
                let _ = self.output.finish();
                return Err(error);
            }
        };
        self.write_finished()?;
        let unmatched = if interrupted { 0 } else { self.output.unmatched().len() };
        self.output.finish()?;
        if interrupted {
            say("interrupted; finished rows are kept, and with --out --resume goes on after them");
            return Ok(Exit::Interrupted);
        }
        if self.repeats > 0 {
            let many = self.repeats;
            say(&format!("{many} rows have the id of an earlier row: results are in the order of the rows"));
        }
        let failed = self.progress.failed();
        if failed > 0 {
            say(&format!("{failed} of {} rows failed", self.first));
        }
        if unmatched > 0 {
            say(&format!(
                "{unmatched} rows of the --out file are not among the rows given; they were left there"
            ));
        }
        Ok(if failed + self.unread + unmatched > 0 { Exit::Failed } else { Exit::Ok })
    }

    async fn work(&mut self, mut rows: mpsc::Receiver<Result<Row>>) -> Result<()> {
        let mut more = true;
        while more || self.open > 0 {
            let room = more && self.open < self.width && self.pending.len() < self.width.max(16) * 8;
            let interrupt = self.host.interrupt.clone();
            tokio::select! {
                biased;
                row = rows.recv(), if room => match row {
                    Some(Ok(row)) => self.take(row)?,
                    Some(Err(error)) => {
                        self.unread += 1;
                        self.progress.say(&error.to_string());
                    }
                    None => more = false,
                },
                event = host::next(&mut self.host.events, &interrupt) => self.event(event?),
            }
            if interrupt.asked() {
                return Err(Error::Cancelled);
            }
            self.write_ready()?;
        }
        Ok(())
    }

    /// Begins a row.
    fn take(&mut self, row: Row) -> Result<()> {
        let sequence = self.first + self.pending.len() as u64;
        let known = self.output.known(&row.id);
        if let Some(what) = &row.repeats {
            self.repeats += 1;
            if self.repeats <= REPEATS {
                self.progress.say(what);
            }
        }
        let mut pending =
            Pending { id: row.id, extra: row.extra, known, items: Vec::new(), outcomes: Vec::new() };
        if !matches!(known, Known::Kept(_)) {
            match row.content {
                Ok(Content::One(item)) => pending.items = vec![item],
                Ok(Content::Pair { chosen, rejected }) => pending.items = vec![chosen, rejected],
                Err(error) => pending.outcomes = vec![Some(Err(error))],
            }
        }
        for (side, item) in (0..).zip(&pending.items) {
            let ticket = Ticket(sequence * 2 + side);
            match self.task.request(ticket, item, self.host.info.spec.method) {
                Ok(request) => {
                    self.host.client.send(request)?;
                    self.open += 1;
                    pending.outcomes.push(None);
                }
                Err(error) => pending.outcomes.push(Some(Err(error))),
            }
        }
        self.pending.push_back(pending);
        Ok(())
    }

    fn event(&mut self, event: Event) {
        self.progress.event(&event);
        match event {
            Event::Critiqued { ticket, verdicts } => self.end(ticket, Ok(verdicts)),
            Event::Scored { ticket, verdict } => self.end(ticket, Ok(vec![*verdict])),
            Event::Failed { ticket, error } => self.end(ticket, Err(error)),
            Event::Cancelled { ticket } => self.end(ticket, Err("cancelled".into())),
            Event::Done { .. } => self.open = self.open.saturating_sub(1),
            _ => {}
        }
    }

    fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        let side = (ticket.0 % 2) as usize;
        let Some(row) =
            (ticket.0 / 2).checked_sub(self.first).and_then(|at| self.pending.get_mut(at as usize))
        else {
            return;
        };
        let outcome = outcome.and_then(|verdicts| agreed(row.items.get(side), verdicts));
        if let Some(slot) = row.outcomes.get_mut(side) {
            *slot = Some(outcome);
        }
    }

    /// Writes the rows that nothing before them holds up.
    fn write_ready(&mut self) -> Result<()> {
        while self.pending.front().is_some_and(Pending::finished) {
            let Some(row) = self.pending.pop_front() else { break };
            self.first += 1;
            self.write(row)?;
        }
        Ok(())
    }

    /// Writes every finished row when the work has ended early; a later `--resume` fills the gaps.
    fn write_finished(&mut self) -> Result<()> {
        while let Ok(event) = self.host.events.try_recv() {
            self.event(event);
        }
        // Of several rows with one id a later result must not be taken for an earlier one's.
        let mut left: Vec<Value> = Vec::new();
        for row in std::mem::take(&mut self.pending) {
            match row.known {
                _ if row.finished() && !left.contains(&row.id) => self.write(row)?,
                Known::Again(old) => self.output.keep(old)?,
                Known::New | Known::Kept(_) => left.push(row.id),
            }
        }
        Ok(())
    }

    fn write(&mut self, row: Pending) -> Result<()> {
        if let Known::Kept(old) = row.known {
            self.progress.row(true);
            return self.output.keep(old);
        }
        let outcomes: Vec<Outcome> = row.outcomes.into_iter().flatten().collect();
        let (line, good) = result::line(&row.id, &outcomes, &row.extra, &self.shape);
        self.progress.row(good);
        self.output.write(&line, row.known)
    }
}

/// A row's text and ids must say the same.
fn agreed(item: Option<&Item>, verdicts: Vec<Verdict>) -> Outcome {
    match (item, verdicts.first()) {
        (Some(item), Some(verdict)) if verdict.stopped.is_none() => {
            result::check_agreement(item, verdict).map(|()| verdicts)
        }
        _ => Ok(verdicts),
    }
}

/// Reads rows on a thread of their own: a slow pipe must not hold up results.
fn reader(rows: Rows, ahead: usize) -> mpsc::Receiver<Result<Row>> {
    let (sender, receiver) = mpsc::channel(ahead.clamp(1, 64));
    std::thread::spawn(move || {
        for row in rows {
            if sender.blocking_send(row).is_err() {
                return;
            }
        }
    });
    receiver
}
