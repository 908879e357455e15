//! The Train dialog as words of `outloud train`, and back.

use std::path::{Path, PathBuf};

use super::field::Field;
use super::form::Form;

impl Form {
    /// As a run was started, under another name.
    pub fn cloned(words: &[String], from: &Path, name: &str) -> Self {
        let mut form = Self::new("demo", "", name);
        form.from = Some(from.to_path_buf());
        form.set(Field::Weights, "full");
        form.set(Field::When, "now");
        form.set(Field::HeldOut, "0");
        let (mut data, mut more) = (Vec::new(), Vec::new());
        let mut words = words.iter().skip(1).peekable();
        while let Some(word) = words.next() {
            let (key, given) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if key == "--wait-for-device" {
                form.set(Field::When, "when the device is free");
                continue;
            }
            let value = given.or_else(|| words.next_if(|next| !next.starts_with("--")).cloned());
            let text = value.clone().unwrap_or_default();
            match key {
                "--recipe" => form.set(Field::Recipe, &text),
                "--model" => form.set(Field::Model, &text),
                "--lora" => {
                    form.set(Field::Weights, "LoRA");
                    form.set(Field::Rank, value.as_deref().unwrap_or("16"));
                }
                "--data" => data.push(text),
                "--held-out" => form.set(Field::HeldOut, &text),
                "--epochs" => form.set(Field::Epochs, &text),
                "--steps" => form.set(Field::Steps, &text),
                "--lr" => form.set(Field::Rate, &text),
                "--device" => form.set(Field::Device, &text),
                "--out" => {}
                _ => {
                    more.push(key.to_owned());
                    more.extend(value);
                }
            }
        }
        form.set(Field::Data, &data.join(" "));
        form.set(Field::More, &more.join(" "));
        form
    }

    /// The words of `outloud train` for rows in `data` and a run folder.
    pub fn words(&self, data: &[PathBuf], out: &Path) -> Vec<String> {
        let get = |field| self.get(field).trim().to_owned();
        let mut words = vec!["train".to_owned(), "--recipe".into(), get(Field::Recipe)];
        let mut put = |name: &str, value: String| {
            if !value.is_empty() {
                words.extend([name.to_owned(), value]);
            }
        };
        put("--model", get(Field::Model));
        for file in data {
            put("--data", file.display().to_string());
        }
        put("--out", out.display().to_string());
        if self.get(Field::Weights) == "LoRA" {
            put("--lora", get(Field::Rank));
        }
        if get(Field::HeldOut).parse::<f64>().is_ok_and(|share| share > 0.0) {
            put("--held-out", get(Field::HeldOut));
        }
        put("--epochs", get(Field::Epochs));
        put("--steps", get(Field::Steps));
        put("--lr", get(Field::Rate));
        put("--device", get(Field::Device));
        if self.get(Field::When) != "now" {
            words.push("--wait-for-device".into());
        }
        words.extend(self.get(Field::More).split_whitespace().map(str::to_owned));
        words
    }
}

/// Words as a shell reads them: spaces part them, quotes hold them together.
pub(super) fn words_of(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(format!("a quote {open} that is not closed")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        let mut form = Form::new("demo", "rows.jsonl", "first");
        form.set(Field::Rate, "1e-3");
        form.set(Field::More, "--seed 3 --ignore-memory");
        let words = form.words(&["rows.jsonl".into()], Path::new("/runs/first"));
        assert_eq!(
            words.join(" "),
            "train --recipe cloud --model demo --data rows.jsonl --out /runs/first --lora 16 --held-out 0.1 --epochs 1 \
             --lr 1e-3 --device auto --wait-for-device --seed 3 --ignore-memory"
        );
        let clone = Form::cloned(&words, Path::new("/runs/first"), "first");
        assert_eq!(clone.words(&["rows.jsonl".into()], Path::new("/runs/first")), words);
    }
}
