//! What keys and events do to the state.

use outloud::app::{Focus, How, Layer, Msg, Paint, Phase, ReEncoded, Side};
use outloud::checkpoint::Reading;
use outloud::engine::{CritiqueText, Event, Request, Ticket};

use crate::stage::Stage;

#[test]
fn the_first_example_runs_as_soon_as_the_model_is_there() {
    let mut stage = Stage::demo();
    assert!(matches!(stage.requests[..], [Request::Load { .. }]));
    stage.step(2);
    assert!(
        matches!(stage.requests[1], Request::Critique { ref options, .. } if options.score.stop_here && options.alternatives > 0)
    );
    stage.play();
    let take = stage.state.take().unwrap();
    assert_eq!(take.phase, Phase::Complete);
    assert_eq!(take.reward(), take.tokens.last().map(|t| t.reward));
    assert!(stage.state.running.is_empty(), "every ticket is done");
}

#[test]
fn the_re_encoded_reading_is_asked_for_when_the_critique_is_complete() {
    let stage = Stage::finished();
    let Some(Request::Score { critique: CritiqueText::Text(critique), options, .. }) = stage.requests.last()
    else {
        panic!("{:?}", stage.requests.last());
    };
    assert_eq!(options.reading, Reading::ReEncoded);
    assert!(critique.starts_with("We check") && critique.ends_with("bad ."), "{critique}");
    let ReEncoded::Read(verdict) = &stage.state.take().unwrap().re_encoded else { panic!() };
    assert_eq!(verdict.reward, -1.6880367);
}

#[test]
fn a_critique_arrives_word_by_word_with_its_live_reward() {
    let mut stage = Stage::demo();
    stage.step(2 + 3);
    assert_eq!(stage.state.take().unwrap().phase, Phase::Streaming);
    stage.step(2);
    let take = stage.state.take().unwrap();
    assert_eq!((take.tokens.len(), take.reward()), (1, Some(0.11876875)));
    assert_eq!(take.stop_here(), Some(-1.5220886));
    stage.step(3);
    assert_eq!(stage.state.take().unwrap().reward(), Some(1.3536618), "the third token's");
}

#[test]
fn space_stops_and_what_had_arrived_stays() {
    let mut stage = Stage::demo();
    stage.step(11).press("space");
    let take = stage.state.take().unwrap();
    let arrived = take.tokens.len();
    assert!(arrived > 0);
    assert_eq!(take.phase, Phase::Stopped);
    assert_eq!(stage.cancelled.len(), 1);
    stage.play();
    let take = stage.state.take().unwrap();
    assert_eq!(
        (take.phase.clone(), take.tokens.len()),
        (Phase::Stopped, arrived),
        "stale events are dropped"
    );
    stage.press("space").play();
    assert_eq!(stage.state.take().unwrap().phase, Phase::Complete);
    assert_eq!(stage.state.takes.iter().count(), 2, "nothing was overwritten");
}

#[test]
fn events_of_unknown_tickets_change_nothing() {
    let mut stage = Stage::finished();
    let before = format!("{:?}", stage.state.takes);
    let ticket = Ticket(999);
    for event in [
        Event::Failed { ticket, error: "stale".into() },
        Event::Prefill { ticket, done: 1, total: 2 },
        Event::StopHere { ticket, sample: 0, index: 0, reward: 9.0 },
        Event::Cancelled { ticket },
        Event::Done { ticket },
    ] {
        stage.send(Msg::Engine(event));
    }
    assert_eq!(format!("{:?}", stage.state.takes), before);
    assert!(stage.state.info().is_some());
}

#[test]
fn again_takes_a_seed_not_used_before_at_temperature_one() {
    let mut stage = Stage::finished();
    stage.press("r").play().press("r").play();
    let seeds: Vec<(u64, f64)> = stage
        .requests
        .iter()
        .filter_map(|r| match r {
            Request::Critique { options, .. } => Some((options.sampling.seed, options.sampling.temperature)),
            _ => None,
        })
        .collect();
    assert_eq!(seeds, [(0, 0.0), (1, 1.0), (2, 1.0)]);
    let parents: Vec<Option<usize>> = stage.state.takes.iter().map(|t| t.parent.map(|p| p.0)).collect();
    assert_eq!(parents, [None, Some(0), Some(1)]);
    stage.press("{ {");
    assert_eq!(stage.state.take().unwrap().how, How::Greedy);
}

#[test]
fn a_pair_runs_both_answers_and_has_a_margin() {
    let mut stage = Stage::finished();
    stage.press("J J");
    assert_eq!(stage.state.example().unwrap().id, "code-pair");
    stage.press("space").play();
    let (margin, probability) = stage.state.margin(2).unwrap();
    let reward = |side| stage.state.take_of(2, side).unwrap().reward().unwrap();
    assert_eq!(margin, reward(Side::Chosen) - reward(Side::Rejected));
    assert!((probability - 1.0 / (1.0 + (-margin).exp())).abs() < 1e-6);
    stage.press("v");
    assert_eq!(stage.state.side, Side::Rejected);
    let screen = stage.text(160, 45);
    assert!(screen.contains("ANSWER, rejected") && screen.contains("margin"), "{screen}");
}

#[test]
fn a_new_example_is_typed_and_run_at_once() {
    let mut stage = Stage::finished();
    stage.press("n 'Say_hi.' tab 'Hi!' ctrl-s");
    assert!(stage.state.layers.is_empty());
    let Some(Request::Critique { input, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(input, &outloud::engine::Input::text("Say hi.", "Hi!"));
    stage.play().press("q");
    assert!(matches!(stage.state.layers[..], [Layer::Quit(_)]), "a typed example would be lost: asks");
    stage.press("y");
    assert!(stage.quit);
}

#[test]
fn keys_are_never_read_out_of_a_paste_and_a_paste_is_one_edit() {
    let mut stage = Stage::finished();
    stage.press("n").send(Msg::Paste("q\r\nquit\x1b[31m <|eot_id|>\u{202e}".into()));
    let Some(Layer::Entry(entry)) = stage.state.layers.last() else { panic!() };
    assert_eq!(entry.texts().0, "q\nquit\x1b[31m <|eot_id|>\u{202e}");
    let screen = stage.text(80, 24);
    assert!(screen.contains("quit␛[31m <|eot_id|>‹RLO›"), "{screen}");
    stage.press("ctrl-u");
    let Some(Layer::Entry(entry)) = stage.state.layers.last() else { panic!() };
    assert_eq!(entry.texts().0, "", "one undo takes the whole paste back");
    assert!(!stage.quit);
}

#[test]
fn a_pasted_megabyte_is_judged_whole_and_drawn_in_time() {
    let mut stage = Stage::finished();
    let text = "a word and 世界 ".repeat(1 << 16);
    stage.press("n 'p' tab").send(Msg::Paste(text.clone())).press("ctrl-s");
    let Some(Request::Critique { input, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(input.answer.len(), text.len());
    let start = std::time::Instant::now();
    stage.press("tab tab G");
    let screen = stage.text(80, 24);
    assert!(screen.contains("judged but not shown"), "{screen}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn an_edited_answer_is_a_new_take_and_marks_the_old_critique_stale() {
    let mut stage = Stage::finished();
    let takes = |stage: &Stage| stage.state.takes.of(stage.state.selected, stage.state.side).count();
    let before = takes(&stage);
    stage.press("a 'x' esc");
    let take = stage.state.take().unwrap();
    assert_eq!((take.phase.clone(), take.how.clone()), (Phase::Draft, How::Edited));
    assert!(take.input.answer.ends_with("coins.x"));
    let (shown, stale) = stage.state.critique_take().unwrap();
    assert!(stale && shown.phase == Phase::Complete);
    assert!(stage.text(80, 24).contains("stale"));
    stage.press("space").play();
    assert!(stage.state.take().unwrap().input.answer.ends_with("coins.x"));
    assert_eq!(takes(&stage), before + 1, "an edit that is run is one take");
    stage.press("{ {");
    assert!(stage.state.take().unwrap().input.answer.ends_with("coins."), "the first answer is still there");
}

#[test]
fn a_closed_entry_keeps_its_draft() {
    let mut stage = Stage::finished();
    stage.press("n 'half' esc n");
    let Some(Layer::Entry(entry)) = stage.state.layers.last() else { panic!() };
    assert_eq!(entry.texts().0, "half");
    stage.press("esc q");
    assert!(matches!(&stage.state.layers[..], [Layer::Quit(what)] if what.contains("draft")));
    stage.press("n");
    assert!(!stage.quit && stage.state.layers.is_empty());
}

#[test]
fn the_cursor_walks_over_tokens_and_jumps_to_the_biggest_move() {
    let mut stage = Stage::finished();
    let last = stage.state.take().unwrap().tokens.len() - 1;
    stage.press("h h");
    assert_eq!(stage.state.cursor, Some(last - 2));
    stage.press("m");
    let take = stage.state.take().unwrap();
    let at = stage.state.cursor.unwrap();
    let moved = |i: usize| take.stop_here_change(i).map_or(0.0, f32::abs);
    assert!((1..last).all(|i| moved(i) <= moved(at)));
    let screen = stage.text(160, 45);
    assert!(
        screen.contains("what could stand here") && screen.contains(&format!("Token {}", at + 1)),
        "{screen}"
    );
    let first = stage.state.cursor;
    stage.press("m");
    assert_ne!(stage.state.cursor, first, "pressed again: the next in rank");
    stage.press("esc");
    assert_eq!(stage.state.cursor, None);
}

#[test]
fn words_are_steps_of_the_cursor() {
    let mut stage = Stage::finished();
    stage.press("home w w");
    let take = stage.state.take().unwrap();
    assert_eq!(take.tokens[stage.state.cursor.unwrap()].text, " :");
    stage.press("b");
    assert_eq!(stage.state.cursor, Some(1));
}

#[test]
fn a_failed_load_is_told_and_shown_in_full() {
    let mut stage = Stage::demo();
    let Request::Load { ticket, .. } = stage.requests[0] else { panic!() };
    let error = "model.safetensors: found no reward_head.out_proj.weight, expected a reward head";
    stage.send(Msg::Engine(Event::Failed { ticket, error: error.into() }));
    let screen = stage.text(80, 24);
    assert!(screen.contains("✗ model.safetensors") && screen.contains("x: all of it"), "{screen}");
    stage.press("space");
    assert!(stage.state.note.as_ref().unwrap().contains("no model"));
    stage.press("x");
    assert!(stage.text(120, 40).contains("expected a reward head"));
    stage.press("q q");
    assert!(stage.quit);
}

#[test]
fn the_engines_end_leaves_takes_and_screen_alive() {
    let mut stage = Stage::demo();
    stage.step(11).send(Msg::Engine(Event::Down { reason: "index out of bounds".into() }));
    let screen = stage.text(80, 24);
    assert!(screen.contains("index out of bounds"), "{screen}");
    let take = stage.state.take().unwrap();
    assert!(matches!(take.phase, Phase::Failed(_)) && !take.tokens.is_empty());
    stage.press("space J n 'still_here' esc");
    assert_eq!(stage.state.selected, 1);
    assert!(stage.state.running.is_empty());
}

#[test]
fn a_refused_request_is_told_at_its_take() {
    let mut stage = Stage::finished();
    stage.press("J space");
    let Some(Request::Critique { ticket, .. }) = stage.requests.last() else { panic!() };
    stage.send(Msg::Refused(*ticket, "1024 requests are waiting".into()));
    assert!(stage.text(80, 24).contains("1024 requests are waiting"));
    stage.press("K");
    assert!(!stage.text(80, 24).contains("1024 requests"), "only its own example shows it");
}

#[test]
fn help_palette_and_which_key_come_from_the_key_map() {
    let mut stage = Stage::finished();
    stage.press("?");
    assert!(stage.text(80, 24).contains("run the critique, or stop it"));
    stage.press("? g");
    let screen = stage.text(80, 24);
    assert!(screen.contains("to the beginning") && screen.contains("go to Inspect"), "{screen}");
    stage.press("g : 'help' enter");
    assert!(matches!(stage.state.layers[..], [Layer::Help(_)]));
}

#[test]
fn escape_first_closes_then_stops_then_frees_the_view() {
    let mut stage = Stage::demo();
    stage.step(11).press("? esc");
    assert!(stage.cancelled.is_empty());
    stage.press("esc");
    assert_eq!(stage.cancelled.len(), 1);
}

#[test]
fn quitting_asks_only_when_something_would_be_lost() {
    let mut stage = Stage::finished();
    stage.press("q");
    assert!(stage.quit);
    let mut stage = Stage::demo();
    stage.step(9).press("q");
    assert!(!stage.quit && stage.text(80, 24).contains("1 critique is running"));
    stage.press("y");
    assert!(stage.quit);
}

#[test]
fn focus_turns_and_each_pane_moves_by_the_same_keys() {
    let mut stage = Stage::finished();
    assert_eq!(stage.state.focus, Focus::Critique);
    stage.press("tab j j k");
    assert_eq!((stage.state.focus, stage.state.selected), (Focus::Examples, 1));
    stage.press("G");
    assert_eq!(stage.state.example().unwrap().id, "long-answer");
    stage.press("tab j down");
    assert_eq!((stage.state.focus, stage.state.text_scroll), (Focus::Text, 2));
    stage.press("shift-tab");
    assert_eq!(stage.state.focus, Focus::Examples);
}

#[test]
fn what_colours_the_critique_turns_and_comes_back() {
    let mut stage = Stage::finished();
    let first = stage.state.paint;
    let seen: Vec<Paint> = (0..4)
        .map(|_| {
            stage.press("c");
            stage.state.paint
        })
        .collect();
    assert_eq!(seen[3], first);
    assert!(seen.contains(&Paint::Plain));
}

#[test]
fn a_bad_row_is_shown_and_the_others_go_on() {
    let text = "{\"prompt\": \"a\", \"answer\": 3}\n{\"prompt\": \"b\", \"answer\": \"c\"}\n";
    let rows = outloud::rows::Reader::over("rows.jsonl", std::io::Cursor::new(text));
    let examples =
        rows.map(|r| outloud::app::Example::from_row(r.unwrap(), outloud::app::Origin::File)).collect();
    let mut stage = Stage::on(examples);
    stage.play();
    let screen = stage.text(120, 40);
    assert!(screen.contains("rows.jsonl") && screen.contains("answer"), "{screen}");
    stage.press("J space").play();
    assert_eq!(stage.state.take().unwrap().phase, Phase::Complete);
}

#[test]
fn the_readme_holds_the_key_table() {
    let table = outloud::app::Keymap::built_in().unwrap().readme_table();
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    if let Ok(text) = std::fs::read_to_string(readme) {
        assert!(text.contains(&table), "README.md lacks this table:\n{table}");
    }
}
