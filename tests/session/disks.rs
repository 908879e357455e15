//! Disks that are full, may not be written, or hold what a newer version wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use outloud::session::{Event, Folder, Live, Notice, Notices, Pen, Reader, check, encode};
use tempfile::TempDir;

use crate::common::{book, entries, label, live, saved, wait, written};

const EVENTS: usize = 60;

fn write(live: &Live, pen: &mut Pen, n: usize) {
    live.save(pen.write(Event::Label(Box::new(label(n, "x".repeat(2000)))))).unwrap();
}

/// Runs in a process of its own: writes more than fits, waits for room, says what it was told.
#[test]
#[ignore = "started by the other tests"]
fn fills_the_disk() {
    let Some(dir) = std::env::var_os("OUTLOUD_TEST_SESSION").map(PathBuf::from) else { return };
    let (live, mut notices, mut pen) = live(&dir, "ana");
    let mut told = 0;
    let mut hear = |notices: &mut Notices, until: usize| {
        while told < until {
            match notices.blocking_recv() {
                Some(Notice::Saved(entries)) => {
                    told += entries.len();
                    entries.iter().for_each(|e| println!("saved {}", e.id));
                }
                Some(Notice::Failing { error, waiting }) => {
                    println!("failing {waiting} {error}");
                    if let Some(flag) = std::env::var_os("OUTLOUD_TEST_FULL") {
                        std::fs::write(flag, error).unwrap();
                    }
                }
                Some(_) => {}
                None => return,
            }
        }
    };
    for n in 0..EVENTS {
        write(&live, &mut pen, n);
        hear(&mut notices, n + 1);
    }
    println!("unsaved {}", live.close(Duration::from_secs(10)).unsaved);
}

/// Runs in a process of its own: opens, tries to write, says what it was told.
#[test]
#[ignore = "started by the other tests"]
fn tries_to_write() {
    let Some(dir) = std::env::var_os("OUTLOUD_TEST_SESSION").map(PathBuf::from) else { return };
    let folder = Folder::open(&dir).unwrap();
    println!("read-only {}", folder.read_only().unwrap_or("no"));
    let (live, mut notices, mut pen) = live(&dir, "ana");
    write(&live, &mut pen, 1);
    let error =
        wait(&mut notices, |n| if let Notice::Failing { error, .. } = n { Some(error) } else { None });
    println!("failing {error}");
    println!("events {}", book(&dir).len());
    println!("unsaved {}", live.close(Duration::from_secs(10)).unsaved);
}

fn this() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Runs a script in a mount namespace of its own, where that is allowed.
fn in_namespace(script: &str, dir: &Path) -> Option<Output> {
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .env("TEST", this())
        .env("DIR", dir)
        .env("RUN", "--ignored --nocapture --exact")
        .output();
    match output {
        Ok(output)
            if output.status.code() == Some(77)
                || String::from_utf8_lossy(&output.stderr).contains("unshare") =>
        {
            eprintln!("SKIPPED: no mount namespace here: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: no `unshare` here ({error})");
            None
        }
    }
}

fn lines(output: &Output, with: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    // The test harness writes its own words before the first line.
    text.lines().filter_map(|line| line.find(with).map(|at| line[at + with.len()..].to_owned())).collect()
}

fn all_once(session: &Path, told: &[String]) {
    let found: Vec<String> = entries(session).iter().map(|e| e.id.to_string()).collect();
    assert_eq!(told, found, "told as saved, and there");
    let folder = Folder::open(session).unwrap();
    let report = check(&folder, false).unwrap();
    assert_eq!((report.problems, report.torn), (Vec::new(), Vec::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_what_waits_is_saved_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let script = r#"
        mkdir "$DIR/disk" && mount -t tmpfs -o size=64k tmpfs "$DIR/disk" || exit 77
        OUTLOUD_TEST_SESSION="$DIR/disk/session" OUTLOUD_TEST_FULL="$DIR/full" "$TEST" $RUN disks::fills_the_disk > "$DIR/out" &
        child=$!
        n=0; while [ ! -e "$DIR/full" ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done
        cp -r "$DIR/disk/session" "$DIR/while-full"
        mount -o remount,size=4m "$DIR/disk" || exit 77
        wait $child || exit 1
        cp -r "$DIR/disk/session" "$DIR/session"
        cat "$DIR/out""#;
    let Some(output) = in_namespace(script, dir.path()) else { return };
    let failing = lines(&output, "failing ");
    assert!(!failing.is_empty(), "{output:?}");
    assert!(failing[0].contains("No space left"), "{failing:?}");
    let told = lines(&output, "saved ").into_iter().filter(|l| l.contains(':')).collect::<Vec<_>>();
    assert_eq!(told.len(), EVENTS, "{output:?}");
    assert_eq!(lines(&output, "unsaved "), ["0"]);
    all_once(&dir.path().join("session"), &told);
    // While it was full, all that had been told was there.
    let then = entries(&dir.path().join("while-full"));
    assert!(!then.is_empty() && then.len() < EVENTS);
    println!("full after {} of {EVENTS} events; with room again all were saved, once", then.len());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_turns_read_only_is_told() {
    let dir = TempDir::new().unwrap();
    written(&dir.path().join("written"), 1);
    let script = r#"
        mkdir "$DIR/disk" && mount -t tmpfs -o size=4m tmpfs "$DIR/disk" || exit 77
        cp -r "$DIR/written" "$DIR/disk/session"
        mount -o remount,ro "$DIR/disk" || exit 77
        OUTLOUD_TEST_SESSION="$DIR/disk/session" "$TEST" $RUN disks::tries_to_write"#;
    let Some(output) = in_namespace(script, dir.path()) else { return };
    let why = &lines(&output, "read-only ")[0];
    assert!(why.contains("Read-only file system") && why.contains("for reading only"), "{why}");
    assert!(lines(&output, "failing ")[0].contains("for reading only"), "{output:?}");
    assert_eq!(
        (lines(&output, "events "), lines(&output, "unsaved ")),
        (vec!["13".into()], vec!["1".into()])
    );
}

/// A file that may not grow any further, as a quota does it: the writer goes on in a new file.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_grow_is_left_and_nothing_is_written_twice() {
    let dir = TempDir::new().unwrap();
    let session = dir.path().join("session");
    // Blocks of 512 bytes: about 14 events.
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact disks::fills_the_disk --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(this())
        .env("OUTLOUD_TEST_SESSION", &session)
        .output()
        .unwrap();
    let told = lines(&output, "saved ").into_iter().filter(|l| l.contains(':')).collect::<Vec<_>>();
    assert_eq!(told.len(), EVENTS, "{output:?}");
    assert!(lines(&output, "failing ")[0].contains("File too large"), "{output:?}");
    let files = std::fs::read_dir(session.join("journals")).unwrap().count();
    assert!(files > 3, "{files} files");
    all_once(&session, &told);
}

#[test]
fn a_session_of_a_newer_version_is_read_and_not_written() {
    let dir = TempDir::new().unwrap();
    let entries = written(dir.path(), 1);
    std::fs::write(dir.path().join("session.json"), "{\"format\":2,\"more\":[]}\n").unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    assert!(folder.read_only().unwrap().contains("format 2"), "{:?}", folder.read_only());
    assert_eq!(book(dir.path()).len(), entries.len());
    let before = std::fs::read_dir(dir.path().join("journals")).unwrap().count();
    let (live, mut notices, mut pen) = live(dir.path(), "ana");
    write(&live, &mut pen, 1);
    let error =
        wait(&mut notices, |n| if let Notice::Failing { error, .. } = n { Some(error) } else { None });
    assert!(error.contains("newer outloud"), "{error}");
    assert_eq!(live.close(Duration::from_secs(10)).unsaved, 1);
    assert_eq!(std::fs::read_dir(dir.path().join("journals")).unwrap().count(), before);
}

#[test]
fn an_event_of_a_newer_version_is_told_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let entries = written(dir.path(), 1);
    let newer = newer_line(&entries[5]);
    let file = dir.path().join("journals/bo-0.jsonl");
    std::fs::write(&file, &newer).unwrap();
    let news = Reader::new(&Folder::open(dir.path()).unwrap(), None).poll().unwrap();
    assert_eq!(news.entries, entries);
    assert_eq!(news.problems.len(), 1);
    assert_eq!(
        (news.problems[0].file.as_path(), news.problems[0].line),
        (Path::new("journals/bo-0.jsonl"), Some(1))
    );
    assert!(news.problems[0].to_string().contains("newer outloud"), "{}", news.problems[0]);
    let merged = outloud::session::merge(
        &Folder::open(&dir.path().join("copy")).unwrap(),
        &[Folder::open(dir.path()).unwrap()],
    );
    assert!(merged.unwrap_err().to_string().contains("newer"), "it cannot be carried over faithfully");
    assert_eq!(std::fs::read(&file).unwrap(), newer);
}

fn newer_line(entry: &outloud::session::Entry) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let line = String::from_utf8(encode(entry)).unwrap().replacen("{\"v\":1", "{\"v\":7,\"strange\":{}", 1);
    let body = &line[..line.rfind(",\"sum\":\"").unwrap()];
    let sum: String = Sha256::digest(body).iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("{body},\"sum\":\"{sum}\"}}\n").into_bytes()
}

#[test]
fn what_is_no_session_is_refused_before_anything_is_written() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("thesis.txt"), "text").unwrap();
    let error = Folder::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("thesis.txt") && error.contains("session.json"), "{error}");
    let error = Folder::open(&dir.path().join("thesis.txt")).unwrap_err().to_string();
    assert!(error.contains("a file"), "{error}");
    let nothing = dir.path().join("nothing");
    let error = Folder::existing(&nothing).unwrap_err().to_string();
    assert!(error.contains("session list"), "{error}");
    assert!(Folder::open(&nothing).is_ok() && !nothing.exists(), "opening creates nothing");
    let (live, mut notices, mut pen) = live(&nothing, "ana");
    write(&live, &mut pen, 1);
    saved(&mut notices, 1);
    assert!(nothing.join("session.json").exists());
}
