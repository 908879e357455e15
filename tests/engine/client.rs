//! A running engine and its answers, sorted by ticket.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use outloud::engine::{
    Client, CritiqueOptions, CritiqueText, CritiqueToken, DeviceChoice, EngineConfig, Event, Events, Handle,
    Input, ModelId, ModelSource, Request, ScoreOptions, Ticket, Verdict, start,
};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// An engine with one model loaded as `ModelId(1)`.
pub struct Running {
    pub client: Client,
    pub handle: Handle,
    events: Events,
    next: u64,
    seen: HashMap<Ticket, Vec<Event>>,
    done: Vec<Ticket>,
}

/// All events of a ticket but `Done`.
#[derive(Debug)]
pub struct Outcome {
    pub events: Vec<Event>,
}

impl Outcome {
    pub fn verdicts(&self) -> Vec<Verdict> {
        match self.events.last() {
            Some(Event::Critiqued { verdicts, .. }) => verdicts.clone(),
            Some(Event::Scored { verdict, .. }) => vec![*verdict.clone()],
            other => panic!("no verdict: {other:?}"),
        }
    }

    pub fn one(&self) -> Verdict {
        let mut verdicts = self.verdicts();
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(0)
    }

    pub fn error(&self) -> String {
        match self.events.last() {
            Some(Event::Failed { error, .. }) => error.clone(),
            other => panic!("no failure: {other:?}"),
        }
    }

    pub fn tokens(&self) -> Vec<CritiqueToken> {
        let token = |e: &Event| if let Event::Token { token, .. } = e { Some(*token.clone()) } else { None };
        self.events.iter().filter_map(token).collect()
    }
}

impl Running {
    pub fn start(config: EngineConfig, dir: &Path) -> Self {
        let (client, events, handle) = start(config).unwrap();
        let mut running = Self { client, handle, events, next: 0, seen: HashMap::new(), done: Vec::new() };
        running.load(ModelId(1), dir).unwrap();
        running
    }

    pub fn load(&mut self, model: ModelId, dir: &Path) -> Result<(), String> {
        let ticket = self.ticket();
        let source = ModelSource::Folder(dir.to_path_buf());
        self.client.send(Request::Load { ticket, model, source, device: DeviceChoice::Cpu }).unwrap();
        match self.wait(ticket).events.last() {
            Some(Event::Loaded { .. }) => Ok(()),
            Some(Event::Failed { error, .. }) => Err(error.clone()),
            other => panic!("{other:?}"),
        }
    }

    pub fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    pub fn computed(&self) -> usize {
        self.handle.counters.computed.load(std::sync::atomic::Ordering::Relaxed) as usize
    }

    pub fn send_critique(&mut self, input: Input, options: &CritiqueOptions) -> Ticket {
        self.send_critique_to(ModelId(1), input, options)
    }

    pub fn send_critique_to(&mut self, model: ModelId, input: Input, options: &CritiqueOptions) -> Ticket {
        let ticket = self.ticket();
        let options = options.clone();
        let request = Request::Critique { ticket, model, input, begin: CritiqueText::None, options };
        self.client.send(request).unwrap();
        ticket
    }

    pub fn critique(&mut self, pair: (&str, &str), options: &CritiqueOptions) -> Outcome {
        self.critique_from(pair, CritiqueText::None, options)
    }

    pub fn critique_from(
        &mut self,
        pair: (&str, &str),
        begin: CritiqueText,
        options: &CritiqueOptions,
    ) -> Outcome {
        let ticket = self.ticket();
        let (input, options) = (Input::text(pair.0, pair.1), options.clone());
        self.client.send(Request::Critique { ticket, model: ModelId(1), input, begin, options }).unwrap();
        self.wait(ticket)
    }

    pub fn score(&mut self, pair: (&str, &str), critique: CritiqueText, options: &ScoreOptions) -> Outcome {
        let ticket = self.ticket();
        let (input, options) = (Input::text(pair.0, pair.1), options.clone());
        self.client.send(Request::Score { ticket, model: ModelId(1), input, critique, options }).unwrap();
        self.wait(ticket)
    }

    fn read(&mut self) {
        let event = self.events.blocking_recv().expect("the engine has ended");
        let ticket = match &event {
            Event::Loaded { ticket, .. }
            | Event::Prefill { ticket, .. }
            | Event::Started { ticket, .. }
            | Event::Token { ticket, .. }
            | Event::StopHere { ticket, .. }
            | Event::Critiqued { ticket, .. }
            | Event::Scored { ticket, .. }
            | Event::Given { ticket, .. }
            | Event::Named { ticket, .. }
            | Event::Failed { ticket, .. }
            | Event::Cancelled { ticket } => *ticket,
            Event::Done { ticket } => return self.done.push(*ticket),
            Event::Down { reason } => panic!("the engine is down: {reason}"),
        };
        self.seen.entry(ticket).or_default().push(event);
    }

    pub fn wait(&mut self, ticket: Ticket) -> Outcome {
        while !self.done.contains(&ticket) {
            self.read();
        }
        Outcome { events: self.seen.remove(&ticket).unwrap_or_default() }
    }

    pub fn wait_for_token(&mut self, ticket: Ticket) {
        while !self
            .seen
            .get(&ticket)
            .is_some_and(|events| events.iter().any(|e| matches!(e, Event::Token { .. })))
        {
            self.read();
        }
    }
}
