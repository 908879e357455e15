//! What people call their columns, compared in small letters with everything else as `_`.

use serde_json::{Map, Value};

/// What was asked, the usual names first.
pub const PROMPTS: [&str; 16] = [
    "prompt",
    "question",
    "instruction",
    "query",
    "user_prompt",
    "user_input",
    "input",
    "problem",
    "post",
    "info",
    "user",
    "user_message",
    "history",
    "context",
    "source_text",
    "prompt_text",
];
/// Whole chats.
pub const CHATS: [&str; 7] =
    ["messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns"];
/// One answer.
pub const ANSWERS: [&str; 15] = [
    "answer",
    "response",
    "completion",
    "output",
    "model_answer",
    "model_output",
    "model_response",
    "assistant",
    "assistant_response",
    "generated_text",
    "generation",
    "reply",
    "solution",
    "summary",
    "llm_response",
];
/// The better and the worse answer.
pub const PAIRS: [(&str, &str); 13] = [
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("chosen_answer", "rejected_answer"),
    ("preferred", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred_output", "non_preferred_output"),
    ("accepted", "rejected"),
    ("response_j", "response_k"),
    ("better", "worse"),
    ("better_response", "worse_response"),
    ("positive", "negative"),
    ("win", "lose"),
];
/// What the two answers of a comparison begin with.
pub const SIDES: [&str; 13] = [
    "response",
    "answer",
    "output",
    "completion",
    "conversation",
    "generation",
    "candidate",
    "solution",
    "reply",
    "assistant",
    "summary",
    "human_ref",
    "model_output",
];
/// ... and end with.
pub const ENDS: [(&str, &str); 6] =
    [("_a", "_b"), ("_1", "_2"), ("1", "2"), ("_0", "_1"), ("0", "1"), ("a", "b")];
/// Which of two answers is better.
pub const VERDICTS: [&str; 20] = [
    "winner",
    "preference",
    "better_response_id",
    "label",
    "labels",
    "choice",
    "majority",
    "verdict",
    "preferred",
    "overall_preference",
    "preference_strength",
    "preference_label",
    "human_preference",
    "judgment",
    "judgement",
    "vote",
    "selected",
    "better",
    "gold_label",
    "chosen",
];
/// Lists of answers.
pub const MANY: [&str; 8] =
    ["answers", "responses", "completions", "outputs", "candidates", "generations", "summaries", "choices"];
/// Scores, the highest the best.
pub const SCORES: [&str; 9] =
    ["score", "overall_score", "rating", "reward", "quality", "mean_score", "scores", "ratings", "rewards"];
/// A number that is the better the smaller.
pub const RANKS: [&str; 2] = ["rank", "ranks"];
/// Critiques of one answer.
pub const CRITIQUES: [&str; 6] =
    ["critique", "critiques", "feedback", "feedbacks", "review", "judge_comment"];
/// Whether one answer is good.
pub const LABELS: [&str; 6] = ["label", "kto_tag", "labels", "desirable", "is_good", "thumbs_up"];
/// System messages.
pub const SYSTEMS: [&str; 2] = ["system", "system_prompt"];
/// An answer within an object.
pub const TEXTS: [&str; 10] = [
    "response",
    "answer",
    "text",
    "content",
    "output",
    "completion",
    "generation",
    "value",
    "message",
    "messages",
];

/// A column's name for comparison.
pub fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut lower = false;
    for c in name.trim().chars() {
        // `responseA` is `response_a`.
        if c.is_uppercase() && lower {
            plain.push('_');
        }
        lower = c.is_lowercase();
        if c.is_alphanumeric() {
            plain.extend(c.to_lowercase());
        } else if !plain.ends_with('_') {
            plain.push('_');
        }
    }
    plain.trim_matches('_').to_owned()
}

/// The columns of some rows.
pub struct Names<'a> {
    plain: Vec<(String, &'a str)>,
}

impl<'a> Names<'a> {
    /// Of these columns.
    pub fn new(columns: impl Iterator<Item = &'a str>) -> Self {
        Self { plain: columns.map(|name| (plain(name), name)).collect() }
    }

    /// The column of a name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.plain.iter().find(|(plain, _)| plain == name).map(|(_, name)| *name)
    }

    /// The first that is there.
    pub fn first(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.get(name))
    }
}

/// The values of a column that are there.
pub fn values<'a>(samples: &'a [&Map<String, Value>], column: &str) -> Vec<&'a Value> {
    samples.iter().filter_map(|row| row.get(column)).filter(|value| !value.is_null()).collect()
}

/// A number, also in a text cell.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

/// Yes or no, also in words and numbers.
pub fn yes(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "good" | "desirable" | "chosen" | "1" | "1.0" | "positive" | "👍" => {
                Some(true)
            }
            "false" | "no" | "bad" | "undesirable" | "rejected" | "0" | "0.0" | "negative" | "👎" | "-1" => {
                Some(false)
            }
            _ => None,
        },
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0 | -1.0) => Some(false),
            _ => None,
        },
        _ => None,
    }
}
