//! Sessions of labels made by hand.

use std::path::Path;

use outloud::checkpoint::{Message, Prompt, Reading};
use outloud::exchange::{Export, Format, Options, To, export};
use outloud::session::{
    Book, Choice, Critique, Entry, Event, EventId, Example, Folder, How, Journal, Judged, Label, MadeWith,
    Object, Opened, Placed, Progress, Reader, Review, TakeMade, WriterId,
};

/// Writes events one after the other, each by its annotator, whose journal is its own.
pub struct Hand {
    pub folder: Folder,
    clock: u64,
    seqs: std::collections::BTreeMap<String, u64>,
}

impl Hand {
    pub fn new(dir: &Path) -> Self {
        let folder = Folder::open(dir).unwrap();
        folder.create().unwrap();
        Self { folder, clock: 0, seqs: Default::default() }
    }

    pub fn say(&mut self, by: &str, event: Event, objects: &[Object]) -> EventId {
        self.folder.store().put(objects).unwrap();
        self.clock += 1;
        let seq = self.seqs.entry(by.into()).or_default();
        *seq += 1;
        let writer: WriterId =
            format!("{}-{:012x}", by.replace(|c: char| !c.is_ascii_alphanumeric(), "-"), *seq)
                .parse()
                .unwrap();
        let id = EventId { writer: writer.clone(), seq: 1 };
        let time = format!("2026-11-24T12:00:{:02}Z", self.clock % 60);
        let entry = Entry { id: id.clone(), clock: self.clock, time, by: by.into(), event };
        Journal::new(&self.folder, writer).append(&[&entry]).unwrap();
        id
    }

    pub fn example(&mut self, row: usize, id: &str, example: &Example) {
        let object = example.object();
        let placed = Placed { example: object.digest.clone(), id: id.into(), row: Some(row) };
        self.say("ana", Event::Example(placed), &[object]);
    }

    pub fn label(&mut self, by: &str, example: &Example, choice: Choice, change: impl FnOnce(&mut Label)) {
        let mut label = Label {
            state: Progress::Submitted,
            choice: Some(choice),
            ..Label::draft(example.object().digest)
        };
        change(&mut label);
        self.say(by, Event::Label(Box::new(label)), &[]);
    }

    pub fn correct(&mut self, by: &str, example: &Example, answer: usize, text: &str) {
        let review = Review {
            example: example.object().digest,
            answer,
            critique: None,
            agrees: Some(false),
            sentences: Vec::new(),
            correction: Some(text.into()),
        };
        self.say(by, Event::Review(Box::new(review)), &[]);
    }

    pub fn critique(&mut self, example: &Example, answer: usize, text: &str, reward: f32) {
        let critique = Critique {
            text: Some(text.into()),
            reward,
            reading: Reading::InPlace,
            stopped: Some("eot".into()),
            token_ids: vec![1, 2, 3],
            tokens: Vec::new(),
            made_with: MadeWith {
                model: "demo".into(),
                fingerprint: "0123456789abcdef".into(),
                ..MadeWith::default()
            },
        };
        let made = TakeMade {
            example: example.object().digest,
            answer,
            parent: None,
            how: How { way: "greedy".into(), ..How::default() },
            prompt: None,
            text: None,
            critique_prompt: None,
            critique: None,
        };
        let take = self.say("ana", Event::Take(Box::new(made)), &[]);
        let object = critique.object();
        let judged =
            Judged { take, reading: Reading::InPlace, reward, critique: object.digest.clone(), how: None };
        self.say("ana", Event::Judged(judged), &[object]);
    }
}

pub fn pair(prompt: &str, answers: [&str; 2]) -> Example {
    Example { prompt: Prompt::Text(prompt.into()), answers: answers.map(str::to_owned).to_vec() }
}

pub fn chat(turns: &[(&str, &str)], answers: [&str; 2]) -> Example {
    let turn = |(role, content): &(&str, &str)| Message { role: (*role).into(), content: (*content).into() };
    Example {
        prompt: Prompt::Messages(turns.iter().map(turn).collect()),
        answers: answers.map(str::to_owned).to_vec(),
    }
}

/// Three annotators on eight examples, of everything something; `with_chat`: one prompt is messages.
pub fn sample(dir: &Path, with_chat: bool) -> Folder {
    let mut hand = Hand::new(dir);
    let opened = Opened { data: vec!["/somewhere/pairs.jsonl".into()], ..Opened::default() };
    hand.say("ana", Event::Opened(opened), &[]);
    let sum = pair("What is 2 + 2?", ["4", "5"]);
    let capital = pair("The capital of France?\n\"Quoted\" \u{1F642}", ["Lyon", "Paris, of course."]);
    let tie = pair("Say hello.", ["Hello!", "Hi!"]);
    let bad = pair("Is 7 prime?", ["No, 7 = 2 * 3.", "No."]);
    let split = pair("Name a colour.", ["Blue", "Loud"]);
    let skipped = pair("Skip me.", ["a", "b"]);
    let talk = match with_chat {
        true => chat(
            &[("system", "Be short."), ("user", "Hi"), ("assistant", "Hi."), ("user", "And now?")],
            ["Go on.", "I have no idea what to say to that."],
        ),
        false => pair("And now?", ["Go on.", "I have no idea what to say to that."]),
    };
    let reviewed = pair("[{\"role\": \"user\", \"content\": \"as text\"}]", ["one", "two"]);
    let all = [&sum, &capital, &tie, &bad, &split, &skipped, &talk, &reviewed];
    for (row, example) in all.into_iter().enumerate() {
        hand.example(row, &format!("row-{row}"), example);
    }
    hand.critique(&sum, 0, "Right: 2 + 2 is 4.", 1.5);
    hand.critique(&sum, 1, "It should be 4.", -0.1);
    hand.critique(&capital, 0, "Lyon is a city.", 0.25);
    hand.critique(&capital, 1, "Paris is right.", 0.125);
    hand.critique(&talk, 0, "Short.", 0.5);
    hand.label("ana", &sum, Choice::MuchBetter(0), |label| {
        (label.seconds, label.note) = (Some(3.5), "easy\nreally".into());
        label.reasons = vec!["correct".into(), "short".into()];
        (label.shown, label.seed) = (vec![1, 0], Some(7));
    });
    hand.label("bo b", &sum, Choice::Better(0), |_| {});
    hand.label("ana", &capital, Choice::Better(0), |_| {});
    hand.label("bo b", &capital, Choice::Better(1), |label| label.flag = true);
    hand.label("cy", &capital, Choice::MuchBetter(1), |_| {});
    hand.label("ana", &capital, Choice::MuchBetter(1), |label| label.adjudicates = true);
    hand.correct("bo b", &capital, 0, "Lyon is not the capital: Paris is.");
    hand.correct("ana", &capital, 0, "Lyon is wrong.");
    hand.label("ana", &tie, Choice::Tie, |_| {});
    hand.label("ana", &bad, Choice::Better(1), |label| label.all_bad = true);
    hand.label("ana", &split, Choice::Better(1), |_| {});
    hand.label("bo b", &split, Choice::Better(0), |_| {});
    hand.label("bo b", &skipped, Choice::Tie, |label| {
        (label.state, label.choice) = (Progress::Skipped, None);
    });
    hand.label("cy", &talk, Choice::Better(1), |label| label.seconds = Some(0.1));
    hand.correct("cy", &talk, 1, "It says so.");
    hand.correct("cy", &reviewed, 1, "Nothing is compared here.");
    hand.folder
}

pub fn book(folder: &Folder) -> Book {
    let mut book = Book::default();
    book.insert(Reader::new(folder, None).poll().unwrap().entries);
    book
}

pub fn exported(folder: &Folder, options: &Options) -> Export {
    let export = export(folder, options).unwrap();
    assert_eq!(export.problems, Vec::<String>::new());
    export
}

pub fn written(folder: &Folder, to: To) -> String {
    String::from_utf8(exported(folder, &Options::new(to)).bytes).unwrap()
}

/// All formats that can be written, with the extension of their files.
pub const FORMATS: [(To, Format, &str); 10] = [
    (To::Cloud, Format::JsonLines, "jsonl"),
    (To::Trl, Format::JsonLines, "jsonl"),
    (To::RewardBench, Format::JsonLines, "jsonl"),
    (To::Argilla, Format::JsonLines, "jsonl"),
    (To::LabelStudio, Format::JsonLines, "json"),
    (To::Events, Format::JsonLines, "jsonl"),
    (To::Cloud, Format::Parquet, "parquet"),
    (To::Trl, Format::Parquet, "parquet"),
    (To::RewardBench, Format::Parquet, "parquet"),
    (To::Events, Format::Parquet, "parquet"),
];
