//! What is drawn of a run: curves by name, each of a few lines, from its records alone.

use super::Record;

/// What a line is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// What is learned from.
    Train,
    /// What is held out.
    Held,
    /// A part or a bound of it.
    Part,
}

/// A line of a curve.
#[derive(Clone, Copy)]
pub struct Line {
    /// What it is, in the metrics' words.
    pub name: &'static str,
    /// How it is drawn.
    pub tint: Tint,
    /// Its value at a step.
    pub value: fn(&Record) -> Option<f64>,
}

/// A curve.
#[derive(Clone, Copy)]
pub struct Curve {
    /// Its title.
    pub title: &'static str,
    /// Its lines, the most important first.
    pub lines: &'static [Line],
    /// Whether a logarithmic scale makes sense.
    pub log: bool,
}

const fn line(name: &'static str, tint: Tint, value: fn(&Record) -> Option<f64>) -> Line {
    Line { name, tint, value }
}

/// All curves, in the order they are shown.
pub const CURVES: [Curve; 9] = [
    Curve {
        title: "loss",
        log: true,
        lines: &[
            line("loss", Tint::Train, |r| Some(r.loss)),
            line("eval_loss", Tint::Held, |r| r.eval.as_ref().map(|e| e.eval_loss)),
        ],
    },
    Curve {
        title: "accuracy",
        log: false,
        lines: &[
            line("accuracy", Tint::Train, |r| r.accuracy),
            line("eval_accuracy", Tint::Held, |r| r.eval.as_ref()?.eval_accuracy),
        ],
    },
    Curve {
        title: "margin",
        log: false,
        lines: &[
            line("margin", Tint::Train, |r| r.margin),
            line("eval_margin", Tint::Held, |r| r.eval.as_ref()?.eval_margin),
        ],
    },
    Curve {
        title: "rewards: min, mean, max",
        log: false,
        lines: &[
            line("mean_reward", Tint::Train, |r| r.mean_reward),
            line("min_reward", Tint::Part, |r| r.min_reward),
            line("max_reward", Tint::Part, |r| r.max_reward),
            line("eval_mean_reward", Tint::Held, |r| r.eval.as_ref()?.eval_mean_reward),
        ],
    },
    Curve {
        title: "reward and lm loss",
        log: true,
        lines: &[
            line("reward_loss", Tint::Train, |r| r.reward_loss),
            line("lm_loss", Tint::Part, |r| r.lm_loss),
            line("eval_lm_loss", Tint::Held, |r| r.eval.as_ref()?.eval_lm_loss),
        ],
    },
    Curve {
        title: "gradient norm",
        log: true,
        lines: &[line("grad_norm", Tint::Train, |r| Some(r.grad_norm))],
    },
    Curve { title: "learning rate", log: false, lines: &[line("lr", Tint::Train, |r| Some(r.lr))] },
    Curve {
        title: "tokens/s",
        log: false,
        lines: &[line("tokens_per_second", Tint::Train, |r| Some(r.tokens_per_second))],
    },
    Curve {
        title: "memory, MiB at most",
        log: false,
        lines: &[line("peak_mib", Tint::Train, |r| r.peak_mib)],
    },
];

/// Points (step, value) of a line, each the mean of those before it, older ones counting less by `weight` a step.
pub fn smoothed(records: &[Record], value: fn(&Record) -> Option<f64>, weight: f64) -> Vec<(f64, f64)> {
    let (mut sum, mut norm) = (0.0, 0.0);
    let points = records.iter().filter_map(|r| Some((r.step as f64, value(r).filter(|v| v.is_finite())?)));
    points
        .map(|(step, value)| {
            (sum, norm) = (weight * sum + (1.0 - weight) * value, weight * norm + (1.0 - weight));
            (step, sum / norm)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_begins_at_the_first_value_and_leaves_out_what_is_no_number() {
        let record = |step, loss| Record { step, loss, ..Record::default() };
        let records = [record(1, 4.0), record(2, f64::NAN), record(3, 0.0)];
        let value = |r: &Record| Some(r.loss);
        assert_eq!(smoothed(&records, value, 0.0), [(1.0, 4.0), (3.0, 0.0)]);
        let half = smoothed(&records, value, 0.5);
        assert_eq!(half[0], (1.0, 4.0));
        assert!((half[1].1 - 4.0 / 3.0).abs() < 1e-12, "{half:?}");
    }
}
