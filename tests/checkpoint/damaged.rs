//! A copy of a fixture in a temporary folder, to be changed by a test.

use std::path::PathBuf;

use outloud::Result;
use outloud::checkpoint::Checkpoint;
use serde_json::Value;

use crate::fixtures::dir;

pub struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    pub fn of(fixture: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["", "base"] {
            std::fs::create_dir_all(folder.path().join(sub)).unwrap();
            for entry in std::fs::read_dir(dir(fixture).join(sub)).unwrap().flatten() {
                if entry.path().is_file() {
                    std::fs::copy(entry.path(), folder.path().join(sub).join(entry.file_name())).unwrap();
                }
            }
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Changes a JSON file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut json = self.json(name);
        change(&mut json);
        self.write(name, json.to_string());
    }

    pub fn open(&self) -> Result<Checkpoint> {
        Checkpoint::open_with(self.folder.path(), &[])
    }
}
