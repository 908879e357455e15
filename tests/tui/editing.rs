//! Editing: the reward follows the words, every edit is a take, the model goes on from any place.

use outloud::app::{How, Layer, Msg, Phase, ReEncoded};
use outloud::engine::{CritiqueText, Event, Request};

use crate::stage::Stage;

const REST: u64 = 100;

fn scores(stage: &Stage) -> Vec<(&CritiqueText, bool)> {
    let requests = stage.requests.iter();
    let scores = requests.filter_map(|request| match request {
        Request::Score { critique, options, .. } => Some((critique, options.stop_here)),
        _ => None,
    });
    scores.collect()
}

fn text(critique: &CritiqueText) -> &str {
    match critique {
        CritiqueText::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_changed_digit_moves_the_reward() {
    let mut stage = Stage::finished();
    let before = stage.state.take().unwrap().clone();
    // The cursor on the digits of «22», then the editor opens there.
    let at = before.tokens.iter().position(|t| t.text == "22").unwrap();
    stage.press("g g");
    for _ in 0..at {
        stage.press("l");
    }
    stage.press("e delete delete '21'");
    let take = stage.state.take().unwrap();
    assert_eq!((take.how.clone(), take.parent), (How::Rewritten, Some(before.id)));
    assert_eq!(take.phase, Phase::Scoring);
    let asked = stage.requests.len();
    stage.rest(30);
    assert_eq!(stage.requests.len(), asked, "not before the rest");
    stage.rest(REST).play();
    let (critique, stop_here) = *scores(&stage).last().unwrap();
    assert!(text(critique).contains("answer says 21 ,") && !stop_here, "{critique:?}");
    let take = stage.state.take().unwrap();
    assert_eq!(take.phase, Phase::Complete);
    assert_ne!(take.reward(), before.reward());
    for (index, (new, old)) in take.tokens.iter().zip(&before.tokens).enumerate().take(at) {
        assert_eq!(
            (new.reward, new.stop_here, new.probability),
            (old.reward, old.stop_here, old.probability),
            "{index}"
        );
    }
    assert_eq!(take.tokens[at].stop_here, None, "not known yet");
    // While no key comes what the tokens did is read, from the first new one on.
    stage.rest(1000).play();
    let details = stage.requests.iter().rev().find_map(|r| match r {
        Request::Score { options, .. } if options.choices > 0 => Some(options.details_from),
        _ => None,
    });
    assert_eq!(details, Some(at));
    let take = stage.state.take().unwrap();
    assert!(take.tokens[at].stop_here.is_some() && !take.tokens[at].alternatives.is_empty());
    assert!(matches!(take.re_encoded, ReEncoded::Read(_)));
    stage.press("esc");
    let screen = stage.text(160, 45);
    assert!(screen.contains("critique edited") && screen.contains("change"), "{screen}");
    stage.press("u");
    assert_eq!(stage.state.take().unwrap(), &before, "nothing was overwritten");
    stage.press("U");
    assert_eq!(stage.state.take().unwrap().how, How::Rewritten);
}

#[test]
fn keys_in_quick_succession_are_one_score_and_stale_work_is_cancelled() {
    let mut stage = Stage::finished();
    let asked = scores(&stage).len();
    stage.press("e 'a' 'b' 'c'").rest(REST);
    assert_eq!(scores(&stage).len(), asked + 1);
    let cancelled = stage.cancelled.len();
    stage.press("'d'");
    assert_eq!(stage.cancelled.len(), cancelled + 1, "the score under way is of other words");
    stage.rest(REST).play();
    assert!(text(scores(&stage).last().unwrap().0).ends_with("bad .abcd"));
    assert_eq!(stage.state.takes.iter().count(), 2, "one edit, one take");
}

#[test]
fn undo_inside_an_edit_scores_the_words_before() {
    let mut stage = Stage::finished();
    let reward = stage.state.take().unwrap().reward();
    stage.press("e 'x'").rest(REST).play();
    assert_ne!(stage.state.take().unwrap().reward(), reward);
    stage.press("ctrl-z").rest(REST).play();
    assert_eq!(stage.state.take().unwrap().reward(), reward);
}

#[test]
fn a_paste_is_one_edit_and_one_score() {
    let mut stage = Stage::finished();
    stage.press("e").send(Msg::Paste("\r\nq\x1b[31m <|eot_id|>\u{202e}世界 e\u{301}".into()));
    let asked = scores(&stage).len();
    stage.rest(REST).play();
    assert_eq!(scores(&stage).len(), asked + 1);
    let screen = stage.text(80, 24);
    assert!(screen.contains("␛[31m") && screen.contains("‹RLO›"), "{screen}");
    stage.press("ctrl-z");
    let Some(Layer::Edit(edit)) = stage.state.layers.last() else { panic!() };
    assert!(edit.text().ends_with("bad ."), "one undo takes the whole paste back");
}

#[test]
fn a_paste_over_a_selection_is_one_undo() {
    let mut stage = Stage::finished();
    stage.press("e ctrl-a").send(Msg::Paste("wholly\nother".into()));
    let text = |stage: &Stage| {
        let Some(Layer::Edit(edit)) = stage.state.layers.last() else { panic!() };
        edit.text()
    };
    assert_eq!(text(&stage), "wholly\nother");
    stage.press("ctrl-z");
    assert!(text(&stage).starts_with("We check") && text(&stage).ends_with("bad ."));
    stage.press("ctrl-y");
    assert_eq!(text(&stage), "wholly\nother");
    // What comes back from the user's editor is one as well.
    stage.press("ctrl-o").send(Msg::Edited("from outside\n".into()));
    assert_eq!(text(&stage), "from outside");
    stage.press("ctrl-z");
    assert_eq!(text(&stage), "wholly\nother");
}

#[test]
fn an_emptied_critique_is_scored_and_a_refused_one_is_told() {
    let mut stage = Stage::finished();
    stage.press("e ctrl-a ctrl-x").rest(REST).play();
    let take = stage.state.take().unwrap();
    assert_eq!((take.phase.clone(), take.tokens.len()), (Phase::Complete, 1), "only the end-of-turn");
    stage.press("'y'").rest(REST);
    let Some(Request::Score { ticket, .. }) = stage.requests.last() else { panic!() };
    let error = "context: 9999 tokens, 5000 too many";
    stage.send(Msg::Engine(Event::Failed { ticket: *ticket, error: error.into() }));
    let screen = stage.text(80, 24);
    assert!(screen.contains("5000 too many") && screen.contains('y'), "{screen}");
    stage.press("ctrl-z").rest(REST).play().press("esc");
    assert_eq!(stage.state.take().unwrap().phase, Phase::Complete);
}

#[test]
fn a_pasted_megabyte_is_typed_into_without_delay() {
    let mut stage = Stage::finished();
    stage.press("e").send(Msg::Paste("a word and 世界 ".repeat(1 << 16)));
    let start = std::time::Instant::now();
    for _ in 0..10 {
        stage.press("'x' left");
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn the_model_goes_on_from_the_cursor_in_the_text() {
    let mut stage = Stage::finished();
    stage.press("g g w w w e ctrl-g");
    let Some(Request::Critique { begin, options, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(begin, &CritiqueText::Text("We check :".into()));
    assert!(options.score.stop_here && options.sampling.temperature == 0.0);
    stage.play();
    let take = stage.state.take().unwrap();
    assert_eq!((take.how.clone(), take.phase.clone()), (How::Continued, Phase::Complete));
    assert!(take.tokens.iter().rev().skip(1).all(|t| t.stop_here.is_some()), "what was given is known");
    assert!(stage.state.layers.is_empty());
}

#[test]
fn the_model_goes_on_from_a_token() {
    let mut stage = Stage::finished();
    let before = stage.state.take().unwrap().clone();
    stage.press("g g l l o");
    let Some(Request::Critique { begin, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(begin, &CritiqueText::Ids(before.ids(3)));
    stage.step(4);
    assert_eq!(stage.state.take().unwrap().tokens[..3], before.tokens[..3], "given tokens are there at once");
    stage.play();
    assert_eq!(stage.state.take().unwrap().parent, Some(before.id));
}

#[test]
fn another_token_is_taken_and_the_model_goes_on() {
    let mut stage = Stage::finished();
    let before = stage.state.take().unwrap().clone();
    stage.press("g g l l l enter");
    assert!(stage.text(80, 24).contains("stands here"));
    let other = before.tokens[3].alternatives[1].clone();
    assert_eq!(other.text, " *");
    stage.press("enter");
    let Some(Request::Critique { begin: CritiqueText::Ids(ids), .. }) = stage.requests.last() else {
        panic!()
    };
    assert_eq!((&ids[..3], ids[3]), (&before.ids(3)[..], other.id));
    stage.play();
    assert_eq!(stage.state.take().unwrap().how, How::Steered { at: 3, to: other.text });
    stage.press("t");
    let screen = stage.text(120, 40);
    assert!(screen.contains("└ #2 steered at 4") && screen.contains("#1 greedy"), "{screen}");
}

#[test]
fn steered_to_the_end_the_reward_is_read_there() {
    let mut stage = Stage::finished();
    let before = stage.state.take().unwrap().clone();
    assert_eq!(before.tokens[1].alternatives[1].text, "<|eot_id|>");
    stage.press("g g l enter enter");
    let Some(Request::Score { critique, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(critique, &CritiqueText::Ids(before.ids(1)));
    stage.play();
    let take = stage.state.take().unwrap();
    assert_eq!((take.phase.clone(), take.tokens.len()), (Phase::Complete, 2));
}

#[test]
fn takes_are_named_and_compared() {
    let mut stage = Stage::finished();
    stage.press("e 'x'").rest(REST).play().press("esc t n 'with_an_x' enter");
    assert_eq!(stage.state.take().unwrap().name.as_deref(), Some("with an x"));
    stage.press("k c");
    let screen = stage.text(120, 40);
    assert!(
        screen.contains("Compare") && screen.contains("with an x") && screen.contains("margin"),
        "{screen}"
    );
    stage.press("g i");
    assert!(stage.text(120, 40).contains("Inspect"));
}

#[test]
fn every_change_of_a_take_is_handed_to_whoever_keeps_them() {
    use outloud::app::Change::{Ended, Made, Named};
    let mut stage = Stage::finished();
    stage.press("e 'x'").rest(REST).play().press("esc t n 'a' enter");
    let kept: Vec<(usize, outloud::app::Change)> = stage.kept.iter().map(|(id, c)| (id.0, *c)).collect();
    assert_eq!(kept, [(0, Made), (0, Ended), (1, Made), (1, Ended), (1, Named)]);
}

#[test]
fn an_edited_answer_keeps_its_old_critique_and_both_can_be_scored_together() {
    let mut stage = Stage::finished();
    stage.press("a '!' esc e 'x'").rest(REST).play();
    let Some(Request::Score { input, critique, .. }) = stage.requests.last() else { panic!() };
    assert!(input.answer.ends_with("coins.!") && text(critique).ends_with("bad .x"));
    let take = stage.state.take().unwrap();
    assert_eq!(take.phase, Phase::Complete);
}

#[test]
fn eight_samples_spread_over_a_histogram_and_one_is_opened() {
    let mut stage = Stage::finished();
    stage.press("N");
    let Some(Request::Critique { options, .. }) = stage.requests.last() else { panic!() };
    assert_eq!((options.samples, options.sampling.temperature), (8, 1.0));
    assert!(stage.text(80, 24).contains("8 being written"));
    stage.play();
    let screen = stage.text(80, 24);
    assert!(screen.contains("8 sampled, all the same words: mean"), "{screen}");
    assert!(screen.contains(" · apart: greedy "), "{screen}");
    stage.press("j enter");
    let samples = stage.state.samples();
    assert_eq!(stage.state.take().unwrap().id, samples[1].id);
    assert!(samples.windows(2).all(|w| w[0].reward() >= w[1].reward()));
}

#[test]
fn a_greedy_critique_that_ran_again_counts_once_and_seeds_go_up() {
    let mut stage = Stage::finished();
    stage.press("space").play();
    stage.press("N").play();
    stage.press("N").play();
    let samples = stage.state.samples();
    let greedy: Vec<_> = samples.iter().filter(|t| t.how == How::Greedy).collect();
    assert!(greedy.len() == 1 && greedy[0].settled().is_some());
    let sampled: Vec<(f32, u64)> = samples
        .iter()
        .filter_map(|t| match t.how {
            How::Sampled { seed, .. } => Some((t.reward()?, seed)),
            _ => None,
        })
        .collect();
    assert_eq!(sampled.len(), 16);
    assert!(sampled.windows(2).all(|w| w[0].0 > w[1].0 || w[0].1 < w[1].1), "{sampled:?}");
}

#[test]
fn another_critique_prompt_holds_from_then_on() {
    let mut stage = Stage::finished();
    stage.press("p ctrl-a 'Be_brief.' ctrl-s");
    let Some(Request::Critique { options, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(options.score.critique_prompt.as_deref(), Some("Be brief."));
    stage.play();
    let Some(Request::Score { options, .. }) = stage.requests.last() else { panic!() };
    assert_eq!(options.critique_prompt.as_deref(), Some("Be brief."));
    assert!(stage.text(160, 45).contains("CRITIQUE PROMPT (edited)"));
    stage.press("p ctrl-a ctrl-x ctrl-s").play();
    assert_eq!(stage.state.rubric, None, "an empty one is the model's own");
}

#[test]
fn the_exact_tokens_name_the_position_of_the_reward() {
    let mut stage = Stage::finished();
    stage.press("I").play();
    let screen = stage.text(120, 40);
    let count = stage.state.take().unwrap().tokens.len();
    let first = stage.state.take().unwrap().settled().unwrap().prompt_token_ids.len();
    assert!(screen.contains(&format!("is read at position {}, the last of", first + count)), "{screen}");
    stage.press("G");
    let screen = stage.text(120, 40);
    let last = screen.lines().find(|l| l.contains("◀ the reward is read here")).unwrap();
    assert!(last.contains(&format!("{:>6} {count:>5} ", first + count)), "{last}");
}

#[test]
fn the_biggest_moves_are_walked_in_both_directions() {
    let mut stage = Stage::finished();
    stage.press("m m");
    let second = stage.state.cursor;
    stage.press("m M");
    assert_eq!(stage.state.cursor, second);
}

#[test]
fn a_percentile_needs_more_than_one_answer() {
    let mut stage = Stage::finished();
    assert_eq!(stage.state.percentile(stage.state.take().unwrap()), None);
    stage.press("J space").play();
    let (percent, n) = stage.state.percentile(stage.state.take().unwrap()).unwrap();
    assert_eq!((percent, n), (75.0, 2), "the higher of two");
    assert!(stage.text(160, 45).contains("75 of 2 scored"));
}

#[test]
fn swapped_critiques_tell_what_the_reward_follows() {
    let mut stage = Stage::finished();
    stage.press("J J space").play().press("g c x").play();
    let [left, right] = stage.state.compared().map(Option::unwrap);
    let (answer, critique) = stage.state.swap_table(left, right).effects().unwrap();
    assert!(answer.is_finite() && critique.is_finite());
    for size in [(80, 24), (120, 40), (160, 45)] {
        let screen = stage.text(size.0, size.1);
        assert!(screen.contains("left's answer") && screen.contains("it follows the"), "{screen}");
    }
}

#[test]
fn another_model_is_loaded_and_compared_without_a_margin() {
    let mut stage = Stage::finished();
    stage.press("g c L '/models/b' enter").play();
    let [left, right] = stage.state.compared().map(Option::unwrap);
    assert_ne!(left.model, right.model);
    assert!(stage.text(120, 40).contains("two models: no common scale"));
    assert!(stage.requests.iter().any(|r| matches!(r, Request::Critique { model, .. } if model.0 == 1)));
}
