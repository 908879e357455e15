//! From a finished sample to the verdict a client sees.

use super::job::{Job, Sample, Task};
use super::load::Loaded;
use super::{Timing, Verdict};
use crate::checkpoint::{Method, Reading};
use crate::{Error, Result};

/// The verdict of a finished sample.
///
/// # Errors
/// When a reward is not a number, or the tokenizer cannot decode.
pub fn verdict(job: &Job, sample: &Sample, loaded: &Loaded) -> Result<Verdict> {
    let options = job.task.score();
    if let Some(at) = sample.trace.iter().position(|reward| !reward.is_finite()) {
        return Err(Error::invalid(
            "reward",
            format!("{} at token {at} of the critique", sample.trace.get(at).copied().unwrap_or(f32::NAN)),
            "a finite number",
            "The weights hold NaN or infinite values, or overflow on this input; `outloud doctor` checks them.",
        ));
    }
    let reward = sample.trace.last().copied().ok_or_else(|| {
        Error::invalid(
            "reward",
            "no token to read it at",
            "at least the end-of-turn",
            "This is a defect of outloud.",
        )
    })?;
    let classic = loaded.spec.method == Method::Classic;
    let eot = loaded.spec.prompt.end_of_turn.id;
    let body = sample.critique.strip_suffix(&[eot]).unwrap_or(&sample.critique);
    let generated = matches!(job.task, Task::Critique(_));
    let (critique, text_is_exact) = if classic {
        (None, true)
    } else if let Some(text) =
        sample.clean.as_ref().or_else(|| job.given_text.as_ref().filter(|_| !generated))
    {
        (Some(text.clone()), loaded.text.critique_ids(text, options.raw_special)? == body)
    } else {
        let (text, exact) = loaded.text.in_place_text(body)?;
        // Fed back, a text that spells a special token is escaped, and does not give the token again.
        (Some(text), exact)
    };
    let trace_ids = sample.lane.ids.get(sample.start..).unwrap_or_default();
    let ended = sample.finished.map_or(job.prefill, |at| at.duration_since(job.started));
    let (prefill, decode) = if generated && !classic {
        (job.prefill, ended.saturating_sub(job.prefill))
    } else {
        (ended, std::time::Duration::ZERO)
    };
    Ok(Verdict {
        reward,
        reading: if classic { Reading::InPlace } else { options.reading },
        critique,
        critique_token_ids: sample.critique.clone(),
        text_is_exact,
        stopped: sample.stopped,
        trace: if classic { Vec::new() } else { sample.trace.clone() },
        trace_tokens: if classic {
            Vec::new()
        } else {
            trace_ids.iter().copied().zip(loaded.text.token_texts(trace_ids)).collect()
        },
        choices: sample.choices.clone(),
        stop_here: options.stop_here.then(|| sample.stop_here.clone()).filter(|_| !classic),
        prompt_token_ids: job.formatted.ids.clone(),
        tokens: job.tokens(sample),
        seed: sample.seed,
        timing: Timing { prefill_s: prefill.as_secs_f64(), decode_s: decode.as_secs_f64() },
    })
}
