use std::process::exit;

use anyhow::{Context, Result};
use mpra_score::{Cancel, output};

/// Makes the first Ctrl-C (or SIGTERM) ask the job to stop and remove its unfinished files. Before
/// there are any (it may be waiting for standard input), and at the second, the program ends at
/// once; no other way leads out of a signal handler.
pub fn watch() -> Result<Cancel> {
    let cancel = Cancel::default();
    let shared = cancel.clone();
    ctrlc::set_handler(move || {
        if shared.is_requested() || !shared.leaves_files() {
            exit(130);
        }
        shared.request();
    })
    .context("cannot handle Ctrl-C")?;
    Ok(cancel)
}

/// For jobs that do not look whether they are to stop: Ctrl-C (or SIGTERM) removes their unfinished
/// files and ends the program.
pub fn end_at_once() -> Result<()> {
    ctrlc::set_handler(|| {
        output::remove_unfinished();
        eprintln!("interrupted: unfinished files removed");
        exit(130);
    })
    .context("cannot handle Ctrl-C")
}
