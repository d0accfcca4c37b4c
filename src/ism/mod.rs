//! In-silico mutagenesis: effects of single-base changes and importance.
//!
//! - **effect** of a change in a window: activity(mutant) - activity(reference).
//! - **importance** of a base in a window (paper, 4.3.1): among the three other bases, the
//!   difference activity(reference) - activity(mutant) that is largest in absolute value, with its
//!   sign; positive where the base drives expression. Where a loss and a gain are equally large, within
//!   1e-5 of 1 or of the loss, the loss.
//! - Over several windows, effects and importance are means over the scored windows that cover the
//!   base. Note that the mean of the windows' importances is not the importance of mean effects.
//!
//! An [`Engine`] scores a [`Stretch`] of a contig. [`FullEngine`] is the oracle: one forward pass
//! for each reference window and each mutant.

mod choice;
mod ensemble;
pub mod fast;
mod full;
mod sequence;
mod stretch;
mod sums;

pub use choice::{Behind, EngineChoice, EngineSettings, Engines};
pub use ensemble::{Groups, Members};
pub use full::FullEngine;
pub use sequence::SequenceWindows;
pub use stretch::{Scores, Strand, Stretch, Want, pick_tasks};

use crate::model::ModelError;

/// What can be wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum IsmError {
    /// The fast engine is asked for and cannot do this model.
    #[error("the fast engine cannot do this model: {0}")]
    NotFast(String),
    /// The threads of an engine.
    #[error("cannot start {0} threads")]
    Threads(usize, #[source] rayon::ThreadPoolBuildError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl IsmError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFast(_) => {
                Some("--engine full runs every model, hundreds of times slower".into())
            }
            Self::Threads(..) => Some("--threads N asks for fewer".into()),
            Self::Model(e) => e.hint(),
        }
    }
}

/// Scores stretches of sequence. One a thread.
pub trait Engine: Send {
    /// Fills `scores` with what `want` asks for, for the wanted bases of `stretch`.
    ///
    /// # Errors
    /// When the model fails.
    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError>;

    /// Number of tasks in the scores.
    fn tasks(&self) -> usize;

    /// Bases of a stretch that suit the engine: large enough that few windows are computed twice
    /// at its ends, small enough that a single region keeps several threads busy.
    fn stretch(&self) -> u32 {
        1_024
    }
}
