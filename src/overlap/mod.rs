//! Do scores mean anything? Score tracks against annotations: the paper's evidence (5.2, 5.3,
//! figures 7 to 9) for any track and any set of intervals.
//!
//! - [`enrichment`]: bases ranked by score, the fraction of each bin that lies in an annotation,
//!   areas under ROC curves;
//! - [`by_name`]: means over the sites of each factor;
//! - [`profile`]: means by distance from anchors;
//! - [`correlate`]: agreement of two tracks.
//!
//! Scores come from [`crate::tracks::Scores`] (bigWig, bedGraph, SHARPR tables), intervals from
//! [`crate::intervals::Annotation`].

pub mod by_name;
mod common;
pub mod correlate;
mod counter;
pub mod enrichment;
mod error;
pub mod profile;
mod rank;
mod sketch;
mod units;

pub use common::Common;
pub use error::OverlapError;
