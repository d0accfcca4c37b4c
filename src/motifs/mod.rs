//! What a network's first layer looks for: each filter of its first convolution as a position weight
//! matrix of the words that activate it (paper, conclusion), with the known motif it is most like; and where known
//! motifs occur in sequences (`scan`, `occurrences`).
//!
//! What a whole network has learned, from the effects of all changes in a folder of results: what each base is worth
//! (`scored_rows`), stretches of significant importance (`seqlets`) with the known motifs they are like (`known`), known motifs under which
//! importance lies (`drivers`), and motifs made of the seqlets (`discover`).

mod compare;
pub mod discover;
pub mod drivers;
mod filters;
mod jaspar;
pub mod known;
mod meme;
mod motif;
pub mod occurrences;
mod read;
mod run;
mod scan;
mod scored_rows;
pub mod seqlets;
mod sites;

pub use compare::{Match, best_match};
pub use filters::Filters;
pub use meme::write_meme;
pub use motif::Motif;
pub use read::read_motifs;
pub use run::{Config, Sequences, Summary, run};
pub use scan::{Hit, Prepared, Scanner};
pub use scored_rows::{Row, ScoredRows, Worth};
pub use sites::{Sites, WIDEST, Words, sites};

use std::path::PathBuf;

use crate::genome::GenomeError;
use crate::input::InputError;
use crate::labelled::LabelledError;
use crate::plot::PlotError;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum MotifError {
    /// Sequences of a data set.
    #[error(transparent)]
    Data(#[from] LabelledError),
    /// Sequences of a genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The graph does not begin with a convolution over bases.
    #[error("{model} has no first convolution to look into: {problem}")]
    NoFilters {
        /// The model.
        model: String,
        /// What is there.
        problem: String,
    },
    /// Nothing to scan.
    #[error("no sequence has {0} known bases in a row: nothing can activate a filter")]
    NoWords(usize),
    /// More different words than fit the memory.
    #[error("the sequences hold over 100 million different words of {0} bases")]
    TooManyWords(usize),
    /// A folder of results in which nothing was scored.
    #[error("{0} has no row with a value")]
    NoScoredRow(PathBuf),
    /// A task that the results do not have.
    #[error("task {task:?} is not in the results; they have {known}")]
    UnknownTask {
        /// The task.
        task: String,
        /// The tasks there are.
        known: String,
    },
    /// All values of a task are the same.
    #[error("all bases have the same {what} for {task}: nothing stands out")]
    Flat {
        /// The task.
        task: String,
        /// Importance or contribution.
        what: &'static str,
    },
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
    /// A motif file.
    #[error("{path}, line {line}: {problem}; expected {expected}")]
    Meme {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: u64,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A text file.
    #[error(transparent)]
    Text(#[from] InputError),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl MotifError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Text(e) => e.hint(),
            Self::TooManyWords(_) => Some("--bed limits a genome to its regions".into()),
            Self::Meme { .. } => {
                Some("motifs are read in MEME's minimal format, or in JASPAR's".into())
            }
            Self::NoScoredRow(_) => {
                Some("`status` in the table beside it says why rows were not scored".into())
            }
            Self::NoFilters { .. } => Some(
                "filters are read off a network that begins with a convolution over the four bases"
                    .into(),
            ),
            Self::UnknownTask { .. } => Some("--tasks names those of the results".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
