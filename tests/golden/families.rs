//! Families and options beyond the given fixtures: random weights, the same checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use outloud::checkpoint::Checkpoint;

use super::expected::{Expected, fixtures};
use super::fixtures::{critique, positions, texts};
use super::harness::{Engine, Parity};

#[test]
fn families_and_options() {
    let mut folders: Vec<_> = std::fs::read_dir(fixtures().join("families"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 12, "{folders:?}");
    let failed: Vec<_> = folders
        .iter()
        .filter(|folder| {
            let check = AssertUnwindSafe(|| {
                let expected = Expected::read(&folder.join("expected.json"));
                let mut parity = Parity::new(&expected.name);
                texts(&Checkpoint::open(folder).unwrap(), &expected.examples);
                positions(folder, &expected, &mut parity);
                let mut engine = Engine::load(folder);
                for row in &expected.examples {
                    critique(&mut engine, row, expected.eot_token_id, &mut parity);
                }
                parity.print();
            });
            catch_unwind(check).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "the messages above tell what differs: {failed:?}");
}
