//! What this process is writing and has not finished: one list, so that a job that is asked to end, and does not listen, can
//! be ended from outside with nothing of it left.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::place::Place;

/// Something that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// An output folder; of a run that can be resumed, and is kept where it has left notes.
    Folder { place: Place, resumable: bool },
    /// A file that is not whole; of a job that can go on, and keeps it.
    File { path: PathBuf, resumable: bool },
    /// An index that was written beside an input, whole; it stays if the job succeeds.
    Index(PathBuf),
}

/// Held while something begins, is finished or removed: nobody sees these halfway.
pub(super) struct Open(MutexGuard<'static, Vec<Unfinished>>);

static OPEN: Mutex<Vec<Unfinished>> = Mutex::new(Vec::new());

/// Whether results are in their place.
static FINISHED: AtomicBool = AtomicBool::new(false);

/// The list, and that nobody else changes what is on it.
pub(super) fn open() -> Open {
    // Whole whatever thread panicked: entries come and go in one step.
    Open(OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Open {
    pub(super) fn begins(&mut self, what: Unfinished) {
        self.0.push(what);
    }

    pub(super) fn ends(&mut self, what: &Unfinished) {
        self.0.retain(|u| u != what);
    }
}

/// A file that is on the list as long as this is there.
#[derive(Debug)]
pub(crate) struct UnfinishedFile(Unfinished);

impl UnfinishedFile {
    /// Makes a file, whose path `path` tells, and puts it on the list before anybody can look.
    pub(crate) fn make<T, E>(
        resumable: bool,
        make: impl FnOnce() -> Result<T, E>,
        path: impl FnOnce(&T) -> PathBuf,
    ) -> Result<(T, Self), E> {
        let mut open = open();
        let made = make()?;
        let path = path(&made);
        let file = Unfinished::File { path, resumable };
        open.begins(file.clone());
        Ok((made, Self(file)))
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        open().ends(&self.0);
    }
}

/// Keeps the indexes that were written, or removes them as those of a run that failed.
pub fn settle_indexes(keep: bool) {
    open().0.retain(|unfinished| match unfinished {
        Unfinished::Index(path) => {
            if !keep {
                let _ = std::fs::remove_file(path);
            }
            false
        }
        _ => true,
    });
}

/// Says that results are in their place: who ends the process now must not say that there are none.
pub(super) fn finished() {
    FINISHED.store(true, Ordering::Relaxed);
}

/// Whether results are in their place, and nothing is unfinished.
pub fn is_finished() -> bool {
    FINISHED.load(Ordering::Relaxed) && nothing_unfinished()
}

/// Whether nothing is unfinished: then the process may simply end.
pub fn nothing_unfinished() -> bool {
    open().0.is_empty()
}

/// Removes all that is unfinished, but for runs that can be resumed and have left notes; says whether there are such.
/// Nothing can begin or be finished afterwards: to be called by whoever ends the process then.
pub fn abandon() -> bool {
    remove_all(open())
}

/// The same where nothing is just beginning or being finished, perhaps by the thread that asks; otherwise it stays.
pub fn abandon_unless_busy() {
    if let Ok(list) = OPEN.try_lock() {
        remove_all(Open(list));
    }
}

fn remove_all(list: Open) -> bool {
    let kept = list.0.iter().fold(false, |kept, unfinished| {
        kept | match unfinished {
            Unfinished::Folder { place, resumable } => {
                let keeps = *resumable && place.has_checkpoint();
                if !keeps {
                    remove(place);
                }
                keeps
            }
            Unfinished::File { path, resumable } => {
                if !resumable {
                    let _ = std::fs::remove_file(path);
                }
                *resumable
            }
            Unfinished::Index(path) => {
                let _ = std::fs::remove_file(path);
                false
            }
        }
    });
    std::mem::forget(list);
    kept
}

/// A thread of the job may make a file in the folder while it is emptied.
fn remove(place: &Place) {
    for _ in 0..100 {
        place.remove(&[]);
        if place.partial.symlink_metadata().is_err() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
