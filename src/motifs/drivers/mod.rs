//! Which known motifs importance lies under: what bases inside their occurrences are worth, against the same places moved at
//! random inside their regions.

mod null;
mod run;

pub use null::{Moments, Widths};
pub use run::{Config, Driver, Summary, run};
