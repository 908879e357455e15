//! A checkpoint's fingerprint: which numbers were made by which weights.

use sha2::{Digest, Sha256};

use super::adapter;
use super::files::{Json, Source};
use super::rules;
use super::weights::Weights;
use crate::Result;

/// Weight files up to this size are hashed whole.
const WHOLE: usize = 16 << 20;
/// Of larger ones, this much from the beginning of each tensor.
const SAMPLE: usize = 4096;

/// First 16 hex digits of SHA-256 over configuration, base configuration, tokenizer files and weights.
///
/// Weights up to 16 MiB a file are hashed whole. Of larger files: the header (names, types, shapes, offsets), the size and the
/// first 4 KiB of every tensor, so that opening 140 GB stays quick; training changes every tensor, but an edit of
/// single numbers deep inside a large tensor is not seen.
pub fn of(source: &Source, base: &Json, weights: &Weights) -> Result<String> {
    let mut hash = Sha256::new();
    let mut put = |name: &str, bytes: &[u8]| {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for name in ["config.json"].into_iter().chain(rules::FILES) {
        if let Some(bytes) = source.read(name)? {
            put(name, &bytes);
        }
    }
    if let Source::Over(dir, _) = source {
        put("scale", &adapter::scale(&Source::Folder(dir.clone()))?.to_le_bytes());
    }
    put("base", serde_json::Value::Object(base.map.clone()).to_string().as_bytes());
    let mut sampled = false;
    for (name, header, bytes) in weights.files() {
        if bytes.len() <= WHOLE {
            put(name, bytes);
        } else {
            put(name, header);
            put("size", &(bytes.len() as u64).to_le_bytes());
            sampled = true;
        }
    }
    if sampled {
        for tensor in weights.raw() {
            put("", tensor.get(..SAMPLE).unwrap_or(tensor));
        }
    }
    let digest = hash.finalize();
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
