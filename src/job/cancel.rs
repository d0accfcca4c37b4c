use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::JobError;

/// A wish, from another thread such as a signal handler, that a job end early. Clones share it. The
/// job looks at it wherever it may take long, and removes its own unfinished files on the way out.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    requested: AtomicBool,
    listens: AtomicBool,
}

impl Cancel {
    /// Asks the job to stop.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Fails once the job is asked to stop; what it has so far is not kept.
    ///
    /// # Errors
    /// [`JobError::Interrupted`].
    pub fn check(&self) -> Result<(), JobError> {
        match self.is_requested() {
            true => Err(JobError::Interrupted { kept: false }),
            false => Ok(()),
        }
    }

    /// Says that the job looks often, and ends well when it is asked to: a server.
    pub(crate) fn listens(&self) {
        self.0.listens.store(true, Ordering::Relaxed);
    }

    /// Whether the job ends well by itself, also where it has nothing to remove.
    pub fn is_heard(&self) -> bool {
        self.0.listens.load(Ordering::Relaxed)
    }
}
