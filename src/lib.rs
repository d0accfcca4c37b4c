//! Base-resolution regulatory activity and importance from MPRA sequence models.
//!
//! Data flows one way, and so do imports:
//!
//! ```text
//! genome -> encode -> model -> ism -> tracks -> score
//! BED,      codes,    ONNX     engines bigWig,   the main job
//! FASTA,    one-hot   Runtime          bedGraph
//! windows
//! ```
//!
//! - [`genome`]: intervals, contigs and their aliases, BED regions, indexed FASTA, window lattices.
//! - [`encode`]: bases as codes, and codes as one-hot columns in a model's layout.
//! - [`model`]: ONNX files, ONNX Runtime; everything above sees the trait [`model::Predict`].
//! - [`ism`]: in-silico mutagenesis; the naive engine is the oracle of all others.
//! - [`tracks`]: bigWig and bedGraph.
//! - [`score`]: the main job, from regions to tracks and tables.
//! - [`counts`]: barcode count tables, normalised to activities of tiles.
//! - [`sharpr`]: the Sharpr-MPRA model, from tiles to per-base activities.
//! - [`dataset`]: training examples from count tables: sequences, activities, splits.
//! - [`labelled`]: sequences with measured values, from Parquet, tables, BED.
//! - [`train`]: models fitted to them, or to a teacher's outputs.
//! - [`evaluate`]: predictions against measurements.
//! - [`motifs`]: what a network's first layer looks for.
//! - [`overlap`]: tracks against annotations: enrichment, factors, profiles, agreement.
//! - [`variants`]: effects of variants: VCF in and out, p-values, ranking.
//! - [`fdr`]: false discovery rates of a table of p-values, with scores as side information.
//! - [`stats`]: statistics that several analyses share.
//! - [`plot`]: figures as SVG.
//! - [`output`]: output folders that are whole or not there.
//!
//! The command line (`src/cli/`) belongs to the program, not to this library.
//!
//! # Example
//!
//! The windows of one region, as the paper lays them (4.3.1: 15 windows over 295 bases):
//!
//! ```
//! use mpra_score::genome::{Interval, Lattice};
//!
//! let region = Interval::new(10_000, 10_295).unwrap();
//! let lattice = Lattice::genome(145, 29).unwrap().for_region(region.start());
//! let starts: Vec<i64> = lattice.covering(region).collect();
//! assert_eq!(starts.len(), 15);
//! assert_eq!(starts[0], 10_000 - 116);
//! ```

pub mod counts;
pub mod dataset;
pub mod encode;
mod error;
pub mod evaluate;
pub mod fdr;
pub mod genome;
pub mod input;
pub mod intervals;
pub mod ism;
pub mod job;
pub mod labelled;
pub mod model;
pub mod motifs;
pub mod output;
pub mod overlap;
pub mod plot;
pub mod score;
pub mod sharpr;
pub mod stats;
pub mod tracks;
pub mod train;
pub mod variants;

pub use error::Error;
pub use job::Cancel;

/// The version of this program, as written into every output.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The README's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
