//! ONNX files as data: just enough of `onnx.proto` (ONNX IR specification, version 8 and later) to
//! describe a model, to read the weights of the graphs that the fast engine knows, and to write
//! models of our own. Running a model is ONNX Runtime's work.

mod build;
pub mod presets;
mod proto;

pub use build::GraphBuilder;
pub use proto::*;
