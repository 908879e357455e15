//! An engine driven in a plain loop, and comparison that keeps the largest difference.

use std::collections::BTreeMap;
use std::path::Path;

use outloud::checkpoint::Reading;
use outloud::engine::{
    Client, CritiqueOptions, CritiqueText, DeviceChoice, EngineConfig, Event, Events, Handle, Input, ModelId,
    ModelSource, Request, ScoreOptions, Ticket, Verdict, start,
};

use super::expected::Example;

const MODEL: ModelId = ModelId(0);

pub struct Engine {
    client: Client,
    events: Events,
    next: u64,
    _handle: Handle,
}

/// What a ticket told.
#[derive(Default)]
pub struct Told {
    pub events: Vec<Event>,
    pub verdict: Option<Verdict>,
}

impl Engine {
    pub fn load(folder: &Path) -> Self {
        let (client, mut events, handle) = start(EngineConfig::default()).unwrap();
        let (ticket, source) = (Ticket(0), ModelSource::Folder(folder.to_owned()));
        client.send(Request::Load { ticket, model: MODEL, source, device: DeviceChoice::Cpu }).unwrap();
        loop {
            match events.blocking_recv().unwrap() {
                Event::Failed { error, .. } => panic!("{}: {error}", folder.display()),
                Event::Done { .. } => break,
                _ => {}
            }
        }
        Self { client, events, next: 1, _handle: handle }
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    pub fn critique(&mut self, example: &Example, reading: Reading) -> (Verdict, Vec<Event>) {
        let options = options(example, reading);
        self.critique_all(&[(Input::text(&*example.prompt, &*example.answer), options)]).remove(0)
    }

    /// All of them at once, verdicts in their order.
    pub fn critique_all(&mut self, rows: &[(Input, CritiqueOptions)]) -> Vec<(Verdict, Vec<Event>)> {
        let requests: Vec<(Ticket, Request)> = rows
            .iter()
            .map(|(input, options)| {
                let ticket = self.ticket();
                let (input, options) = (input.clone(), options.clone());
                (
                    ticket,
                    Request::Critique { ticket, model: MODEL, input, begin: CritiqueText::None, options },
                )
            })
            .collect();
        self.run(requests)
    }

    pub fn score(&mut self, example: &Example, critique: CritiqueText, options: ScoreOptions) -> Verdict {
        let (ticket, input) = (self.ticket(), Input::text(&*example.prompt, &*example.answer));
        self.run(vec![(ticket, Request::Score { ticket, model: MODEL, input, critique, options })])
            .remove(0)
            .0
    }

    fn run(&mut self, requests: Vec<(Ticket, Request)>) -> Vec<(Verdict, Vec<Event>)> {
        let order: Vec<Ticket> = requests.iter().map(|(ticket, _)| *ticket).collect();
        for (_, request) in requests {
            self.client.send(request).unwrap();
        }
        let mut told: BTreeMap<Ticket, Told> = BTreeMap::new();
        let mut open = order.len();
        while open > 0 {
            let event = self.events.blocking_recv().unwrap();
            match event {
                Event::Critiqued { ticket, mut verdicts } => {
                    assert_eq!(verdicts.len(), 1);
                    told.entry(ticket).or_default().verdict = verdicts.pop();
                }
                Event::Scored { ticket, verdict } => told.entry(ticket).or_default().verdict = Some(*verdict),
                Event::Token { ticket, .. }
                | Event::StopHere { ticket, .. }
                | Event::Started { ticket, .. } => {
                    told.entry(ticket).or_default().events.push(event);
                }
                Event::Failed { error, .. } => panic!("{error}"),
                Event::Down { reason } => panic!("{reason}"),
                Event::Done { .. } => open -= 1,
                _ => {}
            }
        }
        order
            .iter()
            .map(|ticket| {
                let told = told.remove(ticket).unwrap();
                (told.verdict.unwrap(), told.events)
            })
            .collect()
    }
}

/// The options under which the reference made an example.
pub fn options(example: &Example, reading: Reading) -> CritiqueOptions {
    CritiqueOptions {
        score: ScoreOptions {
            reading,
            critique_prompt: example.critique_prompt.clone(),
            raw_special: example.raw_special(),
            stop_here: true,
            ..ScoreOptions::default()
        },
        max_tokens: example.max_tokens,
        alternatives: 8,
        ..CritiqueOptions::default()
    }
}

/// Largest differences of one checkpoint, by what was compared.
pub struct Parity {
    pub checkpoint: String,
    seen: BTreeMap<&'static str, (usize, f32)>,
}

impl Parity {
    pub fn new(checkpoint: &str) -> Self {
        Self { checkpoint: checkpoint.to_owned(), seen: BTreeMap::new() }
    }

    /// Equal within the tolerance for rewards.
    pub fn rewards(&mut self, what: &'static str, place: &str, found: &[f32], expected: &[f32]) {
        self.compare(what, place, found, expected, |y| 1e-4 + 1e-4 * y.abs());
    }

    /// Equal within the tolerance for logits.
    pub fn logits(&mut self, what: &'static str, place: &str, found: &[f32], expected: &[f32]) {
        self.compare(what, place, found, expected, |_| 1e-3);
    }

    fn compare(
        &mut self,
        what: &'static str,
        place: &str,
        found: &[f32],
        expected: &[f32],
        tolerance: fn(f32) -> f32,
    ) {
        let at = format!("{} {place}: {what}", self.checkpoint);
        assert_eq!(found.len(), expected.len(), "{at}: number of values");
        let (count, worst) = self.seen.entry(what).or_default();
        for (i, (x, y)) in found.iter().zip(expected).enumerate() {
            let difference = (x - y).abs();
            assert!(difference <= tolerance(*y), "{at}[{i}] of {}: {x}, expected {y}", found.len());
            *count += 1;
            *worst = worst.max(difference);
        }
    }

    pub fn print(&self) {
        for (what, (count, worst)) in &self.seen {
            println!("{:<30} {what:<32} {count:>6} values   max abs diff {worst:.1e}", self.checkpoint);
        }
    }
}
