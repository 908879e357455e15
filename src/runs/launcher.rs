//! Launchers as data: which command starts a run, which cancels it, which brings its folder here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Error, Result};

const BUILT_IN: [(&str, &str); 5] = [
    ("local", include_str!("launchers/local.toml")),
    ("command", include_str!("launchers/command.toml")),
    ("ssh", include_str!("launchers/ssh.toml")),
    ("slurm", include_str!("launchers/slurm.toml")),
    ("ray", include_str!("launchers/ray.toml")),
];

/// A launcher. In words, `{name}` stands for a value; a word that is nothing but `{args}`, or a value named in `set`
/// whose text is several words (`{options}`), becomes those words.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launcher {
    /// What it is, for lists.
    pub about: String,
    /// Programs it needs.
    pub needs: Vec<String>,
    /// Whether the started process goes on beside this one, as a session of its own; otherwise `start` returns at once.
    #[serde(default)]
    pub detach: bool,
    /// Starts a run; the last word it prints names the job.
    pub start: Vec<String>,
    /// Ends the job, saved.
    #[serde(default)]
    pub cancel: Vec<String>,
    /// Brings the run's folder here.
    #[serde(default)]
    pub fetch: Vec<String>,
    /// Further values with what they are unless set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// Names of the launchers that are compiled in.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// All launchers by name: those that are compiled in, then the user's (`NAME.toml` in `folder`). One that cannot be read is
/// left out, and comes to light when it is named.
pub fn all(folder: Option<&Path>) -> Vec<(String, Launcher)> {
    let mut all: Vec<String> = names().map(str::to_owned).collect();
    let mut own: Vec<String> = folder
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "toml"))
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| !all.contains(name))
        .collect();
    own.sort();
    all.extend(own);
    all.into_iter().filter_map(|name| Launcher::named(&name, folder).ok().map(|it| (name, it))).collect()
}

impl Launcher {
    /// The launcher of this name: a file of the user's (`NAME.toml` in `folder`), or one compiled in.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name; [`Error::Invalid`] for a file that is none.
    pub fn named(name: &str, folder: Option<&Path>) -> Result<Self> {
        let own = folder.map(|f| f.join(format!("{name}.toml"))).filter(|p| p.is_file());
        let (place, text) = match &own {
            Some(path) => {
                (path.display().to_string(), std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?)
            }
            None => match BUILT_IN.iter().find(|(n, _)| *n == name) {
                Some((_, text)) => (format!("launcher {name}"), (*text).to_owned()),
                None => {
                    let known = names().collect::<Vec<_>>().join(", ");
                    return Err(Error::Usage(format!("no launcher `{name}`; there are {known}")));
                }
            },
        };
        toml::from_str(&text).map_err(|e| {
            Error::invalid(
                place,
                e.message().trim(),
                "about, needs, start, cancel, fetch, set",
                "Correct the file.",
            )
        })
    }

    /// Programs it needs that are not there.
    pub fn missing(&self) -> Vec<&str> {
        self.needs.iter().map(String::as_str).filter(|program| find(program).is_none()).collect()
    }

    /// The words of a command with their values.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that is not there.
    pub fn words(
        &self,
        template: &[String],
        values: &BTreeMap<String, String>,
        args: &[String],
    ) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for word in template {
            let name = word.strip_prefix('{').and_then(|w| w.strip_suffix('}'));
            match name {
                Some("args") => words.extend(args.iter().cloned()),
                Some(name) if name != "shell" && self.set.contains_key(name) => {
                    words.extend(value(name, values)?.split_whitespace().map(str::to_owned));
                }
                // The shell command is a template itself.
                Some("shell") => words.push(fill(value("shell", values)?, values)?),
                _ => words.push(fill(word, values)?),
            }
        }
        Ok(words)
    }
}

fn value<'a>(name: &str, values: &'a BTreeMap<String, String>) -> Result<&'a str> {
    match values.get(name) {
        Some(value) if !value.is_empty() || name == "options" => Ok(value),
        _ => Err(Error::Usage(format!("this launcher needs a value: --set {name}=..."))),
    }
}

/// Puts values where `{name}` stands; braces around anything but a known kind of name are left.
fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, tail))
                if !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_') =>
            {
                out.push_str(value(name, values)?);
                rest = tail;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A word as a shell reads it back.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, String> {
        let pairs = [
            ("command", "outloud train --out 'a b'"),
            ("run", "/r"),
            ("name", "n"),
            ("cwd", "/c"),
            ("job", "7"),
        ];
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_template_is_whole() {
        for name in names() {
            let launcher = Launcher::named(name, None).unwrap();
            let mut values = values();
            for (key, preset) in &launcher.set {
                values.insert(key.clone(), if preset.is_empty() { "x y".into() } else { preset.clone() });
            }
            values.extend([
                ("exe".to_owned(), "/bin/outloud".to_owned()),
                ("words".to_owned(), "train".to_owned()),
                ("quoted_run".to_owned(), "/r".to_owned()),
                ("quoted_cwd".to_owned(), "/c".to_owned()),
                ("stamp".to_owned(), "1".to_owned()),
                ("asked".to_owned(), "pause".to_owned()),
            ]);
            for template in [&launcher.start, &launcher.cancel, &launcher.fetch] {
                let words = launcher.words(template, &values, &["train".into()]).unwrap();
                assert!(
                    words.iter().all(|w| !w.contains("{run}") && !w.contains("{command}")),
                    "{name}: {words:?}"
                );
            }
        }
    }

    #[test]
    fn values_and_words() {
        let slurm = Launcher::named("slurm", None).unwrap();
        let mut values = values();
        values.insert("options".into(), "--partition=a --gres=gpu:1".into());
        let words = slurm.words(&slurm.start, &values, &[]).unwrap();
        assert!(words.contains(&"--gres=gpu:1".to_owned()));
        assert!(words.contains(&"--wrap=exec outloud train --out 'a b'".to_owned()));
        let command = Launcher::named("command", None).unwrap();
        assert!(command.words(&command.start, &values, &[]).unwrap_err().to_string().contains("--set shell"));
        values.insert("shell".into(), "echo ${X} {command} > {run}/log".into());
        let words = command.words(&command.start, &values, &[]).unwrap();
        assert_eq!(words[2], "echo ${X} outloud train --out 'a b' > /r/log");
        assert_eq!(quote("it's"), "'it'\\''s'");
        assert!(Launcher::named("slrm", None).unwrap_err().to_string().contains("slurm"));
    }
}
