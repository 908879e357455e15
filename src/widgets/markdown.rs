//! Markdown, lightly: headings, emphasis, lists, code, tables -> runs. What is not understood stays as written.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};

use super::flow::Run;
use super::{Meaning, Theme};

/// Longest text that is read as markdown, bytes; longer ones are shown as they are.
const LONGEST: usize = 200_000;

/// The runs of a text. Special tokens typed in it are marked.
pub fn runs<'a>(text: &'a str, specials: &[String], theme: &Theme) -> Vec<Run<'a>> {
    let base = theme.style(Meaning::Text);
    let mut out = Vec::new();
    if text.len() > LONGEST {
        mark(text, base, specials, theme, &mut out);
        return out;
    }
    let mut style = vec![base];
    let mut lists: Vec<Option<u64>> = Vec::new();
    let mut code = false;
    let mut between = false;
    let add = |out: &mut Vec<Run<'a>>, text: String, style: Style| out.push(Run::new(text, style, 0));
    for event in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH) {
        let top = style.last().copied().unwrap_or(base);
        match event {
            Event::Start(tag) => {
                let block = !matches!(
                    tag,
                    Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }
                );
                if block && between {
                    let tight = matches!(tag, Tag::Item) || !lists.is_empty();
                    add(&mut out, if tight { "\n" } else { "\n\n" }.into(), base);
                    between = false;
                }
                match tag {
                    Tag::Heading { .. } => style.push(top.patch(theme.style(Meaning::Heading))),
                    Tag::Emphasis => style.push(top.add_modifier(Modifier::ITALIC)),
                    Tag::Strong => style.push(top.add_modifier(Modifier::BOLD)),
                    Tag::CodeBlock(kind) => {
                        code = true;
                        let language = match &kind {
                            CodeBlockKind::Fenced(language) => language.to_string(),
                            CodeBlockKind::Indented => String::new(),
                        };
                        add(&mut out, format!("┌ {language}\n"), theme.style(Meaning::Dim));
                        style.push(theme.style(Meaning::Code));
                    }
                    Tag::List(start) => lists.push(start),
                    Tag::Item => {
                        let indent = "  ".repeat(lists.len().saturating_sub(1));
                        let bullet = match lists.last_mut() {
                            Some(Some(n)) => {
                                *n += 1;
                                format!("{indent}{}. ", *n - 1)
                            }
                            _ => format!("{indent}• "),
                        };
                        add(&mut out, bullet, theme.style(Meaning::Accent));
                    }
                    Tag::BlockQuote(_) => add(&mut out, "▏ ".into(), theme.style(Meaning::Dim)),
                    _ => {}
                }
            }
            Event::End(tag) => match tag {
                TagEnd::Heading(_) | TagEnd::CodeBlock => {
                    style.pop();
                    between = true;
                    code = false;
                }
                TagEnd::Emphasis | TagEnd::Strong => drop(style.pop()),
                TagEnd::List(_) => {
                    lists.pop();
                    between = true;
                }
                TagEnd::Paragraph | TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::HtmlBlock => {
                    between = true
                }
                _ => {}
            },
            Event::Text(t) if code => {
                for line in t.split_inclusive('\n') {
                    add(&mut out, "│ ".into(), theme.style(Meaning::Dim));
                    mark(line.to_owned(), top, specials, theme, &mut out);
                }
            }
            Event::Text(t) | Event::Html(t) | Event::InlineHtml(t) => {
                mark(t.into_string(), top, specials, theme, &mut out)
            }
            Event::Code(t) => {
                mark(t.into_string(), top.patch(theme.style(Meaning::Code)), specials, theme, &mut out)
            }
            Event::SoftBreak | Event::HardBreak => add(&mut out, "\n".into(), base),
            Event::Rule => {
                add(&mut out, if between { "\n───\n" } else { "───\n" }.into(), theme.style(Meaning::Dim));
                between = false;
            }
            _ => {}
        }
    }
    out
}

/// Adds a text, special tokens in it marked.
pub fn mark<'a>(
    text: impl Into<std::borrow::Cow<'a, str>>,
    style: Style,
    specials: &[String],
    theme: &Theme,
    out: &mut Vec<Run<'a>>,
) {
    let text = text.into();
    let hit = |rest: &str| {
        let known = specials
            .iter()
            .filter(|s| !s.is_empty())
            .filter_map(|s| rest.find(s.as_str()).map(|at| (at, s.len())));
        known.min_by_key(|(at, length)| (*at, usize::MAX - *length))
    };
    if hit(&text).is_none() {
        out.push(Run::new(text, style, 0));
        return;
    }
    let mut rest = text.as_ref();
    while let Some((at, length)) = hit(rest) {
        let (before, after) = rest.split_at(at);
        let (token, after) = after.split_at(length);
        out.push(Run::new(before.to_owned(), style, 0));
        out.push(Run::new(token.to_owned(), style.patch(theme.style(Meaning::Special)), 0));
        rest = after;
    }
    out.push(Run::new(rest.to_owned(), style, 0));
}
