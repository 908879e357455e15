//! A chat through the template, remembering which bytes came from whom.
//!
//! The text is always what the template makes of the plain chat. To find the users' words in it, the chat is rendered a
//! second time with noncharacters around each content (inside its surrounding white space, so that templates can trim)
//! and in place of each special token that a user typed.

use std::ops::Range;

use super::spec::Message;
use super::template::{Template, is_space, strip};
use super::tokenizer::Tokenizer;
use crate::{Error, Result};

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Written by the chat template.
    Template,
    /// Of the prompt's messages.
    Prompt,
    /// The answer.
    Answer,
    /// What asks for the critique.
    CritiquePrompt,
    /// The critique (training turns).
    Critique,
}

const OPEN: char = '\u{fdd0}';
const BODY: char = '\u{fdd1}';
const CLOSE: char = '\u{fdd2}';
const LITERAL: char = '\u{fdd3}';
const MARKS: [char; 4] = [OPEN, BODY, CLOSE, LITERAL];

/// A rendered chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Users' texts in it, in order, without their surrounding white space.
    pub spans: Vec<(Part, Range<usize>)>,
    /// Special tokens typed by users, in order.
    pub literals: Vec<Range<usize>>,
    /// Their texts, each once.
    pub specials: Vec<String>,
    /// Special tokens that the template wrote, in order.
    pub acting: Vec<Range<usize>>,
}

/// Renders turns.
pub fn render(template: &Template, tokenizer: &Tokenizer, turns: &[(Part, Message)]) -> Result<Rendered> {
    let messages: Vec<Message> = turns.iter().map(|(_, m)| m.clone()).collect();
    let plain = template.render(&messages)?;
    let mut specials: Vec<String> = Vec::new();
    for message in &messages {
        for text in [&message.role, &message.content] {
            for (_, special) in tokenizer.find_specials(text) {
                if !specials.contains(&special.text) {
                    specials.push(special.text.clone());
                }
            }
        }
    }
    let reserved = messages.iter().any(|m| m.content.contains(MARKS) || m.role.contains(MARKS));
    if reserved && !specials.is_empty() {
        return Err(Error::invalid(
            "the chat",
            "a noncharacter between U+FDD0 and U+FDD3 beside a special token typed as text",
            "text without noncharacters",
            "Remove the noncharacter, or let special tokens act (--raw-special).",
        ));
    }
    let mut found = Rendered { text: plain, ..Rendered::default() };
    let mut users = Vec::new();
    if !reserved {
        let edges = unmark(&template.render(&mark(tokenizer, turns, true)).unwrap_or_default(), turns);
        let contents = messages.iter().filter(|m| !strip(&m.content).is_empty()).count();
        if edges.text == found.text && edges.spans.len() == contents {
            users = edges.spans.iter().map(|(_, span)| span.clone()).collect();
            found = edges;
        } else if !specials.is_empty() {
            // The template looks into the contents: only the literals can be marked.
            found = unmark(&template.render(&mark(tokenizer, turns, false))?, turns);
        }
    }
    if users.is_empty() {
        found.spans = search(&found.text, turns);
    }
    users.extend(found.literals.iter().cloned());
    users.sort_by_key(|range| range.start);
    let mut at = 0;
    for user in users.into_iter().chain(std::iter::once(found.text.len()..found.text.len())) {
        if let Some(gap) = found.text.get(at..user.start) {
            found.acting.extend(tokenizer.special_ranges(gap).into_iter().map(|r| r.start + at..r.end + at));
        }
        at = at.max(user.end);
    }
    Ok(Rendered { specials, ..found })
}

fn mark(tokenizer: &Tokenizer, turns: &[(Part, Message)], edges: bool) -> Vec<Message> {
    let marked = |index: usize, text: &str, edges: bool| {
        let body = strip(text);
        let mut out = String::with_capacity(text.len() + 16);
        let (before, after) = text.split_once(body).unwrap_or_default();
        out.push_str(before);
        let edges = edges && !body.is_empty();
        if edges {
            out.extend([OPEN]);
            out.push_str(&index.to_string());
            out.extend([BODY]);
        }
        let mut done = 0;
        for (range, special) in tokenizer.find_specials(body) {
            out.push_str(body.get(done..range.start).unwrap_or_default());
            out.extend([LITERAL]);
            // Readable by a template as a word, and not the token.
            out.extend(special.text.chars().flat_map(|c| [c, LITERAL]));
            out.extend([LITERAL]);
            done = range.end;
        }
        out.push_str(body.get(done..).unwrap_or_default());
        if edges {
            out.extend([CLOSE]);
        }
        out.push_str(after);
        out
    };
    let turn = |(index, (_, m)): (usize, &(Part, Message))| Message {
        role: marked(index, &m.role, false),
        content: marked(index, &m.content, edges),
    };
    turns.iter().enumerate().map(turn).collect()
}

/// Takes the marks out again.
fn unmark(marked: &str, turns: &[(Part, Message)]) -> Rendered {
    let mut out = Rendered::default();
    let mut open: Option<(usize, usize)> = None;
    let mut chars = marked.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            OPEN => {
                let mut digits = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                chars.next_if_eq(&BODY);
                open = digits.parse().ok().map(|index| (index, out.text.len()));
            }
            CLOSE => {
                if let Some((index, start)) = open.take()
                    && let Some((part, _)) = turns.get(index)
                {
                    out.spans.push((*part, start..out.text.len()));
                }
            }
            LITERAL => {
                let start = out.text.len();
                while let Some(c) = chars.next_if(|c| *c != LITERAL) {
                    out.text.push(c);
                    chars.next_if_eq(&LITERAL);
                }
                chars.next_if_eq(&LITERAL);
                out.literals.push(start..out.text.len());
            }
            c => out.text.push(c),
        }
    }
    out
}

/// Contents one after the other, without surrounding white space, where the template left them whole.
fn search(text: &str, turns: &[(Part, Message)]) -> Vec<(Part, Range<usize>)> {
    let mut from = 0;
    let mut spans = Vec::new();
    for (part, message) in turns {
        let body = message.content.trim_matches(is_space);
        let Some(at) = text.get(from..).and_then(|rest| rest.find(body)).filter(|_| !body.is_empty()) else {
            continue;
        };
        let start = from + at;
        from = start + body.len();
        spans.push((*part, start..from));
    }
    spans
}
