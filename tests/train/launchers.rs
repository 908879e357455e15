//! Runs by the launchers there are, through the real thing: sshd on loopback (another machine is played by another folder),
//! a Slurm cluster, a Ray cluster. What is not on this machine is skipped, and says so.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outloud::checkpoint::Checkpoint;
use outloud::train::run::metrics;
use outloud::train::run::status::{self, State};

use crate::jobs::Place;

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn skip(what: &str, why: &str) {
    eprintln!("SKIPPED: a run by {what}: {why}");
}

fn kill(run: &Path) {
    let pid = status::read(run).unwrap().process.pid.to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

/// Trained, killed, resumed, paused, resumed, stopped with a result, fetched; each step once. `cancel`: ends the job as its
/// launcher does.
fn whole_life(place: &Place, more: &[&str], cancel: impl Fn(&str)) {
    let job = |run: &str| {
        let launch: serde_json::Value =
            serde_json::from_slice(&std::fs::read(place.path(run).join("launch.json")).unwrap()).unwrap();
        launch["job"].as_str().unwrap().to_owned()
    };
    let said = place.start(more, "run", "100000");
    assert!(said.contains("job "), "{said}");
    let first = job("run");
    place.wait("run", "steps", |_| place.steps("run") >= 3);
    kill(&place.path("run"));
    place.wait("run", "death", |run| status::state(run) == State::Dead);
    place.good(&["runs", "resume", "run"]);
    assert_ne!(job("run"), first, "a job of its own");
    place.wait("run", "resume", |run| status::state(run) == State::Running);
    let steps = place.steps("run");
    place.wait("run", "steps after it", |_| place.steps("run") > steps);
    cancel(&job("run"));
    place.wait("run", "end by its launcher", |run| status::state(run) == State::Paused);
    let paused = place.steps("run");
    place.good(&["runs", "resume", "run"]);
    place.wait("run", "second resume", |_| place.steps("run") > paused);
    place.good(&["runs", "pause", "run"]);
    place.wait("run", "pause", |run| status::state(run) == State::Paused);
    place.good(&["runs", "resume", "run"]);
    place.wait("run", "third resume", |run| status::state(run) == State::Running);
    place.good(&["runs", "stop", "run"]);
    place.wait("run", "end", |run| status::state(run) == State::Finished);
    assert!(place.good(&["runs", "fetch", "run"]).contains("is here"));
    Checkpoint::open(&place.path("run/result")).unwrap();
    let records = metrics::read(&place.path("run/metrics.jsonl")).unwrap();
    assert!(records.iter().enumerate().all(|(i, r)| r.step == i + 1), "each step once");
}

#[test]
fn a_run_by_slurm() {
    let there = Command::new("sinfo").arg("-h").stderr(Stdio::null()).output();
    if !there.is_ok_and(|out| out.status.success() && !out.stdout.is_empty()) {
        return skip("slurm", "no cluster answers to sinfo");
    }
    whole_life(&Place::new(), &["--launcher", "slurm", "--set", "options=--ntasks=1"], |job| {
        assert!(Command::new("scancel").arg(job).status().unwrap().success());
    });
}

#[test]
fn a_run_by_ray() {
    let address = std::env::var("RAY_ADDRESS").unwrap_or_else(|_| "http://127.0.0.1:8265".into());
    let to = format!("--address={address}");
    let list = Command::new("ray").args(["job", "list", &to]).output();
    if !list.is_ok_and(|out| out.status.success()) {
        return skip("ray", "no cluster answers to ray job list");
    }
    whole_life(&Place::new(), &["--launcher", "ray", "--set", &format!("address={address}")], |job| {
        let stopped = Command::new("ray").args(["job", "stop", &to, "--no-wait", job]).output().unwrap();
        assert!(stopped.status.success());
    });
}

/// An sshd of our own on loopback. What it is told of `here` it does in `there`: the paths are those of another machine.
struct Machine {
    daemon: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Machine {
    fn start(here: &Path) -> Option<Self> {
        let (sshd, keygen) = (program("sshd")?, program("ssh-keygen")?);
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let made = Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).status();
            assert!(made.unwrap().success());
        }
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        std::fs::create_dir_all(dir.path().join("there")).unwrap();
        // Privilege separation wants its folder where sshd runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let wrapper = format!(
            "#!/bin/sh\nexport XDG_STATE_HOME={}\nexec sh -c \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed 's#{}#{}#g')\"\n",
            at("state"),
            here.display(),
            at("there")
        );
        std::fs::write(at("wrapper"), wrapper).unwrap();
        Command::new("chmod").args(["755", &at("wrapper")]).status().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\nForceCommand {}\n",
            at("host"),
            at("authorized"),
            at("wrapper")
        );
        std::fs::write(at("config"), config).unwrap();
        let daemon =
            Command::new(sshd).args(["-D", "-e", "-f", &at("config")]).stderr(Stdio::null()).spawn().ok()?;
        let machine = Self { daemon, dir, port };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if machine.ssh("true") {
                return Some(machine);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }

    fn options(&self) -> String {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        format!(
            "-p {} -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile={} -o IdentitiesOnly=yes",
            self.port,
            at("user"),
            at("known")
        )
    }

    fn ssh(&self, command: &str) -> bool {
        let options = self.options();
        let words = options.split_whitespace().chain(["-o", "BatchMode=yes", "127.0.0.1", command]);
        Command::new("ssh").args(words).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }

    fn there(&self, name: &str) -> PathBuf {
        self.dir.path().join("there").join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn a_run_by_ssh_is_fetched_from_the_other_machine() {
    let place = Place::new();
    if program("ssh").is_none() {
        return skip("ssh", "no ssh here");
    }
    let Some(machine) = Machine::start(place.path("run").parent().unwrap()) else {
        return skip("ssh", "no sshd that starts here");
    };
    for file in ["rows.jsonl", "config.toml"] {
        std::fs::copy(place.path(file), machine.there(file)).unwrap();
    }
    let there = machine.there("run");
    let steps = || metrics::read(&there.join("metrics.jsonl")).map_or(0, |r| r.len());
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !done() {
            let console = std::fs::read_to_string(there.join("console.log"));
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "{what}: {:?} {console:?}",
                status::read(&there)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let exe = format!("remote_exe={}", env!("CARGO_BIN_EXE_outloud"));
    let options = format!("options={}", machine.options());
    let more = ["--launcher", "ssh", "--set", "host=127.0.0.1", "--set", &exe, "--set", &options];
    assert!(place.start(&more, "run", "100000").contains("job "));
    wait("steps", &|| steps() >= 3);
    assert!(!place.path("run/metrics.jsonl").exists(), "nothing of it is here yet");
    assert!(place.good(&["runs", "fetch", "run"]).contains("fetched"));
    assert!(place.steps("run") >= 3);
    kill(&there);
    wait("death", &|| status::state(&there) == State::Dead);
    place.good(&["runs", "fetch", "run"]);
    assert_eq!(status::state(&place.path("run")), State::Dead);
    let before = steps();
    place.good(&["runs", "resume", "run"]);
    wait("resume", &|| steps() > before);
    place.good(&["runs", "fetch", "run"]);
    place.good(&["runs", "stop", "run"]);
    wait("end", &|| status::state(&there) == State::Finished);
    place.good(&["runs", "fetch", "run"]);
    assert_eq!(status::state(&place.path("run")), State::Finished);
    Checkpoint::open(&place.path("run/result")).unwrap();
    let records = metrics::read(&place.path("run/metrics.jsonl")).unwrap();
    assert!(records.iter().enumerate().all(|(i, r)| r.step == i + 1), "each step once");
    assert!(
        std::fs::read_dir(place.path("run"))
            .unwrap()
            .flatten()
            .all(|e| !e.file_name().to_string_lossy().starts_with(".here"))
    );
}
