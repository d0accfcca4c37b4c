//! Sets of intervals from files: annotations as they are, and placed on the contigs of a genome or
//! track.

mod annotation;

pub use annotation::{Annotation, Placed, Site};

use std::path::PathBuf;

use crate::input::InputError;

/// A file and what it is called in tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Name.
    pub name: String,
    /// File.
    pub path: PathBuf,
}

/// What can be wrong with intervals.
#[derive(Debug, thiserror::Error)]
pub enum IntervalError {
    /// The file as such, or a line that is not BED.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No interval.
    #[error("{0} holds no interval")]
    Empty(PathBuf),
    /// Nothing in common between the contig names of two files.
    #[error("{intervals} and {scores} have no contig in common: {theirs:?} there, {ours:?} here")]
    NoSharedContigs {
        /// The intervals.
        intervals: PathBuf,
        /// What they are placed on.
        scores: PathBuf,
        /// A contig of the intervals.
        theirs: String,
        /// A contig of the other.
        ours: String,
        /// Whether `chr1` against `1` explains it.
        chr: bool,
    },
    /// A name that does not occur.
    #[error("{path} has no {what} {name:?}; it has: {known}")]
    UnknownName {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// Names that occur, the first of them.
        known: String,
    },
}

impl IntervalError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Input(InputError::Line { .. }) => {
                "coordinates are 0-based and half-open; columns are separated by tabs".into()
            }
            Self::Input(e) => return e.hint(),
            Self::NoSharedContigs { chr: true, .. } => {
                "the names differ by `chr`: try --chrom-alias ucsc-ensembl".into()
            }
            Self::NoSharedContigs { .. } => {
                "are both of the same genome? --chrom-alias FILE maps names".into()
            }
            _ => return None,
        })
    }
}
