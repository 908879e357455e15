//! Text from models and files, made safe to send: what would act on the terminal or stay unseen is shown as a symbol.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Combining marks kept on one character.
const MARKS: usize = 6;

/// What a piece of text is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Itself.
    Plain,
    /// A space or tab.
    Space,
    /// A line's end.
    Newline,
    /// A symbol in place of something that is not sent.
    Symbol,
}

/// One unit of layout: what is drawn, how many cells wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// What is drawn; never a control character.
    pub text: String,
    /// Cells.
    pub width: usize,
    /// What it is.
    pub kind: Kind,
}

impl Glyph {
    fn symbol(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { width: text.width(), text, kind: Kind::Symbol }
    }
}

/// The glyphs of a text, in order. Joining their texts never yields a control, bidi or lone invisible character.
pub fn glyphs(text: &str) -> impl Iterator<Item = Glyph> {
    text.graphemes(true).flat_map(cluster)
}

/// The glyphs of a text, each with the number of characters before the cluster it comes from.
pub fn glyphs_at(text: &str) -> impl Iterator<Item = (usize, Glyph)> {
    let mut at = 0;
    text.graphemes(true).flat_map(move |one| {
        let here = at;
        at += one.chars().count();
        cluster(one).into_iter().map(move |glyph| (here, glyph))
    })
}

/// The text as one line of safe characters, for places that lay nothing out (list rows, titles).
pub fn one_line(text: &str) -> String {
    glyphs(text).map(|g| if g.kind == Kind::Newline { " ".to_owned() } else { g.text }).collect()
}

fn cluster(cluster: &str) -> Vec<Glyph> {
    match cluster {
        "\n" | "\r\n" => return vec![Glyph { text: String::new(), width: 0, kind: Kind::Newline }],
        "\t" => return vec![Glyph { text: "    ".into(), width: 4, kind: Kind::Space }],
        " " => return vec![Glyph { text: " ".into(), width: 1, kind: Kind::Space }],
        _ => {}
    }
    let pictograph = cluster.chars().any(is_pictograph);
    let mut out = Vec::new();
    let mut kept = String::new();
    let mut marks = 0;
    for c in cluster.chars() {
        let joins = pictograph && !kept.is_empty() && matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
        if let Some(name) = unseen(c).filter(|_| !joins) {
            push(&mut out, &mut kept);
            out.push(Glyph::symbol(name));
        } else if kept.is_empty() || joins || !is_mark(c) {
            if kept.is_empty() && is_mark(c) {
                kept.push('◌');
            }
            kept.push(c);
        } else {
            marks += 1;
            if marks <= MARKS {
                kept.push(c);
            }
        }
    }
    push(&mut out, &mut kept);
    out
}

fn push(out: &mut Vec<Glyph>, kept: &mut String) {
    if kept.is_empty() {
        return;
    }
    let text = std::mem::take(kept);
    match text.width() {
        // Something without a width that is not known here: named, not sent.
        0 => out.extend(text.chars().map(|c| Glyph::symbol(format!("‹U+{:04X}›", c as u32)))),
        width => out.push(Glyph { text, width, kind: Kind::Plain }),
    }
}

fn is_mark(c: char) -> bool {
    unicode_width::UnicodeWidthChar::width(c) == Some(0)
}

fn is_pictograph(c: char) -> bool {
    matches!(c as u32, 0x1F000..=0x1FAFF | 0x2190..=0x21FF | 0x2300..=0x27BF | 0x2B00..=0x2BFF | 0x3030 | 0x303D)
        || matches!(c, '#' | '*' | '0'..='9' | '©' | '®' | '‼' | '⁉' | '™' | 'ℹ')
}

/// The symbol of a character that must not be sent as it is.
fn unseen(c: char) -> Option<String> {
    Some(match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).map_or_else(|| "?".to_owned(), String::from),
        '\u{7f}' => "␡".into(),
        '\u{80}'..='\u{9f}' => format!("‹{:02X}›", c as u32),
        '\u{ad}' => "‹SHY›".into(),
        '\u{61c}' => "‹ALM›".into(),
        '\u{180e}' => "‹MVS›".into(),
        '\u{200b}' => "‹ZWSP›".into(),
        '\u{200c}' => "‹ZWNJ›".into(),
        '\u{200d}' => "‹ZWJ›".into(),
        '\u{200e}' => "‹LRM›".into(),
        '\u{200f}' => "‹RLM›".into(),
        '\u{2028}' => "‹LS›".into(),
        '\u{2029}' => "‹PS›".into(),
        '\u{202a}' => "‹LRE›".into(),
        '\u{202b}' => "‹RLE›".into(),
        '\u{202c}' => "‹PDF›".into(),
        '\u{202d}' => "‹LRO›".into(),
        '\u{202e}' => "‹RLO›".into(),
        '\u{2060}' => "‹WJ›".into(),
        '\u{2061}'..='\u{2064}' | '\u{206a}'..='\u{206f}' => format!("‹{:04X}›", c as u32),
        '\u{2066}' => "‹LRI›".into(),
        '\u{2067}' => "‹RLI›".into(),
        '\u{2068}' => "‹FSI›".into(),
        '\u{2069}' => "‹PDI›".into(),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => format!("‹{:04X}›", c as u32),
        '\u{feff}' => "‹BOM›".into(),
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => format!("‹{:04X}›", c as u32),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        let evil =
            "a\x1b[31mred\x1b]0;title\x07\u{9b}2J\u{202e}txt\u{2066}\u{200b}\u{feff}\u{7f}\0b\r\u{e0041}";
        let shown = one_line(evil);
        assert_eq!(shown, "a␛[31mred␛]0;title␇‹9B›2J‹RLO›txt‹LRI›‹ZWSP›‹BOM›␡␀b␍‹E0041›");
    }

    #[test]
    fn wide_joined_and_combining_characters_keep_together() {
        let all: Vec<(String, usize)> =
            glyphs("世é👩\u{200d}💻e\u{301}").map(|g| (g.text, g.width)).collect();
        let expected = [("世", 2), ("é", 1), ("👩\u{200d}💻", 2), ("e\u{301}", 1)];
        assert_eq!(all, expected.map(|(t, w)| (t.to_owned(), w)));
        // A joiner outside an emoji is shown; a mark without a base gets one; a tower of marks is cut.
        assert_eq!(one_line("ab\u{200d}c"), "ab‹ZWJ›c");
        assert_eq!(one_line("\u{301}a"), "◌\u{301}a");
        let tower = format!("a{}", "\u{301}".repeat(50));
        assert_eq!(one_line(&tower).chars().count(), 1 + MARKS);
    }

    proptest::proptest! {
        #[test]
        fn widths_are_those_of_what_is_drawn(text in "\\PC*|[\\x00-\\u{10ffff}]*") {
            for glyph in glyphs(&text) {
                proptest::prop_assert_eq!(glyph.width, glyph.text.width());
                proptest::prop_assert!(!glyph.text.contains(char::is_control));
            }
        }
    }
}
