//! What the benches share: an engine with a model in it, rows, statistics, the CPU's features, a random checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, dead_code)]

pub mod checkpoint;

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use outloud::checkpoint::Checkpoint;
use outloud::engine::{
    self, Client, CritiqueOptions, CritiqueText, DeviceChoice, Event, Events, Input, ModelId, ModelSource,
    Request, ScoreOptions, Ticket, Verdict,
};
use outloud::model::{Chunk, KvCache, Model};

/// The program's allocator: what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The tiny trained model of the fixtures.
pub fn tiny() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cloud-llama-tiny")
}

/// Two threads unless RAYON_NUM_THREADS says otherwise; must run before anything computes.
pub fn two_threads() -> usize {
    let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    threads
}

/// One line about the processor.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown CPU");
    let flags = info.lines().find(|l| l.starts_with("flags")).unwrap_or_default();
    let wanted = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "neon"];
    let has: Vec<&str> = wanted.into_iter().filter(|f| flags.split_whitespace().any(|g| g == *f)).collect();
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {threads} CPUs, {}", name.trim_start_matches(['\t', ' ', ':']), has.join(" "))
}

/// The middle of the values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `name  value  (wanted ...)  ok | MISSED`; benches on shared machines are read, not asserted.
pub fn verdict(name: &str, value: f64, wanted: &str, met: bool) {
    println!("{name:<58} {value:>8.3}   wanted {wanted:<10} {}", if met { "ok" } else { "MISSED" });
}

/// An engine with one model, driven in a plain loop.
pub struct Engine {
    client: Client,
    events: Events,
    next: u64,
    _handle: engine::Handle,
}

const MODEL: ModelId = ModelId(0);

impl Engine {
    pub fn load(folder: &Path) -> Self {
        let (client, events, handle) = engine::start(engine::EngineConfig::default()).unwrap();
        let mut engine = Self { client, events, next: 0, _handle: handle };
        let ticket = engine.ticket();
        let source = ModelSource::Folder(folder.to_owned());
        engine
            .client
            .send(Request::Load { ticket, model: MODEL, source, device: DeviceChoice::Cpu })
            .unwrap();
        let mut loaded = None;
        loop {
            match engine.events.blocking_recv().unwrap() {
                Event::Loaded { info, .. } => loaded = Some(info),
                Event::Failed { error, .. } => panic!("{error}"),
                Event::Done { .. } => break,
                _ => {}
            }
        }
        let info = loaded.unwrap();
        println!(
            "model: {} parameters, {} on {}, loaded in {:.2} s",
            info.parameters, info.dtype, info.device, info.load_s
        );
        engine
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// All rows at once; verdicts in their order.
    pub fn critique_all(&mut self, rows: &[Input], options: &CritiqueOptions) -> Vec<Verdict> {
        let requests = rows.iter().map(|input| {
            let ticket = self.ticket();
            let (input, options) = (input.clone(), options.clone());
            Request::Critique { ticket, model: MODEL, input, begin: CritiqueText::None, options }
        });
        let requests: Vec<Request> = requests.collect();
        self.run(requests)
    }

    /// One critique, and the wall time.
    pub fn critique(&mut self, input: &Input, options: &CritiqueOptions) -> (Verdict, f64) {
        let start = Instant::now();
        let verdict = self.critique_all(std::slice::from_ref(input), options).remove(0);
        (verdict, start.elapsed().as_secs_f64())
    }

    /// One score, and the wall time.
    pub fn score(&mut self, input: &Input, critique: CritiqueText, options: &ScoreOptions) -> (Verdict, f64) {
        let (ticket, start) = (self.ticket(), Instant::now());
        let (input, options) = (input.clone(), options.clone());
        let verdict =
            self.run(vec![Request::Score { ticket, model: MODEL, input, critique, options }]).remove(0);
        (verdict, start.elapsed().as_secs_f64())
    }

    fn run(&mut self, requests: Vec<Request>) -> Vec<Verdict> {
        let mut order = Vec::new();
        for request in requests {
            if let Request::Critique { ticket, .. } | Request::Score { ticket, .. } = &request {
                order.push(*ticket);
            }
            self.client.send(request).unwrap();
        }
        let (mut verdicts, mut done) = (HashMap::new(), 0);
        while done < order.len() {
            match self.events.blocking_recv().unwrap() {
                Event::Critiqued { ticket, verdicts: mut v } => {
                    verdicts.insert(ticket, v.remove(0));
                }
                Event::Scored { ticket, verdict } => {
                    verdicts.insert(ticket, *verdict);
                }
                Event::Failed { error, .. } => panic!("{error}"),
                Event::Down { reason } => panic!("{reason}"),
                Event::Done { .. } => done += 1,
                _ => {}
            }
        }
        order.iter().map(|ticket| verdicts.remove(ticket).unwrap()).collect()
    }
}

/// The model alone.
pub fn model(folder: &Path) -> Model {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let tensors = checkpoint.tensors(&Device::Cpu).unwrap();
    Model::new(&checkpoint.spec.backbone, &checkpoint.spec.head, &tensors, &Device::Cpu).unwrap()
}

/// Computes `ids` after what is in the cache; hidden state of the last one, `[1, hidden]`.
pub fn advance(model: &Model, cache: &mut KvCache, ids: &[u32]) -> Tensor {
    let hidden = model.forward(&mut [Chunk { ids, cache, keep: ids.len() }]).unwrap();
    hidden.narrow(0, ids.len() - 1, 1).unwrap()
}

/// Arithmetic examples, each with another beginning, whose answers have about `words` steps.
pub fn rows(count: usize, words: usize) -> Vec<Input> {
    (0..count)
        .map(|i| {
            let (a, b) = (i % 90 + 3, i % 17 + 2);
            let steps: Vec<String> =
                (0..words).map(|s| format!("{} + {b} = {}.", a + s * b, a + (s + 1) * b)).collect();
            Input::text(
                format!("{i}: Tom has {a} apples and buys {b} more. How many?"),
                format!("First {} The answer is {}.", steps.join(" "), a + words * b),
            )
        })
        .collect()
}
