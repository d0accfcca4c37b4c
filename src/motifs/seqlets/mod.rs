//! Stretches of significant importance, on the genome, with the known motifs they are like.

mod call;
mod run;

pub use call::{Null, Rules, Seqlet, call};
pub use run::{Config, Summary, find, run};
pub(in crate::motifs) use run::{letters, rounded, shown_name};

#[cfg(test)]
mod tests;
