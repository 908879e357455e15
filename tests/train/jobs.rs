//! Runs as jobs, through the program: started, watched, paused, resumed, cloned, stopped, one after the other on a device; and
//! the recipe in stages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use outloud::checkpoint::Checkpoint;
use outloud::train::run::metrics;
use outloud::train::run::status::{self, State};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{fixtures, pairs_file};

const CONFIG: &str = "batch = 1\nmicro-batch = 1\nmax-len = 96\nshards = 1\n[schedule]\nwarmup = 0";

pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::copy(pairs_file().path(), dir.path().join("rows.jsonl")).unwrap();
        std::fs::write(dir.path().join("config.toml"), CONFIG).unwrap();
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn outloud(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_outloud"))
            .args(words)
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .output()
            .unwrap()
    }

    pub fn good(&self, words: &[&str]) -> String {
        let output = self.outloud(words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub fn train(&self, out: &str, steps: &str) -> Vec<String> {
        let model = fixtures().join("cloud-llama-tiny").display().to_string();
        [
            "train",
            "--recipe",
            "cloud",
            "--lr",
            "1e-4",
            "--model",
            &model,
            "--data",
            "rows.jsonl",
            "--config",
            "config.toml",
            "--save-every",
            "50",
            "--steps",
            steps,
            "--out",
            out,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    pub fn start(&self, more: &[&str], out: &str, steps: &str) -> String {
        let train = self.train(out, steps);
        let words: Vec<&str> = ["runs", "start"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(["--"])
            .chain(train.iter().map(String::as_str))
            .collect();
        self.good(&words)
    }

    pub fn wait(&self, out: &str, what: &str, done: impl Fn(&Path) -> bool) {
        let (run, begun) = (self.path(out), Instant::now());
        while !done(&run) {
            assert!(begun.elapsed() < Duration::from_secs(300), "{out}: {what}; {:?}", status::read(&run));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn steps(&self, out: &str) -> usize {
        metrics::read(&self.path(out).join("metrics.jsonl")).map_or(0, |r| r.len())
    }
}

#[test]
fn a_run_outlives_its_starter_and_does_what_it_is_asked() {
    let place = Place::new();
    let said = place.start(&[], "run", "4000");
    assert!(said.contains("process "), "{said}");
    place.wait("run", "steps", |_| place.steps("run") >= 3);
    let report = status::read(&place.path("run")).unwrap();
    // A session of its own: hanging up does not end it.
    let pid = report.process.pid.to_string();
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = session.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().to_owned();
    assert_eq!(session, pid);
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let before = place.steps("run");
    place.wait("run", "more steps", |_| place.steps("run") > before + 2);
    let listed: Value = serde_json::from_str(&place.good(&["runs", "list", "--json"])).unwrap();
    assert_eq!(listed["state"], "running");
    assert!(!place.outloud(&["runs", "resume", "run"]).status.success(), "it is at work");
    place.good(&["runs", "pause", "run"]);
    place.wait("run", "pause", |run| status::state(run) == State::Paused);
    let paused = place.steps("run");
    place.good(&["runs", "resume", "run"]);
    place.wait("run", "resume", |_| place.steps("run") > paused);
    // Killed: dead, not slow; and it goes on.
    let pid = status::read(&place.path("run")).unwrap().process.pid.to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    place.wait("run", "death", |run| status::state(run) == State::Dead);
    place.good(&["runs", "resume", "run"]);
    place.wait("run", "second resume", |run| status::state(run) == State::Running);
    place.wait("run", "steps after it", |_| place.steps("run") > paused);
    place.good(&["runs", "stop", "run"]);
    place.wait("run", "end", |run| status::state(run) == State::Finished);
    Checkpoint::open(&place.path("run/result")).unwrap();
    let records = metrics::read(&place.path("run/metrics.jsonl")).unwrap();
    assert!(records.iter().enumerate().all(|(i, r)| r.step == i + 1), "each step once");
    let watched = place.good(&["runs", "attach", "run"]);
    assert!(watched.contains("step 1 loss") && watched.trim_end().ends_with("finished"), "{watched}");
    place.good(&["runs", "clone", "run", "--out", "copy", "--", "--steps", "2"]);
    place.wait("copy", "end", |run| status::state(run) == State::Finished);
    assert_eq!(place.steps("copy"), 2);
    assert_eq!(place.good(&["runs", "list"]).lines().count(), 2);
    place.good(&["runs", "forget", "copy"]);
    assert_eq!(place.good(&["runs", "list"]).lines().count(), 1);
}

#[test]
fn the_command_launcher_starts_fails_and_names_what_it_lacks() {
    let place = Place::new();
    let shell = "shell=nohup {command} > {run}/console.log 2>&1 & echo job-7";
    let said = place.start(&["--launcher", "command", "--set", shell], "run", "3");
    assert!(said.contains("job job-7"), "{said}");
    place.wait("run", "end", |run| status::state(run) == State::Finished);
    let launch: Value =
        serde_json::from_slice(&std::fs::read(place.path("run/launch.json")).unwrap()).unwrap();
    assert_eq!((&launch["launcher"], &launch["job"]), (&"command".into(), &"job-7".into()));
    let train = place.train("other", "3");
    let start = |more: &[&str]| {
        let words: Vec<&str> = ["runs", "start"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(["--"])
            .chain(train.iter().map(String::as_str))
            .collect();
        let output = place.outloud(&words);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(
        start(&["--launcher", "command", "--set", "shell=echo no >&2; false"])
            .contains("a start that failed")
    );
    assert!(start(&["--launcher", "command"]).contains("--set shell"));
    assert!(start(&["--launcher", "command", "--set", "sheel=x"]).contains("no value `sheel`"));
    assert!(start(&["--launcher", "lokal"]).contains("there are local"));
    let shown = place.good(&["runs", "launchers"]);
    for (name, program) in [("slurm", "sbatch"), ("ray", "ray"), ("ssh", "ssh")] {
        let there =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(program).is_file());
        assert!(shown.contains(name));
        if !there {
            eprintln!("SKIPPED: a run by {name}; this machine has no {program}");
            let said = start(&["--launcher", name]);
            assert!(said.contains(program), "{said}");
        }
    }
}

#[test]
fn runs_wait_for_their_device() {
    let place = Place::new();
    let train = |out: &str, steps: &str| {
        let mut words = place.train(out, steps);
        words.push("--wait-for-device".into());
        words
    };
    let start = |out: &str, steps: &str| {
        let train = train(out, steps);
        let words: Vec<&str> =
            ["runs", "start", "--"].into_iter().chain(train.iter().map(String::as_str)).collect();
        place.good(&words)
    };
    start("first", "4000");
    place.wait("first", "steps", |_| place.steps("first") > 0);
    start("second", "2");
    place.wait("second", "queue", |run| status::state(run) == State::Queued);
    start("third", "2");
    place.wait("third", "queue", |run| status::state(run) == State::Queued);
    place.good(&["runs", "stop", "third"]);
    place.wait("third", "end of waiting", |run| status::state(run) == State::Stopped);
    assert!(place.good(&["runs", "list", "third"]).contains("before its first step"));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(place.steps("second"), 0);
    // The first one dies: its place is free.
    let pid = status::read(&place.path("first")).unwrap().process.pid.to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    place.wait("second", "end", |run| status::state(run) == State::Finished);
}

#[test]
fn a_start_that_fails_leaves_a_run_that_says_why() {
    let place = Place::new();
    let fail = |words: &[&str]| {
        let output = place.outloud(words);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let model = fixtures().join("cloud-llama-tiny").display().to_string();
    let run = [
        "runs",
        "start",
        "--",
        "train",
        "--recipe",
        "cloud",
        "--model",
        &model,
        "--data",
        "gone.jsonl",
        "--out",
        "a",
    ];
    // On a busy machine the process may not have got so far when its starter leaves it.
    let output = place.outloud(&run);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("gone.jsonl"), "{said}");
    place.wait("a", "failure", |run| status::state(run) == State::Failed);
    let shell = "shell=echo no partition of this name >&2; exit 3";
    let run = [
        "runs",
        "start",
        "--launcher",
        "command",
        "--set",
        shell,
        "--",
        "train",
        "--recipe",
        "cloud",
        "--data",
        "rows.jsonl",
        "--out",
        "b",
    ];
    assert!(fail(&run).contains("no partition"));
    for (run, why) in [("a", "gone.jsonl"), ("b", "exit status: 3: no partition of this name")] {
        assert_eq!(status::state(&place.path(run)), State::Failed);
        let listed = place.good(&["runs", "list", run]);
        assert!(listed.starts_with("failed") && listed.contains(why), "{listed}");
    }
    // It can be cloned with what was wrong put right, and started again.
    place.good(&[
        "runs",
        "clone",
        "a",
        "--out",
        "c",
        "--",
        "--data",
        "rows.jsonl",
        "--config",
        "config.toml",
        "--steps",
        "1",
    ]);
    place.wait("c", "end", |run| status::state(run) == State::Finished);
    std::fs::copy(place.path("rows.jsonl"), place.path("gone.jsonl")).unwrap();
    place.good(&["runs", "resume", "a"]);
    place.wait("a", "begin", |run| status::state(run) != State::Failed);
    place.good(&["runs", "stop", "a"]);
}

#[test]
fn rows_that_hold_no_preference_are_refused_with_their_counts() {
    let place = Place::new();
    let model = fixtures().join("cloud-llama-tiny").display().to_string();
    let rows = |name: &str, lines: &[&str]| std::fs::write(place.path(name), lines.join("\n")).unwrap();
    rows(
        "single.jsonl",
        &[
            r#"{"prompt":"a","completion":"x","label":true}"#,
            r#"{"prompt":"b","completion":"y","label":true}"#,
        ],
    );
    rows(
        "both.jsonl",
        &[
            r#"{"prompt":"a","completion":"x","label":true}"#,
            r#"{"prompt":"b","completion":"y","label":false}"#,
        ],
    );
    rows(
        "ties.jsonl",
        &[r#"{"prompt":"a","chosen":"x","rejected":"x"}"#, r#"{"prompt":"b","chosen":"y","rejected":"y"}"#],
    );
    rows("undecided.csv", &["question,response_a,response_b,winner", "q,x,y,tie", "r,x,z,tie"]);
    rows("none.jsonl", &[""]);
    for (file, said) in [
        ("single.jsonl", "2 rows of one answer each, all of one class: 2 good, 0 bad"),
        ("both.jsonl", "1 good, 1 bad, and no prompt with both"),
        ("ties.jsonl", "2 pairs whose two answers are the same text"),
        ("undecided.csv", "2 rows, all of them ties"),
        ("none.jsonl", "no rows"),
    ] {
        let words =
            ["train", "--recipe", "classic", "--model", &model, "--data", file, "--out", "run", "--dry-run"];
        let output = place.outloud(&words);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(said), "{file}: {err}");
        assert!(!place.path("run").exists());
    }
}

#[test]
fn a_prompt_of_another_file_that_is_held_out_is_not_learned_from() {
    let place = Place::new();
    let model = fixtures().join("cloud-llama-tiny").display().to_string();
    let pair = |prompt: &str, chosen: &str| {
        format!("{{\"prompt\":{prompt},\"chosen\":\"{chosen}\",\"rejected\":\"no\"}}\n")
    };
    std::fs::write(place.path("a.jsonl"), pair("\"one\"", "x") + &pair("\"two\"", "x")).unwrap();
    // The same prompt as a chat, with other answers.
    let chat = r#"[{"role":"user","content":"two"}]"#;
    std::fs::write(place.path("b.jsonl"), pair(chat, "z")).unwrap();
    let words = [
        "train",
        "--recipe",
        "classic",
        "--model",
        &model,
        "--data",
        "a.jsonl",
        "--valid",
        "b.jsonl",
        "--out",
        "run",
        "--dry-run",
    ];
    let output = place.outloud(&words);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("a.jsonl:2") && err.contains("1 rows whose prompt is also among those held out"),
        "{err}"
    );
}

#[test]
fn a_dry_run_makes_nothing() {
    let place = Place::new();
    let mut words = place.train("run", "7");
    words.push("--dry-run".into());
    let said = place.good(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("memory about") && said.contains("7 steps of about"), "{said}");
    // What will be cut is counted before anything begins.
    std::fs::write(place.path("config.toml"), CONFIG.replace("max-len = 96", "max-len = 70")).unwrap();
    let said = place.good(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("rows are longer than 70 tokens and are cut"), "{said}");
    assert!(!place.path("run").exists());
}

#[test]
fn the_papers_order_in_one_folder() {
    let place = Place::new();
    let config = "batch = 1\nmicro-batch = 1\nmax-len = 96\nshards = 1\n[schedule]\nwarmup = 0\n[lora]\nrank = 2\n[critique]\nmax-tokens = 200\n[cloud]\nsteps = 3\n[csft]\nsteps = 2\n";
    std::fs::write(place.path("config.toml"), config).unwrap();
    let model = fixtures().join("cloud-llama-tiny").display().to_string();
    let words = [
        "train",
        "--recipe",
        "cloud-onpolicy",
        "--model",
        &model,
        "--data",
        "rows.jsonl",
        "--config",
        "config.toml",
        "--out",
        "run",
    ];
    place.good(&words);
    assert_eq!((place.steps("run/csft"), place.steps("run/cloud")), (2, 3));
    let result = Checkpoint::open(&place.path("run/result")).unwrap();
    let base = Checkpoint::open(&fixtures().join("cloud-llama-tiny")).unwrap();
    assert_eq!(result.adapter.unwrap().base_fingerprint, base.fingerprint);
    // The critiques learned last are the model's own.
    let own = std::fs::read_to_string(place.path("run/on-policy.jsonl")).unwrap();
    let given = std::fs::read_to_string(place.path("rows.jsonl")).unwrap();
    let first = |text: &str| serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap();
    assert_eq!(first(&own)["prompt"], first(&given)["prompt"]);
    assert_ne!(first(&own)["chosen_feedback"], first(&given)["chosen_feedback"]);
    // Interrupted between stages, the same command goes on; with other settings it does not.
    std::fs::remove_dir_all(place.path("run/cloud")).unwrap();
    std::fs::remove_dir_all(place.path("run/result")).unwrap();
    let critiques = std::fs::metadata(place.path("run/critiques.jsonl")).unwrap().modified().unwrap();
    place.good(&words);
    assert_eq!(std::fs::metadata(place.path("run/critiques.jsonl")).unwrap().modified().unwrap(), critiques);
    Checkpoint::open(&place.path("run/result")).unwrap();
    let mut other = words.to_vec();
    other.extend(["--lr", "1"]);
    let output = place.outloud(&other);
    assert!(String::from_utf8_lossy(&output.stderr).contains("other settings"));
    std::fs::write(place.path("config.toml"), format!("{config}[critiqe]\nx = 1\n")).unwrap();
    let output = place.outloud(&words);
    assert!(String::from_utf8_lossy(&output.stderr).contains("critiqe"));
}
