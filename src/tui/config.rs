//! The user's files under XDG: `keys.toml` over the key map, `themes/NAME.toml`.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::app::Keymap;
use crate::widgets::{Depth, Theme};
use crate::{Error, Result};

/// `$XDG_CONFIG_HOME/outloud`.
pub fn folder() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.config_dir().join("outloud"))
}

/// The key map with the user's `keys.toml` over it.
///
/// # Errors
/// A mistake in that file.
pub fn keymap() -> Result<Keymap> {
    let map = Keymap::built_in()?;
    let Some(path) = folder().map(|f| f.join("keys.toml")) else { return Ok(map) };
    match std::fs::read_to_string(&path) {
        Ok(text) => map.overlay(&text, &path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(map),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// A theme by name: the user's own, else a built-in one.
///
/// # Errors
/// A mistake in the file, or no theme of that name.
pub fn theme(name: &str, depth: Depth) -> Result<Theme> {
    let own = folder().map(|f| f.join("themes").join(format!("{name}.toml")));
    match own.and_then(|path| std::fs::read_to_string(path).ok()) {
        Some(text) => Theme::parse(name, &text, depth),
        None => Theme::built_in(name, depth),
    }
}
