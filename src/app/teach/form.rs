//! The Train dialog: what is to be trained, from what, how, where; as words of `outloud train` for a launcher.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::command::words_of;
use super::field::{FIELDS, Field};
use crate::checkpoint::Prompt;

/// Fewer labels are all learned from: a tenth of them would say nothing.
const FEW_LABELS: usize = 100;
/// Pairs of a step, in every recipe.
const BATCH: usize = 16;
/// Steps after which labels show in the demo model, and after which a handful of them is learned by heart.
const DEMO_STEPS: (usize, usize) = (40, 20);
/// A handful.
const HANDFUL: usize = 20;

/// What the dialog's settings would take.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Plan {
    /// Not asked yet.
    #[default]
    Unknown,
    /// Being worked out.
    Asked,
    /// Memory and time, from the shapes.
    Takes(String),
    /// Why it cannot be.
    Refused(String),
}

/// A launcher that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Programs it needs that are not on this machine.
    pub missing: Vec<String>,
}

/// What the word `chosen` stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Picked {
    /// Rows of the opened files, by index among the good ones.
    Rows(Vec<u32>),
    /// Labelled pairs: prompt and both answers.
    Pairs(Vec<(Prompt, [String; 2])>),
}

impl Picked {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The word for what was chosen on a screen.
pub const CHOSEN: &str = "chosen";
const LOCAL: &str = "local";

/// The dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The field with the cursor.
    pub field: Field,
    values: Vec<String>,
    /// The run it was cloned from.
    pub from: Option<PathBuf>,
    /// What was chosen on the screen it was opened from.
    pub picked: Option<Picked>,
    /// The launchers there are.
    pub places: Vec<Place>,
    /// The values that were last estimated.
    pub planned: Option<Vec<String>>,
}

impl Form {
    /// As it first opens: `model` and `data` as they are written, `name` of the run.
    pub fn new(model: &str, data: &str, name: &str) -> Self {
        let values = FIELDS
            .iter()
            .map(|field| match field {
                Field::Rank => "16",
                Field::Model => model,
                Field::Data => data,
                Field::HeldOut => "0.1",
                Field::Epochs => "1",
                Field::Name => name,
                Field::Launcher => LOCAL,
                other => other.choices().first().copied().unwrap_or_default(),
            })
            .map(str::to_owned)
            .collect();
        Self { field: Field::Recipe, values, from: None, picked: None, places: Vec::new(), planned: None }
    }

    /// Settings under which so many labels show: a pass over a few would be a step or two, and of a few none is held out.
    /// The demo is small and takes a higher rate; half of each batch are its own stories, so that it forgets nothing
    /// (`models/teach.md` has what comes of it).
    pub fn suit_labels(&mut self, labels: usize) {
        let few = (1..FEW_LABELS).contains(&labels);
        if few {
            self.set(Field::HeldOut, "0");
        }
        if self.get(Field::Model) == "demo" {
            self.set(Field::Rate, "2e-3");
            let least = if labels < HANDFUL { DEMO_STEPS.1 } else { DEMO_STEPS.0 };
            self.set(Field::Steps, &labels.div_ceil(BATCH / 2).max(least).to_string());
            self.set(Field::More, "--replay stories:400");
        } else if few {
            self.set(Field::Epochs, "20");
            // A warm-up's first step is made at a rate of 0, as in Composer and Hugging Face's schedules.
            self.set(Field::More, "--warmup 0");
        }
    }

    /// A field's text.
    pub fn get(&self, field: Field) -> &str {
        let place = FIELDS.iter().position(|f| *f == field);
        place.and_then(|at| self.values.get(at)).map_or("", String::as_str)
    }

    /// Sets a field's text.
    pub fn set(&mut self, field: Field, text: &str) {
        if let Some(value) = FIELDS.iter().position(|f| *f == field).and_then(|at| self.values.get_mut(at)) {
            text.clone_into(value);
        }
    }

    /// Whether a field has a say.
    pub fn counts(&self, field: Field) -> bool {
        match field {
            Field::Rank => self.get(Field::Weights) == "LoRA",
            Field::Set => self.get(Field::Launcher) != LOCAL,
            _ => true,
        }
    }

    /// To another field.
    pub fn step(&mut self, by: isize) {
        let fields: Vec<Field> = FIELDS.iter().copied().filter(|f| self.counts(*f)).collect();
        let at = fields.iter().position(|f| *f == self.field).unwrap_or(0) as isize;
        if let Some(field) = fields.get((at + by).rem_euclid(fields.len() as isize) as usize) {
            self.field = *field;
        }
    }

    /// What can be chosen for a field; empty where text is typed.
    pub fn choices(&self, field: Field) -> Vec<&str> {
        match field {
            Field::Launcher if self.places.is_empty() => vec![LOCAL],
            Field::Launcher => self.places.iter().map(|place| place.name.as_str()).collect(),
            other => other.choices().to_vec(),
        }
    }

    /// What the field with the cursor is for; of a launcher what it is, and what it lacks here.
    pub fn about(&self) -> String {
        let place = self.places.iter().find(|place| place.name == self.get(Field::Launcher));
        match (self.field, place) {
            (Field::Launcher | Field::Set, Some(place)) if !place.missing.is_empty() => {
                format!("{} (not on this machine: {})", place.about, place.missing.join(", "))
            }
            (Field::Launcher | Field::Set, Some(place)) => format!("{}; {}", place.about, self.field.about()),
            (Field::Data, _) if self.get(Field::Data) == CHOSEN => {
                format!(
                    "{} that were chosen; {}",
                    self.picked.as_ref().map_or(0, Picked::len),
                    Field::Data.about()
                )
            }
            (field, _) => field.about().to_owned(),
        }
    }

    /// The launcher's values.
    ///
    /// # Errors
    /// A word that is none.
    pub fn set_values(&self) -> Result<BTreeMap<String, String>, String> {
        if !self.counts(Field::Set) {
            return Ok(BTreeMap::new());
        }
        words_of(self.get(Field::Set))?
            .into_iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
                _ => Err(format!("`{word}`: expected NAME=VALUE")),
            })
            .collect()
    }

    /// Another choice of the field with the cursor.
    pub fn turn(&mut self, by: isize) {
        let choices = self.choices(self.field);
        if choices.is_empty() {
            return;
        }
        let at = choices.iter().position(|c| *c == self.get(self.field)).unwrap_or(0) as isize;
        let choice =
            choices.get((at + by).rem_euclid(choices.len() as isize) as usize).map(|c| (*c).to_owned());
        if let Some(choice) = choice {
            self.set(self.field, &choice);
        }
    }

    /// Adds what was typed to the field with the cursor, or (a choice) takes the next one that begins with it.
    pub fn insert(&mut self, text: &str) {
        let choices = self.choices(self.field);
        if choices.is_empty() {
            let whole = format!("{}{text}", self.get(self.field));
            self.set(self.field, &whole);
            return;
        }
        let found = choices.iter().find(|c| c.to_lowercase().starts_with(&text.to_lowercase()));
        if let Some(choice) = found.map(|c| (*c).to_owned()) {
            self.set(self.field, &choice);
        }
    }

    /// Takes the last character of a typed field away.
    pub fn backspace(&mut self) {
        if self.choices(self.field).is_empty() {
            let mut text = self.get(self.field).to_owned();
            text.pop();
            self.set(self.field, &text);
        }
    }

    /// Whether something changed since it was last estimated; then it counts as estimated.
    pub fn take_change(&mut self) -> bool {
        let changed = self.planned.as_ref() != Some(&self.values);
        self.planned = Some(self.values.clone());
        changed
    }

    /// What is wrong with it, if anything can be seen from here.
    pub fn fault(&self) -> Option<(Field, String)> {
        let place = self.places.iter().find(|place| place.name == self.get(Field::Launcher));
        if let Some(place) = place.filter(|place| !place.missing.is_empty()) {
            let lacks = place.missing.join(", ");
            return Some((
                Field::Launcher,
                format!("{} needs what is not on this machine: {lacks}", place.name),
            ));
        }
        if let Err(why) = self.set_values() {
            return Some((Field::Set, why));
        }
        self.simple_fault().map(|(field, what)| (field, what.to_owned()))
    }

    fn simple_fault(&self) -> Option<(Field, &'static str)> {
        let number = |field| self.get(field).trim().parse::<f64>().ok();
        let name = self.get(Field::Name).trim();
        if self.get(Field::Data).trim().is_empty() {
            return Some((Field::Data, "no rows: a file, `labels`, or `stories:200`"));
        }
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Some((Field::Name, "a name without `/`, not beginning with a dot"));
        }
        if number(Field::HeldOut).is_none_or(|share| !(0.0..1.0).contains(&share)) {
            return Some((Field::HeldOut, "a share from 0 to below 1, such as 0.1"));
        }
        if number(Field::Epochs).is_none_or(|n| n <= 0.0) {
            return Some((Field::Epochs, "a number above 0"));
        }
        let count = |field| self.get(field).trim().parse::<u32>().is_ok_and(|n| n > 0);
        if !self.get(Field::Steps).trim().is_empty() && !count(Field::Steps) {
            return Some((Field::Steps, "a whole number above 0, or nothing"));
        }
        if self.counts(Field::Rank) && !count(Field::Rank) {
            return Some((Field::Rank, "a whole number above 0"));
        }
        if !self.get(Field::Rate).trim().is_empty() && number(Field::Rate).is_none_or(|n| n <= 0.0) {
            return Some((Field::Rate, "a number above 0, such as 1e-4, or nothing"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn labels_bring_settings_under_which_they_show() {
        let words = |model: &str, labels| {
            let mut form = Form::new(model, "labels", "first");
            form.suit_labels(labels);
            form.words(&["l".into()], Path::new("/r")).get(7..).unwrap().join(" ")
        };
        let rest = "--device auto --wait-for-device";
        let demo = format!("--lr 2e-3 {rest} --replay stories:400");
        assert_eq!(words("demo", 10), format!("--out /r --lora 16 --epochs 1 --steps 20 {demo}"));
        assert_eq!(words("demo", 50), format!("--out /r --lora 16 --epochs 1 --steps 40 {demo}"));
        assert_eq!(
            words("demo", 800),
            format!("--out /r --lora 16 --held-out 0.1 --epochs 1 --steps 100 {demo}")
        );
        assert_eq!(words("mine", 10), format!("--out /r --lora 16 --epochs 20 {rest} --warmup 0"));
    }

    #[test]
    fn faults_name_the_field() {
        let mut form = Form::new("demo", "", "a");
        assert_eq!(form.fault().map(|f| f.0), Some(Field::Data));
        form.set(Field::Data, "rows.jsonl");
        assert_eq!(form.fault(), None);
        for (field, text) in [
            (Field::HeldOut, "1.5"),
            (Field::Epochs, "many"),
            (Field::Steps, "-3"),
            (Field::Name, "a/b"),
            (Field::Rank, "x"),
        ] {
            let mut form = form.clone();
            form.set(field, text);
            assert_eq!(form.fault().map(|f| f.0), Some(field));
        }
    }

    #[test]
    fn values_of_a_launcher_hold_together_in_quotes() {
        let mut form = Form::new("demo", "rows.jsonl", "a");
        let place = |name: &str, missing: &[&str]| Place {
            name: name.into(),
            about: String::new(),
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
        };
        form.places = vec![place("local", &[]), place("ssh", &[]), place("slurm", &["sbatch"])];
        form.field = Field::Launcher;
        form.turn(1);
        assert_eq!(form.get(Field::Launcher), "ssh");
        form.set(Field::Set, "host=gpu1 options='-p 2222 -i key'");
        let values = form.set_values().unwrap();
        assert_eq!((values["host"].as_str(), values["options"].as_str()), ("gpu1", "-p 2222 -i key"));
        assert_eq!(form.fault(), None);
        for (text, why) in [("host", "NAME=VALUE"), ("a='b", "not closed")] {
            form.set(Field::Set, text);
            let fault = form.fault().unwrap();
            assert!(fault.0 == Field::Set && fault.1.contains(why), "{fault:?}");
        }
        form.set(Field::Set, "");
        form.turn(1);
        assert!(form.fault().unwrap().1.contains("sbatch"));
    }

    #[test]
    fn the_rank_is_passed_over_where_all_weights_learn() {
        let mut form = Form::new("demo", "rows.jsonl", "a");
        form.step(1);
        form.turn(1);
        assert_eq!(form.get(Field::Weights), "full");
        form.step(1);
        assert_eq!(form.field, Field::Model);
        form.step(-2);
        assert_eq!(form.field, Field::Recipe);
    }
}
