use crate::genome::GenomeError;
use crate::model::ModelError;
use crate::output::OutputError;
use crate::score::ScoreError;
use crate::tracks::TrackError;

/// Any error of the library: one enum a stage, gathered for callers that run several stages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Genome, regions, names.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The model and ONNX Runtime.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The scoring job.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A track.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// The run was interrupted (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted {
        /// Whether it can be resumed; otherwise its files were removed.
        kept: bool,
    },
}

impl Error {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Genome(e) => e.hint(),
            Self::Model(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Score(e) => e.hint(),
            Self::Track(TrackError::File(e)) => e.hint(),
            Self::Track(_) | Self::Interrupted { .. } => None,
        }
    }
}
