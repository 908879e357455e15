//! Result rows: what cli.md promises, key by key. Rewards are f32 and are written so that they read back the same.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::checkpoint::{Method, Reading};
use crate::engine::{CritiqueOptions, ModelInfo, ScoreOptions, Stopped, Timing, TokenCount, Verdict};
use crate::rows::Item;

/// What a result was made with; enough to make it again. Options that have their default are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the keys are those of the options")]
pub struct MadeWith {
    pub version: &'static str,
    pub model: String,
    pub fingerprint: String,
    pub dtype: String,
    pub device: String,
    pub seed: Option<u64>,
    pub temperature: Option<f64>,
    pub critique_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub raw_special: bool,
}

impl MadeWith {
    /// Of a `score` run.
    pub fn score(info: &ModelInfo, options: &ScoreOptions) -> Self {
        let own = || info.spec.prompt.critique_prompt.clone();
        let critique_prompt = match info.spec.method {
            Method::Cloud => Some(options.critique_prompt.clone().unwrap_or_else(own)),
            Method::Classic => None,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            model: info.name.clone(),
            fingerprint: info.fingerprint.clone(),
            dtype: info.dtype.clone(),
            device: info.device.clone(),
            critique_prompt,
            raw_special: options.raw_special,
            ..Self::default()
        }
    }

    /// Of a `critique` run.
    pub fn critique(info: &ModelInfo, options: &CritiqueOptions) -> Self {
        let made_with = Self::score(info, &options.score);
        if info.spec.method == Method::Classic {
            return made_with;
        }
        let sampling = &options.sampling;
        Self {
            seed: (sampling.temperature > 0.0).then_some(sampling.seed),
            temperature: Some(sampling.temperature),
            max_tokens: Some(options.max_tokens).filter(|n| *n != CritiqueOptions::default().max_tokens),
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            min_p: sampling.min_p,
            ..made_with
        }
    }
}

/// What goes into each result row beside the verdict.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The run's settings.
    pub made_with: MadeWith,
    /// `-n` as it was given.
    pub samples: Option<usize>,
    /// Token ids.
    pub tokens: bool,
    /// Unknown fields.
    pub keep: bool,
}

/// One result row; written with [`line`].
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line<'a> {
    One {
        id: &'a Value,
        #[serde(flatten)]
        judged: Judged<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<&'a Map<String, Value>>,
    },
    Pair {
        id: &'a Value,
        chosen: Judged<'a>,
        rejected: Judged<'a>,
        margin: f32,
        probability: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<&'a Map<String, Value>>,
    },
    Failed {
        id: &'a Value,
        error: &'a str,
    },
}

/// The result for one answer.
#[derive(Debug, Serialize)]
struct Judged<'a> {
    reward: f32,
    reading: Reading,
    critique: Option<&'a str>,
    stopped: Option<Stopped>,
    trace: Option<&'a [f32]>,
    stop_here: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<Vec<Sample<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward_sd: Option<Option<f32>>,
    tokens: TokenCount,
    timing: Timing,
    made_with: &'a MadeWith,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    critique_token_ids: Option<Option<&'a [u32]>>,
}

#[derive(Debug, Serialize)]
struct Sample<'a> {
    critique: Option<&'a str>,
    reward: f32,
    stopped: Option<Stopped>,
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    critique_token_ids: Option<Option<&'a [u32]>>,
}

/// The verdicts on one answer (one per sample), or why there are none.
pub type Outcome = Result<Vec<Verdict>, String>;

/// Writes a row's result: one outcome for an answer, two for a pair.
///
/// A pair of which one side failed is a failed row.
pub fn line(id: &Value, outcomes: &[Outcome], extra: &Map<String, Value>, shape: &Shape) -> (String, bool) {
    let judged = outcomes.iter().map(|outcome| match outcome {
        Ok(verdicts) => judge(verdicts, shape),
        Err(error) => Err(error.clone()),
    });
    let input = shape.keep.then_some(extra);
    let line = match judged.collect::<Result<Vec<_>, _>>() {
        Ok(judged) => {
            let mut judged = judged.into_iter();
            match (judged.next(), judged.next()) {
                (Some(judged), None) => write(&Line::One { id, judged, input }),
                (Some(chosen), Some(rejected)) => {
                    let margin = chosen.reward - rejected.reward;
                    let probability = 1.0 / (1.0 + (-f64::from(margin)).exp());
                    write(&Line::Pair { id, chosen, rejected, margin, probability, input })
                }
                (None, _) => Err("no result was made; this is a defect of outloud".to_owned()),
            }
        }
        Err(error) => Err(error),
    };
    match line {
        Ok(line) => (line, true),
        Err(error) => (write(&Line::Failed { id, error: &error }).unwrap_or(error), false),
    }
}

fn write(line: &Line) -> Result<String, String> {
    serde_json::to_string(line).map_err(|e| format!("the result could not be written as JSON: {e}"))
}

fn judge<'a>(verdicts: &'a [Verdict], shape: &'a Shape) -> Result<Judged<'a>, String> {
    if let Some(bad) = verdicts.iter().map(|v| v.reward).find(|r| !r.is_finite()) {
        return Err(format!(
            "the reward is {bad}: the weights are damaged or the numbers overflow; `outloud doctor MODEL` looks for it"
        ));
    }
    let (mean, sd) = mean_and_sd(verdicts.iter().map(|v| v.reward));
    let distance = |v: &Verdict| (f64::from(v.reward) - mean).abs();
    let nearest = verdicts.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let shown =
        nearest.ok_or_else(|| "the engine sent no verdict; this is a defect of outloud".to_owned())?;
    let samples = shape.samples.filter(|_| shown.critique.is_some()).map(|_| {
        let sample = |v: &'a Verdict| Sample {
            critique: v.critique.as_deref(),
            reward: v.reward,
            stopped: v.stopped,
            seed: v.seed,
            critique_token_ids: ids(v, shape),
        };
        verdicts.iter().map(sample).collect()
    });
    Ok(Judged {
        reward: if verdicts.len() == 1 { shown.reward } else { mean as f32 },
        reading: shown.reading,
        critique: shown.critique.as_deref(),
        stopped: shown.stopped,
        trace: shown.critique.is_some().then_some(&shown.trace),
        stop_here: shown.stop_here.as_deref().filter(|_| shown.critique.is_some()),
        reward_sd: samples.is_some().then(|| sd.map(|sd| sd as f32)),
        samples,
        tokens: shown.tokens,
        timing: shown.timing,
        made_with: &shape.made_with,
        prompt_token_ids: shape.tokens.then_some(&shown.prompt_token_ids),
        critique_token_ids: ids(shown, shape),
    })
}

/// The ids are shown when asked for, and where the text alone would not give the same reward again.
fn ids<'a>(verdict: &'a Verdict, shape: &Shape) -> Option<Option<&'a [u32]>> {
    let inexact = verdict.reading == Reading::InPlace && !verdict.text_is_exact && verdict.critique.is_some();
    (shape.tokens || inexact)
        .then(|| verdict.critique.is_some().then_some(verdict.critique_token_ids.as_slice()))
}

/// Mean, and the sample standard deviation (n - 1); none for one value.
fn mean_and_sd(rewards: impl Iterator<Item = f32> + Clone) -> (f64, Option<f64>) {
    let n = rewards.clone().count() as f64;
    let mean = rewards.clone().map(f64::from).sum::<f64>() / n;
    let squares: f64 = rewards.map(|r| (f64::from(r) - mean).powi(2)).sum();
    (mean, (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()))
}

/// A row with both the critique's text and its ids must mean one critique.
///
/// # Errors
/// The row's error.
pub fn check_agreement(item: &Item, verdict: &Verdict) -> Result<(), String> {
    let (Some(text), Some(_), Some(of_ids)) = (&item.critique, &item.critique_token_ids, &verdict.critique)
    else {
        return Ok(());
    };
    // A re-encoded critique was stripped and cleaned up (spaces only) and ends where the text ended.
    let re_encoded = verdict.reading == Reading::ReEncoded || item.reading == Some(Reading::ReEncoded);
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let agree = if re_encoded {
        squeezed(of_ids).starts_with(&squeezed(text))
    } else {
        text == of_ids || text.strip_prefix(' ') == Some(of_ids)
    };
    if agree {
        return Ok(());
    }
    Err(format!(
        "field `critique` and field `critique_token_ids` disagree: the ids say {}, the text says {}. Remove the one that \
         is out of date",
        beginning(of_ids),
        beginning(text)
    ))
}

fn beginning(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rows::{Content, Row};

    pub fn verdict(reward: f32, critique: &str) -> Verdict {
        Verdict {
            reward,
            reading: Reading::InPlace,
            critique: Some(critique.into()),
            critique_token_ids: vec![5, 6],
            text_is_exact: true,
            stopped: Some(Stopped::Eot),
            trace: vec![0.1, reward],
            trace_tokens: Vec::new(),
            choices: Vec::new(),
            stop_here: None,
            prompt_token_ids: vec![1, 2, 3],
            tokens: TokenCount { prompt: 3, critique: 2, reused: 1 },
            seed: None,
            timing: Timing::default(),
        }
    }

    fn value(outcomes: &[Outcome], shape: &Shape) -> Value {
        let (line, ok) = line(&json!("x"), outcomes, &Map::new(), shape);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ok, value.get("error").is_none());
        value
    }

    #[test]
    fn one_answer_has_the_promised_keys_and_shortest_numbers() {
        let (line, ok) = line(&json!(7), &[Ok(vec![verdict(0.3, "c")])], &Map::new(), &Shape::default());
        assert!(ok);
        assert!(line.starts_with(
            r#"{"id":7,"reward":0.3,"reading":"in-place","critique":"c","stopped":"eot","trace":[0.1,0.3],"stop_here":null,"tokens":{"prompt":3,"critique":2,"reused":1},"timing":{"prefill_s":0.0,"decode_s":0.0},"made_with":{"version":"#
        ), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<_> = value["made_with"].as_object().unwrap().keys().cloned().collect();
        let promised =
            ["version", "model", "fingerprint", "dtype", "device", "seed", "temperature", "critique_prompt"];
        assert_eq!(keys, promised);
    }

    #[test]
    fn samples_give_mean_spread_and_the_nearest() {
        let shape = Shape { samples: Some(3), ..Shape::default() };
        let value = value(&[Ok(vec![verdict(1.0, "a"), verdict(2.0, "b"), verdict(6.0, "c")])], &shape);
        assert_eq!((&value["reward"], &value["critique"]), (&json!(3.0), &json!("b")));
        assert_eq!(value["reward_sd"], json!(2.6457512));
        assert_eq!(
            value["samples"][2],
            json!({"critique": "c", "reward": 6.0, "stopped": "eot", "seed": null})
        );
        let one = line(&json!(1), &[Ok(vec![verdict(1.0, "a")])], &Map::new(), &shape).0;
        assert!(one.contains(r#""reward_sd":null"#), "{one}");
    }

    #[test]
    fn pairs_have_margin_and_probability() {
        let pair = value(&[Ok(vec![verdict(1.0, "a")]), Ok(vec![verdict(0.5, "b")])], &Shape::default());
        assert_eq!(pair["margin"], json!(0.5));
        assert!((pair["probability"].as_f64().unwrap() - 0.622_459_331_201_854_6).abs() < 1e-12);
        assert!(pair["chosen"].get("id").is_none());
        let failed = value(&[Ok(vec![verdict(1.0, "a")]), Err("no".into())], &Shape::default());
        assert_eq!(failed, json!({"id": "x", "error": "no"}));
    }

    #[test]
    fn what_is_no_number_is_a_failed_row() {
        let error = value(&[Ok(vec![verdict(f32::NAN, "a")])], &Shape::default());
        assert!(error["error"].as_str().unwrap().contains("the reward is NaN"));
    }

    #[test]
    fn ids_are_added_where_the_text_would_not_do() {
        let exact = value(&[Ok(vec![verdict(1.0, "a")])], &Shape::default());
        assert!(exact.get("critique_token_ids").is_none());
        let inexact = Verdict { text_is_exact: false, ..verdict(1.0, "a") };
        let with_ids = value(&[Ok(vec![inexact.clone()])], &Shape::default());
        assert_eq!(with_ids["critique_token_ids"], json!([5, 6]));
        assert!(with_ids.get("prompt_token_ids").is_none());
        let re_encoded = Verdict { reading: Reading::ReEncoded, ..inexact };
        assert!(value(&[Ok(vec![re_encoded])], &Shape::default()).get("critique_token_ids").is_none());
    }

    #[test]
    fn classic_models_have_no_critique() {
        let classic = Verdict {
            critique: None,
            trace: Vec::new(),
            stopped: None,
            text_is_exact: false,
            ..verdict(1.0, "")
        };
        let shape = Shape { samples: Some(2), tokens: true, ..Shape::default() };
        let value = value(&[Ok(vec![classic])], &shape);
        for key in ["critique", "trace", "stopped", "stop_here", "critique_token_ids"] {
            assert_eq!(value[key], Value::Null, "{key}");
        }
        assert!(value.get("samples").is_none());
        assert_eq!(value["prompt_token_ids"], json!([1, 2, 3]));
    }

    #[test]
    fn text_and_ids_that_disagree_are_found() {
        let Content::One(mut item) = Row::by_hand("p", "a", Some("good work.")).content.unwrap() else {
            panic!()
        };
        item.critique_token_ids = Some(vec![1]);
        let says = |text: &str| verdict(1.0, text);
        assert_eq!(check_agreement(&item, &says("good work.")), Ok(()));
        assert!(check_agreement(&item, &says("good work .")).unwrap_err().contains("disagree"));
        item.reading = Some(Reading::ReEncoded);
        assert_eq!(check_agreement(&item, &says("good work .")), Ok(()));
        assert!(check_agreement(&item, &says("bad work.")).is_err());
    }
}
