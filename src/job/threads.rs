use std::num::NonZeroUsize;

use super::JobError;

/// Runs `work` on a pool of so many threads.
///
/// # Errors
/// [`JobError::Threads`] when they cannot be started, and whatever `work` returns.
pub fn on_threads<T: Send, E: From<JobError> + Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| JobError::Threads(threads, e))?
        .install(work)
}

/// Threads of the pool that this runs on.
pub fn pool_threads() -> NonZeroUsize {
    NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN)
}
