//! Motifs made of seqlets: what a network looks for, from what bases are worth to it.
//!
//! A seqlet is the bases around the middle of a stretch of significant worth. Near neighbours are found by the gapped words of
//! its strongest bases, their likeness by laying the matrices of contributions upon each other (both strands, all offsets), groups of
//! neighbours by Louvain's method; a group's members, laid upon each other, are a pattern. Patterns that are alike are joined, and each
//! seqlet is given to the pattern that it is most like. The steps are those of TF-MoDISco (Shrikumar et al. 2018), the methods simpler
//! ones. Nothing is drawn at random.

mod graph;
mod matrix;
mod neighbours;
mod output;
mod patterns;
mod run;

pub use patterns::{Pattern, Site};
pub use run::{Config, Summary, run};

#[cfg(test)]
mod tests;
