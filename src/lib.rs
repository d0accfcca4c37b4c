//! Base-resolution regulatory activity and importance from MPRA sequence models.
//!
//! Data flows one way, and imports go down: a module uses those that stand above it here, and none
//! beside it (a test reads this from the sources; `docs/architecture.md` says more).
//!
//! What everything stands on:
//! - [`encode`]: bases as codes, and codes as one-hot columns in a model's layout.
//! - [`job`]: what every job has: cancellation, progress, threads, results in order, `run.json`.
//! - [`plot`]: figures as SVG.
//! - [`stats`]: statistics that several analyses share, the random generator.
//!
//! Files in and out, and models:
//! - [`input`]: the one way in: opening, lines, BED rows, tables, columns of Parquet.
//! - [`model`]: ONNX files, ONNX Runtime; everything above sees the trait [`model::Predict`].
//! - [`output`]: output folders that are whole or not there.
//!
//! What they are about:
//! - [`counts`]: barcode count tables, normalised to activities of tiles.
//! - [`genome`]: intervals, contigs and their aliases, BED regions, indexed FASTA, window lattices.
//!
//! Then:
//! - [`dataset`]: training examples from count tables: sequences, activities, splits.
//! - [`intervals`]: annotations, and sets of intervals on contigs.
//! - [`ism`]: in-silico mutagenesis; the full engine is the oracle of all others.
//! - [`liftover`]: coordinates of one build of a genome in another.
//! - [`tracks`]: values along the genome: bigWig, bedGraph.
//! - [`vcf`]: VCF and BCF as they are: headers, records, from one to the other.
//!
//! And on these:
//! - [`attribution`]: contributions of bases by DeepLIFT, integrated gradients, gradient times input.
//! - [`labelled`]: sequences with measured values, from Parquet, tables, BED.
//! - [`overlap`]: tracks against annotations: enrichment, factors, profiles, agreement.
//! - [`sharpr`]: the Sharpr-MPRA model, from tiles to per-base activities.
//! - [`sumstats`]: tables of associations, as the programs of the field write them.
//!
//! Of variants:
//! - [`fdr`]: false discovery rates of a table of p-values, with scores as side information.
//! - [`variants`]: effects of variants: VCF and GWAS tables in and out, p-values, ranking.
//!
//! Analyses that use these:
//! - [`evaluate`]: predictions against measurements.
//! - [`motifs`]: what a network's first layer looks for.
//! - [`score`]: the main job, from regions to tracks and tables.
//!
//! And these:
//! - [`design`]: sequences changed base by base towards an objective.
//! - [`haplotypes`]: what a person carries on each chromosome, over regions.
//! - [`perturb`]: sequences changed on purpose: pairs of changes, motifs put in, stretches taken away.
//! - [`train`]: models fitted to labelled sequences, or to a teacher's outputs.
//!
//! And [`report`]: one page that shows what jobs have done.
//!
//! And [`cli`]: the program, what is typed and what is printed.
//!
//! # Examples
//!
//! `examples/` has programs that score a region, give a variant's effects and read a track. The
//! windows of one region, as the paper lays them (4.3.1: 15 windows over 295 bases):
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

pub mod attribution;
pub mod cli;
pub mod counts;
pub mod dataset;
pub mod design;
pub mod encode;
mod error;
pub mod evaluate;
pub mod fdr;
pub mod genome;
pub mod haplotypes;
pub mod input;
pub mod intervals;
pub mod ism;
pub mod job;
pub mod labelled;
pub mod liftover;
pub mod model;
pub mod motifs;
pub mod output;
pub mod overlap;
pub mod perturb;
pub mod plot;
pub mod report;
pub mod score;
pub mod sharpr;
pub mod stats;
pub mod sumstats;
pub mod tracks;
pub mod train;
pub mod variants;
pub mod vcf;

pub use error::Error;
pub use job::Cancel;

/// The version of this program, as written into every output.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The README's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
