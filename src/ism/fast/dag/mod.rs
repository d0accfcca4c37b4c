//! Exact in-silico mutagenesis of networks that are no chain: pools and strides between convolutions,
//! residual and dense connections, dilated towers.
//!
//! A graph is read (`read`, `parts`) into operators of which it is known, for every changed stretch of positions
//! that they read, which stretch they change (`net`). A window is run whole once and all values are kept
//! (`reference`); then many changes of a base at a time go through the graph, each with the stretch of
//! positions that it has reached so far, and only these are computed (`edits`). Stretches of many
//! changes are rows of one matrix product a convolution.

mod edits;
mod engine;
mod net;
mod parts;
mod read;
mod reference;
mod rounding;
mod rows;

pub use engine::{DagEngine, DagPlan};
