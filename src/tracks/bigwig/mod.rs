//! Writing bigWig.
//!
//! The format is that of Kent et al. 2010, "BigWig and BigBed: enabling browsing of large
//! distributed datasets", Bioinformatics 26:2204, supplement tables 5 to 17: a header, zoom level
//! headers, a total summary, a B+ tree of chromosome names, zlib-compressed sections of data, an R
//! tree over them, and for every zoom level sections of summaries with an R tree of their own.
//! Little-endian, version 4.
//!
//! It is written here because the values of a base-resolution track are dense: `fixedStep`
//! sections take 4 bytes a value where `bedGraph` sections, the only ones that the `bigtools`
//! crate writes, take 12. Tests read the files back with `bigtools`.
//!
//! Encoding ([`Encoder`], on any thread) is apart from writing ([`BigWigWriter`], in order), so
//! that compression runs where the values are made. Memory does not grow with the file: what the
//! indexes and zoom levels are made of waits in two files beside it, so that an unfinished track is
//! three growing files and nothing else, and can be taken up again or joined to another.

mod encode;
mod index;
mod spool;
mod write;
mod zoom;

pub use encode::{Encoded, Encoder};
pub use write::{BigWigWriter, Held};

/// Values in a data section at most, and records in a zoom section: UCSC's own choice.
const ITEMS_PER_SECTION: usize = 1024;

/// Bytes of the largest section before compression: of items as `bedGraph`, or of zoom records.
const LARGEST_SECTION: usize = if 24 + 12 * ITEMS_PER_SECTION > 32 * ITEMS_PER_SECTION {
    24 + 12 * ITEMS_PER_SECTION
} else {
    32 * ITEMS_PER_SECTION
};

/// Children of a tree node.
const NODE_SIZE: usize = 256;

/// Summary of values, per base: a value over an item of `n` bases counts `n` times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub bases: u64,
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub sum_squares: f64,
}

impl Summary {
    pub(crate) const EMPTY: Self = Self {
        bases: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        sum_squares: 0.0,
    };

    pub(crate) fn add(&mut self, value: f32, bases: u32) {
        let (value, weight) = (f64::from(value), f64::from(bases));
        self.bases += u64::from(bases);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value * weight;
        self.sum_squares += value * value * weight;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.bases += other.bases;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
    }
}
