//! What every job has: a way to be stopped, to say how far it is, threads, an order for their results,
//! and `run.json`.

mod cancel;
mod hash;
mod memory;
mod order;
mod progress;
mod run;
mod settings;
mod shard;
mod threads;

pub use cancel::Cancel;
pub(crate) use hash::hex;
pub use hash::sha256;
pub use memory::address_space_left;
pub use order::in_order;
pub use progress::{Progress, Silent};
pub(crate) use run::map;
pub use run::{InputFile, ModelUsed, OnnxRuntime, RunInfo};
pub use settings::same_settings;
pub use shard::Shard;
pub use threads::{on_threads, pool_threads};

use std::io;

/// What can be wrong with the running of a job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It was asked to stop (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted {
        /// Whether it can be resumed; otherwise its files were removed.
        kept: bool,
    },
    /// A worker thread cannot be started.
    #[error("cannot start a worker thread")]
    Thread(#[source] io::Error),
    /// A pool of worker threads cannot be started.
    #[error("cannot start {0} worker thread(s)")]
    Threads(usize, #[source] rayon::ThreadPoolBuildError),
    /// An unfinished run, or a part of one, is of another job.
    #[error("this is not the same job: {0} differ(s)")]
    OtherJob(String),
}

impl JobError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted { .. } => None,
            Self::Thread(_) | Self::Threads(..) => Some("ask for fewer with --threads".into()),
            Self::OtherJob(_) => Some(
                "a run is resumed, and shards are merged, with the same inputs, flags and versions only; --force without --resume begins anew"
                    .into(),
            ),
        }
    }
}
