//! Coordinates of one build of a genome in another: UCSC's chain files, and what its `liftOver` makes
//! of them.
//!
//! A chain file leads from its **source** (in the format's own words the target, the first genome of a
//! `chain` line) to its **new** build (the query, the second). Which intervals are lifted and why others
//! are not follows `liftOver` with `-minMatch`: an interval is lifted where exactly one chain aligns
//! that share of its bases, and becomes what lies between its first and its last aligned base.
//!
//! - [`Chains::position`]: one base.
//! - [`Chains::interval`]: an interval, as `liftOver` has it.
//! - [`Chains::span`]: an interval of which every base must be there, one after the other: what an
//!   allele needs.
//! - [`Rejects`]: what was lost, each row with its reason before it, as `liftOver` writes it.
//! - [`RowLift`]: rows of a BED on their way to [`crate::genome::Regions`].
//!
//! Coordinates are 0-based and half-open.

mod chains;
mod read;
mod rejects;
mod rows;

pub use chains::{Chains, Lifted, LiftedInterval, MIN_MATCH, Span};
pub use rejects::{Rejects, Tally};
pub use rows::RowLift;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::genome::GenomeError;
use crate::input::InputError;
use crate::job::InputFile;

/// What a job is told of lifting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiftoverConfig {
    /// The chain file, from the build of the input to that of the FASTA.
    pub chains: PathBuf,
    /// Where what is lost is written, where not beside the results.
    pub rejects: Option<PathBuf>,
}

impl LiftoverConfig {
    /// SHA-256 of the chain file, for whoever compares two jobs; none of a stream.
    pub fn sha256(&self) -> Option<String> {
        InputFile::whole("chain", &self.chains).sha256
    }
}

/// Why something is not in the new build. The words of the first four are those of `liftOver`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
pub enum Lost {
    /// No chain has any of its bases.
    #[error("Deleted in new")]
    Deleted,
    /// One chain has some of its bases, but too few.
    #[error("Partially deleted in new")]
    PartiallyDeleted,
    /// Several chains have some of its bases, each too few.
    #[error("Split in new")]
    Split,
    /// Several chains have enough of its bases.
    #[error("Duplicated in new")]
    Duplicated,
    /// All its bases are there, with others between them ([`Chains::span`] alone).
    #[error("Interrupted in new")]
    Interrupted,
    /// The chain file does not know the contig, under none of its names. (`liftOver` calls this, too,
    /// deleted.)
    #[error("Contig not in the chain file")]
    UnknownContig,
    /// It lies on a contig of the new build that the FASTA lacks.
    #[error("Contig not in the FASTA")]
    NotInFasta,
}

/// What can be wrong with lifting as such.
#[derive(Debug, thiserror::Error)]
pub enum LiftoverError {
    /// The chain file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Rows that are lifted.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The FASTA is of the build that the chains lead from.
    #[error(
        "{chains} leads to a build whose {contig} has {new} bases; {fasta} is of the build that it leads from, whose {contig} has {source_length}"
    )]
    Direction {
        /// The chain file.
        chains: PathBuf,
        /// The FASTA.
        fasta: PathBuf,
        /// A contig that tells the two apart.
        contig: String,
        /// Its length in the new build.
        new: u32,
        /// Its length in the source, and in the FASTA.
        source_length: u32,
    },
    /// No row is in the new build.
    #[error("{path}: none of {rows} row(s) could be lifted; {what}")]
    NothingLifted {
        /// The file of the rows as the user named it.
        path: String,
        /// How many rows there are.
        rows: u64,
        /// The reasons, with how often each.
        what: Tally,
        /// A contig of the chain file whose name differs from the first row's by a `chr` alone.
        similar: Option<String>,
    },
}

impl LiftoverError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Direction { .. } => Some(
                "coordinates of the input are lifted to the build of the FASTA: take the chain file of the other direction, or the other FASTA"
                    .into(),
            ),
            Self::NothingLifted {
                similar: Some(name), ..
            } => Some(format!(
                "the chain file has {name:?}: the names differ by `chr`; try --chrom-alias ucsc-ensembl"
            )),
            Self::NothingLifted { .. } => {
                Some("is this the chain file of another genome, or of the other direction?".into())
            }
        }
    }
}
