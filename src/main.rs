//! The `mpra-score` program: exit codes, logging, dispatch. Everything else is in the library,
//! and everything about the command line in `cli/`.

mod cli;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2, help and version with 0.
    let cli = cli::Cli::parse();
    // A track is several open files, and a model may have hundreds of tasks. Where the limit
    // cannot be raised, opening fails with a hint.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    cli::start_logging(cli.verbosity());
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// Exit codes: 0 done (also when the reader of standard output went away), 1 failed, 2 usage,
/// 130 interrupted.
fn report(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = error
        .chain()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == ErrorKind::BrokenPipe);
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    // Settings that clap cannot judge one by one.
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        say(&usage.to_string());
        return ExitCode::from(2);
    }
    let known = error
        .chain()
        .find_map(|e| e.downcast_ref::<mpra_score::Error>());
    if let Some(kept) = known.and_then(mpra_score::Error::interrupted) {
        say(&format!(
            "interrupted: {}\n",
            match kept {
                true => "the same command goes on from here",
                false => "unfinished files removed",
            }
        ));
        return ExitCode::from(130);
    }
    say(&format!("error: {error:#}\n"));
    if let Some(hint) = known.and_then(mpra_score::Error::hint) {
        say(&format!("hint: {hint}\n"));
    }
    ExitCode::FAILURE
}

/// Writes to standard error, which may be closed or full: the exit code tells all the same.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
