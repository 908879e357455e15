//! What a session is told: takes, their critiques, typed examples and where the screen stands, as events. No I/O.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::{Example, How, Keeping, Origin, Phase, ReEncoded, Screen, Side, State, Take, TakeId, Token};
use crate::checkpoint::Reading;
use crate::engine::{CritiqueOptions, CritiqueText, ModelInfo, Stopped, Verdict};
use crate::session::{
    self, Alternative, Critique, Digest, Draft, Event, EventId, Judged, MadeWith, Opened, Pen, Placed,
    TakeMade, TakeRecord, TokenAt, View,
};

/// How often the screen's place is written, at most.
const VIEW_EVERY: Duration = Duration::from_secs(5);

/// Knows what the session knows already, and writes what is new.
#[derive(Debug)]
pub struct Ledger {
    pen: Pen,
    recorded: HashMap<EventId, Recorded>,
    names: HashMap<TakeId, EventId>,
    examples: HashSet<Digest>,
    touched: BTreeSet<TakeId>,
    /// Examples looked at for typed ones.
    looked: usize,
    view: View,
    viewed: Duration,
}

/// What the session knows of a take.
#[derive(Debug)]
struct Recorded {
    made: TakeMade,
    name: Option<String>,
    judged: Vec<(Reading, Digest)>,
}

impl Ledger {
    /// A ledger that writes with a pen.
    pub fn new(pen: Pen) -> Self {
        Self {
            pen,
            recorded: HashMap::new(),
            names: HashMap::new(),
            examples: HashSet::new(),
            touched: BTreeSet::new(),
            looked: 0,
            view: View::default(),
            viewed: Duration::ZERO,
        }
    }

    /// Names events together with this ledger.
    pub fn pen(&self) -> Pen {
        self.pen.clone()
    }

    /// The annotator.
    pub fn by(&self) -> &str {
        self.pen.by()
    }

    /// What was opened.
    pub fn opened(&mut self, opened: Opened) -> Draft {
        self.pen.write(Event::Opened(opened))
    }

    /// Takes note of what the session holds already.
    pub fn know<'a>(
        &mut self,
        takes: impl IntoIterator<Item = &'a TakeRecord>,
        examples: impl IntoIterator<Item = Digest>,
    ) {
        for take in takes {
            let judged = take.judged.iter().map(|j| (j.reading, j.critique.clone())).collect();
            let recorded = Recorded { made: take.made.clone(), name: take.name.clone(), judged };
            self.recorded.insert(take.id.clone(), recorded);
        }
        self.examples.extend(examples);
    }

    /// An example's content was written by another hand.
    pub fn met(&mut self, example: Digest) {
        self.examples.insert(example);
    }

    /// A take has changed.
    pub fn touch(&mut self, id: TakeId) {
        self.touched.insert(id);
    }

    /// What is new since the last time. A take that the engine works on waits, but for the `last` time.
    pub fn flush(&mut self, state: &State, last: bool) -> Vec<Draft> {
        if state.keeping == Keeping::Loading {
            return Vec::new();
        }
        let mut drafts = Vec::new();
        let typed =
            state.examples.iter().enumerate().skip(self.looked).filter(|(_, e)| e.origin == Origin::Typed);
        for (index, example) in typed {
            self.example(index, example, &mut drafts);
        }
        self.looked = state.examples.len();
        let open: HashSet<TakeId> = state.running.values().flat_map(|job| job.takes()).collect();
        let ready: Vec<TakeId> =
            self.touched.iter().filter(|id| last || !open.contains(id)).copied().collect();
        for id in ready {
            self.touched.remove(&id);
            self.take(state, id, &mut drafts);
        }
        let due = state.now.saturating_sub(self.viewed) >= VIEW_EVERY;
        if !(last || due) {
            return drafts;
        }
        let view = self.view_of(state, &mut drafts);
        if view != self.view {
            drafts.push(self.pen.write(Event::View(view.clone())));
            (self.view, self.viewed) = (view, state.now);
        }
        drafts
    }

    fn example(&mut self, index: usize, example: &Example, drafts: &mut Vec<Draft>) -> Digest {
        let object = example.kept().object();
        let digest = object.digest.clone();
        if self.examples.insert(digest.clone()) {
            let row = (example.origin != Origin::Typed).then_some(index);
            let placed = Placed { example: digest.clone(), id: example.id.clone(), row };
            drafts.push(self.pen.write_with(Event::Example(placed), vec![object]));
        }
        digest
    }

    /// The name of a take in the session, once it was written.
    pub fn name_of(&self, state: &State, id: TakeId) -> Option<EventId> {
        state.takes.get(id)?.kept.clone().or_else(|| self.names.get(&id).cloned())
    }

    /// Writes what is new of a take, and first of those it was made from.
    fn take(&mut self, state: &State, id: TakeId, drafts: &mut Vec<Draft>) -> Option<EventId> {
        let take = state.takes.get(id)?;
        let example = state.examples.get(take.example).filter(|e| e.fault.is_none())?;
        let parent = match take.parent {
            // A take's parent is older than it, so this ends.
            Some(parent) if parent < id => match self.name_of(state, parent) {
                Some(name) => Some(name),
                None => self.take(state, parent, drafts),
            },
            _ => None,
        };
        let made = made(take, example, self.example(take.example, example, drafts), parent);
        let name = match self.name_of(state, id) {
            Some(name) => {
                let recorded = self.recorded.get_mut(&name)?;
                if recorded.made != made {
                    recorded.made = made.clone();
                    let made = Box::new(made);
                    drafts.push(self.pen.write(Event::Retyped { take: name.clone(), made }));
                }
                name
            }
            None => {
                let draft = self.pen.write(Event::Take(Box::new(made.clone())));
                let name = draft.id.clone();
                drafts.push(draft);
                self.names.insert(id, name.clone());
                self.recorded.insert(name.clone(), Recorded { made, name: None, judged: Vec::new() });
                name
            }
        };
        let recorded = self.recorded.get_mut(&name)?;
        if recorded.name != take.name {
            recorded.name.clone_from(&take.name);
            let given = take.name.clone().unwrap_or_default();
            drafts.push(self.pen.write(Event::Named { take: name.clone(), name: given }));
        }
        for critique in critiques(take, state.info_of(take.model)) {
            let (reading, reward, object) = (critique.reading, critique.reward, critique.object());
            let known = recorded.judged.iter_mut().find(|(of, _)| *of == reading);
            match known {
                Some((_, digest)) if *digest == object.digest => continue,
                Some((_, digest)) => *digest = object.digest.clone(),
                None => recorded.judged.push((reading, object.digest.clone())),
            }
            let judged =
                Judged { take: name.clone(), reading, reward, critique: object.digest.clone(), how: None };
            drafts.push(self.pen.write_with(Event::Judged(judged), vec![object]));
        }
        Some(name)
    }

    fn view_of(&mut self, state: &State, drafts: &mut Vec<Draft>) -> View {
        let Some(example) = state.example() else { return View::default() };
        let digest = example.fault.is_none().then(|| self.example(state.selected, example, drafts));
        View {
            screen: if state.screen == Screen::Label { "label" } else { "inspect" }.into(),
            focus: String::new(),
            example: digest,
            row: Some(state.selected),
            answer: side_index(state.side),
            take: state.take().and_then(|take| self.name_of(state, take.id)),
            scroll: state.text_scroll,
            critique_scroll: state.critique_top,
            cursor: state.cursor,
        }
    }
}

/// 0 for the chosen answer.
pub(super) fn side_index(side: Side) -> usize {
    usize::from(side == Side::Rejected)
}

impl Example {
    /// As a session keeps it.
    pub fn kept(&self) -> session::Example {
        let answers = self.sides().iter().map(|side| self.answer(*side).to_string()).collect();
        session::Example { prompt: self.prompt.clone(), answers }
    }
}

fn made(take: &Take, example: &Example, digest: Digest, parent: Option<EventId>) -> TakeMade {
    let given = match &take.given {
        CritiqueText::None => None,
        CritiqueText::Text(text) => Some(text.clone()),
        CritiqueText::Ids(ids) => Some(take.tokens.iter().take(ids.len()).map(|t| t.text.as_str()).collect()),
    };
    TakeMade {
        example: digest,
        answer: side_index(take.side),
        parent,
        how: how(&take.how),
        prompt: (take.input.prompt != example.prompt).then(|| take.input.prompt.clone()),
        text: (*take.input.answer != **example.answer(take.side)).then(|| take.input.answer.clone()),
        critique_prompt: take.rubric.as_deref().map(str::to_owned),
        critique: given,
    }
}

fn how(how: &How) -> session::How {
    let way = |way: &str| session::How { way: way.into(), ..session::How::default() };
    match how {
        How::Edited => way("edited"),
        How::Greedy => way("greedy"),
        How::Sampled { seed, temperature } => {
            session::How { seed: Some(*seed), temperature: Some(*temperature), ..way("sampled") }
        }
        How::Rewritten => way("rewritten"),
        How::Continued => way("continued"),
        How::Steered { at, to } => session::How { at: Some(*at), to: Some(to.clone()), ..way("steered") },
    }
}

/// The critique in each reading there is.
pub(super) fn critiques(take: &Take, info: Option<&ModelInfo>) -> Vec<Critique> {
    let Some(info) = info else { return Vec::new() };
    let mut all = Vec::new();
    let made_with = |verdict: Option<&Verdict>| MadeWith {
        version: env!("CARGO_PKG_VERSION").into(),
        model: info.name.clone(),
        fingerprint: info.fingerprint.clone(),
        dtype: info.dtype.clone(),
        device: info.device.clone(),
        seed: verdict.and_then(|v| v.seed),
        temperature: if let How::Sampled { temperature, .. } = take.how { temperature } else { 0.0 },
        max_tokens: (take.how != How::Rewritten).then(|| CritiqueOptions::default().max_tokens),
        critique_prompt: take.rubric.as_deref().map(str::to_owned),
        raw_special: false,
    };
    match (&take.phase, take.settled()) {
        (_, Some(verdict)) => all.push(Critique {
            text: verdict.critique.clone(),
            reward: verdict.reward,
            reading: verdict.reading,
            stopped: verdict.stopped.map(|s| stopped(s).into()),
            token_ids: verdict.critique_token_ids.clone(),
            tokens: take.tokens.iter().map(token).collect(),
            made_with: made_with(Some(verdict)),
        }),
        (Phase::Stopped, None) if !take.tokens.is_empty() => all.push(Critique {
            text: Some(take.words()),
            reward: take.tokens.last().map_or(0.0, |t| t.reward),
            reading: Reading::InPlace,
            stopped: Some(BY_USER.into()),
            token_ids: take.ids(take.tokens.len()),
            tokens: take.tokens.iter().map(token).collect(),
            made_with: made_with(None),
        }),
        _ => {}
    }
    if let ReEncoded::Read(verdict) = &take.re_encoded {
        let tokens = verdict.trace_tokens.iter().zip(&verdict.trace).map(|((id, text), reward)| TokenAt {
            id: *id,
            text: text.clone(),
            reward: *reward,
            stop_here: None,
            probability: None,
            alternatives: Vec::new(),
        });
        all.push(Critique {
            text: verdict.critique.clone(),
            reward: verdict.reward,
            reading: verdict.reading,
            stopped: None,
            token_ids: verdict.critique_token_ids.clone(),
            tokens: tokens.collect(),
            made_with: made_with(Some(verdict)),
        });
    }
    all
}

/// Why a critique ended that the user stopped.
pub(super) const BY_USER: &str = "user";

fn stopped(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Eot => "eot",
        Stopped::Eos => "eos",
        Stopped::MaxTokens => "max_tokens",
    }
}

fn token(token: &Token) -> TokenAt {
    let alternatives = token.alternatives.iter().map(|a| Alternative(a.id, a.text.clone(), a.probability));
    TokenAt {
        id: token.id,
        text: token.text.clone(),
        reward: token.reward,
        stop_here: token.stop_here.filter(|r| r.is_finite()),
        probability: token.probability.filter(|p| p.is_finite()),
        alternatives: alternatives.collect(),
    }
}
