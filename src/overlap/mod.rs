//! Do scores mean anything? Score tracks against annotations: the paper's evidence (5.2, 5.3,
//! figures 7 to 9) for any track and any set of intervals.
//!
//! - [`enrichment`]: bases ranked by score, the fraction of each bin that lies in an annotation,
//!   areas under ROC curves;
//! - [`by_name`]: means over the sites of each factor;
//! - [`profile`]: means by distance from anchors;
//! - [`correlate`]: agreement of two tracks.
//!
//! Scores come from [`Scores`] (bigWig, bedGraph, SHARPR tables), intervals from [`Annotation`].

mod annotation;
pub mod by_name;
pub mod correlate;
mod counter;
pub mod enrichment;
mod error;
pub mod profile;
mod rank;
mod run_info;
mod scores;
mod sketch;
mod units;

pub use annotation::{Annotation, Placed, Site};
pub use error::OverlapError;
pub use run_info::{Common, Named};
pub use scores::{Reader, Scores};

use crate::stats;
