//! Haplotypes of a phased VCF over regions: all variants that a person carries on one chromosome together, and
//! the activity of the sequence that they make.
//!
//! The VCF or BCF is read once, in its order (`stream`): a record is kept (`record`) as long as a region that it reaches is
//! open, so memory is that of the regions that lie side by side. Workers take whole regions (`region`): what each sample
//! carries becomes sequences (`apply`), of which each distinct one is scored once (`score`). Rows are written as
//! regions come to an end (`run`).
//!
//! - **core** of a region (`place`): its windows, `stride` bases apart, as many as hold its bases, with the middle
//!   of the region in their middle; one window where the region is no longer.
//! - The sequence of a haplotype is as long as the core, and the region's middle base stays in its column: insertions
//!   push bases out at the ends, deletions let bases in.
//! - **difference**: activity of the haplotype - activity of the reference, means over the same windows.
//!
//! Positions are 1-based in VCF and in what is told of its records, 0-based in BED and inside.

mod apply;
mod calls;
mod config;
mod error;
mod place;
mod record;
mod region;
mod rows;
mod run;
mod score;
mod stream;

pub use config::HaplotypesConfig;
pub use error::HaplotypeError;
pub use run::{HaplotypesSummary, run};
