//! Training: models fitted to labelled sequences.
//!
//! - [`kmer`]: linear regression on k-mer counts, the paper's baseline (4.1).

pub mod kmer;
