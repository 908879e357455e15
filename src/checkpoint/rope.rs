//! Rotary embeddings in `config.json`: the old keys (`rope_theta`, `rope_scaling`) and `rope_parameters`.

use super::config::{missing, unsupported};
use super::files::Json;
use super::spec::{Reason, Rope, RopeScaling};
use crate::Result;

const LOCAL_THETA: f64 = 10_000.0;

/// The rotary embeddings: the first is that of layers that see everything; also the index of the one that layers with a
/// window use (Gemma 3 has another one there).
pub fn read(
    config: &Json,
    family: &str,
    default_theta: f64,
    reasons: &mut Vec<Reason>,
) -> Result<(Vec<Rope>, usize)> {
    let mut default = |key: &str, value: f64| {
        reasons.push(Reason {
            what: format!("backbone.{key}"),
            value: value.to_string(),
            why: format!("left out of {}; default of {family} in transformers", config.place),
        });
        value
    };
    let gemma3 = family == "gemma3_text";
    if let Some(parameters) = config.object("rope_parameters")? {
        let full = parameters.object("full_attention")?;
        let sliding = parameters.object("sliding_attention")?;
        let theta = |of: &Json, fallback: f64, default: &mut dyn FnMut(&str, f64) -> f64| -> Result<f64> {
            match of.f64("rope_theta")? {
                Some(theta) => Ok(theta),
                None => Ok(default("rope_theta", fallback)),
            }
        };
        if gemma3 && (full.is_none() || sliding.is_none()) {
            return Err(missing(&parameters, "full_attention and sliding_attention"));
        }
        let Some(full) = full else {
            let base = theta(&parameters, config.f64("rope_theta")?.unwrap_or(default_theta), &mut default)?;
            return Ok((vec![rope(&parameters, base, scaling(&parameters)?)?], 0));
        };
        let mut ropes = vec![rope(&full, theta(&full, default_theta, &mut default)?, scaling(&full)?)?];
        if let Some(sliding) = sliding {
            let fallback = if gemma3 { LOCAL_THETA } else { default_theta };
            ropes.push(rope(&sliding, theta(&sliding, fallback, &mut default)?, scaling(&sliding)?)?);
        }
        let local = ropes.len() - 1;
        return Ok((ropes, local));
    }
    let theta = match config.f64("rope_theta")? {
        Some(theta) => theta,
        None => default("rope_theta", default_theta),
    };
    let stretch = config.object("rope_scaling")?.map_or(Ok(RopeScaling::Default), |s| scaling(&s))?;
    let mut ropes = vec![rope(config, theta, stretch)?];
    if gemma3 {
        let local = match config.f64("rope_local_base_freq")? {
            Some(theta) => theta,
            None => default("rope_local_base_freq", LOCAL_THETA),
        };
        ropes.push(rope(config, local, RopeScaling::Default)?);
    }
    let local = ropes.len() - 1;
    Ok((ropes, local))
}

fn rope(place: &Json, theta: f64, scaling: RopeScaling) -> Result<Rope> {
    if theta > 1.0 {
        Ok(Rope { theta, scaling })
    } else {
        Err(unsupported(place, "rope_theta", theta, "a number above 1".into()))
    }
}

fn scaling(from: &Json) -> Result<RopeScaling> {
    let kind = match from.str("rope_type")? {
        Some(kind) => kind,
        None => from.str("type")?.unwrap_or("default"),
    };
    let factor = |key: &str| -> Result<f64> {
        match from.f64(key)?.ok_or_else(|| missing(from, key))? {
            value if value > 0.0 => Ok(value),
            value => Err(unsupported(from, key, value, "a number above 0".into())),
        }
    };
    match kind {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: factor("factor")? }),
        "llama3" => {
            let key = "original_max_position_embeddings";
            let (low, high) = (factor("low_freq_factor")?, factor("high_freq_factor")?);
            if high <= low {
                return Err(unsupported(
                    from,
                    "high_freq_factor",
                    high,
                    format!("above low_freq_factor = {low}"),
                ));
            }
            Ok(RopeScaling::Llama3 {
                factor: factor("factor")?,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: from
                    .usize(key)?
                    .filter(|n| *n > 0)
                    .ok_or_else(|| missing(from, key))?,
            })
        }
        other => Err(unsupported(from, "rope_type", other, "default, linear or llama3".into())),
    }
}
