//! What lies over the screen: help, text entry, an error in full, the palette, a question.

use ratatui_textarea::TextArea;

use super::Search;

/// A layer; the topmost gets the keys.
#[derive(Clone, Debug)]
pub enum Layer {
    /// The keys.
    Help(Help),
    /// What to look for, being typed.
    Search(Typing),
    /// A prompt and an answer being typed.
    Entry(Box<Entry>),
    /// A text in full: a title, lines, lines scrolled.
    Detail(String, String, usize),
    /// Actions by name.
    Palette(Palette),
    /// "Really quit?", and what would be lost.
    Quit(String),
}

/// The keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// Lines scrolled.
    pub scroll: usize,
    /// Only bindings with these words.
    pub query: String,
}

/// Words being typed to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typing {
    /// What was typed.
    pub query: String,
    /// What was looked for before.
    pub before: Option<Search>,
}

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFor {
    /// A new example.
    New,
    /// A new answer for the shown example.
    Answer,
}

/// The two text fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What is asked.
    Prompt,
    /// What is judged.
    Answer,
}

/// A prompt and an answer being typed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What for.
    pub purpose: EntryFor,
    /// The prompt; not editable when only the answer is edited.
    pub prompt: TextArea<'static>,
    /// The answer.
    pub answer: TextArea<'static>,
    /// The field with the cursor.
    pub field: Field,
}

impl Entry {
    /// An entry that begins with these texts.
    pub fn new(purpose: EntryFor, prompt: &str, answer: &str) -> Self {
        let field = match purpose {
            EntryFor::New => Field::Prompt,
            EntryFor::Answer => Field::Answer,
        };
        Self { purpose, prompt: area(prompt), answer: area(answer), field }
    }

    /// The field with the cursor.
    pub fn area_mut(&mut self) -> &mut TextArea<'static> {
        match self.field {
            Field::Prompt => &mut self.prompt,
            Field::Answer => &mut self.answer,
        }
    }

    /// Both texts as they stand.
    pub fn texts(&self) -> (String, String) {
        (self.prompt.lines().join("\n"), self.answer.lines().join("\n"))
    }
}

fn area(text: &str) -> TextArea<'static> {
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_max_histories(10_000);
    area.move_cursor(ratatui_textarea::CursorMove::Bottom);
    area.move_cursor(ratatui_textarea::CursorMove::End);
    area
}

/// The palette: what was typed and which match is picked.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What was typed.
    pub query: String,
    /// Index among the matches.
    pub picked: usize,
}
