//! Prompt, answer and critique -> token ids, by the reference's steps (tests/fixtures/README.md).

use std::ops::Range;
use std::sync::Arc;

use super::detokenizer::Detokenizer;
use super::render::{Part, Rendered, render};
use super::spec::{Message, Method, Prompt, PromptRule};
use super::template::{Template, strip};
use super::tokenizer::Tokenizer;
use crate::Result;

/// The critique prompt of the reference.
pub const CRITIQUE_PROMPT: &str = "The following is a break down on the correctness and usefulness of the assistant's response to my question: ";

/// Tokenizer, chat template and text rules of a checkpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Text(pub(super) Arc<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    pub tokenizer: Tokenizer,
    pub template: Template,
    pub rule: PromptRule,
    pub method: Method,
}

/// The model's input up to where the critique begins (classic models: all of it).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formatted {
    /// The text.
    pub text: String,
    /// Its ids.
    pub ids: Vec<u32>,
    /// Byte range of `text` that each id stands for.
    pub ranges: Vec<(usize, usize)>,
    /// Special tokens that stood in users' texts, each once.
    pub specials: Vec<String>,
    /// Whose text it is: contiguous byte ranges that cover `text`. White space around a content is the template's.
    pub parts: Vec<(Part, Range<usize>)>,
    /// Byte ranges of special tokens that are ordinary text; empty with `raw_special`.
    pub literals: Vec<Range<usize>>,
    /// Byte ranges of special tokens that act.
    acting: Vec<Range<usize>>,
}

/// The whole input of the re-encoded reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReEncoded {
    /// Formatted text, critique, end-of-turn.
    pub text: String,
    /// Its ids, tokenised as one string.
    pub ids: Vec<u32>,
    /// Byte range of `text` that each id stands for.
    pub ranges: Vec<(usize, usize)>,
    /// First position whose token reaches past the end of the formatted text.
    pub critique_start: usize,
}

impl Text {
    /// The prompt's rules, as in the spec.
    pub fn rule(&self) -> &PromptRule {
        &self.0.rule
    }

    /// Step 1 and 2 of the reference: the template over prompt and answer, then (CLoud only) over one user turn with the
    /// critique prompt, without BOS, EOS and end-of-turn texts. `critique_prompt`: in place of the checkpoint's.
    /// With `raw_special`, special tokens typed in texts act as in the reference; otherwise they are ordinary text.
    pub fn format(
        &self,
        prompt: &Prompt,
        answer: &str,
        critique_prompt: Option<&str>,
        raw_special: bool,
    ) -> Result<Formatted> {
        let user = |content: &str| Message { role: "user".into(), content: content.into() };
        let mut turns: Vec<(Part, Message)> = match prompt {
            Prompt::Text(text) => vec![(Part::Prompt, user(text))],
            Prompt::Messages(messages) => messages.iter().map(|m| (Part::Prompt, m.clone())).collect(),
        };
        turns.push((Part::Answer, Message { role: "assistant".into(), content: answer.into() }));
        let mut chat = render(&self.0.template, &self.0.tokenizer, &turns)?;
        if self.0.method == Method::Cloud {
            let ask = critique_prompt.unwrap_or(&self.0.rule.critique_prompt);
            let turn = [(Part::CritiquePrompt, user(ask))];
            append(
                &mut chat,
                self.without_ends(render(&self.0.template, &self.0.tokenizer, &turn)?, raw_special),
            );
        }
        self.formatted(chat, raw_special)
    }

    /// One or more turns templated and tokenised alone, as the reference's training collator does with prompt, answer and
    /// critique turn in turn; without `keep_bos` a BOS text at its beginning is taken off. Where the template refuses an
    /// answer without a question (Gemma's), it is what the answer adds to one.
    pub fn template_turn(
        &self,
        turns: &[(Part, Message)],
        keep_bos: bool,
        raw_special: bool,
    ) -> Result<Formatted> {
        let mut chat = match render(&self.0.template, &self.0.tokenizer, turns) {
            Err(error) if turns.first().is_some_and(|(_, m)| m.role == "assistant") => {
                self.after_a_question(turns).ok_or(error)?
            }
            other => other?,
        };
        if let Some(bos) = self.0.rule.bos.as_ref().filter(|b| !keep_bos && chat.text.starts_with(&b.text)) {
            cut(&mut chat, 0..bos.text.len());
        }
        self.formatted(chat, raw_special)
    }

    fn after_a_question(&self, turns: &[(Part, Message)]) -> Option<Rendered> {
        let question = Message { role: "user".into(), content: "x".into() };
        let before = self.0.template.render(std::slice::from_ref(&question)).ok()?;
        let with = [&[(Part::Template, question)], turns].concat();
        let mut chat = render(&self.0.template, &self.0.tokenizer, &with).ok()?;
        if !chat.text.starts_with(&before) {
            return None;
        }
        cut(&mut chat, 0..before.len());
        Some(chat)
    }

    fn formatted(&self, chat: Rendered, raw_special: bool) -> Result<Formatted> {
        let (acting, literals) = if raw_special {
            (self.0.tokenizer.special_ranges(&chat.text), Vec::new())
        } else {
            (chat.acting, chat.literals)
        };
        let encoded = self.0.tokenizer.encode(&chat.text, &acting)?;
        let mut parts = Vec::new();
        let mut at = 0;
        for (part, range) in chat.spans {
            if range.start > at {
                parts.push((Part::Template, at..range.start));
            }
            at = range.end;
            parts.push((part, range));
        }
        if at < chat.text.len() {
            parts.push((Part::Template, at..chat.text.len()));
        }
        Ok(Formatted {
            ids: encoded.ids,
            ranges: encoded.ranges,
            specials: chat.specials,
            parts,
            literals,
            acting,
            text: chat.text,
        })
    }

    /// Takes every BOS, EOS and end-of-turn text out of the critique turn, and white space that followed its end.
    /// What a user typed goes too if special tokens act.
    fn without_ends(&self, mut turn: Rendered, raw_special: bool) -> Rendered {
        let rule = &self.0.rule;
        let ends = [rule.bos.as_ref(), rule.eos.as_ref(), Some(&rule.end_of_turn)];
        for end in ends.into_iter().flatten() {
            let mut from = 0;
            while let Some(at) = turn.text.get(from..).and_then(|rest| rest.find(&end.text)) {
                let range = from + at..from + at + end.text.len();
                if !raw_special && turn.literals.contains(&range) {
                    from = range.end;
                    continue;
                }
                from = range.start;
                if *end == rule.end_of_turn
                    && strip(turn.text.get(range.end..).unwrap_or_default()).is_empty()
                {
                    cut(&mut turn, range.start..usize::MAX);
                } else {
                    cut(&mut turn, range);
                }
            }
        }
        turn
    }

    /// Ids of a critique in place, as the model would have gone on after the critique prompt: verbatim if it begins with
    /// white space or is empty, otherwise with one space before it. Without end-of-turn.
    pub fn critique_ids(&self, critique: &str, raw_special: bool) -> Result<Vec<u32>> {
        let space = if critique.starts_with(char::is_whitespace) || critique.is_empty() { "" } else { " " };
        self.0.tokenizer.encode_after(&format!("{space}{critique}"), raw_special)
    }

    /// Step 5 of the reference: formatted text, critique (as given) and end-of-turn, tokenised as one string.
    pub fn re_encode(&self, formatted: &Formatted, critique: &str, raw_special: bool) -> Result<ReEncoded> {
        let start = formatted.text.len();
        let end = &self.0.rule.end_of_turn.text;
        let text = format!("{}{critique}{end}", formatted.text);
        let acting = if raw_special {
            self.0.tokenizer.special_ranges(&text)
        } else {
            let last = text.len() - end.len()..text.len();
            formatted.acting.iter().cloned().chain([last]).collect()
        };
        let encoded = self.0.tokenizer.encode(&text, &acting)?;
        let first = encoded.ranges.iter().position(|(_, end)| *end > start);
        Ok(ReEncoded {
            critique_start: first.unwrap_or_else(|| encoded.ids.len().saturating_sub(1)),
            text,
            ids: encoded.ids,
            ranges: encoded.ranges,
        })
    }

    /// Special tokens that stand in a text, each once.
    pub fn specials_in(&self, text: &str) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for (_, special) in self.0.tokenizer.find_specials(text) {
            if !texts.contains(&special.text) {
                texts.push(special.text.clone());
            }
        }
        texts
    }

    /// Text of ids, special tokens kept as text, nothing cleaned up.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.tokenizer.decode(ids)
    }

    /// Step 4 of the reference after decoding: `clean_up_tokenization_spaces` if the checkpoint says so, then strip.
    pub fn clean_up(&self, text: &str) -> String {
        const RULES: [(&str, &str); 10] = [
            (" .", "."),
            (" ?", "?"),
            (" !", "!"),
            (" ,", ","),
            (" ' ", "'"),
            (" n't", "n't"),
            (" 'm", "'m"),
            (" 's", "'s"),
            (" 've", "'ve"),
            (" 're", "'re"),
        ];
        if !self.0.rule.clean_up {
            return strip(text).to_owned();
        }
        let cleaned = RULES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        strip(&cleaned).to_owned()
    }

    /// Text of a generated critique (ids without the end-of-turn): verbatim, but for one leading space before a character
    /// that is no space. Also whether [`Text::critique_ids`] of it gives the same ids again.
    pub fn in_place_text(&self, ids: &[u32]) -> Result<(String, bool)> {
        let text = self.0.tokenizer.decode_after(ids)?;
        let bare = text.strip_prefix(' ').filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        let text = bare.map_or_else(|| text.clone(), str::to_owned);
        let exact = self.critique_ids(&text, false)? == ids;
        Ok((text, exact))
    }

    /// Turns generated ids into text as they come.
    pub fn detokenizer(&self) -> Detokenizer {
        Detokenizer::new(self.clone())
    }

    /// One token for display; a part of a character shows as U+FFFD, an id without a token as `[id]`.
    pub fn token_text(&self, id: u32) -> String {
        match self.0.tokenizer.decode_after(&[id]) {
            Ok(text) if !text.is_empty() => text,
            _ => format!("[{id}]"),
        }
    }

    /// Tokens in a row for display, as they come while they are written: a character of several tokens shows with its last.
    pub fn token_texts(&self, ids: &[u32]) -> Vec<String> {
        let mut detokenizer = self.detokenizer();
        let mut text = |id: u32| {
            let new = detokenizer.push(id).unwrap_or_default();
            let alone = || Some(self.token_text(id)).filter(|text| !text.contains('\u{fffd}'));
            if new.is_empty() { alone().unwrap_or_default() } else { new }
        };
        let mut texts: Vec<String> = ids.iter().map(|id| text(*id)).collect();
        if let (Some(last), Ok(rest)) = (texts.last_mut(), detokenizer.finish()) {
            last.push_str(&rest);
        }
        texts
    }

    pub(super) fn decode_after(&self, ids: &[u32]) -> Result<String> {
        self.0.tokenizer.decode_after(ids)
    }
}

fn append(chat: &mut Rendered, turn: Rendered) {
    let shift = chat.text.len();
    let moved = |range: Range<usize>| range.start + shift..range.end + shift;
    chat.text.push_str(&turn.text);
    chat.spans.extend(turn.spans.into_iter().map(|(part, range)| (part, moved(range))));
    chat.literals.extend(turn.literals.into_iter().map(moved));
    chat.acting.extend(turn.acting.into_iter().map(moved));
    for special in turn.specials {
        if !chat.specials.contains(&special) {
            chat.specials.push(special);
        }
    }
}

/// Removes a byte range (as far as there is text) and moves what follows.
fn cut(chat: &mut Rendered, range: Range<usize>) {
    let range = range.start..range.end.min(chat.text.len());
    let moved = |at: usize| {
        if at <= range.start { at } else { range.start.max(at.saturating_sub(range.len())) }
    };
    chat.text = [chat.text.get(..range.start), chat.text.get(range.end..)].into_iter().flatten().collect();
    let spans = chat.spans.iter_mut().map(|(_, span)| span);
    for span in spans.chain(&mut chat.literals).chain(&mut chat.acting) {
        *span = moved(span.start)..moved(span.end);
    }
    chat.spans.retain(|(_, span)| !span.is_empty());
    chat.literals.retain(|span| !span.is_empty());
    chat.acting.retain(|span| !span.is_empty());
}
