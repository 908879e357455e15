//! Where a checkpoint's files come from (a folder, or bytes compiled in), read with checks that explain themselves.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde_json::{Map, Value};

use super::mmap;
use crate::{Error, Result};

/// Files larger than this are not read as text (a tokenizer of 256k tokens has 33 MB).
const TEXT_LIMIT: u64 = 512 << 20;

/// A folder, or files compiled into the binary as (path, bytes).
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder on disk.
    Folder(PathBuf),
    /// Compiled in; paths use `/`.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// An adapter's folder over its base: a file of the folder, or else the base's.
    Over(PathBuf, Box<Self>),
}

/// The bytes of a file, in memory or mapped.
#[derive(Debug)]
pub enum Bytes {
    /// Compiled in.
    Static(&'static [u8]),
    /// Mapped.
    Mapped(Mmap),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

impl Source {
    /// The file's name for messages: its path.
    pub fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(dir) => dir.join(name).display().to_string(),
            Self::Embedded(_) => format!("demo/{name}"),
            Self::Over(dir, _) if dir.join(name).exists() => dir.join(name).display().to_string(),
            Self::Over(_, base) => base.place(name),
        }
    }

    /// Whether there is a file (or folder) of this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(dir) => dir.join(name).exists(),
            Self::Embedded(files) => files.iter().any(|(path, _)| *path == name),
            Self::Over(dir, base) => dir.join(name).exists() || base.has(name),
        }
    }

    /// Names of the files at the top, sorted.
    pub fn list(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Folder(dir) | Self::Over(dir, _) => std::fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
            Self::Embedded(files) => files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        };
        names.sort();
        names
    }

    /// A whole small file; `None` if there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(dir) => read_file(&dir.join(name)),
            Self::Embedded(files) => {
                Ok(files.iter().find(|(path, _)| *path == name).map(|(_, bytes)| bytes.to_vec()))
            }
            Self::Over(dir, base) => match read_file(&dir.join(name))? {
                Some(bytes) => Ok(Some(bytes)),
                None => base.read(name),
            },
        }
    }

    /// A whole small file as UTF-8; `None` if there is none.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        self.read(name)?.map(|bytes| utf8(&self.place(name), bytes)).transpose()
    }

    /// A JSON object; `None` if there is no such file.
    pub fn json(&self, name: &str) -> Result<Option<Json>> {
        self.read(name)?.map(|bytes| Json::parse(self.place(name), bytes)).transpose()
    }

    /// A file that must be there, mapped.
    pub fn map(&self, name: &str) -> Result<Bytes> {
        match self {
            Self::Folder(dir) => map_file(&dir.join(name)),
            Self::Embedded(files) => files
                .iter()
                .find(|(path, _)| *path == name)
                .map(|(_, bytes)| Bytes::Static(bytes))
                .ok_or_else(|| Error::io(name, ErrorKind::NotFound.into())),
            Self::Over(dir, base) if !dir.join(name).exists() => base.map(name),
            Self::Over(dir, _) => map_file(&dir.join(name)),
        }
    }
}

fn map_file(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let size = check_size(path, &file)?;
    let map = mmap::map(&file).map_err(|e| Error::io(path, e))?;
    if size < 1024 {
        refuse_pointer(path, &map)?;
    }
    Ok(Bytes::Mapped(map))
}

/// A whole small file; `None` if there is none.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(Error::io(path, e)),
    };
    let size = check_size(path, &file)?;
    if size > TEXT_LIMIT {
        return Err(Error::invalid(
            path.display().to_string(),
            format!("{size} bytes"),
            format!("at most {TEXT_LIMIT} bytes of text"),
            "Check that this is the right file.",
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    refuse_pointer(path, &bytes)?;
    Ok(Some(bytes))
}

fn check_size(path: &Path, file: &File) -> Result<u64> {
    let meta = file.metadata().map_err(|e| Error::io(path, e))?;
    let found = if meta.is_dir() {
        "a folder"
    } else if !meta.is_file() {
        "something that is not a regular file"
    } else if meta.len() == 0 {
        "an empty file"
    } else {
        return Ok(meta.len());
    };
    Err(Error::invalid(path.display().to_string(), found, "a file with content", "Copy the file again."))
}

/// Git LFS leaves a small text file where the real one was not fetched.
fn refuse_pointer(path: &Path, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(Error::invalid(
            path.display().to_string(),
            "a Git LFS pointer",
            "the file itself",
            "Run `git lfs pull` in the checkpoint's repository, or download the file again.",
        ));
    }
    Ok(())
}

fn utf8(place: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        Error::invalid(
            place,
            format!("bytes that are not UTF-8 at offset {}", e.utf8_error().valid_up_to()),
            "UTF-8 text",
            "Save the file as UTF-8, or copy it again.",
        )
    })
}

/// A JSON object that knows where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// The file, for messages.
    pub place: String,
    /// The object.
    pub map: Map<String, Value>,
}

impl Json {
    /// Parses an object.
    pub fn parse(place: String, bytes: Vec<u8>) -> Result<Self> {
        let text = utf8(&place, bytes)?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => Ok(Self { place, map }),
            Ok(other) => Err(Error::invalid(
                place,
                kind(&other),
                "a JSON object",
                "Check that this is the right file.",
            )),
            Err(e) => Err(Error::invalid(
                format!("{place}, line {}, column {}", e.line(), e.column()),
                e.to_string(),
                "JSON",
                "Correct the file, or copy it again.",
            )),
        }
    }

    /// A value that is there and not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A string, if the key is there.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// A whole number from 0, if the key is there.
    pub fn usize(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number", |v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    /// A finite number, if the key is there.
    pub fn f64(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |v| v.as_f64().filter(|x| x.is_finite()))
    }

    /// True or false, if the key is there.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// An object, if the key is there.
    pub fn object(&self, key: &str) -> Result<Option<Self>> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| Self { place: self.field(key), map: map.clone() }))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        self.get(key)
            .map(|value| {
                read(value).ok_or_else(|| {
                    let found = shorten(&value.to_string());
                    Error::invalid(self.field(key), found, expected, "Correct the value in this file.")
                })
            })
            .transpose()
    }

    /// `file, field "key"`.
    pub fn field(&self, key: &str) -> String {
        format!("{}, field \"{key}\"", self.place)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// At most 80 characters of a text, for messages.
pub fn shorten(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}
