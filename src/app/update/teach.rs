//! The Teach screen: runs, the Train dialog, before and after.

use std::path::{Path, PathBuf};

use super::{act, compare, train};
use crate::app::teach::{Ask, CURVES, Judged, News, Plan, Run, RunState, SMOOTH, TeachPane};
use crate::app::{
    Action, Answers, Effect, Example, Layer, Line, LineFor, ModelState, Origin, Page, Screen, Side, State,
    Versus,
};
use crate::engine::ModelSource;

pub(super) fn ask(what: Ask) -> Vec<Effect> {
    vec![Effect::Runs(Box::new(what))]
}

/// Opens the screen.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    state.layers.clear();
    state.screen = Screen::Teach;
    ask(Ask::Watch(true))
}

/// What an action means on this screen; `None`: nothing of its own.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match state.layers.last() {
        Some(Layer::Train(_)) => return train::form(state, action),
        Some(Layer::Models(_)) => return super::models::act(state, action),
        Some(Layer::Judged) => return judged(state, action),
        Some(_) => return None,
        None => {}
    }
    if state.screen != Screen::Teach {
        return None;
    }
    let before = state.teach.doomed.take();
    Some(match action {
        Action::RunOrStop => match state.teach.run() {
            Some(run) if run.is_at_work() => ask(Ask::Pause(run.path.clone())),
            _ => resume(state),
        },
        Action::PauseRun => picked(state, |run| match run.is_at_work() {
            true => Ok(Ask::Pause(run.path.clone())),
            false => Err(format!("{} is {}: there is nothing to pause", run.name, run.word())),
        }),
        Action::ResumeRun => resume(state),
        Action::StopRun => picked(state, |run| match run.is_at_work() {
            true => Ok(Ask::Stop(run.path.clone())),
            false => Err(format!(
                "{} is {}: only a run at work can be stopped (with a result)",
                run.name,
                run.word()
            )),
        }),
        Action::NewRun => train::open(state),
        Action::CloneRun => train::clone(state),
        Action::OverlayRun => {
            if let Some(path) = state.teach.run().map(|run| run.path.clone()) {
                match state.teach.over.iter().position(|p| *p == path) {
                    Some(at) => drop(state.teach.over.remove(at)),
                    None => state.teach.over.push(path),
                }
            }
            Vec::new()
        }
        Action::Smooth => {
            state.teach.smooth = (state.teach.smooth + 1) % SMOOTH.len();
            Vec::new()
        }
        Action::LogScale => {
            state.teach.log = !state.teach.log;
            Vec::new()
        }
        Action::ZoomChart => {
            state.teach.zoom = !state.teach.zoom;
            if state.teach.zoom && state.teach.pane == TeachPane::Runs {
                state.teach.pane = TeachPane::Charts;
            }
            Vec::new()
        }
        Action::RunDetail => {
            detail(state);
            Vec::new()
        }
        Action::JudgeRun => judge(state),
        Action::KeepRun => {
            keep(state);
            Vec::new()
        }
        Action::DropRun => drop_run(state, before),
        Action::WatchFolder => {
            state.layers.push(Layer::Line(Line { purpose: LineFor::Runs, text: String::new() }));
            Vec::new()
        }
        Action::Left => turn(state, -1),
        Action::Right => turn(state, 1),
        Action::Up => step(state, -1),
        Action::Down => step(state, 1),
        Action::PageUp => step(state, -10),
        Action::PageDown => step(state, 10),
        Action::First => step(state, isize::MIN / 2),
        Action::Last => step(state, isize::MAX / 2),
        Action::FocusNext => pane(state, 1),
        Action::FocusPrevious => pane(state, 2),
        Action::Cancel if state.teach.zoom => {
            state.teach.zoom = false;
            Vec::new()
        }
        Action::Cancel => {
            state.teach.over.clear();
            ask(Ask::Cancel)
        }
        _ => return None,
    })
}

/// The screen is left for another: runs are looked at less often.
pub(super) fn left(state: &State, before: Screen) -> Option<Effect> {
    let away = before == Screen::Teach && state.screen != Screen::Teach;
    away.then(|| Effect::Runs(Box::new(Ask::Watch(false))))
}

fn picked(state: &mut State, what: impl Fn(&Run) -> Result<Ask, String>) -> Vec<Effect> {
    match state.teach.run().map(what) {
        Some(Ok(what)) => return ask(what),
        Some(Err(why)) => state.note = Some(why),
        None => state.note = Some("no run yet: n sets one up".into()),
    }
    Vec::new()
}

fn resume(state: &mut State) -> Vec<Effect> {
    picked(state, |run| match run.can_resume() {
        true if run.words.is_empty() => {
            Err(format!("{} was not started as a job: give its command of `outloud train` again", run.name))
        }
        true => Ok(Ask::Resume(run.path.clone())),
        false => Err(format!("{} is {}", run.name, run.word())),
    })
}

fn step(state: &mut State, by: isize) -> Vec<Effect> {
    match state.teach.pane {
        TeachPane::Critiques => {
            let last = rows_of(state.teach.run()).saturating_sub(1);
            let sample = &mut state.teach.sample;
            sample.0 = sample.0.saturating_add_signed(by).min(last);
        }
        TeachPane::Runs | TeachPane::Charts => {
            let last = state.teach.runs.len().saturating_sub(1);
            let place = state.teach.place().unwrap_or(0).saturating_add_signed(by).min(last);
            state.teach.picked = state.teach.runs.get(place).map(|run| run.path.clone());
            state.teach.sample = (0, 0);
        }
    }
    Vec::new()
}

/// Rows (an answer each) of which a run wrote critiques.
fn rows_of(run: Option<&Run>) -> usize {
    run.map_or(0, |run| {
        let step = run.samples.last().map(|s| s.step);
        run.samples.iter().filter(|s| Some(s.step) == step).count()
    })
}

/// To another chart, or to another evaluation.
fn turn(state: &mut State, by: isize) -> Vec<Effect> {
    let teach = &mut state.teach;
    if teach.pane == TeachPane::Critiques {
        let mut steps: Vec<usize> = teach.run().iter().flat_map(|run| &run.samples).map(|s| s.step).collect();
        steps.dedup();
        let last = steps.len().saturating_sub(1);
        teach.sample.1 = teach.sample.1.saturating_add_signed(-by).min(last);
    } else {
        teach.chart = (teach.chart as isize + by).rem_euclid(CURVES.len() as isize) as usize;
    }
    Vec::new()
}

fn pane(state: &mut State, by: usize) -> Vec<Effect> {
    const ORDER: [TeachPane; 3] = [TeachPane::Runs, TeachPane::Charts, TeachPane::Critiques];
    let at = ORDER.iter().position(|p| *p == state.teach.pane).unwrap_or(0);
    if let Some(next) = ORDER.get((at + by) % ORDER.len()) {
        state.teach.pane = *next;
    }
    state.teach.zoom = false;
    Vec::new()
}

fn detail(state: &mut State) {
    let Some(run) = state.teach.run() else { return };
    let mut lines = vec![run.path.display().to_string(), run.meaning()];
    lines.push(format!("recipe {} from {}", run.recipe, run.base));
    lines.extend(run.data.iter().map(|file| format!("rows {}", file.display())));
    lines.extend(run.estimate.iter().map(|text| format!("estimated before: {text}")));
    lines.extend(run.corrected.iter().map(|text| format!("after two steps: {text}")));
    if !run.host.is_empty() {
        lines.push(format!("on {}", run.host));
    }
    if !run.words.is_empty() {
        lines.push(format!("\noutloud {}", run.words.join(" ")));
    }
    lines.extend(run.kept.iter().map(|name| format!("kept as {name}")));
    let title = run.name.clone();
    state.layers.push(Layer::Detail(Page::new(title, lines.join("\n"))));
}

// -- before and after, keep, drop

fn judge(state: &mut State) -> Vec<Effect> {
    let Some(run) = state.teach.run() else { return Vec::new() };
    let path = run.path.clone();
    if state.teach.judged.as_ref().is_some_and(|j| j.run == path && j.error.is_none()) {
        state.layers.push(Layer::Judged);
        return Vec::new();
    }
    if run.state != RunState::Finished {
        state.note = Some(format!("{} is {}: before and after need its result", run.name, run.word()));
        return Vec::new();
    }
    state.teach.judged = Some(Judged::new(path.clone()));
    state.layers.push(Layer::Judged);
    ask(Ask::Judge(path))
}

fn keep(state: &mut State) {
    let why = match state.teach.run() {
        None => "no run yet: n sets one up".to_owned(),
        Some(run) if run.state != RunState::Finished => {
            format!("{} is {}: it has no result yet", run.name, run.word())
        }
        Some(run) => {
            let text = run.kept.clone().unwrap_or_else(|| run.name.replace('/', "-"));
            state.layers.push(Layer::Line(Line { purpose: LineFor::Keep, text }));
            return;
        }
    };
    state.note = Some(why);
}

/// The name is typed.
pub(super) fn kept(state: &mut State, name: &str) -> Vec<Effect> {
    let name = name.trim();
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        state.note = Some("a name without `/`, not beginning with a dot".into());
        return Vec::new();
    }
    let name = name.to_owned();
    picked(state, |run| Ok(Ask::Keep(run.path.clone(), name.clone())))
}

/// The folder is typed.
pub(super) fn folder(text: &str) -> Vec<Effect> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { ask(Ask::Add(PathBuf::from(text))) }
}

/// Goes only when asked twice.
fn drop_run(state: &mut State, before: Option<PathBuf>) -> Vec<Effect> {
    let Some((path, name, at_work)) =
        state.teach.run().map(|r| (r.path.clone(), r.name.clone(), r.is_at_work()))
    else {
        return Vec::new();
    };
    if at_work {
        state.note = Some(format!("{name} is at work: stop it first (S)"));
        return Vec::new();
    }
    if before.as_ref() == Some(&path) {
        state.note = Some(format!("{name} is being removed …"));
        return ask(Ask::Drop(path));
    }
    state.note =
        Some(format!("X again removes {name}: its folder, checkpoints and result (what was kept stays)"));
    state.teach.doomed = Some(path);
    Vec::new()
}

fn judged(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let before = state.teach.doomed.take();
    let judged = state.teach.judged.as_mut()?;
    let last = judged.rows().len().saturating_sub(1);
    let mut to = |by: isize| {
        judged.picked = judged.picked.saturating_add_signed(by).min(last);
        judged.top = 0;
    };
    match action {
        Action::Up => to(-1),
        Action::Down => to(1),
        Action::First => to(isize::MIN / 2),
        Action::Last => to(isize::MAX / 2),
        Action::PageUp => judged.top = judged.top.saturating_sub(4),
        Action::PageDown => judged.top = (judged.top + 4).min(state.limits.layer),
        Action::FocusNext | Action::FocusPrevious => {
            let sets = judged.sets.len().max(1);
            let by = if action == Action::FocusNext { 1 } else { sets - 1 };
            (judged.set, judged.picked, judged.top) = ((judged.set + by) % sets, 0, 0);
        }
        Action::ShowRows => (judged.show, judged.picked, judged.top) = (judged.show.next(), 0, 0),
        Action::Accept => return Some(open_row(state)),
        Action::KeepRun => keep(state),
        Action::DropRun => return Some(drop_run(state, before)),
        Action::Cancel if !judged.way.is_empty() => {
            state.layers.pop();
            state.teach.judged = None;
            return Some(ask(Ask::Cancel));
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// The picked row in Compare, under the model on the screen and the run's result.
fn open_row(state: &mut State) -> Vec<Effect> {
    let Some(judged) = &state.teach.judged else { return Vec::new() };
    let (Some(pair), Some(run)) = (judged.pair(), state.teach.run_at(&judged.run)) else { return Vec::new() };
    let id = format!("{} #{}", run.name, pair.id.as_str().map_or_else(|| pair.id.to_string(), str::to_owned));
    let texts = judged.shown().and_then(|set| set.texts.get(&pair.id.to_string())).cloned();
    let Some((prompt, chosen, rejected)) = texts else {
        state.note = Some("the texts of this row are not there".into());
        return Vec::new();
    };
    let example = Example {
        number: None,
        id: id.clone(),
        prompt,
        answers: Answers::Pair { chosen: chosen.into(), rejected: rejected.into() },
        origin: Origin::File,
        hint: None,
        fault: None,
        open: false,
        extra: Default::default(),
    };
    let (base, result) = (run.base.clone(), run.result());
    let place = state.examples.iter().position(|e| e.id == id).unwrap_or_else(|| {
        state.examples.push(example);
        state.examples.len() - 1
    });
    act::select(state, place);
    state.side = Side::Chosen;
    state.layers.clear();
    state.screen = Screen::Compare;
    let mut effects = ask(Ask::Watch(false));
    if !is_source(&state.source, &base) {
        state.note =
            Some(format!("on the left is the model on the screen, not {base}, with which the run began"));
    }
    let there = matches!(&state.compare.other, Some((ModelSource::Folder(path), ModelState::Ready(_))) if *path == result);
    if there {
        state.compare.versus = Versus::Models;
        effects.extend(compare::run(state));
    } else {
        effects.extend(compare::load(state, &result.display().to_string()));
    }
    effects
}

fn is_source(source: &ModelSource, base: &str) -> bool {
    match source {
        ModelSource::Bundled(which) => which.name() == base,
        ModelSource::Folder(path) => path == Path::new(base),
    }
}

// -- what the thread tells

/// Takes news of the runs.
pub(super) fn news(state: &mut State, news: News) -> Vec<Effect> {
    let teach = &mut state.teach;
    match news {
        News::Here(folder, files, places) => {
            (teach.folder, teach.files, teach.places) = (Some(folder), files, places);
            if let Some(Layer::Train(form)) = state.layers.last_mut() {
                form.places.clone_from(&teach.places);
            }
        }
        News::Models(models) => teach.models = models,
        News::Model(model) => return super::models::said(state, *model),
        News::Runs(mut runs) => {
            teach.looked = true;
            let mut ended = Vec::new();
            for run in &mut runs {
                if let Some(old) = teach.runs.iter_mut().find(|old| old.path == run.path) {
                    run.records = std::mem::take(&mut old.records);
                    run.samples = std::mem::take(&mut old.samples);
                    if old.is_at_work() && !run.is_at_work() {
                        ended.push(format!("{} {}", run.name, run.meaning()));
                    }
                }
            }
            teach.runs = runs;
            if teach.picked.as_ref().is_some_and(|picked| teach.run_at(picked).is_none()) {
                teach.picked = None;
            }
            if !ended.is_empty() {
                state.note = Some(ended.join("; "));
                return vec![Effect::Bell];
            }
        }
        News::Records(path, from, records) => {
            if let Some(run) = teach.runs.iter_mut().find(|run| run.path == path) {
                run.records.truncate(from);
                run.records.extend(records);
            }
        }
        News::Samples(path, samples) => {
            if let Some(run) = teach.runs.iter_mut().find(|run| run.path == path) {
                run.samples = samples;
            }
        }
        News::Planned(plan) => {
            if teach.plan == Plan::Asked {
                teach.plan = plan.map_or_else(Plan::Refused, Plan::Takes);
            }
        }
        News::Started(path) => {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            state.note = Some(format!("{name} has begun; it goes on when this screen is closed"));
            teach.picked = Some(path);
        }
        News::Judging(way) => {
            if let Some(judged) = &mut teach.judged {
                judged.way = way;
            }
        }
        News::Judged(found) => {
            if let Some(judged) = &mut teach.judged {
                judged.way.clear();
                match found {
                    Ok(sets) => judged.sets = sets,
                    Err(error) => judged.error = Some(error),
                }
            }
        }
        News::Note(text) => state.note = Some(text),
    }
    Vec::new()
}
