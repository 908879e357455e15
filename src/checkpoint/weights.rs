//! The tensors of a checkpoint: safetensors, single or sharded, mapped and checked before anything is computed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::adapter::{self, ADAPTER_CONFIG, ADAPTER_WEIGHTS, Piece};
use super::files::{Bytes, Source, shorten};
use crate::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A tensor as the file's header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name.
    pub name: String,
    /// `F32`, `BF16`, ...
    pub dtype: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// File it is in.
    pub file: String,
}

#[derive(Debug)]
struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

#[derive(Debug)]
struct Shard {
    file: String,
    place: String,
    bytes: Bytes,
    data: usize,
}

/// The mapped files and where each tensor lies in them.
#[derive(Debug)]
pub struct Weights {
    shards: Vec<Shard>,
    entries: BTreeMap<String, Entry>,
    /// What adapters change in a tensor, in their order.
    changes: BTreeMap<String, Vec<Change>>,
}

/// Shape and numbers by name.
pub type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What an adapter does to a tensor.
#[derive(Debug)]
enum Change {
    /// Adds `scale * b @ a`.
    Add { a: Entry, b: Entry, scale: f64 },
    /// Puts another in its place.
    Replace(Entry),
}

impl Weights {
    /// No tensors.
    pub fn none() -> Self {
        Self { shards: Vec::new(), entries: BTreeMap::new(), changes: BTreeMap::new() }
    }

    /// Finds and checks the files: headers, offsets and lengths, not the numbers.
    pub fn open(source: &Source) -> Result<Self> {
        if let Source::Over(dir, base) = source {
            let mut weights = Self::open(base)?;
            weights.adapt(&Source::Folder(dir.clone()))?;
            return Ok(weights);
        }
        let mut weights = Self::none();
        if source.has(SINGLE) {
            weights.add(source, SINGLE)?;
            return Ok(weights);
        }
        let Some(index) = source.json(INDEX)? else {
            let files = source.list();
            let pickled = files.iter().any(|f| f.ends_with(".bin") || f.ends_with(".pt"));
            return Err(Error::invalid(
                source.place(SINGLE),
                format!("no such file; the folder holds {}", listing(files.iter().map(String::as_str))),
                format!("{SINGLE} or {INDEX}"),
                if pickled {
                    "Save the model again with `save_pretrained(..., safe_serialization=True)`."
                } else {
                    "Give the folder that `save_pretrained` wrote."
                },
            ));
        };
        let map = index.object("weight_map")?.ok_or_else(|| {
            Error::invalid(
                index.field("weight_map"),
                "nothing",
                "the file of each tensor",
                "Copy the index again.",
            )
        })?;
        let mut files: Vec<String> = Vec::new();
        for (name, file) in &map.map {
            let file = file
                .as_str()
                .filter(|f| !f.contains(['/', '\\']) && f.ends_with(".safetensors"))
                .ok_or_else(|| {
                    Error::invalid(
                        map.field(name),
                        shorten(&file.to_string()),
                        "the name of a .safetensors file",
                        "Copy the index again.",
                    )
                })?;
            if !files.iter().any(|known| known == file) {
                files.push(file.to_owned());
            }
        }
        files.sort();
        for file in &files {
            if !source.has(file) {
                return Err(Error::invalid(
                    source.place(file),
                    "no such file",
                    format!("a shard named in {INDEX} ({} shards in all)", files.len()),
                    "Download the missing shard.",
                ));
            }
            weights.add(source, file)?;
        }
        for (name, file) in &map.map {
            let there = weights.entries.get(name).and_then(|e| weights.shards.get(e.shard));
            if there.map(|shard| Value::from(shard.file.as_str())).as_ref() != Some(file) {
                let found = there.map_or_else(|| "no such tensor".into(), |s| format!("it in {}", s.file));
                return Err(Error::invalid(
                    format!("{}, tensor {name}", map.place),
                    found,
                    format!("the tensor in {file}"),
                    "The index and the shards do not belong together: copy both again.",
                ));
            }
        }
        Ok(weights)
    }

    fn add(&mut self, source: &Source, file: &str) -> Result<()> {
        for (name, entry) in self.shard(source, file)? {
            if let Some(other) = self.entries.insert(name.clone(), entry) {
                let other = self.shards.get(other.shard).map_or(file, |s| &s.file);
                return Err(Error::invalid(
                    format!("{}, tensor {name}", source.place(file)),
                    format!("a tensor that is also in {other}"),
                    "each tensor once",
                    "Remove files that belong to another checkpoint.",
                ));
            }
        }
        Ok(())
    }

    /// Lays an adapter's matrices over the tensors.
    fn adapt(&mut self, source: &Source) -> Result<()> {
        let scale = adapter::scale(source)?;
        let place = source.place(ADAPTER_WEIGHTS);
        let bad = |name: &str, found: String, expected: &str| {
            Error::invalid(
                format!("{place}, tensor {name}"),
                found,
                expected,
                format!("The adapter does not belong to this base: see {ADAPTER_CONFIG}."),
            )
        };
        let mut halves: BTreeMap<String, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for (name, entry) in self.shard(source, ADAPTER_WEIGHTS)? {
            let Some(piece) = adapter::piece(&name) else {
                return Err(bad(&name, "a name not known here".into(), "lora_A, lora_B or a saved module"));
            };
            let (Piece::A(target) | Piece::B(target) | Piece::Whole(target)) = &piece;
            let Some(base) = self.entries.get(target) else {
                return Err(bad(&name, format!("a base without {target}"), "a tensor of the base"));
            };
            match piece {
                Piece::A(target) => halves.entry(target).or_default().0 = Some(entry),
                Piece::B(target) => halves.entry(target).or_default().1 = Some(entry),
                Piece::Whole(_) if base.shape != entry.shape => {
                    let found = format!("shape {:?}", entry.shape);
                    return Err(bad(&name, found, &format!("{:?}, as in the base", base.shape)));
                }
                Piece::Whole(target) => self.changes.entry(target).or_default().push(Change::Replace(entry)),
            }
        }
        for (target, halves) in halves {
            let (Some(a), Some(b)) = halves else {
                return Err(bad(&target, "one half of a product".into(), "lora_A and lora_B"));
            };
            let base = self.entries.get(&target).map(|e| e.shape.clone()).unwrap_or_default();
            match (a.shape.as_slice(), b.shape.as_slice(), base.as_slice()) {
                ([r, i], [o, s], [out, inp]) if r == s && i == inp && o == out => {}
                _ => {
                    let found = format!("lora_A {:?} and lora_B {:?}", a.shape, b.shape);
                    return Err(bad(&target, found, &format!("a product of shape {base:?}")));
                }
            }
            self.changes.entry(target).or_default().push(Change::Add { a, b, scale });
        }
        Ok(())
    }

    fn shard(&mut self, source: &Source, file: &str) -> Result<Vec<(String, Entry)>> {
        let bytes = source.map(file)?;
        let place = source.place(file);
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| {
            Error::invalid(
                &place,
                format!("{} bytes that are not a whole safetensors file ({e})", bytes.len()),
                "a safetensors file",
                "The file is truncated or damaged: copy it again.",
            )
        })?;
        let (shard, data) = (self.shards.len(), header + 8);
        let mut found = Vec::new();
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let range = data + info.data_offsets.0..data + info.data_offsets.1;
            found.push((name, Entry { shard, dtype: info.dtype, shape: info.shape.clone(), range }));
        }
        self.shards.push(Shard { file: file.to_owned(), place, bytes, data });
        Ok(found)
    }

    /// What is in the files, sorted by name.
    pub fn index(&self) -> Vec<TensorInfo> {
        self.entries
            .iter()
            .map(|(name, entry)| TensorInfo {
                name: name.clone(),
                dtype: format!("{:?}", entry.dtype),
                shape: entry.shape.clone(),
                file: self.shards.get(entry.shard).map(|s| s.file.clone()).unwrap_or_default(),
            })
            .collect()
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.entries.values().map(|entry| entry.shape.iter().product::<usize>()).sum()
    }

    /// The dtypes in the files, most weights first.
    pub fn dtypes(&self) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in self.entries.values() {
            *counts.entry(format!("{:?}", entry.dtype)).or_default() += entry.shape.iter().product::<usize>();
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts.into_iter().map(|(dtype, _)| dtype).collect()
    }

    /// File name, header and all bytes of each file.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        self.shards.iter().map(|s| {
            let header = s.bytes.get(..s.data).unwrap_or_default();
            (s.file.as_str(), header, &*s.bytes)
        })
    }

    /// The raw bytes of each tensor, sorted by name.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        let changes = self.changes.values().flatten().flat_map(|change| match change {
            Change::Add { a, b, .. } => [Some(a), Some(b)],
            Change::Replace(whole) => [Some(whole), None],
        });
        self.entries.values().chain(changes.flatten()).map(|entry| self.bytes(entry))
    }

    fn bytes(&self, entry: &Entry) -> &[u8] {
        self.shards.get(entry.shard).and_then(|s| s.bytes.get(entry.range.clone())).unwrap_or_default()
    }

    /// The first file, for messages.
    pub fn main_file(&self) -> &str {
        self.shards.first().map_or(SINGLE, |s| &s.place)
    }

    /// `file, tensor name`.
    pub fn place(&self, name: &str) -> String {
        let shard = self.entries.get(name).map_or(0, |entry| entry.shard);
        let file = self.shards.get(shard).map_or(SINGLE, |s| &s.place);
        format!("{file}, tensor {name}")
    }

    /// The numbers of a tensor as f32, checked to be finite, with what adapters change in it.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        let mut values = self.read(name, self.entry(name)?)?;
        for change in self.changes.get(name).into_iter().flatten() {
            match change {
                Change::Replace(whole) => values = self.read(name, whole)?,
                Change::Add { a, b, scale } => {
                    let tensor = |e: &Entry| -> Result<Tensor> {
                        Ok(Tensor::from_vec(self.read(name, e)?, e.shape.as_slice(), &Device::Cpu)?)
                    };
                    let product =
                        (tensor(b)?.matmul(&tensor(a)?)? * *scale)?.flatten_all()?.to_vec1::<f32>()?;
                    values.iter_mut().zip(product).for_each(|(value, more)| *value += more);
                }
            }
        }
        Ok(values)
    }

    /// The last adapter's own tensors: names as the reference's, `lora_A` and `lora_B` in place of `weight`.
    pub fn adapter_values(&self) -> Result<Values> {
        let mut all = BTreeMap::new();
        for (name, changes) in &self.changes {
            let mut put = |name: &str, entry: &Entry| -> Result<()> {
                all.insert(name.to_owned(), (entry.shape.clone(), self.read(name, entry)?));
                Ok(())
            };
            match changes.last() {
                Some(Change::Replace(whole)) => put(name, whole)?,
                Some(Change::Add { a, b, .. }) => {
                    let module = name.strip_suffix(".weight").unwrap_or(name);
                    put(&format!("{module}.lora_A.weight"), a)?;
                    put(&format!("{module}.lora_B.weight"), b)?;
                }
                None => {}
            }
        }
        Ok(all)
    }

    /// The dtype of a tensor in its file.
    pub fn dtype(&self, name: &str) -> Result<Dtype> {
        Ok(self.entry(name)?.dtype)
    }

    fn read(&self, name: &str, entry: &Entry) -> Result<Vec<f32>> {
        let bytes = self.bytes(entry);
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => chunks(bytes, f32::from_le_bytes),
            Dtype::BF16 => chunks(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F16 => chunks(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::F64 => chunks(bytes, |b| f64::from_le_bytes(b) as f32),
            other => {
                return Err(Error::invalid(
                    self.place(name),
                    format!("{other:?}"),
                    "F32, BF16, F16 or F64",
                    "Save the model unquantised, in one of these types.",
                ));
            }
        };
        if !values.iter().fold(true, |all, x| all & x.is_finite()) {
            let bad = values.iter().filter(|x| !x.is_finite()).count();
            let first = values.iter().position(|x| !x.is_finite()).unwrap_or_default();
            return Err(Error::invalid(
                self.place(name),
                format!("{bad} of {} numbers NaN or infinite, the first at {first}", values.len()),
                "finite numbers",
                "The training that wrote this checkpoint diverged, or the file is damaged: use another one.",
            ));
        }
        Ok(values)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| {
            Error::invalid(
                self.place(name),
                format!("no such tensor among {}", listing(self.names())),
                "the tensor",
                "Give a checkpoint in the reference's layout.",
            )
        })
    }
}

fn chunks<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// `12 names: a, b, c, ...`, at most 40 of them.
pub fn listing<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown: Vec<&str> = names.iter().take(40).copied().collect();
    let more = if names.len() > shown.len() { ", ..." } else { "" };
    format!("{} names: {}{more}", names.len(), shown.join(", "))
}

/// The tensors of a checkpoint on a device, read one by one from the mapped files.
#[derive(Clone, Debug)]
pub struct Tensors {
    weights: Arc<Weights>,
    device: Device,
}

impl Tensors {
    /// Tensors of these files, to be put on this device.
    pub fn new(weights: Arc<Weights>, device: &Device) -> Self {
        Self { weights, device: device.clone() }
    }

    /// A tensor of exactly this shape: f32 on the CPU, elsewhere in the file's type (f64 becomes f32).
    ///
    /// # Errors
    /// [`Error::Invalid`] naming file and tensor if it is missing, of another shape or type, or not finite.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let entry = self.weights.entry(name)?;
        if entry.shape != shape {
            return Err(Error::invalid(
                self.weights.place(name),
                format!("shape {:?}", entry.shape),
                format!("{shape:?}"),
                "The base configuration does not belong to these weights.",
            ));
        }
        let values = Tensor::from_vec(self.weights.values(name)?, shape, &Device::Cpu)?;
        if self.device.is_cpu() {
            return Ok(values);
        }
        let dtype = match entry.dtype {
            Dtype::BF16 => DType::BF16,
            Dtype::F16 => DType::F16,
            _ => DType::F32,
        };
        Ok(values.to_dtype(dtype)?.to_device(&self.device)?)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.weights.entries.contains_key(name)
    }
}
