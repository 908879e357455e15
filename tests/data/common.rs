//! Fixtures, and files written for a test.

use std::path::{Path, PathBuf};

use outloud::data::{Dataset, Example, Map, Options, Source};
use tempfile::TempDir;

pub const QUESTION: &str = "Which is larger, 7 or 9?";
pub const GOOD: &str = "9 is larger.";
pub const BAD: &str = "7 is larger — of course.";

pub fn fixtures() -> PathBuf {
    // Tests run in the repository.
    [Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(".")]
        .map(|root| root.join("tests/fixtures/data"))
        .into_iter()
        .find(|path| path.is_dir())
        .unwrap()
}

pub fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// A data set of one file, indexed.
pub fn load(path: &Path) -> Dataset {
    load_mapped(path, "")
}

pub fn load_mapped(path: &Path, map: &str) -> Dataset {
    let options = Options { map: Map::parse(map).unwrap(), strict: true };
    let mut data = Dataset::open(vec![Source::File(path.into())], options);
    assert!(data.index_all(|_| false).done);
    data
}

pub fn examples(data: &Dataset) -> Vec<Example> {
    (0..data.len()).map(|i| data.example(i).unwrap()).collect()
}

/// A file with this content; the folder goes with it.
pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// What `load` finds in these bytes.
pub fn of(name: &str, bytes: impl AsRef<[u8]>) -> Dataset {
    let (folder, path) = file(name, bytes);
    let data = load(&path);
    // The file is still open; its name is not needed any more.
    drop(folder);
    data
}

/// Why the file is no data.
pub fn refused(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let data = of(name, bytes);
    data.files()[0].error.clone().unwrap_or_else(|| panic!("{name} was read: {:?}", data.files()))
}

/// Rows of the form `{"prompt": ..., "answer": ...}`, n of them.
pub fn answers(n: usize) -> String {
    (0..n).map(|i| format!("{{\"prompt\": \"p{i}\", \"answer\": \"a\\n{i} é\"}}\n")).collect()
}

/// Place and column of each bad row.
pub fn bad(data: &Dataset) -> Vec<(String, Option<&str>)> {
    data.bad().iter().map(|bad| (bad.place.to_string(), bad.fault.column.as_deref())).collect()
}
