//! From count tables to training examples: activities a task, standardised; sequence, coordinates,
//! split and weight a tile; one Parquet file, with a report.
//!
//! A *task* is a (cell type, promoter) pair; each has one or more replicates, each replicate an RNA
//! table and the DNA table it is divided by. The activity of a tile in a replicate is the median
//! log2(RNA/DNA) of [`crate::counts::normalize`]; a task's activity is the mean over its replicates.
//! Source of the recipe: the Sharpr-MPRA deep-learning paper (section 4.2) and its authors' code.

mod assemble;
mod config;
mod examples;
mod figures;
mod filter;
mod igvf;
mod parquet;
mod places;
mod report;
mod run;
mod sequences;
mod sheet;
mod split;

pub use assemble::{Assay, Task, assemble};
pub use config::{
    Config, CoordinateSource, Frame, Geometry, Igvf, MissingValues, ReplicateRule, Shares,
    SplitRule, Strand,
};
pub use examples::{Examples, make_examples};
pub use filter::{FilterReason, Filtered};
pub use parquet::{Rows, write_parquet};
pub use places::place_tiles;
pub use report::Report;
pub use run::{Summary, run};
pub use sequences::{TileSequences, sequences};
pub use sheet::{Experiment, parse_experiment, read_sheet};
pub use split::{Split, groups, split};

use std::path::PathBuf;

use crate::counts::CountsError;
use crate::genome::GenomeError;
use crate::input::InputError;
use crate::job::JobError;
use crate::output::OutputError;
use crate::plot::PlotError;

/// What can go wrong between counts and examples.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A count table or tile names.
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// The coordinate file or the table of experiments.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The FASTA.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The table of experiments, or an experiment on the command line.
    #[error("{source_name}: {problem}; expected {expected}")]
    Experiment {
        /// Where it stands: the sheet and its line, or the argument.
        source_name: String,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A task that no experiment has.
    #[error("unknown experiment {found:?}; the tables have {known}")]
    UnknownTask {
        /// The name asked for.
        found: String,
        /// The names there are.
        known: String,
    },
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// Two tables disagree about a tile.
    #[error("tile {id:?}: {problem}")]
    Tile {
        /// The tile.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// The split needs coordinates and there are none.
    #[error("no coordinates: whether regions overlap cannot be known")]
    NoCoordinates,
    /// Neither the count tables nor a FASTA give sequences.
    #[error("the count tables carry no sequences")]
    NoSequences,
    /// No tile is left.
    #[error("no tile is left of {0}: every one was filtered")]
    NothingLeft(usize),
    /// A task's activities are all equal or too few, so they have no scale.
    #[error("task {0}: its activities do not vary and cannot be standardised")]
    NoVariance(String),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The Parquet file could not be written.
    #[error("cannot write {1}")]
    Parquet(#[source] ::parquet::errors::ParquetError, PathBuf),
}

impl DatasetError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Counts(e) => e.hint(),
            Self::Input(e) => e.hint(),
            Self::Job(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Experiment { .. } => Some(
                "on the command line: --experiment HepG2:SV40P:1=rna.counts.gz,dna.counts.gz".into(),
            ),
            Self::NoCoordinates => Some(
                "--coords FILE gives them; --coords none says that no two regions overlap; --split random-tiles does not ask"
                    .into(),
            ),
            Self::Tile { .. } => Some(
                "tables of one design name and number tiles alike; --coords gives their regions, or each tile's own place"
                    .into(),
            ),
            Self::NoSequences => Some("--fasta with --coords gives them".into()),
            Self::NothingLeft(_) => Some(
                "filtered.tsv is not kept on failure: try --missing keep, --replicates any or a lower --min-dna"
                    .into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
