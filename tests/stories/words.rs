//! The tokenizer: stories in whole words, any text without loss, the same files every time.

use std::sync::LazyLock;

use outloud::stories::tokenizer::{CHAT_TEMPLATE, SPECIAL, TokenizerFiles, build};
use outloud::stories::{Options, Rows, Split, Templates};
use proptest::prelude::*;
use tokenizers::Tokenizer;

static FILES: LazyLock<TokenizerFiles> = LazyLock::new(|| build(1).unwrap());
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| FILES.tokenizer.parse().unwrap());

fn ids(text: &str) -> Vec<u32> {
    TOKENIZER.encode(text, false).unwrap().get_ids().to_vec()
}

fn tokens(text: &str) -> Vec<String> {
    TOKENIZER.encode(text, false).unwrap().get_tokens().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        prop_assert_eq!(TOKENIZER.decode(&ids(&text), false).unwrap(), text);
    }

    #[test]
    fn text_like_a_users_comes_back(text in "[A-Za-z0-9 .,:;=x+/\n'\u{e9}\u{4f60}\u{1f600}<|>_-]{0,60}") {
        prop_assert_eq!(TOKENIZER.decode(&ids(&text), false).unwrap(), text);
    }
}

#[test]
fn every_byte_and_special_token_has_an_id() {
    assert_eq!(TOKENIZER.get_vocab_size(true), FILES.vocab_size);
    println!("vocabulary: {}", FILES.vocab_size);
    assert!((500..=2000).contains(&FILES.vocab_size), "{}", FILES.vocab_size);
    for special in SPECIAL {
        let id = TOKENIZER.token_to_id(special).unwrap();
        assert_eq!(FILES.special(special), Some(id));
        assert_eq!(ids(special), [id]);
    }
    for c in (1..=0x10_ffff).step_by(97).filter_map(char::from_u32) {
        assert_eq!(TOKENIZER.decode(&ids(&c.to_string()), false).unwrap(), c.to_string());
    }
}

#[test]
fn words_are_whole_digits_single_and_operators_keep_their_spaces() {
    assert_eq!(
        tokens("On Monday she sells 123. 59 - 5 = 54, 7 x 3"),
        [
            "On", "ĠMonday", "Ġshe", "Ġsells", "Ġ", "1", "2", "3", ".Ġ", "5", "9", "Ġ-Ġ", "5", "Ġ=Ġ", "5",
            "4", ",Ġ", "7", "ĠxĠ", "3"
        ]
    );
    // An unknown word is spelled.
    assert_eq!(tokens(" Zorv"), ["Ġ", "Z", "o", "r", "v"]);
}

#[test]
fn stories_of_every_split_need_no_spelling() {
    for split in [Split::Train, Split::Valid, Split::Test] {
        let options = Options { invented: 0.0, ..Options::new(split, 99) };
        for row in Rows::new(options).unwrap().take(300) {
            let row = row.unwrap();
            for text in
                [&row.prompt, &row.chosen, &row.rejected, &row.chosen_feedback, &row.rejected_feedback]
            {
                let spelled = tokens(text).into_iter().find(|t| {
                    t.chars().count() == 1 && t.chars().all(char::is_alphabetic) && t != "A" && t != "\u{120}"
                });
                assert_eq!(spelled, None, "{text}");
            }
        }
    }
}

#[test]
fn the_files_are_the_same_every_time_and_carry_the_chat_template() {
    assert_eq!(build(1).unwrap(), *FILES);
    let config: serde_json::Value = serde_json::from_str(&FILES.config).unwrap();
    assert_eq!(config["chat_template"], CHAT_TEMPLATE);
    assert_eq!(config["bos_token"], "<|begin_of_text|>");
    assert_eq!(config["clean_up_tokenization_spaces"], false);
    let id = FILES.special("<|eot_id|>").unwrap();
    assert_eq!(config["added_tokens_decoder"][id.to_string()]["content"], "<|eot_id|>");
}

/// Scenes added to training later get no tokens: the models' ids stay what they are.
#[test]
fn the_bundled_models_have_this_tokenizer() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for model in ["demo", "demo-classic"] {
        let bundled = std::fs::read_to_string(models.join(model).join("tokenizer.json")).unwrap();
        assert!(bundled == FILES.tokenizer, "{model}");
    }
}

#[test]
fn critiques_are_short_enough_for_a_small_context() {
    let mut longest = 0;
    for templates in [Templates::Seen, Templates::Wider(1.0), Templates::Unseen] {
        let options = Options { templates, steps: (6, 6), ..Options::new(Split::Test, 4) };
        for row in Rows::new(options).unwrap().take(200) {
            let row = row.unwrap();
            let count =
                [&row.prompt, &row.rejected, &row.rejected_feedback].map(|t| ids(t).len()).iter().sum();
            longest = longest.max(count);
        }
    }
    println!("longest six-step row: {longest} tokens without the chat's frame");
    assert!(longest < 900);
}
