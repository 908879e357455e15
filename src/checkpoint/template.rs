//! Chat templates: Jinja as Hugging Face runs it (`trim_blocks`, `lstrip_blocks`, Python's methods, its own functions).

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::clock::strftime_now;
use super::spec::Message;
use crate::{Error, Result};

/// Steps a template may take: far more than any real one needs, so that a hostile one ends.
const FUEL: u64 = 20_000_000;
const NAME: &str = "chat_template";

/// A compiled chat template with the special tokens it may use.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// The file and field it came from.
    pub place: String,
    globals: Vec<(String, String)>,
}

impl Template {
    /// Compiles a template. `globals` are `bos_token`, `eos_token`, ...
    pub fn new(place: String, source: &str, globals: Vec<(String, String)>) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(format);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<(), minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_filter("trim", |text: String, chars: Option<String>| match chars {
            None => strip(&text).to_owned(),
            Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        });
        environment.add_template_owned(NAME, plain_blocks(source)).map_err(|e| explain(&place, &e))?;
        Ok(Self { environment, place, globals })
    }

    /// The text of a chat, without a prompt for the next turn.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what the template raised (Gemma's raises on a system turn, for one).
    pub fn render(&self, messages: &[Message]) -> Result<String> {
        let chat: Vec<Value> = messages
            .iter()
            .map(|m| {
                let turn =
                    [("role", Value::from(m.role.as_str())), ("content", Value::from(m.content.as_str()))];
                Value::from_iter(turn)
            })
            .collect();
        let mut context: Vec<(&str, Value)> = vec![
            ("messages", Value::from(chat)),
            ("add_generation_prompt", Value::from(false)),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        context.extend(self.globals.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))));
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from_iter(context)))
            .map_err(|e| explain(&self.place, &e))
    }
}

fn explain(place: &str, error: &minijinja::Error) -> Error {
    let place = error.line().map_or_else(|| place.to_owned(), |line| format!("{place}, line {line}"));
    Error::invalid(
        place,
        error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{d} ({})", error.kind())),
        "a chat template that accepts this chat",
        "Correct the chat (roles, order of turns), or the template.",
    )
}

/// Hugging Face's `{% generation %}` marks which text a model wrote; it changes no output.
fn plain_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        let inner = after.trim_start_matches(['-', '+']);
        out.push_str(after.strip_suffix(inner).unwrap_or_default());
        let word = inner.trim_start();
        let tag = |name: &str| {
            word.strip_prefix(name).filter(|end| end.trim_start_matches([' ', '-', '+']).starts_with("%}"))
        };
        if let Some(end) = tag("generation") {
            out.push_str(" if true");
            rest = end;
        } else if let Some(end) = tag("endgeneration") {
            out.push_str(" endif");
            rest = end;
        } else {
            rest = inner;
        }
    }
    out.push_str(rest);
    out
}

/// Python prints `None`, `True` and `False`.
fn format(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let text = match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        _ => value.to_string(),
    };
    out.write_str(&text).map_err(minijinja::Error::from)
}

/// `json.dumps(value, ensure_ascii=False, ...)`: Python's separators, no HTML escapes.
fn tojson(value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    let _: Option<Value> = options.get("separators")?;
    let sort: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let fail = |e: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut value = serde_json::to_value(value).map_err(fail)?;
    if sort == Some(true) {
        value.sort_all_objects();
    }
    let mut out = Vec::new();
    if let Some(width) = indent {
        let indent = " ".repeat(width.min(64));
        value
            .serialize(&mut Serializer::with_formatter(
                &mut out,
                PrettyFormatter::with_indent(indent.as_bytes()),
            ))
            .map_err(fail)?;
    } else {
        value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)).map_err(fail)?;
    }
    String::from_utf8(out).map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// `", "` and `": "`, as `json.dumps` writes them.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// Python's `str.strip()`: Unicode white space and the separators U+001C to U+001F.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Python's `str.isspace()` of one character.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
