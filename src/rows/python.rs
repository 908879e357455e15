//! JSON as Python writes it: `NaN` and `Infinity` become null, a lone surrogate is found and its field named.

use serde_json::Value;

/// Why a line is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The top-level field it lies in, where known.
    pub field: Option<String>,
    /// What is wrong.
    pub found: String,
    /// The row's `id`, where it can still be read.
    pub id: Option<Value>,
}

/// Parses one line; numbers that JSON cannot hold become null.
pub fn parse(line: &[u8]) -> Result<Value, Fault> {
    let Ok(text) = std::str::from_utf8(line) else { return Err(not_utf8(line)) };
    // Most lines are plain JSON; the scan is for those that are not.
    let parsed = serde_json::from_str(text).map(|value| whole_id(value, text));
    parsed.or_else(|_| {
        let Json { text, lone, .. } = to_json(text);
        let value = serde_json::from_str::<Value>(&text);
        match (value, lone) {
            (Ok(value), None) => Ok(whole_id(value, &text)),
            (Ok(value), Some((field, found))) => Err(Fault { field, found, id: value.get("id").cloned() }),
            (Err(e), _) => {
                let reason = e.to_string().replace(" at line 1 column", " at column");
                Err(Fault { field: None, found: format!("no JSON ({reason})"), id: None })
            }
        }
    })
}

/// A row's `id` is its name: a number that no integer type holds stays digit for digit, as text.
fn whole_id(mut value: Value, line: &str) -> Value {
    if let Some(id) = value.get_mut("id").filter(|id| id.is_f64())
        && let Some(word) = to_json(line).id
        && word.trim_start_matches('-').bytes().all(|digit| digit.is_ascii_digit())
    {
        *id = Value::String(word);
    }
    value
}

fn not_utf8(line: &[u8]) -> Fault {
    let valid = std::str::from_utf8(line).map_or_else(|e| e.valid_up_to(), str::len);
    let found = format!("bytes that are not UTF-8 (at byte {})", valid + 1);
    let lossy = parse(String::from_utf8_lossy(line).as_bytes()).ok();
    let object = lossy.as_ref().and_then(Value::as_object);
    let damaged = |value: &Value| value.to_string().contains('\u{FFFD}');
    Fault {
        field: object.and_then(|o| o.iter().find(|(_, v)| damaged(v))).map(|(key, _)| key.clone()),
        found,
        id: object.and_then(|o| o.get("id")).filter(|id| !damaged(id)).cloned(),
    }
}

/// A line as JSON has it.
struct Json {
    text: String,
    /// The first lone surrogate: the field, and what was found in it.
    lone: Option<(Option<String>, String)>,
    /// The number that stands at `id`, as it was written.
    id: Option<String>,
}

/// Replaces what Python's JSON has and JSON has not.
fn to_json(line: &str) -> Json {
    let mut id = None;
    let mut out = String::with_capacity(line.len());
    let mut scan = Scan { rest: line, depth: 0, last: None, field: None };
    let mut lone = None;
    while let Some(c) = scan.rest.chars().next() {
        match c {
            '"' => {
                let mut text = scan.string();
                while let Some((before, escape, after)) = lone_surrogate(text) {
                    let found = || format!("a lone surrogate ({escape}), which is not text");
                    lone.get_or_insert_with(|| (scan.field.clone(), found()));
                    out.push_str(before);
                    out.push_str("\\ufffd");
                    text = after;
                }
                out.push_str(text);
            }
            '{' | '[' => {
                scan.depth += 1;
                out.push_str(scan.take(1));
            }
            '}' | ']' => {
                scan.depth -= 1;
                out.push_str(scan.take(1));
            }
            ':' => {
                if scan.depth == 1 {
                    scan.field = scan.last.take();
                }
                out.push_str(scan.take(1));
            }
            _ if c == '-' || c.is_ascii_alphanumeric() => {
                let end = scan
                    .rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                    .unwrap_or(scan.rest.len());
                let word = scan.take(end);
                if scan.depth == 1 && scan.field.as_deref() == Some("id") {
                    id.get_or_insert_with(|| word.to_owned());
                }
                out.push_str(if is_not_finite(word) { "null" } else { word });
            }
            _ => out.push_str(scan.take(c.len_utf8())),
        }
    }
    Json { text: out, lone, id }
}

fn is_not_finite(word: &str) -> bool {
    match word {
        "NaN" | "Infinity" | "-Infinity" => true,
        _ => word.ends_with(|c: char| c.is_ascii_digit()) && word.parse().is_ok_and(f64::is_infinite),
    }
}

struct Scan<'a> {
    rest: &'a str,
    depth: i64,
    last: Option<String>,
    field: Option<String>,
}

impl<'a> Scan<'a> {
    /// Takes `n` bytes, which end at a character.
    fn take(&mut self, n: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(n).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Takes a string with its quotes.
    fn string(&mut self) -> &'a str {
        let start = self.rest;
        let mut chars = start.char_indices().skip(1);
        let mut end = start.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => {
                    chars.next();
                }
                _ => {}
            }
        }
        let text = self.take(end);
        if self.depth == 1 {
            self.last = Some(text.trim_matches('"').to_owned());
        }
        text
    }
}

/// The first escape of half a character, with what stands before and after it.
fn lone_surrogate(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find('\\').map(|at| at + from) {
        let escape = text.get(at..)?;
        let lone = match unit(escape) {
            Some(0xD800..=0xDBFF) => match escape.get(6..).and_then(unit) {
                Some(0xDC00..=0xDFFF) => {
                    from = at + 12;
                    false
                }
                _ => true,
            },
            Some(0xDC00..=0xDFFF) => true,
            Some(_) => {
                from = at + 6;
                false
            }
            // The character after the backslash may be any; it is skipped whole.
            None => {
                from = at + 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                false
            }
        };
        if lone {
            return Some((text.get(..at)?, escape.get(..6)?, escape.get(6..)?));
        }
    }
    None
}

/// The code unit of a `\uXXXX` that the text begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_json_has_not_are_missing() {
        let value = parse(br#"{"a": NaN, "b": [-Infinity, Infinity, 1e999, 2.5e3], "c": "NaN, \"Infinity"}"#);
        assert_eq!(
            value.unwrap(),
            json!({"a": null, "b": [null, null, null, 2500.0], "c": "NaN, \"Infinity"})
        );
    }

    #[test]
    fn a_lone_surrogate_is_found_with_its_field() {
        let fault = parse(br#"{"id": 1, "answer": "a \ud83d b", "x": 1}"#).unwrap_err();
        assert_eq!(fault.field.as_deref(), Some("answer"));
        assert!(fault.found.contains("\\ud83d"), "{fault:?}");
        assert_eq!(fault.id, Some(json!(1)));
        let fault = parse(br#"{"prompt": [{"role": "user", "content": "\udc00"}]}"#).unwrap_err();
        assert_eq!(fault.field.as_deref(), Some("prompt"));
        assert_eq!(parse(br#"{"a": "\ud83d\ude00 \\ud83d", "b": NaN}"#).unwrap()["a"], "😀 \\ud83d");
    }

    #[test]
    fn other_faults_keep_their_column() {
        let fault = parse(br#"{"a": }"#).unwrap_err();
        assert!(fault.found.contains("column 7"), "{fault:?}");
        assert!(parse(b"{\"a\": \"no end").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\ud8c0-9eNaInfty é😀.+-]*") {
            let _ = parse(text.as_bytes());
            let _ = to_json(&text);
        }

        #[test]
        fn what_json_can_hold_is_left_alone(text in ".*", number in proptest::num::f64::NORMAL) {
            let line = json!({"t": text, "n": number, "m": [text, {"k": number}]}).to_string();
            let same = to_json(&line);
            proptest::prop_assert_eq!((same.text, same.lone), (line.clone(), None));
        }
    }
}
