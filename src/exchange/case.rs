//! What a session says of an example, with its texts: the outcome of its labels and the model's critiques.

use std::collections::{HashMap, HashSet};

use crate::checkpoint::Reading;
use crate::label::{Outcome, Rule, outcome};
use crate::session::{Book, Critique, Digest, Example, Judged, MadeWith, Store, TakeRecord};

/// How a take that was imported came about.
pub const IMPORTED: &str = "imported";

/// An example that somebody has judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its row's `id`, else its content's name.
    pub id: String,
    /// Prompt and answers.
    pub example: Example,
    /// Labels and reviews.
    pub outcome: Outcome,
    /// The model's critique of each answer.
    pub critiques: Vec<Option<Spoken>>,
}

impl Case {
    /// The critiques that annotators wrote: answer, annotator, text; of several by one of one answer the newest.
    pub fn corrections(&self) -> Vec<(usize, &str, &str)> {
        let mut all = Vec::new();
        for answer in 0..self.example.answers.len() {
            let mut names: Vec<&str> = self.outcome.critics.iter().map(|critic| critic.by.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let newest = self.outcome.correction(answer, &Rule::Annotator(name.to_owned()));
                if let Some(text) = newest.and_then(|critic| critic.review.correction.as_deref()) {
                    all.push((answer, name, text));
                }
            }
        }
        all
    }
}

/// A critique that a model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// The text.
    pub text: String,
    /// The reward.
    pub reward: f32,
    /// The model, as it was called.
    pub model: String,
    /// Its fingerprint.
    pub fingerprint: String,
}

impl Spoken {
    /// As a content of a session; what is not known is empty.
    pub fn critique(&self) -> Critique {
        let (model, fingerprint) = (self.model.clone(), self.fingerprint.clone());
        Critique {
            text: Some(self.text.clone()),
            reward: self.reward,
            reading: Reading::InPlace,
            stopped: None,
            token_ids: Vec::new(),
            tokens: Vec::new(),
            made_with: MadeWith { model, fingerprint, ..MadeWith::default() },
        }
    }
}

/// All of them, in the order of the data, and examples whose file cannot be read: why.
pub fn cases(book: &Book, store: &Store, rule: &Rule) -> (Vec<Case>, Vec<String>) {
    let best = critiques(book);
    let (mut cases, mut unreadable) = (Vec::new(), Vec::new());
    for outcome in outcome(book, rule) {
        let example = match store.example(&outcome.example) {
            Ok(example) => example,
            Err(error) => {
                unreadable.push(error.to_string());
                continue;
            }
        };
        let mut spoken = |answer: usize| -> Option<Spoken> {
            let judged = best.get(&(&outcome.example, answer))?;
            match store.critique(&judged.critique) {
                Ok(critique) => Some(Spoken {
                    text: critique.text?,
                    reward: judged.reward,
                    model: critique.made_with.model,
                    fingerprint: critique.made_with.fingerprint,
                }),
                Err(error) => {
                    unreadable.push(error.to_string());
                    None
                }
            }
        };
        let critiques = (0..example.answers.len()).map(&mut spoken).collect();
        let placed = outcome.placed.as_ref().map(|placed| placed.id.clone());
        let id = placed.filter(|id| !id.is_empty()).unwrap_or_else(|| outcome.example.to_string());
        cases.push(Case { id, example, outcome, critiques });
    }
    (cases, unreadable)
}

/// The model's own critique of each answer as it came: the newest greedy one, else the newest sampled or imported one; read
/// in place where there is such a reading.
fn critiques(book: &Book) -> HashMap<(&Digest, usize), &Judged> {
    let mut best: HashMap<(&Digest, usize), (bool, &Judged)> = HashMap::new();
    for take in book.takes().iter().filter(|take| is_the_models(take)) {
        let greedy = take.how().way == "greedy";
        let in_place = take.judged.iter().find(|judged| judged.reading == Reading::InPlace);
        let Some(judged) = in_place.or_else(|| take.judged.first()) else { continue };
        let place = best.entry((&take.made.example, take.made.answer)).or_insert((greedy, judged));
        if greedy >= place.0 {
            *place = (greedy, judged);
        }
    }
    best.into_iter().map(|(place, (_, judged))| (place, judged)).collect()
}

/// Whether nobody had a hand in a take's words.
fn is_the_models(take: &TakeRecord) -> bool {
    let made = &take.made;
    let texts = [&made.text, &made.critique_prompt, &made.critique];
    let as_it_came = made.prompt.is_none() && texts.iter().all(|text| text.is_none());
    as_it_came && matches!(take.how().way.as_str(), "greedy" | "sampled" | IMPORTED)
}

/// The models that wrote the critiques: name and fingerprint, each once.
pub fn models(cases: &[Case]) -> Vec<(String, String)> {
    let all = cases.iter().flat_map(|case| case.critiques.iter().flatten());
    let set: HashSet<(String, String)> = all.map(|s| (s.model.clone(), s.fingerprint.clone())).collect();
    let mut all: Vec<_> = set.into_iter().collect();
    all.sort();
    all
}
