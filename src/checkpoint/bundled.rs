//! The checkpoint compiled into the binary.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../tests/fixtures/cloud-llama-tiny/", $name)).as_slice())),*]
    };
}

/// Its name on the command line.
pub const NAME: &str = "demo";

/// Its files.
pub const FILES: &[(&str, &[u8])] = files![
    "config.json",
    "base/config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];
