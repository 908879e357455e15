//! A training step of small models against PyTorch, interleaved in one run on the same weights and rows:
//! `cargo bench --bench train_step`; `-- lora`: LoRA against PEFT too, `-- ops`: what each fused operation gains, `-- long`: by length.
//!
//! Needs a Python with torch and transformers (`OUTLOUD_BENCH_PYTHON`, default `python3`); without it only this side is
//! timed. 16 rows (8 pairs) of 160 tokens, f32, 2 threads, the CLoud loss, clipping, AdamW. Each side is a process of
//! its own, so that peak memory can be told apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use candle_core::Device;
use outloud::checkpoint::{Activation, Backbone, Head, Layer, Rope, RopeScaling};
use outloud::model::Model;
use outloud::train::collate::{PairRows, Row};
use outloud::train::config::Config;
use outloud::train::init::RandomInit;
use outloud::train::lora::{LoraConfig, Targets, initial};
use outloud::train::params::{Params, Recorder};
use outloud::train::step::Trainer;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAIRS: usize = 8;
const ROUNDS: usize = 15;

/// (name, hidden, layers, heads, inner): vocabulary 512.
const MODELS: [(&str, usize, usize, usize, usize); 2] =
    [("0.92 M", 128, 4, 4, 344), ("3.41 M", 256, 4, 8, 688)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [worker, dir] = arguments.as_slice()
        && worker == "worker"
    {
        return work(Path::new(dir));
    }
    let asked = |what: &str| arguments.iter().any(|a| a == what);
    println!("{}; 2 threads, f32, {PAIRS} pairs", cpu());
    for (name, hidden, layers, heads, inner) in MODELS {
        let dir = prepare(hidden, layers, heads, inner, 160);
        println!("\n{name} parameters, 16 rows of 160 tokens");
        let mut sides = vec![("outloud", Side::ours(dir.path(), "2", ""))];
        for (label, kind) in [("torch, lean", "lean"), ("torch, transformers", "hf")] {
            sides.extend(Side::python(dir.path(), kind).map(|side| (label, side)));
        }
        let rates = race(&mut sides, 16 * 160);
        for (label, rate) in rates.iter().skip(1) {
            println!("  outloud / {label}: {:.2}x", rates[0].1 / rate);
        }
        if asked("lora") {
            println!(" LoRA, rank 8 on all linear layers, the head in full");
            let mut sides = vec![
                ("outloud", Side::with(dir.path(), "2", "", "lora")),
                ("outloud, checkpointing", Side::with(dir.path(), "2", "", "lora-sparing")),
            ];
            sides.extend(Side::python(dir.path(), "peft").map(|side| ("torch + peft", side)));
            let rates = race(&mut sides, 16 * 160);
            for (label, rate) in rates.iter().skip(1) {
                println!("  outloud / {label}: {:.2}x", rates[0].1 / rate);
            }
        }
        if asked("ops") {
            let mut sides = vec![
                ("2 parts, all fused", Side::ours(dir.path(), "2", "")),
                ("1 part, all fused", Side::ours(dir.path(), "1", "")),
                ("2 parts, all basic", Side::ours(dir.path(), "2", "all")),
                ("1 part, all basic", Side::ours(dir.path(), "1", "all")),
            ];
            for op in ["rms_norm", "rope", "attention", "glu", "linear", "select_rows", "cross_entropy"] {
                sides.push((op, Side::ours(dir.path(), "2", op)));
            }
            println!(" what each gains (the operation named runs as a composition)");
            let rates = race(&mut sides, 16 * 160);
            for (label, rate) in rates.iter().skip(1) {
                println!("  {label}: {:.2}x slower", rates[0].1 / rate);
            }
        }
    }
    if asked("long") {
        println!("\n0.92 M parameters, by row length");
        for tokens in [40, 80, 160, 320, 640] {
            let dir = prepare(128, 4, 4, 344, tokens);
            race(&mut [(format!("{tokens} tokens").as_str(), Side::ours(dir.path(), "2", ""))], 16 * tokens);
        }
    }
}

/// Steps in turn; prints and returns the median tokens a second of each side.
fn race(sides: &mut [(&str, Side)], tokens: usize) -> Vec<(String, f64)> {
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    let mut last: Vec<Value> = vec![Value::Null; sides.len()];
    for round in 0..ROUNDS + 3 {
        for (i, (label, side)) in sides.iter_mut().enumerate() {
            let answer = side.step();
            if round == 0 {
                println!("  {label}: first loss {:.5}", answer["loss"].as_f64().unwrap());
            }
            if round >= 3 {
                seconds[i].push(answer["seconds"].as_f64().unwrap());
            }
            last[i] = answer;
        }
    }
    let mut rates = Vec::new();
    for ((label, _), (times, last)) in sides.iter().zip(seconds.iter_mut().zip(&last)) {
        times.sort_by(f64::total_cmp);
        let (median, best) = (times[times.len() / 2], times[0]);
        let rate = tokens as f64 / median;
        println!(
            "  {label:24} {:7.1} ms a step (best {:6.1}), {rate:7.0} tok/s, peak {:5.0} MiB",
            median * 1e3,
            best * 1e3,
            last["peak_mib"].as_f64().unwrap()
        );
        rates.push(((*label).to_owned(), rate));
    }
    rates
}

struct Side {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    fn start(command: &mut Command) -> Option<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, input, output })
    }

    fn ours(dir: &Path, shards: &str, basic: &str) -> Self {
        Self::with(dir, shards, basic, "")
    }

    /// `lora`: `lora`, `lora-sparing` (with gradient checkpointing), or nothing.
    fn with(dir: &Path, shards: &str, basic: &str, lora: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("worker").arg(dir).env("SHARDS", shards).env("OUTLOUD_BASIC_OPS", basic);
        command.env("RAYON_NUM_THREADS", "2").env("LORA", lora);
        if shards != "1" {
            command.env("CANDLE_NUM_THREADS", "1"); // as `outloud train` does
        }
        Self::start(&mut command).unwrap()
    }

    fn python(dir: &Path, kind: &str) -> Option<Self> {
        let python = std::env::var("OUTLOUD_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
        let needs = if kind == "peft" { "torch, transformers, peft" } else { "torch, transformers" };
        let probe = Command::new(&python).args(["-c", &format!("import {needs}")]).output();
        if !probe.is_ok_and(|o| o.status.success()) {
            println!("  SKIPPED {kind}: `{python}` lacks one of {needs} (set OUTLOUD_BENCH_PYTHON)");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/python/train_step.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg(dir.join("weights.safetensors"))
            .arg(dir.join("shape.json"))
            .args([kind, "2"]);
        Self::start(&mut command)
    }

    fn step(&mut self) -> Value {
        self.input.write_all(b"step\n").unwrap();
        self.input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("a side ended early")
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn backbone(shape: &Value) -> Backbone {
    let n = |key: &str| shape[key].as_u64().unwrap() as usize;
    let dim = n("hidden") / n("heads");
    Backbone {
        family: "llama".into(),
        hidden_size: n("hidden"),
        intermediate_size: n("inner"),
        num_heads: n("heads"),
        num_kv_heads: n("kv_heads"),
        head_dim: dim,
        vocab_size: n("vocab"),
        max_position_embeddings: 2048,
        rms_norm_eps: 1e-5,
        norm_plus_one: false,
        activation: Activation::Silu,
        qkv_bias: false,
        o_bias: false,
        mlp_bias: false,
        qk_norm: false,
        sandwich_norms: false,
        embedding_scale: None,
        attention_scale: 1.0 / (dim as f64).sqrt(),
        attention_softcap: None,
        logit_softcap: None,
        tied: false,
        ropes: vec![Rope { theta: 10_000.0, scaling: RopeScaling::Default }],
        layers: vec![Layer { rope: 0, window: None }; n("layers")],
    }
}

fn head() -> Head {
    Head::DenseTanhOut { dense: "reward_head.dense".into(), out_proj: "reward_head.out_proj".into() }
}

fn prepare(hidden: usize, layers: usize, heads: usize, inner: usize, tokens: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 12_345u64;
    let mut id = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 512
    };
    let rows: Vec<Vec<u64>> = (0..2 * PAIRS).map(|_| (0..tokens).map(|_| id()).collect()).collect();
    let shape = json!({
        "hidden": hidden, "layers": layers, "heads": heads, "kv_heads": heads, "inner": inner, "vocab": 512,
        "tokens": tokens, "first_target": tokens * 3 / 8, "rows": rows,
    });
    std::fs::write(dir.path().join("shape.json"), shape.to_string()).unwrap();
    let backbone = backbone(&shape);
    let random = RandomInit {
        backbone: &backbone,
        head: &head(),
        seed: 1,
        device: &Device::Cpu,
        prefix: "reward_base_model.",
    };
    let recorder = Recorder::new(&random);
    Model::new(&backbone, &head(), &recorder, &Device::Cpu).unwrap();
    let tensors = recorder.into_tensors().into_iter().collect();
    candle_core::safetensors::save(&tensors, dir.path().join("weights.safetensors")).unwrap();
    dir
}

/// Our side: steps as they are asked for.
fn work(dir: &Path) {
    let shape: Value = serde_json::from_slice(&std::fs::read(dir.join("shape.json")).unwrap()).unwrap();
    let first_target = shape["first_target"].as_u64().unwrap() as usize;
    let row = |row: &Value| {
        let ids: Vec<u32> = row.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        Row { full_len: ids.len(), first_target, ids }
    };
    let rows: Vec<Row> = shape["rows"].as_array().unwrap().iter().map(row).collect();
    let pairs: Vec<PairRows> = rows
        .chunks(2)
        .map(|p| PairRows { place: String::new(), chosen: p[0].clone(), rejected: p[1].clone(), margin: 0.0 })
        .collect();
    let pairs: Vec<&PairRows> = pairs.iter().collect();
    let mut config = Config::recipe("cloud").unwrap();
    config.shards = std::env::var("SHARDS").ok().and_then(|n| n.parse().ok());
    let tensors = candle_core::safetensors::load(dir.join("weights.safetensors"), &Device::Cpu).unwrap();
    let tensors = tensors.into_iter().collect();
    let lora = std::env::var("LORA").unwrap_or_default();
    config.gradient_checkpointing = lora == "lora-sparing";
    let params = if lora.is_empty() {
        Params::new(tensors, &[]).unwrap()
    } else {
        let keys =
            LoraConfig { rank: 8, alpha: None, dropout: 0.0, targets: Targets::default(), rslora: false };
        let spec = keys.spec("bench").unwrap();
        let matrices = initial(&tensors, &spec, 1, &Device::Cpu).unwrap();
        Params::adapted(tensors, matrices, &spec, &|name| name.starts_with("reward_head.")).unwrap()
    };
    let mut trainer = Trainer::new(&backbone(&shape), &head(), params, &config, &Device::Cpu).unwrap();
    for _ in std::io::stdin().lines() {
        let begun = Instant::now();
        let (report, gradients) = trainer.gradients(&pairs).unwrap();
        trainer.update(&report, &gradients, 1.0).unwrap();
        drop(gradients);
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}", json!({"seconds": seconds, "loss": report.loss, "peak_mib": peak_mib()}));
    }
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|l| l.starts_with(name))
            .and_then(|l| l.split_once(": "))
            .map_or("?", |(_, v)| v)
            .to_owned()
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split_whitespace().any(|f| f == flag);
    let vectors = ["avx512f", "avx2"].into_iter().find(|f| has(f)).unwrap_or("no AVX2");
    format!("{} ({vectors})", field("model name"))
}
