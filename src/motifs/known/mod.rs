//! Which known motifs a matrix, or a stretch of sequence, is like.

mod columns;
mod tomtom;

pub use tomtom::{Likeness, Tomtom};

#[cfg(test)]
mod tests;
