//! Merging and backups: every event and content once, whatever is merged with what and in which order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use outloud::session::{Entry, Event, Folder, Journal, WriterId, backup, check, decode, merge};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::{entries, entry, example, label, live, saved, written};

fn folder(path: &Path) -> Folder {
    Folder::open(path).unwrap()
}

/// Every whole line of every journal.
fn lines(session: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in fs::read_dir(session.join("journals")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        all.extend(bytes.split(|b| *b == b'\n').filter(|l| decode(l).is_ok()).map(<[u8]>::to_vec));
    }
    all.sort();
    all
}

fn contents(session: &Path) -> Vec<PathBuf> {
    let (found, _) = folder(session).store().list();
    found.into_iter().map(|(kind, digest)| Path::new(kind).join(digest.as_str())).collect()
}

/// Three writers' events over up to four copies, each copy with a part of each writer's; with damage in some.
#[derive(Clone, Debug)]
struct Copies {
    /// For each copy and writer: from, to (events in between are there), and whether a line is damaged.
    parts: Vec<[(usize, usize, bool); 3]>,
    order: Vec<usize>,
}

const EVENTS: usize = 8;

fn copies() -> impl Strategy<Value = Copies> {
    let part =
        (0..=EVENTS, 0..=EVENTS, prop::bool::weighted(0.2)).prop_map(|(a, b, bad)| (a.min(b), a.max(b), bad));
    let parts = prop::collection::vec([part.clone(), part.clone(), part], 2..5);
    parts.prop_flat_map(|parts| {
        let order = Just((0..parts.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(parts), order).prop_map(|(parts, order)| Copies { parts, order })
    })
}

fn event_of(writer: usize, n: usize) -> Entry {
    let name: WriterId = format!("w{writer}-0").parse().unwrap();
    entry(
        &name,
        n as u64 + 1,
        (n * 3 + writer) as u64,
        "ana",
        Event::Label(Box::new(label(n, format!("{writer} {n}")))),
    )
}

fn make(dir: &Path, parts: &[(usize, usize, bool); 3]) {
    let folder = folder(dir);
    folder.create().unwrap();
    for (writer, &(from, to, bad)) in parts.iter().enumerate() {
        let entries: Vec<Entry> = (from..to).map(|n| event_of(writer, n)).collect();
        if entries.is_empty() {
            continue;
        }
        folder.store().put(&(from..to).map(|n| example(n).object()).collect::<Vec<_>>()).unwrap();
        Journal::new(&folder, entries[0].id.writer.clone())
            .append(&entries.iter().collect::<Vec<_>>())
            .unwrap();
        if bad {
            let file = dir.join(format!("journals/w{writer}-0.jsonl"));
            let mut bytes = fs::read(&file).unwrap();
            bytes[40] ^= 4;
            fs::write(&file, bytes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_in_any_order_keeps_every_event_once(copies in copies()) {
        let dir = TempDir::new().unwrap();
        let path = |n: usize| dir.path().join(format!("copy-{n}"));
        let mut expected: BTreeMap<String, Entry> = BTreeMap::new();
        for (n, parts) in copies.parts.iter().enumerate() {
            make(&path(n), parts);
            expected.extend(entries(&path(n)).into_iter().map(|e| (e.id.to_string(), e)));
        }
        let all: Vec<Folder> = (0..copies.parts.len()).map(|n| folder(&path(n))).collect();
        let shuffled: Vec<Folder> = copies.order.iter().map(|n| all[*n].clone()).collect();
        let before: Vec<Vec<Vec<u8>>> = (0..all.len()).map(|n| lines(&path(n))).collect();

        // All at once; one by one in another order; all into one of them; pairs first.
        let (at_once, one_by_one) = (dir.path().join("at-once"), dir.path().join("one-by-one"));
        merge(&folder(&at_once), &all).unwrap();
        for other in &shuffled {
            merge(&folder(&one_by_one), std::slice::from_ref(other)).unwrap();
        }
        let into = &shuffled[0];
        merge(into, &shuffled[1..]).unwrap();
        let pairs = dir.path().join("pairs");
        merge(&folder(&pairs), &shuffled[shuffled.len() - 1..]).unwrap();
        merge(&folder(&pairs), &[folder(&one_by_one), folder(&at_once)]).unwrap();

        let wanted = lines(&at_once);
        prop_assert_eq!(wanted.len(), expected.len(), "each once, as lines too");
        for result in [&at_once, &one_by_one, &pairs, &into.path().to_path_buf()] {
            let mut found = lines(result);
            found.dedup();
            prop_assert_eq!(&found, &wanted);
            let found: BTreeMap<String, Entry> =
                entries(result).into_iter().map(|e| (e.id.to_string(), e)).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(contents(result), contents(&at_once));
        }
        // Again: nothing to do.
        let again = merge(&folder(&at_once), &all).unwrap();
        prop_assert_eq!((again.events, again.contents), (0, 0));
        for (n, before) in before.iter().enumerate().filter(|(n, _)| folder(&path(*n)) != *into) {
            prop_assert_eq!(&lines(&path(n)), before, "what is merged from stays as it is");
        }
    }
}

#[test]
fn an_event_damaged_in_one_copy_is_healed_by_another_and_what_was_there_is_kept_aside() {
    let dir = TempDir::new().unwrap();
    let (good, bad, out) = (dir.path().join("good"), dir.path().join("bad"), dir.path().join("out"));
    let events = written(&good, 1);
    backup(&folder(&good), &bad, true).unwrap();
    let file = fs::read_dir(bad.join("journals")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(entries(&bad).len(), events.len() - 1);
    let merged = merge(&folder(&out), &[folder(&bad), folder(&good)]).unwrap();
    assert_eq!(entries(&out), events);
    assert_eq!((merged.problems.len(), merged.problems[0].line), (1, Some(1)));
    let aside: Vec<_> = fs::read_dir(out.join("aside")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    // Into the damaged one itself: healed in a file beside.
    merge(&folder(&bad), &[folder(&good)]).unwrap();
    assert_eq!(entries(&bad), events);
}

#[test]
fn a_backup_taken_while_somebody_writes_is_whole() {
    let dir = TempDir::new().unwrap();
    let session = dir.path().join("session");
    let (live, mut notices, mut pen) = live(&session, "ana");
    for n in 0..400 {
        let draft =
            pen.write_with(Event::Label(Box::new(label(n, "x".repeat(300)))), vec![example(n).object()]);
        live.save(draft).unwrap();
        if n == 20 {
            saved(&mut notices, 1);
        }
    }
    for n in 0..5 {
        let copy = dir.path().join(format!("backup-{n}"));
        backup(&folder(&session), &copy, true).unwrap();
        let report = check(&folder(&copy), true).unwrap();
        assert_eq!((report.problems, report.torn), (Vec::new(), Vec::new()));
        let found = entries(&copy);
        assert_eq!(
            found.iter().map(|e| e.id.seq).collect::<Vec<_>>(),
            (1..=found.len() as u64).collect::<Vec<_>>()
        );
    }
    assert!(backup(&folder(&session), &session, true).unwrap_err().to_string().contains("is there already"));
    let hidden = fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}
