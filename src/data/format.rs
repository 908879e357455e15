//! What kind of text a file is: JSON lines, a JSON document, or a table, by its first lines.

use super::feed::{Feed, Split as _};
use super::{csv, json, shape, split};

/// Bytes looked at.
const HEAD: usize = 1 << 16;

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// A JSON document: a list of objects, objects one after the other, or one object of columns.
    Json,
    /// Fields between delimiters.
    Table(u8),
    /// Parquet.
    Parquet,
    /// Arrow, file or stream; Feather 2.
    Arrow,
}

impl Format {
    /// Its name, as extensions have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Json => "json",
            Self::Table(b'\t') => "tsv",
            Self::Table(_) => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// True where all values are text.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table(_))
    }

    /// Whether an extension goes with it.
    pub fn suits(self, extension: &str) -> bool {
        match self {
            Self::JsonLines => matches!(extension, "jsonl" | "ndjson" | "json" | "jsonlines" | "ldjson"),
            Self::Json => matches!(extension, "json" | "jsonc" | "json5"),
            Self::Table(_) => matches!(extension, "csv" | "tsv" | "tab" | "txt"),
            Self::Parquet => matches!(extension, "parquet" | "pq" | "parq"),
            Self::Arrow => matches!(extension, "arrow" | "feather" | "ipc" | "arrows"),
        }
    }
}

/// Tells the format of text. Waits for no more than the first line unless `whole` (the file is there as a whole).
///
/// # Errors
/// What the stream says.
pub fn of_text(feed: &mut Feed, extension: &str, whole: bool) -> std::io::Result<Format> {
    loop {
        let window = feed.window();
        let enough =
            if whole { window.len() >= HEAD } else { first_line(window).is_some_and(|(_, end)| end) };
        if enough || window.len() >= HEAD || !feed.ahead() {
            break;
        }
    }
    let window = feed.window();
    let ended = window.len() < HEAD && whole;
    let Some((line, _)) = first_line(window) else { return Ok(Format::JsonLines) };
    let from = line.as_ptr().addr().saturating_sub(window.as_ptr().addr());
    let head = window.get(from..).unwrap_or_default();
    Ok(match line.first() {
        Some(b'[') => Format::Json,
        Some(b'{') => {
            let mut values = split::Values::default();
            values.begin();
            let open =
                values.feed(line).is_none() && matches!(line.last(), Some(b'{' | b'[' | b',' | b':' | b'/'));
            if open { Format::Json } else { Format::JsonLines }
        }
        Some(b'"') if json::parse(line).is_ok() => Format::JsonLines,
        _ => {
            let known = |name: &str| shape::is_known(name);
            match csv::delimiter(head, &known, ended) {
                Some(delimiter) if !has_objects(head) => Format::Table(delimiter),
                None if extension == "csv" => Format::Table(csv::commonest(line)),
                None if matches!(extension, "tsv" | "tab") => Format::Table(b'\t'),
                _ => Format::JsonLines,
            }
        }
    })
}

/// A first line that is no JSON, of JSON lines all the same.
fn has_objects(head: &[u8]) -> bool {
    let objects = |line: &&[u8]| line.starts_with(b"{") && line.ends_with(b"}") && json::parse(line).is_ok();
    head.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii).filter(objects).take(2).count() > 0
}

/// The first line that says something (comments say nothing), and whether its end is there.
fn first_line(window: &[u8]) -> Option<(&[u8], bool)> {
    let mut rest = window;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest);
        let line = rest.get(..end.unwrap_or(rest.len()))?.trim_ascii();
        let comment = line.starts_with(b"//") || line.starts_with(b"/*");
        if !line.is_empty() && !comment {
            return Some((line, end.is_some()));
        }
        rest = rest.get(end? + 1..)?;
    }
}

/// Extension in small letters, that of a packing left out.
pub fn extension(path: &std::path::Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}
