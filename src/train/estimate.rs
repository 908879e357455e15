//! What a run will need, from its shapes: memory and time, before a step is made; corrected by the first real ones.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::config::Config;
use super::params::Params;
use super::run::Record;
use crate::Result;
use crate::checkpoint::Backbone;

const MIB: f64 = 1024.0 * 1024.0;
/// The program itself, tokenizer and rows.
const PROGRAM: f64 = 60.0;

/// Memory in MiB and time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// All weights, and those as training began where they are needed.
    pub weights_mib: f64,
    /// Gradients of what learns, one set for each part and one for their sum.
    pub gradients_mib: f64,
    /// Two moments of what learns.
    pub optimizer_mib: f64,
    /// What backward needs of the largest micro-batch.
    pub activations_mib: f64,
    /// Logits in memory at once.
    pub logits_mib: f64,
    /// All of it, and the program.
    pub total_mib: f64,
    /// Arithmetic of a step, in multiply-adds times two.
    pub flops_per_step: f64,
    /// Steps.
    pub steps: usize,
}

/// For a run on pairs of these tokens and targets, in so many parts.
pub fn of_run(
    backbone: &Backbone,
    params: &Params,
    config: &Config,
    lens: &[(usize, usize)],
    steps: usize,
    shards: usize,
) -> Estimate {
    let (learn, all) = params.counts();
    let (learn, all) = (learn as f64, all as f64);
    let b = backbone;
    let (hidden, inner) = (b.hidden_size as f64, b.intermediate_size as f64);
    let (q, kv) = ((b.num_heads * b.head_dim) as f64, (b.num_kv_heads * b.head_dim) as f64);
    let layers = b.layers.len() as f64;
    let mut tokens: Vec<usize> = lens.iter().map(|l| l.0).collect();
    tokens.sort_unstable_by(|a, b| b.cmp(a));
    let micro: usize = tokens.iter().take(config.micro_batch).sum();
    let micro = micro as f64;
    let pairs = lens.len().max(1) as f64;
    let (mean, targets) =
        (tokens.iter().sum::<usize>() as f64 / pairs, lens.iter().map(|l| l.1).sum::<usize>() as f64 / pairs);
    let batch = (config.batch as f64).min(pairs);
    // Residual stream twice, two norms, attention's and the MLP's results; q and k before and after rotation, v, heads'
    // results; gate, up and their product.
    let layer =
        6.0 * hidden + 3.0 * q + 3.0 * kv + 3.0 * inner + if b.sandwich_norms { 2.0 * hidden } else { 0.0 };
    let kept = if config.gradient_checkpointing { layers * hidden + layer } else { layers * layer };
    let activations = micro * (kept + layer + 2.0 * hidden);
    let vocab = b.vocab_size as f64;
    let chunk = if config.method.has_critique() { (1024.0 * 1024.0f64).max(64.0 * vocab) } else { 0.0 };
    let logits = chunk * shards as f64 * if config.kl > 0.0 { 2.0 } else { 1.0 };
    let copy = if config.kl > 0.0 && config.lora.is_none() { all } else { 0.0 };
    let sets = if shards > 1 { shards as f64 + 1.0 } else { 1.0 };
    let mib = |numbers: f64| 4.0 * numbers / MIB;
    let (weights_mib, gradients_mib, optimizer_mib) = (mib(all + copy), mib(sets * learn), mib(2.0 * learn));
    let (activations_mib, logits_mib) = (mib(activations), mib(logits));
    // Matrices of the layers once forward, once for the input's gradient, once for the weight's; attention's scores beside.
    let matrices = layers * (hidden * (q + 2.0 * kv) + q * hidden + 3.0 * hidden * inner);
    let passes =
        if config.lora.is_some() { 2.0 } else { 3.0 } + f64::from(u8::from(config.gradient_checkpointing));
    let scores = layers * 2.0 * q * mean / 2.0;
    let outputs = if config.method.has_critique() { vocab * hidden * targets } else { 0.0 };
    let output_passes = if config.lora.is_some() { 3.0 } else { 4.0 };
    let reference = if config.kl > 0.0 { (matrices + scores) * mean + 3.0 * outputs } else { 0.0 };
    let flops = 2.0 * batch * ((matrices + scores) * mean * passes + outputs * output_passes + reference);
    Estimate {
        weights_mib,
        gradients_mib,
        optimizer_mib,
        activations_mib,
        logits_mib,
        total_mib: PROGRAM + weights_mib + gradients_mib + optimizer_mib + activations_mib + logits_mib,
        flops_per_step: flops,
        steps,
    }
}

impl Estimate {
    /// The estimate as text; `rate`: floating point operations a second that this device reaches.
    pub fn describe(&self, rate: f64) -> String {
        let step = self.flops_per_step / rate;
        format!(
            "memory about {:.0} MiB: weights {:.0}, gradients {:.0}, optimiser {:.0}, activations {:.0}, logits {:.0}; \
             {} steps of about {:.2} s, {} in all",
            self.total_mib,
            self.weights_mib,
            self.gradients_mib,
            self.optimizer_mib,
            self.activations_mib,
            self.logits_mib,
            self.steps,
            step,
            clock(step * self.steps as f64),
        )
    }

    /// What real steps say of it; `left`: steps to go.
    pub fn corrected(&self, record: &Record, left: usize) -> String {
        let peak = record.peak_mib.map_or_else(
            || format!("memory estimated at {:.0} MiB", self.total_mib),
            |peak| format!("memory {peak:.0} MiB at most so far ({:.0} estimated)", self.total_mib),
        );
        format!("{peak}; {:.2} s a step, about {} to go", record.seconds, clock(record.seconds * left as f64))
    }

    /// Why a run does not fit into the memory there is, if it does not.
    pub fn too_large(&self, available_mib: Option<f64>) -> Option<String> {
        let available = available_mib.filter(|available| self.total_mib > *available)?;
        let parts = [
            (self.activations_mib, "a smaller micro-batch or max-len, or gradient-checkpointing = true"),
            (self.optimizer_mib + self.gradients_mib, "--lora, or freeze"),
            (self.weights_mib, "a smaller model"),
            (self.logits_mib, "shards = 1"),
        ];
        let largest = parts.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map_or("", |part| part.1);
        Some(format!(
            "about {:.0} MiB needed, {available:.0} MiB free; what would help most: {largest}",
            self.total_mib
        ))
    }
}

/// `1 h 02 min`, `3 min`, `12 s`.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=90 => format!("{whole} s"),
        91..=5399 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Floating point operations a second that training reaches on this device: half of a matrix product's.
///
/// # Errors
/// From the device.
pub fn rate(device: &Device) -> Result<f64> {
    const SIZE: usize = 384;
    let a = Tensor::ones((SIZE, SIZE), candle_core::DType::F32, device)?;
    let (mut done, begun) = (0, Instant::now());
    while done < 3 || begun.elapsed().as_secs_f64() < 0.05 {
        let product = a.matmul(&a)?;
        product.get(0)?.get(0)?.to_scalar::<f32>()?;
        done += 1;
    }
    Ok(0.5 * done as f64 * 2.0 * (SIZE as f64).powi(3) / begun.elapsed().as_secs_f64())
}

/// MiB that this process can have in all, where the system tells: of the machine, and of the group of processes it runs in.
pub fn available_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let machine = line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0;
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<f64>().ok();
    let group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let free = group.map_or(machine, |(max, current)| machine.min((max - current) / MIB));
    Some(free + own("VmRSS:").unwrap_or_default())
}

/// The most memory this process has had, in MiB, where the system tells.
pub fn peak_mib() -> Option<f64> {
    own("VmHWM:")
}

fn own(line: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with(line))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
