//! What columns mean is recognised without being told.

use outloud::checkpoint::{Message, Prompt};
use outloud::data::Example;
use serde_json::json;

use crate::common::*;

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

fn asked() -> Prompt {
    Prompt::Messages(vec![message("user", QUESTION)])
}

/// File, shape, (rows, ties, bad).
const EXPECTED: [(&str, &str, (usize, usize, usize)); 38] = [
    ("alpaca", "prompt-answer", (2, 0, 0)),
    ("arena-55k", "arena", (2, 1, 0)),
    ("arena-ab", "arena", (2, 2, 0)),
    ("arena-mtbench", "arena", (1, 1, 0)),
    ("cloud", "cloud", (3, 0, 0)),
    ("cloud-one-sided", "cloud-one-sided", (2, 0, 0)),
    ("critique-objects", "critiqued-answer", (1, 0, 0)),
    ("critiques", "critiqued-answer", (1, 0, 0)),
    ("helpsteer", "scored-answer", (1, 0, 0)),
    ("helpsteer-preference", "arena", (2, 1, 0)),
    ("hh", "hh-rlhf", (2, 0, 0)),
    ("kto", "kto", (2, 0, 0)),
    ("kto-chat", "kto", (1, 0, 0)),
    ("llmbar", "arena", (2, 0, 0)),
    ("messages", "messages", (1, 0, 0)),
    ("nectar", "scored-answers", (1, 0, 0)),
    ("openai", "trl-preference", (1, 0, 0)),
    ("orca", "trl-preference", (1, 0, 0)),
    ("pandalm", "trl-preference", (1, 1, 1)),
    ("rewardbench", "rewardbench", (1, 0, 0)),
    ("rewardbench-2", "rewardbench-2", (2, 0, 0)),
    ("safe-rlhf", "arena", (1, 0, 0)),
    ("scored-lists", "scored-answers", (1, 0, 0)),
    ("sharegpt", "sharegpt", (1, 0, 0)),
    ("sharegpt-dpo", "sharegpt-dpo", (1, 0, 0)),
    ("shp", "arena", (1, 0, 0)),
    ("single", "trl-preference", (2, 0, 0)),
    ("stack-exchange", "trl-preference", (1, 0, 0)),
    ("summaries", "scored-answers", (1, 0, 0)),
    ("trl-explicit", "trl-preference", (2, 0, 0)),
    ("trl-implicit", "trl-preference-implicit", (2, 0, 0)),
    ("trl-parts", "trl-preference", (1, 0, 0)),
    ("ultrafeedback", "scored-answers", (1, 0, 0)),
    ("ultrafeedback-binarized", "ultrafeedback-binarized", (1, 0, 0)),
    ("webgpt", "arena", (1, 0, 0)),
    // As pandas writes them.
    ("pandas", "cloud", (5, 0, 0)),
    ("pandas-split", "cloud", (5, 0, 0)),
    ("pandas-records", "cloud", (5, 0, 0)),
];

#[test]
fn every_shape_is_recognised() {
    for (name, shape, counts) in EXPECTED {
        let extension =
            ["jsonl", "json", "csv"].into_iter().find(|e| fixture(&format!("{name}.{e}")).exists());
        let data = load(&fixture(&format!("{name}.{}", extension.unwrap())));
        let file = &data.files()[0];
        assert_eq!(file.shape.as_ref().map(|s| s.name()), Some(shape), "{name}");
        assert_eq!((file.rows, file.ties, data.bad().len()), counts, "{name}");
        assert_eq!(file.error, None, "{name}");
        assert!(file.notes.is_empty(), "{name}: {:?}", file.notes);
    }
}

fn first(name: &str) -> Example {
    load(&fixture(&format!("{name}.jsonl"))).example(0).unwrap()
}

#[test]
fn the_better_answer_is_the_better_one() {
    for name in [
        "cloud",
        "hh",
        "llmbar",
        "nectar",
        "openai",
        "orca",
        "pandalm",
        "rewardbench",
        "rewardbench-2",
        "safe-rlhf",
        "sharegpt-dpo",
        "shp",
        "stack-exchange",
        "trl-explicit",
        "trl-implicit",
        "trl-parts",
        "ultrafeedback",
        "ultrafeedback-binarized",
        "webgpt",
        "arena-ab",
        "helpsteer-preference",
    ] {
        let example = first(name);
        let (better, worse) = example.pair().unwrap();
        assert_eq!((better.text.as_str(), worse.text.as_str()), (GOOD, BAD), "{name}");
        assert!(better.before.is_empty(), "{name}");
        let asked = match &example.prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Messages(messages) => messages.last().unwrap().content.clone(),
        };
        assert_eq!(asked, QUESTION, "{name}");
    }
}

#[test]
fn chats_are_kept_whole() {
    let before = [message("user", "Hi"), message("assistant", "Hello."), message("user", QUESTION)];
    assert_eq!(first("hh").prompt, Prompt::Messages(before.to_vec()));
    let mut with_system = before.to_vec();
    with_system.insert(0, message("system", "Be brief."));
    assert_eq!(first("sharegpt-dpo").prompt, Prompt::Messages(with_system.clone()));
    for name in ["trl-implicit", "orca", "messages"] {
        let system = Prompt::Messages(vec![message("system", "Be brief."), message("user", QUESTION)]);
        assert_eq!(first(name).prompt, system, "{name}");
    }
    assert_eq!(first("openai").prompt, asked());
    // Where chats part before the last turn, each answer keeps its own turns.
    for name in ["arena-mtbench", "arena-55k"] {
        let example = first(name);
        assert_eq!(example.prompt, asked(), "{name}");
        let (better, worse) = example.pair().unwrap();
        assert_eq!(better.before, [message("assistant", GOOD), message("user", "Why?")], "{name}");
        assert_eq!((better.text.as_str(), worse.text.as_str()), ("It is.", "So."), "{name}");
        let Prompt::Messages(whole) = example.prompt_of(worse) else { panic!() };
        assert_eq!(whole, [message("user", QUESTION), message("assistant", BAD), message("user", "Why?")]);
    }
}

#[test]
fn verdicts_of_all_kinds() {
    let pairs = |name: &str| -> Vec<_> {
        let all = examples(&load(&fixture(&format!("{name}.jsonl"))));
        all.into_iter().filter(|e| !e.tie).map(|e| e.pairs).collect()
    };
    assert_eq!(pairs("arena-ab"), [[(0, 1)], [(1, 0)]]);
    assert_eq!(pairs("arena-55k"), [[(0, 1)], [(1, 0)]]);
    assert_eq!(pairs("llmbar"), [[(1, 0)], [(0, 1)]]);
    assert_eq!(pairs("helpsteer-preference"), [[(0, 1)], [(1, 0)]]);
    let rows = |winners: &[serde_json::Value]| {
        let row =
            |w| json!({"prompt": "p", "answer_1": "a", "answer_2": "b", "winner": w}).to_string() + "\n";
        of("x.jsonl", winners.iter().map(row).collect::<String>())
    };
    let data = rows(&[
        json!(1),
        json!(2),
        json!(0),
        json!("answer_2"),
        json!("Answer 1"),
        json!("Both"),
        json!(null),
    ]);
    let found: Vec<_> = examples(&data).into_iter().filter(|e| !e.tie).map(|e| e.pairs).collect();
    assert_eq!(found, [vec![(0, 1)], vec![(1, 0)], vec![(1, 0)], vec![(0, 1)], vec![]]);
    assert_eq!(data.files()[0].ties, 2);
    assert_eq!(bad(&rows(&[json!(1), json!("purple")])), [(":2".to_owned(), Some("winner"))]);
}

#[test]
fn of_n_answers_the_best_is_against_the_worse() {
    assert_eq!(first("ultrafeedback").pairs, [(1, 0), (1, 2)]);
    assert_eq!(first("scored-lists").pairs, [(0, 1), (2, 1)]);
    assert_eq!(first("summaries").pairs, [(1, 0)]);
    let lists = examples(&load(&fixture("rewardbench-2.jsonl")));
    assert_eq!(lists[0].pairs, [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(lists[1].pairs, [(0, 2), (0, 3), (1, 2), (1, 3)]);
    let same = json!({"prompt": "p", "responses": ["a", "b"], "scores": [1, 1]});
    let data = of("x.jsonl", format!("{same}\n"));
    assert_eq!((data.files()[0].rows, data.files()[0].ties), (0, 1));
}

#[test]
fn critiques_scores_and_labels() {
    let answer = |name: &str, i: usize| first(name).answers[i].clone();
    assert_eq!(answer("cloud", 0).critiques, ["Right."]);
    assert_eq!(answer("cloud", 1).critiques, ["Wrong.", "No."]);
    assert_eq!(answer("critique-objects", 0).critiques, ["Wrong.", "No."]);
    assert_eq!(answer("ultrafeedback", 1).critiques, ["Right."]);
    assert_eq!(answer("ultrafeedback", 1).model.as_deref(), Some("n"));
    assert_eq!(answer("critiques", 0).score, Some(4.5));
    assert_eq!(answer("ultrafeedback-binarized", 0).score, Some(8.5));
    assert_eq!(answer("kto", 0).label, Some(true));
    assert_eq!(first("rewardbench").rest["chosen_model"], "m");
    assert_eq!(first("alpaca").prompt, Prompt::Text("Correct this.\n\n7 > 9".into()));
    assert_eq!(first("cloud-one-sided").rest["answer"], "9");
}

#[test]
fn other_names_are_told() {
    let row = json!({"frage": "q", "gut": "g", "schlecht": "s", "prompt": 3});
    let (_folder, path) =
        file("x.jsonl", format!("{row}\n{{\"frage\": \"q\", \"gut\": null, \"schlecht\": \"s\"}}\n"));
    assert_eq!(load(&path).files()[0].shape, None);
    assert_eq!(load(&path).bad().len(), 2);
    for map in ["prompt=frage,chosen=gut,rejected=schlecht", "frage = prompt, gut=chosen,schlecht=rejected"] {
        let data = load_mapped(&path, map);
        assert_eq!(data.len(), 1, "{map}");
        let example = data.example(0).unwrap();
        assert_eq!((example.prompt, example.answers[0].text.as_str()), (Prompt::Text("q".into()), "g"));
        assert_eq!(data.row(0).unwrap()["frage"], "q", "raw rows keep the file's names");
        assert_eq!(bad(&data), [(":2".to_owned(), Some("gut"))], "faults too");
    }
    // A mistyped column is not passed over in favour of another one.
    let row = json!({"prompt": "p", "chosen": "c", "rejected": "r", "better": "b"});
    let (_folder, path) = file("y.jsonl", format!("{row}\n"));
    assert_eq!(load_mapped(&path, "chosen=better").example(0).unwrap().answers[0].text, "b");
    let data = load_mapped(&path, "chosen=bettr");
    let error = data.files()[0].error.as_ref().unwrap();
    assert!(data.is_empty() && error.contains("no column `bettr`") && error.contains("better"), "{error}");
    assert!(outloud::data::Map::parse("a=b").is_err());
    assert!(outloud::data::Map::parse("prompt").is_err());
}

#[test]
fn a_row_of_another_shape_is_read_as_that() {
    let rows = examples(&load(&fixture("single.jsonl")));
    assert_eq!((rows[0].answers.len(), rows[1].answers.len()), (1, 2));
    assert_eq!(rows[0].answers[0].critiques, ["Right."]);
}
