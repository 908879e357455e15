//! Themes: meaning -> style, from TOML, for the terminal's depth of colour. Colour is never the only carrier of a meaning.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use crate::{Error, Result};

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None, or none wanted.
    None,
    /// The terminal's own sixteen.
    Sixteen,
    /// The 256-colour palette.
    TwoFiveSix,
    /// 24 bits.
    True,
}

macro_rules! meanings {
    ($($(#[$doc:meta])* $name:ident = $key:literal),* $(,)?) => {
        /// What a style says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Meaning { $($(#[$doc])* $name),* }
        const MEANINGS: &[(&str, Meaning)] = &[$(($key, Meaning::$name)),*];
    };
}

meanings! {
    /// Text.
    Text = "text",
    /// What matters less.
    Dim = "dim",
    /// Titles of panes.
    Title = "title",
    /// Borders.
    Border = "border",
    /// The border and title of the pane with the focus.
    Focus = "focus",
    /// The program's name, keys.
    Accent = "accent",
    /// The selected row.
    Selected = "selected",
    /// What `/` looked for.
    Found = "found",
    /// The cursor over tokens and in text fields.
    Cursor = "cursor",
    /// A reward above zero.
    Positive = "positive",
    /// A reward below zero.
    Negative = "negative",
    /// The zero line and the meter's track.
    Track = "track",
    /// Something failed.
    Error = "error",
    /// Something to be noticed.
    Warning = "warning",
    /// A value of text that has changed since.
    Stale = "stale",
    /// A control, bidi or invisible character shown as a symbol.
    Control = "control",
    /// A special token typed as text.
    Special = "special",
    /// Headings.
    Heading = "heading",
    /// Code.
    Code = "code",
    /// The bottom line.
    Hint = "hint",
}

/// A theme at a depth of colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// Its name.
    pub name: String,
    /// The depth it was made for.
    pub depth: Depth,
    styles: Vec<Style>,
    /// Backgrounds from the most negative over zero (none) to the most positive reward.
    heat: Vec<Option<Color>>,
}

const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("16-colour", include_str!("../../themes/16-colour.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Backgrounds for rewards: negative ones, strongest first.
    heat_negative: Vec<String>,
    /// Positive ones, strongest last.
    heat_positive: Vec<String>,
    style: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    add: Vec<String>,
}

impl Theme {
    /// Names of the themes compiled in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A built-in theme; at sixteen colours the one made for them, whichever was named.
    ///
    /// # Errors
    /// An unknown name, with those that exist.
    pub fn built_in(name: &str, depth: Depth) -> Result<Self> {
        let name = if depth == Depth::Sixteen { "16-colour" } else { name };
        match BUILT_IN.iter().find(|(n, _)| *n == name) {
            Some((name, text)) => Self::parse(name, text, depth),
            None => Err(Error::Usage(format!(
                "theme `{name}` does not exist; there are {}",
                Self::names().collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// A theme from TOML.
    ///
    /// # Errors
    /// What is not a theme: the field and what is expected there.
    pub fn parse(name: &str, text: &str, depth: Depth) -> Result<Self> {
        let wrong = |found: String| {
            Error::invalid(
                format!("theme {name}"),
                found,
                "meaning -> fg, bg, add",
                "Compare with themes/dark.toml.",
            )
        };
        let file: File = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        let mut styles = vec![Style::new(); MEANINGS.len()];
        for (key, value) in file.style {
            let Some(at) = MEANINGS.iter().position(|(k, _)| *k == key) else {
                return Err(wrong(format!("unknown meaning `{key}`")));
            };
            let row: Row = value.try_into().map_err(|e| wrong(format!("{key}: {e}")))?;
            let mut style = Style::new();
            style.fg = row.fg.map(|c| colour(&c, depth)).transpose().map_err(wrong)?.flatten();
            style.bg = row.bg.map(|c| colour(&c, depth)).transpose().map_err(wrong)?.flatten();
            for word in &row.add {
                style = style.add_modifier(modifier(word).map_err(wrong)?);
            }
            if let Some(slot) = styles.get_mut(at) {
                *slot = style;
            }
        }
        let list = |colours: Vec<String>| {
            colours
                .iter()
                .map(|c| colour(c, depth))
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(wrong)
        };
        let mut heat = list(file.heat_negative)?;
        heat.push(None);
        heat.extend(list(file.heat_positive)?);
        Ok(Self { name: name.to_owned(), depth, styles, heat })
    }

    /// The style of a meaning.
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles.get(meaning as usize).copied().unwrap_or_default()
    }

    /// The style of a reward's sign.
    pub fn sign(&self, reward: f32) -> Style {
        self.style(if reward < 0.0 { Meaning::Negative } else { Meaning::Positive })
    }

    /// The heat of a value in [-1, 1]: a background, and for the stronger half of the scale a mark that needs no
    /// colour: negative is underlined, positive bold.
    pub fn heat(&self, value: f32) -> Style {
        let value = if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 };
        let half = (self.heat.len() / 2) as f32;
        let at = (half + (value * half).round()) as usize;
        let mut style = Style::new();
        style.bg = self.heat.get(at).copied().flatten();
        if self.depth == Depth::Sixteen {
            // The terminal's own text colour may not be readable on it.
            style.fg = style.bg.filter(|bg| *bg != Color::Reset).map(|bg| match bg {
                Color::Black | Color::Blue | Color::Red | Color::Magenta | Color::DarkGray => Color::White,
                _ => Color::Black,
            });
        }
        if value <= -0.5 {
            style = style.add_modifier(Modifier::UNDERLINED);
        } else if value >= 0.5 && self.depth <= Depth::Sixteen {
            style = style.add_modifier(Modifier::BOLD);
        }
        style
    }
}

fn modifier(word: &str) -> std::result::Result<Modifier, String> {
    Ok(match word {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underlined" => Modifier::UNDERLINED,
        "reversed" => Modifier::REVERSED,
        _ => return Err(format!("`{word}`: bold, dim, italic, underlined or reversed")),
    })
}

/// A colour as a theme writes it (`#rrggbb`, a number of the 256 or a name of the sixteen), at a depth.
fn colour(text: &str, depth: Depth) -> std::result::Result<Option<Color>, String> {
    let colour: Color =
        text.parse().map_err(|_unreadable| format!("`{text}` is not a colour: #rrggbb, 0-255 or a name"))?;
    Ok(match (depth, colour) {
        (Depth::None, _) => None,
        (Depth::True, _) | (_, Color::Reset) => Some(colour),
        (Depth::TwoFiveSix, Color::Rgb(r, g, b)) => Some(Color::Indexed(nearest_256(r, g, b))),
        (Depth::TwoFiveSix, _) => Some(colour),
        (Depth::Sixteen, Color::Rgb(..) | Color::Indexed(16..)) => None,
        (Depth::Sixteen, _) => Some(colour),
    })
}

/// The nearest of the 256-colour palette's cube and greys.
fn nearest_256(r: u8, g: u8, b: u8) -> u8 {
    let level = |v: u8| -> (u8, i32) {
        let steps = [0, 95, 135, 175, 215, 255];
        let best = (0u8..).zip(steps).min_by_key(|(_, s)| (i32::from(v) - s).abs());
        best.unwrap_or((0, 0))
    };
    let off = |x: u8, y: i32| (i32::from(x) - y).pow(2);
    let ((ri, rv), (gi, gv), (bi, bv)) = (level(r), level(g), level(b));
    let cube = off(r, rv) + off(g, gv) + off(b, bv);
    let mean = (i32::from(r) + i32::from(g) + i32::from(b)) / 3;
    let step = ((mean - 8 + 5) / 10).clamp(0, 23);
    let grey = 8 + step * 10;
    if off(r, grey) + off(g, grey) + off(b, grey) < cube {
        232 + step as u8
    } else {
        16 + 36 * ri + 6 * gi + bi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_themes_give_every_meaning_a_style_at_every_depth() {
        for name in Theme::names() {
            for depth in [Depth::None, Depth::Sixteen, Depth::TwoFiveSix, Depth::True] {
                let theme = Theme::built_in(name, depth).unwrap();
                for (key, meaning) in MEANINGS {
                    let plain =
                        matches!(meaning, Meaning::Text | Meaning::Track | Meaning::Hint | Meaning::Border);
                    let styled = theme.style(*meaning) != Style::new();
                    assert!(styled || plain || depth == Depth::None, "{name} at {depth:?}: {key}");
                }
            }
        }
    }

    #[test]
    fn without_colour_no_colour_is_left_and_signs_differ() {
        let theme = Theme::built_in("dark", Depth::None).unwrap();
        for (_, meaning) in MEANINGS {
            assert_eq!((theme.style(*meaning).fg, theme.style(*meaning).bg), (None, None));
        }
        assert_ne!(theme.heat(-1.0), theme.heat(1.0));
        assert_eq!(theme.heat(-1.0).bg, None);
    }

    #[test]
    fn true_colours_find_their_neighbours() {
        assert_eq!(nearest_256(0, 0, 0), 16);
        assert_eq!(nearest_256(255, 255, 255), 231);
        assert_eq!(nearest_256(255, 135, 0), 208);
        assert_eq!(nearest_256(48, 48, 48), 236);
    }
}
