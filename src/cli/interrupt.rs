use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use super::shared::say;
use crate::{Cancel, output};

thread_local! {
    /// By what a program that has this one inside asks the job of this thread to stop.
    static GIVEN: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

static WATCHED: OnceLock<Cancel> = OnceLock::new();

/// How long a job has to end by itself before it is ended: it may be within one long call, or wait for a pipe.
const GRACE: Duration = Duration::from_secs(2);

/// Exit code of what was interrupted.
pub const INTERRUPTED: u8 = 130;

/// Runs something that [`watch`]es for this wish instead of for signals.
pub fn with<T>(cancel: &Cancel, run: impl FnOnce() -> T) -> T {
    let before = GIVEN.replace(Some(cancel.clone()));
    let result = run();
    GIVEN.set(before);
    result
}

/// Whether a signal has asked this process to stop.
pub fn is_requested() -> bool {
    WATCHED.get().is_some_and(Cancel::is_requested)
}

/// What is said of an interrupted run.
pub fn said(kept: bool) -> &'static str {
    match kept {
        true => "interrupted: the same command with --resume goes on from here",
        false => "interrupted: unfinished files removed",
    }
}

/// Makes the first Ctrl-C (or SIGTERM, SIGHUP) ask the job to stop. Where nothing is unfinished (it may be waiting for standard
/// input), at the second, and when the job has not ended in two seconds, what is unfinished is removed and the process ended
/// from here; no other way leads out of a signal handler. Where results are in their place already, the exit code says so.
///
/// Asked again, by a job after the first one, it gives the same.
pub fn watch() -> Result<Cancel> {
    if let Some(given) = GIVEN.with_borrow(Clone::clone) {
        return Ok(given);
    }
    if let Some(cancel) = WATCHED.get() {
        return Ok(cancel.clone());
    }
    let cancel = WATCHED.get_or_init(Cancel::default).clone();
    let shared = cancel.clone();
    ctrlc::set_handler(move || {
        let again = shared.is_requested();
        shared.request();
        let leaves_nothing = output::nothing_unfinished() && !output::is_finished();
        if again || (leaves_nothing && !shared.is_heard()) {
            end();
        }
        let later = std::thread::Builder::new().spawn(|| {
            std::thread::sleep(GRACE);
            end();
        });
        if later.is_err() {
            end();
        }
    })
    .context("cannot handle Ctrl-C")?;
    Ok(cancel)
}

fn end() -> ! {
    let code = match output::is_finished() {
        true => 0,
        false => {
            let kept = output::abandon();
            say(said(kept).into());
            INTERRUPTED
        }
    };
    // SAFETY: without what a library of another language would run at the end while other threads still use it.
    unsafe { libc::_exit(i32::from(code)) }
}
