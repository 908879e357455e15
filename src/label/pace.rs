//! How fast labels come: time per pair, pairs per hour, when a goal will be reached.

/// Seconds that count at most for one pair: who went for coffee did not label.
const MOST: f64 = 600.0;
/// Pairs that the pace is read from.
const LAST: usize = 50;

/// Pace of one annotator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Median seconds a pair, of the last fifty.
    pub seconds: f64,
    /// Pairs an hour: one in each mean time of the last fifty.
    pub per_hour: f64,
}

impl Pace {
    /// From the seconds of pairs, oldest first; `None` without any.
    pub fn of(seconds: &[f64]) -> Option<Self> {
        let skip = seconds.len().saturating_sub(LAST);
        let mut last: Vec<f64> = seconds.iter().skip(skip).map(|s| s.clamp(0.0, MOST)).collect();
        last.sort_by(f64::total_cmp);
        let median = last.get(last.len().checked_sub(1)? / 2).copied()?;
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        (mean > 0.0).then_some(Self { seconds: median, per_hour: 3600.0 / mean })
    }

    /// Seconds until so many more are done.
    pub fn eta(&self, left: usize) -> f64 {
        left as f64 * 3600.0 / self.per_hour
    }
}

/// A span as people say it: `45 s`, `12 min`, `1 h 05`.
pub fn span(seconds: f64) -> String {
    let all = seconds.max(0.0).round() as u64;
    match (all / 3600, all / 60 % 60, all) {
        (0, 0, s) => format!("{s} s"),
        (0, m, _) => format!("{m} min"),
        (h, m, _) => format!("{h} h {m:02}"),
    }
}
