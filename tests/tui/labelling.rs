//! Stories of labelling: keys in, events out, what stands after undo, after a crash, beside others.

use outloud::app::{Effect, Layer, Msg, Screen, Stand};
use outloud::label::{Rule, outcome};
use outloud::session::{Choice, Entry, Event, EventId, Pen, Progress};

use crate::stage::Stage;

/// A stage with a session that saves what it is given, when it is told to.
pub struct Desk {
    pub stage: Stage,
    pub saved: Vec<Entry>,
    pub by: String,
}

impl Desk {
    /// The Label screen on the recorded examples, by an annotator, after what a session holds already.
    pub fn open(by: &str, before: Vec<Entry>) -> Self {
        Self::on(Stage::demo(), by, before)
    }

    pub fn on(mut stage: Stage, by: &str, before: Vec<Entry>) -> Self {
        (stage.state.screen, stage.state.run_first) = (Screen::Label, false);
        stage.send(Msg::Session(Pen::new(by)));
        stage.send(Msg::Journal(before.clone(), false));
        stage.send(Msg::Journal(Vec::new(), true));
        stage.send(Msg::Kept(Box::default()));
        Self { stage, saved: before, by: by.into() }
    }

    pub fn press(&mut self, keys: &str) -> &mut Self {
        self.stage.press(keys);
        self
    }

    pub fn rest(&mut self, milliseconds: u64) -> &mut Self {
        self.stage.rest(milliseconds);
        self
    }

    /// Everything that was written reaches the disk.
    pub fn save(&mut self) -> &mut Self {
        let mut new = Vec::new();
        for effect in std::mem::take(&mut self.stage.effects) {
            if let Effect::Write(draft) = effect {
                let clock = self.saved.iter().map(|e| e.clock).max().unwrap_or(0) + 1;
                let time = format!("2026-01-01T00:00:00.{clock:03}Z");
                let entry = Entry { id: draft.id, clock, time, by: self.by.clone(), event: draft.event };
                self.saved.push(entry.clone());
                new.push(entry);
            }
        }
        self.stage.send(Msg::Journal(new, false));
        self
    }

    /// Others wrote these.
    pub fn hear(&mut self, entries: &[Entry]) -> &mut Self {
        self.saved.extend(entries.iter().cloned());
        self.stage.send(Msg::Journal(entries.to_vec(), false));
        self
    }

    pub fn at(&self) -> usize {
        self.stage.state.desk.at
    }

    pub fn mine(&self, place: usize) -> Option<outloud::session::Label> {
        let desk = &self.stage.state.desk;
        desk.mine(desk.queue[place]).cloned()
    }

    pub fn stand(&self, place: usize) -> Stand {
        let desk = &self.stage.state.desk;
        desk.stand(desk.queue[place])
    }

    pub fn note(&self) -> String {
        self.stage.state.note.clone().unwrap_or_default()
    }

    pub fn text(&mut self) -> String {
        self.stage.text(160, 45)
    }
}

/// The pairs among the recorded examples.
fn pairs(desk: &Desk) -> Vec<usize> {
    let state = &desk.stage.state;
    (0..state.desk.queue.len()).filter(|at| state.examples[state.desk.queue[*at]].is_pair()).collect()
}

#[test]
fn one_key_labels_a_pair_and_the_next_comes_at_once() {
    let mut desk = Desk::open("ana", Vec::new());
    let all = desk.stage.state.desk.queue.len();
    assert!(all >= 3 && desk.at() == 0);
    desk.rest(4000).press("1");
    let label = desk.mine(0).unwrap();
    assert_eq!((label.state, label.seconds), (Progress::Submitted, Some(4.0)));
    assert_eq!(label.choice, Some(Choice::MuchBetter(label.shown[0])), "of the answer that stood as A");
    assert!(label.seed.is_some() && !label.revealed);
    assert_eq!(desk.at(), 1);
    desk.press("5 0");
    assert_eq!(desk.stand(1), Stand::Is(Progress::Submitted));
    assert_eq!(desk.stand(2), Stand::Is(Progress::Skipped));
    // Nothing of it is on the disk before it is saved, and the screen says so.
    assert!(desk.text().contains("saving "), "{}", desk.text());
    desk.save();
    assert!(desk.text().contains("ana · saved"), "{}", desk.text());
    // Back any time, and another choice.
    desk.press("K K K 3").save();
    assert_eq!(desk.mine(0).unwrap().choice, Some(Choice::Tie));
    assert_eq!(desk.at(), 3, "on to the next without a label");
}

#[test]
fn flags_tags_and_notes_stand_beside_the_choice() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("b f t 2 down space enter");
    let label = desk.mine(0).unwrap();
    assert_eq!(label.state, Progress::Draft, "begun");
    assert!(label.all_bad && label.flag);
    assert_eq!(label.reasons, ["wrong reasoning", "off topic"]);
    desk.press("n 'two_slips' ctrl-s 4").save();
    let label = desk.mine(0).unwrap();
    assert_eq!((label.note.as_str(), label.state), ("two slips", Progress::Submitted));
    assert!(label.all_bad && label.reasons.len() == 2 && label.choice.is_some());
    desk.press("K");
    let text = desk.text();
    assert!(text.contains("BAD") && text.contains("wrong reasoning, off topic · note: two slips"), "{text}");
    assert!(text.contains("▸4"), "{text}");
}

#[test]
fn undo_goes_back_without_limit_and_redo_forth() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("1 f 2 3 4").save();
    for _ in 0..5 {
        desk.press("u");
    }
    assert!((0..4).all(|at| desk.stand(at) == Stand::Pending));
    assert_eq!(desk.at(), 0);
    desk.press("u");
    assert_eq!(desk.note(), "nothing of yours to undo");
    desk.press("U U U U U U");
    assert_eq!(desk.note(), "nothing to redo");
    assert!((0..4).all(|at| desk.stand(at) == Stand::Is(Progress::Submitted)));
    assert!(desk.mine(1).unwrap().flag);
    // Undone and labelled anew: what was undone is not redone.
    desk.press("u 5").save();
    desk.press("U");
    assert_eq!(desk.note(), "nothing to redo");
    // The events say the same to anybody who reads them.
    let mut book = outloud::session::Book::default();
    book.insert(desk.saved.clone());
    assert_eq!(book.labels().count(), 4);
    assert_eq!(outcome(&book, &Rule::Latest).len(), 4);
}

#[test]
fn undo_works_after_a_crash_too() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("1 2 u 3").save();
    // In the middle of the next one: a flag and half a note, kept at a rest.
    desk.press("f n 'half_a_no'").rest(1500).save();
    desk.press("'te'");
    let saved = desk.saved.clone();
    drop(desk);
    let mut again = Desk::open("ana", saved);
    assert_eq!(again.at(), 2, "the draft comes first");
    let draft = again.mine(2).unwrap();
    assert_eq!((draft.state, draft.flag, draft.note.as_str()), (Progress::Draft, true, "half a no"));
    again.press("u u");
    assert_eq!(again.stand(2), Stand::Pending);
    again.press("u u");
    assert!((0..3).all(|at| again.stand(at) == Stand::Pending), "back over what was done before the crash");
}

#[test]
fn what_is_typed_is_one_step_however_often_it_was_kept() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("n 'one'").rest(1500).save();
    desk.press("'_two'").rest(1500).save();
    desk.press("'_three' esc").save();
    assert_eq!(desk.mine(0).unwrap().note, "one two three");
    desk.press("u").save();
    assert_eq!(desk.mine(0), None);
    desk.press("U").save();
    assert_eq!(desk.mine(0).unwrap().note, "one two three");
    // Nothing was changed in the end: nothing stands.
    desk.press("u J n 'x'").rest(1500);
    desk.press("backspace esc").save();
    assert_eq!(desk.mine(1), None);
}

#[test]
fn blind_until_the_choice_and_a_reveal_is_recorded() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.play();
    let pair = pairs(&desk)[0];
    while desk.at() != pair {
        desk.press("J");
    }
    desk.stage.play();
    let text = desk.text();
    assert!(text.contains("· blind"), "{text}");
    for told in ["reward", "CRITIQUE", "chosen", "rejected", "margin"] {
        assert!(!text.contains(told), "{told}: {text}");
    }
    desk.press("c");
    assert!(desk.note().contains("hidden until the choice"));
    desk.press("r");
    let text = desk.text();
    assert!(text.contains("CRITIQUE") && text.contains("chosen · reward"), "{text}");
    assert_eq!(desk.mine(pair).map(|l| (l.state, l.revealed)), Some((Progress::Draft, true)));
    desk.press("2").save();
    assert!(desk.mine(pair).unwrap().revealed);
    // After a blind choice everything is there, and that choice was blind.
    desk.press("2 K");
    let before = desk.mine(desk.at()).unwrap();
    assert!(!before.revealed && desk.text().contains("CRITIQUE"));
}

#[test]
fn inspecting_a_pair_reveals_it() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.play();
    desk.press("g i");
    assert_eq!(desk.stage.state.screen, Screen::Inspect);
    assert_eq!(desk.mine(0), None, "looking is no draft");
    desk.press("J g l");
    assert_eq!((desk.stage.state.screen, desk.at()), (Screen::Label, 1));
    desk.press("K 1 1 J 1").save();
    let revealed = |at| desk.mine(at).unwrap().revealed;
    assert_eq!([revealed(0), revealed(1), revealed(3)], [true, true, false]);
}

#[test]
fn sides_are_drawn_for_each_annotator_and_labels_mean_answers() {
    let (mut ana, mut ben) = (Desk::open("ana", Vec::new()), Desk::open("ben", Vec::new()));
    let all = pairs(&ana);
    let shown = |d: &Desk, at: usize| d.stage.state.desk.shown(d.stage.state.desk.queue[at], 2);
    for desk in [&mut ana, &mut ben] {
        for _ in 0..desk.stage.state.desk.queue.len() {
            // Whoever is for the first answer presses another key when it stands as B.
            let state = &desk.stage.state;
            let at = state.desk.at;
            let pair = state.labelled().unwrap().1.is_pair();
            let key = if !pair || state.desk.shown(state.desk.queue[at], 2)[0] == 0 { "2" } else { "4" };
            desk.press(key);
        }
        desk.save();
    }
    assert!(all.iter().all(|at| ana.mine(*at).unwrap().choice == Some(Choice::Better(0))));
    let same = all.iter().filter(|at| shown(&ana, **at) == shown(&ben, **at)).count();
    assert!(all.len() < 4 || same < all.len(), "orders differ somewhere");
    let others = ben.saved.clone();
    ana.hear(&others).press("a");
    let text = ana.text();
    assert!(text.contains("ana and ben") && text.contains("same side 1.00"), "{text}");
    assert!(text.contains("0 conflicts"), "{text}");
}

/// Ana is for A everywhere, Ben for the other answer on the first two.
pub fn apart() -> Desk {
    let mut ben = Desk::open("ben", Vec::new());
    let mut ana = Desk::open("ana", Vec::new());
    let count = ana.stage.state.desk.queue.len();
    for at in 0..count {
        ana.press("2");
        let first = ana.mine(at).unwrap().choice == Some(Choice::Better(0));
        let shown = ben.stage.state.desk.shown(ben.stage.state.desk.queue[at], 2);
        let single = !ben.stage.state.labelled().unwrap().1.is_pair();
        let is_a = if single { first } else { (shown[0] == 0) == first };
        let agrees = at >= 2;
        ben.press(if is_a == agrees { "2" } else { "4" });
    }
    ana.save();
    ben.save();
    let others = ben.saved.clone();
    ana.hear(&others);
    ana
}

#[test]
fn conflicts_are_listed_and_settled() {
    let mut ana = apart();
    assert!(ana.text().contains("2 conflicts (C)"), "{}", ana.text());
    ana.press("C");
    let text = ana.text();
    assert!(text.contains("Pairs · conflicts (2)") && text.contains('≠'), "{text}");
    ana.press("enter");
    let text = ana.text();
    assert!(text.contains("settling a conflict") && text.contains("ben: "), "{text}");
    ana.press("3").save();
    assert_eq!(ana.at(), 1, "the next conflict");
    ana.press("1").save();
    assert_eq!(ana.note(), "all conflicts are settled");
    assert!(!ana.text().contains("conflicts (C)"));
    let mut book = outloud::session::Book::default();
    book.insert(ana.saved.clone());
    let all = outcome(&book, &Rule::Majority);
    assert_eq!(all.iter().filter(|o| o.adjudicated.as_deref() == Some("ana")).count(), 2);
    assert_eq!(all[0].choice, Some(Choice::Tie));
    // An undo brings the conflict back.
    ana.press("u");
    assert!(ana.text().contains("1 conflict (C)"), "{}", ana.text());
}

#[test]
fn marked_pairs_are_labelled_together_with_one_undo() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("1 l g g v j j v 3").save();
    assert!((0..3).all(|at| desk.mine(at).unwrap().choice == Some(Choice::Tie)));
    assert_eq!(desk.note(), "a tie: 3 pairs, one step; u undoes it");
    let text = desk.text();
    assert!(text.contains("3 marked") && text.contains('●'), "{text}");
    desk.press("f t 1").save();
    assert!((0..3).all(|at| desk.mine(at).unwrap().flag && desk.mine(at).unwrap().reasons == ["wrong fact"]));
    desk.press("esc u u u").save();
    assert_eq!(desk.mine(0).unwrap().choice.map(Choice::ordinal).unwrap().abs(), 2, "the label before");
    assert!(desk.stand(1) == Stand::Pending && desk.stand(2) == Stand::Pending);
    // Everything that is shown, and by state.
    desk.press("s s s s");
    assert!(desk.text().contains("Pairs · labelled (1)"), "{}", desk.text());
    desk.press("esc");
    assert!(desk.stage.state.layers.is_empty());
}

#[test]
fn labels_go_to_the_train_dialog_all_or_those_of_marked_pairs() {
    use outloud::app::teach::{CHOSEN, Field, Form, Picked};
    let dialog = |desk: &Desk| match desk.stage.state.layers.last() {
        Some(Layer::Train(form)) => (**form).clone(),
        other => panic!("{other:?}"),
    };
    let rows = |form: &Form| form.get(Field::Data).to_owned();
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("1 1 ctrl-t");
    assert_eq!((rows(&dialog(&desk)), dialog(&desk).picked), ("labels".to_owned(), None));
    desk.press("esc g l l g g space space space space ctrl-t");
    let form = dialog(&desk);
    assert_eq!(rows(&form), CHOSEN);
    let Some(Picked::Pairs(pairs)) = &form.picked else { panic!("{form:?}") };
    let (state, marked) = (&desk.stage.state, &desk.stage.state.desk.marked);
    assert_eq!(marked.len(), 4);
    let of_pairs: Vec<_> = marked.iter().map(|at| &state.examples[*at]).filter(|e| e.is_pair()).collect();
    assert!(!of_pairs.is_empty());
    assert_eq!(
        pairs.iter().map(|p| &p.0).collect::<Vec<_>>(),
        of_pairs.iter().map(|e| &e.prompt).collect::<Vec<_>>()
    );
}

#[test]
fn a_kept_model_is_an_event_of_the_session() {
    use outloud::app::teach::News;
    use outloud::session::{Event, Model};
    let mut desk = Desk::open("ana", Vec::new());
    let lineage = serde_json::json!({"run": "/runs/run-1", "base": {"model": "demo", "fingerprint": "0123456789abcdef"},
        "data": {"sha256": "fedcba9876543210"}});
    let model = |kept| Model {
        name: "better".into(),
        kept,
        folder: "models/better".into(),
        lineage: lineage.clone(),
    };
    desk.stage.send(Msg::Runs(Box::new(News::Model(Box::new(model(true))))));
    desk.save();
    let told = |desk: &Desk| desk.stage.state.desk.book.models()["better"].value.describe();
    assert_eq!(told(&desk), "kept, run /runs/run-1, base demo (0123456789ab), data fedcba987654");
    desk.stage.send(Msg::Runs(Box::new(News::Model(Box::new(model(false))))));
    desk.save();
    assert!(told(&desk).starts_with("dropped"));
    let kinds: Vec<&str> = desk.stage.state.desk.book.entries().map(|e| e.event.kind()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "model").count(), 2);
    // It comes back from the journal as it was written.
    let event = Event::Model(Box::new(model(true)));
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
}

#[test]
fn critiques_are_reviewed_by_sentence_corrected_and_written() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.play();
    desk.press("r c");
    assert!(matches!(desk.stage.state.layers.last(), Some(Layer::Review(_))));
    desk.press("n y").save();
    let text = desk.text();
    assert!(text.contains("✗ disagree") && text.contains("✓ agree"), "{text}");
    let review = |desk: &Desk| {
        let all: Vec<_> = desk.stage.state.desk.book.reviews().map(|(_, r)| r.value.clone()).collect();
        all
    };
    let [whole] = review(&desk).try_into().unwrap();
    assert_eq!((whole.agrees, whole.sentences.len()), (Some(false), 1));
    assert!(whole.critique.is_some());
    desk.press("e backspace '_—_no.' ctrl-s").save();
    let text = review(&desk)[0].correction.clone().unwrap();
    assert!(text.ends_with(" — no."), "{text}");
    desk.press("w 'My_own_view.' ctrl-s").save();
    let all = review(&desk);
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|r| r.critique.is_none() && r.correction.as_deref() == Some("My own view.")));
    let shown = desk.text();
    assert!(shown.contains("YOUR OWN CRITIQUE") && shown.contains("My own view."), "{shown}");
    desk.press("u u u u").save();
    assert!(review(&desk).is_empty());
}

#[test]
fn a_take_of_inspect_is_adopted() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.play();
    desk.press("g i L");
    let Some(Effect::NameOf(take)) =
        desk.stage.effects.iter().find(|e| matches!(e, Effect::NameOf(_))).cloned()
    else {
        panic!("{:?}", desk.stage.effects)
    };
    let name: EventId = "ana-0123456789ab:7".parse().unwrap();
    desk.stage.send(Msg::Adopted(take, Some(name.clone())));
    desk.save();
    assert_eq!(desk.mine(0).unwrap().adopted, Some(name));
    let words = desk.stage.state.takes.get(take).unwrap().words();
    let review = desk.stage.state.desk.review(0, 0, None).unwrap();
    assert_eq!(review.correction.as_deref(), Some(words.as_str()));
    desk.press("g l u");
    assert!(desk.stage.state.desk.review(0, 0, None).is_none(), "one step");
}

#[test]
fn the_most_useful_come_first_once_their_scores_are_there() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("o backspace backspace backspace backspace 'margin' enter");
    assert_eq!(desk.note(), "order: margin");
    desk.stage.play();
    desk.press("0");
    let state = &desk.stage.state;
    let known: Vec<f64> = state
        .desk
        .queue
        .iter()
        .skip(state.desk.at)
        .filter_map(|e| state.desk.margin(*e))
        .map(f64::abs)
        .collect();
    assert!(known.len() >= 2 && known.windows(2).all(|w| w[0] <= w[1]), "{known:?}");
    desk.press("o backspace backspace backspace backspace backspace backspace 'by:nothing' enter");
    assert!(desk.note().contains("no row has a column"), "{}", desk.note());
    desk.press("o 'x' enter");
    assert!(desk.note().contains("the order is one of"), "{}", desk.note());
}

#[test]
fn labelling_does_not_wait_for_the_model_and_asks_for_each_score_once() {
    let mut desk = Desk::open("ana", Vec::new());
    // No engine event at all.
    let all = desk.stage.state.desk.queue.len();
    for _ in 0..all {
        desk.press("3");
    }
    assert!((0..all).all(|at| desk.stand(at) == Stand::Is(Progress::Submitted)));
    assert!(desk.note().contains("every pair has a label"));
    let mut again = Desk::open("ben", Vec::new());
    again.stage.play();
    let asked = again.stage.requests.len();
    again.press("1 2 K K J J").stage.play();
    assert!(again.stage.requests.len() <= 1 + 2 * all, "{asked}");
    again.stage.play();
    let mut left: Vec<String> = Vec::new();
    for example in &again.stage.state.examples {
        left.extend(example.sides().iter().map(|side| format!("{:?}", example.input(*side))));
    }
    for request in &again.stage.requests {
        if let outloud::engine::Request::Critique { input, .. } = request {
            let at = left.iter().position(|input_| *input_ == format!("{input:?}"));
            left.swap_remove(at.unwrap_or_else(|| panic!("asked twice: {input:?}")));
        }
    }
}

#[test]
fn pairs_labelled_before_their_critiques_came_get_them_afterwards() {
    let mut desk = Desk::open("ana", Vec::new());
    let pair = pairs(&desk)[0];
    let all = desk.stage.state.desk.queue.len();
    desk.press(&vec!["1"; all].join(" ")).save();
    let example = desk.stage.state.desk.queue[pair];
    assert!(desk.stage.state.desk.margin(example).is_none());
    // The dialog covers the Label screen; its critiques are still written.
    desk.press("ctrl-t");
    assert_eq!(desk.stage.state.screen, Screen::Teach);
    desk.stage.play();
    assert!(desk.stage.state.desk.margin(example).is_some());
}

#[test]
fn shares_are_divided_between_annotators() {
    let mut ben = Desk::open("ben", Vec::new());
    ben.press("1 1").save();
    let mut stage = Stage::demo();
    stage.state.desk.setup.twice = Some(0.0);
    let mut ana = Desk::on(stage, "ana", ben.saved.clone());
    assert_eq!((ana.stand(0), ana.stand(1), ana.at()), (Stand::Taken, Stand::Taken, 2));
    let mut stage = Stage::demo();
    stage.state.desk.setup.twice = Some(1.0);
    let both = Desk::on(stage, "ana", ben.saved.clone());
    assert_eq!((both.stand(0), both.at()), (Stand::Pending, 0));
    // While she looks at one, he labels it: it stays hers to label.
    ben.press("1").save();
    let new = ben.saved.last().unwrap().clone();
    ana.hear(&[new]).press("2");
    assert_eq!(ana.stand(2), Stand::Is(Progress::Submitted));
}

#[test]
fn calibration_is_shown_on_inspect_once_labels_exist() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.stage.play();
    let pair = pairs(&desk)[0];
    desk.press("g i");
    assert!(!desk.text().contains("calibrated"));
    desk.press("g l");
    while desk.at() != pair {
        desk.press("J");
    }
    desk.press("1").save().rest(2000);
    desk.stage.play();
    desk.press("K g i");
    while desk.stage.state.selected != desk.stage.state.desk.queue[pair] {
        desk.press("J");
    }
    assert!(desk.text().contains("calibrated: 1 of 20 labels"));
    desk.press("g l a");
    assert!(desk.text().contains("Few labels"), "{}", desk.text());
}

#[test]
fn guidelines_are_one_key_away() {
    let mut desk = Desk::open("ana", Vec::new());
    desk.press("i");
    assert!(desk.note().contains("no guidelines"));
    desk.stage.state.desk.setup.guidelines = Some(("rules.md".into(), "# Rules\n\nPrefer **facts**.".into()));
    desk.press("i");
    assert!(desk.text().contains("Guidelines · rules.md") && desk.text().contains("Prefer facts."));
    desk.press("q");
    assert!(desk.stage.state.layers.is_empty() && !desk.stage.quit);
}

#[test]
fn without_a_session_one_is_opened() {
    let mut stage = Stage::finished();
    stage.press("g l g l");
    assert_eq!(stage.effects.iter().filter(|e| matches!(e, Effect::OpenSession)).count(), 1);
    assert!(stage.text(80, 24).contains("the session is being read"));
    stage.press("1 u b");
    assert!(!stage.effects.iter().any(|e| matches!(e, Effect::Write(_))));
    stage.send(Msg::Session(Pen::new("ana")));
    stage.send(Msg::Journal(Vec::new(), true));
    stage.press("1");
    assert!(
        stage.effects.iter().any(|e| matches!(e, Effect::Write(d) if matches!(d.event, Event::Label(_))))
    );
}

#[test]
fn progress_pace_goal_and_the_time_left() {
    let mut stage = Stage::demo();
    stage.state.desk.setup.goal = Some(5);
    let mut desk = Desk::on(stage, "ana", Vec::new());
    desk.rest(30_000).press("1").rest(30_000).press("1").rest(30_000).press("1");
    let text = desk.text();
    assert!(
        text.contains("3 of 12 labelled · 120 an hour, 30 s a pair · 2 to the goal of 5 · 1 min left"),
        "{text}"
    );
    assert!(desk.stage.text(80, 24).contains("3 of 12 labelled · 120 an hour"));
}

#[test]
fn what_was_labelled_is_what_the_train_dialog_offers() {
    let rows = |desk: &mut Desk| {
        desk.press("g t n");
        let text = desk.text();
        let words = |name: &str| {
            let line =
                text.lines().find_map(|line| line.split_once(name)).unwrap_or_else(|| panic!("{text}"));
            line.1.split_whitespace().next().unwrap().to_owned()
        };
        [words(" rows  "), words(" held out  "), words(" steps  ")]
    };
    let mut none = Desk::open("ana", Vec::new());
    assert_eq!(rows(&mut none)[1..], ["0.1", "│"]);
    let mut some = Desk::open("ana", Vec::new());
    some.press("1 2").save();
    assert_eq!(rows(&mut some), ["labels", "0", "20"]);
}
