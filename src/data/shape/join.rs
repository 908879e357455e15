//! One prompt for all answers of a row: from the prompt's column, or from what the answers' chats have in common.

use crate::checkpoint::{Message, Prompt};
use crate::data::example::Fault;

/// An answer's turns before the last, and the last.
pub type Turns = (Vec<Message>, String);

/// The common prompt; of each answer what stands between it and the last turn stays in `answers`.
///
/// # Errors
/// No prompt anywhere, or answers to different prompts; `columns` are the answers'.
pub fn join(
    prompt: Option<Prompt>,
    prompt_column: &str,
    columns: &[String],
    answers: &mut [Turns],
) -> Result<Prompt, Fault> {
    let Some(prompt) = prompt else { return common(prompt_column, columns, answers) };
    // Chats with the prompt in them may say more than it: a system message, earlier turns.
    let contains = |before: &[Message]| match &prompt {
        Prompt::Text(text) => {
            let at = before.iter().position(|m| m.role == "user" && m.content.trim() == text.trim());
            at.is_some_and(|at| at > 0)
        }
        Prompt::Messages(messages) => {
            let starts = before.len() > messages.len() && !before.starts_with(messages);
            starts && before.windows(messages.len()).any(|window| window == messages)
        }
    };
    if answers.iter().all(|(before, _)| contains(before)) {
        return common(prompt_column, columns, answers);
    }
    for ((before, _), column) in answers.iter_mut().zip(columns) {
        let rest = match (&prompt, before.split_first()) {
            (_, None) => continue,
            (_, Some((first, _))) if !matches!(first.role.as_str(), "user" | "system") => continue,
            (Prompt::Text(text), Some((first, rest))) if first.role == "user" && first.content == *text => {
                rest
            }
            (Prompt::Messages(messages), _) => match before.strip_prefix(messages.as_slice()) {
                Some(rest) => rest,
                None => return Err(contradiction(column)),
            },
            _ => return Err(contradiction(column)),
        };
        *before = rest.to_vec();
    }
    Ok(prompt)
}

fn contradiction(column: &str) -> Fault {
    Fault::new(
        column,
        "messages before the answer that are not those of the prompt",
        "the answer alone, or the prompt's messages and the answer",
    )
}

/// The turns that all chats begin with, up to what a user said last.
fn common(prompt_column: &str, columns: &[String], answers: &mut [Turns]) -> Result<Prompt, Fault> {
    let Some((first, _)) = answers.first() else { return Ok(Prompt::Text(String::new())) };
    if answers.iter().any(|(before, _)| before.is_empty()) {
        let expected = match answers.len() {
            1 => "text or messages",
            _ => "text or messages, or whole chats in the answers",
        };
        return Err(Fault::new(prompt_column, "nothing", expected));
    }
    let mut shared = answers.iter().skip(1).fold(first.len(), |shared, (before, _)| {
        first.iter().zip(before).take(shared).take_while(|(a, b)| a == b).count()
    });
    if answers.iter().any(|(before, _)| before.len() != shared) {
        let user = first.iter().take(shared).rposition(|m| m.role == "user");
        shared = user.map_or(0, |at| at + 1);
    }
    if shared == 0 {
        return Err(Fault::new(
            columns.get(1).map_or("", String::as_str),
            "a chat that differs from the other answer's before anything was asked",
            "chats that begin alike",
        ));
    }
    let prompt = Prompt::Messages(first.iter().take(shared).cloned().collect());
    for (before, _) in answers {
        before.drain(..shared);
    }
    Ok(prompt)
}
