//! Texts and ids equal the reference's on every fixture.

use outloud::checkpoint::{Formatted, Message, Part, Prompt};
use serde_json::Value;

use crate::fixtures::{ALL, CLOUD, examples, expected, ids, open, str};

const RUNS: [&str; 4] = ["examples", "truncated", "repetition_penalty_cases", "custom_critique_prompt"];

fn parts_cover(formatted: &Formatted) {
    let mut at = 0;
    for (_, range) in &formatted.parts {
        assert_eq!(range.start, at);
        assert!(range.end > at);
        at = range.end;
    }
    assert_eq!(at, formatted.text.len());
    let joined: String = formatted.parts.iter().map(|(_, r)| &formatted.text[r.clone()]).collect();
    assert_eq!(joined, formatted.text);
}

#[test]
fn formatted_prompt_and_ids_of_every_example() {
    for name in ALL {
        let checkpoint = open(name);
        let expected = expected(name);
        let mut checked = 0;
        for key in RUNS {
            for example in examples(&expected, key) {
                let ask = example["critique_prompt"].as_str();
                let prompt = Prompt::Text(str(&example, "prompt").into());
                let got = checkpoint.text.format(&prompt, str(&example, "answer"), ask, true).unwrap();
                assert_eq!(got.text, str(&example, "formatted_prompt"), "{name} {}", example["id"]);
                assert_eq!(got.ids, ids(&example["prompt_token_ids"]), "{name} {}", example["id"]);
                parts_cover(&got);
                let special = example["id"] == "special-text";
                assert_eq!(!got.specials.is_empty(), special);
                let escaped = checkpoint.text.format(&prompt, str(&example, "answer"), ask, false).unwrap();
                assert_eq!(escaped.text, got.text);
                assert_eq!(escaped.ids == got.ids, !special, "{name} {}", example["id"]);
                checked += 1;
            }
        }
        assert!(checked >= 6, "{name}: {checked}");
    }
}

#[test]
fn generated_ids_decode_clean_up_and_re_encode_as_in_the_reference() {
    for name in CLOUD {
        let checkpoint = open(name);
        let text = &checkpoint.text;
        let expected = expected(name);
        let eot = checkpoint.spec.prompt.end_of_turn.id;
        assert_eq!(u64::from(eot), expected["eot_token_id"]);
        assert_eq!(checkpoint.spec.prompt.critique_prompt, str(&expected, "critique_prompt"));
        for (key, id) in [
            ("bos_token_id", &checkpoint.spec.prompt.bos),
            ("eos_token_id", &checkpoint.spec.prompt.eos),
            ("pad_token_id", &checkpoint.spec.prompt.pad),
        ] {
            assert_eq!(u64::from(id.as_ref().unwrap().id), expected[key]);
        }
        for example in RUNS.iter().flat_map(|key| examples(&expected, key)) {
            let mut generated = ids(&example["critique_token_ids"]);
            generated.retain(|id| *id != eot);
            let decoded = text.decode(&generated).unwrap();
            // The reference cleans up while decoding.
            assert_eq!(str(&example, "critique_decoded").trim(), str(&example, "critique"));
            if !checkpoint.spec.prompt.clean_up {
                assert_eq!(decoded, str(&example, "critique_decoded"), "{name} {}", example["id"]);
            }
            let critique = text.clean_up(&decoded);
            assert_eq!(critique, str(&example, "critique"), "{name} {}", example["id"]);

            let prompt = Prompt::Text(str(&example, "prompt").into());
            let ask = example["critique_prompt"].as_str();
            let formatted = text.format(&prompt, str(&example, "answer"), ask, true).unwrap();
            let again = text.re_encode(&formatted, &critique, true).unwrap();
            assert_eq!(again.text, str(&example, "final_text"));
            assert_eq!(again.ids, ids(&example["final_token_ids"]), "{name} {}", example["id"]);
            assert_eq!(again.critique_start as u64, example["critique_start"]);

            let (in_place, exact) = text.in_place_text(&generated).unwrap();
            assert_eq!(exact, text.critique_ids(&in_place, false).unwrap() == generated);
            // Elsewhere a random walk among digits takes tokens that no tokenizer would choose.
            if example["max_tokens"] == 256 && example.get("critique_prompt").is_none() {
                assert!(exact, "{name} {}: {in_place:?}", example["id"]);
            }
            let mut detokenizer = text.detokenizer();
            let mut streamed: String = generated.iter().map(|id| detokenizer.push(*id).unwrap()).collect();
            streamed += &detokenizer.finish().unwrap();
            assert_eq!(streamed, decoded);
        }
    }
}

#[test]
fn edited_critiques_and_answers() {
    for name in CLOUD {
        let checkpoint = open(name);
        let expected = expected(name);
        let originals = examples(&expected, "examples");
        for edit in examples(&expected, "edits") {
            let original = originals.iter().find(|e| e["id"] == edit["id"]).unwrap();
            let prompt = Prompt::Text(str(original, "prompt").into());
            let formatted = checkpoint.text.format(&prompt, str(original, "answer"), None, false).unwrap();
            let again = checkpoint.text.re_encode(&formatted, str(&edit, "edited_critique"), false).unwrap();
            assert_eq!(again.ids, ids(&edit["edited_critique_token_ids"]));
            let run = &edit["edited_answer"];
            let formatted = checkpoint.text.format(&prompt, str(run, "answer"), None, false).unwrap();
            assert_eq!(formatted.text, str(run, "formatted_prompt"));
            assert_eq!(formatted.ids, ids(&run["prompt_token_ids"]));
        }
    }
}

/// The reference's collator, written out with `template_turn`.
fn row(
    checkpoint: &outloud::checkpoint::Checkpoint,
    pair: &Value,
    side: &str,
    cloud: bool,
    limit: usize,
) -> Vec<u32> {
    let turn = |part, role: &str, content: String, bos| {
        let turns = [(part, Message { role: role.into(), content })];
        checkpoint.text.template_turn(&turns, bos, false).unwrap().ids
    };
    let mut row = turn(Part::Prompt, "user", str(pair, "prompt").into(), true);
    row.extend(turn(Part::Answer, "assistant", str(pair, side).into(), false));
    if cloud {
        let feedback = &pair[format!("{side}_feedback")];
        let feedback = feedback.as_str().unwrap_or_else(|| feedback[0].as_str().unwrap());
        let content = checkpoint.spec.prompt.critique_prompt.clone() + feedback;
        row.extend(turn(Part::Critique, "user", content, false));
    }
    let pad = checkpoint.spec.prompt.pad.as_ref().unwrap().id;
    row.resize(limit, pad);
    *row.last_mut().unwrap() = pad;
    row
}

#[test]
fn training_rows() {
    let expected = expected("training");
    let limit = expected["max_seq_len"].as_u64().unwrap() as usize;
    let cloud = open("cloud-llama-tiny");
    for (method, prompt) in [("teacher", cloud.spec.prompt.critique_prompt.as_str()), ("vanilla", "")] {
        let checkpoint = open(if method == "teacher" { "cloud-llama-tiny" } else { "classic-llama-tiny" });
        assert_eq!(checkpoint.spec.prompt.critique_prompt, prompt);
        let batch = &expected[method]["batch"];
        for side in ["chosen", "rejected"] {
            for (pair, want) in
                examples(&expected, "pairs").iter().zip(examples(batch, &format!("{side}_input_ids")))
            {
                assert_eq!(row(&checkpoint, pair, side, method == "teacher", limit), ids(&want));
            }
        }
    }
}
