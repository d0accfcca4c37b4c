//! bigBed and bigWig: opening one, and what can be wrong with it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bigtools::utils::reopen::ReopenableFile;

/// What can be wrong with a bigBed or bigWig.
#[derive(Debug, thiserror::Error)]
pub enum BigFileError {
    /// It cannot be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}: {problem}")]
    Binary {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        problem: String,
    },
}

impl BigFileError {
    /// A file that its reader cannot read.
    pub(crate) fn binary(path: &Path, problem: impl ToString) -> Self {
        Self::Binary {
            path: path.into(),
            problem: problem.to_string(),
        }
    }
}

/// The file for `bigtools`' readers, whose own `open_file` prints.
pub(crate) fn open_big(path: &Path) -> Result<ReopenableFile, BigFileError> {
    Ok(ReopenableFile {
        path: path.into(),
        file: File::open(path).map_err(|e| BigFileError::Open(e, path.into()))?,
    })
}
