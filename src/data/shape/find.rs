//! Columns and sample rows -> a shape; a pure function, the first that fits.

use serde_json::{Map, Value};

use super::names::{self, Names, values};
use super::verdict::Verdict;
use super::{Asked, Kind, Shape, Side};
use crate::data::{chat, json};

type Rows<'a> = [&'a Map<String, Value>];

/// Finds the shape.
pub fn shape(names: &Names, samples: &Rows, cells: bool) -> Option<Shape> {
    let find = Find { names, samples, cells };
    find.pair(true)
        .or_else(|| find.versus())
        .or_else(|| find.pair(false))
        .or_else(|| find.many())
        .or_else(|| find.single())
        .or_else(|| find.chat())
}

/// The columns that go with a single answer.
pub fn single_side(names: &Names, answer: &str) -> Side {
    let owned = |name: Option<&str>| name.map(str::to_owned);
    Side {
        answer: answer.to_owned(),
        critique: owned(names.get("critique")),
        feedback: owned(
            names.first(&names::CRITIQUES).filter(|column| names.get("critique") != Some(column)),
        ),
        // Beside a critique they may come later.
        ids: owned(
            names.get("critique_token_ids").or_else(|| names.get("critique").map(|_| "critique_token_ids")),
        ),
        scores: names::SCORES.iter().filter_map(|name| names.get(name)).map(str::to_owned).collect(),
        label: None,
        model: owned(names.first(&["model", "model_name", "generator"])),
    }
}

struct Find<'a> {
    names: &'a Names<'a>,
    samples: &'a Rows<'a>,
    cells: bool,
}

impl Find<'_> {
    fn shape(&self, name: &'static str, asked: Asked, kind: Kind) -> Shape {
        Shape { name, asked, kind, cells: self.cells }
    }

    /// A value of a table's cell as what it stands for.
    fn whole(&self, value: &Value) -> Value {
        let text = value.as_str().filter(|_| self.cells);
        text.and_then(json::cell).unwrap_or_else(|| value.clone())
    }

    /// Whether some value of a column is so, and the first that is there at all.
    fn any(&self, column: &str, is: impl Fn(&Value) -> bool) -> bool {
        values(self.samples, column).into_iter().take(20).any(|value| is(&self.whole(value)))
    }

    /// Whether answers of a column are whole chats, the prompt included.
    fn has_chats(&self, column: &str) -> bool {
        self.any(column, |value| match value {
            Value::Array(items) => {
                let role = |m: &Value| {
                    m.get("role").or_else(|| m.get("from")).and_then(Value::as_str).map(str::to_owned)
                };
                items.len() > 1
                    && items
                        .first()
                        .and_then(role)
                        .is_some_and(|r| !matches!(r.as_str(), "assistant" | "gpt"))
            }
            Value::String(text) => chat::is_transcript(text),
            _ => false,
        })
    }

    /// Where the prompt stands; `used` columns are something else.
    fn asked(&self, used: &[&str], own: bool) -> Asked {
        let free = |column: &&str| !used.contains(column);
        let named = |list: &[&str]| list.iter().filter_map(|name| self.names.get(name)).find(free);
        let chats = || named(&names::CHATS).filter(|column| self.any(column, chat::is_chat));
        let column = match own {
            // Answers that are whole chats need no prompt.
            true => self.names.get("prompt"),
            false => named(&names::PROMPTS[..2]).or_else(chats).or_else(|| named(&names::PROMPTS)),
        };
        let input = self.names.get("input").filter(free).filter(|_| column == self.names.get("instruction"));
        let system = self.names.first(&names::SYSTEMS).filter(free);
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Asked {
            column: owned(column),
            input: owned(input.filter(|_| column.is_some())),
            system: owned(system),
        }
    }

    /// A better and a worse answer; `both` if both columns must be there.
    fn pair(&self, both: bool) -> Option<Shape> {
        let there = |(better, worse): &(&str, &str)| Some((self.names.get(better)?, self.names.get(worse)?));
        let (better, worse) = if both {
            names::PAIRS.iter().find_map(there)?
        } else {
            let (better, worse) = (self.names.get("chosen"), self.names.get("rejected"));
            let column = better.or(worse)?;
            // A short word in `chosen` may be a verdict or something else.
            if !self.any(column, |v| !v.is_null()) && self.names.first(&names::ANSWERS).is_some() {
                return None;
            }
            (better.unwrap_or("chosen"), worse.unwrap_or("rejected"))
        };
        let (mut good, mut bad) = (self.side(better, better), self.side(worse, worse));
        for (side, word) in [(&mut good, "chosen"), (&mut bad, "rejected")] {
            if side.critique.is_none() && side.feedback.is_none() {
                *side = Side { answer: side.answer.clone(), ..self.side(&side.answer.clone(), word) };
            }
        }
        let transcript = self.any(better, |v| v.as_str().is_some_and(chat::is_transcript));
        let lists = |column| {
            self.any(column, |v| {
                let items = v.as_array().filter(|items| !items.is_empty());
                items.is_some_and(|items| items.iter().all(|i| i.is_string() || i.as_array().is_some()))
            })
        };
        let asked = self.asked(&[better, worse], self.has_chats(better) && self.has_chats(worse));
        if lists(better) && lists(worse) {
            let kind = Kind::Lists { better: better.into(), worse: worse.into() };
            return Some(self.shape("rewardbench-2", asked, kind));
        }
        let has = |side: &Side| side.critique.is_some() || side.feedback.is_some();
        let scored = self.names.get("score_chosen").is_some() && self.names.get("score_rejected").is_some();
        let from = |column: &str| {
            self.any(column, |v| v.get("from").or_else(|| v.get(0).and_then(|m| m.get("from"))).is_some())
        };
        let name = match () {
            () if transcript => "hh-rlhf",
            () if from(better) || asked.column.as_deref().is_some_and(from) => "sharegpt-dpo",
            () if has(&good) && has(&bad) => "cloud",
            () if has(&good) || has(&bad) => "cloud-one-sided",
            () if good.model.is_some() && bad.model.is_some() && self.names.get("subset").is_some() => {
                "rewardbench"
            }
            () if scored => "ultrafeedback-binarized",
            () if asked.column.is_none() && self.has_chats(better) => "trl-preference-implicit",
            () => "trl-preference",
        };
        Some(self.shape(name, asked, Kind::Pair { better: good, worse: bad, transcript }))
    }

    /// The columns that go with an answer called `answer`, by a word before or after: `chosen_score`, `score_a`, `score2`.
    fn side(&self, answer: &str, word: &str) -> Side {
        let word = names::plain(word);
        let find = |what: &str| {
            let forms = [format!("{word}_{what}"), format!("{what}_{word}"), format!("{what}{word}")];
            forms.iter().find_map(|name| self.names.get(name)).map(str::to_owned)
        };
        Side {
            answer: answer.to_owned(),
            critique: find("critique"),
            feedback: find("feedback"),
            ids: find("critique_token_ids"),
            scores: ["score", "rating", "reward", "avg_rating"]
                .iter()
                .filter_map(|what| find(what))
                .collect(),
            label: None,
            model: find("model"),
        }
    }

    /// Two answers side by side.
    fn versus(&self) -> Option<Shape> {
        let there = |side: &&str, (a, b): &(&'static str, &'static str)| {
            let column = |end: &str| self.names.get(&format!("{side}{end}"));
            Some((column(a)?, column(b)?, a.trim_matches('_'), b.trim_matches('_')))
        };
        let (a, b, end_a, end_b) =
            names::SIDES.iter().find_map(|side| names::ENDS.iter().find_map(|ends| there(side, ends)))?;
        let (first, second) = (self.side(a, end_a), self.side(b, end_b));
        let scores = [&first, &second].map(|side| side.scores.first().map(String::as_str));
        let verdict = Verdict::find(self.names, self.samples, [a, b], scores);
        let asked = self.asked(&[a, b], self.has_chats(a) && self.has_chats(b));
        let turns = |column: &str| {
            values(self.samples, column)
                .into_iter()
                .take(20)
                .any(|value| turns(value).is_some_and(|t| !t.is_empty()))
        };
        let turns = asked.column.as_deref().is_some_and(turns) && turns(a) && turns(b);
        let name = if verdict == Verdict::None { "pair" } else { "arena" };
        Some(self.shape(name, asked, Kind::Versus { a: first, b: second, verdict, turns }))
    }

    /// A list of answers.
    fn many(&self) -> Option<Shape> {
        let list = |value: &Value| {
            let items = value.as_array().filter(|items| !items.is_empty() && !chat::is_chat(value));
            items.is_some_and(|items| {
                items.iter().all(|item| item.is_string() || item.is_object() || item.is_null())
            })
        };
        let answers = names::MANY
            .iter()
            .filter_map(|name| self.names.get(name))
            .find(|column| self.any(column, list))?;
        let asked = self.asked(&[answers], false);
        asked.column.as_ref()?;
        let numbers = |value: &Value| {
            value.as_array().is_some_and(|items| items.iter().any(|i| names::number(i).is_some()))
        };
        let beside = |list: &[&str]| {
            list.iter().filter_map(|name| self.names.get(name)).find(|column| self.any(column, numbers))
        };
        let scores = beside(&names::SCORES)
            .map(|column| (column.to_owned(), false))
            .or_else(|| beside(&names::RANKS).map(|column| (column.to_owned(), true)));
        let within = self.any(answers, |value| {
            let scored = |item: &Value| {
                let has = |name: &&str| item.get(name).is_some_and(|v| names::number(v).is_some());
                names::SCORES.iter().chain(&names::RANKS).any(has)
            };
            value.as_array().is_some_and(|items| items.iter().any(scored))
        });
        let choice = self.names.first(&["choice", "best", "best_index", "correct", "label"]);
        let choice = choice.filter(|column| self.any(column, |v| names::number(v).is_some()));
        let name = if scores.is_some() || within || choice.is_some() { "scored-answers" } else { "answers" };
        let models = self.names.get("models").map(str::to_owned);
        let kind = Kind::Many { answers: answers.into(), scores, choice: choice.map(str::to_owned), models };
        Some(self.shape(name, asked, kind))
    }

    /// One answer.
    fn single(&self) -> Option<Shape> {
        let answer = self.names.first(&names::ANSWERS)?;
        let asked = self.asked(&[answer], self.has_chats(answer));
        if asked.column.is_none() && !self.has_chats(answer) {
            return None;
        }
        Some(self.one(answer, asked, None))
    }

    /// A whole chat, the answer its last turn.
    fn chat(&self) -> Option<Shape> {
        let columns = names::CHATS.iter().chain(&["prompt"]).filter_map(|name| self.names.get(name));
        let column = columns.into_iter().find(|column| self.any(column, chat::is_chat))?;
        let from = self.any(column, |v| v.get(0).is_some_and(|m| m.get("from").is_some()));
        let asked = Asked { system: self.asked(&[column], true).system, ..Asked::default() };
        Some(self.one(column, asked, Some(if from { "sharegpt" } else { "messages" })))
    }

    fn one(&self, answer: &str, asked: Asked, chat: Option<&'static str>) -> Shape {
        let label = names::LABELS.iter().filter_map(|name| self.names.get(name)).find(|column| {
            let found = values(self.samples, column);
            !found.is_empty() && found.iter().all(|value| names::yes(value).is_some())
        });
        let mut side = Side { label: label.map(str::to_owned), ..single_side(self.names, answer) };
        side.scores.retain(|column| Some(column.as_str()) != label);
        let scored = side.scores.iter().any(|column| {
            self.any(column, |v| {
                names::number(v).is_some() || v.as_array().is_some_and(|a| a.iter().any(Value::is_number))
            })
        });
        let criticised =
            |column: &Option<String>| column.as_ref().is_some_and(|c| self.any(c, |v| !v.is_null()));
        let name = match chat {
            _ if side.label.is_some() => "kto",
            _ if criticised(&side.critique) || criticised(&side.feedback) => "critiqued-answer",
            _ if scored => "scored-answer",
            Some(chat) => chat,
            None => "prompt-answer",
        };
        self.shape(name, asked, Kind::Single(side))
    }
}

/// A list of texts, also within a text.
pub fn turns(value: &Value) -> Option<Vec<String>> {
    let within = value.as_str().and_then(json::cell);
    let items = within.as_ref().unwrap_or(value).as_array()?;
    let text = |item: &Value| match item {
        Value::Null => Some(String::new()),
        other => other.as_str().map(str::to_owned),
    };
    items.iter().map(text).collect()
}
