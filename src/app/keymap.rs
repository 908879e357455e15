//! The key map: keymap.toml, with a user's overlay -> handler, help, hint bar, palette, README table.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NameError;

use super::{Action, Key};
use crate::{Error, Result};

const BUILT_IN: &str = include_str!("keymap.toml");

/// Where a key has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Everywhere but in text entry.
    Global,
    /// The Inspect screen.
    Inspect,
    /// The critique pane.
    Critique,
    /// The Compare screen.
    Compare,
    /// The Teach screen.
    Teach,
    /// The Train dialog.
    Train,
    /// Two models before and after a run.
    Judged,
    /// The session's models.
    Models,
    /// The Data screen.
    Data,
    /// The Label screen.
    Label,
    /// The list of pairs.
    Pairs,
    /// A critique being reviewed.
    Review,
    /// Reason tags.
    Tags,
    /// The list of takes.
    Takes,
    /// A list to pick from.
    List,
    /// Sampled critiques.
    Samples,
    /// Editing a text in its pane.
    Edit,
    /// Typing a line.
    Line,
    /// Typing a prompt and an answer.
    Entry,
    /// Typing an action's name.
    Palette,
    /// Typing words to look for.
    Search,
    /// A question with yes and no.
    Confirm,
}

impl Context {
    /// As the help names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Inspect => "Inspect",
            Self::Critique => "In the critique",
            Self::Compare => "Compare",
            Self::Teach => "Teach",
            Self::Train => "Setting up a run",
            Self::Judged => "Before and after",
            Self::Models => "In the list of models",
            Self::Data => "Data",
            Self::Label => "Label",
            Self::Pairs => "In the list of pairs",
            Self::Review => "Reviewing a critique",
            Self::Tags => "Reason tags",
            Self::Takes => "In the list of takes",
            Self::List => "In a list",
            Self::Samples => "Among sampled critiques",
            Self::Edit => "Editing in place",
            Self::Line => "Typing a line",
            Self::Entry => "Typing a prompt and an answer",
            Self::Palette => "Palette",
            Self::Search => "Typing words to look for",
            Self::Confirm => "Before quitting",
        }
    }

    /// In the order the help lists them.
    pub const ALL: [Self; 22] = [
        Self::Inspect,
        Self::Critique,
        Self::Compare,
        Self::Teach,
        Self::Train,
        Self::Judged,
        Self::Models,
        Self::Data,
        Self::Label,
        Self::Pairs,
        Self::Review,
        Self::Tags,
        Self::Takes,
        Self::List,
        Self::Samples,
        Self::Global,
        Self::Edit,
        Self::Line,
        Self::Entry,
        Self::Palette,
        Self::Search,
        Self::Confirm,
    ];
}

/// One row of the key map.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// What it does.
    pub action: Action,
    /// Its name in the file.
    pub name: String,
    /// Where.
    pub context: Context,
    /// Key sequences, each of one or two keys.
    pub keys: Vec<Vec<Key>>,
    /// What it does, in words.
    pub desc: String,
    /// A word or two for the bottom line.
    pub hint: Option<String>,
}

impl Binding {
    /// All its keys as text: `j ↓`.
    pub fn keys_text(&self) -> String {
        self.keys.iter().map(|keys| sequence_text(keys)).collect::<Vec<_>>().join("  ")
    }

    /// Its first key as text.
    pub fn first_key(&self) -> String {
        self.keys.first().map(|keys| sequence_text(keys)).unwrap_or_default()
    }
}

fn sequence_text(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

/// What a key sequence means so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// An action.
    Action(Action),
    /// The beginning of a sequence.
    Prefix,
    /// Nothing.
    Nothing,
}

/// All bindings, in the file's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    binding: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    action: String,
    context: Context,
    keys: Vec<String>,
    #[serde(default)]
    desc: String,
    hint: Option<String>,
}

impl Keymap {
    /// The map compiled in.
    ///
    /// # Errors
    /// When keymap.toml is wrong; a test reads it.
    pub fn built_in() -> Result<Self> {
        let place = "the built-in keymap.toml";
        let mut bindings = Vec::new();
        for row in read(BUILT_IN, place)? {
            let action = action(&row.action, &[], place)?;
            bindings.push(Binding {
                action,
                keys: sequences(&row.keys, place)?,
                name: row.action,
                context: row.context,
                desc: row.desc,
                hint: row.hint,
            });
        }
        let map = Self { bindings };
        map.check(place)?;
        Ok(map)
    }

    /// A user's file over this map: its rows replace the keys of the same action in the same context.
    ///
    /// # Errors
    /// An unknown action (with the nearest one), a key that is none, two meanings of one key.
    pub fn overlay(mut self, text: &str, file: &Path) -> Result<Self> {
        let place = file.display().to_string();
        for row in read(text, &place)? {
            let names: Vec<&str> = self.bindings.iter().map(|b| b.name.as_str()).collect();
            let action = action(&row.action, &names, &place)?;
            let keys = sequences(&row.keys, &place)?;
            match self.bindings.iter_mut().find(|b| b.action == action && b.context == row.context) {
                Some(binding) => {
                    binding.keys = keys;
                    if !row.desc.is_empty() {
                        binding.desc = row.desc;
                    }
                }
                None => {
                    return Err(Error::invalid(
                        place,
                        format!("`{}` in context `{:?}`", row.action, row.context),
                        "an action in the context where it exists",
                        "`?` in the program lists actions by context.",
                    ));
                }
            }
        }
        self.check(&place)?;
        Ok(self)
    }

    /// All bindings, in order.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The bindings of contexts, innermost first.
    pub fn of(&self, contexts: &[Context]) -> Vec<&Binding> {
        contexts.iter().flat_map(|c| self.bindings.iter().filter(move |b| b.context == *c)).collect()
    }

    /// What the keys pressed so far mean in these contexts, innermost first.
    pub fn look_up(&self, contexts: &[Context], pressed: &[Key]) -> Lookup {
        let mut prefix = false;
        for binding in self.of(contexts) {
            for keys in &binding.keys {
                if keys == pressed {
                    return Lookup::Action(binding.action);
                }
                prefix |= keys.starts_with(pressed);
            }
        }
        if prefix { Lookup::Prefix } else { Lookup::Nothing }
    }

    /// What can follow the keys pressed so far: the rest of the sequence and what it does.
    pub fn continuations(&self, contexts: &[Context], pressed: &[Key]) -> Vec<(String, &str)> {
        self.of(contexts)
            .into_iter()
            .flat_map(|b| b.keys.iter().map(move |keys| (b, keys)))
            .filter_map(|(b, keys)| match keys.strip_prefix(pressed) {
                Some(rest) if !rest.is_empty() => Some((sequence_text(rest), b.desc.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The README's key table, in Markdown.
    pub fn readme_table(&self) -> String {
        let mut table = String::from("| key | where | what it does |\n|---|---|---|\n");
        for context in Context::ALL {
            for binding in self.of(&[context]) {
                let keys: Vec<String> =
                    binding.keys.iter().map(|k| format!("`{}`", sequence_text(k))).collect();
                let _ = writeln!(table, "| {} | {} | {} |", keys.join(" "), context.title(), binding.desc);
            }
        }
        table
    }

    /// No key with two meanings where both could be meant, none that is the beginning of another.
    fn check(&self, place: &str) -> Result<()> {
        let stacks: [&[Context]; 20] = [
            &[Context::Critique, Context::Inspect, Context::Global],
            &[Context::Compare, Context::Global],
            &[Context::Teach, Context::Global],
            &[Context::Train],
            &[Context::Judged, Context::Global],
            &[Context::Models, Context::Global],
            &[Context::Data, Context::Global],
            &[Context::Label, Context::Global],
            &[Context::Pairs, Context::Global],
            &[Context::Review, Context::Global],
            &[Context::Tags, Context::Global],
            &[Context::Takes, Context::Global],
            &[Context::List, Context::Global],
            &[Context::Samples, Context::List, Context::Global],
            &[Context::Edit],
            &[Context::Line],
            &[Context::Entry],
            &[Context::Palette],
            &[Context::Search],
            &[Context::Confirm],
        ];
        for stack in stacks {
            let mut seen: HashMap<&[Key], &str> = HashMap::new();
            let all = self
                .of(stack)
                .into_iter()
                .flat_map(|b| b.keys.iter().map(|k| (k.as_slice(), b.name.as_str())));
            for (keys, name) in all {
                // The same action in other words is no conflict.
                if let Some(other) = seen.insert(keys, name)
                    && other != name
                {
                    return Err(twice(place, keys, other, name));
                }
            }
            for (keys, name) in &seen {
                let longer = seen.iter().find(|(k, _)| k.len() > keys.len() && k.starts_with(keys));
                if let Some((_, other)) = longer {
                    return Err(twice(place, keys, other, name));
                }
            }
        }
        Ok(())
    }
}

fn twice(place: &str, keys: &[Key], one: &str, other: &str) -> Error {
    Error::invalid(
        place,
        format!("`{}` for both `{one}` and `{other}`", sequence_text(keys)),
        "one meaning for each key",
        "Give one of the two another key.",
    )
}

fn read(text: &str, place: &str) -> Result<Vec<Row>> {
    let file: File = toml::from_str(text).map_err(|e| {
        Error::invalid(
            place,
            e.to_string(),
            "[[binding]] tables with action, context, keys",
            "Mend the line it names.",
        )
    })?;
    Ok(file.binding)
}

fn sequences(keys: &[String], place: &str) -> Result<Vec<Vec<Key>>> {
    let read = |text: &String| text.split_whitespace().map(str::parse).collect::<Result<Vec<Key>, String>>();
    keys.iter().map(read).collect::<Result<_, _>>().map_err(|found| {
        Error::invalid(place, found, "a key or two keys with a space between", "Mend the key.")
    })
}

fn action(name: &str, known: &[&str], place: &str) -> Result<Action> {
    let deserializer: serde::de::value::StrDeserializer<'_, NameError> = name.into_deserializer();
    Action::deserialize(deserializer).map_err(|_unknown| {
        let fix = nearest(name, known).map_or_else(String::new, |n| format!("Did you mean `{n}`?"));
        Error::invalid(place, format!("action `{name}`"), "an action that exists", fix)
    })
}

/// The name that was most likely meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |other: &str| strsim::jaro_winkler(other, name);
    known.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_description_and_one_meaning() {
        let map = Keymap::built_in().unwrap();
        for binding in map.bindings() {
            assert!(!binding.desc.is_empty(), "{} has no desc", binding.name);
            assert!(!binding.keys.is_empty(), "{} has no key", binding.name);
        }
    }

    #[test]
    fn an_overlay_replaces_keys_and_names_mistakes() {
        let file = Path::new("keymap.toml");
        let map = Keymap::built_in().unwrap();
        let mine = "[[binding]]\naction = \"run-again\"\ncontext = \"inspect\"\nkeys = [\"R\"]\n";
        let mine = map.clone().overlay(mine, file).unwrap();
        let contexts = [Context::Inspect, Context::Global];
        assert_eq!(mine.look_up(&contexts, &[Key::char('R')]), Lookup::Action(Action::RunAgain));
        assert_eq!(mine.look_up(&contexts, &[Key::char('r')]), Lookup::Nothing);

        let unknown = "[[binding]]\naction = \"run-agin\"\ncontext = \"inspect\"\nkeys = [\"R\"]\n";
        let error = map.clone().overlay(unknown, file).unwrap_err().to_string();
        assert!(error.contains("keymap.toml") && error.contains("Did you mean `run-again`?"), "{error}");

        let taken = "[[binding]]\naction = \"run-again\"\ncontext = \"inspect\"\nkeys = [\"q\"]\n";
        let error = map.overlay(taken, file).unwrap_err().to_string();
        assert!(error.contains("`q` for both"), "{error}");
    }

    #[test]
    fn a_prefix_shows_what_can_follow() {
        let map = Keymap::built_in().unwrap();
        let contexts = [Context::Inspect, Context::Global];
        assert_eq!(map.look_up(&contexts, &[Key::char('g')]), Lookup::Prefix);
        let next: Vec<String> =
            map.continuations(&contexts, &[Key::char('g')]).into_iter().map(|c| c.0).collect();
        assert_eq!(next, ["i", "c", "t", "m", "d", "l", "L", "g"]);
    }
}
