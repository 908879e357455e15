//! The session's models: a run's result kept under a name, listed, dropped; and runs removed.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Places;
use crate::app::teach::{KeptModel, RunState as State};
use crate::runs::Registry;
use crate::session::Model;
use crate::train::run::status;
use crate::{Error, Result};

/// Folder of the models in a session.
const MODELS: &str = "models";

fn lineage(model: &Path) -> Value {
    let text = fs::read(model.join(crate::checkpoint::LINEAGE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps a run's result with the session's models; what to say, and what the session is to know.
pub(super) fn keep(run: &Path, name: &str, places: &Places) -> Result<(String, Model)> {
    let (from, to) = (run.join("result"), places.session.join(MODELS).join(name));
    if to.exists() {
        return Err(Error::Usage(format!("{}: there already; give another name", to.display())));
    }
    crate::disk::publish(&to, "model", |aside| crate::disk::copy_dir(&from, aside, &|_| true))?;
    crate::disk::replace(&run.join("kept"), name.as_bytes())?;
    let folder = Path::new(MODELS).join(name);
    let model = Model { name: name.to_owned(), kept: true, folder, lineage: lineage(&to) };
    Ok((format!("kept: outloud --model {}, and g m lists it", to.display()), model))
}

/// The models that were kept, by name.
pub(super) fn list(places: &Places) -> Vec<KeptModel> {
    let entries = fs::read_dir(places.session.join(MODELS)).into_iter().flatten().flatten();
    let mut models: Vec<KeptModel> = entries
        .filter(|entry| entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let folder = path.clone();
            let about = Model { name: name.clone(), kept: true, folder, lineage: lineage(&path) }.describe();
            KeptModel { name, path, about }
        })
        .collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

/// Removes a kept model; what the session is to know.
pub(super) fn drop_model(path: &Path, places: &Places) -> Result<Model> {
    let models = places.session.join(MODELS);
    let (Some(name), true) = (path.file_name(), path.parent() == Some(&models)) else {
        return Err(Error::Usage(format!("{}: no model of this session", path.display())));
    };
    let name = name.to_string_lossy().into_owned();
    let model = Model { folder: Path::new(MODELS).join(&name), name, kept: false, lineage: lineage(path) };
    fs::remove_dir_all(path).map_err(|e| Error::io(path, e))?;
    Ok(model)
}

/// Removes a run's folder; of one with a result, what the session is to know.
pub(super) fn remove(run: &Path) -> Result<Option<Model>> {
    if matches!(status::state(run), State::Running | State::Slow | State::Queued) {
        return Err(Error::Usage(format!("{}: this run is at work", run.display())));
    }
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let result = run.join("result");
    let model = result.is_dir().then(|| Model {
        name: format!("{name} (run)"),
        kept: false,
        folder: result.clone(),
        lineage: lineage(&result),
    });
    if let Ok(registry) = Registry::of_user() {
        let _ = registry.forget(run);
    }
    fs::remove_dir_all(run).map_err(|e| Error::io(run, e))?;
    Ok(model)
}
