//! The Train dialog: opened on what was chosen, labelled or opened; filled in, estimated, submitted.

use super::teach::ask;
use crate::app::teach::{Ask, CHOSEN, Field, Form, Picked, Plan};
use crate::app::{Action, Code, Effect, Key, Layer, Screen, Side, State};
use crate::engine::ModelSource;

/// A name no run has yet.
fn fresh_name(state: &State, base: &str) -> String {
    let taken = |name: &str| {
        state.teach.runs.iter().any(|run| run.name == name || run.name.starts_with(&format!("{name}/")))
    };
    let stem = base.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
    let stem = if stem.is_empty() { "run" } else { stem };
    (1..).map(|n| format!("{stem}-{n}")).find(|name| !taken(name)).unwrap_or_default()
}

pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let form = fresh(state);
    push_form(state, form)
}

/// The dialog as it was left, for a new run; else as what is there suggests.
fn fresh(state: &State) -> Form {
    let name = fresh_name(state, "run");
    if let Some(mut form) = state.teach.form.clone() {
        form.set(Field::Name, &name);
        return form;
    }
    let model = match &state.source {
        ModelSource::Bundled(which) => which.name().to_owned(),
        ModelSource::Folder(path) => path.display().to_string(),
    };
    let data = files(state);
    let demo = data.is_empty() && state.source == ModelSource::DEMO;
    // What was just labelled is what one wants to teach.
    let labelled = state.desk.tally().submitted;
    let data = match (labelled, demo) {
        (1.., _) => "labels",
        (0, true) => "stories:200",
        (0, false) => &data,
    };
    let mut form = Form::new(&model, data, &name);
    if labelled > 0 {
        form.suit_labels(labelled);
    }
    form
}

fn files(state: &State) -> String {
    state.teach.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Opens it on the rows chosen on the Data screen, or on those that are shown, or on the labels of the pairs marked on the Label
/// screen, or on all labels.
pub(super) fn open_chosen(state: &mut State) -> Vec<Effect> {
    let label = state.screen == Screen::Label;
    let picked = if label { marked(state) } else { rows(state) };
    let all = files(state);
    let data = match &picked {
        Some(picked) if picked.is_empty() => {
            let what = if label { "none of the marked ones is a pair" } else { "no row is chosen or shown" };
            state.note = Some(what.into());
            return Vec::new();
        }
        Some(_) => CHOSEN,
        None if label => "labels",
        None if all.is_empty() => "stories:200",
        None => &all,
    };
    let mut form = fresh(state);
    form.set(Field::Data, data);
    if let Some(picked) = &picked {
        form.suit_labels(picked.len());
    }
    form.picked = picked;
    push_form(state, form)
}

/// `None`: all rows of the files, as they are.
fn rows(state: &State) -> Option<Picked> {
    let data = &state.data;
    let rows: Vec<u32> = match data.chosen.is_empty() {
        false => state.chosen_rows().collect(),
        true => (0..data.len()).filter_map(|place| data.row(place)).collect(),
    };
    let all = data.index.as_ref().is_some_and(|index| index.done && index.rows == rows.len());
    (!all || state.teach.files.is_empty()).then_some(Picked::Rows(rows))
}

/// `None`: no pair is marked.
fn marked(state: &State) -> Option<Picked> {
    let pairs = state.desk.marked.iter().filter_map(|at| {
        let example = state.examples.get(*at).filter(|example| example.is_pair())?;
        let answers = [Side::Chosen, Side::Rejected].map(|side| example.answer(side).to_string());
        Some((example.prompt.clone(), answers))
    });
    (!state.desk.marked.is_empty()).then(|| Picked::Pairs(pairs.collect()))
}

pub(super) fn clone(state: &mut State) -> Vec<Effect> {
    let run = state.teach.run();
    let Some((name, words, path, (launcher, set))) =
        run.map(|r| (r.name.clone(), r.words.clone(), r.path.clone(), r.launcher.clone()))
    else {
        state.note = Some("no run to clone: n sets one up".into());
        return Vec::new();
    };
    if words.is_empty() {
        state.note = Some(format!("{name} was not started as a job: nobody wrote its words down"));
        return Vec::new();
    }
    let fresh = fresh_name(state, name.split('/').next().unwrap_or(&name));
    let mut form = Form::cloned(&words, &path, &fresh);
    form.set(Field::Launcher, &launcher);
    let set: Vec<String> = set.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    form.set(Field::Set, &set.join(" "));
    push_form(state, form)
}

fn push_form(state: &mut State, mut form: Form) -> Vec<Effect> {
    form.planned = None;
    form.places.clone_from(&state.teach.places);
    state.layers.clear();
    state.screen = Screen::Teach;
    state.layers.push(Layer::Train(Box::new(form)));
    state.teach.plan = Plan::Unknown;
    let mut effects = ask(Ask::Watch(true));
    effects.extend(plan(state));
    effects
}

/// Asks what the settings would take, if they have changed.
fn plan(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Train(form)) = state.layers.last_mut() else { return Vec::new() };
    if !form.take_change() {
        return Vec::new();
    }
    if let Some((field, what)) = form.fault() {
        state.teach.plan = Plan::Refused(format!("{}: {what}", field.title()));
        return ask(Ask::Cancel);
    }
    state.teach.plan = Plan::Asked;
    ask(Ask::Plan(form.clone()))
}

pub(super) fn form(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let Some(Layer::Train(form)) = state.layers.last_mut() else { return None };
    match action {
        Action::Up => form.step(-1),
        Action::Down | Action::OtherField => form.step(1),
        Action::Left => form.turn(-1),
        Action::Right => form.turn(1),
        Action::Undo => form.set(form.field, ""),
        Action::Submit => return Some(submit(state)),
        Action::Close => {
            if let Some(Layer::Train(form)) = state.layers.pop() {
                state.teach.form = Some(*form).filter(|form| form.from.is_none());
            }
            return Some(ask(Ask::Cancel));
        }
        _ => return None,
    }
    Some(plan(state))
}

fn submit(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Train(form)) = state.layers.last_mut() else { return Vec::new() };
    if let Some((field, what)) = form.fault() {
        form.field = field;
        state.note = Some(format!("{}: {what}", field.title()));
        return Vec::new();
    }
    let form = form.clone();
    state.layers.pop();
    state.note = Some(format!("{} is being started …", form.get(Field::Name)));
    state.teach.form = Some((*form).clone()).filter(|form| form.from.is_none());
    ask(Ask::Start(form))
}

/// A key of the dialog that is bound to nothing.
pub(super) fn type_key(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(Layer::Train(form)) = state.layers.last_mut() {
        match key.code {
            Code::Char(c) if !key.ctrl && !key.alt => form.insert(&c.to_string()),
            Code::Backspace => form.backspace(),
            _ => {}
        }
    }
    Vec::new()
}

/// A paste into the dialog.
pub(super) fn paste(state: &mut State, text: &str) {
    if let Some(Layer::Train(form)) = state.layers.last_mut() {
        form.insert(text.lines().next().unwrap_or_default().trim());
    }
}
