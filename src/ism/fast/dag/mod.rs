//! Exact in-silico mutagenesis of networks that are no chain: pools and strides between convolutions,
//! residual and dense connections, dilated towers.
//!
//! A graph is read (`read`, `parts`) into operators of which it is known, for every changed stretch of positions
//! that they read, which stretch they change (`net`). A window is run whole once and all values are kept
//! (`reference`); then many changes of a base at a time go through the graph, each with the stretch of
//! positions that it has reached so far, and only these are computed (`edits`). Stretches of many
//! changes are rows of one product with a convolution's weights (`weights`).
//!
//! The same values, kept for an input and a reference, are what passes backwards need (`backward`).
//!
//! Where a graph has an operator that none of this is known of, or one that spreads every change over all
//! positions and is not at its end (attention, for instance), it is cut (`cut`): what lies below is done so,
//! and each change's values there are given to ONNX Runtime, which runs what lies above in batches.

mod backward;
mod cut;
mod edits;
mod engine;
mod net;
mod parts;
mod read;
mod reference;
mod rounding;
mod rows;
mod weights;

pub use backward::Backward;
pub use engine::{DagEngine, DagPlan, DagShared};
