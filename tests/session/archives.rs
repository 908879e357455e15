//! Backups in one file: read back, restored whole or not at all, damage told.

use std::fs;
use std::path::Path;

use outloud::session::{Folder, backup, check, restore, verify};
use tempfile::TempDir;

use crate::common::{entries, written};

fn with_runs(dir: &Path) -> Folder {
    written(dir, 3);
    let run = dir.join("runs/first/checkpoints/step-1");
    fs::create_dir_all(&run).unwrap();
    fs::write(dir.join("runs/first/metrics.jsonl"), "{\"step\":1}\n{\"st").unwrap();
    fs::write(run.join("model.safetensors"), vec![7; 100_000]).unwrap();
    fs::create_dir_all(dir.join("runs/first/.writing-step-2")).unwrap();
    Folder::open(dir).unwrap()
}

#[test]
fn a_backup_in_one_file_restores_what_was_there() {
    let dir = TempDir::new().unwrap();
    let session = with_runs(&dir.path().join("session"));
    for name in ["copy.tar.zst", "copy.tar.gz", "again.tar.zst"] {
        let file = dir.path().join(name);
        let done = backup(&session, &file, true).unwrap();
        assert_eq!((done.merged.events, done.merged.contents, done.runs), (39, 6, 2));
        // Manifest, journal, contents, runs.
        assert_eq!(verify(&file).unwrap(), 10);
        assert!(backup(&session, &file, true).unwrap_err().to_string().contains("is there already"));
        let back = dir.path().join(format!("{name}-back"));
        assert_eq!(restore(&file, &back).unwrap(), 10);
        assert_eq!(entries(&back), entries(session.path()));
        assert!(check(&Folder::existing(&back).unwrap(), true).unwrap().problems.is_empty());
        for file in ["runs/first/metrics.jsonl", "runs/first/checkpoints/step-1/model.safetensors"] {
            assert_eq!(fs::read(back.join(file)).unwrap(), fs::read(session.path().join(file)).unwrap());
        }
        assert!(!back.join("runs/first/.writing-step-2").exists());
        assert!(restore(&file, &back).is_err());
    }
    let bytes = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert!(bytes("copy.tar.zst") == bytes("again.tar.zst"), "the same session gives the same file");
    let folder = dir.path().join("folder");
    assert_eq!(backup(&session, &folder, true).unwrap().runs, 2);
    assert!(folder.join("runs/first/metrics.jsonl").exists());
    let without = dir.path().join("without.tgz");
    assert_eq!(backup(&session, &without, false).unwrap().runs, 0);
    assert_eq!(verify(&without).unwrap(), 8);
    // Nothing lies about.
    let hidden = fs::read_dir(dir.path()).unwrap().flatten();
    assert_eq!(hidden.filter(|e| e.file_name().to_string_lossy().starts_with('.')).count(), 0);
}

#[test]
fn damage_is_told_and_nothing_is_restored() {
    let dir = TempDir::new().unwrap();
    let session = dir.path().join("session");
    let events = written(&session, 1);
    for name in ["copy.tar.zst", "copy.tar.gz"] {
        let file = dir.path().join(name);
        backup(&Folder::open(&session).unwrap(), &file, true).unwrap();
        let whole = fs::read(&file).unwrap();
        let broken = dir.path().join(format!("broken-{name}"));
        let to = dir.path().join("to");
        for cut in (0..whole.len() - 16).step_by(whole.len() / 60) {
            fs::write(&broken, &whole[..cut]).unwrap();
            assert!(verify(&broken).is_err(), "{name} cut at {cut}");
            assert!(restore(&broken, &to).is_err() && !to.exists(), "{name} cut at {cut}");
        }
        for at in (0..whole.len()).step_by(whole.len() / 120) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&broken, &flipped).unwrap();
            // Some bits say nothing: then what is restored is what was there.
            if restore(&broken, &to).is_ok() {
                assert_eq!(entries(&to), events, "{name} flipped at {at}");
                fs::remove_dir_all(&to).unwrap();
            }
            assert!(!to.exists());
        }
    }
}

#[test]
fn a_member_that_leaves_the_folder_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("evil.tar.gz");
    let out = flate2::write::GzEncoder::new(fs::File::create(&file).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(out);
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    let name = b"../evil";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let error = restore(&file, &dir.path().join("to")).unwrap_err().to_string();
    assert!(error.contains("../evil") && !dir.path().join("evil").exists(), "{error}");
    fs::write(&file, "no archive").unwrap();
    assert!(verify(&file).unwrap_err().to_string().contains("neither zstd nor gzip"));
}
