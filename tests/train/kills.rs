//! The real binary, killed (SIGKILL) at every named moment of its writes and at random ones, on a full disk, and by Ctrl-C.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outloud::train::run::metrics;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::common::{fixtures, pairs_file};
use crate::runs::timeless;

const CONFIG: &str = "batch = 1\nmicro-batch = 1\nmax-len = 96\nshards = 1\n[schedule]\nwarmup = 0";

struct Run {
    dir: TempDir,
    steps: usize,
    save_every: usize,
}

impl Run {
    fn new(steps: usize, save_every: usize) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::copy(pairs_file().path(), dir.path().join("rows.jsonl")).unwrap();
        std::fs::write(dir.path().join("config.toml"), CONFIG).unwrap();
        Self { dir, steps, save_every }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn points(&self) -> PathBuf {
        self.dir.path().join("points")
    }

    fn arguments(&self, out: &Path) -> Vec<String> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let mut arguments: Vec<String> =
            ["train", "--recipe", "cloud", "--lr", "1e-3", "--seed", "4"].map(String::from).to_vec();
        let model = fixtures().join("cloud-llama-tiny").display().to_string();
        for (flag, value) in [
            ("--model", model),
            ("--data", path("rows.jsonl")),
            ("--config", path("config.toml")),
            ("--out", out.display().to_string()),
            ("--steps", self.steps.to_string()),
            ("--save-every", self.save_every.to_string()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        arguments
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outloud"));
        command.args(self.arguments(&self.out())).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts the run with the moments recorded, waiting at the `n`-th `stop` if there is one.
    fn start(&self, stop: Option<(&str, usize)>) -> Child {
        let _ = std::fs::remove_file(self.points());
        let mut command = self.command();
        command.env("OUTLOUD_TEST_POINTS", self.points());
        if let Some((name, n)) = stop {
            command.env("OUTLOUD_TEST_STOP", format!("{name}:{n}"));
        }
        command.spawn().unwrap()
    }

    fn passed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.points()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn finish(&self) -> (Vec<metrics::Record>, Vec<u8>) {
        let status = self.command().status().unwrap();
        assert_eq!(status.code(), Some(0));
        self.numbers()
    }

    fn numbers(&self) -> (Vec<metrics::Record>, Vec<u8>) {
        let text = std::fs::read_to_string(self.out().join("metrics.jsonl")).unwrap();
        let records = timeless(metrics::read(&self.out().join("metrics.jsonl")).unwrap());
        assert_eq!(text.lines().count(), records.len(), "a line that is no record");
        let steps: Vec<usize> = records.iter().map(|r| r.step).collect();
        assert_eq!(steps, (1..=self.steps).collect::<Vec<_>>(), "each step once");
        (records, std::fs::read(self.out().join("result/model.safetensors")).unwrap())
    }
}

/// Kills at each named moment in turn, in one folder; what is left is what an unkilled run leaves.
#[test]
fn killed_at_every_moment_of_its_writes() {
    let expected = Run::new(8, 2).finish();
    let run = Run::new(8, 2);
    let moments = [
        ("metrics:half", 1),
        ("metrics:begin", 2),
        ("metrics:end", 2),
        ("checkpoint:begin", 1),
        ("checkpoint:weights.safetensors", 1),
        ("checkpoint:optimizer.safetensors", 1),
        ("checkpoint:synced", 1),
        ("checkpoint:renamed", 1),
        ("metrics:half", 2),
        ("checkpoint:synced", 2),
        ("prune:renamed", 1),
        ("checkpoint:weights.safetensors", 1),
        ("result:begin", 1),
        ("result:weights", 1),
        ("result:synced", 1),
        ("result:renamed", 1),
    ];
    for (name, n) in moments {
        let mut child = run.start(Some((name, n)));
        let waiting = Instant::now();
        while run.passed().iter().filter(|p| *p == name).count() < n {
            assert!(
                waiting.elapsed() < Duration::from_secs(120),
                "{name}:{n} never came; {:?}",
                run.passed()
            );
            assert!(child.try_wait().unwrap().is_none(), "{name}:{n} never came; {:?}", run.passed());
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(run.passed().last().unwrap(), name);
    }
    assert_eq!(run.finish(), expected);
}

/// Kills at random times; `OUTLOUD_KILLS` sets how many. Prints where they fell.
#[test]
fn killed_at_random_times() {
    let kills: usize = std::env::var("OUTLOUD_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let expected = Run::new(10, 1).finish();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut fell: BTreeMap<String, usize> = BTreeMap::new();
    let (mut done, mut runs) = (0, 0);
    while done < kills {
        let run = Run::new(10, 1);
        runs += 1;
        // A run whose kills come too early for a first checkpoint is let finish in the end.
        for _ in 0..8 {
            let mut child = run.start(None);
            let begun = Instant::now();
            while run.passed().is_empty() && child.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < Duration::from_secs(120));
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(rng.random_range(0..400_000)));
            let ended = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();
            if ended {
                break;
            }
            done += 1;
            *fell.entry(format!("after {}", run.passed().last().unwrap())).or_default() += 1;
        }
        assert_eq!(run.finish(), expected);
    }
    println!("{done} kills over {runs} runs fell:");
    for (place, count) in fell {
        println!("  {count:4} {place}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exits_130() {
    let expected = Run::new(60, 100).finish();
    let run = Run::new(60, 100);
    let mut child = run.start(None);
    while run.passed().iter().filter(|p| *p == "metrics:begin").count() < 2 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let signal = |name: &str| Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(signal("-INT").success());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(130));
    assert_eq!(std::fs::read_dir(run.out().join("checkpoints")).unwrap().count(), 1);
    assert_eq!(run.finish(), expected);
}

/// A file that may not grow any further (as a quota does): the last good checkpoint stays, and the run goes on later.
#[cfg(unix)]
#[test]
fn a_write_that_finds_no_room_loses_nothing() {
    let run = Run::new(6, 2);
    let shell = |limit: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_outloud")]).args(run.arguments(&run.out()));
        command.output().unwrap()
    };
    // Blocks of 512 bytes: the weights (1.8 MB) do not fit.
    let failed = shell("1000");
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1), "{text}");
    assert!(text.contains("Free some space and give the same command again"), "{text}");
    let left: Vec<_> = std::fs::read_dir(run.out().join("checkpoints")).unwrap().collect();
    assert!(left.is_empty(), "no half-written checkpoint stays: {left:?}");
    assert_eq!(run.finish(), Run::new(6, 2).finish());
}

/// A disk that fills up in the middle of a run (a small tmpfs in a mount namespace of its own, where that is allowed).
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_last_good_checkpoint() {
    let expected = Run::new(6, 2).finish();
    let run = Run::new(6, 2);
    let mount = run.dir.path().join("disk");
    std::fs::create_dir(&mount).unwrap();
    let out = mount.join("run");
    // A checkpoint has 5.4 MB: two fit, the third does not; then there is room again.
    let script = "
        mount -t tmpfs -o size=13m tmpfs \"$DISK\" || exit 77
        \"$0\" \"$@\" 2> \"$DIR/first\"; echo $? > \"$DIR/status\"
        ls \"$DISK/run/checkpoints\" > \"$DIR/kept\"
        mount -o remount,size=64m \"$DISK\" || exit 77
        \"$0\" \"$@\" 2> \"$DIR/second\" || exit 1
        cp -r \"$DISK/run\" \"$DIR/run\"";
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_outloud")])
        .args(run.arguments(&out))
        .env("DISK", &mount)
        .env("DIR", run.dir.path())
        .status();
    let read = |name: &str| std::fs::read_to_string(run.dir.path().join(name)).unwrap_or_default();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) if read("status").is_empty() => {
            eprintln!("SKIPPED: no mount namespace here ({status})");
            return;
        }
        Ok(status) => panic!("{status}: {} {}", read("first"), read("second")),
        Err(e) => {
            eprintln!("SKIPPED: no `unshare` here ({e})");
            return;
        }
    }
    assert_eq!(read("status").trim(), "1", "{}", read("first"));
    assert!(read("first").contains("Free some space"), "{}", read("first"));
    assert_eq!(read("kept").split_whitespace().collect::<Vec<_>>(), ["00000002", "00000004"]);
    assert_eq!(run.numbers(), expected);
}
