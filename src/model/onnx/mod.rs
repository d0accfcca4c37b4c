//! ONNX files as data: just enough of `onnx.proto` (ONNX IR specification, version 8 and later) to
//! describe a model, to read the weights of the graphs that this program knows ([`Graph`], [`Axes`]),
//! and to write models of our own. Running a model is ONNX Runtime's work.

mod axes;
mod build;
mod external;
mod fields;
mod graph;
mod kmers;
mod outputs;
mod part;
pub mod presets;
mod properties;
mod proto;

pub use axes::{Axes, Axis, wrap};
pub use build::GraphBuilder;
pub use external::weights_inside;
pub use graph::{Chain, Graph, GraphError, Step};
pub use kmers::{KmerGraph, kmer_graph};
pub use outputs::{Reduce, one_output};
pub use part::upper_part;
pub use properties::with_property;
pub use proto::*;
