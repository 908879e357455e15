//! The clipboard: tmux's buffer inside tmux, OSC 52 over SSH, OSC 52 and the desktop's own tool at home.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How a text gets to the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// `tmux load-buffer -w -`: tmux hands it on to the terminal.
    Tmux,
    /// The terminal is asked (OSC 52); it works through SSH.
    Osc52,
    /// The terminal is asked and a program is run.
    Tool(&'static [&'static str]),
}

const TOOLS: [(&str, &[&str]); 5] = [
    ("WAYLAND_DISPLAY", &["wl-copy"]),
    ("DISPLAY", &["xclip", "-selection", "clipboard"]),
    ("DISPLAY", &["xsel", "--clipboard", "--input"]),
    ("HOME", &["pbcopy"]),
    ("WSL_DISTRO_NAME", &["clip.exe"]),
];
/// Longest text given to a terminal: what most take, before it is written in base 64.
const LONGEST: usize = 74_994;
/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(3);

/// The way here: `env` gives variables, `there` says whether a program can be run.
pub fn way(env: &dyn Fn(&str) -> Option<String>, there: &dyn Fn(&str) -> bool) -> Way {
    if env("TMUX").is_some() && there("tmux") {
        return Way::Tmux;
    }
    if ["SSH_CONNECTION", "SSH_TTY"].iter().any(|name| env(name).is_some()) {
        return Way::Osc52;
    }
    let usable = |(display, tool): &&(&str, &[&str])| {
        env(display).is_some() && tool.first().is_some_and(|program| there(program))
    };
    TOOLS.iter().find(usable).map_or(Way::Osc52, |(_, tool)| Way::Tool(tool))
}

impl Way {
    /// In words.
    pub fn name(&self) -> String {
        match self {
            Self::Tmux => "tmux load-buffer -w".into(),
            Self::Osc52 => "the terminal (OSC 52)".into(),
            Self::Tool(tool) => {
                format!("{} and the terminal (OSC 52)", tool.first().copied().unwrap_or_default())
            }
        }
    }

    /// The way on this machine, in this terminal.
    pub fn here() -> Self {
        way(&super::colour::env, &on_path)
    }

    /// What the terminal is sent for it, if anything.
    pub fn bytes(&self, text: &str) -> Option<Vec<u8>> {
        (*self != Self::Tmux && text.len() <= LONGEST)
            .then(|| format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text)).into_bytes())
    }

    /// Runs what is to be run (up to a few seconds); what to tell: the way that was used, or why there was none.
    pub fn run(&self, what: &str, text: &str) -> String {
        let size = text.chars().count();
        let told = format!("{what}, {size} characters");
        let osc =
            if text.len() <= LONGEST { Ok("the terminal (OSC 52)") } else { Err("too long for OSC 52") };
        match self {
            Self::Tmux => match feed(&["tmux", "load-buffer", "-w", "-"], text)
                .map(|()| "tmux (load-buffer -w)")
                .or_else(|_old| feed(&["tmux", "load-buffer", "-"], text).map(|()| "tmux's own buffer"))
            {
                Ok(way) => format!("copied {told}, by {way}"),
                Err(error) => format!("not copied: tmux: {error}"),
            },
            Self::Osc52 => match osc {
                Ok(way) => format!("copied {told}, by {way}"),
                Err(why) => format!("not copied: {told}: {why}"),
            },
            Self::Tool(tool) => {
                let name = tool.first().copied().unwrap_or_default();
                match (feed(tool, text), osc) {
                    (Ok(()), Ok(way)) => format!("copied {told}, by {name} and {way}"),
                    (Ok(()), Err(_)) => format!("copied {told}, by {name}"),
                    (Err(_), Ok(way)) => format!("copied {told}, by {way}"),
                    (Err(error), Err(why)) => format!("not copied: {name}: {error}; {why}"),
                }
            }
        }
    }
}

/// Gives a program a text on its standard input.
fn feed(command: &[&str], text: &str) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Err("no program".into()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let begin = Instant::now();
    let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return written.map_err(|e| e.to_string()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if begin.elapsed() > PATIENCE => {
                // Nothing more can be done about it.
                let _ = child.kill();
                return Err("it does not end".into());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Whether a program of this name is on the search path.
fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|p| p.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[&str], programs: &[&str]) -> Way {
        let env = |name: &str| variables.contains(&name).then(|| "x".to_owned());
        way(&env, &|program| programs.contains(&program))
    }

    #[test]
    fn the_way_follows_from_where_we_are() {
        assert_eq!(found(&["TMUX", "SSH_CONNECTION"], &["tmux", "xclip"]), Way::Tmux);
        assert_eq!(found(&["SSH_CONNECTION", "DISPLAY"], &["xclip"]), Way::Osc52);
        assert_eq!(found(&["DISPLAY"], &["xclip"]), Way::Tool(&["xclip", "-selection", "clipboard"]));
        assert_eq!(found(&["WAYLAND_DISPLAY", "DISPLAY"], &["wl-copy", "xclip"]), Way::Tool(&["wl-copy"]));
        assert_eq!(found(&["DISPLAY"], &[]), Way::Osc52);
    }

    #[test]
    fn it_says_what_was_used_or_why_not() {
        assert_eq!(Way::Osc52.bytes("hi").unwrap(), b"\x1b]52;c;aGk=\x07");
        assert!(Way::Tmux.bytes("hi").is_none());
        assert!(Way::Osc52.run("critique", "hi").ends_with("2 characters, by the terminal (OSC 52)"));
        let long = "a".repeat(LONGEST + 1);
        assert!(Way::Osc52.bytes(&long).is_none());
        assert!(Way::Osc52.run("critique", &long).contains("too long for OSC 52"));
        let missing = Way::Tool(&["no-such-program-of-ours"]);
        assert!(missing.run("critique", &long).starts_with("not copied: no-such-program-of-ours"));
        assert!(missing.run("critique", "hi").contains("by the terminal"));
    }
}
