//! The checkpoints compiled into the binary: the demo model and its classic twin (`models/`).

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../models/", $folder, "/", $name)).as_slice())),*]
    };
}

/// Names and contents.
type Files = &'static [(&'static str, &'static [u8])];

const DEMO: Files = files![
    "demo": "config.json", "base/config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json",
];
const CLASSIC: Files = files![
    "demo-classic": "config.json", "base/config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json",
];

/// A checkpoint compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundled {
    /// A CLoud model of arithmetic stories.
    Demo,
    /// Its classic twin: a reward without a critique.
    Classic,
}

impl Bundled {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Demo, Self::Classic];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Classic => "demo-classic",
        }
    }

    /// Its files.
    pub(super) const fn files(self) -> Files {
        match self {
            Self::Demo => DEMO,
            Self::Classic => CLASSIC,
        }
    }
}
