//! What lies over the screen: help, text entry, an error in full, the palette, a question.

use super::{Edit, Pairs, Reviewing, Search, TakeId, TextBox, Writing};

/// A layer; the topmost gets the keys.
#[derive(Clone, Debug)]
pub enum Layer {
    /// The keys.
    Help(Help),
    /// What to look for, being typed.
    Search(Typing),
    /// A prompt and an answer being typed.
    Entry(Box<Entry>),
    /// A text being edited in its pane.
    Edit(Box<Edit>),
    /// The takes of the shown example.
    Takes(TakeList),
    /// The critiques sampled for what is shown; which one is picked.
    Samples(usize),
    /// What could stand at a token of a take.
    Steer(Steer),
    /// A run being set up.
    Train(Box<super::teach::Form>),
    /// Both models of a run over the same rows.
    Judged,
    /// The session's models; which one is picked.
    Models(usize),
    /// Columns that could be added to the table; which one is picked.
    Columns(usize),
    /// A line being typed.
    Line(Line),
    /// A text in full.
    Detail(Page),
    /// Actions by name.
    Palette(Palette),
    /// The pairs of the Label screen.
    Pairs(Pairs),
    /// A critique being reviewed.
    Review(Reviewing),
    /// Reason tags; which one is picked, and whether they are for all marked pairs.
    Tags(usize, bool),
    /// A note or a critique being typed.
    Writing(Box<Writing>),
    /// The guidelines; lines scrolled.
    Guidelines(usize),
    /// "Really quit?", and what would be lost.
    Quit(String),
}

/// A text in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What it is.
    pub title: String,
    /// Its lines.
    pub text: String,
    /// Lines scrolled.
    pub scroll: usize,
    /// What is looked for in it.
    pub search: Option<Search>,
}

impl Page {
    /// A page from its beginning.
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), text: text.into(), ..Self::default() }
    }
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

/// The list of takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakeList {
    /// Index of the picked row.
    pub picked: usize,
    /// A take that is held, to be compared with another.
    pub held: Option<TakeId>,
}

/// A choice of the token at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Of which take.
    pub take: TakeId,
    /// Index of the token.
    pub at: usize,
    /// Index among its alternatives.
    pub picked: usize,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFor {
    /// The name of a take.
    Name(TakeId),
    /// The folder of the model to compare with.
    Model,
    /// The name under which a run's result is kept.
    Keep,
    /// A folder of runs.
    Runs,
    /// The filter of the Data screen.
    Filter,
    /// Where rows are written to.
    Export,
    /// The order in which pairs come.
    Order,
}

/// A line being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What for.
    pub purpose: LineFor,
    /// The text so far.
    pub text: String,
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
    /// The prompt.
    pub prompt: TextBox,
    /// The answer.
    pub answer: TextBox,
    /// The field with the cursor.
    pub field: Field,
}

impl Entry {
    /// An entry that begins with these texts.
    pub fn new(prompt: &str, answer: &str) -> Self {
        Self { prompt: TextBox::new(prompt), answer: TextBox::new(answer), field: Field::Prompt }
    }

    /// The field with the cursor.
    pub fn area_mut(&mut self) -> &mut TextBox {
        match self.field {
            Field::Prompt => &mut self.prompt,
            Field::Answer => &mut self.answer,
        }
    }

    /// Both texts as they stand.
    pub fn texts(&self) -> (String, String) {
        (self.prompt.text(), self.answer.text())
    }
}

/// The palette: what was typed and which match is picked.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What was typed.
    pub query: String,
    /// Index among the matches.
    pub picked: usize,
}
