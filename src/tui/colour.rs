//! How many colours the terminal has, and whether its background is light.

use std::io::{Read, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::terminfo;
pub use crate::widgets::Depth;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// As the terminal says.
    #[default]
    Auto,
    /// This many, whatever it says.
    Depth(Depth),
}

impl FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "never" | "none" => Self::Depth(Depth::None),
            "16" => Self::Depth(Depth::Sixteen),
            "256" => Self::Depth(Depth::TwoFiveSix),
            "true" | "always" => Self::Depth(Depth::True),
            _ => return Err("expected auto, never, 16, 256 or true".into()),
        })
    }
}

/// A variable of the environment, if set and not empty.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The depth of colour: the user's wish, NO_COLOR, COLORTERM, then what is known of TERM and what its description says.
pub fn depth(choice: ColorChoice, env: &dyn Fn(&str) -> Option<String>) -> Depth {
    if let ColorChoice::Depth(depth) = choice {
        return depth;
    }
    let term = env("TERM").unwrap_or_default();
    if env("NO_COLOR").is_some() || term == "dumb" {
        return Depth::None;
    }
    let true_by_name = ["kitty", "alacritty", "wezterm", "foot", "ghostty", "direct", "contour"];
    let true_by_program = ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"];
    let described = terminfo::look(env).unwrap_or_default();
    let says = |name: &str, values: &[&str]| env(name).is_some_and(|v| values.iter().any(|x| v == *x));
    if says("COLORTERM", &["truecolor", "24bit"])
        || env("WT_SESSION").is_some()
        || true_by_name.iter().any(|name| term.contains(name))
        || says("TERM_PROGRAM", &true_by_program)
        || described.rgb
    {
        Depth::True
    } else if term.contains("256") || described.count >= 256 || says("TERM_PROGRAM", &["Apple_Terminal"]) {
        Depth::TwoFiveSix
    } else {
        Depth::Sixteen
    }
}

/// Longest wait for the terminal's answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// True if the background is light: COLORFGBG, else the terminal's own word (OSC 11), asked in raw mode before input is
/// read. Not asked in tmux, screen or over SSH, where an answer may come late and be taken for keys.
pub fn is_light() -> bool {
    if let Some(value) = env("COLORFGBG") {
        let background = value.rsplit(';').next().and_then(|v| v.parse::<u8>().ok());
        return background.is_some_and(|b| b == 7 || b == 15);
    }
    let term = env("TERM").unwrap_or_default();
    let unsure = ["TMUX", "STY", "SSH_CONNECTION"].iter().any(|name| env(name).is_some());
    if unsure || term == "dumb" || term == "linux" || term.starts_with("screen") || term.starts_with("tmux") {
        return false;
    }
    ask().as_deref().and_then(luminance).is_some_and(|l| l > 0.5)
}

/// Asks for the background; a request that every terminal answers follows, so that none is waited for in vain.
#[cfg(unix)]
fn ask() -> Option<String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut tty = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/tty")
        .ok()?;
    tty.write_all(b"\x1b]11;?\x07\x1b[c").ok()?;
    let start = Instant::now();
    let mut answer = Vec::new();
    while start.elapsed() < PATIENCE {
        let mut chunk = [0u8; 64];
        match tty.read(&mut chunk) {
            Ok(n) => answer.extend(chunk.iter().take(n)),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
        if answer.ends_with(b"c") {
            break;
        }
    }
    String::from_utf8(answer).ok()
}

#[cfg(not(unix))]
fn ask() -> Option<String> {
    None
}

/// Luminance of `rgb:RRRR/GGGG/BBBB`, 0 to 1.
fn luminance(answer: &str) -> Option<f32> {
    let colours = answer.split_once("rgb:")?.1;
    let mut parts = colours.split(['/', '\x07', '\x1b']).map(|hex| {
        let digits: String = hex.chars().take(4).collect();
        let most = 16f32.powi(i32::try_from(digits.len()).ok()?) - 1.0;
        Some(u32::from_str_radix(&digits, 16).ok()? as f32 / most)
    });
    Some(0.2126 * parts.next()?? + 0.7152 * parts.next()?? + 0.0722 * parts.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Depth {
        depth(ColorChoice::Auto, &|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn depth_is_found_in_the_environment() {
        assert_eq!(with(&[("TERM", "xterm-256color")]), Depth::TwoFiveSix);
        assert_eq!(with(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(with(&[("TERM", "xterm-kitty")]), Depth::True);
        assert_eq!(with(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(with(&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]), Depth::None);
        let wish = ColorChoice::Depth(Depth::True);
        assert_eq!(depth(wish, &|name| (name == "NO_COLOR").then(|| "1".to_owned())), Depth::True);
    }

    #[test]
    fn a_light_background_is_told_from_a_dark_one() {
        assert!(luminance("\x1b]11;rgb:ffff/ffff/eeee\x07\x1b[?62c").unwrap() > 0.5);
        assert!(luminance("\x1b]11;rgb:1e/1e/1e\x1b\\").unwrap() < 0.5);
        assert_eq!(luminance("\x1b[?62c"), None);
    }
}
