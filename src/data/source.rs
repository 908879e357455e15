//! Where rows come from, unpacked: files, patterns, standard input; gzip and zstd by their first bytes, UTF-16 as UTF-8.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

use super::spool::Spool;
use crate::{Error, Result};

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input (`-`).
    Stdin,
    /// Standard input, kept to be read again.
    Spool(Arc<Spool>),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// `-` is standard input.
    pub fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }

    /// Paths as they are given: a pattern (`*`, `?`, `[`) that is no file's name stands for the files it matches, sorted.
    ///
    /// # Errors
    /// A pattern that is none, or matches nothing.
    pub fn expand(paths: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Self>> {
        let mut sources = Vec::new();
        for path in paths {
            let text = path.to_string_lossy().into_owned();
            if !text.contains(['*', '?', '[']) || path.exists() {
                sources.push(Self::from_path(path));
                continue;
            }
            let found =
                glob::glob(&text).map_err(|e| Error::Usage(format!("`{text}` is no pattern: {e}")))?;
            let files: Vec<_> =
                found.filter_map(std::result::Result::ok).filter(|path| path.is_file()).collect();
            if files.is_empty() {
                return Err(Error::Usage(format!("no file matches `{text}`")));
            }
            sources.extend(files.into_iter().map(Self::File));
        }
        Ok(sources)
    }

    /// The name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin | Self::Spool(_) => "<standard input>".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The file's path.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin | Self::Spool(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// Standard input in a form that can be read again.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub fn kept(self) -> Result<Self> {
        match self {
            Self::Stdin => Spool::of_stdin().map(Self::Spool),
            other => Ok(other),
        }
    }

    /// Waits until all of it is there.
    pub fn wait(&self) {
        if let Self::Spool(spool) = self {
            spool.wait();
        }
    }
}

/// How a file was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// Its name, as extensions have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }
}

/// What the bytes are once unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text of some kind.
    Text,
    /// Parquet.
    Parquet,
    /// Arrow's file form, also Feather 2.
    ArrowFile,
    /// Arrow's stream form.
    ArrowStream,
}

/// An open source.
pub struct Unpacked {
    /// The bytes, UTF-8 without a byte order mark if they are text.
    pub input: Box<dyn Read + Send>,
    /// How they were packed.
    pub packing: Option<Packing>,
    /// What they are.
    pub content: Content,
    /// Bytes of the file before the first of `input`, if the rest of `input` is the rest of the file as it stands.
    pub skipped: Option<u64>,
    /// A file: reading ahead waits for nobody.
    pub whole: bool,
}

/// Opens a source and looks at its first bytes, as few as tell what it is.
///
/// # Errors
/// A file that cannot be opened, or holds no rows: with what it is instead.
pub fn open(source: &Source) -> Result<Unpacked> {
    match source {
        Source::Stdin => unpack(&source.name(), Box::new(io::stdin()), false),
        Source::Spool(spool) => {
            let unpacked = unpack(&source.name(), Box::new(spool.follow()), true)?;
            Ok(Unpacked { whole: false, ..unpacked })
        }
        Source::File(path) if path.is_dir() => Err(Error::invalid(
            source.name(),
            "a folder",
            "a file of rows",
            "Give the files in it one by one, or as a pattern.",
        )),
        Source::File(path) => {
            let file = File::open(path).map_err(|e| missing(path, e))?;
            let regular = file.metadata().is_ok_and(|m| m.is_file());
            unpack(&source.name(), Box::new(file), regular)
        }
    }
}

/// The error of a file of rows that cannot be opened: where there is none, what is there instead.
pub fn missing(path: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::io(path, error);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (found, fix) = match std::fs::read_dir(folder) {
        Err(_) => {
            let there = folder.ancestors().find(|above| above.is_dir());
            let above = there.filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
            (
                format!("no folder {}", folder.display()),
                format!("Correct the path; {} is there.", above.display()),
            )
        }
        Ok(entries) => {
            let names = entries.flatten().filter(|entry| !entry.path().is_dir());
            let names: Vec<String> =
                names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            ("no such file".to_owned(), advice(&name, folder, &names))
        }
    };
    Error::invalid(path.display().to_string(), found, "a file of rows", fix)
}

/// What to give in place of a name: those that are written almost so, else the files of rows that are there.
fn advice(name: &str, folder: &Path, names: &[String]) -> String {
    let stem = |name: &str| name.to_lowercase().split('.').next().unwrap_or_default().to_owned();
    let distance = |other: &String| {
        let whole = strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
        if stem(name) == stem(other) { whole.min(1) } else { whole }
    };
    let mut near: Vec<(usize, &String)> = names.iter().map(|other| (distance(other), other)).collect();
    near.retain(|(far, _)| *far <= (name.chars().count() / 3).clamp(1, 4));
    near.sort();
    let shown =
        |name: &String| format!("`{}`", folder.strip_prefix(".").unwrap_or(folder).join(name).display());
    if !near.is_empty() {
        let near: Vec<String> = near.iter().take(3).map(|(_, name)| shown(name)).collect();
        return format!("Did you mean {}?", near.join(" or "));
    }
    let mut rows: Vec<&String> =
        names.iter().filter(|name| !name.starts_with('.') && is_rows(Path::new(name))).collect();
    rows.sort();
    match rows.as_slice() {
        [] => format!("Correct the path; {} has no file of rows.", folder.display()),
        rows => {
            let more = if rows.len() > 5 { format!(" and {} more", rows.len() - 5) } else { String::new() };
            let rows: Vec<String> = rows.iter().take(5).map(|name| shown(name)).collect();
            format!("Correct the path; there are {}{more}.", rows.join(", "))
        }
    }
}

fn is_rows(path: &Path) -> bool {
    let known = |path: &Path| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        super::records::KNOWN_EXTENSIONS.contains(&extension.as_str())
    };
    let packed = path.extension().is_some_and(|e| e == "gz" || e == "zst");
    known(path) || packed && path.file_stem().is_some_and(|stem| known(Path::new(stem)))
}

/// [`open`] over a stream called `name`; `whole` if it is a file, which can be read again.
///
/// # Errors
/// As [`open`].
pub fn unpack(name: &str, input: Box<dyn Read + Send>, whole: bool) -> Result<Unpacked> {
    let mut packing = None;
    let mut input = input;
    for _ in 0..3 {
        let (head, again) = peek(input).map_err(|e| broken(name, packing, 0, e))?;
        input = again;
        match head.as_slice() {
            [0x1F, 0x8B, ..] => {
                packing = Some(Packing::Gzip);
                let buffered = io::BufReader::with_capacity(1 << 16, input);
                input = Box::new(flate2::bufread::MultiGzDecoder::new(buffered));
            }
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
                packing = Some(Packing::Zstd);
                input = Box::new(zstd::Decoder::new(input).map_err(|e| broken(name, packing, 0, e))?);
            }
            head => {
                let content = content(name, head)?;
                let (input, bytes) =
                    if content == Content::Text { decoded(head, input) } else { (input, Some(0)) };
                let skipped = bytes.filter(|_| whole && packing.is_none());
                return Ok(Unpacked { input, packing, content, skipped, whole });
            }
        }
    }
    Err(Error::invalid(name, "an archive within an archive", "rows, packed once", "Unpack the file."))
}

/// The error of a stream that broke off.
pub fn broken(name: &str, packing: Option<Packing>, rows: u64, error: std::io::Error) -> Error {
    match packing {
        None => Error::io(name, error),
        Some(packing) => Error::invalid(
            format!("{name} after row {rows}"),
            format!("{} data that is cut off or damaged ({error})", packing.name()),
            "the whole file",
            "Fetch or write the file again; the rows before are good.",
        ),
    }
}

/// The first bytes of a stream, and the stream with them. Waits for no more than a line.
fn peek(mut input: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = vec![0; 1 << 10];
    let mut held = 0;
    while held < 8 && !head.get(..held).is_some_and(|h| h.contains(&b'\n')) {
        match input.read(head.get_mut(held..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(n) => held += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was there before is not lost.
            Err(error) if held > 0 => {
                head.truncate(held);
                let rest = Failing(Some(error));
                return Ok((head.clone(), Box::new(Cursor::new(head).chain(rest))));
            }
            Err(error) => return Err(error),
        }
    }
    head.truncate(held);
    Ok((head.clone(), Box::new(Cursor::new(head).chain(input))))
}

/// A stream that ends with an error.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// What a file is, by its first bytes.
fn content(name: &str, head: &[u8]) -> Result<Content> {
    let no_data = |found: &str, fix: &str| {
        let expected = "rows: JSON, CSV, Parquet or Arrow, plain, gzip or zstd";
        Err(Error::invalid(name, found, expected, fix))
    };
    match head {
        [] => no_data("no rows (the file is empty)", "Give a file of rows."),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => no_data("UTF-32 text", "Save it as UTF-8."),
        [b'P', b'A', b'R', b'1', ..] => Ok(Content::Parquet),
        [b'P', b'A', b'R', b'E', ..] => no_data("an encrypted Parquet file", "Decrypt it."),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Ok(Content::ArrowFile),
        [0xFF, 0xFF, 0xFF, 0xFF, _, _, _, 0, ..] => Ok(Content::ArrowStream),
        [b'F', b'E', b'A', b'1', ..] => {
            no_data("a Feather 1 file", "Write it again with a newer pandas: Feather 2 is read.")
        }
        [b'P', b'K', 3 | 5, 4 | 6, ..] => no_data("a zip archive", "Unpack it and give the files in it."),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => no_data("a bzip2 archive", "Unpack it with `bunzip2`."),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => no_data("an xz archive", "Unpack it with `unxz`."),
        [b'7', b'z', 0xBC, 0xAF, ..] => no_data("a 7z archive", "Unpack it and give the files in it."),
        [0x89, b'H', b'D', b'F', ..] => no_data("an HDF5 file", "Export it as Parquet or JSON lines."),
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => no_data("an SQLite file", "Export a table as CSV."),
        [b'%', b'P', b'D', b'F', ..] => no_data("a PDF", "Give a file of rows."),
        [0x80, 2..=5, ..] => no_data("a Python pickle", "Save it as Parquet or JSON lines."),
        _ => text(name, head),
    }
}

fn text(name: &str, head: &[u8]) -> Result<Content> {
    let expected = "rows: JSON, CSV, Parquet or Arrow";
    let start = head.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(head).trim_ascii_start();
    if start.starts_with(b"version https://git-lfs") {
        let fix = "Fetch the file itself with `git lfs pull`.";
        return Err(Error::invalid(name, "a Git LFS pointer", expected, fix));
    }
    let lower = start.get(..14.min(start.len())).unwrap_or_default().to_ascii_lowercase();
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") || lower.starts_with(b"<head") {
        let fix = "The download failed: the server sent a page, perhaps an error or a login. Fetch it again.";
        return Err(Error::invalid(name, "an HTML page", expected, fix));
    }
    if lower.starts_with(b"<?xml") || lower.starts_with(b"<error") {
        let fix = "If the download failed, fetch it again.";
        return Err(Error::invalid(name, "an XML document", expected, fix));
    }
    let odd = |b: &&u8| matches!(**b, 0..=8 | 14..=26 | 28..=31);
    if encoding(head).is_none() && head.iter().filter(odd).count() * 20 > head.len() {
        return Err(Error::invalid(name, "bytes that are no text", expected, "Give a file of rows."));
    }
    Ok(Content::Text)
}

/// UTF-16 by its mark, or by the zeros beside ASCII.
fn encoding(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xFF, 0xFE, ..] => return Some(UTF_16LE),
        [0xFE, 0xFF, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let zeros = |odd: usize| {
        let all = head.iter().skip(odd).step_by(2);
        let count = all.clone().filter(|b| **b == 0).count();
        (count * 10, all.count())
    };
    let ((even, evens), (odd, odds)) = (zeros(0), zeros(1));
    match () {
        () if evens < 2 => None,
        () if even == 0 && odd >= odds * 9 => Some(UTF_16LE),
        () if odd == 0 && even >= evens * 9 => Some(UTF_16BE),
        () => None,
    }
}

/// Text as UTF-8 without its mark; the number of bytes left out, if nothing else was changed.
fn decoded(head: &[u8], mut input: Box<dyn Read + Send>) -> (Box<dyn Read + Send>, Option<u64>) {
    if let Some(encoding) = encoding(head) {
        let decoder = encoding.new_decoder_with_bom_removal();
        return (Box::new(Utf8 { input, decoder, ready: Vec::new(), given: 0, ended: false }), None);
    }
    if head.starts_with(&[0xEF, 0xBB, 0xBF]) {
        // The head stands in memory before the stream: these bytes are there.
        let _ = input.read(&mut [0; 3]);
        return (input, Some(3));
    }
    (input, Some(0))
}

/// Another encoding as UTF-8; what is none of its characters becomes U+FFFD.
struct Utf8 {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Read for Utf8 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.ended {
            let mut raw = vec![0; 1 << 14];
            let n = self.input.read(&mut raw)?;
            self.ended = n == 0;
            self.ready.resize(1 << 16, 0);
            let raw = raw.get(..n).unwrap_or_default();
            let (_, _, written, _) = self.decoder.decode_to_utf8(raw, &mut self.ready, self.ended);
            self.ready.truncate(written);
            self.given = 0;
        }
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let n = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..n), rest.get(..n)) {
            out.copy_from_slice(rest);
        }
        self.given += n;
        Ok(n)
    }
}
