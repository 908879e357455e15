//! How much the reward moves when the beginning or the end of the text are done otherwise: what other tools get wrong.

use serde::Serialize;

use crate::checkpoint::PromptRule;

/// One way to do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Short name.
    pub name: &'static str,
    /// What differs, in words.
    pub what: String,
    /// The ids; the reward is read at the last.
    pub ids: Vec<u32>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// `bos_absent`, `bos_doubled`, `end_is_eos`, `end_absent`.
    pub name: &'static str,
    /// What differs, in words.
    pub what: String,
    /// The reward.
    pub reward: f32,
    /// Minus the right one.
    pub delta: f32,
}

/// The variants of a text (its last id is the end-of-turn).
pub fn of(ids: &[u32], rule: &PromptRule) -> Vec<Variant> {
    let mut all = Vec::new();
    let mut put = |name, what: String, ids: Vec<u32>| all.push(Variant { name, what, ids });
    if let Some(bos) = &rule.bos {
        let doubled = [&[bos.id], ids].concat();
        match ids.split_first() {
            Some((first, rest)) if *first == bos.id => {
                put("bos_absent", format!("without {}", bos.text), rest.to_vec());
                put("bos_doubled", format!("{0}{0}", bos.text), doubled);
            }
            _ => put("bos_added", format!("{} that the template does not write", bos.text), doubled),
        }
    }
    if let Some((_, body)) = ids.split_last() {
        let end = &rule.end_of_turn.text;
        if let Some(eos) = rule.eos.as_ref().filter(|eos| eos.id != rule.end_of_turn.id) {
            put("end_is_eos", format!("{} in place of {end}", eos.text), [body, &[eos.id]].concat());
        }
        put("end_absent", format!("without the last {end}, read at the token before it"), body.to_vec());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::SpecialToken;

    #[test]
    fn four_variants_where_there_are_bos_and_eos() {
        let token = |text: &str, id| SpecialToken { text: text.into(), id };
        let mut rule = PromptRule {
            critique_prompt: String::new(),
            end_of_turn: token("<eot>", 9),
            bos: Some(token("<bos>", 0)),
            eos: Some(token("<eos>", 8)),
            pad: None,
            clean_up: false,
        };
        let ids = |rule: &PromptRule| -> Vec<_> {
            of(&[0, 5, 9], rule).into_iter().map(|v| (v.name, v.ids)).collect()
        };
        assert_eq!(
            ids(&rule),
            [
                ("bos_absent", vec![5, 9]),
                ("bos_doubled", vec![0, 0, 5, 9]),
                ("end_is_eos", vec![0, 5, 8]),
                ("end_absent", vec![0, 5])
            ]
        );
        rule.bos = None;
        rule.eos = Some(token("<eot>", 9));
        assert_eq!(ids(&rule), [("end_absent", vec![0, 5])]);
    }
}
