//! JSON as people have it: what Python writes (`NaN` and `Infinity` are missing values), comments, trailing commas; a lone
//! surrogate is found and its column named. In cells of tables also Python's own literals, as pandas writes them.

use serde_json::{Map, Number, Value};

use super::example::Fault;

/// Lists in lists at most, as in serde_json.
const DEPTH: usize = 127;

/// What a row should be, in messages.
pub const EXPECTED: &str = "a JSON object {\"prompt\", \"answer\"} or {\"prompt\", \"chosen\", \"rejected\"}";
const UNICODE: &str = "Unicode text";

/// Parses one value; numbers that JSON cannot hold become null.
///
/// # Errors
/// The place where it is no JSON, or the column that is no text.
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(not_utf8(bytes)) };
    // Nearly all rows are plain JSON.
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && !value.get("id").is_some_and(Value::is_f64)
    {
        return Ok(value);
    }
    let (value, lone) = loose(text, false)
        .map_err(|wrong| Fault::whole(format!("no JSON ({})", wrong.describe(text)), EXPECTED))?;
    match lone {
        None => Ok(value),
        Some(lone) => Err(Fault {
            column: lone.column,
            found: format!("a lone surrogate ({}), which is not text", lone.escape),
            expected: UNICODE.into(),
            id: value.get("id").cloned().map(Box::new),
        }),
    }
}

/// A list or object in a cell: JSON, or Python's literals.
pub fn cell(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['[', '{']) {
        return None;
    }
    serde_json::from_str(text).ok().or_else(|| loose(text, true).ok().map(|(value, _)| value))
}

fn not_utf8(bytes: &[u8]) -> Fault {
    let valid = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
    let found = format!("bytes that are not UTF-8 (at byte {})", valid + 1);
    let lossy = parse(String::from_utf8_lossy(bytes).as_bytes()).ok();
    let object = lossy.as_ref().and_then(Value::as_object);
    let damaged = |value: &Value| value.to_string().contains('\u{FFFD}');
    let column = object.and_then(|o| o.iter().find(|(_, v)| damaged(v))).map(|(key, _)| key.clone());
    let expected = if column.is_some() { UNICODE } else { EXPECTED }.into();
    Fault {
        column,
        found,
        expected,
        id: object.and_then(|o| o.get("id")).filter(|id| !damaged(id)).cloned().map(Box::new),
    }
}

/// Half a character.
#[derive(Debug)]
struct Lone {
    column: Option<String>,
    escape: String,
}

/// Where a text is no JSON.
#[derive(Debug)]
struct Wrong {
    at: usize,
    why: &'static str,
}

impl Wrong {
    fn describe(&self, text: &str) -> String {
        let before = text.as_bytes().get(..self.at).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count();
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        match line {
            0 => format!("{} at column {column}", self.why),
            _ => format!("{} at line {} column {column}", self.why, line + 1),
        }
    }
}

fn loose(text: &str, python: bool) -> Result<(Value, Option<Lone>), Wrong> {
    let mut parser = Parser { text, at: 0, python, lone: None, column: None };
    let value = parser.value(0)?;
    parser.space()?;
    if parser.at < text.len() {
        return Err(parser.wrong("trailing characters"));
    }
    Ok((value, parser.lone))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    python: bool,
    lone: Option<Lone>,
    /// The top-level key.
    column: Option<String>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, why: &'static str) -> Wrong {
        Wrong { at: self.at, why: if self.at >= self.text.len() { "the end within a value" } else { why } }
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    /// White space and comments.
    fn space(&mut self) -> Result<(), Wrong> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            if self.take("//") {
                self.at += self.rest().find(['\n', '\r']).unwrap_or_else(|| self.rest().len());
            } else if self.take("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => {
                        self.at = self.text.len();
                        return Err(self.wrong("a comment without end"));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Wrong> {
        self.space()?;
        if depth > DEPTH {
            return Err(self.wrong("more than 127 lists within each other"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth, b']'),
            Some(b'(') if self.python => self.list(depth, b')'),
            Some(b'"') => self.string(b'"').map(Value::String),
            Some(b'\'') if self.python => self.string(b'\'').map(Value::String),
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => self.word(depth),
            _ => Err(self.wrong("expected value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Wrong> {
        self.at += 1;
        let mut map = Map::new();
        loop {
            self.space()?;
            if self.take("}") {
                return Ok(Value::Object(map));
            }
            if !map.is_empty() {
                if !self.take(",") {
                    return Err(self.wrong("expected `,` or `}`"));
                }
                self.space()?;
                if self.take("}") {
                    return Ok(Value::Object(map));
                }
            }
            let key = match self.peek() {
                Some(b'"') => self.string(b'"')?,
                Some(b'\'') if self.python => self.string(b'\'')?,
                _ => return Err(self.wrong("expected a key in quotes")),
            };
            if depth == 0 {
                self.column = Some(key.clone());
            }
            self.space()?;
            if !self.take(":") {
                return Err(self.wrong("expected `:`"));
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
        }
    }

    /// A list; numpy's, as pandas prints it, has no commas.
    fn list(&mut self, depth: usize, close: u8) -> Result<Value, Wrong> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(Value::Array(items));
            }
            if !items.is_empty() {
                let comma = self.take(",");
                if !comma && !self.python {
                    return Err(self.wrong("expected `,` or `]`"));
                }
                self.space()?;
                if comma && self.peek() == Some(close) {
                    continue;
                }
            }
            items.push(self.value(depth + 1)?);
        }
    }

    /// Numbers, `true`, `NaN`, Python's `None` and `array(...)`.
    fn word(&mut self, depth: usize) -> Result<Value, Wrong> {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" | "NaN" | "Infinity" | "-Infinity" => Value::Null,
            "True" if self.python => Value::Bool(true),
            "False" if self.python => Value::Bool(false),
            "None" | "nan" | "inf" | "-inf" if self.python => Value::Null,
            "array" if self.python => return self.array(depth),
            // A row's id is its name: where no integer type holds the number, it stays digit for digit, as text.
            _ if depth == 1 && self.column.as_deref() == Some("id") && is_long(word) => {
                Value::String(word.into())
            }
            _ => match serde_json::from_str::<Number>(word) {
                Ok(number) => Value::Number(number),
                Err(_) if infinite(word) => Value::Null,
                Err(_) if self.python && number_of(word).is_some() => {
                    number_of(word).map_or(Value::Null, Value::Number)
                }
                Err(_) => return Err(self.wrong("expected value")),
            },
        };
        self.at += end;
        Ok(value)
    }

    /// `array([...], dtype=object)`.
    fn array(&mut self, depth: usize) -> Result<Value, Wrong> {
        if !self.take("array(") {
            return Err(self.wrong("expected value"));
        }
        let value = self.value(depth + 1)?;
        let rest = self.rest();
        let Some(end) =
            rest.find(')').filter(|end| rest.get(..*end).is_some_and(|r| !r.contains(['[', '{'])))
        else {
            return Err(self.wrong("expected `)`"));
        };
        self.at += end + 1;
        Ok(value)
    }

    fn string(&mut self, quote: u8) -> Result<String, Wrong> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let bytes = rest.as_bytes();
            let stop = bytes.iter().position(|b| *b == quote || *b == b'\\' || *b < 0x20);
            let Some(n) = stop else {
                self.at = self.text.len();
                return Err(self.wrong("a text without end"));
            };
            out.push_str(rest.get(..n).unwrap_or_default());
            self.at += n;
            match self.peek() {
                Some(b'\\') => self.escape(&mut out)?,
                Some(b) if b == quote => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b) if self.python => {
                    out.push(char::from(b));
                    self.at += 1;
                }
                _ => return Err(self.wrong("a control character within a text")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Wrong> {
        let Some(c) = self.rest().chars().nth(1) else {
            self.at = self.text.len();
            return Err(self.wrong("a text without end"));
        };
        let plain = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' | '/' => c,
            'u' => return self.unicode(out),
            '\'' if self.python => c,
            'x' if self.python => {
                let code = self.rest().get(2..4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                let Some(code) = code else { return Err(self.wrong("invalid escape")) };
                out.push(char::from(code));
                self.at += 4;
                return Ok(());
            }
            _ => return Err(self.wrong("invalid escape")),
        };
        out.push(plain);
        self.at += 1 + c.len_utf8();
        Ok(())
    }

    /// `\uXXXX`, two of them for a character beyond the first 65,536.
    fn unicode(&mut self, out: &mut String) -> Result<(), Wrong> {
        let rest = self.rest();
        let Some(first) = unit(rest) else { return Err(self.wrong("invalid escape")) };
        let second = rest.get(6..).and_then(unit);
        let (c, len) = match (first, second) {
            (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
                (char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12)
            }
            _ => (char::from_u32(first), 6),
        };
        if c.is_none() && self.lone.is_none() {
            let escape = rest.get(..6).unwrap_or_default().to_owned();
            self.lone = Some(Lone { column: self.column.clone(), escape });
        }
        out.push(c.unwrap_or('\u{FFFD}'));
        self.at += len;
        Ok(())
    }
}

/// A whole number that neither 64-bit type holds.
fn is_long(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
        && serde_json::from_str::<Number>(word).is_ok_and(|n| n.is_f64())
}

fn infinite(word: &str) -> bool {
    word.ends_with(|c: char| c.is_ascii_digit()) && word.parse().is_ok_and(f64::is_infinite)
}

/// `1.` and the like, which Python writes.
fn number_of(word: &str) -> Option<Number> {
    word.ends_with('.').then(|| word.parse().ok().and_then(Number::from_f64)).flatten()
}

/// The code unit of a `\uXXXX` that the text begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
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
    fn commas_and_comments() {
        let text = b"{ // one\n \"a\": [1, 2, ], /* two */ \"b\": \"// no comment\",\n}";
        assert_eq!(parse(text).unwrap(), json!({"a": [1, 2], "b": "// no comment"}));
        for wrong in [&b"{,}"[..], b"[,]", b"[1,,2]", b"{\"a\": 1,,}", b"[1 2]", b"/* {}", b"['a']"] {
            assert!(parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn a_lone_surrogate_is_found_with_its_column() {
        let fault = parse(br#"{"id": 1, "answer": "a \ud83d b", "x": 1}"#).unwrap_err();
        assert_eq!(fault.column.as_deref(), Some("answer"));
        assert!(fault.found.contains("\\ud83d"), "{fault:?}");
        assert_eq!(fault.id.as_deref(), Some(&json!(1)));
        let fault = parse(br#"{"prompt": [{"role": "user", "content": "\udc00"}]}"#).unwrap_err();
        assert_eq!(fault.column.as_deref(), Some("prompt"));
        assert_eq!(parse(br#"{"a": "\ud83d\ude00 \\ud83d", "b": NaN}"#).unwrap()["a"], "😀 \\ud83d");
    }

    #[test]
    fn other_faults_keep_their_column() {
        let fault = parse(br#"{"a": }"#).unwrap_err();
        assert!(fault.found.contains("column 7"), "{fault:?}");
        let fault = parse(b"{\n\"a\": }").unwrap_err();
        assert!(fault.found.contains("line 2 column 6"), "{fault:?}");
        assert!(parse(b"{\"a\": \"no end").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(cell(&"[".repeat(100_000)).is_none());
    }

    #[test]
    fn cells_as_pandas_writes_them() {
        let messages =
            json!([{"role": "user", "content": "it's \"1\"\n"}, {"role": "assistant", "content": null}]);
        for text in [
            messages.to_string(),
            r#"[{'role': 'user', 'content': 'it\'s "1"\n'}, {'role': 'assistant', 'content': None}]"#.into(),
            "[{'role': 'user', 'content': 'it\\'s \"1\"\\n'}\n {'role': 'assistant', 'content': None}]".into(),
            "array([{'role': 'user', 'content': 'it\\'s \"1\"\\n'}, {'role': 'assistant', 'content': nan}], dtype=object)"
                .replacen("array(", "[array(", 1)
                + "]",
        ] {
            let value = cell(&text).unwrap();
            let value = if text.contains("array") { value[0].clone() } else { value };
            assert_eq!(value, messages, "{text}");
        }
        assert_eq!(cell("['a' 'b'\n 'c']"), Some(json!(["a", "b", "c"])));
        assert_eq!(cell("[1. 2.5 -3]"), Some(json!([1.0, 2.5, -3])));
        assert_eq!(cell("(1, 2)"), None);
        assert_eq!(cell("[sic] he said"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"'\\\\ud8c0-9eNaInfty/*é😀.+-]*") {
            let _ = parse(text.as_bytes());
            let _ = cell(&text);
        }

        #[test]
        fn what_json_can_hold_is_read_alike(text in ".*", number in proptest::num::f64::NORMAL) {
            let value = json!({"t": text, "n": number, "m": [text, {"k": number}], "u": u64::MAX});
            let (read, lone) = loose(&value.to_string(), false).unwrap();
            proptest::prop_assert_eq!(&read, &value);
            proptest::prop_assert!(lone.is_none());
            proptest::prop_assert_eq!(loose(&value.to_string(), true).unwrap().0, value);
        }
    }
}
