use crate::dataset::DatasetError;
use crate::genome::GenomeError;
use crate::output::OutputError;
use crate::sharpr::SharprError;

/// Any error of the library: one enum a stage, gathered for callers that run several stages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Genome, regions, names.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Examples from count tables.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Per-base activities from tiled designs.
    #[error(transparent)]
    Sharpr(#[from] SharprError),
    /// The run was interrupted (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Genome(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Dataset(e) => e.hint(),
            Self::Sharpr(e) => e.hint(),
            Self::Interrupted => None,
        }
    }
}
