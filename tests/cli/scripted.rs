//! The batch loop over an engine that answers out of order: order, gaps, resuming, failures, interrupts.

use std::path::Path;
use std::thread;

use outloud::checkpoint::{Method, Prompt, Reading, Spec};
use outloud::cli::Exit;
use outloud::cli::batch::{Batch, Task};
use outloud::cli::host::{self, Host};
use outloud::cli::interrupt::Interrupt;
use outloud::cli::output::Output;
use outloud::cli::progress::Progress;
use outloud::cli::result::{MadeWith, Shape};
use outloud::cli::resume::Settings;
use outloud::engine::{
    Client, CritiqueOptions, DeviceChoice, Event, Events, ModelInfo, ModelSource, Port, Request, Stopped,
    Ticket, Timing, TokenCount, Verdict, channel,
};
use outloud::rows::Reader;
use serde_json::{Value, json};

const SPEC: &str = r#"{"method": "cloud", "backbone": {"family": "llama", "hidden_size": 1, "intermediate_size": 1,
    "num_heads": 1, "num_kv_heads": 1, "head_dim": 1, "vocab_size": 1, "max_position_embeddings": 1,
    "rms_norm_eps": 1e-5, "norm_plus_one": false, "activation": "silu", "qkv_bias": false, "o_bias": false,
    "mlp_bias": false, "qk_norm": false, "sandwich_norms": false, "embedding_scale": null, "attention_scale": 1.0,
    "attention_softcap": null, "logit_softcap": null, "tied": false, "ropes": [], "layers": []},
    "head": {"kind": "linear", "weight": "score"}, "prompt": {"critique_prompt": "C: ",
    "end_of_turn": {"text": "<e>", "id": 0}, "bos": null, "eos": null, "pad": null, "clean_up": false},
    "calibration": {"temperature": 1.0}, "reasons": []}"#;

fn info() -> ModelInfo {
    let spec: Spec = serde_json::from_str(SPEC).unwrap();
    ModelInfo {
        name: "scripted".into(),
        fingerprint: "0123456789abcdef".into(),
        spec,
        parameters: 1,
        dtype: "f32".into(),
        device: "cpu".into(),
        bytes: 4,
        load_s: 0.0,
    }
}

fn verdict(reward: f32) -> Verdict {
    Verdict {
        reward,
        reading: Reading::InPlace,
        critique: Some("c".into()),
        critique_token_ids: vec![1, 0],
        text_is_exact: true,
        stopped: Some(Stopped::Eot),
        trace: vec![0.5, reward],
        trace_tokens: Vec::new(),
        choices: Vec::new(),
        stop_here: None,
        prompt_token_ids: vec![1],
        tokens: TokenCount::default(),
        seed: None,
        timing: Timing::default(),
    }
}

/// The prompt says what the engine does with a row: `slow` rows end after all others that are there, `never` ones not
/// at all, `stop` presses Ctrl-C. The reward is the answer, a number.
fn play(mut port: Port, interrupt: &Interrupt) {
    let mut held: Vec<(Ticket, f32)> = Vec::new();
    let end = |ticket, event| {
        let _ = port.events.blocking_send(event);
        let _ = port.events.blocking_send(Event::Done { ticket });
    };
    loop {
        let request = match port.requests.try_recv() {
            Ok(request) => request,
            Err(_) if !held.is_empty() => {
                let (ticket, reward) = held.remove(0);
                end(ticket, Event::Critiqued { ticket, verdicts: vec![verdict(reward)] });
                continue;
            }
            Err(_) => match port.requests.blocking_recv() {
                Some(request) => request,
                None => return,
            },
        };
        match request {
            Request::Load { ticket, model, .. } => {
                end(ticket, Event::Loaded { ticket, model, info: Box::new(info()) })
            }
            Request::Critique { ticket, input, .. } => {
                let Prompt::Text(prompt) = &input.prompt else { panic!() };
                let reward: f32 = input.answer.parse().unwrap();
                match prompt.as_str() {
                    "die" => panic!("the engine dies"),
                    "fail" => end(ticket, Event::Failed { ticket, error: "it failed".into() }),
                    "slow" => held.push((ticket, reward)),
                    "never" => {}
                    "stop" => interrupt.ask(),
                    _ => end(ticket, Event::Critiqued { ticket, verdicts: vec![verdict(reward)] }),
                }
            }
            _ => {}
        }
    }
}

struct Run<'a> {
    out: &'a Path,
    resume: bool,
    seed: u64,
}

impl Run<'_> {
    fn over(&self, rows: &[Value]) -> outloud::Result<Exit> {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let interrupt = Interrupt::default();
        let (client, events, port): (Client, Events, Port) = channel();
        let asks = interrupt.clone();
        thread::spawn(move || play(port, &asks));
        host::runtime().unwrap().block_on(async {
            let host =
                Host::load((client, events), ModelSource::DEMO, DeviceChoice::Auto, interrupt).await.unwrap();
            let mut options = CritiqueOptions::default();
            (options.sampling.seed, options.sampling.temperature) = (self.seed, 1.0);
            let made_with = MadeWith::critique(&host.info, &options);
            let shape = Shape { made_with, ..Shape::default() };
            let settings = Settings::of_run(&shape, Method::Cloud, Reading::InPlace, false, true);
            let output = Output::open(Some(self.out), self.resume, &settings)?;
            let rows = Box::new(Reader::over("rows", std::io::Cursor::new(text)));
            Batch::new(host, Task::Critique(options), shape, output, 4, Progress::loading("scripted"))
                .run(rows)
                .await
        })
    }
}

fn row(id: u64, prompt: &str) -> Value {
    json!({"id": id, "prompt": prompt, "answer": id.to_string()})
}

fn written(out: &Path) -> Vec<(u64, Option<f64>)> {
    let text = std::fs::read_to_string(out).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (row["id"].as_u64().unwrap(), row.get("reward").map(|r| r.as_f64().unwrap()))).collect()
}

fn good(ids: impl IntoIterator<Item = u64>) -> Vec<(u64, Option<f64>)> {
    ids.into_iter().map(|id| (id, Some(id as f64))).collect()
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    (folder, out)
}

#[test]
fn rows_keep_their_order() {
    let (_folder, out) = folder();
    let rows: Vec<_> = (0..200).map(|i| row(i, if i % 5 == 0 { "slow" } else { "go" })).collect();
    let run = Run { out: &out, resume: false, seed: 0 };
    assert_eq!(run.over(&rows).unwrap(), Exit::Ok);
    assert_eq!(written(&out), good(0..200));
    let again = run.over(&rows).unwrap_err().to_string();
    assert!(again.contains("there already") && again.contains("--resume"), "{again}");
}

#[test]
fn pairs_and_failures() {
    let (_folder, out) = folder();
    let pair = json!({"id": 2, "prompt": "go", "chosen": "3", "rejected": "1"});
    let rows = [row(1, "fail"), pair, json!({"id": 3, "prompt": "go"}), row(4, "go")];
    assert_eq!(Run { out: &out, resume: false, seed: 0 }.over(&rows).unwrap(), Exit::Failed);
    let text = std::fs::read_to_string(&out).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all[0], json!({"id": 1, "error": "it failed"}));
    assert_eq!((all[1]["chosen"]["reward"].as_f64(), all[1]["margin"].as_f64()), (Some(3.0), Some(2.0)));
    assert!(all[2]["error"].as_str().unwrap().contains("rows:3: field `answer`"));
    assert_eq!(all[3]["reward"], json!(4.0));
}

#[test]
fn an_interrupt_keeps_what_is_finished_and_resume_fills_the_gaps() {
    let (_folder, out) = folder();
    let with = |slow: &str, stop: &str| -> Vec<Value> {
        let prompt = |i| {
            if i == 2 {
                slow.to_owned()
            } else if i == 6 {
                stop.to_owned()
            } else {
                "go".to_owned()
            }
        };
        (1..=20).map(|i| row(i, &prompt(i))).collect()
    };
    let run = Run { out: &out, resume: false, seed: 0 };
    assert_eq!(run.over(&with("never", "stop")).unwrap(), Exit::Interrupted);
    let first = written(&out);
    assert!(first.starts_with(&good([1, 3, 4, 5])), "{first:?}");
    let run = Run { resume: true, ..run };
    // Interrupted again, while the gap is being filled.
    assert_eq!(run.over(&with("stop", "go")).unwrap(), Exit::Interrupted);
    assert!(written(&out).starts_with(&good([1, 3, 4, 5])));
    assert_eq!(run.over(&with("go", "go")).unwrap(), Exit::Ok);
    assert_eq!(written(&out), good(1..=20));
    assert_eq!(run.over(&with("fail", "fail")).unwrap(), Exit::Ok, "nothing is left to do");
    assert_eq!(written(&out), good(1..=20));
    assert_eq!(std::fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "no copy is left");
}

#[test]
fn resume_tries_failed_rows_again_in_their_place() {
    let (_folder, out) = folder();
    let rows = |last: u64, prompt: &str| -> Vec<Value> {
        (1..=last).map(|i| row(i, if i % 3 == 0 { prompt } else { "go" })).collect()
    };
    let run = Run { out: &out, resume: false, seed: 0 };
    assert_eq!(run.over(&rows(9, "fail")).unwrap(), Exit::Failed);
    assert_eq!(written(&out)[2], (3, None));
    let run = Run { resume: true, ..run };
    assert_eq!(run.over(&rows(9, "fail")).unwrap(), Exit::Failed, "they fail again");
    assert_eq!(written(&out).len(), 9);
    assert_eq!(run.over(&rows(12, "go")).unwrap(), Exit::Ok);
    assert_eq!(written(&out), good(1..=12));
}

#[test]
fn a_torn_line_is_done_again() {
    let (_folder, out) = folder();
    let rows: Vec<_> = (1..=5).map(|i| row(i, "go")).collect();
    let run = Run { out: &out, resume: false, seed: 0 };
    run.over(&rows).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::write(&out, &text[..text.len() - 30]).unwrap();
    assert_eq!(Run { resume: true, ..run }.over(&rows).unwrap(), Exit::Ok);
    assert_eq!(written(&out), good(1..=5));
}

#[test]
fn resume_refuses_other_settings_and_other_files() {
    let (_folder, out) = folder();
    let rows = [row(1, "go")];
    Run { out: &out, resume: false, seed: 0 }.over(&rows).unwrap();
    let error = Run { out: &out, resume: true, seed: 5 }.over(&rows).unwrap_err().to_string();
    assert!(error.contains("seed (there 0, now 5)"), "{error}");
    std::fs::write(&out, "a letter\nto a friend\n").unwrap();
    let error = Run { out: &out, resume: true, seed: 0 }.over(&rows).unwrap_err().to_string();
    assert!(error.contains("no result row"), "{error}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "a letter\nto a friend\n");
}

#[test]
fn rows_without_ids_and_with_the_same_id_resume_too() {
    let (_folder, out) = folder();
    let rows = |n: usize| -> Vec<Value> {
        (1..=n).map(|i| json!({"id": if i % 2 == 0 { json!(7) } else { Value::Null }, "prompt": "go", "answer": "1"})).collect()
    };
    Run { out: &out, resume: false, seed: 0 }.over(&rows(5)).unwrap();
    Run { out: &out, resume: true, seed: 0 }.over(&rows(8)).unwrap();
    let ids: Vec<_> = written(&out).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [1, 7, 3, 7, 5, 7, 7, 7]);
}

#[test]
fn finished_rows_survive_the_engine() {
    let (_folder, out) = folder();
    let rows = [row(1, "go"), row(2, "go"), row(3, "die"), row(4, "go")];
    let error = Run { out: &out, resume: false, seed: 0 }.over(&rows).unwrap_err().to_string();
    assert!(error.contains("the engine stopped"), "{error}");
    assert_eq!(written(&out), good(1..=2));
}
