//! The rows of a run: those it learns from, those it mixes in, those it is held against; what is to be said about them first.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::Job;
use super::identity::DataId;
use crate::checkpoint::Prompt;
use crate::data::Map;
use crate::train::collate::{Collator, PairRows, Row};
use crate::train::config::Config;
use crate::train::data::{Data, Pair};
use crate::train::start::Start;
use crate::{Error, Result};

/// The rows as they were read.
pub struct Sources {
    /// Learned from.
    pub data: Data,
    /// Held out, from files or by the prompts' hashes.
    held: Vec<Pair>,
    valid: Option<Data>,
    replay: Option<Data>,
}

/// The rows as the model reads them.
#[derive(Default)]
pub struct Rows {
    /// Learned from.
    pub train: Vec<PairRows>,
    /// Mixed in.
    pub replay: Vec<PairRows>,
    /// Held out.
    pub held: Vec<PairRows>,
    /// What is to be said.
    pub notes: Vec<String>,
}

/// A number from 0 to 1 that a prompt always gets; a text and a chat of that one user turn get the same.
fn place_of(prompt: &Prompt) -> [u8; 32] {
    let text = match prompt {
        Prompt::Text(text) => format!("user\0{text}\0"),
        Prompt::Messages(turns) => turns.iter().map(|m| format!("{}\0{}\0", m.role, m.content)).collect(),
    };
    Sha256::digest(text).into()
}

fn share_of(hash: &[u8; 32]) -> f64 {
    let [a, b, c, d, ..] = hash;
    f64::from(u32::from_be_bytes([*a, *b, *c, *d])) / 2f64.powi(32)
}

/// Whether a prompt is held out where this share of them is.
pub fn is_held_out(prompt: &Prompt, share: f64) -> bool {
    share_of(&place_of(prompt)) < share
}

impl Sources {
    /// Reads all files, and holds out what is to be held out.
    ///
    /// # Errors
    /// As [`Data::read`]; [`Error::Invalid`] when a prompt that is held out is also learned from, or nothing is left.
    pub fn read(job: &Job) -> Result<Self> {
        let config = &job.config;
        let map = Map::parse(&config.map)?;
        let read = |files: &[std::path::PathBuf]| Data::read(files, config.method, &map);
        let mut data = read(&job.data)?;
        let valid = if job.valid.is_empty() { None } else { Some(read(&job.valid)?) };
        let replay = config.replay.as_ref().map(|r| read(std::slice::from_ref(&r.file))).transpose()?;
        let mut held = valid.as_ref().map(|v| v.pairs.clone()).unwrap_or_default();
        if config.held_out > 0.0 {
            let all = std::mem::take(&mut data.pairs);
            let (out, kept): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|p| is_held_out(&p.prompt, config.held_out));
            if out.is_empty() || kept.is_empty() {
                return Err(Error::invalid(
                    "held-out",
                    format!("{} rows held out, {} to learn from", out.len(), kept.len()),
                    "rows on both sides (all rows of one prompt fall on the same)",
                    "Change the share, give more prompts, or name rows with `--valid`.",
                ));
            }
            held.extend(out);
            data.pairs = kept;
        }
        let sources = Self { data, held, valid, replay };
        sources.check_leaks()?;
        Ok(sources)
    }

    fn check_leaks(&self) -> Result<()> {
        let held: HashSet<[u8; 32]> = self.held.iter().map(|p| place_of(&p.prompt)).collect();
        let learned = self.data.pairs.iter().chain(self.replay.iter().flat_map(|r| &r.pairs));
        let leaks: Vec<&str> = learned
            .filter(|pair| held.contains(&place_of(&pair.prompt)))
            .map(|pair| pair.place.as_str())
            .collect();
        if leaks.is_empty() {
            return Ok(());
        }
        let named = leaks.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let more = if leaks.len() > 5 { ", ..." } else { "" };
        Err(Error::invalid(
            named + more,
            format!("{} rows whose prompt is also among those held out", leaks.len()),
            "prompts that are either learned from or held out",
            "Remove them on one side, or use `held-out`, which goes by the prompt.",
        ))
    }

    /// Those held out, as they were read.
    pub fn held(&self) -> &[Pair] {
        &self.held
    }

    /// Names and hashes of the files: learned from, held out, mixed in.
    pub fn ids(&self) -> (DataId, Option<DataId>, Option<DataId>) {
        let id = |data: &Data, pairs: usize| DataId {
            files: data.files.iter().map(|f| f.display().to_string()).collect(),
            sha256: data.sha256.clone(),
            pairs,
        };
        let whole = |data: &Data| id(data, data.pairs.len());
        (
            id(&self.data, self.data.pairs.len()),
            self.valid.as_ref().map(whole),
            self.replay.as_ref().map(whole),
        )
    }

    /// Rows of all pairs, and what is to be said about them.
    ///
    /// # Errors
    /// What template and tokenizer say; [`Error::Invalid`] when no critique lies within the limit.
    pub fn collate(&self, config: &Config, start: &Start) -> Result<Rows> {
        let mut rows = Rows::default();
        let context = start.backbone().max_position_embeddings;
        if config.max_len > context {
            rows.notes.push(format!(
                "rows are cut at {context} tokens, the model's context, not at {}",
                config.max_len
            ));
        }
        let max_len = config.max_len.min(context);
        let collator = Collator {
            text: &start.checkpoint.text,
            loss: config.method,
            critique_prompt: &start.critique_prompt,
            max_len,
            raw_special: config.raw_special,
        };
        let collate = |pairs: &[Pair]| pairs.iter().map(|p| collator.pair(p)).collect::<Result<Vec<_>>>();
        rows.train = collate(&self.data.pairs)?;
        rows.held = collate(&self.held)?;
        rows.replay = self.replay.as_ref().map(|r| collate(&r.pairs)).transpose()?.unwrap_or_default();
        let sets = [("", &rows.train), ("held-out ", &rows.held), ("replayed ", &rows.replay)];
        for (kind, set) in sets {
            rows.notes.extend(lengths(kind, set, max_len));
        }
        let silent = |pair: &&Pair| pair.chosen.feedback.is_empty() || pair.rejected.feedback.is_empty();
        let empty = self.data.pairs.iter().filter(silent).count();
        if config.method.has_critique() && empty > 0 {
            let all = self.data.pairs.len();
            rows.notes.push(format!(
                "{empty} of {all} pairs have an empty critique: the model learns to write none"
            ));
        }
        if self.data.undecided > 0 {
            let left_out = self.data.undecided;
            rows.notes.push(format!("{left_out} rows are left out: neither answer is better"));
        }
        if self.data.ties > 0 {
            rows.notes.push(format!(
                "{} of {} pairs have the same text twice: they teach no preference",
                self.data.ties,
                rows.train.len()
            ));
        }
        if !rows.held.is_empty() {
            rows.notes.push(format!("{} pairs are held out", rows.held.len()));
        }
        if config.method.has_critique() && each(&rows.train).all(|r| r.target_count() == 0) {
            return Err(Error::invalid(
                self.data.files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
                format!("no critique within {max_len} tokens in any row"),
                "rows whose critique begins before the limit",
                "Raise max-len, or shorten prompts and answers.",
            ));
        }
        Ok(rows)
    }
}

fn each(pairs: &[PairRows]) -> impl Iterator<Item = &Row> {
    pairs.iter().flat_map(|p| [&p.chosen, &p.rejected])
}

fn lengths(kind: &str, pairs: &[PairRows], max_len: usize) -> Vec<String> {
    let count = |keep: &dyn Fn(usize) -> bool| each(pairs).filter(|r| keep(r.full_len)).count();
    let (over, exact, all) = (count(&|n| n > max_len), count(&|n| n == max_len), count(&|_| true));
    let longest = each(pairs).map(|r| r.full_len).max().unwrap_or_default();
    let mut notes = Vec::new();
    if over > 0 {
        notes.push(format!(
            "{over} of {all} {kind}rows are longer than {max_len} tokens and are cut (the longest has {longest})"
        ));
    }
    if exact > 0 {
        notes.push(format!(
            "{exact} of {all} {kind}rows have exactly {max_len} tokens: as in the reference, EOS takes the place of their end-of-turn"
        ));
    }
    notes
}

impl Rows {
    /// Tokens and targets of each pair that is learned from or mixed in.
    pub fn lens(&self) -> Vec<(usize, usize)> {
        self.train.iter().chain(&self.replay).map(|p| (p.tokens(), p.targets())).collect()
    }
}
