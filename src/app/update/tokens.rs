//! The exact tokens of what is on the screen, and the position where the reward is read.

use std::fmt::Write as _;

use super::jobs;
use crate::app::{Effect, Job, Layer, Page, State, TakeId};
use crate::engine::Request;

/// Asks for the names of the prompt's tokens; they are shown when they come.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    let shown = state.critique_take().map(|(take, _)| (take.id, take.model, take.settled().cloned()));
    let Some((id, model, Some(verdict))) = shown else {
        state.note = Some("no complete critique yet: space makes one".into());
        return Vec::new();
    };
    let ticket = jobs::open(state, Job::Tokens(id));
    vec![jobs::send(Request::Name { ticket, model, ids: verdict.prompt_token_ids })]
}

/// All tokens, one a line: position from 1, number in the critique as the Token pane counts, id, text; where the reward is
/// read is marked. Of a critique that a session gave back the prompt's tokens are not known, so positions are not either.
pub(super) fn named(state: &mut State, id: TakeId, texts: &[String]) {
    let Some(verdict) = state.takes.get(id).and_then(|t| t.settled()) else { return };
    let prompt = verdict.prompt_token_ids.iter().copied().zip(texts.iter().map(String::as_str));
    let critique = verdict.trace_tokens.iter().map(|(id, text)| (*id, text.as_str()));
    let all: Vec<(u32, &str)> = prompt.chain(critique).collect();
    let first = verdict.prompt_token_ids.len();
    let (of_critique, reward) = (all.len() - first, verdict.reward);
    let mut text = if first == 0 {
        format!(
            "The in-place reward {reward:+.4} is read at the last of the critique's {of_critique} tokens; its position: —\n\
             A critique from the session comes without its prompt's tokens: a new critique (space) shows them.\n\n"
        )
    } else {
        format!(
            "The in-place reward {reward:+.4} is read at position {}, the last of {} tokens ({first} of the prompt, \
             {of_critique} of the critique).\nColumns: position, number in the critique (both from 1), id, text.\n\n",
            all.len(),
            all.len(),
        )
    };
    for (at, (id, token)) in all.iter().enumerate() {
        let mark = if at + 1 == all.len() { "  ◀ the reward is read here" } else { "" };
        let begins = if at == first && at > 0 { "  ◁ the critique begins" } else { "" };
        let position = if first == 0 { "—".to_owned() } else { (at + 1).to_string() };
        let number = if at < first { String::new() } else { (at + 1 - first).to_string() };
        let _ = writeln!(text, "{position:>6} {number:>5} {id:>8}  {}{begins}{mark}", visible(token));
    }
    state.layers.push(Layer::Detail(Page::new("Exact tokens", text)));
}

fn visible(token: &str) -> String {
    format!("‘{}’", token.replace('\n', "↵").replace(' ', "·"))
}
