//! A text in the user's editor: `$VISUAL`, `$EDITOR` or vi, on a file of its own. A non-zero exit leaves the text as it was.

use std::io::Write as _;
use std::process::Command;

use tokio::sync::oneshot;

use crate::{Error, Result};

/// What comes back: the text, or why it stays as it was.
pub type Outcome = oneshot::Receiver<Result<String>>;

/// Starts the editor on a thread of its own; the caller has given the terminal back and stopped reading it.
///
/// # Errors
/// When the system gives no thread.
pub fn start(text: String) -> Result<Outcome> {
    let (send, outcome) = oneshot::channel();
    let work = move || drop(send.send(edit(&text)));
    let thread = std::thread::Builder::new().name("editor".into());
    thread.spawn(work).map(|_| outcome).map_err(|e| Error::io("the editor's thread", e))
}

fn edit(text: &str) -> Result<String> {
    let command = ["VISUAL", "EDITOR"].into_iter().find_map(super::colour::env);
    let command = command.unwrap_or_else(|| "vi".into());
    let mut file = tempfile::Builder::new()
        .prefix("outloud-")
        .suffix(".txt")
        .tempfile()
        .map_err(|e| Error::io(std::env::temp_dir(), e))?;
    let path = file.path().to_owned();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{text}{end}").as_bytes())
        .and_then(|()| file.flush())
        .map_err(|e| Error::io(&path, e))?;
    let status = shell(&command, &path).status().map_err(|e| Error::io(&command, e))?;
    if !status.success() {
        return Err(Error::Usage(format!("`{command}` ended with {status}: the text stays as it was")));
    }
    // By its name: editors put another file in its place.
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
    String::from_utf8(bytes).map_err(|error| {
        Error::invalid(
            path.display().to_string(),
            format!("byte {} that is not UTF-8", error.utf8_error().valid_up_to()),
            "UTF-8",
            "The text stays as it was; save it as UTF-8.",
        )
    })
}

/// The command may hold arguments and quotes, so a shell reads it; the file is an argument of its own.
#[cfg(unix)]
fn shell(command: &str, path: &std::path::Path) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{command} \"$1\"")).arg(command).arg(path);
    shell
}

/// The command's words, without quotes.
#[cfg(not(unix))]
fn shell(command: &str, path: &std::path::Path) -> Command {
    let mut words = command.split_whitespace();
    let mut editor = Command::new(words.next().unwrap_or("notepad"));
    editor.args(words).arg(path);
    editor
}
