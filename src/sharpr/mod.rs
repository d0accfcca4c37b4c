//! Per-base activities from tiled designs: the probabilistic graphical model of Sharpr-MPRA
//! (Ernst et al. 2016, "Genome-scale high-resolution mapping of activating and repressive
//! nucleotides in regulatory regions", Nature Biotechnology 34, Methods).
//!
//! A region is assayed by `tiles` constructs of `tile` bases, `step` bases apart. It is cut into
//! intervals of `step` bases, each with a hidden activity; a tile's value is normal around the mean
//! of the intervals it covers. The steps, each of which can be run alone from the table that the
//! one before it wrote:
//!
//! 1. [`crate::counts::normalize`]: counts to a log2 ratio a tile;
//! 2. [`RegionTable::from_tiles`]: a row a region, a column a tile position, [`recentre`]d on
//!    request;
//! 3. [`infer`]: the posterior means of the hidden activities, standardised over the table;
//! 4. [`combine`]: replicates averaged, then the two prior variances joined conservatively;
//! 5. [`interpolate`]: from interval centres to bases;
//! 6. with coordinates, [`tracks`]: the mean over the regions that cover a base.

mod combine;
mod config;
mod infer;
mod interpolate;
mod run;
mod table;
mod text;
pub mod tracks;

pub use combine::{average, combine};
pub use config::{Config, Start, Step};
pub use infer::{infer, posterior_means};
pub use interpolate::interpolate;
pub use run::{Summary, run};
pub use table::{Design, Recentre, RegionTable, recentre};
pub use text::{Precision, read_normalized, read_table, write_normalized, write_table};

use std::path::PathBuf;

use crate::counts::CountsError;
use crate::input::InputError;
use crate::job::JobError;
use crate::output::OutputError;
use crate::tracks::TrackError;

/// What can go wrong between counts and per-base activities.
#[derive(Debug, thiserror::Error)]
pub enum SharprError {
    /// The count tables or the names of their tiles.
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// A table in text form, or the coordinate file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A tile length, step and number of tiles that do not make a design.
    #[error("tile {tile}, step {step}, {tiles} tiles: {problem}")]
    Design {
        /// Bases of a tile.
        tile: usize,
        /// Bases from one tile to the next.
        step: usize,
        /// Tiles a region.
        tiles: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// No region has any tile with a value.
    #[error("{0}: no tile has a value; nothing can be inferred")]
    NoValues(String),
    /// All scores are the same, so they have no scale.
    #[error("{0}: all values are equal; scores cannot be standardised to variance 1")]
    NoVariance(String),
    /// Two tables that are to be averaged list different regions.
    #[error("{first} and {second} differ at region row {row}: {first_id:?} and {second_id:?}")]
    Regions {
        /// The first table.
        first: String,
        /// The other table.
        second: String,
        /// 1-based row.
        row: usize,
        /// Region of the first table there.
        first_id: String,
        /// Region of the second table there.
        second_id: String,
    },
    /// A region has no coordinates, or ones that do not fit.
    #[error("{path}: region {id:?}: {problem}")]
    Coordinates {
        /// The coordinate file.
        path: PathBuf,
        /// The region.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// A table could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A track could not be written.
    #[error(transparent)]
    Track(#[from] TrackError),
}

impl SharprError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Counts(e) => e.hint(),
            Self::Input(e) => e.hint(),
            Self::Job(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Track(e) => e.hint(),
            Self::Design { .. } => {
                Some("the scale-up design is --tile 145 --step 5 --tiles 31".into())
            }
            Self::NoValues(_) => {
                Some("do the DNA tables reach --min-dna (default 20) anywhere?".into())
            }
            Self::Regions { .. } => {
                Some("replicates must come from tables with the same tiles in the same order".into())
            }
            Self::Coordinates { .. } => Some(
                "--regions takes SHARPR's `id chrom start end` or BED with the region in column 4 (hg19 0-based start)"
                    .into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
