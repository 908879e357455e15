//! Sessions made by hand, and one read back.

use std::path::Path;
use std::time::{Duration, Instant};

use outloud::checkpoint::{Prompt, Reading};
use outloud::session::{
    Book, Choice, Critique, Draft, Entry, Event, EventId, Example, Folder, How, Journal, Judged, Label, Live,
    MadeWith, Notice, Notices, Opened, Pen, Placed, Progress, Reader, Review, Sentence, TakeMade, TokenAt,
    View, WriterId,
};

pub fn example(n: usize) -> Example {
    let answers = vec![format!("{n} + {n} = {}\n\"quoted\" \u{1F642}", 2 * n), format!("{n}")];
    Example { prompt: Prompt::Text(format!("What is {n} + {n}?\r\n\u{0}")), answers }
}

pub fn label(n: usize, note: impl Into<String>) -> Label {
    Label {
        state: Progress::Submitted,
        choice: Some(Choice::Better(n % 2)),
        note: note.into(),
        shown: vec![1, 0],
        seed: Some(u64::MAX - n as u64),
        seconds: Some(0.1 + n as f64),
        ..Label::draft(example(n).object().digest)
    }
}

pub fn critique(n: usize) -> Critique {
    let token = |i: usize| TokenAt {
        id: i as u32,
        text: format!(" w{i}"),
        reward: 0.1 + i as f32 / 3.0,
        stop_here: (i > 0).then_some(-1.0 / (i as f32 + 3.0)),
        probability: Some(0.3),
        alternatives: Vec::new(),
    };
    Critique {
        text: Some(format!("It is {n}.")),
        reward: 1.0 / (n as f32 + 7.0),
        reading: Reading::InPlace,
        stopped: Some("eot".into()),
        token_ids: (0..5).collect(),
        tokens: (0..5).map(token).collect(),
        made_with: MadeWith { fingerprint: "0123456789abcdef".into(), ..MadeWith::default() },
    }
}

/// One event of every kind, about example `n`; a draft brings what it refers to.
pub fn all_kinds(pen: &mut Pen, n: usize) -> Vec<Draft> {
    let (object, critique) = (example(n).object(), critique(n).object());
    let (digest, judged) = (object.digest.clone(), critique.digest.clone());
    let placed = Placed { example: digest.clone(), id: format!("row {n}"), row: Some(n) };
    let made = TakeMade {
        example: digest.clone(),
        answer: 1,
        parent: None,
        how: How { way: "sampled".into(), seed: Some(n as u64), temperature: Some(1.0), ..How::default() },
        prompt: None,
        text: Some("edited".into()),
        critique_prompt: None,
        critique: None,
    };
    let opened = Opened { data: vec!["/data/a file.jsonl".into()], ..Opened::default() };
    let mut drafts =
        vec![pen.write(Event::Opened(opened)), pen.write_with(Event::Example(placed), vec![object])];
    let take = pen.write(Event::Take(Box::new(made.clone())));
    let id = take.id.clone();
    drafts.push(take);
    let verdict = Judged {
        take: id.clone(),
        reading: Reading::InPlace,
        reward: 0.1,
        critique: judged.clone(),
        how: None,
    };
    drafts.push(pen.write_with(Event::Judged(verdict), vec![critique]));
    let made = Box::new(TakeMade { text: Some("edited again".into()), ..made });
    drafts.push(pen.write(Event::Retyped { take: id.clone(), made }));
    drafts.push(pen.write(Event::Named { take: id.clone(), name: "the \"better\" one\n".into() }));
    drafts.push(pen.write(Event::Label(Box::new(label(n, "first")))));
    let review = Review {
        example: digest.clone(),
        answer: 1,
        critique: Some(judged),
        agrees: Some(false),
        sentences: vec![Sentence { start: 0, end: 5, agrees: true }],
        correction: Some("It is not.".into()),
    };
    drafts.push(pen.write(Event::Review(Box::new(review.clone()))));
    let many = vec![Event::Label(Box::new(label(n, "bulk"))), Event::Review(Box::new(review))];
    drafts.push(pen.write(Event::Bulk { events: many }));
    let last = drafts.last().unwrap().id.clone();
    drafts.push(pen.write(Event::Undo { events: vec![last] }));
    let view = View { screen: "inspect".into(), example: Some(digest), take: Some(id), ..View::default() };
    drafts.push(pen.write(Event::View(view)));
    drafts.push(pen.write(Event::Run { folder: "runs/one".into() }));
    let unknown = serde_json::json!({"kind": "from-the-future", "deep": {"list": [1, 2.5, null, "x"]}});
    drafts.push(pen.write(Event::Unknown(unknown)));
    drafts
}

pub fn entry(writer: &WriterId, seq: u64, clock: u64, by: &str, event: Event) -> Entry {
    let id = EventId { writer: writer.clone(), seq };
    Entry { id, clock, time: "2026-11-24T12:00:00Z".into(), by: by.into(), event }
}

/// A session with one journal of `n` times every kind, written at once; its entries.
pub fn written(dir: &Path, n: usize) -> Vec<Entry> {
    let folder = Folder::open(dir).unwrap();
    let mut pen = Pen::new("Ana B.");
    let drafts: Vec<Draft> = (0..n).flat_map(|n| all_kinds(&mut pen, n)).collect();
    folder.create().unwrap();
    folder.store().put(drafts.iter().flat_map(|d| &d.objects)).unwrap();
    let writer = drafts[0].id.writer.clone();
    let entries: Vec<Entry> =
        drafts.into_iter().map(|d| entry(&writer, d.id.seq, d.id.seq, "Ana B.", d.event)).collect();
    let mut journal = Journal::new(&folder, writer);
    journal.append(&entries.iter().collect::<Vec<_>>()).unwrap();
    entries
}

pub fn book(dir: &Path) -> Book {
    let mut book = Book::default();
    book.insert(Reader::new(&Folder::open(dir).unwrap(), None).poll().unwrap().entries);
    book
}

pub fn entries(dir: &Path) -> Vec<Entry> {
    book(dir).entries().cloned().collect()
}

pub fn live(dir: &Path, by: &str) -> (Live, Notices, Pen) {
    let pen = Pen::new(by);
    let (live, notices) = outloud::session::open(&Folder::open(dir).unwrap(), &pen).unwrap();
    (live, notices, pen)
}

/// Waits for a notice.
pub fn wait<T>(notices: &mut Notices, mut wanted: impl FnMut(Notice) -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        match notices.try_recv() {
            Ok(notice) => {
                if let Some(found) = wanted(notice) {
                    return found;
                }
            }
            Err(_) => {
                assert!(begun.elapsed() < Duration::from_secs(60), "it never came");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Waits until `count` own events are saved.
pub fn saved(notices: &mut Notices, count: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    wait(notices, |notice| {
        if let Notice::Saved(entries) = notice {
            all.extend(entries);
        }
        (all.len() >= count).then_some(())
    });
    all
}
