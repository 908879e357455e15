//! Train and test: by a hash of the prompt, so that no prompt is in both, in whatever file it comes.

use sha2::{Digest as _, Sha256};

use super::texts;
use crate::checkpoint::Prompt;

/// Whether a prompt belongs to the test part, which has about this share of all prompts. Blanks and capitals make no other
/// prompt; a larger share holds all prompts of a smaller one.
pub fn is_test(prompt: &Prompt, share: f64) -> bool {
    let text = texts::turns(prompt).iter().fold(String::from("outloud split"), |mut text, turn| {
        for part in ["role", "content"] {
            let words = turn.get(part).and_then(serde_json::Value::as_str).unwrap_or_default();
            text.push('\0');
            for word in words.split_whitespace() {
                text.push_str(&word.to_lowercase());
                text.push(' ');
            }
        }
        text
    });
    let hash = Sha256::digest(text.as_bytes());
    let first = hash.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    (first as f64) < share * 2_f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_grows() {
        let prompt = |n: usize| Prompt::Text(format!("What is {n} + {n}?"));
        let parts = |share| (0..4000).filter(|n| is_test(&prompt(*n), share)).collect::<Vec<_>>();
        let (small, large) = (parts(0.1), parts(0.3));
        assert!((350..450).contains(&small.len()), "{}", small.len());
        assert!((1110..1290).contains(&large.len()), "{}", large.len());
        assert!(small.iter().all(|n| large.contains(n)));
        assert!(parts(0.0).is_empty() && parts(1.0).len() == 4000);
    }

    #[test]
    fn the_same_prompt_in_other_clothes_is_in_the_same_part() {
        for n in 0..50 {
            let text = Prompt::Text(format!("What  is {n}?\n"));
            let turn = crate::checkpoint::Message { role: "user".into(), content: format!("what is {n}?") };
            assert_eq!(is_test(&text, 0.5), is_test(&Prompt::Messages(vec![turn]), 0.5));
        }
    }
}
