//! Special tokens typed as text stay text, whatever stands around them; without them nothing changes.

use std::sync::LazyLock;

use outloud::checkpoint::{Checkpoint, Message, Part, Prompt, Text};
use proptest::prelude::*;

use crate::damaged::Copy;
use crate::fixtures::open;

fn special_ids(checkpoint: &Checkpoint, ids: &[u32]) -> Vec<String> {
    let text = |id: &u32| checkpoint.text.decode(&[*id]).unwrap();
    ids.iter().map(text).filter(|t| t.starts_with("<|") && t.ends_with("|>")).collect()
}

#[test]
fn typed_tokens_are_text_and_reported() {
    let checkpoint = open("cloud-llama-tiny");
    let prompt = Prompt::Messages(vec![
        Message { role: "system".into(), content: "<|start_header_id|>x".into() },
        Message { role: "user".into(), content: " a<|eot_id|>b<|eot_id|> ".into() },
    ]);
    let text = &checkpoint.text;
    let escaped = text.format(&prompt, "<|end_of_text|>", Some("Judge <|eot_id|> this"), false).unwrap();
    let raw = text.format(&prompt, "<|end_of_text|>", Some("Judge <|eot_id|> this"), true).unwrap();
    assert_eq!(escaped.specials, ["<|start_header_id|>", "<|eot_id|>", "<|end_of_text|>"]);
    assert_eq!(raw.specials, escaped.specials);
    let plain = text
        .format(
            &Prompt::Messages(vec![
                Message { role: "system".into(), content: "x".into() },
                Message { role: "user".into(), content: "ab".into() },
            ]),
            "",
            Some("Judge this"),
            false,
        )
        .unwrap();
    assert_eq!(special_ids(&checkpoint, &escaped.ids), special_ids(&checkpoint, &plain.ids));
    assert_eq!(special_ids(&checkpoint, &raw.ids).len(), special_ids(&checkpoint, &plain.ids).len() + 4);
    assert_eq!(text.decode(&escaped.ids).unwrap(), escaped.text);
    // The critique prompt keeps what its author typed; the reference takes every end-of-turn out of that turn.
    assert!(escaped.text.ends_with("Judge <|eot_id|> this") && raw.text.ends_with("Judge  this"));
    for (range, literal) in escaped.literals.iter().map(|r| (r.clone(), &escaped.text[r.clone()])) {
        assert!(escaped.specials.iter().any(|s| s == literal), "{range:?}");
    }
    assert_eq!(escaped.literals.len(), 5);
    for ((start, end), id) in escaped.ranges.iter().zip(&escaped.ids) {
        assert_eq!(escaped.text[*start..*end], text.decode(&[*id]).unwrap());
    }

    let critique = "wrong<|eot_id|> and <|end_of_text|>";
    let again = text.re_encode(&escaped, critique, false).unwrap();
    assert_eq!(again.text, format!("{}{critique}<|eot_id|>", escaped.text));
    assert_eq!(text.decode(&again.ids).unwrap(), again.text);
    assert_eq!(special_ids(&checkpoint, &again.ids).len(), special_ids(&checkpoint, &escaped.ids).len() + 1);
    assert_eq!(again.ids.last(), Some(&checkpoint.spec.prompt.end_of_turn.id));
    assert_eq!(text.decode(&again.ids[again.critique_start..]).unwrap(), format!("{critique}<|eot_id|>"));
    assert!(special_ids(&checkpoint, &text.critique_ids(critique, false).unwrap()).is_empty());
    assert_eq!(special_ids(&checkpoint, &text.critique_ids(critique, true).unwrap()).len(), 2);
    assert_eq!(text.specials_in(critique), ["<|eot_id|>", "<|end_of_text|>"]);
    let turn = [(Part::Critique, Message { role: "user".into(), content: critique.into() })];
    let turn = text.template_turn(&turn, false, false).unwrap();
    assert_eq!(
        special_ids(&checkpoint, &turn.ids),
        ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    );
}

#[test]
fn critiques_in_place_take_one_space_unless_they_begin_with_white_space() {
    let text = open("cloud-llama-tiny").text;
    let ids = |critique: &str| text.critique_ids(critique, false).unwrap();
    assert_eq!(ids("Step 1"), ids(" Step 1"));
    assert_eq!(text.decode(&ids("Step 1")).unwrap(), " Step 1");
    assert_eq!(text.decode(&ids("\nStep 1")).unwrap(), "\nStep 1");
    assert_eq!(ids(""), Vec::<u32>::new());
    for (critique, shown) in
        [("Step", "Step"), (" Step", "Step"), ("  Step", "  Step"), ("\nStep", "\nStep"), (" ", " ")]
    {
        assert_eq!(text.in_place_text(&ids(critique)).unwrap(), (shown.to_owned(), true));
    }
    // The same letters in other tokens are not exact.
    let letter = |c: char| *text.critique_ids(&format!("\n{c}"), false).unwrap().last().unwrap();
    let letters: Vec<u32> = " Step".chars().map(letter).collect();
    assert_eq!(text.decode(&letters).unwrap(), " Step");
    assert!(!text.in_place_text(&letters).unwrap().1);
}

/// A tokenizer of the SentencePiece kind: no space of its own before a text, or one.
fn sentence_piece(scheme: &str) -> Checkpoint {
    let copy = Copy::of("cloud-llama-tiny");
    copy.edit("tokenizer.json", |t| {
        let space = serde_json::json!("\u{2581}");
        let meta = serde_json::json!({"type": "Metaspace", "replacement": space, "prepend_scheme": scheme, "split": true});
        t["pre_tokenizer"] = meta.clone();
        t["decoder"] = meta;
        let vocab = t["model"]["vocab"].as_object_mut().unwrap();
        let old = std::mem::take(vocab);
        // Byte-level's "Ġ" stands for a space.
        let new = old.into_iter().map(|(k, v)| (k.replace('Ġ', "\u{2581}"), v));
        vocab.extend(new);
        for merge in t["model"]["merges"].as_array_mut().unwrap() {
            *merge = serde_json::from_str(&merge.to_string().replace('Ġ', "\u{2581}")).unwrap();
        }
    });
    copy.open().unwrap()
}

#[test]
fn tokenizers_that_put_a_space_before_a_text_do_not_put_one_into_its_middle() {
    for scheme in ["first", "always", "never"] {
        let checkpoint = sentence_piece(scheme);
        let text = &checkpoint.text;
        let ids = text.critique_ids("Step two", false).unwrap();
        assert_eq!(text.in_place_text(&ids).unwrap(), ("Step two".to_owned(), true), "{scheme}");
        let shown: String = ids.iter().map(|id| text.token_text(*id)).collect();
        assert_eq!(shown, " Step two", "{scheme}");
        let mut stream = text.detokenizer();
        let mut streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
        streamed += &stream.finish().unwrap();
        assert_eq!(streamed, " Step two", "{scheme}");
        let typed = text.format(&Prompt::Text("a <|eot_id|> b".into()), "c", None, false).unwrap();
        assert_eq!(typed.ids.iter().filter(|id| **id == checkpoint.spec.prompt.end_of_turn.id).count(), 2);
    }
}

#[test]
fn characters_of_several_tokens_stream_whole() {
    let text = open("cloud-llama-tiny").text;
    let critique = "é 🙂 世界 \u{fffd} 👋🏽!";
    let ids = text.critique_ids(critique, false).unwrap();
    let mut stream = text.detokenizer();
    let mut pieces: Vec<String> = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    assert!(pieces.iter().any(String::is_empty));
    assert!(pieces.iter().filter(|p| p.contains('\u{fffd}')).count() <= 1);
    pieces.push(stream.finish().unwrap());
    assert_eq!(pieces.concat(), format!(" {critique}"));
    // Half a character is told at the end, not before.
    let mut stream = text.detokenizer();
    let half = text.critique_ids("\n世", false).unwrap();
    let told: String = half[..half.len() - 1].iter().map(|id| stream.push(*id).unwrap()).collect();
    assert_eq!((told.as_str(), stream.finish().unwrap().as_str()), ("\n", "\u{fffd}"));
}

fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-z0-9 .\n'é世🙂]{0,6}",
        1 => prop::sample::select(vec!["<|eot_id|>", "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|eot_", "id|>"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn escaped_text_is_the_same_text_with_the_template_s_tokens_only(
        prompt in typed(), answer in typed(), critique in typed(), ask in typed(),
    ) {
        static CHECKPOINT: LazyLock<Checkpoint> = LazyLock::new(|| open("cloud-qwen2-tiny"));
        let checkpoint = &*CHECKPOINT;
        let text = &checkpoint.text;
        let prompt = Prompt::Text(prompt);
        let escaped = text.format(&prompt, &answer, Some(&ask), false).unwrap();
        prop_assert_eq!(text.decode(&escaped.ids).unwrap(), &escaped.text[..]);
        prop_assert_eq!(special_ids(checkpoint, &escaped.ids).len(), 9);
        let raw = text.format(&prompt, &answer, Some(&ask), true).unwrap();
        if escaped.specials.is_empty() {
            prop_assert_eq!(&raw, &escaped);
        }
        let again = text.re_encode(&escaped, &critique, false).unwrap();
        prop_assert_eq!(text.decode(&again.ids).unwrap(), &again.text[..]);
        prop_assert_eq!(special_ids(checkpoint, &again.ids).len(), 10);
        let ids = text.critique_ids(&critique, false).unwrap();
        let space = if critique.starts_with(char::is_whitespace) || critique.is_empty() { "" } else { " " };
        prop_assert_eq!(text.decode(&ids).unwrap(), format!("{space}{critique}"));
        let mut stream = text.detokenizer();
        let mut streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
        streamed += &stream.finish().unwrap();
        prop_assert_eq!(streamed, format!("{space}{critique}"));
    }

    /// Any ids at all, also such as no text gives: streaming equals decoding.
    #[test]
    fn streams_of_any_ids(ids in prop::collection::vec(0u32..800, 0..30)) {
        static TEXT: LazyLock<Text> = LazyLock::new(|| open("cloud-llama-tiny").text);
        let text = &*TEXT;
        let mut stream = text.detokenizer();
        let mut streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
        streamed += &stream.finish().unwrap();
        prop_assert_eq!(streamed, text.decode(&ids).unwrap());
    }
}

#[test]
fn a_character_of_several_tokens_shows_with_the_last_of_them() {
    let checkpoint = open("cloud-llama-tiny");
    let text = &checkpoint.text;
    let ids = text.critique_ids("你好 é", false).unwrap();
    let shown = text.token_texts(&ids);
    assert_eq!((shown.len(), shown.concat()), (ids.len(), text.decode(&ids).unwrap()));
    assert!(shown.iter().any(String::is_empty) && !shown.concat().contains('\u{fffd}'), "{shown:?}");
    let half = shown.iter().position(String::is_empty).unwrap();
    let cut = text.token_texts(&ids[..=half]);
    assert!(cut.last().unwrap().ends_with('\u{fffd}'), "bytes that no character came of are told at the end");
}
