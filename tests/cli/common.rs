//! The binary, the fixtures, and comparing with the reference's numbers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

pub const CLOUD: [&str; 4] =
    ["cloud-llama-tiny", "cloud-llama-tiny-bf16-sharded", "cloud-qwen2-tiny", "cloud-gemma3-tiny"];
pub const CLASSIC: &str = "classic-llama-tiny";

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn expected(name: &str) -> Value {
    let path = fixture("expected").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outloud"));
    command.env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
    command
}

pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    pub fn rows(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Exit status 0, and the rows.
    pub fn good(&self) -> Vec<Value> {
        assert_eq!(self.status, 0, "{}\n{}", self.stderr, self.stdout);
        self.rows()
    }
}

pub fn outloud<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    binary().args(args).output().unwrap().into()
}

/// Runs a command of `critique` or `score` on rows given by standard input.
pub fn over(model: &str, args: &[&str], rows: &[Value]) -> Run {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    over_text(model, args, text.as_bytes())
}

pub fn over_text(model: &str, args: &[&str], text: &[u8]) -> Run {
    let mut child = binary()
        .args(args)
        .arg("--model")
        .arg(fixture(model))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that ends early closes the pipe.
        let _ = stdin.write_all(&text);
    });
    let run = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    run
}

pub fn cases(expected: &Value, key: &str) -> Vec<Value> {
    expected[key].as_array().unwrap().clone()
}

/// `id`, `prompt` and `answer` of the reference's cases.
pub fn inputs(cases: &[Value]) -> Vec<Value> {
    let row = |c: &Value| json!({"id": c["id"], "prompt": c["prompt"], "answer": c["answer"]});
    cases.iter().map(row).collect()
}

pub fn close(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_f64().expect(what), expected.as_f64().expect(what));
    let tolerance = 1e-4 + 1e-4 * expected.abs();
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, the reference {expected}");
}

pub fn all_close(found: &Value, expected: &[Value], what: &str) {
    let found = found.as_array().expect(what);
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        close(found, expected, &format!("{what}[{i}]"));
    }
}
