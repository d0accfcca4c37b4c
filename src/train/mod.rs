//! Training: networks and what they learn from.
//!
//! - [`Examples`]: sequences with labels: from `mpra-score dataset`'s Parquet file, or stretches of a
//!   genome labelled by a teacher model ([`teacher`]).
//! - [`cnn`]: convolutional networks: architecture, fitting, ONNX export.
//! - [`kmer`]: linear regression on k-mer counts, the paper's baseline (4.1).

pub mod cnn;
mod examples;
pub mod kmer;
mod parquet;
mod random;
mod stretches;
pub mod teacher;

pub use examples::{Examples, Scaling};
pub use parquet::read_examples;
pub use random::Random;
pub use stretches::{Mutants, StretchSource, stretches};

use std::io;
use std::path::PathBuf;

use crate::labelled::columns::ColumnsError;
use crate::output::write_hint;
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
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// A Parquet file.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// A data file is not what training needs.
    #[error("{path} cannot be trained on: {problem}")]
    Data {
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
    /// The unfinished run in the output folder is another one.
    #[error("the unfinished run was started with another {0}")]
    OtherRun(String),
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
    /// The worker threads could not be started.
    #[error("cannot start {0} worker thread(s)")]
    Threads(usize, #[source] rayon::ThreadPoolBuildError),
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
            Self::OtherRun(_) => Some(
                "give the same flags, or --force to throw the unfinished run away".into(),
            ),
            Self::Diverged { .. } => Some("--lr lowers the learning rate".into()),
            Self::Write(e, _) | Self::Plot(PlotError::Write(e, _)) => write_hint(e),
            _ => None,
        }
    }
}

/// Writes a file under a temporary name and moves it into place: it is whole or not there, also when
/// the machine goes down.
pub(crate) fn write_whole(path: &std::path::Path, bytes: &[u8]) -> Result<(), TrainError> {
    use std::io::Write;
    let write = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => std::path::Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|e| TrainError::Write(e, path.into()))
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
            let whole = TrainError::Write(kind.into(), path.clone());
            assert!(whole.to_string().contains("state-3.bin"));
            let figure = TrainError::Plot(PlotError::Write(kind.into(), path.clone()));
            let regression = kmer::KmerError::Write(kind.into(), path);
            for found in [whole.hint(), figure.hint(), regression.hint()] {
                assert!(found.is_some_and(|f| f.contains(hint)), "{kind}");
            }
        }
    }

    #[test]
    fn files_are_whole_or_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let missing = dir.path().join("none/f");
        let error = write_whole(&missing, b"x").unwrap_err();
        assert!(error.to_string().contains("none/f"), "{error}");
    }
}
