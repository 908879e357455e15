//! Where a record ends: lines, CSV records, values of JSON documents.

use memchr::{memchr, memchr2, memchr3};

use super::feed::Split;

/// Lines: LF, CRLF or a lone CR. (JSON has no raw line break within a value's text.)
#[derive(Default)]
pub struct Lines;

impl Split for Lines {
    fn begin(&mut self) {}

    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        memchr2(b'\n', b'\r', bytes).map(|at| at + 1)
    }
}

/// CSV records: lines, but for line breaks between quotes.
pub struct CsvRecords {
    /// Between fields.
    pub delimiter: u8,
    state: Csv,
}

#[derive(Clone, Copy, PartialEq)]
enum Csv {
    Start,
    Plain,
    Quoted,
    /// A quote within quotes: the end of the field, or the first half of a quote.
    Quote,
}

impl CsvRecords {
    /// Records of fields between `delimiter`s.
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, state: Csv::Start }
    }
}

impl Split for CsvRecords {
    fn begin(&mut self) {
        self.state = Csv::Start;
    }

    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..)?;
            match self.state {
                Csv::Quoted => {
                    at += memchr(b'"', rest)? + 1;
                    self.state = Csv::Quote;
                    continue;
                }
                Csv::Plain => match memchr3(self.delimiter, b'\n', b'\r', rest) {
                    Some(n) if rest.get(n) == Some(&self.delimiter) => {
                        at += n;
                        self.state = Csv::Start;
                    }
                    Some(n) => return Some(at + n + 1),
                    None => return None,
                },
                Csv::Start | Csv::Quote => match byte {
                    b'"' => self.state = Csv::Quoted,
                    b'\n' | b'\r' => return Some(at + 1),
                    b if b == self.delimiter => self.state = Csv::Start,
                    _ => self.state = Csv::Plain,
                },
            }
            at += 1;
        }
        None
    }

    fn may_end(&self) -> bool {
        self.state != Csv::Quoted
    }

    fn resume_at_line(&self) -> bool {
        true
    }
}

/// Values of a JSON document: the elements of its lists, or objects one after the other; what stands between them
/// (white space, commas, brackets, comments) is a record too, which holds no value.
#[derive(Default)]
pub struct Values {
    depth: u32,
    /// The record has begun a value.
    value: bool,
    text: Text,
    last: u8,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Text {
    #[default]
    None,
    String,
    Escape,
    LineComment,
    BlockComment,
}

impl Split for Values {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.text {
                Text::String => {
                    at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
                    self.text = if bytes.get(at) == Some(&b'\\') { Text::Escape } else { Text::None };
                    if self.text == Text::None && self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                Text::Escape => self.text = Text::String,
                Text::LineComment => {
                    if matches!(byte, b'\n' | b'\r') {
                        self.text = Text::None;
                        if self.depth == 0 && !self.value {
                            return Some(at + 1);
                        }
                    }
                }
                Text::BlockComment => {
                    if self.last == b'*' && byte == b'/' {
                        (self.text, self.last) = (Text::None, 0);
                        at += 1;
                        if self.depth == 0 && !self.value {
                            return Some(at);
                        }
                        continue;
                    }
                }
                Text::None => {
                    if let Some(end) = self.outside(byte, at) {
                        return Some(end);
                    }
                }
            }
            self.last = byte;
            at += 1;
        }
        None
    }

    fn may_end(&self) -> bool {
        self.depth == 0 && matches!(self.text, Text::None | Text::LineComment)
    }
}

impl Values {
    /// A byte outside of texts and comments: the record's length if it ends here.
    fn outside(&mut self, byte: u8, at: usize) -> Option<usize> {
        match byte {
            b'/' if self.last == b'/' => self.text = Text::LineComment,
            b'*' if self.last == b'/' => self.text = Text::BlockComment,
            b'"' => {
                (self.text, self.value) = (Text::String, true);
            }
            b'{' => {
                self.depth += 1;
                self.value = true;
            }
            // The brackets of the outermost list are no part of its elements.
            b'[' if !self.value => return Some(at + 1),
            b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(at + 1);
                }
            }
            b'}' | b']' | b',' | b'\n' | b'\r' if self.depth == 0 => {
                // A comma or bracket after a bare value is left to what comes after it.
                return Some(at + 1);
            }
            b' ' | b'\t' | b'/' => {}
            _ if self.depth == 0 => self.value = true,
            _ => {}
        }
        None
    }
}

impl Values {
    /// Whether the record holds a value.
    pub fn holds_value(&self) -> bool {
        self.value
    }
}
