//! Tracks: values along the genome, as bigWig and bedGraph.
//!
//! A track is a sequence of [`Item`]s that do not overlap, in the order of contig names compared
//! as bytes, then of position. Both formats hold exactly these items, one interval an item, so
//! that reading either gives back the same intervals and the same `f32` values.

mod bedgraph;
mod bigbed;
pub mod bigwig;
mod precision;
mod saturation;
mod scores;

pub use bedgraph::{format_value, write_bedgraph};
pub use bigbed::{BedItem, write_bigbed};

pub use precision::Precision;
pub use saturation::{RowPlace, Saturation, SaturationRow};
pub use scores::{Reader, Scores};

use std::path::PathBuf;

use crate::input::{BigFileError, InputError};
use crate::output::OutputError;

/// A value over the bases `[start, end)` of a contig.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// First base, 0-based.
    pub start: u32,
    /// One past the last base; more than `start`.
    pub end: u32,
    /// The value; finite.
    pub value: f32,
}

/// What can go wrong with a track.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] OutputError),
    /// Items came out of order: a mistake in this program, not in its input.
    #[error("items of {0} are out of order: please report this as a bug")]
    Order(PathBuf),
    /// A text file that is read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A bigWig that is read.
    #[error(transparent)]
    Big(#[from] BigFileError),
    /// A score that is NaN or infinite.
    #[error("{path}: the score at {place} is {value}; expected finite numbers")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// `contig:start-end`, 0-based, or a line.
        place: String,
        /// What it is.
        value: f32,
    },
    /// A score table that is not bedGraph and came without coordinates.
    #[error("{0} is neither bigWig nor bedGraph, and no coordinates are given for a table")]
    NoCoordinates(PathBuf),
    /// A region of a score table has no place, or one of another length.
    #[error("{path}, line {line}: region {region:?}: {problem}")]
    Coordinates {
        /// The table.
        path: PathBuf,
        /// 1-based line.
        line: u64,
        /// The region.
        region: String,
        /// What is wrong.
        problem: String,
    },
    /// Two values for one base in a bedGraph.
    #[error("{path}: {contig}:{position} (0-based) has two values")]
    TwoValues {
        /// The file.
        path: PathBuf,
        /// Contig.
        contig: String,
        /// Base.
        position: u32,
    },
    /// A folder without `saturation.npz`.
    #[error("{0} has no saturation.npz")]
    NoSaturation(PathBuf),
    /// An archive of effects that this program did not write, or that is damaged.
    #[error("{path} is not a whole saturation.npz of this program: {problem}")]
    Saturation {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No score at all.
    #[error("{0} holds no score{where_}", where_ = if *.1 { " in the regions" } else { "" })]
    NoScores(PathBuf, bool),
}

impl TrackError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(e) => return e.hint(),
            Self::Input(InputError::Line { .. }) => {
                "coordinates are 0-based and half-open; columns are separated by tabs".into()
            }
            Self::Input(e) => return e.hint(),
            Self::NoCoordinates(_) => {
                "--coordinates FILE says where a table's regions lie (`id chrom start end`, or BED with the region in column 4)".into()
            }
            Self::Coordinates { .. } => {
                "--coordinates must name every region of the table, with as many bases as it has values".into()
            }
            Self::NoSaturation(_) => {
                "run the job with --saturation: the effects of all changes are needed".into()
            }
            Self::Saturation { .. } => {
                "write it anew: `mpra-score --bed ... --fasta ... --saturation`".into()
            }
            Self::NotFinite { .. } => "bases without a score are left out of a track".into(),
            _ => return None,
        })
    }
}
