//! The demo model's tokenizer: whole words of the stories, single digits, and every byte, so that any text encodes.
//!
//! A byte-level BPE without merges (`ignore_merges`, as in Llama 3): a word of the stories is one token, any other is
//! spelled byte by byte. Digits always stand alone; operators and punctuation before a number keep its space.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer};

use super::rows::{Options, Rows, Split};
use crate::{Error, Result};

/// Special tokens, in the order of their ids after the vocabulary.
pub const SPECIAL: [&str; 5] =
    ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

/// Llama 3's template, as in the reference's checkpoints.
pub const CHAT_TEMPLATE: &str = "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

/// The reference's critique prompt, whose words are tokens too.
const CRITIQUE_PROMPT: &str = "The following is a break down on the correctness and usefulness of the assistant's response to my question: ";

/// Words, digits one by one, punctuation; a space after punctuation or an operator and before a digit belongs to it.
const PATTERN: &str = r"'(?:[sdmt]|ll|ve|re)| x (?=\p{N})| ?[^\s\p{L}\p{N}]+ (?=\p{N})| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Stories read to collect the words.
const SAMPLE: usize = 4000;

/// The files of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerFiles {
    /// `tokenizer.json`.
    pub tokenizer: String,
    /// `tokenizer_config.json`, chat template included.
    pub config: String,
    /// `special_tokens_map.json`.
    pub special_tokens_map: String,
    /// Number of ids, special tokens included.
    pub vocab_size: usize,
}

impl TokenizerFiles {
    /// The id of a special token.
    pub fn special(&self, text: &str) -> Option<u32> {
        let place = SPECIAL.iter().position(|special| *special == text)?;
        u32::try_from(self.vocab_size - SPECIAL.len() + place).ok()
    }
}

/// Builds the tokenizer from the training stories of `seed` (the words; other seeds give the same but for rare ones).
///
/// # Errors
/// When the stories' templates are malformed.
pub fn build(seed: u64) -> Result<TokenizerFiles> {
    let bytes: Vec<String> = byte_alphabet().into_iter().map(String::from).collect();
    let bare = parse(&tokenizer_json(&bytes))?;
    let mut words = BTreeSet::new();
    let options = Options { drills: 0.2, invented: 0.0, restated: true, ..Options::new(Split::Train, seed) };
    for row in Rows::new(options)?.take(SAMPLE) {
        let row = row?;
        // As they stand in a chat: texts after a header, critiques after the critique prompt.
        let critique = |text: &str| format!("{CRITIQUE_PROMPT}{text}");
        let texts = [
            format!("user\n\n{}", row.prompt),
            format!("assistant\n\n{}", row.chosen),
            row.rejected,
            critique(&row.chosen_feedback),
            critique(&row.rejected_feedback),
            row.chosen_feedback,
        ];
        for text in texts {
            words.extend(pieces(&bare, &text)?);
        }
    }
    words.retain(|word| !bytes.contains(word));
    let vocabulary: Vec<String> = bytes.into_iter().chain(words).collect();
    let vocab_size = vocabulary.len() + SPECIAL.len();
    let tokenizer = tokenizer_json(&vocabulary);
    parse(&tokenizer)?;
    let [bos, eos, ..] = SPECIAL;
    let mut special_tokens_map = json!({"bos_token": bos, "eos_token": eos, "pad_token": eos});
    let mut config = special_tokens_map.clone();
    if let Some(config) = config.as_object_mut() {
        let added: serde_json::Map<String, Value> =
            added_tokens(vocabulary.len()).map(|(id, token)| (id.to_string(), token)).collect();
        config.insert("added_tokens_decoder".into(), Value::Object(added));
        config.insert("chat_template".into(), CHAT_TEMPLATE.into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        config.insert("model_input_names".into(), json!(["input_ids", "attention_mask"]));
        config.insert("model_max_length".into(), 2048.into());
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    }
    let pretty = |value: &mut Value| format!("{value:#}\n");
    Ok(TokenizerFiles {
        tokenizer,
        config: pretty(&mut config),
        special_tokens_map: pretty(&mut special_tokens_map),
        vocab_size,
    })
}

fn parse(json: &str) -> Result<Tokenizer> {
    json.parse().map_err(|error| defect(&error))
}

fn defect(error: &tokenizers::Error) -> Error {
    Error::invalid("the stories' tokenizer", error.to_string(), "a tokenizer", "Report this: it is a defect.")
}

/// The pieces a text is split into before the vocabulary is looked at.
fn pieces(tokenizer: &Tokenizer, text: &str) -> Result<Vec<String>> {
    let mut split = PreTokenizedString::from(text);
    if let Some(splitter) = tokenizer.get_pre_tokenizer() {
        splitter.pre_tokenize(&mut split).map_err(|error| defect(&error))?;
    }
    let pieces = split.get_splits(OffsetReferential::Normalized, OffsetType::None);
    Ok(pieces.into_iter().map(|(piece, _, _)| piece.to_owned()).collect())
}

/// The 256 characters byte-level BPE writes bytes with, by byte: printable ones as they are, the others from U+0100 on.
fn byte_alphabet() -> Vec<char> {
    let mut free = 256..;
    (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => free.next().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        })
        .collect()
}

fn added_tokens(first: usize) -> impl Iterator<Item = (usize, Value)> {
    SPECIAL.iter().enumerate().map(move |(place, content)| {
        let token = json!({
            "content": content, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false,
            "special": true
        });
        (first + place, token)
    })
}

fn tokenizer_json(vocabulary: &[String]) -> String {
    let vocab: serde_json::Map<String, Value> =
        vocabulary.iter().enumerate().map(|(id, word)| (word.clone(), id.into())).collect();
    let added: Vec<Value> = added_tokens(vocabulary.len())
        .map(|(id, mut token)| {
            if let Some(token) = token.as_object_mut() {
                token.insert("id".into(), id.into());
            }
            token
        })
        .collect();
    let value = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": false},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
            ]
        },
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
            "vocab": vocab, "merges": []
        }
    });
    format!("{value:#}\n")
}
