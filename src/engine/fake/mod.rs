//! A scripted engine: plays recorded critiques over the engine's own contract. For tests of what stands above it.

mod reading;

use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Alternative, Choice, Client, CritiqueOptions, CritiqueText, CritiqueToken, Event, Events, Input,
    ModelInfo, Port, Request, ScoreOptions, Stopped, Ticket, Timing, TokenCount, Verdict, channel,
};
use crate::checkpoint::{Reading, Spec};

/// What the scripted engine knows.
#[derive(Clone, Debug)]
pub struct Script {
    /// What loading says: the model, or why there is none.
    pub model: Result<ModelInfo, String>,
    /// Critiques, found by prompt and answer; the first one answers for whatever is not among them.
    pub recordings: Vec<Recording>,
    /// Time between tokens.
    pub pace: Duration,
    /// Panic when this many tokens have been sent.
    pub panic_after: Option<usize>,
}

/// A critique as it was once made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// What was asked.
    pub prompt: String,
    /// What was judged.
    pub answer: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// The critique, closing end-of-turn included.
    pub tokens: Vec<RecordedToken>,
    /// Reward of the re-encoded reading.
    pub re_encoded: f32,
}

/// A token as it was once made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedToken {
    /// Id.
    pub id: u32,
    /// Text.
    pub text: String,
    /// Live reward.
    pub reward: f32,
    /// Stop-here reward; none at the closing end-of-turn.
    pub stop_here: Option<f32>,
    /// Its probability.
    pub probability: f32,
    /// What else could have stood there.
    pub alternatives: Vec<(u32, String, f32)>,
}

impl Script {
    /// A script that loads a model of this spec and plays these recordings at once.
    pub fn new(spec: Spec, recordings: Vec<Recording>) -> Self {
        let model = ModelInfo {
            name: "scripted".into(),
            fingerprint: "0123456789abcdef".into(),
            spec,
            parameters: 431_234,
            dtype: "f32".into(),
            device: "cpu".into(),
            bytes: 1_724_936,
            load_s: 0.01,
        };
        Self { model: Ok(model), recordings, pace: Duration::ZERO, panic_after: None }
    }

    fn recording(&self, input: &Input) -> Option<&Recording> {
        let prompt = input.messages().pop().map(|m| m.content).unwrap_or_default();
        let found = self.recordings.iter().find(|r| r.prompt == prompt && r.answer == input.answer);
        found.or_else(|| self.recordings.first())
    }

    /// All events that answer a request, in order.
    pub fn answer(&self, request: &Request) -> Vec<Event> {
        match request {
            Request::Load { ticket, model, .. } => vec![
                match &self.model {
                    Ok(info) => {
                        Event::Loaded { ticket: *ticket, model: *model, info: Box::new(info.clone()) }
                    }
                    Err(error) => Event::Failed { ticket: *ticket, error: error.clone() },
                },
                Event::Done { ticket: *ticket },
            ],
            Request::Critique { ticket, input, begin, options, .. } => match self.recording(input) {
                Some(recording) => recording.critique(*ticket, begin, options),
                None => nothing(*ticket),
            },
            Request::Score { ticket, input, critique, options, .. } => match self.recording(input) {
                Some(recording) => {
                    let recording = Recording { answer: input.answer.clone(), ..recording.clone() };
                    recording.score(*ticket, critique, options)
                }
                None => nothing(*ticket),
            },
            Request::Name { ticket, ids, .. } => {
                let text = |id: &u32| {
                    let known = self.recordings.first();
                    known.map_or_else(|| format!("[{id}]"), |recording| recording.text_of(*id))
                };
                let texts = ids.iter().map(text).collect();
                vec![Event::Named { ticket: *ticket, texts }, Event::Done { ticket: *ticket }]
            }
            Request::Unload { .. } | Request::Shutdown => Vec::new(),
        }
    }
}

fn nothing(ticket: Ticket) -> Vec<Event> {
    vec![Event::Failed { ticket, error: "nothing is recorded for this row".into() }, Event::Done { ticket }]
}

impl Recording {
    fn critique(&self, ticket: Ticket, begin: &CritiqueText, options: &CritiqueOptions) -> Vec<Event> {
        let given = self.given(begin);
        let tokens = TokenCount { prompt: self.prompt_tokens, critique: given.len(), reused: 0 };
        let mut events = vec![
            Event::Prefill { ticket, done: 0, total: self.prompt_tokens },
            Event::Prefill { ticket, done: self.prompt_tokens, total: self.prompt_tokens },
            Event::Started { ticket, tokens, specials: Vec::new() },
        ];
        if !given.is_empty() {
            let named = given.iter().map(|t| (t.id, t.text.clone())).collect();
            events.push(Event::Given {
                ticket,
                tokens: named,
                trace: given.iter().map(|t| t.reward).collect(),
            });
        }
        let rest =
            self.tokens.get(given.len().min(self.tokens.len().saturating_sub(1))..).unwrap_or_default();
        let written: Vec<RecordedToken> = given.iter().chain(rest).cloned().collect();
        let samples = options.samples.max(1);
        for (index, token) in written.iter().enumerate().skip(given.len()) {
            for sample in 0..samples {
                let token = Box::new(token.made(index));
                events.push(Event::Token { ticket, sample, token });
                if let Some(reward) = written.get(index).and_then(|t| t.stop_here) {
                    events.push(Event::StopHere { ticket, sample, index, reward });
                }
            }
        }
        let mut verdict = self.verdict(&written, Reading::InPlace);
        verdict.stopped = Some(Stopped::Eot);
        let verdicts = (0..samples).map(|i| {
            // Samples differ in nothing but a little in their reward.
            let mut verdict = verdict.clone();
            verdict.seed = Some(options.sampling.seed.wrapping_add(i as u64));
            verdict.reward += i as f32 / 100.0;
            if let Some(last) = verdict.trace.last_mut() {
                *last = verdict.reward;
            }
            verdict
        });
        let verdicts = verdicts.collect();
        events.extend([Event::Critiqued { ticket, verdicts }, Event::Done { ticket }]);
        events
    }

    fn score(&self, ticket: Ticket, critique: &CritiqueText, options: &ScoreOptions) -> Vec<Event> {
        let mut tokens = self.given(critique);
        tokens.extend(self.closing(&tokens));
        let mut verdict = self.verdict(&tokens, options.reading);
        if let CritiqueText::Text(text) = critique {
            verdict.critique = Some(text.clone());
        }
        verdict.stop_here = verdict.stop_here.filter(|_| options.stop_here);
        if options.choices > 0 {
            verdict.choices = tokens.iter().skip(options.details_from).map(RecordedToken::choice).collect();
        }
        let tokens = TokenCount { critique: 0, ..verdict.tokens };
        let started = Event::Started { ticket, tokens, specials: Vec::new() };
        vec![started, Event::Scored { ticket, verdict: Box::new(verdict) }, Event::Done { ticket }]
    }

    fn verdict(&self, tokens: &[RecordedToken], reading: Reading) -> Verdict {
        let written: String = tokens.iter().rev().skip(1).rev().map(|t| t.text.as_str()).collect();
        let last = tokens.last().map_or(0.0, |t| t.reward);
        let recorded = tokens == self.tokens;
        let reward = if reading == Reading::ReEncoded && recorded { self.re_encoded } else { last };
        Verdict {
            reward,
            reading,
            critique: Some(written.strip_prefix(' ').unwrap_or(&written).to_owned()),
            critique_token_ids: tokens.iter().map(|t| t.id).collect(),
            text_is_exact: true,
            stopped: None,
            trace: tokens.iter().map(|t| t.reward).collect(),
            trace_tokens: tokens.iter().map(|t| (t.id, t.text.clone())).collect(),
            choices: Vec::new(),
            stop_here: Some(tokens.iter().rev().skip(1).rev().map(|t| t.stop_here.unwrap_or(0.0)).collect()),
            prompt_token_ids: vec![0; self.prompt_tokens],
            tokens: TokenCount { prompt: self.prompt_tokens, critique: tokens.len(), reused: 0 },
            seed: None,
            timing: Timing { prefill_s: 0.1, decode_s: tokens.len() as f64 / 100.0 },
        }
    }
}

impl RecordedToken {
    fn made(&self, index: usize) -> CritiqueToken {
        CritiqueToken {
            index,
            id: self.id,
            text: self.text.clone(),
            reward: self.reward,
            probability: self.probability,
            alternatives: self.choice().alternatives,
        }
    }

    fn choice(&self) -> Choice {
        let named =
            |(id, text, p): &(u32, String, f32)| Alternative { id: *id, text: text.clone(), probability: *p };
        Choice { probability: self.probability, alternatives: self.alternatives.iter().map(named).collect() }
    }
}

/// Starts a thread that answers as the script says.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(script: Script) -> std::io::Result<(Client, Events, JoinHandle<()>)> {
    let (client, events, port) = channel();
    let thread = std::thread::Builder::new().name("engine".into()).spawn(move || guarded(&script, port))?;
    Ok((client, events, thread))
}

fn guarded(script: &Script, port: Port) {
    let out = port.events.clone();
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || play(script, port)));
    if let Err(panic) = played {
        let reason = panic.downcast_ref::<&str>().map_or("a panic", |text| text).to_owned();
        let _ = out.blocking_send(Event::Down { reason });
    }
}

fn play(script: &Script, mut port: Port) {
    let mut sent = 0;
    let mut waiting: VecDeque<(Ticket, Vec<Event>)> = VecDeque::new();
    loop {
        let request =
            if waiting.is_empty() { port.requests.blocking_recv() } else { port.requests.try_recv().ok() };
        match request {
            Some(Request::Shutdown) => return,
            Some(request) => {
                let events = script.answer(&request);
                if let Some(ticket) = events.first().map(Event::ticket_of) {
                    waiting.push_back((ticket, events.into_iter().rev().collect()));
                }
                continue;
            }
            None if waiting.is_empty() => return,
            None => {}
        }
        // One event of each open ticket in turn.
        let Some((ticket, mut events)) = waiting.pop_front() else { continue };
        if port.cancels.take(ticket) {
            events = vec![Event::Done { ticket }, Event::Cancelled { ticket }];
        }
        let Some(event) = events.pop() else { continue };
        if matches!(event, Event::Token { .. }) {
            std::thread::sleep(script.pace);
            sent += 1;
            #[allow(clippy::panic, reason = "the script asks for it")]
            if script.panic_after == Some(sent) {
                panic!("scripted panic");
            }
        }
        if port.events.blocking_send(event).is_err() {
            return;
        }
        if !events.is_empty() {
            waiting.push_back((ticket, events));
        }
    }
}

impl Event {
    fn ticket_of(&self) -> Ticket {
        match self {
            Self::Loaded { ticket, .. }
            | Self::Prefill { ticket, .. }
            | Self::Started { ticket, .. }
            | Self::Token { ticket, .. }
            | Self::StopHere { ticket, .. }
            | Self::Critiqued { ticket, .. }
            | Self::Scored { ticket, .. }
            | Self::Given { ticket, .. }
            | Self::Named { ticket, .. }
            | Self::Failed { ticket, .. }
            | Self::Cancelled { ticket }
            | Self::Done { ticket } => *ticket,
            Self::Down { .. } => Ticket(u64::MAX),
        }
    }
}
