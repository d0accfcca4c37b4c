//! What a package installs beside the program: completions of shells, and manual pages. Both are made of the same
//! definitions as `--help`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;

/// Print the completions of a shell
///
/// For bash: `mpra-score completions bash > ~/.local/share/bash-completion/completions/mpra-score`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Runs the subcommand.
    pub fn run(self) -> Result<()> {
        let mut text = Vec::new();
        generate(self.shell, &mut Cli::command(), "mpra-score", &mut text);
        std::io::stdout().write_all(&text)?;
        Ok(())
    }
}

/// Write manual pages, one for the program and one for each subcommand
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

impl ManArgs {
    /// Runs the subcommand.
    pub fn run(self) -> Result<()> {
        let failed = || format!("cannot write manual pages to {}", self.out.display());
        fs::create_dir_all(&self.out).with_context(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.out).with_context(failed)
    }
}
