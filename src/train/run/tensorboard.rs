//! TensorBoard's event files beside metrics.jsonl: records of TFRecord (length, masked CRC32C, data), each an `Event` of its
//! protocol buffer with the scalars of one step.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::metrics::Record;
use crate::disk::failed;
use crate::{Error, Result};

/// The open file. Every process of a run writes its own; TensorBoard drops what a later one overlaps.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

/// A new file of this name, numbered when there is one: a process of the same number may have begun in the same second.
fn unused(dir: &Path, name: &str) -> Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let path = dir.join(format!("{name}.{number}"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

impl Events {
    /// Begins a file in this folder.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Invalid`] when the disk is full.
    pub fn create(dir: &Path, host: &str) -> Result<Self> {
        crate::disk::create_dir(dir)?;
        let now = now();
        let name = format!("events.out.tfevents.{:.0}.{host}.{}", now.floor(), std::process::id());
        let (path, file) = unused(dir, &name)?;
        let mut events = Self { path, file };
        let mut event = Vec::new();
        double(&mut event, 1, now);
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        Ok(events)
    }

    /// Adds the numbers of a step, named as in metrics.jsonl: `train/loss`, `eval/accuracy`.
    ///
    /// # Errors
    /// As [`Events::create`].
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut event = Vec::new();
        double(&mut event, 1, now());
        varint(&mut event, 2 << 3);
        varint(&mut event, record.step as u64);
        let row = serde_json::to_value(record).map_err(|e| Error::Usage(e.to_string()))?;
        let mut summary = Vec::new();
        for (name, value) in row.as_object().into_iter().flatten() {
            let Some(number) = value.as_f64().filter(|_| name != "step") else { continue };
            let tag =
                name.strip_prefix("eval_").map_or_else(|| format!("train/{name}"), |n| format!("eval/{n}"));
            let mut scalar = Vec::new();
            bytes(&mut scalar, 1, tag.as_bytes());
            varint(&mut scalar, (2 << 3) | 5);
            scalar.extend((number as f32).to_le_bytes());
            bytes(&mut summary, 1, &scalar);
        }
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    fn record(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend(length);
        record.extend(masked(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked(data).to_le_bytes());
        self.file.write_all(&record).map_err(|e| failed(&self.path, e))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, (field << 3) | 1);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, data: &[u8]) {
    varint(out, (field << 3) | 2);
    varint(out, data.len() as u64);
    out.extend(data);
}

/// CRC32C (Castagnoli), rotated and shifted as TFRecord wants it.
fn masked(data: &[u8]) -> u32 {
    let crc = !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_castagnoli_one() {
        // RFC 3720, B.4: 32 bytes of zeros, and of ones; masked as TensorFlow's record_writer does.
        for (byte, crc) in [(0u8, 0x8a91_36aau32), (0xff, 0x62a8_ab43)] {
            assert_eq!(masked(&[byte; 32]), crc.rotate_right(15).wrapping_add(0xa282_ead8));
        }
    }
}
