use std::cell::RefCell;
use std::process::exit;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::shared::say;
use crate::Cancel;

thread_local! {
    /// By what a program that has this one inside asks the job of this thread to stop.
    static GIVEN: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

/// Runs something that [`watch`]es for this wish instead of for signals.
pub fn with<T>(cancel: &Cancel, run: impl FnOnce() -> T) -> T {
    let before = GIVEN.replace(Some(cancel.clone()));
    let result = run();
    GIVEN.set(before);
    result
}

/// Makes the first Ctrl-C (or SIGTERM) ask the job to stop and remove its unfinished files. Before
/// there are any (it may be waiting for standard input), and at the second, the program ends at
/// once; no other way leads out of a signal handler.
///
/// Asked again, by a job after the first one, it gives the same.
pub fn watch() -> Result<Cancel> {
    static WATCHED: OnceLock<Cancel> = OnceLock::new();
    if let Some(given) = GIVEN.with_borrow(Clone::clone) {
        return Ok(given);
    }
    if let Some(cancel) = WATCHED.get() {
        return Ok(cancel.clone());
    }
    let cancel = WATCHED.get_or_init(Cancel::default).clone();
    let shared = cancel.clone();
    ctrlc::set_handler(move || {
        if shared.is_requested() || !shared.leaves_files() {
            say("interrupted".into());
            exit(130);
        }
        shared.request();
    })
    .context("cannot handle Ctrl-C")?;
    Ok(cancel)
}
