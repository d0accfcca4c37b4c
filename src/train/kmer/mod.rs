//! The paper's baseline (4.1): activity as a linear function of the counts of all k-mers, k = 1 to
//! 8, fitted by stochastic gradient descent, one regression a task; exported to ONNX.

mod config;
mod export;
mod features;
mod progress;
mod run;
mod sgd;
mod smooth;
mod write;

pub use config::{Config, Summary, TaskSummary};
pub use export::to_onnx;
pub use features::{Kmers, LONGEST};
pub use progress::{Progress, Silent};
pub use run::run;
pub use sgd::{Epoch, Example, Fit, Penalty, Settings, Weights, fit};
pub use smooth::{LONGEST_SMOOTH, Smooth, SmoothFit};

use crate::job::JobError;
use crate::labelled::LabelledError;
use crate::output::{OutputError, write_hint};
use crate::plot::PlotError;

/// What can go wrong with a k-mer regression.
#[derive(Debug, thiserror::Error)]
pub enum KmerError {
    /// The data.
    #[error(transparent)]
    Data(#[from] LabelledError),
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A label that the data do not have.
    #[error("unknown label {found:?}; there are {known}")]
    UnknownLabel {
        /// The name asked for.
        found: String,
        /// The names there are.
        known: String,
    },
    /// The labels of a task teach nothing.
    #[error("label {task}: {problem}")]
    Labels {
        /// The label.
        task: String,
        /// What is wrong.
        problem: String,
    },
    /// A side of the split has no example, or there is no split.
    #[error("no row is on the {0} side of the split")]
    EmptySide(&'static str),
    /// Weights became infinite or NaN.
    #[error("task {task}: training diverged in epoch {epoch}")]
    Diverged {
        /// The task.
        task: String,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// The exported file does not give what the regression gives.
    #[error(
        "the exported model gives {onnx} where the regression gives {regression} ({name}, task {task})"
    )]
    Export {
        /// Row of the data.
        name: String,
        /// Task.
        task: String,
        /// ONNX Runtime's value.
        onnx: f32,
        /// The regression's value.
        regression: f64,
    },
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl KmerError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(e) => e.hint(),
            Self::EmptySide(_) => Some(
                "the column `split` says train, validation or test; --patience 0 does without validation"
                    .into(),
            ),
            Self::Output(e) => e.hint(),
            Self::Job(e) => e.hint(),
            Self::Plot(PlotError::Write(e, _)) => write_hint(e),
            Self::Diverged { .. } => Some("--eta0 lowers the learning rate".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
