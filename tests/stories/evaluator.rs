//! Reads prompt and answer as texts and works them out without any of the generator's arithmetic.

use outloud::stories::numbers::Op;
use outloud::stories::templates::{EventTemplate, library};

/// A calculation as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub left: i64,
    pub op: char,
    pub right: i64,
    pub result: i64,
}

impl Written {
    pub fn value(self) -> Option<i64> {
        match self.op {
            '+' => Some(self.left + self.right),
            '-' => Some(self.left - self.right),
            'x' => Some(self.left * self.right),
            _ => (self.left % self.right == 0).then_some(self.left / self.right),
        }
    }
}

/// What an event's sentence asks for.
#[derive(Clone, Debug)]
pub struct Told {
    pub marker: String,
    pub op: char,
    pub packs: Option<(i64, i64)>,
    pub by: i64,
}

/// A problem as read from its text.
#[derive(Clone, Debug)]
pub struct Problem {
    pub start: i64,
    pub told: Vec<Told>,
    pub asked: usize,
}

fn strip(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric() && !"+-/".contains(c))
}

fn markers() -> Vec<String> {
    library().unwrap().markers.iter().flat_map(|m| m.names.clone()).collect()
}

fn symbol(op: Op) -> char {
    op.symbol()
}

/// Numbers for `{m}` and `{n}`.
type Operands = (Option<i64>, Option<i64>);

/// Numbers for `{m}` and `{n}` if the sentence is an instance of the template; every other placeholder is one word.
fn matches(template: &EventTemplate, sentence: &[&str]) -> Option<Operands> {
    let pattern: Vec<&str> = template.text.split_whitespace().collect();
    if pattern.len() != sentence.len() {
        return None;
    }
    let (mut m, mut n) = (None, None);
    for (want, found) in pattern.iter().zip(sentence) {
        match *want {
            "{m}" => m = Some(found.parse().ok()?),
            "{n}" => n = Some(found.parse().ok()?),
            // A number is never a name.
            _ if want.starts_with('{') && found.parse::<i64>().is_ok() => return None,
            _ if want.starts_with('{') => {}
            _ if want != found => return None,
            _ => {}
        }
    }
    Some((m, n))
}

pub fn read_problem(prompt: &str) -> Problem {
    let markers = markers();
    let sentences: Vec<&str> = prompt.split_inclusive(['.', '?']).map(str::trim).collect();
    let numbers = |text: &str| -> Vec<i64> {
        text.split_whitespace().filter_map(|word| strip(word).parse().ok()).collect()
    };
    let start = numbers(sentences[0])[0];
    let mut told = Vec::new();
    for sentence in &sentences[1..sentences.len() - 1] {
        let words: Vec<&str> = sentence.split_whitespace().map(strip).collect();
        if !matches!(words[0], "On" | "In") || !markers.contains(&words[1].to_owned()) {
            continue;
        }
        let found: Vec<(&EventTemplate, Operands)> = library()
            .unwrap()
            .scenes
            .iter()
            .chain(&library().unwrap().wider)
            .flat_map(|scene| &scene.event)
            .filter_map(|template| Some((template, matches(template, &words[2..])?)))
            .collect();
        let (template, (m, n)) = *found.first().unwrap_or_else(|| panic!("no template for {sentence:?}"));
        assert!(found.iter().all(|(t, _)| t.op == template.op), "{sentence:?} means two things");
        told.push(Told {
            marker: words[1].to_owned(),
            op: symbol(template.op.op()),
            packs: m.map(|m| (n.unwrap(), m)),
            by: n.or_else(|| template.by.map(i64::from)).unwrap(),
        });
    }
    let question = sentences[sentences.len() - 1];
    let asked = if question.contains("in the end") {
        told.len()
    } else {
        let (_, marker) = question.rsplit_once("after ").unwrap();
        1 + told.iter().position(|t| t.marker == strip(marker)).unwrap()
    };
    Problem { start, told, asked }
}

impl Problem {
    /// The right calculations of the first `events` events, by marker.
    pub fn solve(&self, events: usize) -> Vec<(String, Written)> {
        let mut total = self.start;
        let mut all = Vec::new();
        for told in &self.told[..events] {
            let mut by = told.by;
            if let Some((size, count)) = told.packs {
                by = size * count;
                all.push((told.marker.clone(), Written { left: size, op: 'x', right: count, result: by }));
            }
            let mut written = Written { left: total, op: told.op, right: by, result: 0 };
            written.result = written.value().expect("exact division");
            total = written.result;
            all.push((told.marker.clone(), written));
        }
        all
    }

    pub fn steps(&self) -> usize {
        self.solve(self.asked).len()
    }
}

/// The calculations of an answer by marker, and its final number.
pub fn read_answer(answer: &str) -> (Vec<(String, Written)>, i64) {
    let markers = markers();
    let words: Vec<&str> = answer.split_whitespace().map(strip).collect();
    let mut marker = String::new();
    let mut all = Vec::new();
    for (place, word) in words.iter().enumerate() {
        if markers.contains(&(*word).to_owned()) {
            (*word).clone_into(&mut marker);
        }
        if word.is_empty() && place >= 3 {
            // `=` is stripped to nothing.
            let number = |word: &str| word.parse::<i64>().unwrap();
            let written = Written {
                left: number(words[place - 3]),
                op: words[place - 2].chars().next().unwrap(),
                right: number(words[place - 1]),
                result: number(words[place + 1]),
            };
            all.push((marker.clone(), written));
        }
    }
    let last = words.iter().rev().find_map(|word| word.parse().ok()).unwrap();
    (all, last)
}

/// Everything an answer does otherwise than the problem asks, by kind and step along the right solution, where what
/// was written before counts as given.
pub fn deviations(problem: &Problem, answer: &str) -> Vec<(&'static str, usize)> {
    let (written, last) = read_answer(answer);
    let mut all = Vec::new();
    let (mut total, mut step, mut place) = (problem.start, 0, 0);
    let asked = problem.asked;
    for (index, told) in problem.told.iter().enumerate() {
        let mine: Vec<Written> =
            written[place..].iter().take_while(|(m, _)| *m == told.marker).map(|(_, w)| *w).collect();
        let expected = if told.packs.is_some() { 2 } else { 1 };
        if mine.is_empty() {
            if index < asked {
                all.push(("skipped-step", step + 1));
            }
            step += expected;
            continue;
        }
        assert_eq!(mine.len(), expected, "{answer}");
        place += mine.len();
        if index >= asked {
            all.push(("wrong-question", problem.steps() + 1));
        }
        let mut by = told.by;
        for (part, calc) in mine.iter().enumerate() {
            step += 1;
            let product = told.packs.filter(|_| part == 0 && expected == 2);
            let (left, op, right) = product.map_or((total, told.op, by), |(size, count)| (size, 'x', count));
            if calc.op != op {
                all.push(("wrong-operation", step));
            }
            if calc.left != left || calc.right != right {
                all.push(("copied-number", step));
            }
            if calc.value() != Some(calc.result) {
                all.push(("miscalculation", step));
            }
            if product.is_some() { by = calc.result } else { total = calc.result }
        }
    }
    assert_eq!(place, written.len(), "lines out of order: {answer}");
    if last != total {
        all.push(("wrong-final-line", problem.steps() + 1));
    }
    all
}
