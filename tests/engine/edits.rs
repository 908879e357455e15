//! What editing asks of the engine: details from the first changed token on, what the model thought of given words,
//! given beginnings read in place, names of tokens.

use outloud::engine::{CritiqueOptions, CritiqueText, EngineConfig, Event, ModelId, Request, ScoreOptions};

use crate::client::{Running, fixture};
use crate::{APPLES, all_close, close};

fn engine() -> Running {
    Running::start(EngineConfig::default(), &fixture("cloud-llama-tiny"))
}

fn written(engine: &mut Running) -> (outloud::engine::Verdict, Vec<outloud::engine::CritiqueToken>) {
    let options = CritiqueOptions {
        alternatives: 5,
        score: ScoreOptions { stop_here: true, ..ScoreOptions::default() },
        ..CritiqueOptions::default()
    };
    let outcome = engine.critique(APPLES, &options);
    (outcome.one(), outcome.tokens())
}

#[test]
fn what_the_model_thought_of_given_words_is_what_it_thought_when_it_wrote_them() {
    let mut engine = engine();
    let (verdict, tokens) = written(&mut engine);
    let options = ScoreOptions { choices: 5, stop_here: true, ..ScoreOptions::default() };
    let ids = CritiqueText::Ids(verdict.critique_token_ids.clone());
    let scored = engine.score(APPLES, ids, &options).one();
    assert_eq!(scored.choices.len(), scored.trace.len());
    for (choice, token) in scored.choices.iter().zip(&tokens) {
        close(choice.probability, token.probability);
        let ids = |all: &[outloud::engine::Alternative]| all.iter().map(|a| a.id).collect::<Vec<_>>();
        assert_eq!(ids(&choice.alternatives)[0], ids(&token.alternatives)[0]);
    }
    all_close(scored.stop_here.as_ref().unwrap(), verdict.stop_here.as_ref().unwrap());
}

#[test]
fn details_are_read_only_from_the_first_changed_token_on() {
    let mut engine = engine();
    let (verdict, _) = written(&mut engine);
    let mut ids = verdict.critique_token_ids.clone();
    ids.pop();
    let at = ids.len() - 3;
    ids[at] = ids[at].wrapping_add(1) % 700;
    let whole = ScoreOptions { choices: 3, stop_here: true, ..ScoreOptions::default() };
    let part = ScoreOptions { details_from: at, ..whole.clone() };
    engine.score(APPLES, CritiqueText::Ids(ids.clone()), &ScoreOptions::default());
    let computed = engine.computed();
    let some = engine.score(APPLES, CritiqueText::Ids(ids.clone()), &part).one();
    assert_eq!(engine.computed() - computed, 3, "one fork for each token from there on");
    let all = engine.score(APPLES, CritiqueText::Ids(ids), &whole).one();
    let (some_stop, all_stop) = (some.stop_here.unwrap(), all.stop_here.unwrap());
    assert!(some_stop[..at].iter().all(|r| r.is_nan()));
    all_close(&some_stop[at..], &all_stop[at..]);
    assert_eq!(some.choices.len(), all.choices.len() - at);
    close(some.choices[0].probability, all.choices[at].probability);
}

#[test]
fn a_given_beginning_is_read_at_once_and_what_follows_has_live_stop_here_rewards() {
    let mut engine = engine();
    let (verdict, _) = written(&mut engine);
    let begin = verdict.critique_token_ids[..4].to_vec();
    let options = CritiqueOptions {
        score: ScoreOptions { stop_here: true, details_from: usize::MAX, ..ScoreOptions::default() },
        ..CritiqueOptions::default()
    };
    let outcome = engine.critique_from(APPLES, CritiqueText::Ids(begin.clone()), &options);
    let given = outcome.events.iter().find_map(|e| match e {
        Event::Given { tokens, trace, .. } => Some((tokens.clone(), trace.clone())),
        _ => None,
    });
    let (tokens, trace) = given.unwrap();
    assert_eq!(tokens.iter().map(|t| t.0).collect::<Vec<_>>(), begin);
    all_close(&trace, &verdict.trace[..4]);
    let live = outcome.events.iter().filter(|e| matches!(e, Event::StopHere { .. })).count();
    let whole = outcome.one();
    assert_eq!(whole.critique_token_ids, verdict.critique_token_ids, "greedy: the same rest");
    assert_eq!(live, whole.trace.len() - 1 - 4);
    let stop_here = whole.stop_here.unwrap();
    assert!(stop_here[..4].iter().all(|r| r.is_nan()));
    all_close(&stop_here[4..], &verdict.stop_here.unwrap()[4..]);
}

#[test]
fn tokens_are_named_by_their_model() {
    let mut engine = engine();
    let (verdict, _) = written(&mut engine);
    let ticket = engine.ticket();
    let ids = verdict.critique_token_ids.clone();
    engine.client.send(Request::Name { ticket, model: ModelId(1), ids }).unwrap();
    let outcome = engine.wait(ticket);
    let Some(Event::Named { texts, .. }) = outcome.events.last() else { panic!("{outcome:?}") };
    let expected: Vec<String> = verdict.trace_tokens.into_iter().map(|t| t.1).collect();
    assert_eq!(texts, &expected);
    let ticket = engine.ticket();
    engine.client.send(Request::Name { ticket, model: ModelId(7), ids: vec![1] }).unwrap();
    assert!(engine.wait(ticket).error().contains("not loaded"));
}
