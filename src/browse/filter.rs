//! Filters of rows: `margin < 0.5 and not label = tie`, read, written, and answered for a row.

use std::fmt;

use super::{Column, Value};

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `~`: has the words.
    Has,
    /// `!~`
    HasNot,
}

const SIGNS: [(&str, Compare); 8] = [
    // The longer ones first.
    ("!=", Compare::IsNot),
    ("<=", Compare::AtMost),
    (">=", Compare::AtLeast),
    ("!~", Compare::HasNot),
    ("=", Compare::Is),
    ("<", Compare::Less),
    (">", Compare::More),
    ("~", Compare::Has),
];

impl Compare {
    fn sign(self) -> &'static str {
        SIGNS.iter().find(|(_, compare)| *compare == self).map_or("=", |(sign, _)| sign)
    }
}

/// What a column is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
    /// `none`: nothing stands there.
    None,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// One comparison.
    Is(Column, Compare, Operand),
    /// Both.
    And(Box<Self>, Box<Self>),
    /// Either.
    Or(Box<Self>, Box<Self>),
    /// The contrary.
    Not(Box<Self>),
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where, in characters from 0.
    pub at: usize,
    /// What stands there.
    pub found: String,
    /// What is expected there.
    pub expected: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: found {}, expected {}", self.at + 1, self.found, self.expected)
    }
}

/// Deepest nesting of parentheses and `not`.
const DEEPEST: usize = 64;

impl Filter {
    /// Reads a filter: comparisons joined by `and`, `or`, `not` and parentheses, `and` binding closer than `or`.
    ///
    /// # Errors
    /// Where it goes wrong, and what is expected there.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader { words: words(text)?, next: 0, end: text.chars().count(), depth: 0 };
        let filter = reader.or()?;
        match reader.peek() {
            None => Ok(filter),
            Some(_) => Err(reader.wrong("`and`, `or`, or the end")),
        }
    }

    /// Columns it names.
    pub fn columns(&self) -> Vec<&Column> {
        match self {
            Self::Is(column, ..) => vec![column],
            Self::And(a, b) | Self::Or(a, b) => {
                let mut all = a.columns();
                all.extend(b.columns());
                all
            }
            Self::Not(inner) => inner.columns(),
        }
    }

    /// Whether it holds, when `value` tells a column's value.
    pub fn holds(&self, value: &mut dyn FnMut(&Column) -> Value) -> bool {
        match self {
            Self::Is(column, compare, operand) => holds(&value(column), *compare, operand),
            Self::And(a, b) => a.holds(value) && b.holds(value),
            Self::Or(a, b) => a.holds(value) || b.holds(value),
            Self::Not(inner) => !inner.holds(value),
        }
    }
}

/// A missing value is neither less, more, nor equal to anything; `!=` and `!~` are the contraries of `=` and `~`.
fn holds(value: &Value, compare: Compare, operand: &Operand) -> bool {
    match compare {
        Compare::IsNot => return !holds(value, Compare::Is, operand),
        Compare::HasNot => return !holds(value, Compare::Has, operand),
        _ => {}
    }
    let order = match (value, operand) {
        (Value::Missing, Operand::None) => return matches!(compare, Compare::Is | Compare::Has),
        (Value::Missing, _) | (_, Operand::None) => return false,
        (value, operand) if compare == Compare::Has => {
            let word = match operand {
                Operand::Number(n) => n.to_string(),
                Operand::Text(word) => word.clone(),
                Operand::None => return false,
            };
            return has(&value.text(), &word);
        }
        (value, Operand::Number(n)) => match value.number() {
            Some(v) => v.partial_cmp(n),
            None => return false,
        },
        (value, Operand::Text(word)) if compare == Compare::Is => {
            return value.text().to_lowercase() == word.to_lowercase();
        }
        (value, Operand::Text(word)) => Some(value.text().as_str().cmp(word.as_str())),
    };
    order.is_some_and(|order| match compare {
        Compare::Is => order.is_eq(),
        Compare::Less => order.is_lt(),
        Compare::AtMost => order.is_le(),
        Compare::More => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Whether words stand in a text; case counts only where the words have a capital.
pub fn has(text: &str, words: &str) -> bool {
    if words.chars().any(char::is_uppercase) {
        text.contains(words)
    } else {
        text.to_lowercase().contains(&words.to_lowercase())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Open,
    Close,
    Sign(Compare),
    Plain(String),
    Quoted(String),
}

impl Word {
    fn shown(&self) -> String {
        match self {
            Self::Open => "`(`".into(),
            Self::Close => "`)`".into(),
            Self::Sign(compare) => format!("`{}`", compare.sign()),
            Self::Plain(word) => format!("`{word}`"),
            Self::Quoted(word) => format!("\"{word}\""),
        }
    }
}

/// What ends a plain word.
fn ends(c: char) -> bool {
    c.is_whitespace() || "()=<>~!\"".contains(c)
}

fn words(text: &str) -> Result<Vec<(usize, Word)>, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let rest: String = chars.iter().skip(at).take(2).collect();
        at += 1;
        let word = match c {
            c if c.is_whitespace() => continue,
            '(' => Word::Open,
            ')' => Word::Close,
            '"' => {
                let mut word = String::new();
                loop {
                    match (chars.get(at), chars.get(at + 1)) {
                        (Some('\\'), Some(&next)) => {
                            word.push(next);
                            at += 2;
                        }
                        (Some('"'), _) => break,
                        (Some(&c), _) => {
                            word.push(c);
                            at += 1;
                        }
                        (None, _) => {
                            let expected = "`\"` at the end of the text".into();
                            return Err(Wrong { at, found: "the end".into(), expected });
                        }
                    }
                }
                at += 1;
                Word::Quoted(word)
            }
            _ => match SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                Some((sign, compare)) => {
                    at = start + sign.len();
                    Word::Sign(*compare)
                }
                None if c == '!' => {
                    return Err(Wrong { at: start, found: "`!`".into(), expected: "`!=` or `!~`".into() });
                }
                None => {
                    let word: String = chars.iter().skip(start).take_while(|c| !ends(**c)).collect();
                    at = start + word.chars().count();
                    Word::Plain(word)
                }
            },
        };
        out.push((start, word));
    }
    Ok(out)
}

struct Reader {
    words: Vec<(usize, Word)>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.next).map(|(_, word)| word)
    }

    fn wrong(&self, expected: &str) -> Wrong {
        let (at, found) = match self.words.get(self.next) {
            Some((at, word)) => (*at, word.shown()),
            None => (self.end, "the end".into()),
        };
        Wrong { at, found, expected: expected.into() }
    }

    /// Takes a keyword.
    fn takes(&mut self, keyword: &str) -> bool {
        let there = matches!(self.peek(), Some(Word::Plain(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(there);
        there
    }

    fn or(&mut self) -> Result<Filter, Wrong> {
        let mut filter = self.and()?;
        while self.takes("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.and()?));
        }
        Ok(filter)
    }

    fn and(&mut self) -> Result<Filter, Wrong> {
        let mut filter = self.not()?;
        while self.takes("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.not()?));
        }
        Ok(filter)
    }

    fn not(&mut self) -> Result<Filter, Wrong> {
        if self.depth >= DEEPEST {
            return Err(self.wrong("less nesting"));
        }
        self.depth += 1;
        let filter = if self.takes("not") {
            Filter::Not(Box::new(self.not()?))
        } else if self.peek() == Some(&Word::Open) {
            self.next += 1;
            let inner = self.or()?;
            if self.peek() != Some(&Word::Close) {
                return Err(self.wrong("`)`, `and` or `or`"));
            }
            self.next += 1;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Filter, Wrong> {
        let column = match self.peek() {
            Some(Word::Plain(word)) if !is_keyword(word) => Column::named(word),
            Some(Word::Quoted(word)) => Column::File(word.clone()),
            _ => {
                return Err(self.wrong("a column (margin, reward, length, label, prompt, ...), `not` or `(`"));
            }
        };
        self.next += 1;
        let Some(Word::Sign(compare)) = self.peek().cloned() else {
            return Err(self.wrong("one of = != < <= > >= ~ !~"));
        };
        self.next += 1;
        let operand = match self.peek() {
            Some(Word::Quoted(word)) => Operand::Text(word.clone()),
            Some(Word::Plain(word)) if word == "none" => Operand::None,
            Some(Word::Plain(word)) if !is_keyword(word) => match number(word) {
                Some(n) => Operand::Number(n),
                None => Operand::Text(word.clone()),
            },
            _ => return Err(self.wrong("a number, a word, \"words\" or none")),
        };
        self.next += 1;
        Ok(Filter::Is(column, compare, operand))
    }
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|n: &f64| n.is_finite())
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|k| word.eq_ignore_ascii_case(k))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(column, compare, operand) => {
                match column {
                    Column::File(name) if !is_plain(name) || Column::named(name) != *column => {
                        quoted(name, f)?
                    }
                    column => f.write_str(column.name())?,
                }
                write!(f, " {} ", compare.sign())?;
                match operand {
                    Operand::Number(n) => write!(f, "{n}"),
                    Operand::None => f.write_str("none"),
                    Operand::Text(word) if is_plain(word) && number(word).is_none() && word != "none" => {
                        f.write_str(word)
                    }
                    Operand::Text(word) => quoted(word, f),
                }
            }
            // Grouped as they were read: to the left.
            Self::And(a, b) => {
                inside(a, matches!(**a, Self::Or(..)), f)?;
                f.write_str(" and ")?;
                inside(b, matches!(**b, Self::Or(..) | Self::And(..)), f)
            }
            Self::Or(a, b) => {
                inside(a, false, f)?;
                f.write_str(" or ")?;
                inside(b, matches!(**b, Self::Or(..)), f)
            }
            Self::Not(inner) => {
                f.write_str("not ")?;
                inside(inner, matches!(**inner, Self::Or(..) | Self::And(..)), f)
            }
        }
    }
}

fn inside(filter: &Filter, grouped: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if grouped { write!(f, "({filter})") } else { write!(f, "{filter}") }
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && !is_keyword(word) && !word.chars().any(ends)
}

fn quoted(word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
