//! What a margin is worth as a probability: the reliability curve of sigma(margin) against labels, and the temperature that
//! fits it best (Guo et al. 2017, "On Calibration of Modern Neural Networks").

/// A margin (reward of the first answer minus that of the other) and how often the first one was held better: 1, 0, or 0.5.
pub type Outcome = (f64, f64);

/// Labels below which T says more of them than of the model.
const ENOUGH: usize = 20;
/// A log loss (nats) left only by labels that the margins tell apart without a fault.
const NOTHING: f64 = 1e-3;
/// Largest inverse temperature looked at.
const SHARPEST: f64 = 1e3;

/// How rewards and labels go together.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Labels that it was read from.
    pub n: usize,
    /// The temperature T of sigma(margin / T) with the least log loss; infinite when margins tell nothing or the opposite.
    pub temperature: f64,
    /// Log loss (nats) of sigma(margin), and of sigma(margin / T).
    pub log_loss: (f64, f64),
    /// Expected calibration error of sigma(margin), and of sigma(margin / T), over ten bins.
    pub ece: (f64, f64),
    /// The reliability curve of sigma(margin).
    pub curve: Vec<Bin>,
}

/// Probabilities near each other and what came of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Mean probability.
    pub predicted: f64,
    /// Share of labels for the first answer.
    pub observed: f64,
    /// Labels.
    pub n: usize,
}

impl Calibration {
    /// Reads it from margins and labels; `None` without any.
    pub fn of(outcomes: &[Outcome]) -> Option<Self> {
        let outcomes: Vec<Outcome> = outcomes.iter().copied().filter(|(m, _)| m.is_finite()).collect();
        if outcomes.is_empty() {
            return None;
        }
        let sharpness = fit(&outcomes);
        let probabilities = |sharpness: f64| -> Vec<(f64, f64)> {
            outcomes.iter().map(|(margin, y)| (sigma(sharpness * margin), *y)).collect()
        };
        let (before, after) = (probabilities(1.0), probabilities(sharpness));
        Some(Self {
            n: outcomes.len(),
            temperature: 1.0 / sharpness,
            log_loss: (log_loss(&outcomes, 1.0), log_loss(&outcomes, sharpness)),
            ece: (ece(&before, 10), ece(&after, 10)),
            curve: curve(&before, 10),
        })
    }

    /// Whether a single margin's probability can be told: enough labels, and not all of them told apart without a fault, by
    /// which T comes to nothing.
    pub fn tells(&self) -> bool {
        self.wanting().is_none() && self.log_loss.1 > NOTHING
    }

    /// How many labels it takes, if there are fewer.
    pub fn wanting(&self) -> Option<usize> {
        (self.n < ENOUGH).then_some(ENOUGH)
    }

    /// The calibrated probability that the first answer is better.
    pub fn probability(&self, margin: f64) -> f64 {
        sigma(margin / self.temperature)
    }
}

/// The logistic function.
pub fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Mean of -log P(label), nats, at an inverse temperature.
fn log_loss(outcomes: &[Outcome], sharpness: f64) -> f64 {
    let soft = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let each = outcomes.iter().map(|(margin, y)| {
        let x = sharpness * margin;
        y * soft(-x) + (1.0 - y) * soft(x)
    });
    each.sum::<f64>() / outcomes.len() as f64
}

/// The inverse temperature with the least log loss: it is convex in it, so its slope has one zero, found by halving.
fn fit(outcomes: &[Outcome]) -> f64 {
    let slope = |sharpness: f64| {
        outcomes.iter().map(|(margin, y)| margin * (sigma(sharpness * margin) - y)).sum::<f64>()
    };
    if slope(0.0) >= 0.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, SHARPEST);
    if slope(high) <= 0.0 {
        return high;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// Bins of equal width over `[0, 1]`, those without labels left out.
pub fn curve(probabilities: &[(f64, f64)], bins: usize) -> Vec<Bin> {
    let mut sums = vec![(0.0, 0.0, 0_usize); bins];
    for (p, y) in probabilities {
        let at = ((p * bins as f64) as usize).min(bins.saturating_sub(1));
        if let Some(sum) = sums.get_mut(at) {
            *sum = (sum.0 + p, sum.1 + y, sum.2 + 1);
        }
    }
    let filled = sums.into_iter().filter(|(.., n)| *n > 0);
    filled.map(|(p, y, n)| Bin { predicted: p / n as f64, observed: y / n as f64, n }).collect()
}

/// Expected calibration error: the mean of |predicted - observed| over bins, weighted by their labels.
pub fn ece(probabilities: &[(f64, f64)], bins: usize) -> f64 {
    let total = probabilities.len().max(1) as f64;
    curve(probabilities, bins).iter().map(|b| (b.predicted - b.observed).abs() * b.n as f64 / total).sum()
}
