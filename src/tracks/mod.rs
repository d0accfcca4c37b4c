//! Tracks: values along the genome, as bigWig and bedGraph.
//!
//! A track is a sequence of [`Item`]s that do not overlap, in the order of contig names compared
//! as bytes, then of position. Both formats hold exactly these items, one interval an item, so
//! that reading either gives back the same intervals and the same `f32` values.

mod bedgraph;
pub mod bigwig;

pub use bedgraph::{format_value, write_bedgraph};

use std::path::PathBuf;

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
}
