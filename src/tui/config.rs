//! The user's files under XDG: `config.toml`, `keymap.toml` over the key map, `themes/NAME.toml`.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use super::LabelOptions;
use super::colour::ColorChoice;
use crate::app::Keymap;
use crate::widgets::{Depth, Theme};
use crate::{Error, Result};

/// `$XDG_CONFIG_HOME/outloud`.
pub fn folder() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|base| base.config_dir().join("outloud"))
}

/// What `config.toml` says; a flag of the command line wins over it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `color`: how many colours.
    pub color: Option<ColorChoice>,
    /// `theme`: its name.
    pub theme: Option<String>,
    /// `mouse`: take it.
    pub mouse: Option<bool>,
    /// `plain`: lines of text, for screen readers.
    pub plain: Option<bool>,
    /// `progress`: training's progress in the terminal's tab or task bar; by the terminal's name unless said.
    pub progress: Option<bool>,
    /// `bell`: rung when a run ends, unless this is false.
    pub bell: Option<bool>,
    /// `[label]`: what is set for labelling.
    pub label: LabelOptions,
}

/// The settings of `config.toml`.
const SETTINGS: [&str; 7] = ["color", "theme", "mouse", "plain", "progress", "bell", "label"];

impl Config {
    /// The user's file; nothing if there is none.
    ///
    /// # Errors
    /// A mistake in that file.
    pub fn read() -> Result<Self> {
        match folder().map(|f| f.join("config.toml")) {
            Some(path) => text(&path)?.map_or_else(|| Ok(Self::default()), |t| Self::parse(&t, &path)),
            None => Ok(Self::default()),
        }
    }

    /// Settings as TOML.
    ///
    /// # Errors
    /// A setting that does not exist (with the nearest one) or of another kind.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |found: String, expected: &str, fix: String| {
            Error::invalid(path.display().to_string(), found, expected, fix)
        };
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| wrong(e.to_string(), "TOML", "Mend the line.".into()))?;
        let mut config = Self::default();
        for (key, value) in &table {
            let other = |kind: &str| wrong(format!("{key} = {value}"), kind, format!("Mend `{key}`."));
            let yes = || value.as_bool().ok_or_else(|| other("true or false"));
            let word = || value.as_str().map(str::to_owned).ok_or_else(|| other("a name in quotes"));
            match key.as_str() {
                "color" => config.color = Some(word()?.parse().map_err(|e: String| other(&e))?),
                "theme" => config.theme = Some(word()?),
                "mouse" => config.mouse = Some(yes()?),
                "plain" => config.plain = Some(yes()?),
                "progress" => config.progress = Some(yes()?),
                "bell" => config.bell = Some(yes()?),
                "label" => {
                    config.label =
                        value.clone().try_into().map_err(|e: toml::de::Error| other(e.message()))?;
                }
                _ => {
                    let near = crate::app::keymap::nearest(key, &SETTINGS);
                    return Err(wrong(
                        format!("the setting `{key}`"),
                        &SETTINGS.join(", "),
                        near.map_or_else(String::new, |n| format!("Did you mean `{n}`?")),
                    ));
                }
            }
        }
        Ok(config)
    }
}

/// The key map with the user's `keymap.toml` over it.
///
/// # Errors
/// A mistake in that file.
pub fn keymap() -> Result<Keymap> {
    let map = Keymap::built_in()?;
    let Some(path) = folder().map(|f| f.join("keymap.toml")) else { return Ok(map) };
    match text(&path)? {
        Some(text) => map.overlay(&text, &path),
        None => Ok(map),
    }
}

/// A file's text; `None` if there is no such file.
fn text(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// A theme by name: the user's own, else a built-in one.
///
/// # Errors
/// A mistake in the file, or no theme of that name.
pub fn theme(name: &str, depth: Depth) -> Result<Theme> {
    let own = folder().map(|f| f.join("themes").join(format!("{name}.toml")));
    match own.map(|path| text(&path)).transpose()?.flatten() {
        Some(text) => Theme::parse(name, &text, depth),
        None => Theme::built_in(name, depth),
    }
}

/// The themes there are, the user's own among them, in the order a key turns through them.
pub fn themes() -> Vec<String> {
    let mut names: Vec<String> = Theme::names().map(str::to_owned).collect();
    let own = folder().and_then(|f| std::fs::read_dir(f.join("themes")).ok());
    let mut more: Vec<String> = own
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".toml").map(str::to_owned)
        })
        .filter(|name| !names.contains(name))
        .collect();
    more.sort();
    names.extend(more);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_are_named() {
        let read = |text| Config::parse(text, Path::new("config.toml"));
        let config = read("theme = \"light\"\ncolor = \"256\"\nmouse = false\n").unwrap();
        assert_eq!(config.theme.as_deref(), Some("light"));
        assert_eq!(config.color, Some(ColorChoice::Depth(Depth::TwoFiveSix)));
        assert_eq!((config.mouse, config.plain), (Some(false), None));
        for (text, says) in [
            ("them = \"dark\"", "Did you mean `theme`?"),
            ("mouse = \"no\"", "true or false"),
            ("color = \"many\"", "auto, never, 16, 256 or true"),
            ("theme = ", "config.toml"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("config.toml"), "{error}");
        }
    }
}
