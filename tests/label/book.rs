//! Books written by hand.

use outloud::session::{
    Book, Choice, Digest, Entry, Event, EventId, Example, Label, Progress, Review, WriterId,
};

pub fn digest(name: &str) -> Digest {
    let answers = vec!["one".to_owned(), "other".to_owned()];
    Example { prompt: outloud::checkpoint::Prompt::Text(name.into()), answers }.object().digest
}

#[derive(Default)]
pub struct Writing {
    pub book: Book,
    seq: u64,
}

impl Writing {
    pub fn event(&mut self, by: &str, event: Event) -> EventId {
        self.seq += 1;
        let writer: WriterId = format!("{by}-000000000000").parse().unwrap();
        let id = EventId { writer, seq: self.seq };
        let time = format!("2026-01-01T00:00:{:02}Z", self.seq % 60);
        self.book.insert([Entry { id: id.clone(), clock: self.seq, time, by: by.into(), event }]);
        id
    }

    pub fn label(&mut self, by: &str, example: &str, choice: Choice) -> EventId {
        let label =
            Label { state: Progress::Submitted, choice: Some(choice), ..Label::draft(digest(example)) };
        self.event(by, Event::Label(Box::new(label)))
    }

    pub fn adjudicate(&mut self, by: &str, example: &str, choice: Choice) -> EventId {
        let label = Label {
            state: Progress::Submitted,
            choice: Some(choice),
            adjudicates: true,
            ..Label::draft(digest(example))
        };
        self.event(by, Event::Label(Box::new(label)))
    }

    pub fn correct(&mut self, by: &str, example: &str, answer: usize, text: &str) -> EventId {
        let review = Review {
            example: digest(example),
            answer,
            critique: None,
            agrees: None,
            sentences: Vec::new(),
            correction: Some(text.into()),
        };
        self.event(by, Event::Review(Box::new(review)))
    }
}
