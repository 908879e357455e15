//! Fixtures and small helpers.

use std::path::PathBuf;

use candle_core::Device;
use outloud::train::collate::{Collator, PairRows};
use outloud::train::config::Config;
use outloud::train::data::{Data, Pair};
use outloud::train::params::Params;
use outloud::train::start::{Origin, Start};
use outloud::train::step::Trainer;
use serde_json::Value;

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected/training.json")).unwrap()).unwrap()
}

/// A recipe with some keys of its own.
pub fn config(recipe: &str, keys: &str) -> Config {
    Config::layered(recipe, Some(("test", keys)), toml::Table::new()).unwrap()
}

/// The hyper-parameters of the fixture.
pub const HYPER: &str = "
batch = 3
micro-batch = 3
max-len = 128
shards = 1
raw-special = true
[optimizer]
lr = 1e-4
betas = [0.9, 0.95]
eps = 1e-10
weight-decay = 1e-4
[schedule]
kind = 'constant'
warmup = 0
";

/// The fixture's three pairs as a file.
pub fn pairs_file() -> tempfile::NamedTempFile {
    let pairs = expected();
    let text: String = pairs["pairs"].as_array().unwrap().iter().map(|pair| format!("{pair}\n")).collect();
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

pub fn pairs(config: &Config) -> Vec<Pair> {
    Data::read(&[pairs_file().path().to_path_buf()], config.method, &Default::default()).unwrap().pairs
}

pub struct Setup {
    pub trainer: Trainer,
    pub rows: Vec<PairRows>,
    pub pad: u32,
}

/// A trainer on a fixture checkpoint, with the fixture's pairs collated.
pub fn setup(checkpoint: &str, config: &Config) -> Setup {
    let start = Start::open(&Origin::Folder(fixtures().join(checkpoint)), config, &Device::Cpu).unwrap();
    let collator = Collator {
        text: &start.checkpoint.text,
        loss: config.method,
        critique_prompt: &start.critique_prompt,
        max_len: config.max_len,
        raw_special: config.raw_special,
    };
    let rows = pairs(config).iter().map(|p| collator.pair(p).unwrap()).collect();
    let pad = start.checkpoint.spec.prompt.pad.as_ref().unwrap().id;
    let params = Params::new(start.tensors.clone(), &config.freeze).unwrap();
    let trainer = Trainer::new(start.backbone(), start.head(), params, config, &Device::Cpu).unwrap();
    Setup { trainer, rows, pad }
}

pub fn refs(rows: &[PairRows]) -> Vec<&PairRows> {
    rows.iter().collect()
}
