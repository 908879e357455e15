//! metrics.jsonl: one line a step, each step once, whatever happened to the process.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::failed;
use crate::disk::points::{point, wanted};
use crate::{Error, Result};

/// What the rows held out gave after a step's update, under TRL's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The loss, as trained.
    pub eval_loss: f64,
    /// Mean of `-logsigmoid(margin)`; null for `csft`.
    pub eval_reward_loss: Option<f64>,
    /// Cross-entropy on the critiques; null for `classic`.
    pub eval_lm_loss: Option<f64>,
    /// Share of pairs in the right order.
    pub eval_accuracy: Option<f64>,
    /// Mean margin.
    pub eval_margin: Option<f64>,
    /// Smallest reward.
    pub eval_min_reward: Option<f64>,
    /// Mean reward.
    pub eval_mean_reward: Option<f64>,
    /// Largest reward.
    pub eval_max_reward: Option<f64>,
}

/// What one step measured, before its update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1.
    pub step: usize,
    /// Passes over the data begun, from 1.
    pub epoch: usize,
    /// The loss that was followed.
    pub loss: f64,
    /// Mean of `-logsigmoid(margin)`; null for `csft`.
    pub reward_loss: Option<f64>,
    /// Cross-entropy on the critiques; null for `classic`.
    pub lm_loss: Option<f64>,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Share of pairs in the right order.
    pub accuracy: Option<f64>,
    /// Mean margin.
    pub margin: Option<f64>,
    /// Mean reward of chosen and of rejected answers.
    pub reward_chosen: Option<f64>,
    /// See `reward_chosen`.
    pub reward_rejected: Option<f64>,
    /// Smallest reward of the batch.
    #[serde(default)]
    pub min_reward: Option<f64>,
    /// Mean reward of the batch.
    #[serde(default)]
    pub mean_reward: Option<f64>,
    /// Largest reward of the batch.
    #[serde(default)]
    pub max_reward: Option<f64>,
    /// Mean of `(r_chosen + r_rejected)^2`, if it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center_loss: Option<f64>,
    /// Mean divergence from the start over the critiques' tokens, if it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Pairs.
    pub pairs: usize,
    /// Tokens computed.
    pub tokens: usize,
    /// Tokens a second in this step.
    pub tokens_per_second: f64,
    /// Seconds this step took.
    pub seconds: f64,
    /// The most memory this process has had, in MiB, where the system tells.
    #[serde(default)]
    pub peak_mib: Option<f64>,
    /// The rows held out, after the update, when they were looked at.
    #[serde(flatten)]
    pub eval: Option<Evaluated>,
}

/// Smallest, mean and largest of some rewards.
pub fn spread(rewards: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let all = || rewards.iter().flat_map(|(chosen, rejected)| [*chosen, *rejected]);
    let (low, high) = (all().min_by(f64::total_cmp)?, all().max_by(f64::total_cmp)?);
    Some((low, all().sum::<f64>() / (2 * rewards.len()) as f64, high))
}

/// The open file.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Metrics {
    /// Opens the file and cuts off what is beyond the checkpoint that the run goes on from. Returns whether it was
    /// shorter than that (lines were lost).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, bytes: u64) -> Result<(Self, bool)> {
        let open = || {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            let found = file.metadata()?.len();
            file.set_len(bytes.min(found))?;
            file.seek(SeekFrom::End(0))?;
            Ok((Self { path: path.to_path_buf(), file, bytes: bytes.min(found) }, found < bytes))
        };
        open().map_err(|e| failed(path, e))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written; a torn line is cut off by the next run.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).map_err(|e| Error::Usage(e.to_string()))?;
        line.push(b'\n');
        point("metrics:begin");
        let (head, tail) = line.split_at(if wanted("metrics:half") { line.len() / 2 } else { 0 });
        let mut write = |part: &[u8]| self.file.write_all(part).map_err(|e| failed(&self.path, e));
        if !head.is_empty() {
            write(head)?;
            point("metrics:half");
        }
        write(tail)?;
        point("metrics:end");
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Makes all lines durable and tells how many bytes they are.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<u64> {
        self.file.sync_all().map_err(|e| failed(&self.path, e))?;
        Ok(self.bytes)
    }
}

/// A file that grows, read on from where it was read before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail {
    bytes: u64,
    step: usize,
    records: usize,
}

impl Tail {
    /// The last step that was read; 0 before the first.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The records that are new, and the place among all from which they stand (what was there from it on is gone: a resumed
    /// run cuts off what it makes again). A half-written last line waits. `None`: nothing is new.
    pub fn read(&mut self, path: &Path) -> Option<(usize, Vec<Record>)> {
        let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
        if bytes == self.bytes {
            return None;
        }
        if bytes > self.bytes {
            let (records, end) = read_from(path, self.bytes)?;
            let first = records.first().map(|r| r.step);
            if first.is_none() || self.records == 0 || first == Some(self.step + 1) {
                return self.take(self.records, records, end);
            }
        }
        let (records, end) = read_from(path, 0)?;
        (self.step, self.records) = (0, 0);
        self.take(0, records, end)
    }

    fn take(&mut self, from: usize, records: Vec<Record>, end: u64) -> Option<(usize, Vec<Record>)> {
        let none = records.is_empty() && end == self.bytes;
        self.bytes = end;
        self.records += records.len();
        self.step = records.last().map_or(self.step, |r| r.step);
        (!none).then_some((from, records))
    }
}

/// The whole lines from a place on, and where they end.
fn read_from(path: &Path, from: u64) -> Option<(Vec<Record>, u64)> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let lines = text.get(..whole).unwrap_or_default();
    let records = lines.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Some((records, from + whole as u64))
}

/// The records of a file; a half-written last line counts as its end.
///
/// # Errors
/// [`Error::Io`].
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    Ok(text.split(|&b| b == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect())
}
