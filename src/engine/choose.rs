//! Choosing the next token: repetition penalty, temperature, min-p, top-k, top-p, seed; and what the model thought of it.

use candle_core::{Device, Result, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Candle};

use super::Sampling;
use crate::model::ops;

/// Chooses the tokens of one critique.
pub struct Chooser {
    sampling: Sampling,
    /// `None` when greedy.
    processor: Option<LogitsProcessor>,
    /// Token ids that stand in prompt or critique, each once.
    seen: Vec<u32>,
    /// Whether an id is in `seen`.
    marks: Vec<bool>,
}

/// A chosen token with its place in the model's raw distribution.
pub struct Picked {
    /// Id.
    pub id: u32,
    /// Softmax of the raw logits at temperature 1.
    pub probability: f32,
    /// The likeliest tokens and their probabilities, best first.
    pub alternatives: Vec<(u32, f32)>,
}

impl Picked {
    /// A token in its place in raw `logits`, with the likeliest `alternatives`.
    pub fn weigh(id: u32, logits: &[f32], alternatives: usize) -> Self {
        let (max, sum) = ops::softmax_parts(logits);
        let probability = |id: u32| logits.get(id as usize).map_or(0.0, |l| (l - max).exp() / sum);
        Self {
            id,
            probability: probability(id),
            alternatives: best(logits, alternatives).into_iter().map(|id| (id, probability(id))).collect(),
        }
    }
}

impl Chooser {
    /// A chooser for a text that begins with `prompt`; `seed` is this sample's own.
    pub fn new(sampling: &Sampling, seed: u64, vocab_size: usize, prompt: &[u32]) -> Self {
        let temperature = sampling.temperature;
        let processor = (temperature > 0.0).then(|| {
            let how = match (sampling.top_k, sampling.top_p) {
                (None, None) => Candle::All { temperature },
                (Some(k), None) => Candle::TopK { k, temperature },
                (None, Some(p)) => Candle::TopP { p, temperature },
                (Some(k), Some(p)) => Candle::TopKThenTopP { k, p, temperature },
            };
            LogitsProcessor::from_sampling(seed, how)
        });
        let (seen, marks) = (Vec::new(), vec![false; vocab_size]);
        let mut chooser = Self { sampling: sampling.clone(), processor, seen, marks };
        for &id in prompt {
            chooser.see(id);
        }
        chooser
    }

    /// Counts a token as seen by the repetition penalty.
    pub fn see(&mut self, id: u32) {
        if let Some(mark) = self.marks.get_mut(id as usize).filter(|mark| !**mark) {
            *mark = true;
            self.seen.push(id);
        }
    }

    /// Chooses from raw `logits` of length vocabulary; does not call [`Chooser::see`].
    ///
    /// Penalty as in Hugging Face's `RepetitionPenaltyLogitsProcessor` (negative logits times, others divided by it);
    /// then min-p, top-k, top-p over the tempered distribution.
    ///
    /// # Errors
    /// When all logits are NaN or infinite.
    pub fn choose(&mut self, logits: &[f32], alternatives: usize) -> Result<Picked> {
        let penalty = self.sampling.repetition_penalty as f32;
        let mut adjusted = logits.to_vec();
        for &id in &self.seen {
            if let Some(logit) = adjusted.get_mut(id as usize) {
                *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            }
        }
        let id = match &mut self.processor {
            None => argmax(&adjusted),
            Some(processor) => {
                if let Some(min_p) = self.sampling.min_p.filter(|p| *p > 0.0) {
                    let max = adjusted.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let floor = max + (self.sampling.temperature * min_p.ln()) as f32;
                    adjusted.iter_mut().filter(|l| **l < floor).for_each(|l| *l = f32::NEG_INFINITY);
                }
                let len = adjusted.len();
                Some(processor.sample(&Tensor::from_vec(adjusted, len, &Device::Cpu)?)?)
            }
        };
        let Some(id) = id else {
            candle_core::bail!("all {} logits are NaN: the weights or the input are damaged", logits.len());
        };
        Ok(Picked::weigh(id, logits, alternatives))
    }
}

/// The first of the largest values, NaN never; `None` when there is no number at all.
fn argmax(values: &[f32]) -> Option<u32> {
    let (max, _) = ops::softmax_parts(values);
    values.iter().position(|value| *value == max).map(|index| index as u32)
}

/// Indices of the `count` largest values, best first.
fn best(values: &[f32], count: usize) -> Vec<u32> {
    if count == 0 {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    let value = |id: &u32| values.get(*id as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let descending = |a: &u32, b: &u32| value(b).total_cmp(&value(a)).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count - 1, descending);
        order.truncate(count);
    }
    order.sort_unstable_by(descending);
    order
}
