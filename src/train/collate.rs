//! Texts -> token ids and targets, exactly as the reference's `feedback_collate_fn`, without its padding.

use super::config::Loss;
use super::data::{Answer, Pair};
use crate::Result;
use crate::checkpoint::{Message, Part, Prompt, Text};

/// One answer with its prompt and critique, tokenised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Tokens; the reward is read at the last.
    pub ids: Vec<u32>,
    /// First position whose next token is a target; every later position but the last is one too.
    pub first_target: usize,
    /// Tokens the row had before it was cut to the limit.
    pub full_len: usize,
}

impl Row {
    /// Positions with a target, and the targets.
    pub fn targets(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let next = self.ids.iter().copied().enumerate().skip(self.first_target + 1);
        next.map(|(position, id)| (position - 1, id))
    }

    /// Number of targets.
    pub fn target_count(&self) -> usize {
        self.ids.len().saturating_sub(self.first_target + 1)
    }

    /// As the reference pads it: ids, attention mask and labels (-100: no target), each `max_len` long.
    pub fn padded(&self, max_len: usize, pad: u32) -> (Vec<u32>, Vec<u8>, Vec<i64>) {
        let fill = max_len.saturating_sub(self.ids.len());
        let ids = self.ids.iter().copied().chain(std::iter::repeat_n(pad, fill)).collect();
        let mask = std::iter::repeat_n(1, self.ids.len()).chain(std::iter::repeat_n(0, fill)).collect();
        let mut labels = vec![-100; max_len.max(self.ids.len())];
        for (position, target) in self.targets() {
            if let Some(label) = labels.get_mut(position) {
                *label = i64::from(target);
            }
        }
        (ids, mask, labels)
    }
}

/// Both rows of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairRows {
    /// `file:line`.
    pub place: String,
    /// The better answer's.
    pub chosen: Row,
    /// The worse answer's.
    pub rejected: Row,
    /// How far the rewards are to be apart at least; 0 unless the row says so.
    pub margin: f64,
}

impl PairRows {
    /// Tokens of both rows.
    pub fn tokens(&self) -> usize {
        self.chosen.ids.len() + self.rejected.ids.len()
    }

    /// Targets of both rows.
    pub fn targets(&self) -> usize {
        self.chosen.target_count() + self.rejected.target_count()
    }
}

/// Makes rows of texts.
#[derive(Clone, Debug)]
pub struct Collator<'a> {
    /// Tokenizer and template.
    pub text: &'a Text,
    /// Whether there is a critique turn.
    pub loss: Loss,
    /// What stands before a critique.
    pub critique_prompt: &'a str,
    /// Tokens a row may have.
    pub max_len: usize,
    /// Special tokens typed in texts act as tokens.
    pub raw_special: bool,
}

impl Collator<'_> {
    /// Both rows of a pair.
    ///
    /// # Errors
    /// What the template or the tokenizer says.
    pub fn pair(&self, pair: &Pair) -> Result<PairRows> {
        Ok(PairRows {
            place: pair.place.clone(),
            chosen: self.row(&pair.prompt, &pair.chosen)?,
            rejected: self.row(&pair.prompt, &pair.rejected)?,
            margin: pair.margin,
        })
    }

    /// Each turn is templated and tokenised alone; the critique turn's tokens after its first are targets. A row that
    /// fills the limit, or is cut to it, ends in EOS.
    pub fn row(&self, prompt: &Prompt, answer: &Answer) -> Result<Row> {
        let message = |role: &str, content: String| Message { role: role.to_owned(), content };
        let mut asked = match prompt {
            Prompt::Text(text) => vec![(Part::Prompt, message("user", text.clone()))],
            Prompt::Messages(turns) => turns.iter().map(|m| (Part::Prompt, m.clone())).collect(),
        };
        asked.extend(answer.before.iter().map(|m| (Part::Prompt, m.clone())));
        let mut ids = self.text.template_turn(&asked, true, self.raw_special)?.ids;
        let answered = [(Part::Answer, message("assistant", answer.text.clone()))];
        ids.extend(self.text.template_turn(&answered, false, self.raw_special)?.ids);
        let first_target = ids.len();
        if self.loss.has_critique() {
            let critique = message("user", format!("{}{}", self.critique_prompt, answer.feedback));
            ids.extend(self.text.template_turn(&[(Part::Critique, critique)], false, self.raw_special)?.ids);
        }
        let full_len = ids.len();
        ids.truncate(self.max_len);
        if ids.len() == self.max_len {
            let rule = self.text.rule();
            let end = rule.eos.as_ref().or(rule.pad.as_ref()).unwrap_or(&rule.end_of_turn);
            if let Some(last) = ids.last_mut() {
                *last = end.id;
            }
        }
        Ok(Row { first_target, ids, full_len })
    }
}
