//! What is watched in a run: rows held out, early ends, margins, centring, the divergence from the start, replay, memory.

use std::path::Path;
use std::process::Command;

use candle_core::Device;
use outloud::train::collate::PairRows;
use outloud::train::params::to_vec;
use outloud::train::run::status::{self, Asked, State};
use outloud::train::run::{Event, Job, Outcome, plan, train};
use outloud::train::start::{Origin, Start};
use outloud::train::step::Trainer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{HYPER, config, fixtures, refs, setup};
use crate::runs::{QUICK, finish, job, message, records, run, stop_after, timeless};

/// Pairs of several prompts.
fn rows(path: &Path, prompts: std::ops::Range<usize>) {
    let row = |i: usize| {
        json!({"prompt": format!("What is {i} + {i}?"), "chosen": format!("It is {}.", 2 * i), "rejected": format!("It is {}.", 2 * i + 1),
               "chosen_feedback": "Right.", "rejected_feedback": "Wrong."})
    };
    std::fs::write(path, prompts.map(|i| format!("{}\n", row(i))).collect::<String>()).unwrap();
}

fn job_of(dir: &TempDir, keys: &str, prompts: std::ops::Range<usize>) -> Job {
    let job = job(dir, "cloud", keys);
    rows(&job.data[0], prompts);
    job
}

#[test]
fn held_out_rows_are_looked_at_and_the_best_weights_kept() {
    let keys = format!("held-out = 0.4\neval-every = 2\n{QUICK}");
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (whole, broken) = (job_of(&a, &keys, 0..12), job_of(&b, &keys, 0..12));
    let records = timeless(finish(&whole));
    let evals: Vec<usize> = records.iter().filter(|r| r.eval.is_some()).map(|r| r.step).collect();
    assert_eq!(evals, [2, 4, 6]);
    let eval = records[5].eval.clone().unwrap();
    assert!(eval.eval_min_reward <= eval.eval_mean_reward && eval.eval_mean_reward <= eval.eval_max_reward);
    assert!((0.0..=1.0).contains(&eval.eval_accuracy.unwrap()) && eval.eval_loss.is_finite());
    let line = std::fs::read_to_string(whole.out.join("metrics.jsonl")).unwrap();
    assert!(line.contains("\"eval_accuracy\":") && line.contains("\"min_reward\":"));
    // The same after kills.
    stop_after(&broken, 3);
    assert_eq!(timeless(finish(&broken)), records);
    let weights = |job: &Job| std::fs::read(job.out.join("result/model.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&broken));
}

#[test]
fn a_run_that_overfits_ends_with_the_best_weights() {
    let dir = TempDir::new().unwrap();
    let keys = format!("held-out = 0.4\neval-every = 1\npatience = 2\n{QUICK}");
    let keys = keys
        .replace("lr = 1e-3", "lr = 5e-2")
        .replace("warmup = 2", "warmup = 0")
        .replace("steps = 6", "steps = 40");
    let job = job_of(&dir, &keys, 0..12);
    let (outcome, notes) = run(&job);
    let Ok(Outcome::Finished(summary)) = outcome else { panic!("{outcome:?}") };
    let why = summary.ended.unwrap();
    assert!(why.contains("overfitting"), "{why}");
    assert!(summary.steps < 40);
    assert!(notes.iter().any(|n| n.contains("result/ takes the weights of step")), "{notes:?}");
    let losses: Vec<(f64, usize)> =
        records(&job).iter().filter_map(|r| Some((r.eval.as_ref()?.eval_loss, r.step))).collect();
    let best = losses.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!(why.contains(&format!("step {} ", best.1)), "{why} {losses:?}");
    // The result is the model of that step: it gives that loss.
    let config = config("cloud", QUICK);
    let start = Start::open(&Origin::Folder(job.out.join("result")), &config, &Device::Cpu).unwrap();
    let params = start.params(&config).unwrap();
    let trainer = Trainer::new(start.backbone(), start.head(), params, &config, &Device::Cpu).unwrap();
    let kept = Path::new("best").join(format!("{:08}", best.1)).join("weights.safetensors");
    let kept = candle_core::safetensors::load(job.out.join(kept), &Device::Cpu).unwrap();
    for (name, var) in trainer.params.trainable() {
        assert_eq!(to_vec(var).unwrap(), to_vec(&kept[name]).unwrap(), "{name}");
    }
    let log = std::fs::read_to_string(job.out.join("log")).unwrap();
    assert!(log.lines().last().unwrap().contains("overfitting"), "{log}");
    assert_eq!(status::state(&job.out), State::Finished);
    assert!(status::read(&job.out).unwrap().message.contains("overfitting"));
}

#[test]
fn prompts_held_out_are_not_learned_from() {
    let dir = TempDir::new().unwrap();
    let mut job = job_of(&dir, QUICK, 0..6);
    let valid = dir.path().join("valid.jsonl");
    rows(&valid, 5..8);
    job.valid = vec![valid.clone()];
    let text = message(&job);
    assert!(
        text.contains("1 rows whose prompt is also among those held out") && text.contains("rows.jsonl:6"),
        "{text}"
    );
    assert!(!job.out.exists());
    rows(&valid, 6..8);
    assert!(finish(&job).last().unwrap().eval.is_some());
    // A share that leaves nothing on one side.
    let dir = TempDir::new().unwrap();
    let text = message(&job_of(&dir, &format!("held-out = 0.5\n{QUICK}"), 0..1));
    assert!(text.contains("held-out") && text.contains("on both sides"), "{text}");
}

#[test]
fn margin_and_centring_as_trl_has_them() {
    let mut setup = setup("cloud-llama-tiny", &config("classic", HYPER));
    let plain = setup.trainer.gradients(&refs(&setup.rows)).unwrap().0;
    for (row, margin) in setup.rows.iter_mut().zip([0.0, 1.5, -0.5]) {
        row.margin = margin;
    }
    let with_margin = setup.trainer.gradients(&refs(&setup.rows)).unwrap().0;
    let loss = |margins: [f64; 3]| {
        let each = plain.rewards.iter().zip(margins).map(|((c, r), m)| (-(c - r - m)).exp().ln_1p());
        each.sum::<f64>() / 3.0
    };
    assert!((plain.loss - loss([0.0; 3])).abs() < 1e-6);
    assert!((with_margin.loss - loss([0.0, 1.5, -0.5])).abs() < 1e-6);
    let centred = config("classic", &format!("center-rewards-coefficient = 0.1\n{HYPER}"));
    let setup = crate::common::setup("cloud-llama-tiny", &centred);
    let report = setup.trainer.gradients(&refs(&setup.rows)).unwrap().0;
    let mean = plain.rewards.iter().map(|(c, r)| (c + r) * (c + r)).sum::<f64>() / 3.0;
    assert!((report.center_loss.unwrap() - mean).abs() < 1e-5);
    assert!((report.loss - plain.loss - 0.1 * mean).abs() < 1e-6);
}

/// The gradient of the loss along its own direction against the loss's own difference.
#[test]
fn gradients_of_margin_centring_and_divergence_are_those_of_the_loss() {
    let keys =
        format!("center-rewards-coefficient = 0.3\nkl = 2.0\n{HYPER}").replace("lr = 1e-4", "lr = 1.0");
    let config = config("cloud", &keys);
    let start =
        Start::open(&Origin::Folder(fixtures().join("cloud-llama-tiny")), &config, &Device::Cpu).unwrap();
    let params = start.params(&config).unwrap();
    let trainer = Trainer::new(start.backbone(), start.head(), params, &config, &Device::Cpu).unwrap();
    let trainer = trainer.with_start(start.model(&Device::Cpu).unwrap());
    let mut rows = crate::common::setup("cloud-llama-tiny", &config).rows;
    rows[1].margin = 0.7;
    let rows: Vec<&PairRows> = rows.iter().collect();
    // Away from the start, where the divergence has no slope.
    let (_, first) = trainer.gradients(&rows).unwrap();
    let step = |gradients: &Vec<Option<candle_core::Tensor>>, by: f64| {
        for ((_, var), gradient) in trainer.params.trainable().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            var.set(&(var.as_tensor().detach() - (gradient.detach() * by).unwrap()).unwrap()).unwrap();
        }
    };
    step(&first, 0.02);
    let (report, gradients) = trainer.gradients(&rows).unwrap();
    assert!(report.kl.unwrap() > 1e-4, "{report:?}");
    let squared = report.grad_norm * report.grad_norm;
    let by = 2e-4;
    step(&gradients, by);
    let less = trainer.gradients(&rows).unwrap().0.loss;
    step(&gradients, -2.0 * by);
    let more = trainer.gradients(&rows).unwrap().0.loss;
    let slope = (more - less) / (2.0 * by);
    assert!((slope - squared).abs() < 0.03 * squared, "{slope} for {squared}");
}

#[test]
fn replay_takes_its_share_of_every_batch() {
    let dir = TempDir::new().unwrap();
    let other = dir.path().join("other.jsonl");
    rows(&other, 100..110);
    let replay = format!("replay = {{ file = {other:?}, share = 0.5 }}\n");
    let keys = format!("{replay}{QUICK}").replace("batch = 2\nmicro", "batch = 4\nmicro");
    let job = job_of(&dir, &keys, 0..6);
    let found = finish(&job);
    assert!(found.iter().all(|r| r.pairs == 4), "{found:?}");
    // Two new rows a step: six are one epoch in three steps.
    assert_eq!(found.iter().map(|r| r.epoch).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2]);
    let run = std::fs::read_to_string(job.out.join("run.toml")).unwrap();
    assert!(run.contains("[replay]") && run.contains("other.jsonl"));
}

#[test]
fn what_is_asked_of_a_run_is_done() {
    let dir = TempDir::new().unwrap();
    let job = job_of(&dir, QUICK, 0..6);
    let asking = |at: usize, what: Asked| {
        train(
            &job,
            &mut |event| {
                if matches!(event, Event::Step(r) if r.step == at) {
                    status::ask(&job.out, what).unwrap();
                }
            },
            &|| false,
        )
    };
    assert_eq!(asking(2, Asked::Pause).unwrap(), Outcome::Interrupted(2));
    assert_eq!(status::state(&job.out), State::Paused);
    let Ok(Outcome::Finished(summary)) = asking(4, Asked::Stop) else { panic!("it was to end") };
    assert_eq!(summary.steps, 4);
    assert!(summary.ended.unwrap().contains("as asked"));
    assert!(job.out.join("result/model.safetensors").exists());
}

#[test]
fn a_changed_base_is_said() {
    let dir = TempDir::new().unwrap();
    let mut job = job_of(&dir, QUICK, 0..6);
    let base = dir.path().join("base");
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten().filter(|e| e.path().is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    let fixture = fixtures().join("cloud-llama-tiny");
    copy(&fixture, &base);
    copy(&fixture.join("base"), &base.join("base"));
    job.origin = Origin::Folder(base.clone());
    stop_after(&job, 2);
    let mut weights = std::fs::read(base.join("model.safetensors")).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    std::fs::write(base.join("model.safetensors"), weights).unwrap();
    let text = message(&job);
    assert!(text.contains("was changed after this run began"), "{text}");
}

#[test]
fn memory_is_estimated_and_what_does_not_fit_refused() {
    let dir = TempDir::new().unwrap();
    let small = plan(&job(&dir, "cloud", QUICK)).unwrap().0;
    assert!(small.total_mib > small.weights_mib && small.steps == 6 && small.flops_per_step > 1e6);
    let sparing = plan(&job(&dir, "cloud", &format!("gradient-checkpointing = true\n{QUICK}"))).unwrap().0;
    assert!(sparing.activations_mib < 0.7 * small.activations_mib);
    let lora = plan(&job(&dir, "cloud", &format!("{QUICK}[lora]\nrank = 2\n"))).unwrap().0;
    assert!(lora.optimizer_mib < 0.3 * small.optimizer_mib);
    assert!(small.too_large(Some(1e6)).is_none() && small.too_large(None).is_none());
    let why = small.too_large(Some(10.0)).unwrap();
    assert!(why.contains("10 MiB free") && why.contains("what would help most"), "{why}");
    let (outcome, notes) = run(&job(&dir, "cloud", QUICK));
    outcome.unwrap();
    assert!(notes.iter().any(|n| n.starts_with("memory about") && n.contains("6 steps")), "{notes:?}");
    assert!(notes.iter().any(|n| n.contains("estimated") && n.contains("to go")), "{notes:?}");
}

#[test]
fn tensorboards_own_reader_finds_the_numbers() {
    let dir = TempDir::new().unwrap();
    let job = job_of(&dir, &format!("held-out = 0.4\neval-every = 3\n{QUICK}"), 0..12);
    stop_after(&job, 3);
    let records = finish(&job);
    let files = std::fs::read_dir(job.out.join("tensorboard")).unwrap().count();
    assert_eq!(files, 2, "one for each process");
    let python = std::env::var("OUTLOUD_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if !probe.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: `{python}` has no tensorboard (set OUTLOUD_PYTHON)");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_events.py");
    let output = Command::new(&python).arg(script).arg(job.out.join("tensorboard")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scalars = |tag: &str| found[tag].as_array().unwrap().clone();
    assert_eq!(scalars("train/loss").len(), 6);
    for (point, record) in scalars("train/loss").iter().zip(&records) {
        assert_eq!(point[0].as_u64().unwrap() as usize, record.step);
        assert!((point[1].as_f64().unwrap() - record.loss).abs() < 1e-5 * record.loss);
    }
    assert_eq!(scalars("eval/loss").len(), 2);
    assert_eq!(scalars("train/lr").len(), 6);
}
