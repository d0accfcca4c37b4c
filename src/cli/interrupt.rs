use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes the first Ctrl-C (or SIGTERM) set the returned flag, so that a job can remove its
/// unfinished files, and a second one end the program at once.
pub fn watch() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            // The job does not look at the flag (it may wait for standard input): the user
            // insists, and no other way leads out of a signal handler.
            std::process::exit(130);
        }
    })
    .context("cannot handle Ctrl-C")?;
    Ok(&INTERRUPTED)
}
