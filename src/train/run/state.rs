//! Checkpoints of a run: weights, optimiser, position, with checksums; the newest whole one is found again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tensors::{self, Numbers};
use super::watch::Watched;
use crate::disk;
use crate::disk::points::point;
use crate::train::optimizer::Moments;
use crate::train::params::to_vec;
use crate::train::step::Trainer;
use crate::{Error, Result};

const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const DAMAGED: &str = "damaged-";

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Steps made.
    pub step: usize,
    /// Updates the optimiser made.
    pub updates: usize,
    /// Length of metrics.jsonl at this step, in bytes.
    pub metrics_bytes: u64,
    /// Seed of the data's order, which is a function of it and the step.
    pub seed: u64,
    /// Tokens computed so far.
    pub tokens: u64,
    /// Seconds spent in steps so far.
    pub seconds: f64,
    /// What is watched over.
    #[serde(default, skip_serializing_if = "Watched::is_new")]
    pub watched: Watched,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    position: Position,
    /// SHA-256 of each file.
    sha256: BTreeMap<String, String>,
    /// SHA-256 over the position and the hashes above.
    check: String,
}

impl State {
    fn sum(position: &Position, sha256: &BTreeMap<String, String>) -> Result<String> {
        let text = serde_json::to_vec(&(position, sha256)).map_err(|e| Error::Usage(e.to_string()))?;
        Ok(hex(&Sha256::digest(text)))
    }

    fn text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|e| Error::Usage(e.to_string()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn hash(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(|e| Error::io(path, e))?;
    Ok(hex(&hash.finalize()))
}

/// The folder of a step's checkpoint.
pub fn path(dir: &Path, step: usize) -> PathBuf {
    dir.join(format!("{step:08}"))
}

/// Saves weights, optimiser and position, then removes all but the newest `keep`.
///
/// # Errors
/// [`Error::Invalid`] when the disk is full or a weight is not finite; the checkpoints there are stay as they are.
pub fn save(dir: &Path, trainer: &Trainer, position: &Position, keep: usize) -> Result<()> {
    for (name, var) in trainer.params.trainable() {
        if !tensors::finite(var)? {
            return Err(Error::invalid(
                format!("step {}, weight {name}", position.step),
                "numbers that are NaN or infinite",
                "finite weights",
                "The training diverged; the checkpoints before this step are kept. Lower the learning rate.",
            ));
        }
    }
    let to = path(dir, position.step);
    if to.exists() {
        return Ok(());
    }
    disk::publish(&to, "checkpoint", |aside| {
        let mut sha256 = BTreeMap::new();
        let weights = trainer.params.trainable().map(|(n, v)| (n.to_owned(), Numbers::Tensor(v))).collect();
        let moved = on_host(trainer)?;
        for (file, content) in [(WEIGHTS, weights), (OPTIMIZER, moments(trainer, &moved))] {
            let path = aside.join(file);
            tensors::write(&path, &content)?;
            point(&format!("checkpoint:{file}"));
            sha256.insert(file.to_owned(), hash(&path)?);
        }
        let check = State::sum(position, &sha256)?;
        let state = State { position: position.clone(), sha256, check };
        disk::write_synced(&aside.join(STATE), &state.text()?)
    })?;
    prune(dir, keep);
    Ok(())
}

/// Keeps the weights of the best evaluation so far, and of no other.
///
/// # Errors
/// As [`save`].
pub fn save_best(dir: &Path, trainer: &Trainer, step: usize) -> Result<()> {
    disk::create_dir(dir)?;
    let to = path(dir, step);
    if !to.exists() {
        disk::publish(&to, "best", |aside| {
            let weights =
                trainer.params.trainable().map(|(n, v)| (n.to_owned(), Numbers::Tensor(v))).collect();
            tensors::write(&aside.join(WEIGHTS), &weights)
        })?;
    }
    for other in list(dir).into_iter().filter(|other| *other != step) {
        let _ = fs::remove_dir_all(path(dir, other));
    }
    Ok(())
}

/// Takes back the weights of the best evaluation.
///
/// # Errors
/// [`Error::Invalid`] when they are damaged.
pub fn load_best(dir: &Path, trainer: &Trainer, step: usize) -> Result<()> {
    let file = path(dir, step).join(WEIGHTS);
    let mut weights = tensors::read(&file)?;
    for (name, var) in trainer.params.trainable() {
        let (shape, values) =
            weights.remove(name).filter(|(shape, _)| shape == var.dims()).ok_or_else(|| {
                Error::invalid(file.display().to_string(), format!("no {name}"), "what the run wrote", "")
            })?;
        var.set(&Tensor::from_vec(values, shape, var.device())?.to_dtype(var.dtype())?)?;
    }
    Ok(())
}

/// Moments that are not on the CPU, copied there: first and second by weight.
type Copied = BTreeMap<String, (Vec<f32>, Vec<f32>)>;

fn on_host(trainer: &Trainer) -> Result<Copied> {
    let mut copied = Copied::new();
    for ((name, _), moments) in trainer.params.trainable().zip(&trainer.optimizer.moments) {
        if let Some(Moments::Device(m, v)) = moments {
            copied.insert(name.to_owned(), (to_vec(m)?, to_vec(v)?));
        }
    }
    Ok(copied)
}

fn moments<'a>(trainer: &'a Trainer, copied: &'a Copied) -> BTreeMap<String, Numbers<'a>> {
    let mut all = BTreeMap::new();
    for ((name, var), moments) in trainer.params.trainable().zip(&trainer.optimizer.moments) {
        let (m, v) = match (moments, copied.get(name)) {
            (Some(Moments::Host(m, v)), _) | (_, Some((m, v))) => (m, v),
            _ => continue,
        };
        all.insert(format!("first.{name}"), Numbers::Slice(m, var.dims().to_vec()));
        all.insert(format!("second.{name}"), Numbers::Slice(v, var.dims().to_vec()));
    }
    all
}

/// Steps of the checkpoints there are, the newest first.
pub fn list(dir: &Path) -> Vec<usize> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let step = |entry: fs::DirEntry| {
        entry.file_name().to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
    };
    let mut steps: Vec<usize> = entries.flatten().filter_map(step).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps
}

fn prune(dir: &Path, keep: usize) {
    for step in list(dir).into_iter().skip(keep) {
        // Renamed first, so that a kill leaves no half of a checkpoint under its name.
        let aside = dir.join(format!("{}{step}", disk::ASIDE));
        let _ = fs::rename(path(dir, step), &aside);
        point("prune:renamed");
        let _ = fs::remove_dir_all(aside);
    }
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(DAMAGED)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Restores the newest whole checkpoint; damaged ones are put aside and told to `note`. `None`: there is no checkpoint.
///
/// # Errors
/// [`Error::Invalid`] when there are checkpoints and all are damaged.
pub fn restore(dir: &Path, trainer: &mut Trainer, note: &mut dyn FnMut(String)) -> Result<Option<Position>> {
    let steps = list(dir);
    for &step in &steps {
        let at = path(dir, step);
        match load(&at, trainer) {
            Ok(position) => return Ok(Some(position)),
            Err(error) => {
                note(format!("checkpoint of step {step} is damaged and was put aside: {error}"));
                let aside = dir.join(format!("{DAMAGED}{step:08}"));
                let _ = fs::remove_dir_all(&aside);
                fs::rename(&at, &aside).map_err(|e| Error::io(&at, e))?;
            }
        }
    }
    if steps.is_empty() {
        return Ok(None);
    }
    Err(Error::invalid(
        dir.display().to_string(),
        format!("{} checkpoints, all damaged", steps.len()),
        "one that is whole",
        "Remove the run's folder to begin again, or restore a checkpoint from a copy.",
    ))
}

fn load(at: &Path, trainer: &mut Trainer) -> Result<Position> {
    let damaged = |place: &str, found: String| {
        Error::invalid(at.join(place).display().to_string(), found, "what the run wrote", "")
    };
    let text = fs::read(at.join(STATE)).map_err(|e| Error::io(at.join(STATE), e))?;
    let state: State = serde_json::from_slice(&text).map_err(|e| damaged(STATE, e.to_string()))?;
    // Also byte by byte: a damaged name of a value that may be absent would otherwise pass as absent.
    if State::sum(&state.position, &state.sha256)? != state.check || state.text()? != text {
        return Err(damaged(STATE, "another checksum".into()));
    }
    for file in [WEIGHTS, OPTIMIZER] {
        if state.sha256.get(file) != Some(&hash(&at.join(file))?) {
            return Err(damaged(file, "another checksum".into()));
        }
    }
    let mut weights = tensors::read(&at.join(WEIGHTS))?;
    let mut optimizer = tensors::read(&at.join(OPTIMIZER))?;
    let mut taken = Vec::new();
    for (name, var) in trainer.params.trainable() {
        let (shape, values) = weights.remove(name).ok_or_else(|| damaged(WEIGHTS, format!("no {name}")))?;
        if shape != var.dims() {
            return Err(damaged(WEIGHTS, format!("{name} of shape {shape:?}")));
        }
        let tensor = Tensor::from_vec(values, shape, var.device())?.to_dtype(var.dtype())?;
        let mut moment = |which: &str| optimizer.remove(&format!("{which}.{name}")).map(|(_, values)| values);
        taken.push((tensor, moment("first").zip(moment("second"))));
    }
    for ((_, var), (tensor, _)) in trainer.params.trainable().zip(&taken) {
        var.set(tensor)?;
    }
    trainer.optimizer.moments =
        taken.into_iter().map(|(_, moments)| moments.map(|(m, v)| Moments::Host(m, v))).collect();
    trainer.optimizer.updates = state.position.updates;
    Ok(state.position)
}
