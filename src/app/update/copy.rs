//! What goes to the clipboard.

use serde_json::json;

use crate::app::{Effect, Focus, How, State};

/// The text of the pane with the focus.
pub(super) fn pane(state: &mut State) -> Vec<Effect> {
    match state.focus {
        Focus::Examples => row(state),
        Focus::Text => match state.input() {
            Some(input) => copy("answer", input.answer),
            None => nothing(state),
        },
        Focus::Critique => match critique(state) {
            Some(text) => copy("critique", text),
            None => nothing(state),
        },
    }
}

/// Everything that is shown, as a row that `outloud score` reads.
pub(super) fn row(state: &mut State) -> Vec<Effect> {
    let (Some(input), Some(example)) = (state.input(), state.example()) else { return nothing(state) };
    let mut row = json!({"id": example.id, "prompt": input.prompt, "answer": input.answer});
    if let (Some(map), Some((take, false))) = (row.as_object_mut(), state.critique_take())
        && let Some(verdict) = take.settled()
    {
        map.insert("critique".into(), json!(verdict.critique));
        map.insert("reward".into(), json!(verdict.reward));
        map.insert("reading".into(), json!("in-place"));
    }
    copy("row", row.to_string())
}

/// The critique on the screen, without its closing token.
fn critique(state: &State) -> Option<String> {
    let (take, _) = state.critique_take()?;
    let end = state.info().map(|info| info.spec.prompt.end_of_turn.id);
    let text = match take.settled() {
        Some(_) => take.words(),
        None if take.how == How::Rewritten => take.words(),
        None => take.tokens.iter().filter(|t| Some(t.id) != end).map(|t| t.text.as_str()).collect(),
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn copy(what: &str, text: String) -> Vec<Effect> {
    vec![Effect::Copy(what.to_owned(), text)]
}

fn nothing(state: &mut State) -> Vec<Effect> {
    state.note = Some("there is nothing to copy".into());
    Vec::new()
}
