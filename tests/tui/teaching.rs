//! Stories of the Teach screen, on runs as their folders would tell them.

use std::path::{Path, PathBuf};

use outloud::app::teach::{
    Ask, FIELDS, Field, Form, KeptModel, News, Place, Plan, Record, Run, RunState, Sample,
};
use outloud::app::{Effect, Layer, Msg, Screen};
use outloud::engine::ModelSource;
use outloud::train::run::Evaluated;
use outloud::widgets::Depth;

use crate::stage::Stage;

fn record(step: usize) -> Record {
    let x = step as f64;
    let eval = (step.is_multiple_of(10)).then(|| Evaluated {
        eval_loss: 1.2 - x / 60.0,
        eval_accuracy: Some(0.5 + x / 120.0),
        eval_margin: Some(x / 50.0),
        eval_mean_reward: Some(0.1),
        ..Evaluated::default()
    });
    Record {
        step,
        epoch: 1,
        loss: 1.0 - x / 50.0,
        reward_loss: Some(0.6 - x / 100.0),
        lm_loss: Some(0.4 - x / 100.0),
        grad_norm: 2.0 / x,
        lr: 1e-4 * (x / 40.0),
        accuracy: Some(0.5 + x / 100.0),
        margin: Some(x / 40.0),
        min_reward: Some(-1.0 - x / 40.0),
        mean_reward: Some(0.0),
        max_reward: Some(1.0 + x / 40.0),
        tokens_per_second: 5000.0 + x,
        seconds: 0.25,
        peak_mib: Some(470.0),
        eval,
        ..Record::default()
    }
}

fn sample(step: usize, critique: &str) -> Sample {
    Sample {
        step,
        row: 0,
        place: "rows/stories.jsonl:7".into(),
        side: "chosen".into(),
        prompt: "How many?".into(),
        answer: "24 + 65 = 89.".into(),
        critique: critique.into(),
        reward: Some(1.25),
        ended: true,
    }
}

fn run(name: &str, state: RunState, step: usize, steps: usize) -> Run {
    let mut run = Run::new(PathBuf::from("/runs").join(name), name.into());
    run.state = state;
    run.recipe = "cloud".into();
    run.base = "demo".into();
    (run.step, run.steps) = (step, steps);
    run.eta_s = Some(120.0);
    run.words = Form::new("demo", "rows.jsonl", name).words(&["rows.jsonl".into()], &run.path);
    run.estimate = Some("memory about 451 MiB: weights 4; 40 steps of about 1.49 s, 60 s in all".into());
    run
}

fn tell(stage: &mut Stage, news: News) {
    stage.send(Msg::Runs(Box::new(news)));
}

fn asked(stage: &Stage) -> Vec<Ask> {
    let asks = stage.effects.iter();
    asks.filter_map(|e| match e {
        Effect::Runs(ask) => Some((**ask).clone()),
        _ => None,
    })
    .collect()
}

fn places() -> Vec<Place> {
    let place = |name: &str, about: &str, missing: &[&str]| Place {
        name: name.into(),
        about: about.into(),
        missing: missing.iter().map(|m| (*m).to_owned()).collect(),
    };
    vec![
        place("local", "a process on this machine", &[]),
        place("ssh", "a process on another machine", &[]),
        place("slurm", "a Slurm job", &["sbatch"]),
    ]
}

/// Three runs, the first at work with twenty steps and two evaluations.
fn teach() -> Stage {
    let mut stage = Stage::finished();
    stage.press("g t");
    let mut failed = run("run-2", RunState::Failed, 12, 40);
    failed.message = "step 12: loss NaN, gradient norm NaN; expected finite numbers".into();
    let all = vec![run("run-3", RunState::Running, 20, 40), failed, run("run-1", RunState::Finished, 40, 40)];
    tell(&mut stage, News::Here("/runs".into(), Vec::new(), places()));
    tell(&mut stage, News::Runs(all));
    tell(&mut stage, News::Records("/runs/run-3".into(), 0, (1..=20).map(record).collect()));
    tell(&mut stage, News::Records("/runs/run-1".into(), 0, (1..=40).map(record).collect()));
    let samples = vec![sample(10, "24 + 65 is 79: wrong."), sample(20, "24 + 65 is 89: right.")];
    tell(&mut stage, News::Samples("/runs/run-3".into(), samples));
    stage
}

#[test]
fn runs_are_listed_with_what_they_ended_for_and_asked_by_keys() {
    let mut stage = teach();
    assert_eq!(stage.state.screen, Screen::Teach);
    assert_eq!(asked(&stage), [Ask::Watch(true)]);
    let screen = stage.text(120, 40);
    for text in ["run-3", "running", "20/40", "NaN", "done", "about 2 min to go"] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
    stage.effects.clear();
    stage.press("space p S");
    let path = PathBuf::from("/runs/run-3");
    assert_eq!(asked(&stage), [Ask::Pause(path.clone()), Ask::Pause(path.clone()), Ask::Stop(path)]);
    stage.effects.clear();
    stage.press("j r");
    assert_eq!(asked(&stage), [Ask::Resume("/runs/run-2".into())]);
    stage.press("j p");
    assert!(stage.state.note.as_ref().unwrap().contains("nothing to pause"));
    stage.press("i");
    assert!(stage.text(100, 30).contains("outloud train --recipe cloud"));
}

#[test]
fn a_run_is_dropped_only_when_asked_twice_in_a_row() {
    let mut stage = teach();
    stage.press("j X j X k");
    stage.effects.clear();
    stage.press("X");
    assert_eq!(asked(&stage), [], "another run in between");
    stage.press("X");
    assert_eq!(asked(&stage), [Ask::Drop("/runs/run-2".into())]);
    stage.press("k X X");
    assert!(stage.state.note.as_ref().unwrap().contains("at work"), "a run at work is not dropped");
}

#[test]
fn the_end_of_a_run_is_said_and_the_bell_rings_once() {
    let mut stage = teach();
    stage.effects.clear();
    let mut ended = run("run-3", RunState::Failed, 21, 40);
    ended.message = "step 21: exploding gradients: a norm of 1e9".into();
    for _ in 0..2 {
        tell(&mut stage, News::Runs(vec![ended.clone()]));
    }
    assert_eq!(stage.effects.iter().filter(|e| matches!(e, Effect::Bell)).count(), 1);
    assert!(stage.state.note.as_ref().unwrap().contains("exploding gradients"));
    assert_eq!(stage.state.teach.run().unwrap().records.len(), 20, "what was measured stays");
    // It goes on from a checkpoint: what was made after it is made again.
    tell(&mut stage, News::Records("/runs/run-3".into(), 10, vec![record(11)]));
    assert_eq!(stage.state.teach.run().unwrap().records.len(), 11);
}

#[test]
fn the_dialog_estimates_refuses_and_starts() {
    let mut stage = teach();
    stage.effects.clear();
    stage.press("n");
    let Some(Ask::Plan(form)) = asked(&stage).pop() else { panic!("{:?}", asked(&stage)) };
    assert_eq!((form.get(Field::Data), form.get(Field::Name)), ("stories:200", "run-4"));
    tell(&mut stage, News::Planned(Ok("memory about 556 MiB; 12 steps".into())));
    assert!(stage.text(100, 30).contains("memory about 556 MiB"));
    // To the share held out, which becomes nonsense.
    stage.press("down down down down down ctrl-u '2' down");
    assert!(
        matches!(&stage.state.teach.plan, Plan::Refused(why) if why.contains("held out")),
        "{:?}",
        stage.state.teach.plan
    );
    stage.effects.clear();
    stage.press("ctrl-s");
    assert_eq!(asked(&stage), [], "not started");
    stage.press("ctrl-u '0.2' down down ctrl-u '3' up up up up up up right");
    stage.press("ctrl-s");
    let Some(Ask::Start(form)) = asked(&stage).pop() else { panic!("{:?}", asked(&stage)) };
    assert_eq!(form.get(Field::Weights), "full");
    let words = form.words(&["rows.jsonl".into()], Path::new("/runs/run-4")).join(" ");
    assert!(words.contains("--held-out 0.2 --epochs 1 --steps 3") && !words.contains("--lora"), "{words}");
    assert!(stage.state.layers.is_empty());
    tell(&mut stage, News::Started("/runs/run-4".into()));
    assert!(stage.state.note.as_ref().unwrap().contains("goes on when this screen is closed"));
}

#[test]
fn a_clone_begins_with_the_words_of_its_run() {
    let mut stage = teach();
    stage.press("c");
    let Some(Layer::Train(form)) = stage.state.layers.last() else { panic!() };
    assert_eq!(
        (form.get(Field::Data), form.get(Field::Name), form.get(Field::Weights)),
        ("rows.jsonl", "run-4", "LoRA")
    );
}

#[test]
fn charts_turn_zoom_and_lie_over_one_another() {
    let mut stage = teach();
    assert!(stage.text(120, 40).contains("loss ─"));
    stage.press("enter l");
    let screen = stage.text(100, 30);
    assert!(screen.contains("accuracy") && !screen.contains("margin ─"), "{screen}");
    stage.press("esc h o j j o");
    assert_eq!(stage.state.teach.shown().len(), 2);
    let screen = stage.text(120, 40);
    assert!(screen.contains("▸arun-1") && screen.contains("brun-3"), "{screen}");
    stage.press("s L");
    assert!(stage.text(120, 40).contains("loss (log, smooth)"));
    stage.press("esc");
    assert_eq!(stage.state.teach.shown().len(), 1);
}

#[test]
fn critiques_change_from_one_evaluation_to_the_next() {
    let mut stage = teach();
    stage.press("tab tab");
    assert!(stage.text(120, 40).contains("step 20 · 2 of 2"));
    let marked = stage.draw(120, 40, Depth::None);
    let at = |word: &str| {
        let rows = crate::stage::text(&marked);
        let (y, row) = rows.lines().enumerate().find(|(_, row)| row.contains(word)).unwrap();
        let x = row[..row.find(word).unwrap()].chars().count();
        marked[(x as u16, y as u16)].modifier
    };
    assert_ne!(at("89: right"), at("65 is"), "what the evaluation before had not is marked");
    stage.press("h");
    let screen = stage.text(120, 40);
    assert!(screen.contains("step 10 · 1 of 2") && screen.contains("79: wrong"), "{screen}");
}

#[test]
fn snapshots() {
    let mut stage = teach();
    for (width, height) in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("teach-{width}x{height}"), stage.text(width, height));
    }
    stage.press("n");
    tell(
        &mut stage,
        News::Planned(Ok("memory about 556 MiB: weights 4; 12 steps of about 3.48 s, 42 s in all".into())),
    );
    insta::assert_snapshot!("teach-dialog-80x24", stage.text(80, 24));
}

#[test]
fn a_launcher_is_chosen_in_the_dialog_with_its_values() {
    let mut stage = teach();
    stage.press("n");
    let Some(Layer::Train(form)) = stage.state.layers.last() else { panic!() };
    let down = FIELDS.iter().filter(|f| form.counts(**f)).position(|f| *f == Field::Launcher).unwrap();
    stage.press(&"down ".repeat(down));
    stage.press("right right");
    assert!(
        matches!(&stage.state.teach.plan, Plan::Refused(why) if why.contains("sbatch")),
        "{:?}",
        stage.state.teach.plan
    );
    assert!(stage.text(80, 24).contains("not on this machine: sbatch"));
    stage.press("left down 'host=gpu1' ctrl-s");
    let Some(Ask::Start(form)) = asked(&stage).pop() else { panic!("{:?}", asked(&stage)) };
    assert_eq!((form.get(Field::Launcher), form.set_values().unwrap()["host"].as_str()), ("ssh", "gpu1"));
    // A clone has them too.
    let mut run = run("run-9", RunState::Finished, 1, 1);
    run.launcher = ("ssh".into(), vec![("host".into(), "gpu1".into()), ("options".into(), "-p 22".into())]);
    tell(&mut stage, News::Runs(vec![run]));
    stage.press("c");
    let Some(Layer::Train(form)) = stage.state.layers.last() else { panic!() };
    assert_eq!((form.get(Field::Launcher), form.set_values().unwrap()["options"].as_str()), ("ssh", "-p 22"));
}

#[test]
fn a_kept_model_is_in_the_list_and_loads_beside() {
    let mut stage = teach();
    stage.effects.clear();
    stage.press("g m");
    assert_eq!(asked(&stage), [Ask::Models]);
    assert!(stage.text(80, 24).contains("none yet: K"));
    let model = |name: &str| KeptModel {
        name: name.into(),
        path: PathBuf::from("/s/models").join(name),
        about: "kept, run /runs/run-1, base demo".into(),
    };
    tell(&mut stage, News::Models(vec![model("better"), model("worse")]));
    let screen = stage.text(80, 24);
    assert!(screen.contains("better") && screen.contains("base demo"), "{screen}");
    stage.effects.clear();
    stage.press("j X X");
    assert_eq!(asked(&stage), [Ask::DropModel("/s/models/worse".into())]);
    // It was opened over another layer.
    stage.state.layers.insert(0, Layer::Judged);
    stage.press("k enter");
    assert_eq!((stage.state.screen, stage.state.layers.len()), (Screen::Compare, 0));
    assert!(
        matches!(&stage.state.compare.other, Some((ModelSource::Folder(path), _)) if path.ends_with("better"))
    );
    stage.press("g m o");
    assert!(matches!(stage.effects.last(), Some(Effect::Reopen(path)) if path.ends_with("better")));
}

#[test]
fn memory_has_a_chart_of_its_own() {
    let mut stage = teach();
    stage.press("enter h");
    let screen = stage.text(100, 30);
    assert!(screen.contains("memory, MiB at most") && screen.contains("470"), "{screen}");
}
