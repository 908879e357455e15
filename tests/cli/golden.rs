//! The reference's numbers through the command line: both readings, traces, stop-here, edits, classic models.

use serde_json::{Value, json};

use crate::common::*;

/// Without the typed special tokens, which are escaped here and act in the reference.
fn plain(cases: Vec<Value>) -> Vec<Value> {
    cases.into_iter().filter(|c| c["id"] != "special-text").collect()
}

#[test]
fn critiques_in_place() {
    for model in CLOUD {
        let cases = cases(&expected(model), "examples");
        let rows =
            over(model, &["critique", "--raw-special", "--tokens", "--stop-here"], &inputs(&cases)).good();
        assert_eq!(rows.len(), cases.len());
        for (row, case) in rows.iter().zip(&cases) {
            let what = format!("{model} {}", case["id"]);
            assert_eq!(row["id"], case["id"]);
            assert_eq!(row["prompt_token_ids"], case["prompt_token_ids"], "{what}");
            assert_eq!(row["critique_token_ids"], case["critique_token_ids"], "{what}");
            assert_eq!(row["stopped"], case["stopped"], "{what}");
            let trace = &case["generation_trace"].as_array().unwrap()[1..];
            all_close(&row["trace"], trace, &what);
            close(&row["reward"], trace.last().unwrap(), &what);
            let stop_here = row["stop_here"].as_array().unwrap();
            assert_eq!(stop_here.len(), trace.len() - 1, "{what}");
            close(stop_here.last().unwrap(), trace.last().unwrap(), &format!("{what} last stop-here"));
            let tokens = &row["tokens"];
            assert_eq!(tokens["prompt"], json!(case["prompt_token_ids"].as_array().unwrap().len()));
            assert_eq!(tokens["critique"], json!(case["critique_token_ids"].as_array().unwrap().len()));
            assert_eq!(row["made_with"]["dtype"], "f32");
        }
    }
}

#[test]
fn critiques_re_encoded() {
    for model in CLOUD {
        let expected = expected(model);
        for key in ["examples", "repetition_penalty_cases", "truncated"] {
            for max_tokens in [10, 64, 256] {
                let wanted = |c: &Value| c["max_tokens"] == max_tokens;
                let all = expected.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
                assert!(all.iter().all(|c| [10, 64, 256].contains(&c["max_tokens"].as_u64().unwrap())));
                let cases: Vec<Value> = all.into_iter().filter(wanted).collect();
                if cases.is_empty() {
                    continue;
                }
                let args = [
                    "critique",
                    "--reading",
                    "re-encoded",
                    "--raw-special",
                    "--tokens",
                    "--stop-here",
                    "--max-tokens",
                    &max_tokens.to_string(),
                ];
                for (row, case) in over(model, &args, &inputs(&cases)).good().iter().zip(&cases) {
                    let what = format!("{model} {key} {}", case["id"]);
                    assert_eq!(row["reading"], "re-encoded");
                    assert_eq!(row["critique"], case["critique"], "{what}");
                    assert_eq!(row["critique_token_ids"], case["critique_token_ids"], "{what}");
                    assert_eq!(row["stopped"], case["stopped"], "{what}");
                    close(&row["reward"], &case["reward"], &what);
                    all_close(&row["trace"], case["trace"].as_array().unwrap(), &what);
                    if let Some(stop_here) = case["stop_here"].as_array() {
                        all_close(&row["stop_here"], stop_here, &format!("{what} stop-here"));
                    }
                }
            }
        }
    }
}

#[test]
fn another_critique_prompt_from_text_and_file() {
    let cases = cases(&expected("cloud-llama-tiny"), "custom_critique_prompt");
    let folder = tempfile::tempdir().unwrap();
    for case in &cases {
        let prompt = case["critique_prompt"].as_str().unwrap();
        let path = folder.path().join("prompt.txt");
        std::fs::write(&path, prompt).unwrap();
        for given in [prompt.to_owned(), format!("@{}", path.display())] {
            let args = [
                "critique",
                "--reading",
                "re-encoded",
                "--critique-prompt",
                &given,
                "--max-tokens",
                &case["max_tokens"].to_string(),
                "--tokens",
            ];
            let row = over("cloud-llama-tiny", &args, &inputs(std::slice::from_ref(case))).good().remove(0);
            assert_eq!(row["prompt_token_ids"], case["prompt_token_ids"]);
            assert_eq!(row["critique"], case["critique"]);
            close(&row["reward"], &case["reward"], "custom critique prompt");
            assert_eq!(row["made_with"]["critique_prompt"], case["critique_prompt"]);
        }
    }
}

#[test]
fn edited_critiques_and_answers() {
    for model in CLOUD {
        let expected = expected(model);
        let example = |id: &Value| cases(&expected, "examples").into_iter().find(|c| c["id"] == *id).unwrap();
        let edits = cases(&expected, "edits");
        let mut rows = Vec::new();
        for edit in &edits {
            let case = example(&edit["id"]);
            let (prompt, before) = (&case["prompt"], &case["critique"]);
            rows.push(
                json!({"prompt": prompt, "answer": case["answer"], "critique": edit["edited_critique"]}),
            );
            rows.push(json!({"prompt": prompt, "answer": case["answer"], "critique": before}));
            let edited = &edit["edited_answer"];
            rows.push(json!({"prompt": prompt, "answer": edited["answer"], "critique": edited["critique"]}));
        }
        let scored = over(model, &["score", "--reading", "re-encoded"], &rows).good();
        for (edit, rows) in edits.iter().zip(scored.chunks(3)) {
            let what = format!("{model} edit of {}", edit["id"]);
            close(&rows[0]["reward"], &edit["reward_edited_critique"], &what);
            close(&rows[1]["reward"], &edit["reward_before"], &what);
            close(&rows[2]["reward"], &edit["edited_answer"]["reward"], &what);
        }
    }
}

#[test]
fn a_classic_model_scores_without_a_critique() {
    let cases = cases(&expected(CLASSIC), "examples");
    for command in ["score", "critique"] {
        let rows =
            over(CLASSIC, &[command, "--raw-special", "--tokens", "--stop-here"], &inputs(&cases)).good();
        for (row, case) in rows.iter().zip(&cases) {
            close(&row["reward"], &case["reward"], &case["id"].to_string());
            assert_eq!(row["prompt_token_ids"], case["prompt_token_ids"]);
            for key in ["critique", "trace", "stop_here", "stopped", "critique_token_ids"] {
                assert_eq!(row[key], Value::Null, "{key}");
            }
            assert_eq!(row["made_with"]["critique_prompt"], Value::Null);
        }
    }
}

#[test]
fn what_critique_writes_score_reads_the_same() {
    let mut inexact = 0;
    for model in CLOUD {
        let inputs = inputs(&cases(&expected(model), "examples"));
        for reading in ["in-place", "re-encoded"] {
            for more in [
                &["--max-tokens", "9"][..],
                &["--seed", "3", "--temperature", "1.5", "--max-tokens", "40"],
                &["--tokens"],
                &["--raw-special"],
            ] {
                let mut args = vec!["critique", "--reading", reading];
                args.extend(more);
                let written = over(model, &args, &inputs).good();
                if reading == "in-place" && !more.contains(&"--tokens") {
                    inexact += written.iter().filter(|r| r.get("critique_token_ids").is_some()).count();
                }
                let fed = |with_ids: bool| -> Vec<Value> {
                    let rows = inputs.iter().zip(&written);
                    rows.map(|(input, result)| {
                        let mut row = input.clone();
                        row["critique"] = result["critique"].clone();
                        if with_ids {
                            row["critique_token_ids"] = result["critique_token_ids"].clone();
                        }
                        row
                    })
                    .collect()
                };
                let mut args = vec!["score", "--reading", reading];
                args.extend(more.iter().filter(|a| **a == "--raw-special"));
                for (scored, result) in over(model, &args, &fed(true)).good().iter().zip(&written) {
                    close(
                        &scored["reward"],
                        &result["reward"],
                        &format!("{model} {reading} {more:?} {}", result["id"]),
                    );
                    assert_eq!(scored["critique"], result["critique"]);
                    assert_eq!(scored["stopped"], Value::Null);
                }
                // The text alone is enough unless the row says otherwise.
                let scored = over(model, &args, &fed(false)).good();
                for (scored, result) in
                    scored.iter().zip(&written).filter(|(_, r)| r.get("critique_token_ids").is_none())
                {
                    close(
                        &scored["reward"],
                        &result["reward"],
                        &format!("{model} {reading} {more:?} text {}", result["id"]),
                    );
                }
            }
        }
    }
    assert!(inexact > 0, "no critique here needed its ids; sample hotter");
}

#[test]
fn special_tokens_typed_as_text_are_escaped_unless_asked_for() {
    let model = "cloud-llama-tiny";
    let case = cases(&expected(model), "examples").into_iter().find(|c| c["id"] == "special-text").unwrap();
    let input = inputs(std::slice::from_ref(&case));
    let escaped = over(model, &["critique", "--tokens"], &input).good().remove(0);
    assert_ne!(escaped["prompt_token_ids"], case["prompt_token_ids"]);
    let raw = over(model, &["critique", "--tokens", "--raw-special"], &input).good().remove(0);
    assert_eq!(raw["prompt_token_ids"], case["prompt_token_ids"]);
    assert_eq!(raw["made_with"]["raw_special"], true);
    assert!(escaped["made_with"].get("raw_special").is_none());
}

#[test]
fn pairs_and_messages_are_the_same_rows_in_other_words() {
    let model = "cloud-llama-tiny";
    let cases = plain(cases(&expected(model), "examples"));
    let (good, wrong) = (&cases[0], &cases[1]);
    assert_eq!(good["prompt"], wrong["prompt"]);
    let user = json!({"role": "user", "content": good["prompt"]});
    let parts = json!({"role": "user", "content": [{"type": "text", "text": good["prompt"]}]});
    let says = |text: &Value| json!({"role": "assistant", "content": text});
    let rows = [
        json!({"prompt": good["prompt"], "chosen": good["answer"], "rejected": wrong["answer"]}),
        json!({"prompt": [user], "chosen": [says(&good["answer"])], "rejected": [says(&wrong["answer"])]}),
        json!({"chosen": [user, says(&good["answer"])], "rejected": [user, says(&wrong["answer"])]}),
        json!({"prompt": [parts], "chosen": good["answer"], "rejected": wrong["answer"], "x": 1}),
    ];
    let results = over(model, &["critique", "--reading", "re-encoded", "--keep"], &rows).good();
    for pair in &results {
        close(&pair["chosen"]["reward"], &good["reward"], "chosen");
        close(&pair["rejected"]["reward"], &wrong["reward"], "rejected");
        assert_eq!(pair["chosen"]["critique"], good["critique"]);
        let margin = pair["margin"].as_f64().unwrap();
        assert!(
            (margin - (good["reward"].as_f64().unwrap() - wrong["reward"].as_f64().unwrap())).abs() < 3e-4
        );
        assert!((pair["probability"].as_f64().unwrap() - 1.0 / (1.0 + (-margin).exp())).abs() < 1e-9);
    }
    assert_eq!(results[3]["input"], json!({"x": 1}));
    assert_eq!(results[0]["input"], json!({}));
    let scored = over(
        model,
        &["score", "--reading", "re-encoded"],
        &[json!({"prompt": good["prompt"], "chosen": good["answer"], "rejected": wrong["answer"],
            "chosen_critique": good["critique"], "rejected_critique": wrong["critique"]})],
    );
    close(&scored.good()[0]["margin"], &results[0]["margin"], "margin");
}

#[test]
fn samples_and_seeds() {
    let model = "cloud-llama-tiny";
    let input = &inputs(&cases(&expected(model), "examples"))[..3];
    let many = over(model, &["critique", "-n", "3", "--max-tokens", "30"], input).good();
    for row in &many {
        assert_eq!((&row["made_with"]["temperature"], &row["made_with"]["seed"]), (&json!(1.0), &json!(0)));
        let samples = row["samples"].as_array().unwrap();
        assert_eq!(samples.iter().map(|s| s["seed"].clone()).collect::<Vec<_>>(), [0, 1, 2]);
        let rewards: Vec<f64> = samples.iter().map(|s| s["reward"].as_f64().unwrap()).collect();
        let mean = rewards.iter().sum::<f64>() / 3.0;
        assert!((row["reward"].as_f64().unwrap() - mean).abs() < 1e-5);
        let sd = (rewards.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        assert!((row["reward_sd"].as_f64().unwrap() - sd).abs() < 1e-5);
        let nearest = samples.iter().min_by(|a, b| {
            let far = |s: &Value| (s["reward"].as_f64().unwrap() - mean).abs();
            far(a).total_cmp(&far(b))
        });
        assert_eq!(row["critique"], nearest.unwrap()["critique"]);
    }
    // Sample 2 by itself is the critique of seed 2.
    let second = over(model, &["critique", "--seed", "2", "--max-tokens", "30"], input).good();
    for (row, many) in second.iter().zip(&many) {
        assert_eq!(row["critique"], many["samples"][2]["critique"]);
        assert_eq!(row["made_with"]["temperature"], 1.0);
        assert_eq!(row["made_with"]["max_tokens"], 30);
        assert!(row.get("samples").is_none());
    }
    let greedy = over(model, &["critique", "--seed", "2", "--temperature", "0"], input).good();
    assert_eq!(greedy[0]["made_with"]["temperature"], 0.0);
    assert_eq!(greedy[0]["made_with"]["seed"], Value::Null);
}

#[test]
fn order_and_numbers_do_not_depend_on_the_batch() {
    let model = "cloud-qwen2-tiny";
    let inputs = inputs(&cases(&expected(model), "examples"));
    let single = over(model, &["critique", "--batch", "1"], &inputs).good();
    let batch = over(model, &["critique", "--batch", "16"], &inputs).good();
    for ((single, batch), input) in single.iter().zip(&batch).zip(&inputs) {
        assert_eq!((&single["id"], &batch["id"]), (&input["id"], &input["id"]));
        assert_eq!(single["critique"], batch["critique"]);
        close(&batch["reward"], &single["reward"], "batch");
    }
}
