//! Several writers at once: all events, each once, seen within a second; wall clocks that disagree.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use outloud::session::{Book, Entry, Event, Folder, Journal, Notice};
use tempfile::TempDir;

use crate::common::{all_kinds, book, entries, entry, label, live, saved, wait};

#[test]
fn two_writers_at_full_speed_lose_nothing_and_see_each_other() {
    const EACH: usize = 1200;
    let dir = TempDir::new().unwrap();
    let begun = Instant::now();
    let work = |by: &'static str| {
        let dir = dir.path().to_path_buf();
        std::thread::spawn(move || {
            let (live, mut notices, mut pen) = live(&dir, by);
            let mut book = Book::default();
            let (mut own, mut sent) = (0, 0);
            while own < EACH || book.len() < 2 * EACH {
                // As much as the queue takes.
                while sent < EACH {
                    let draft = pen.write(Event::Label(Box::new(label(sent % 50, format!("{by} {sent}")))));
                    if live.save(draft).is_err() {
                        panic!("{EACH} events do not fill the queue");
                    }
                    sent += 1;
                }
                wait(&mut notices, |notice| match notice {
                    Notice::Saved(entries) => {
                        own += entries.len();
                        Some(book.insert(entries))
                    }
                    Notice::News(entries) => Some(book.insert(entries)),
                    Notice::Loaded => None,
                    other => panic!("{other:?}"),
                });
            }
            assert_eq!(live.close(Duration::from_secs(60)).unsaved, 0);
            book.entries().cloned().collect::<Vec<Entry>>()
        })
    };
    let (ana, bo) = (work("ana"), work("bo"));
    let (ana, bo) = (ana.join().unwrap(), bo.join().unwrap());
    assert_eq!(ana.len(), 2 * EACH);
    assert_eq!(ana, bo);
    assert_eq!(entries(dir.path()), ana);
    let names: HashSet<_> = ana.iter().map(|e| &e.id).collect();
    assert_eq!(names.len(), 2 * EACH);
    println!("{} events of two writers, saved and seen by both, in {:?}", 2 * EACH, begun.elapsed());
}

#[test]
fn another_writer_is_seen_within_a_second() {
    let dir = TempDir::new().unwrap();
    let (ana, mut ana_hears, mut pen) = live(dir.path(), "ana");
    let (bo, mut bo_hears, _) = live(dir.path(), "bo");
    wait(&mut bo_hears, |n| (n == Notice::Loaded).then_some(()));
    let mut worst = Duration::ZERO;
    for n in 0..10 {
        let begun = Instant::now();
        let draft = pen.write(Event::Label(Box::new(label(n, "seen?"))));
        let id = draft.id.clone();
        ana.save(draft).unwrap();
        saved(&mut ana_hears, 1);
        let seen = wait(&mut bo_hears, |n| if let Notice::News(entries) = n { Some(entries) } else { None });
        assert_eq!(seen.iter().map(|e| &e.id).collect::<Vec<_>>(), [&id]);
        worst = worst.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(37 * n as u64 % 200));
    }
    println!("saved by one and seen by the other after {worst:?} at most");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    assert_eq!(ana.close(Duration::from_secs(10)).unsaved + bo.close(Duration::from_secs(10)).unsaved, 0);
}

/// Queueing does not wait for the disk.
#[test]
fn saving_returns_at_once() {
    let dir = TempDir::new().unwrap();
    let (live, mut notices, mut pen) = live(dir.path(), "ana");
    let mut worst = Duration::ZERO;
    for n in 0..2000 {
        let draft = pen.write(Event::Label(Box::new(label(n, "x".repeat(2000)))));
        let begun = Instant::now();
        live.save(draft).unwrap();
        worst = worst.max(begun.elapsed());
    }
    println!("2000 events queued, {worst:?} at most for one");
    saved(&mut notices, 2000);
    assert_eq!(entries(dir.path()).len(), 2000);
}

#[test]
fn a_later_change_counts_even_if_its_wall_clock_is_an_hour_behind() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let write = |name: &str, clock: u64, time: &str, note: &str| {
        let writer = name.parse().unwrap();
        let mut one = entry(&writer, 1, clock, "ana", Event::Label(Box::new(label(1, note))));
        one.time = time.into();
        Journal::new(&folder, writer).append(&[&one]).unwrap();
    };
    // The same annotator on two machines; the second had seen the first's label when it wrote.
    write("ana-desk", 41, "2026-11-24T13:00:00Z", "first");
    let (live, mut notices, mut pen) = live(dir.path(), "ana");
    live.save(pen.write(Event::Label(Box::new(label(1, "second"))))).unwrap();
    let second = saved(&mut notices, 1);
    assert_eq!(second[0].clock, 42);
    write("ana-laptop", 43, "2026-11-24T12:00:00Z", "third");
    let found = book(dir.path());
    assert_eq!(found.labels().map(|(_, _, l)| l.value.note.as_str()).collect::<Vec<_>>(), ["third"]);
    let notes: Vec<u64> = found.entries().map(|e| e.clock).collect();
    assert_eq!(notes, [41, 42, 43]);
    // An event written now comes after all of them, whatever the wall clock says.
    live.save(pen.write(Event::Label(Box::new(label(1, "too early"))))).unwrap();
    let last = wait(&mut notices, |n| if let Notice::Saved(entries) = n { Some(entries) } else { None });
    assert!(last[0].clock >= 43);
}

#[test]
fn what_is_queued_before_the_journals_are_read_comes_after_them() {
    let dir = TempDir::new().unwrap();
    {
        let (live, mut notices, mut pen) = live(dir.path(), "ana");
        for draft in (0..20).flat_map(|n| all_kinds(&mut pen, n)).collect::<Vec<_>>() {
            live.save(draft).unwrap();
        }
        saved(&mut notices, 20 * 13);
    }
    let before = book(dir.path()).clock();
    let (live, mut notices, mut pen) = live(dir.path(), "bo");
    live.save(pen.write(Event::Label(Box::new(label(1, "at once"))))).unwrap();
    assert_eq!(saved(&mut notices, 1)[0].clock, before + 1);
}
