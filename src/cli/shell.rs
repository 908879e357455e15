//! `completions` and `man`: generated from the arguments themselves.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use super::Exit;
use crate::{Error, Result};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

/// Prints the completion script.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs, command: &mut Command) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "outloud", &mut script);
    print(&script)
}

/// Prints the manual: the command, then each subcommand.
///
/// # Errors
/// When standard output cannot be written.
pub fn man(command: Command) -> Result<Exit> {
    let mut page = Vec::new();
    let render = |command: Command, page: &mut Vec<u8>| {
        clap_mangen::Man::new(command).render(page).map_err(|e| Error::io("<man page>", e))
    };
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    render(command, &mut page)?;
    for subcommand in subcommands {
        let name = format!("outloud-{}", subcommand.get_name());
        render(subcommand.bin_name(name.replacen('-', " ", 1)).display_name(name), &mut page)?;
    }
    print(&page)
}

fn print(bytes: &[u8]) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Error::io("<standard output>", e))?;
    Ok(Exit::Ok)
}
