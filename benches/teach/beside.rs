//! Ten labelled pairs trained on as the Train dialog does it, beside critiques that stream.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use outloud::engine::{CritiqueOptions, Input};
use outloud::stories::Split;
use outloud::train::run::status::{self, State};
use serde_json::Value;

use super::common::{self, Engine, verdict};
use super::{program, run, unit};

const LABELS: usize = 10;
/// How long critiques stream alone, before and after.
const ALONE: Duration = Duration::from_secs(15);

pub fn time() {
    let threads = common::two_threads();
    println!("{}; {threads} threads", common::cpu());
    let folder = tempfile::tempdir().unwrap();
    let words = lesson(folder.path());
    let mut stream = Stream::open();
    stream.until(&mut |elapsed| elapsed > Duration::from_secs(3));
    let before = stream.until(&mut |elapsed| elapsed > ALONE);
    let run_dir = folder.path().join("run");
    let begun = Instant::now();
    let mut starting = Command::new(program())
        .args(["runs", "start", "--"])
        .args(&words)
        .env("XDG_STATE_HOME", folder.path())
        .spawn()
        .unwrap();
    let mut seconds = None;
    let beside = stream.until(&mut |_| {
        let state = status::state(&run_dir);
        assert!(!matches!(state, State::Failed | State::Dead), "the run ended: {state:?}");
        if state == State::Finished {
            seconds.get_or_insert_with(|| begun.elapsed().as_secs_f64());
        }
        seconds.is_some()
    });
    assert!(starting.wait().unwrap().success());
    let after = stream.until(&mut |elapsed| elapsed > ALONE);
    println!("critiques stream at {:.0}, {:.0}, {:.0} tokens/s before, beside, after", before, beside, after);
    let share = 2.0 * beside / (before + after);
    verdict("a critique beside training, share of its speed alone", share, ">= 0.5", share >= 0.5);
    let seconds = seconds.unwrap();
    verdict("ten labelled pairs beside it, s", seconds, "< 60", seconds < 60.0);
    let begun = Instant::now();
    let again = folder.path().join("alone");
    let words: Vec<String> = words
        .into_iter()
        .map(|word| if Path::new(&word) == run_dir { again.display().to_string() } else { word })
        .collect();
    run(&words);
    println!("the same without critiques: {:.1} s", begun.elapsed().as_secs_f64());
}

/// Ten labels with the model's critiques, and the words of the dialog for them.
fn lesson(folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name);
    let pairs = unit::pairs(Split::Train, 911, LABELS);
    unit::write(&at("pairs.jsonl"), &pairs);
    let (rows, judged) = (at("pairs.jsonl"), at("judged.jsonl"));
    run(&["critique", "--out", judged.to_str().unwrap(), rows.to_str().unwrap()].map(str::to_owned));
    unit::write(&at("labels.jsonl"), &unit::labelled(&pairs, &judged, false));
    unit::write(&at("stories.jsonl"), &unit::stories(Split::Train, 2026, 400));
    super::words(&at("labels.jsonl"), &at("stories.jsonl"), &at("run"), LABELS, 1)
}

/// Critiques of one story after the other.
struct Stream {
    engine: Engine,
    rows: std::vec::IntoIter<Value>,
}

impl Stream {
    fn open() -> Self {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
        Self { engine: Engine::load(&model), rows: unit::stories(Split::Test, 903, 2000).into_iter() }
    }

    /// Tokens a second until it is enough (asked after each critique).
    fn until(&mut self, enough: &mut dyn FnMut(Duration) -> bool) -> f64 {
        let (begun, mut tokens) = (Instant::now(), 0);
        while !enough(begun.elapsed()) {
            let row = self.rows.next().expect("stories enough");
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let input = Input::text(text("prompt"), text("rejected"));
            let (written, _) = self.engine.critique(&input, &CritiqueOptions::default());
            tokens += written.critique_token_ids.len();
        }
        tokens as f64 / begun.elapsed().as_secs_f64()
    }
}
