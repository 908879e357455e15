//! A journal cut at every byte, with every single bit flipped, with random damage, with zeros and noise.

use std::fs;
use std::path::{Path, PathBuf};

use outloud::session::{Entry, Folder, News, Reader, check};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::{book, written};

struct Whole {
    dir: TempDir,
    file: PathBuf,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// First byte of each line.
    starts: Vec<usize>,
}

impl Whole {
    fn new(times: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let entries = written(dir.path(), times);
        let file = fs::read_dir(dir.path().join("journals")).unwrap().next().unwrap().unwrap().path();
        let bytes = fs::read(&file).unwrap();
        let breaks = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(breaks).take(entries.len()).collect();
        Self { dir, file, bytes, entries, starts }
    }

    fn read(&self, bytes: &[u8]) -> (News, usize) {
        fs::write(&self.file, bytes).unwrap();
        let mut reader = Reader::new(&Folder::open(self.dir.path()).unwrap(), None);
        let news = reader.poll().unwrap();
        (news, reader.torn().len())
    }

    fn line_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }
}

#[test]
fn every_kind_of_event_reads_as_it_was_written() {
    let whole = Whole::new(2);
    assert_eq!(whole.read(&whole.bytes), (News { entries: whole.entries.clone(), problems: Vec::new() }, 0));
    let report = check(&Folder::open(whole.dir.path()).unwrap(), true).unwrap();
    assert_eq!((report.problems, report.torn), (Vec::new(), Vec::new()));
    assert_eq!(report.counts.events, whole.entries.len());
}

#[test]
fn a_journal_cut_at_every_byte_keeps_every_whole_line() {
    let whole = Whole::new(1);
    for cut in 0..=whole.bytes.len() {
        let (news, torn) = whole.read(&whole.bytes[..cut]);
        // A line that only lacks its line break is whole.
        let lines =
            whole.starts.iter().skip(1).chain([&whole.bytes.len()]).filter(|end| **end <= cut + 1).count();
        assert_eq!(news.entries, whole.entries[..lines], "cut at {cut}");
        assert_eq!(news.problems, [], "cut at {cut}");
        let begun = cut > 0 && !whole.starts.contains(&cut) && cut < whole.bytes.len();
        let only_break = whole.starts.contains(&(cut + 1)) || cut + 1 == whole.bytes.len();
        assert_eq!(torn, usize::from(begun && !only_break), "cut at {cut}");
    }
    println!("{} cut points over {} lines", whole.bytes.len() + 1, whole.entries.len());
}

/// A journal that grows byte by byte under a reader: every event comes when its line is whole, and no damage is told.
#[test]
fn a_journal_read_while_it_is_written() {
    let whole = Whole::new(1);
    fs::write(&whole.file, b"").unwrap();
    let mut reader = Reader::new(&Folder::open(whole.dir.path()).unwrap(), None);
    let mut book = outloud::session::Book::default();
    for end in (0..whole.bytes.len()).step_by(7).chain([whole.bytes.len()]) {
        fs::write(&whole.file, &whole.bytes[..end]).unwrap();
        let news = reader.poll().unwrap();
        assert_eq!(news.problems, []);
        book.insert(news.entries);
        let whole_lines = whole.bytes[..end].iter().filter(|b| **b == b'\n').count();
        assert!(book.len() == whole_lines || book.len() == whole_lines + 1);
    }
    assert_eq!(book.entries().cloned().collect::<Vec<_>>(), whole.entries);
}

#[test]
fn every_single_flipped_bit_costs_one_event_at_most_and_is_told_with_its_line() {
    let whole = Whole::new(1);
    let (mut lost_one, mut lost_none) = (0, 0);
    for bit in 0..whole.bytes.len() * 8 {
        let mut bytes = whole.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let line = whole.line_of(bit / 8);
        let (news, torn) = whole.read(&bytes);
        let line_break = whole.bytes[bit / 8] == b'\n';
        let mut expected = whole.entries.clone();
        if line_break {
            lost_none += 1;
        } else {
            expected.remove(line);
            lost_one += 1;
        }
        assert_eq!(news.entries, expected, "bit {bit}");
        if line_break && line + 1 == whole.entries.len() {
            // The last line break: what stands there now is a last line that does not end.
            assert_eq!((news.problems.len(), torn), (0, 1), "bit {bit}");
            continue;
        }
        assert_eq!(news.problems[0].line, Some(line as u64 + 1), "bit {bit}");
        assert_eq!(news.problems[0].file, Path::new("journals").join(whole.file.file_name().unwrap()));
        assert_eq!(torn, 0, "bit {bit}");
    }
    println!("{lost_one} flips cost the event they hit, {lost_none} (of line breaks) cost none");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_damage_never_touches_another_event(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        zeros in 0..200_usize,
    ) {
        let whole = Whole::new(1);
        let mut bytes = whole.bytes.clone();
        let mut touched = vec![false; whole.entries.len()];
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let line = whole.line_of(at);
            touched[line] = true;
            // Its end is the beginning of the next.
            if whole.bytes[at] == b'\n' && line + 1 < touched.len() {
                touched[line + 1] = true;
            }
        }
        if let Some(cut) = cut {
            let cut = cut.index(bytes.len());
            bytes.truncate(cut);
            touched[whole.line_of(cut)..].fill(true);
        }
        // As some file systems leave a file after a power cut.
        bytes.extend(std::iter::repeat_n(0, zeros));
        let (news, torn) = whole.read(&bytes);
        let book = book(whole.dir.path());
        for (entry, touched) in whole.entries.iter().zip(&touched) {
            prop_assert!(*touched || book.get(&entry.id) == Some(entry), "{} is lost", entry.id);
        }
        for entry in &news.entries {
            prop_assert!(whole.entries.contains(entry), "an event that nobody wrote: {entry:?}");
        }
        if book.len() < whole.entries.len() && cut.is_none() {
            prop_assert!(news.problems.len() + torn > 0, "a loss that is not told");
        }
    }

    #[test]
    fn noise_is_told_and_never_panics(noise in prop::collection::vec(any::<u8>(), 0..600), json in "\\PC{0,200}") {
        let whole = Whole::new(1);
        let json = format!("{{\"v\":1,{json}\n[]\nnull\n{{}}\n");
        let bytes = [noise.as_slice(), b"\n", json.as_bytes(), &whole.bytes].concat();
        let (news, _) = whole.read(&bytes);
        prop_assert_eq!(news.entries, whole.entries.clone());
        prop_assert!(news.problems.len() >= 5);
    }
}

#[test]
fn damaged_and_missing_contents_are_told_by_name() {
    let whole = Whole::new(2);
    let folder = Folder::open(whole.dir.path()).unwrap();
    let (contents, _) = folder.store().list();
    assert_eq!(contents.len(), 4);
    for (kind, digest) in &contents {
        let file = whole.dir.path().join(kind).join(format!("{digest}.json"));
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[10] ^= 1;
        fs::write(&file, &bad).unwrap();
        let problems = check(&folder, true).unwrap().problems;
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].file, Path::new(kind).join(format!("{digest}.json")));
        fs::remove_file(&file).unwrap();
        let problems = check(&folder, true).unwrap().problems;
        assert!(
            !problems.is_empty()
                && problems.iter().all(|p| p.line.is_some() && p.found.contains(digest.as_str()))
        );
        fs::write(&file, &good).unwrap();
    }
    assert_eq!(check(&folder, true).unwrap().problems, []);
}
