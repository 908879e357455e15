//! `doctor`: the reports of [`crate::doctor`] and of the terminal, as text or JSON.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::doctor_text as text;
use super::model::{Device, ModelArgs, source};
use super::{Exit, say};
use crate::doctor::{Example, System, model};
use crate::tui::ColorChoice;
use crate::tui::clipboard::Way;
use crate::tui::colour::{self, Depth};
use crate::{Error, Result};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without MODEL: this build, its devices, the terminal, the folders. With MODEL: the checkpoint."
)]
pub struct DoctorArgs {
    /// A checkpoint folder, or `demo`
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Device,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The example's prompt
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// The example's answer
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    answer: Option<String>,
    /// The example's critique
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    critique: Option<String>,
}

/// What is known of the terminal.
#[derive(Clone, Debug, Serialize)]
pub struct Terminal {
    /// Whether standard output is one.
    pub is_terminal: bool,
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    /// `$TERM`.
    pub term: Option<String>,
    /// `$TERM_PROGRAM`.
    pub program: Option<String>,
    /// `none`, `16`, `256` or `true`.
    pub colours: &'static str,
    /// What says so.
    pub colours_why: String,
    /// Inside tmux or screen.
    pub multiplexer: Option<&'static str>,
    /// Over SSH.
    pub ssh: bool,
    /// How a text gets to the clipboard.
    pub clipboard: String,
    /// What would make it better.
    pub advice: Option<&'static str>,
}

/// SSH does not hand COLORTERM on.
const ADVICE: &str = "SSH leaves COLORTERM out; if your terminal shows 24-bit colours, put `color = \"true\"` into config.toml, \
                      or SendEnv COLORTERM (client) and AcceptEnv COLORTERM (server)";

impl Terminal {
    /// Looks at standard output and the environment.
    pub fn look() -> Self {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (colours, colours_why) = colours(&env);
        let ssh = env("SSH_CONNECTION").is_some();
        let size = terminal_size::terminal_size().map(|(width, height)| (width.0, height.0));
        Self {
            is_terminal: io::stdout().is_terminal(),
            size,
            term: env("TERM"),
            program: env("TERM_PROGRAM"),
            colours,
            colours_why,
            multiplexer: env("TMUX").map(|_| "tmux").or_else(|| env("STY").map(|_| "screen")),
            ssh,
            clipboard: Way::here().name(),
            advice: (ssh && colours == "256").then_some(ADVICE),
        }
    }
}

/// How many colours the screen will use, and which variable says so: the one without which it would be another number.
fn colours(env: &dyn Fn(&str) -> Option<String>) -> (&'static str, String) {
    let depth = |env: &dyn Fn(&str) -> Option<String>| colour::depth(ColorChoice::Auto, env);
    let found = depth(env);
    let decides = |name: &&str| depth(&|asked: &str| if asked == *name { None } else { env(asked) }) != found;
    let names = ["NO_COLOR", "COLORTERM", "WT_SESSION", "TERM_PROGRAM", "TERM"];
    let why = names.iter().find(|name| env(name).is_some() && decides(name)).or_else(|| names.last());
    let why = why.map_or_else(String::new, |name| match env(name) {
        Some(value) => format!("{name}={value}"),
        None => format!("{name} is not set"),
    });
    let colours = match found {
        Depth::None => "none",
        Depth::Sixteen => "16",
        Depth::TwoFiveSix => "256",
        Depth::True => "true",
    };
    (colours, why)
}

impl DoctorArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When the model cannot be opened; its error says what to do.
    pub fn run(&self) -> Result<Exit> {
        let Some(name) = &self.model else {
            let (system, terminal) = (System::look(), Terminal::look());
            let report = if self.json {
                let mut all = json!(system);
                if let Some(all) = all.as_object_mut() {
                    all.insert("terminal".into(), json!(terminal));
                }
                format!("{all:#}\n")
            } else {
                text::system(&system, &terminal)
            };
            return print(&report, Exit::Ok);
        };
        let args = ModelArgs { model: name.clone(), device: self.device };
        let default = Example::default();
        let example = Example {
            prompt: self.prompt.clone().unwrap_or(default.prompt),
            answer: self.answer.clone().unwrap_or(default.answer),
            critique: self.critique.clone().unwrap_or(default.critique),
        };
        let device = args.device()?;
        let report = source(name).and_then(|source| model::look(&source, device, example));
        match report {
            Ok(report) => {
                let exit = if report.problems.is_empty() { Exit::Ok } else { Exit::Failed };
                if self.json { print_json(&report, exit) } else { print(&text::model(&report), exit) }
            }
            Err(error) if self.json => {
                say(&error.to_string());
                print_json(&json!({"model": name, "error": error.to_string()}), Exit::Failed)
            }
            Err(error) => Err(error),
        }
    }
}

fn print_json(value: &impl Serialize, exit: Exit) -> Result<Exit> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::io("<standard output>", e.into()))?;
    print(&format!("{text}\n"), exit)
}

fn print(text: &str, exit: Exit) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Error::io("<standard output>", e))?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_with_their_reason() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            colours(&move |name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(with(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]).0, "true");
        assert_eq!(with(&[("TERM", "xterm-256color")]), ("256", "TERM=xterm-256color".into()));
        assert_eq!(with(&[("TERM", "xterm"), ("NO_COLOR", "1")]), ("none", "NO_COLOR=1".into()));
        assert_eq!(with(&[]), ("16", "TERM is not set".into()));
    }
}
