//! Finding the base model's configuration, which a reference checkpoint names but does not hold.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{Json, Source, read_file};
use crate::{Error, Result};

const PRESETS: &str = include_str!("presets.toml");
/// Where the name of the base stands.
pub const NAME: &str = "base_model_name_or_path";

/// A base configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Base {
    /// The configuration.
    pub config: Json,
    /// Where it was found, for the spec's reasons.
    pub why: String,
}

#[derive(Deserialize)]
struct Presets {
    base: Vec<Preset>,
}

#[derive(Deserialize)]
struct Preset {
    names: Vec<String>,
    config: Map<String, Value>,
}

/// Folders of Hugging Face's hub cache, in the order in which they are asked.
pub fn hub_caches() -> Vec<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || etcetera::home_dir().ok().map(|home| home.join(".cache"));
    let mut caches: Vec<PathBuf> = [
        var("HF_HUB_CACHE"),
        var("HUGGINGFACE_HUB_CACHE"),
        var("HF_HOME").map(|d| d.join("hub")),
        var("XDG_CACHE_HOME").or_else(home).map(|d| d.join("huggingface").join("hub")),
    ]
    .into_iter()
    .flatten()
    .collect();
    caches.dedup();
    caches
}

/// Finds the base configuration that `outer` (the checkpoint's own config.json) names: relative to the checkpoint's
/// folder, as given, in the hub caches, in `outer` itself, in the table of well-known bases.
pub fn resolve(source: &Source, outer: &Json, caches: &[PathBuf]) -> Result<Base> {
    let name = outer.str(NAME)?.filter(|name| !name.is_empty());
    if let Some(name) = name {
        if let Some(found) = in_folder(source, name)? {
            return Ok(found);
        }
        if let Some(config) = config_at(Path::new(name))? {
            return Ok(Base { why: format!("{NAME} = {name:?}, a path"), config });
        }
        for cache in caches {
            if let Some(config) = in_cache(cache, name)? {
                let why = format!("{NAME} = {name:?}, in the hub cache {}", cache.display());
                return Ok(Base { config, why });
            }
        }
    }
    if outer.get("num_attention_heads").is_some() || outer.get("text_config").is_some() {
        let why = format!("architecture keys in the checkpoint's own {}", outer.place);
        return Ok(Base { config: outer.clone(), why });
    }
    if let Some(config) = name.map(preset).transpose()?.flatten() {
        let why =
            format!("{NAME} = {name:?}, built-in table of well-known bases; checked against the tensors");
        return Ok(Base { config, why });
    }
    let found = name.map_or_else(
        || format!("no {NAME}, and no architecture keys either"),
        |name| format!("{name:?}, which is no folder, not in the local hub cache and not a base known here"),
    );
    let folder = match source {
        Source::Folder(dir) => dir.join("base").join("config.json").display().to_string(),
        Source::Embedded(_) => "base/config.json".into(),
        Source::Over(dir, _) => dir.join("base").join("config.json").display().to_string(),
    };
    Err(Error::invalid(
        outer.field(NAME),
        found,
        "the base model's config.json",
        format!("Put the base model's config.json at {folder} and set {NAME} to \"base\"."),
    ))
}

fn in_folder(source: &Source, name: &str) -> Result<Option<Base>> {
    let config = match source {
        Source::Folder(dir) if Path::new(name).is_relative() => config_at(&dir.join(name))?,
        Source::Folder(_) => None,
        Source::Embedded(_) => source.json(&format!("{name}/config.json"))?,
        Source::Over(dir, base) => match in_folder(&Source::Folder(dir.clone()), name)? {
            Some(found) => return Ok(Some(found)),
            None => return in_folder(base, name),
        },
    };
    Ok(config.map(|config| Base { why: format!("{NAME} = {name:?}, in the checkpoint's folder"), config }))
}

/// `path/config.json`, or `path` itself if it is a JSON file.
fn config_at(path: &Path) -> Result<Option<Json>> {
    let file = if path.extension().is_some_and(|e| e == "json") && path.is_file() {
        path.to_path_buf()
    } else {
        path.join("config.json")
    };
    read_file(&file)?.map(|bytes| Json::parse(file.display().to_string(), bytes)).transpose()
}

fn in_cache(cache: &Path, name: &str) -> Result<Option<Json>> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
    if name.split('/').count() > 2 || !name.split('/').all(plain) {
        return Ok(None);
    }
    let repo = cache.join(format!("models--{}", name.replace('/', "--")));
    let reference = repo.join("refs").join("main");
    let Some(revision) = read_file(&reference)? else { return Ok(None) };
    let revision = String::from_utf8_lossy(&revision);
    let revision = revision.trim();
    if revision.is_empty() || !revision.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Error::invalid(
            reference.display().to_string(),
            format!("{revision:?}"),
            "a revision",
            "Download the model into the hub cache again.",
        ));
    }
    config_at(&repo.join("snapshots").join(revision))
}

/// The configuration of a well-known base.
pub fn preset(name: &str) -> Result<Option<Json>> {
    let presets: Presets = toml::from_str(PRESETS).map_err(|e| {
        Error::invalid("presets.toml", e.to_string(), "TOML", "This is a bug of this program.")
    })?;
    let known = presets.base.into_iter().find(|p| p.names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    Ok(known.map(|p| Json { place: format!("built-in table of bases, {name}"), map: p.config }))
}
