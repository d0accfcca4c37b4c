//! Training: networks and what they learn from.
//!
//! - [`Examples`]: sequences with labels: from `mpra-score dataset`'s Parquet file, or stretches of a
//!   genome labelled by a teacher model ([`teacher`]).
//! - [`cnn`]: convolutional networks: architecture, fitting, ONNX export.
//! - [`kmer`]: linear regression on k-mer counts, the paper's baseline (4.1).

pub mod cnn;
mod examples;
pub mod kmer;
mod own;
mod parquet;
mod stretches;
pub mod teacher;

pub use examples::{Examples, Objective, Reading, Scaling};
pub use own::{OwnTable, read_examples};
pub use parquet::read_dataset;
pub use stretches::{Mutants, StretchSource, stretches};

use std::io;
use std::path::PathBuf;

use crate::input::InputError;
use crate::input::columns::ColumnsError;
use crate::job::JobError;
use crate::labelled::LabelledError;
use crate::output::{OutputError, write_hint};
use crate::plot::PlotError;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A file could not be read.
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Threads, being asked to stop, or the unfinished run of another job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A text file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A Parquet file.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// A table of one's own.
    #[error(transparent)]
    Labelled(#[from] LabelledError),
    /// A data file is not what training needs.
    #[error("{path} cannot be trained on: {problem}")]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A recipe says what cannot be done.
    #[error("the recipe {path} cannot be followed: {problem}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The labels of a task teach nothing.
    #[error("task {task}: {problem}")]
    Labels {
        /// The task.
        task: String,
        /// What is wrong.
        problem: String,
    },
    /// A side of the split has no example.
    #[error("no example is on the {0} side of the split")]
    EmptySide(&'static str),
    /// Fewer training examples than a batch.
    #[error("{examples} training example(s) do not fill a batch of {batch}")]
    TooFew {
        /// Sequences on the training side.
        examples: usize,
        /// Sequences of a batch.
        batch: usize,
    },
    /// Windows of two models, or of a model and the data, differ.
    #[error("windows do not fit: {0}")]
    Windows(String),
    /// A task that the data or a teacher does not have.
    #[error("unknown task {found:?}; there are {known}")]
    UnknownTask {
        /// The name asked for.
        found: String,
        /// The names there are.
        known: String,
    },
    /// The loss is NaN or infinite.
    #[error("the loss is {loss} in epoch {epoch}: training diverged")]
    Diverged {
        /// The loss.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// The exported file does not give what the trained network gives.
    #[error(
        "the exported model gives {onnx} where the network gives {network} (test window {row}, task {task})"
    )]
    Export {
        /// Window of the test set.
        row: usize,
        /// Task.
        task: String,
        /// ONNX Runtime's value.
        onnx: f32,
        /// The network's value.
        network: f32,
    },
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl TrainError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooFew { .. } => Some("--batch makes batches smaller".into()),
            Self::EmptySide(_) => Some(
                "--validation-chroms and --test-chroms choose the sides; `mpra-score dataset` has other splits".into(),
            ),
            Self::Recipe { .. } => Some("docs/training.md has a whole one".into()),
            Self::Diverged { .. } => Some("--lr lowers the learning rate".into()),
            Self::Output(e) => e.hint(),
            Self::Input(e) => e.hint(),
            Self::Columns(e) => e.hint(),
            Self::Labelled(e) => e.hint(),
            Self::Windows(_) => Some("--window N sets the network's input to the length of the sequences".into()),
            Self::Job(e) => e.hint(),
            Self::Plot(PlotError::Write(e, _)) => write_hint(e),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_says_why() {
        for (kind, hint) in [
            (io::ErrorKind::StorageFull, "the disk is full"),
            (io::ErrorKind::QuotaExceeded, "the quota is used up"),
            (io::ErrorKind::FileTooLarge, "ulimit -f"),
        ] {
            let path = PathBuf::from("out/state-3.bin");
            let whole = TrainError::Output(OutputError::Write(kind.into(), path.clone()));
            assert!(whole.to_string().contains("state-3.bin"));
            let figure = TrainError::Plot(PlotError::Write(kind.into(), path.clone()));
            let regression = kmer::KmerError::Output(OutputError::Write(kind.into(), path));
            for found in [whole.hint(), figure.hint(), regression.hint()] {
                assert!(found.is_some_and(|f| f.contains(hint)), "{kind}");
            }
        }
    }
}
