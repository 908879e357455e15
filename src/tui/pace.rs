//! When things are shown: frames at most every so often, a resize storm laid out once, tokens at a pace an eye can follow.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Event, Ticket};

/// Time between two tokens on the screen when the engine is faster than the eye: some 65 tokens a second.
const STEP: Duration = Duration::from_millis(15);
/// Of more tokens waiting than this, several appear at once, so that a lag dwindles.
const SMOOTH: usize = 64;
/// Quiet time after the last resize before the screen is laid out anew.
const REST: Duration = Duration::from_millis(50);

/// When the next frame is due.
#[derive(Debug)]
pub struct Frames {
    pace: Duration,
    last: Option<Instant>,
    dirty: bool,
    resized: Option<Instant>,
}

impl Frames {
    /// Frames at most every `pace`; the first one is due at once.
    pub fn new(pace: Duration) -> Self {
        Self { pace, last: None, dirty: true, resized: None }
    }

    /// Something on the screen has changed.
    pub fn dirty(&mut self) {
        self.dirty = true;
    }

    /// The terminal has another size: no frame until it has rested.
    pub fn resized(&mut self, now: Instant) {
        self.resized = Some(now + REST);
    }

    /// While the size changes nothing is drawn.
    pub fn resting(&self) -> bool {
        self.resized.is_some()
    }

    /// When the screen is to be laid out anew.
    pub fn layout_due(&self) -> Option<Instant> {
        self.resized
    }

    /// When the next frame is to be drawn; `None` while nothing changes.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        (self.dirty && !self.resting()).then(|| self.last.map_or(now, |last| last + self.pace))
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Instant) {
        (self.last, self.dirty, self.resized) = (Some(now), false, None);
    }
}

/// Holds back tokens of the critiques on the screen when they come faster than an eye can follow.
#[derive(Debug, Default)]
pub struct Tokens {
    held: VecDeque<Event>,
    /// Tokens among them.
    tokens: usize,
    /// Whose they are.
    tickets: Vec<Ticket>,
    /// When the next token may appear.
    next: Option<Instant>,
}

impl Tokens {
    /// Takes an event; returns those that may be told now. Only the tokens of `shown`, the tickets on the screen, wait,
    /// and what follows them.
    pub fn take(&mut self, event: Event, shown: &[Ticket], now: Instant) -> Vec<Event> {
        let ticket = match ticket(&event) {
            Some(ticket) if !self.gone(shown) => ticket,
            _ => {
                // The engine's end, or another critique on the screen.
                let mut all = self.all();
                all.push(event);
                return all;
            }
        };
        let token = matches!(event, Event::Token { .. });
        let mine = shown.contains(&ticket);
        let early = !self.held.is_empty() || token && self.next.is_some_and(|next| now < next);
        if !(mine && early) {
            if token && mine {
                self.next = Some(now + step(shown.len()));
            }
            return vec![event];
        }
        if !self.tickets.contains(&ticket) {
            self.tickets.push(ticket);
        }
        self.tokens += usize::from(token);
        self.held.push_back(event);
        Vec::new()
    }

    /// When the next token is to appear.
    pub fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.held.is_empty())
    }

    /// Tokens that wait.
    pub fn waiting(&self) -> usize {
        self.tokens
    }

    /// The events whose time has come; all of them once their critique has left the screen.
    pub fn release(&mut self, shown: &[Ticket], now: Instant) -> Vec<Event> {
        let left = self.left(shown);
        if !left.is_empty() {
            return left;
        }
        if self.due().is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.next = Some(now + step(self.tickets.len()));
        let mut left = self.tokens.div_ceil(SMOOTH);
        let mut out = Vec::new();
        while let Some(event) = self.held.front() {
            if matches!(event, Event::Token { .. }) {
                if left == 0 {
                    return out;
                }
                (left, self.tokens) = (left - 1, self.tokens - 1);
            }
            out.extend(self.held.pop_front());
        }
        self.tickets.clear();
        out
    }

    /// Everything that waits, once its critique has left the screen.
    pub fn left(&mut self, shown: &[Ticket]) -> Vec<Event> {
        if self.gone(shown) { self.all() } else { Vec::new() }
    }

    /// Whether a critique that waits has left the screen.
    fn gone(&self, shown: &[Ticket]) -> bool {
        self.tickets.iter().any(|ticket| !shown.contains(ticket))
    }

    /// Everything that waits, at once.
    pub fn all(&mut self) -> Vec<Event> {
        self.tokens = 0;
        self.tickets.clear();
        self.held.drain(..).collect()
    }
}

/// Time between two tokens of so many critiques.
fn step(critiques: usize) -> Duration {
    STEP / u32::try_from(critiques.max(1)).unwrap_or(1)
}

/// The ticket an event of a critique belongs to.
fn ticket(event: &Event) -> Option<Ticket> {
    match event {
        Event::Loaded { ticket, .. }
        | Event::Prefill { ticket, .. }
        | Event::Started { ticket, .. }
        | Event::Token { ticket, .. }
        | Event::StopHere { ticket, .. }
        | Event::Given { ticket, .. }
        | Event::Named { ticket, .. }
        | Event::Critiqued { ticket, .. }
        | Event::Scored { ticket, .. }
        | Event::Failed { ticket, .. }
        | Event::Cancelled { ticket }
        | Event::Done { ticket } => Some(*ticket),
        Event::Down { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CritiqueToken;

    const MS: Duration = Duration::from_millis(1);
    const MINE: Ticket = Ticket(7);

    fn token(ticket: Ticket) -> Event {
        let token = CritiqueToken {
            index: 0,
            id: 1,
            text: "a".into(),
            reward: 0.0,
            probability: 1.0,
            alternatives: Vec::new(),
        };
        Event::Token { ticket, sample: 0, token: Box::new(token) }
    }

    fn count(events: &[Event]) -> usize {
        events.iter().filter(|e| matches!(e, Event::Token { .. })).count()
    }

    /// Gives `tokens` at once; the milliseconds after which each number of them was there.
    fn shown(tokens: usize) -> Vec<usize> {
        let begin = Instant::now();
        let mut pacer = Tokens::default();
        let mut there = 0;
        for _ in 0..tokens {
            there += count(&pacer.take(token(MINE), &[MINE], begin));
        }
        assert!(pacer.take(Event::Done { ticket: MINE }, &[MINE], begin).is_empty(), "order is kept");
        let mut by_ms = vec![there];
        let mut last = Vec::new();
        for ms in 1..20_000 {
            let events = pacer.release(&[MINE], begin + ms * MS);
            there += count(&events);
            by_ms.push(there);
            last.extend(events);
            if pacer.due().is_none() {
                break;
            }
        }
        assert!(matches!(last.last(), Some(Event::Done { .. })));
        assert_eq!(there, tokens);
        by_ms
    }

    #[test]
    fn a_hundred_tokens_of_a_fast_model_appear_within_one_to_two_seconds() {
        let by_ms = shown(100);
        assert!((1000..2000).contains(&by_ms.len()), "{} ms", by_ms.len());
        assert!(by_ms[500] > 20 && by_ms[500] < 70, "{} after half a second", by_ms[500]);
    }

    #[test]
    fn two_critiques_stream_together() {
        let begin = Instant::now();
        let both = [MINE, Ticket(8)];
        let mut pacer = Tokens::default();
        let mut there = [0_usize; 2];
        let mut tell = |events: Vec<Event>| {
            for event in events {
                there[usize::from(ticket(&event) != Some(MINE))] += 1;
            }
            there
        };
        for at in 0..50 {
            for ticket in both {
                tell(pacer.take(token(ticket), &both, begin + at * MS / 10));
            }
        }
        for ms in 6..400 {
            let [mine, other] = tell(pacer.release(&both, begin + ms * MS));
            assert!(mine.abs_diff(other) <= 2, "{mine} {other}");
        }
        let [mine, other] = tell(Vec::new());
        // As fast as one alone.
        assert!((24..=40).contains(&mine) && (24..=40).contains(&other), "{mine} {other}");
    }

    #[test]
    fn a_lag_of_a_thousand_tokens_dwindles() {
        assert!(shown(1000).len() < 5000);
    }

    #[test]
    fn a_slow_model_is_shown_as_it_writes() {
        let begin = Instant::now();
        let mut pacer = Tokens::default();
        for at in 0..20 {
            assert_eq!(pacer.take(token(MINE), &[MINE], begin + at * 50 * MS).len(), 1);
        }
        assert_eq!(pacer.due(), None);
    }

    #[test]
    fn only_the_critique_on_the_screen_waits() {
        let begin = Instant::now();
        let mut pacer = Tokens::default();
        for _ in 0..5 {
            pacer.take(token(MINE), &[MINE], begin);
            assert_eq!(pacer.take(token(Ticket(8)), &[MINE], begin).len(), 1);
        }
        assert_eq!(pacer.waiting(), 4);
        assert_eq!(pacer.release(&[Ticket(8)], begin).len(), 4, "another one is shown");
        for _ in 0..3 {
            pacer.take(token(MINE), &[MINE], begin);
        }
        let down = pacer.take(Event::Down { reason: "gone".into() }, &[MINE], begin);
        assert!(matches!(down.last(), Some(Event::Down { .. })) && down.len() == 4, "what was there stays");
    }

    #[test]
    fn frames_come_at_a_pace_and_a_resize_storm_is_drawn_once() {
        let begin = Instant::now();
        let mut frames = Frames::new(16 * MS);
        assert_eq!(frames.due(begin), Some(begin), "the first at once");
        frames.drawn(begin);
        assert_eq!(frames.due(begin + MS), None, "nothing changed, nothing is due");
        frames.dirty();
        frames.dirty();
        assert_eq!(frames.due(begin + MS), Some(begin + 16 * MS));
        for at in 0..100 {
            frames.resized(begin + at * MS);
            frames.dirty();
        }
        assert_eq!(frames.due(begin + 99 * MS), None);
        assert_eq!(frames.layout_due(), Some(begin + 149 * MS), "50 ms after the last");
        frames.drawn(begin + 149 * MS);
        assert_eq!((frames.layout_due(), frames.due(begin + 150 * MS)), (None, None));
    }
}
